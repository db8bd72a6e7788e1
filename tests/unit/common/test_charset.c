/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Charsets: names, conversions, bad bytes, pieces, limits. */
#include "common/charset.h"
#include "tests/unit/common/syntax.h"

#define BAD "\xef\xbf\xbd"

START_TEST(names)
{
	static const struct {
		const char *label, *name; /* NULL: not allowed */
	} rows[] = {
		{ "utf-8", "UTF-8" }, { "UTF8", "UTF-8" }, { "us-ascii", "US-ASCII" }, { "ANSI_X3.4-1968", "US-ASCII" },
		{ "iso-8859-1", "CP1252" }, { "ISO_8859-1:1987", "CP1252" }, { "latin1", "CP1252" }, { "iso-8859-15", "ISO-8859-15" },
		{ "\"windows-1251\"", "CP1251" }, { "x-sjis", "CP932" }, { "shift_jis", "CP932" }, { "csISO2022JP", "ISO-2022-JP" },
		{ "gb2312", "GB18030" }, { "x-gbk", "GB18030" }, { "GB18030", "GB18030" }, { "big5", "CP950" }, { "Big5-HKSCS", "BIG5-HKSCS" },
		{ "ks_c_5601-1987", "UHC" }, { "euc-kr", "UHC" }, { "tis-620", "CP874" }, { "koi8-r", "KOI8-R" }, { "koi8-u", "KOI8-U" },
		{ "ISO-2022-CN-EXT", NULL }, { "ISO-2022-CN", NULL }, { "", NULL }, { "x-unknown", NULL }, { "IBM930", NULL }, { "INTERNAL", NULL },
		{ "UTF-8//TRANSLIT", NULL }, { "../../tmp/x", NULL }, { "x", NULL },
		{ "utf-8-------------------------------------------------------------", "UTF-8" },
		{ "utf8utf8utf8utf8utf8utf8utf8utf8utf8utf8utf8utf8utf8utf8utf8utf8", NULL },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *name = charset_find(span_of(rows[i].label));

		ck_assert_msg(rows[i].name == NULL ? name == NULL : name != NULL && strcmp(name, rows[i].name) == 0, "%s: %s",
		    rows[i].label, name != NULL ? name : "none");
	}
}
END_TEST

static const struct {
	const char *label;
	struct span bytes;
	const char *text;
	int result;
} rows[] = {
	{ "utf-8", { "caf\xc3\xa9", 5 }, "caf\xc3\xa9", 0 },
	{ "utf-8", { "a\xc3", 2 }, "a" BAD, 0 },
	{ "utf-8", { "\xc3\xa9\xff\xe2\x82\xac", 6 }, "\xc3\xa9" BAD "\xe2\x82\xac", 0 },
	{ "utf-8", { "\xed\xa0\x80", 3 }, BAD BAD BAD, 0 },
	{ "utf-8", { "\xf4\x90\x80\x80", 4 }, BAD BAD BAD BAD, 0 },
	{ "utf-8", { "\xc0\x80", 2 }, BAD BAD, 0 },
	{ "utf-8", { "a\0b", 3 }, "a" BAD "b", 0 },
	{ "us-ascii", { "na\xefve", 5 }, "na" BAD "ve", 0 },
	{ "", { "caf\xc3\xa9", 5 }, "caf\xc3\xa9", 0 },
	{ "nonsense", { "caf\xc3\xa9", 5 }, "caf\xc3\xa9", 1 },
	{ "ISO-2022-CN-EXT", { "\x1b$)Aa", 5 }, "\x1b$)Aa", 1 },
	{ "iso-8859-1", { "caf\xe9 \x80", 6 }, "caf\xc3\xa9 \xe2\x82\xac", 0 },
	{ "iso-8859-2", { "\xb1\xe6", 2 }, "\xc4\x85\xc4\x87", 0 },
	{ "windows-1251", { "\xcf\xf0\xe8", 3 }, "\xd0\x9f\xd1\x80\xd0\xb8", 0 },
	{ "windows-1252", { "a\x81z", 3 }, "a" BAD "z", 0 },
	{ "koi8-r", { "\xf0\xd2\xc9", 3 }, "\xd0\x9f\xd1\x80\xd0\xb8", 0 },
	{ "gb2312", { "\xc4\xe3\xba\xc3", 4 }, "\xe4\xbd\xa0\xe5\xa5\xbd", 0 },
	{ "gbk", { "\x8c\xa3", 2 }, "\xe5\xb0\x88", 0 },
	{ "gb18030", { "\x81\x30\x81\x30", 4 }, "\xc2\x80", 0 },
	{ "gb18030", { "\xc4\xe3\xba", 3 }, "\xe4\xbd\xa0" BAD, 0 },
	{ "big5", { "\xa7\x41\xa6\x6e", 4 }, "\xe4\xbd\xa0\xe5\xa5\xbd", 0 },
	{ "shift_jis", { "\x93\xfa\x96\x7b", 4 }, "\xe6\x97\xa5\xe6\x9c\xac", 0 },
	{ "euc-jp", { "\xc6\xfc\xcb\xdc", 4 }, "\xe6\x97\xa5\xe6\x9c\xac", 0 },
	{ "iso-2022-jp", { "\x1b$BF|K\\\x1b(Bx", 11 }, "\xe6\x97\xa5\xe6\x9c\xacx", 0 },
	{ "euc-kr", { "\xc7\xd1\xb1\xdb", 4 }, "\xed\x95\x9c\xea\xb8\x80", 0 },
	{ "tis-620", { "\xa1", 1 }, "\xe0\xb8\x81", 0 },
	{ "utf-16", { "\xff\xfe" "a\0", 4 }, "a", 0 },
	{ "utf-16be", { "\0a\xd8\x3d\xdc\xa8", 6 }, "a\xf0\x9f\x92\xa8", 0 },
	{ "utf-16be", { "\0a\0", 3 }, "a" BAD, 0 },
	{ "utf-7", { "Hi+ZeVnLIqe-!", 13 }, "Hi\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e!", 0 },
};

START_TEST(conversions)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT(TEXT_MAX);

		ck_assert_msg(charset_to_utf8(span_of(rows[i].label), rows[i].bytes, &out) == rows[i].result, "row %zu %s", i, rows[i].label);
		ck_buf(&out, span_of(rows[i].text), rows[i].label);
	}
}
END_TEST

START_TEST(pieces)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t piece = 1; piece < 6; piece++) {
			struct charset_decoder decoder;
			struct buf out = BUF_INIT(TEXT_MAX);
			struct span rest = rows[i].bytes;

			ck_assert_int_eq(charset_decoder_init(&decoder, span_of(rows[i].label)), rows[i].result);
			while (rest.len != 0)
				ck_assert_int_eq(charset_decoder_feed(&decoder, span_take(&rest, piece), &out), 0);
			ck_assert_int_eq(charset_decoder_finish(&decoder, &out), 0);
			charset_decoder_free(&decoder);
			ck_buf(&out, span_of(rows[i].text), rows[i].label);
		}
	}
}
END_TEST

START_TEST(two_at_once)
{
	struct charset_decoder first, second;
	struct buf a = BUF_INIT(TEXT_MAX), b = BUF_INIT(TEXT_MAX);

	/* The shared handle has state (ISO-2022-JP): a second text must not see it. */
	ck_assert_int_eq(charset_decoder_init(&first, SPAN("iso-2022-jp")), 0);
	ck_assert_int_eq(charset_decoder_feed(&first, SPAN("\x1b$BF|"), &a), 0);
	ck_assert_int_eq(charset_decoder_init(&second, SPAN("iso-2022-jp")), 0);
	ck_assert_int_eq(charset_decoder_feed(&second, SPAN("K\\"), &b), 0);
	ck_assert_int_eq(charset_decoder_feed(&first, SPAN("K\\"), &a), 0);
	charset_decoder_free(&first);
	charset_decoder_free(&second);
	ck_buf(&a, SPAN("\xe6\x97\xa5\xe6\x9c\xac"), "first");
	ck_buf(&b, SPAN("K\\"), "second");
	/* And what one left behind, the next does not have. */
	ck_assert_int_eq(charset_to_utf8(SPAN("iso-2022-jp"), SPAN("\x1b$B"), &a), 0);
	ck_assert_int_eq(charset_to_utf8(SPAN("iso-2022-jp"), SPAN("F|"), &a), 0);
	ck_buf(&a, SPAN("F|"), "fresh");
}
END_TEST

START_TEST(limits)
{
	for (size_t max = 2; max <= 7; max++) {
		struct buf out = BUF_INIT(max);
		int want = max < 6 ? -EMSGSIZE : 0;

		ck_assert_int_eq(charset_to_utf8(SPAN("gbk"), SPAN("\xc4\xe3\xba\xc3"), &out), want);
		ck_assert_uint_eq(out.len, max < 3 ? 0 : max < 6 ? 3 : 6);
		buf_free(&out);
		out = BUF_INIT(max);
		ck_assert_int_eq(charset_repair(SPAN("\xe4\xbd\xa0\xff"), &out), want);
		ck_assert_uint_eq(out.len, max < 3 ? 0 : max < 6 ? 3 : 6);
		buf_free(&out);
	}
}
END_TEST

START_TEST(long_text)
{
	struct buf bytes = BUF_INIT(TEXT_MAX), out = BUF_INIT(TEXT_MAX);

	/* Characters stand across every border between chunks. */
	(void)buf_char(&bytes, 'a');
	for (size_t i = 0; i < 50000; i++)
		(void)buf_str(&bytes, "\xc4\xe3");
	ck_assert_int_eq(charset_to_utf8(SPAN("gbk"), buf_get(&bytes), &out), 0);
	ck_assert_uint_eq(out.len, 150001);
	ck_assert(span_find(buf_get(&out), SPAN(BAD)) < 0);
	buf_free(&bytes);
	buf_free(&out);
}
END_TEST

START_TEST(preload)
{
	ck_assert_uint_eq(charset_preload(), 0);
	ck_assert_uint_eq(charset_preload(), 0);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { names, conversions, pieces, two_at_once, limits, long_text, preload };

	return run_suite("charset", tests, COUNT(tests));
}
