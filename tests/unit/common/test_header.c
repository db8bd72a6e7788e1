/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Header fields: walking a block whatever its line ends, unfolding, folding, limits. */
#include "common/header.h"
#include "tests/unit/common/syntax.h"

static void
list_fields(struct span block, struct buf *out)
{
	struct header_iter iter;
	struct header_field field;

	header_begin(&iter, block);
	while (header_next(&iter, &field)) {
		ck_assert_ptr_eq(field.whole.ptr, block.ptr + field.at);
		(void)buf_char(out, '[');
		(void)buf_span(out, field.name);
		(void)buf_char(out, '|');
		(void)buf_span(out, field.value);
		(void)buf_char(out, ']');
	}
}

START_TEST(walk)
{
	static const struct {
		const char *block, *fields;
		size_t size;
	} rows[] = {
		{ "A: 1\r\nB:2\r\n\r\nC: body", "[A| 1][B|2]", 13 }, { "A: 1\nB:2\n\nC: body", "[A| 1][B|2]", 10 },
		{ "A: 1\r\n 2\r\n\t3\r\nB: 4\r\n", "[A| 1\r\n 2\r\n\t3][B| 4]", 20 }, { "A \t: 1\n", "[A| 1]", 7 }, { "", "", 0 }, { "\n", "", 1 },
		{ "\r\nbody", "", 2 }, { "A:", "[A|]", 2 }, { "A: no end", "[A| no end]", 9 }, { "A: 1\n \nB: 2\n\n", "[A| 1\n ][B| 2]", 13 },
		/* lines that are no fields */
		{ "From x@y Mon Jan  1 10:00:00 2001\nA: 1\n\nb", "[|From x@y Mon Jan  1 10:00:00 2001][A| 1]", 40 },
		{ "no colon\nA: 1\n\nb", "[|no colon][A| 1]", 15 }, { " first\nA: 1\n\n", "[| first][A| 1]", 13 }, { ": x\n\n", "[|: x]", 5 },
		{ "caf\xc3\xa9: x\n\n", "[|caf\xc3\xa9: x]", 10 }, { "A: 1\rB: 2\n\n", "[A| 1\rB: 2]", 11 },
		/* no empty line at all: the first of them begins the body */
		{ "A: 1\nbody: is\nthis is\nB: 2\n", "[A| 1][body| is][|this is][B| 2]", 14 }, { "text only\n", "[|text only]", 0 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT(TEXT_MAX);

		list_fields(span_of(rows[i].block), &out);
		ck_buf(&out, span_of(rows[i].fields), rows[i].block);
		ck_assert_msg(header_block_size(span_of(rows[i].block)) == rows[i].size, "%s: %zu", rows[i].block,
		    header_block_size(span_of(rows[i].block)));
	}
}
END_TEST

START_TEST(find)
{
	const struct span block = SPAN("Received: a\nSubject: one\nRECEIVED: b\n\nSubject: body\n");
	struct header_field field;

	ck_assert(header_find(block, SPAN("received"), &field) && span_eq(field.value, SPAN(" a")));
	ck_assert(header_find_last(block, SPAN("Received"), &field) && span_eq(field.value, SPAN(" b")));
	ck_assert(header_find_last(block, SPAN("subject"), &field) && span_eq(field.value, SPAN(" one")));
	ck_assert(!header_find(block, SPAN("Subj"), &field));
	ck_assert(!header_find(block, SPAN(""), &field));
}
END_TEST

START_TEST(unfold)
{
	static const struct {
		const char *value, *text;
	} rows[] = {
		{ " a", "a" }, { " a\r\n b ", "a b" }, { "a\n\tb", "a\tb" }, { "a\rb", "a b" }, { "\r\n a", "a" }, { "", "" }, { " \r\n ", "" },
		{ "a \r\n  b", "a   b" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT(TEXT_MAX);

		ck_assert_int_eq(header_unfold(span_of(rows[i].value), &out), 0);
		ck_buf(&out, span_of(rows[i].text), rows[i].value);
	}
}
END_TEST

START_TEST(limits)
{
	for (unsigned count = HEADER_FIELDS_MAX - 1; count <= HEADER_FIELDS_MAX + 1; count++) {
		struct buf block = BUF_INIT(TEXT_MAX);
		struct header_iter iter;
		struct header_field field;
		unsigned found = 0;

		for (unsigned i = 0; i < count; i++)
			(void)buf_str(&block, "A: b\r\n");
		header_begin(&iter, buf_get(&block));
		while (header_next(&iter, &field))
			found++;
		ck_assert_uint_eq(found, count < HEADER_FIELDS_MAX ? count : HEADER_FIELDS_MAX);
		buf_free(&block);
	}
	for (size_t size = HEADER_BLOCK_MAX - 1; size <= HEADER_BLOCK_MAX + 1; size++) {
		struct buf block = BUF_INIT(HEADER_BLOCK_MAX + 1);
		struct header_field field;

		(void)buf_str(&block, "A: ");
		ck_assert_ptr_nonnull(buf_reserve(&block, size - 4));
		memset(block.data + 3, 'x', size - 4);
		buf_added(&block, size - 4);
		(void)buf_str(&block, "\n");
		ck_assert_uint_eq(block.len, size);
		ck_assert(header_find(buf_get(&block), SPAN("A"), &field));
		ck_assert_uint_eq(field.whole.len, size <= HEADER_BLOCK_MAX ? size : HEADER_BLOCK_MAX);
		buf_free(&block);
	}
}
END_TEST

START_TEST(append)
{
	static const struct {
		const char *name, *value, *text; /* text NULL: refused */
	} rows[] = {
		{ "Subject", "hello", "Subject: hello\r\n" }, { "Subject", "", "Subject: \r\n" }, { "X", " a  b ", "X: a  b\r\n" },
		{ "X", "a\r\n b", "X: a\r\n b\r\n" }, { "X", "a\n\tb", "X: a\r\n\tb\r\n" },
		{ "X", "a\r\nb", NULL }, { "X", "a\r b", NULL }, { "X", "a\r\n\r\n b", NULL }, { "X", "a\r\n \r\n b", NULL }, { "X Y", "a", NULL },
		{ "X:", "a", NULL }, { "", "a", NULL }, { "X\xc3\xa9", "a", NULL },
		{ "To", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
		  "To: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n" },
		{ "To", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
		  "To: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,\r\n bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n" },
	};
	struct buf out = BUF_INIT(TEXT_MAX);
	char word[1000];

	for (size_t i = 0; i < COUNT(rows); i++) {
		int r = header_append(&out, span_of(rows[i].name), span_of(rows[i].value));

		ck_assert_msg(r == (rows[i].text != NULL ? 0 : -EINVAL), "%s: %d", rows[i].value, r);
		ck_buf(&out, span_of(rows[i].text != NULL ? rows[i].text : ""), rows[i].value);
	}
	ck_assert_int_eq(header_append(&out, SPAN("X"), SPAN("a\0b")), -EINVAL);
	/* RFC 5322 section 2.1.1: 998 and no more. */
	memset(word, 'w', sizeof(word));
	ck_assert_int_eq(header_append(&out, SPAN("X"), span_make(word, 995)), 0);
	ck_assert_int_eq(header_append(&out, SPAN("X"), span_make(word, 996)), -EINVAL);
	ck_assert_uint_eq(out.len, 1000);
	buf_free(&out);
	out = BUF_INIT(9);
	ck_assert_int_eq(header_append(&out, SPAN("X"), SPAN("abcd")), 0);
	buf_clear(&out);
	ck_assert_int_eq(header_append(&out, SPAN("X"), SPAN("abcde")), -EMSGSIZE);
	ck_assert_uint_eq(out.len, 0);
	buf_free(&out);
}
END_TEST

START_TEST(append_text)
{
	struct buf out = BUF_INIT(TEXT_MAX);

	ck_assert_int_eq(header_append_text(&out, SPAN("Subject"), SPAN("\xe6\x97\xa5\xe6\x9c\xac news")), 0);
	ck_buf(&out, SPAN("Subject: =?utf-8?B?5pel5pys?= news\r\n"), "encoded words");
	ck_assert_int_eq(header_append_text(&out, SPAN("Subject"), SPAN("a\r\nBcc: x")), 0);
	ck_buf(&out, SPAN("Subject: a  Bcc: x\r\n"), "no second field");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { walk, find, unfold, limits, append, append_text };

	return run_suite("header", tests, COUNT(tests));
}
