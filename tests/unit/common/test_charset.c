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
		{ "_iso-2022-jp$ESC", "ISO-2022-JP" }, { "iso-2022-jp-ms", "ISO-2022-JP" }, { "HZ-GB-2312", "HZ-GB-2312" },
		{ "cseuckr", "UHC" }, { "csISOLatinCyrillic", "ISO-8859-5" }, { "x-x-big5", "CP950" }, { "EUC-TW", "EUC-TW" }, { "cp949", "UHC" },
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
	{ "euc-kr", { "\xa2\xe8\xc7\xee\x5b", 5 }, BAD "\xed\x97\xa8[", 0 }, /* not assigned: it alone is bad */
	{ "euc-kr", { "\xc7\xd1\xa2\xe8m_", 6 }, "\xed\x95\x9c" BAD "m_", 0 },
	{ "euc-kr", { "a\x80\xc7\xd1", 4 }, "a" BAD "\xed\x95\x9c", 0 },
	{ "iso-2022-kr", { "\x0e\x22\x68GQ\x0f" "ab", 8 }, BAD "\xed\x95\x9c" "ab", 0 },
	{ "tis-620", { "\xa1", 1 }, "\xe0\xb8\x81", 0 },
	{ "utf-16", { "\xff\xfe" "a\0", 4 }, "a", 0 },
	/* The order of one text is not that of the next. */
	{ "utf-16", { "\xfe\xff\0a", 4 }, "a", 0 },
	{ "utf-16", { "\xff\xfe" "a\0", 4 }, "a", 0 },
	{ "unicode", { "a\0b\0", 4 }, "ab", 0 },
	{ "ucs-2", { "\0a\0b", 4 }, "ab", 0 },
	{ "utf-16", { "\x60\x4f", 2 }, "\xe4\xbd\xa0", 0 },
	{ "utf-16", { "\xfe\xff\x4f\x60", 4 }, "\xe4\xbd\xa0", 0 },
	{ "utf-16", { "\xff", 1 }, BAD, 0 },
	{ "utf-16", { "", 0 }, "", 0 },
	{ "utf-32", { "\0\0\xfe\xff\0\0\0a", 8 }, "a", 0 },
	{ "utf-32", { "\xff\xfe\0\0" "a\0\0\0", 8 }, "a", 0 },
	{ "ucs-4", { "a\0\0\0", 4 }, "a", 0 },
	{ "utf-32", { "\0\0\0a", 4 }, "a", 0 },
	{ "utf-32", { "\0\0\xfe", 3 }, BAD, 0 },
	/* What means nothing is a unit. */
	{ "utf-16le", { "a\0\0\xd8" "b\0c\0", 8 }, "a" BAD "bc", 0 },
	{ "utf-16be", { "\0a\xdc\0\0b\0c", 8 }, "a" BAD "bc", 0 },
	{ "utf-32le", { "\0\xd8\0\0" "b\0\0\0", 8 }, BAD "b", 0 },
	{ "utf-32be", { "\0\x11\0\0" "\0\0\0b", 8 }, BAD "b", 0 },
	{ "utf-16be", { "\0a\xd8\x3d\xdc\xa8", 6 }, "a\xf0\x9f\x92\xa8", 0 },
	{ "utf-16be", { "\0a\0", 3 }, "a" BAD, 0 },
	{ "utf-7", { "Hi+ZeVnLIqe-!", 13 }, "Hi\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e!", 0 },
	{ "iso-2022-jp", { "\x1b$B-!-j\x1b(B", 10 }, "\xe2\x91\xa0\xe3\x88\xb1", 0 }, /* NEC's row 13 */
	{ "iso-2022-jp", { "\x1b$By!|q\x1b(B", 10 }, "\xe7\xba\x8a\xe2\x85\xb0", 0 }, /* rows 89 to 92, as Outlook writes them */
	{ "iso-2022-jp", { "\x1b(I12\x1b(Bx", 9 }, "\xef\xbd\xb1\xef\xbd\xb2x", 0 }, /* half-width kana: designated, */
	{ "cp50222", { "\x0e" "12\x0fx", 5 }, "\xef\xbd\xb1\xef\xbd\xb2x", 0 }, /* shifted to, */
	{ "iso-2022-jp", { "\xb1\xb2x", 3 }, "\xef\xbd\xb1\xef\xbd\xb2x", 0 }, /* and of 8 bits */
	{ "iso-2022-jp", { "\x1b$@F|\x1b(J\x5c~\x1b(Hx", 14 }, "\xe6\x97\xa5\x5c~x", 0 },
	{ "iso-2022-jp", { "\x1b$BF|\x0aK\x5c", 8 }, "\xe6\x97\xa5\x0aK\x5c", 0 }, /* a line begins in ASCII */
	{ "iso-2022-jp", { "\x1b$BF\x1b(Bx", 8 }, BAD "x", 0 },
	{ "iso-2022-jp", { "\x1b$B)_F|\x1b(Bx", 11 }, BAD "\xe6\x97\xa5x", 0 }, /* no such character: its halves are none either */
	{ "iso-2022-jp", { "\x1b(I_`1\x1b(Bx", 10 }, "\xef\xbe\x9f" BAD "\xef\xbd\xb1x", 0 }, /* past the last kana */
	{ "iso-2022-jp", { "\x1b$Zx\x1b%", 6 }, BAD "$Zx" BAD "%", 0 },
	{ "iso-2022-jp", { "\x1b\x1b\xff\x1b(", 5 }, BAD BAD BAD BAD "(", 0 },
	{ "iso-2022-jp-1", { "\x1b$(D0!\x1b(B", 9 }, "\xe4\xb8\x82", 0 },
	{ "iso-2022-jp-2", { "\x1b$ADc\x1b$(CGQ\x1b(Bx", 15 }, "\xe4\xbd\xa0\xed\x95\x9cx", 0 },
	{ "iso-2022-jp-2", { "\x1b.Acaf\x1bNi\x1b.F\x1bNax", 16 }, "caf\xc3\xa9\xce\xb1x", 0 },
	{ "iso-2022-jp-2", { "\x1bNix", 4 }, BAD "x", 0 },
	{ "iso-2022-jp-3", { "\x1b$(O-!\x1b$(P!!\x1b(B", 15 }, "\xe2\x91\xa0\xf0\xa0\x82\x89", 0 },
	{ "iso-2022-jp-ms", { "\x1b$B-!\x1b(B", 8 }, "\xe2\x91\xa0", 0 },
	{ "_iso-2022-jp$ESC", { "\x1b$BF|\x1b(B", 8 }, "\xe6\x97\xa5", 0 },
	{ "iso-2022-kr", { "\x1b$)Ca\x0eGQ1[\x0f" "b", 12 }, "a\xed\x95\x9c\xea\xb8\x80" "b", 0 },
	{ "iso-2022-kr", { "\x0eGQ\x0a" "ab", 6 }, "\xed\x95\x9c\x0a" "ab", 0 },
	{ "iso-2022-kr", { "\x0eG", 2 }, BAD, 0 },
	{ "hz-gb-2312", { "~{VPND~}~~x~\x0ay", 14 }, "\xe4\xb8\xad\xe6\x96\x87~xy", 0 },
	{ "hz-gb-2312", { "~{VP\x0aND", 7 }, "\xe4\xb8\xad\x0aND", 0 },
	{ "hz-gb-2312", { "~{V~}", 5 }, "\xe7\xad\x91" BAD, 0 },
	{ "hz-gb-2312", { "a~b~", 4 }, "a~b~", 0 },
	{ "hz-gb-2312", { "\xd6x", 2 }, BAD "x", 0 },
	{ "utf-7", { "+AOk-+-+2D3cqA x", 16 }, "\xc3\xa9+\xf0\x9f\x92\xa8 x", 0 },
	{ "utf-7", { "1 + 1 +", 7 }, "1 + 1 +", 0 },
	{ "utf-7", { "+3Kg-+2D0-x", 11 }, BAD BAD "x", 0 },
	{ "utf-7", { "a+AO!", 5 }, "a" BAD "!", 0 },
	{ "utf-7", { "\xe9x", 2 }, BAD "x", 0 },
	{ "big5-hkscs", { "\x88" "b\x88@", 4 }, "\xc3\x8a\xcc\x84\xe3\x87\x80", 0 },
	{ "big5", { "\xa3\xe1\xf9\xd6", 4 }, "\xe2\x82\xac\xe7\xa2\x81", 0 },
	{ "cp932", { "\x87@\xb1\x81`", 5 }, "\xe2\x91\xa0\xef\xbd\xb1\xef\xbd\x9e", 0 },
	{ "windows-31j", { "\x87@\x81", 3 }, "\xe2\x91\xa0" BAD, 0 },
	{ "euc-jp", { "\xad\xa1\x8e\xb1\x8f\xb0\xa1", 7 }, "\xe2\x91\xa0\xef\xbd\xb1\xe4\xb8\x82", 0 },
	{ "ks_c_5601-1987", { "\xb0\xa1\x81" "A", 4 }, "\xea\xb0\x80\xea\xb0\x82", 0 },
	{ "cp949", { "\xb0\xa1\xff", 3 }, "\xea\xb0\x80" BAD, 0 },
	{ "iso-8859-11", { "\xa1\xdf", 2 }, "\xe0\xb8\x81\xe0\xb8\xbf", 0 },
	{ "koi8-u", { "\xa4", 1 }, "\xd1\x94", 0 },
	{ "macintosh", { "\x8e", 1 }, "\xc3\xa9", 0 },
	{ "x-mac-cyrillic", { "\x80", 1 }, "\xd0\x90", 0 },
	{ "csISOLatin2", { "\xb1", 1 }, "\xc4\x85", 0 },
	{ "windows-1255", { "\xf9\xec", 2 }, "\xd7\xa9\xd7\x9c", 0 },
	{ "ibm855", { "\xa1", 1 }, "\xd0\x90", 0 },
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
