/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Quoted-printable: RFC 2045 section 6.7, pieces, round trips. */
#include "common/quoted_printable.h"
#include "tests/unit/common/syntax.h"

START_TEST(encode)
{
	static const struct {
		const char *plain, *encoded;
	} rows[] = {
		{ "", "" }, { "a=b", "a=3Db" }, { "caf\xc3\xa9", "caf=C3=A9" }, { "end \n", "end=20\r\n" }, { "tab\t\r\nx", "tab=09\r\nx" },
		{ "a\rb", "a=0Db" }, { "From me\n", "=46rom me\r\n" }, { ".\n", "=2E\r\n" }, { "a b\tc", "a b\tc" }, { " ", "=20" },
		{ "x\x7f", "x=7F" }, { "\n\n", "\r\n\r\n" },
		/* 76 characters stay on their line, the 77th does not. */
		{ "1234567890123456789012345678901234567890123456789012345678901234567890123456",
		  "1234567890123456789012345678901234567890123456789012345678901234567890123456" },
		{ "12345678901234567890123456789012345678901234567890123456789012345678901234567",
		  "123456789012345678901234567890123456789012345678901234567890123456789012345=\r\n67" },
		{ "123456789012345678901234567890123456789012345678901234567890123456789012345=",
		  "123456789012345678901234567890123456789012345678901234567890123456789012345=\r\n=3D" },
		{ "1234567890123456789012345678901234567890123456789012345678901234567890123=",
		  "1234567890123456789012345678901234567890123456789012345678901234567890123=3D" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT(TEXT_MAX);

		ck_assert_int_eq(quoted_printable_encode(span_of(rows[i].plain), &out), 0);
		ck_buf(&out, span_of(rows[i].encoded), rows[i].plain);
	}
}
END_TEST

START_TEST(strict)
{
	static const struct {
		const char *text, *plain; /* NULL: refused */
	} rows[] = {
		{ "Now's the time =\r\nfor all folk to come=\r\n to the aid of their country.",
		  "Now's the time for all folk to come to the aid of their country." }, /* RFC 2045's example */
		{ "a=3db", "a=b" }, { "a=\nb", "ab" }, { "a\r\nb\n", "a\r\nb\n" }, { "a=3", NULL }, { "a=", NULL }, { "a=zz", NULL },
		{ "a \r\n", NULL }, { "\xc3\xa9", NULL }, { "a\rb", NULL }, { "=20", " " }, { "a= \r\nb", NULL },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT(TEXT_MAX);
		int r = quoted_printable_decode(span_of(rows[i].text), &out);

		ck_assert_msg(r == (rows[i].plain != NULL ? 0 : -EINVAL), "%s: %d", rows[i].text, r);
		ck_buf(&out, span_of(rows[i].plain != NULL ? rows[i].plain : ""), rows[i].text);
	}
}
END_TEST

START_TEST(tolerant)
{
	static const struct {
		const char *text, *plain;
	} rows[] = {
		{ "a=3Db", "a=b" }, { "a=3db", "a=b" }, { "soft=\r\nline", "softline" }, { "soft=\nline", "softline" },
		{ "pad= \t\r\nded", "padded" }, { "trail  \r\nx \n", "trail\r\nx\n" }, { "bad=zz", "bad=zz" }, { "bad=4", "bad=4" },
		{ "bad==41", "bad=A" }, { "=4=41", "=4A" }, { "end=", "end" }, { "end  ", "end" }, { "in  side", "in  side" },
		{ "a\rb", "a\rb" }, { "a\r", "a\r" }, { "caf\xe9", "caf\xe9" }, { "=\r\n=\r\n", "" }, { " =41", " A" }, { "= x", "= x" },
		{ "=4\n", "=4\n" }, { "x \r y", "x \r y" }, { "\r\r\n", "\r\r\n" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t piece = 1; piece < 12; piece++) {
			struct quoted_printable_decoder decoder;
			struct span rest = span_of(rows[i].text);
			struct buf out = BUF_INIT(TEXT_MAX);

			quoted_printable_decoder_init(&decoder);
			while (rest.len != 0)
				ck_assert_int_eq(quoted_printable_decoder_feed(&decoder, span_take(&rest, piece), &out), 0);
			ck_assert_int_eq(quoted_printable_decoder_finish(&decoder, &out), 0);
			ck_buf(&out, span_of(rows[i].plain), rows[i].text);
		}
	}
}
END_TEST

START_TEST(long_white_space)
{
	/* What is held is bounded: at 1000 it is held, one more is text. */
	for (size_t len = 999; len <= 1001; len++) {
		struct quoted_printable_decoder decoder;
		struct buf out = BUF_INIT(TEXT_MAX);
		char text[1002];

		memset(text, ' ', sizeof(text));
		text[len - 1] = '\n';
		quoted_printable_decoder_init(&decoder);
		ck_assert_int_eq(quoted_printable_decoder_feed(&decoder, span_make(text, len), &out), 0);
		ck_assert_uint_eq(out.len, 1);
		buf_clear(&out);
		text[len - 1] = ' ';
		ck_assert_int_eq(quoted_printable_decoder_feed(&decoder, span_make(text, len), &out), 0);
		ck_assert_uint_eq(out.len, len <= 1000 ? 0 : 1000);
		buf_free(&out);
	}
}
END_TEST

START_TEST(round_trip)
{
	char text[600];
	uint32_t seed = 1;

	for (size_t size = 0; size < sizeof(text); size++) {
		struct buf encoded = BUF_INIT(TEXT_MAX), plain = BUF_INIT(TEXT_MAX);

		for (size_t i = 0; i < size; i++) {
			seed = seed * 1103515245 + 12345;
			text[i] = "ab =.\t\xc3\xa9\rF"[seed >> 16 & 7];
		}
		ck_assert_int_eq(quoted_printable_encode(span_make(text, size), &encoded), 0);
		ck_assert_int_eq(quoted_printable_decode(buf_get(&encoded), &plain), 0);
		ck_buf(&plain, span_make(text, size), "round trip");
		for (struct span rest = buf_get(&encoded), line; span_split(&rest, '\n', &line);)
			ck_assert_uint_le(line.len, 77); /* with its CR */
		buf_free(&encoded);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { encode, strict, tolerant, long_white_space, round_trip };

	return run_suite("quoted_printable", tests, COUNT(tests));
}
