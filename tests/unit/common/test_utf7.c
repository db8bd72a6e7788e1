/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Modified UTF-7: RFC 3501 section 5.1.3. */
#include "common/utf7.h"
#include "tests/unit/common/syntax.h"

START_TEST(both_ways)
{
	static const struct {
		const char *utf7, *utf8;
	} rows[] = {
		{ "~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
		{ "&Jjo-!", "\xe2\x98\xba!" }, { "&U,BTF2XlZyyKng-", "\xe5\x8f\xb0\xe5\x8c\x97\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
		{ "a&-b", "a&b" }, { "", "" }, { "INBOX", "INBOX" }, { "&2D3cqA-", "\xf0\x9f\x92\xa8" }, { "Entw&APw-rfe", "Entw\xc3\xbcrfe" },
		{ "&-", "&" }, { "&-&-", "&&" }, { "&AOk-&-", "\xc3\xa9&" }, { "&AKA-", "\xc2\xa0" }, { "&2,,f,w-", "\xf4\x8f\xbf\xbf" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT(TEXT_MAX);

		ck_assert_msg(utf7_decode(span_of(rows[i].utf7), &out) == 0, "%s", rows[i].utf7);
		ck_buf(&out, span_of(rows[i].utf8), rows[i].utf7);
		ck_assert_msg(utf7_encode(span_of(rows[i].utf8), &out) == 0, "%s", rows[i].utf7);
		ck_buf(&out, span_of(rows[i].utf7), rows[i].utf7);
	}
}
END_TEST

START_TEST(refused)
{
	static const struct span bad[] = {
		{ "&", 1 }, { "&A", 2 }, { "&Jjo", 4 }, { "&Jjo!", 5 },
		{ "&U,BTFw-&ZeVnLIqe-", 18 }, /* RFC 3501: superfluous shift */
		{ "&AGE-", 5 },  /* "a" may stand for itself */
		{ "&ACY-", 5 },  /* "&" is "&-" */
		{ "&AAA-", 5 }, { "&AAo-", 5 }, { "&AH8-", 5 }, { "&AIU-", 5 }, /* NUL, LF, DEL, a C1 control */
		{ "&Jjp-", 5 },  /* bits left over */
		{ "&JjoA-", 6 }, { "&JjoAA-", 7 }, /* a whole character too many, half a unit */
		{ "&2D0-", 5 }, { "&3Kg-", 5 }, { "&2D3YPQ-", 8 }, /* surrogates alone and in the wrong order */
		{ "&Jj/-", 5 },  /* "," stands for "/" */
		{ "caf\xc3\xa9", 5 }, { "a\tb", 3 }, { "a\0b", 3 }, { "a\x7f", 2 }, { "&AOk=-", 6 },
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct buf out = BUF_INIT(TEXT_MAX);

		(void)buf_str(&out, "before");
		ck_assert_msg(utf7_decode(bad[i], &out) == -EINVAL, "%s", bad[i].ptr);
		ck_buf(&out, SPAN("before"), bad[i].ptr);
	}
}
END_TEST

START_TEST(not_encoded)
{
	static const char *const bad[] = { "a\x01", "\xc2\x85", "\xff", "\xed\xa0\x80", "\x7f" };

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct buf out = BUF_INIT(TEXT_MAX);

		ck_assert_int_eq(utf7_encode(span_of(bad[i]), &out), -EINVAL);
		ck_buf(&out, SPAN(""), "nothing added");
	}
}
END_TEST

START_TEST(limits)
{
	for (size_t max = 4; max <= 6; max++) {
		struct buf out = BUF_INIT(max);

		ck_assert_int_eq(utf7_encode(SPAN("\xc3\xa9"), &out), max < 5 ? -EMSGSIZE : 0);
		ck_assert_uint_eq(out.len, max < 5 ? 0 : 5);
		buf_free(&out);
		out = BUF_INIT(max - 3);
		ck_assert_int_eq(utf7_decode(SPAN("&AOk-"), &out), max < 5 ? -EMSGSIZE : 0);
		buf_free(&out);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { both_ways, refused, not_encoded, limits };

	return run_suite("utf7", tests, COUNT(tests));
}
