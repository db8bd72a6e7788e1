/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Parameters: RFC 2045 section 5.1, RFC 2231's examples, what senders get wrong, limits. */
#include "common/parameter.h"
#include "tests/unit/common/syntax.h"

static void
list_text(const char *value, enum parameter_mode mode, struct buf *out)
{
	struct parameter_list list;

	parameter_list_parse(span_of(value), mode, &list);
	for (size_t i = 0; i < list.count; i++) {
		(void)buf_str(out, i == 0 ? "" : "|");
		(void)buf_span(out, list.items[i].name);
		(void)buf_char(out, '=');
		(void)buf_span(out, list.items[i].value);
	}
	parameter_list_free(&list);
}

START_TEST(decoded)
{
	static const struct {
		const char *value, *text;
	} rows[] = {
		{ "text/plain; charset=us-ascii (Plain text)", "charset=us-ascii" }, /* RFC 2045 */
		{ "text/plain; charset=\"us-ascii\"", "charset=us-ascii" },
		{ "text/plain", "" }, { "", "" }, { ";", "" }, { "x; a=", "a=" }, { "x; =b", "" }, { "x; a; b=c", "b=c" },
		/* RFC 2231 sections 3 and 4 */
		{ "message/external-body; access-type=URL;\r\n URL*0=\"ftp://\";\r\n URL*1=\"cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar\"",
		  "access-type=URL|url=ftp://cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar" },
		{ "application/x-stuff; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A", "title=This is ***fun***" },
		{ "application/x-stuff\r\n ; title*0*=us-ascii'en'This%20is%20even%20more%20\r\n ; title*1*=%2A%2A%2Afun%2A%2A%2A%20\r\n"
		  " ; title*2=\"isn't it!\"", "title=This is even more ***fun*** isn't it!" },
		/* pieces in any order, a gap ends them */
		{ "x; a*1=b; a*0=a", "a=ab" }, { "x; a*0=a; a*2=c", "a=a" }, { "x; a*01=b", "a*01=b" },
		{ "x; f*0*=utf-8''%C3; f*1*=%A9", "f=\xc3\xa9" },
		/* RFC 2231 before plain; the first of two counts */
		{ "x; filename=\"a.txt\"; filename*=utf-8''%C3%A9.txt", "filename=\xc3\xa9.txt" }, { "x; a=1; A=2", "a=1" },
		/* encoded words where they should not be */
		{ "x; name=\"=?utf-8?Q?caf=C3=A9?=.txt\"", "name=caf\xc3\xa9.txt" },
		/* bare values */
		{ "x; filename=my file (1).txt; b=c", "filename=my file|b=c" }, { "x; filename=a(1).txt", "filename=a(1).txt" },
		{ "x; a=b (c;d) ; e=f", "a=b|e=f" }, { "x; a=\"b;c\" d=e", "a=b;c|d=e" }, { "x; a = \"b\" ; c\t=d", "a=b|c=d" },
		{ "x; a=\"b\\\"c\\\\\"", "a=b\"c\\" }, { "x; a=\"open", "a=open" }, { "x (;y=z); a=b", "a=b" }, { "x; a=\"b\r\n c\"", "a=b c" },
		{ "x; a=caf\xe9", "a=caf\xef\xbf\xbd" }, { "x; ;; a=b;", "a=b" }, { "x; a*=utf-8'%41", "a=utf-8'A" }, { "x; a*=%zz", "a=%zz" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT(TEXT_MAX);

		list_text(rows[i].value, PARAMETER_DECODED, &out);
		ck_buf(&out, span_of(rows[i].text), rows[i].value);
	}
}
END_TEST

START_TEST(raw)
{
	struct buf out = BUF_INIT(TEXT_MAX);

	list_text("x; Title*0*=us-ascii'en'This%20is; title*1=\"isn't \\\"it\"; CHARSET=UTF-8", PARAMETER_RAW, &out);
	ck_buf(&out, SPAN("Title*0*=us-ascii'en'This%20is|title*1=isn't \"it|CHARSET=UTF-8"), "as the field has them");
}
END_TEST

START_TEST(limits)
{
	for (size_t count = PARAMETER_COUNT_MAX - 1; count <= PARAMETER_COUNT_MAX + 1; count++) {
		struct buf value = BUF_INIT(TEXT_MAX);
		struct parameter_list list;

		(void)buf_str(&value, "x/y");
		for (size_t i = 0; i < count; i++)
			(void)buf_fmt(&value, "; a%zu=b", i);
		parameter_list_parse(buf_get(&value), PARAMETER_DECODED, &list);
		ck_assert_uint_eq(list.count, count < PARAMETER_COUNT_MAX ? count : PARAMETER_COUNT_MAX);
		ck_assert(span_eq(parameter_get(&list, SPAN("a7")), SPAN("b")));
		ck_assert_ptr_null(parameter_get(&list, SPAN("b")).ptr);
		parameter_list_free(&list);
		buf_free(&value);
	}
	for (size_t size = PARAMETER_TEXT_MAX - 1; size <= PARAMETER_TEXT_MAX + 1; size++) {
		struct buf value = BUF_INIT(TEXT_MAX);
		struct parameter_list list;

		(void)buf_str(&value, "x; a=");
		while (value.len < size)
			(void)buf_char(&value, 'v');
		parameter_list_parse(buf_get(&value), PARAMETER_DECODED, &list);
		ck_assert_uint_eq(list.count, 1);
		ck_assert_uint_eq(list.items[0].value.len, (size <= PARAMETER_TEXT_MAX ? size : PARAMETER_TEXT_MAX) - 5);
		parameter_list_free(&list);
		buf_free(&value);
	}
}
END_TEST

/* RFC 2231 section 3: pieces are numbered from 0 without gaps, and come in any order. */
START_TEST(many_pieces)
{
	for (size_t count = 199; count <= PARAMETER_PIECES_MAX; count += count < 210 ? 1 : 1943) {
		struct buf value = BUF_INIT(TEXT_MAX);
		struct parameter_list list;

		(void)buf_str(&value, "x/y; name=other");
		for (size_t i = 0; i + 2 < count; i++)
			(void)buf_fmt(&value, "; N*%zu=%c", count - 3 - i, (int)('a' + (count - 3 - i) % 26));
		(void)buf_str(&value, "; last=1");
		parameter_list_parse(buf_get(&value), PARAMETER_DECODED, &list);
		ck_assert_uint_eq(list.count, 3);
		ck_assert(span_eq(list.items[1].name, SPAN("n")));
		ck_assert_uint_eq(list.items[1].value.len, count - 2);
		for (size_t i = 0; i + 2 < count; i++)
			ck_assert_int_eq(list.items[1].value.ptr[i], (int)('a' + i % 26));
		ck_assert(span_eq(parameter_get(&list, SPAN("last")), SPAN("1")));
		parameter_list_free(&list);
		buf_free(&value);
	}
}
END_TEST

START_TEST(append)
{
	static const struct {
		const char *name, *value;
		size_t column;
		const char *text;
	} rows[] = {
		{ "charset", "utf-8", 24, "; charset=utf-8" }, { "name", "a b", 24, "; name=\"a b\"" }, { "name", "", 24, "; name=\"\"" },
		{ "name", "say \"x\\y\"", 24, "; name=\"say \\\"x\\\\y\\\"\"" }, { "charset", "utf-8", 70, ";\r\n charset=utf-8" },
		{ "filename", "\xc3\xa9.txt", 31, "; filename*=utf-8''%C3%A9.txt" }, { "filename", "a\r\nb", 31, "; filename*=utf-8''a%0D%0Ab" },
		{ "filename", "\xff", 31, "; filename*=utf-8''%EF%BF%BD" },
		{ "filename", "1234567890123456789012345678901234567890123456789012345678901234567890.txt", 31,
		  ";\r\n filename*0=\"123456789012345678901234567890123456789012345678901234567890123\";\r\n filename*1=\"4567890.txt\"" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT(TEXT_MAX);
		size_t column = rows[i].column;

		ck_assert_int_eq(parameter_append(&out, span_of(rows[i].name), span_of(rows[i].value), &column), 0);
		ck_buf(&out, span_of(rows[i].text), rows[i].value);
	}
}
END_TEST

START_TEST(round_trip)
{
	static const char *const pieces[] = { "a", "\xc3\xa9", "\xe6\x97\xa5", "\xf0\x9f\x92\xa8", "\"", "\\", "%", " " };
	uint32_t seed = 3;

	for (size_t count = 0; count < 200; count++) {
		struct buf value = BUF_INIT(TEXT_MAX), field = BUF_INIT(TEXT_MAX);
		struct parameter_list list;
		size_t column = 15;

		for (size_t i = 0; i < count; i++) {
			seed = seed * 1103515245 + 12345;
			(void)buf_str(&value, pieces[count % 3 == 0 ? 0 : seed >> 16 & 7]);
		}
		(void)buf_str(&field, "attachment");
		ck_assert_int_eq(parameter_append(&field, SPAN("filename"), buf_get(&value), &column), 0);
		for (struct span rest = buf_get(&field), line; span_split(&rest, '\n', &line);)
			ck_assert_uint_le(line.len, 79);
		parameter_list_parse(buf_get(&field), PARAMETER_DECODED, &list);
		ck_assert_uint_eq(list.count, 1);
		ck_assert_msg(span_eq(list.items[0].value, buf_get(&value)), "%s", buf_cstr(&field));
		parameter_list_free(&list);
		buf_free(&value);
		buf_free(&field);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { decoded, raw, limits, many_pieces, append, round_trip };

	return run_suite("parameter", tests, COUNT(tests));
}
