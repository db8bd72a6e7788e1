/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Encoded words: RFC 2047 section 8, what senders get wrong, folding, round trips. */
#include "common/encoded_word.h"
#include "tests/unit/common/syntax.h"

#define BAD "\xef\xbf\xbd"

START_TEST(decode)
{
	static const struct {
		const char *text, *plain;
	} rows[] = {
		/* RFC 2047 section 8; brackets of comments are the caller's */
		{ "=?US-ASCII?Q?Keith_Moore?=", "Keith Moore" },
		{ "=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?=", "Keld J\xc3\xb8rn Simonsen" },
		{ "=?ISO-8859-1?Q?Andr=E9?= Pirard", "Andr\xc3\xa9 Pirard" },
		{ "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n    =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
		  "If you can read this you understand the example." },
		{ "=?ISO-8859-1?Q?Olle_J=E4rnefors?=", "Olle J\xc3\xa4rnefors" },
		{ "Nathaniel Borenstein (=?iso-8859-8?b?7eXs+SDv4SDs6PTw?=)",
		  "Nathaniel Borenstein (\xd7\x9d\xd7\x95\xd7\x9c\xd7\xa9 \xd7\x9f\xd7\x91 \xd7\x9c\xd7\x98\xd7\xa4\xd7\xa0)" },
		{ "=?ISO-8859-1?Q?a?=", "a" }, { "=?ISO-8859-1?Q?a?= b", "a b" }, { "=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab" },
		{ "=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=", "ab" }, { "=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=", "ab" },
		{ "=?ISO-8859-1?Q?a_b?=", "a b" }, { "=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b" },
		/* RFC 2231 section 5: a language */
		{ "=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore" },
		/* a character cut in two */
		{ "=?utf-8?Q?caf=C3?= =?utf-8?Q?=A9?=", "caf\xc3\xa9" }, { "=?utf-8?B?w6k=?= =?UTF-8?B?w6k=?=", "\xc3\xa9\xc3\xa9" },
		/* not well-formed: left alone */
		{ "=?utf-8?Q?open", "=?utf-8?Q?open" }, { "=?utf-8?X?abc?=", "=?utf-8?X?abc?=" }, { "=??Q?abc?=", "=??Q?abc?=" },
		{ "a =? b ?= c", "a =? b ?= c" }, { "=?", "=?" }, { "=?utf-8?", "=?utf-8?" }, { "=?utf-8?Q?=", "=?utf-8?Q?=" },
		/* tolerated */
		{ "=?utf-8?Q?a b?=", "a b" }, { "x=?utf-8?Q?y?=z", "xyz" }, { "=?utf-8?q?=C3=A9=?=", "\xc3\xa9=" }, { "=?utf-8?Q?" "?=", "" },
		{ "=?utf-8?B?w6k?=", "\xc3\xa9" }, { "=?nonsense?Q?a=E9?=", "a" BAD },
		/* raw bytes, folds, controls */
		{ "caf\xc3\xa9", "caf\xc3\xa9" }, { "caf\xe9", "caf" BAD }, { " a\r\n b\n\tc ", "a b c" }, { "a\rb\0", "a b" },
		{ "=?utf-8?Q?a=0D=0AX:_b=00?=", "a  X: b" BAD }, { "", "" }, { "  \r\n ", "" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT(TEXT_MAX);

		ck_assert_int_eq(encoded_word_decode(span_of(rows[i].text), &out), 0);
		ck_buf(&out, span_of(rows[i].plain), rows[i].text);
	}
}
END_TEST

START_TEST(encode)
{
	static const struct {
		const char *plain;
		enum encoded_word_place place;
		size_t column;
		const char *text;
	} rows[] = {
		{ "plain words stay", ENCODED_WORD_TEXT, 9, "plain words stay" },
		{ "Keld J\xc3\xb8rn Simonsen", ENCODED_WORD_TEXT, 9, "Keld =?utf-8?B?SsO4cm4=?= Simonsen" },
		{ "Keld J\xc3\xb8rn Simonsen", ENCODED_WORD_PHRASE, 6, "=?utf-8?Q?Keld_J=C3=B8rn_Simonsen?=" },
		{ "\xe6\x97\xa5\xe6\x9c\xac \xe8\xaa\x9e", ENCODED_WORD_TEXT, 9, "=?utf-8?B?5pel5pysIOiqng==?=" },
		{ "looks =?like?= one", ENCODED_WORD_TEXT, 9, "looks =?utf-8?B?PT9saWtlPz0=?= one" },
		{ "a\r\nX: b", ENCODED_WORD_TEXT, 9, "a  X: b" }, { "", ENCODED_WORD_TEXT, 9, "" },
		{ "caf\xe9", ENCODED_WORD_TEXT, 9, "=?utf-8?B?Y2Fm77+9?=" },
		{ "\xc3\xa9", ENCODED_WORD_TEXT, 60, "\r\n =?utf-8?B?w6k=?=" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT(TEXT_MAX);
		size_t column = rows[i].column;

		ck_assert_int_eq(encoded_word_encode(span_of(rows[i].plain), rows[i].place, &column, &out), 0);
		ck_buf(&out, span_of(rows[i].text), rows[i].plain);
	}
}
END_TEST

/* Text of every kind in every length comes back as it was, on lines of at most 78 with words of at most 75. */
START_TEST(round_trip)
{
	static const char *const pieces[] = { "a", "\xc3\xa9", "\xe6\x97\xa5", "\xf0\x9f\x92\xa8", "=?", "word", "?=", "x y" };
	uint32_t seed = 7;

	for (size_t count = 1; count < 150; count++) {
		struct buf plain = BUF_INIT(TEXT_MAX), text = BUF_INIT(TEXT_MAX), back = BUF_INIT(TEXT_MAX);
		enum encoded_word_place place = count % 2 != 0 ? ENCODED_WORD_TEXT : ENCODED_WORD_PHRASE;
		size_t column = 9;

		for (size_t i = 0; i < count; i++) {
			seed = seed * 1103515245 + 12345;
			(void)buf_str(&plain, pieces[seed >> 16 & 7]);
			if ((seed >> 20 & 3) == 0 && i + 1 < count)
				(void)buf_char(&plain, ' ');
		}
		ck_assert_int_eq(encoded_word_encode(buf_get(&plain), place, &column, &text), 0);
		ck_assert(span_is_ascii(buf_get(&text)));
		for (struct span rest = buf_get(&text), line; span_split(&rest, '\n', &line);)
			ck_assert_uint_le(line.len, rest.ptr == NULL || line.ptr == text.data ? 78 - 9 + 1 : 79);
		ck_assert_int_eq(encoded_word_decode(buf_get(&text), &back), 0);
		ck_buf(&back, buf_get(&plain), buf_cstr(&text));
		buf_free(&plain);
		buf_free(&text);
	}
}
END_TEST

/* White space survives, however long, and never stands on a line alone (RFC 5322 section 3.2.2). */
START_TEST(blanks)
{
	static const char *const words[] = { "one", "zw\xc3\xb6lf" };

	for (size_t i = 0; i < 3000; i++) {
		struct buf plain = BUF_INIT(TEXT_MAX), text = BUF_INIT(TEXT_MAX), back = BUF_INIT(TEXT_MAX);
		size_t column = 9, blank = i / 8 % 100;
		struct span line;

		(void)buf_str(&plain, words[i & 1]);
		for (size_t k = 0; k < 2; k++) {
			for (size_t n = k == 0 ? blank : i / 800 * 20; n > 0; n--)
				(void)buf_char(&plain, ' ');
			(void)buf_str(&plain, words[i >> (k + 1) & 1]);
		}
		ck_assert_int_eq(encoded_word_encode(buf_get(&plain), ENCODED_WORD_TEXT, &column, &text), 0);
		for (struct span rest = buf_get(&text); span_split(&rest, '\n', &line);)
			ck_assert_msg(span_trim(line).len != 0 && line.len <= 79, "%s", buf_cstr(&text));
		ck_assert_int_eq(encoded_word_decode(buf_get(&text), &back), 0);
		ck_buf(&back, buf_get(&plain), buf_cstr(&text));
		buf_free(&plain);
		buf_free(&text);
	}
}
END_TEST

START_TEST(limits)
{
	struct buf out = BUF_INIT(4);
	size_t column = 0;

	ck_assert_int_eq(encoded_word_decode(SPAN("=?utf-8?Q?caf=C3=A9?="), &out), -EMSGSIZE);
	ck_buf(&out, SPAN("caf"), "whole characters");
	out = BUF_INIT(5);
	ck_assert_int_eq(encoded_word_decode(SPAN("=?utf-8?Q?caf=C3=A9?="), &out), 0);
	ck_buf(&out, SPAN("caf\xc3\xa9"), "fits");
	out = BUF_INIT(15);
	ck_assert_int_eq(encoded_word_encode(SPAN("\xc3\xa9"), ENCODED_WORD_TEXT, &column, &out), -EMSGSIZE);
	buf_free(&out);
}
END_TEST

/* Every one of a million beginnings without an end must not look for it again. */
START_TEST(not_quadratic)
{
	struct buf text = BUF_INIT(8u << 20), out = BUF_INIT(8u << 20);

	for (size_t i = 0; i < 800000; i++)
		(void)buf_str(&text, "=?a?q?x");
	ck_assert_int_eq(encoded_word_decode(buf_get(&text), &out), 0);
	ck_assert_uint_eq(out.len, text.len);
	buf_free(&text);
	buf_free(&out);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { decode, encode, round_trip, blanks, limits, not_quadratic };

	return run_suite("encoded_word", tests, COUNT(tests));
}
