/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The base subject: RFC 5256 section 2.1. */
#include "common/subject.h"
#include "tests/unit/common/syntax.h"

START_TEST(base)
{
	static const struct {
		const char *value, *base;
		bool reply;
	} rows[] = {
		{ "hello", "hello", false }, { " Re: hello", "hello", true }, { "RE:hello", "hello", true }, { "Re : hello", "hello", true },
		{ "Re: Re: FW: Fwd: hello", "hello", true }, { "hello (fwd)", "hello", true }, { "hello (fwd) (FWD) ", "hello", true },
		{ "[list] hello", "hello", false }, { "[list] Re: [list] hello", "hello", true }, { "Re: [list] Re: hello", "hello", true },
		{ "Re[2]: hello", "hello", true }, { "Re [2] : hello", "hello", true }, { "[list]", "[list]", false }, { "[a] [b]", "[b]", false },
		{ "[fwd: hello]", "hello", true }, { "[Fwd: Re: hello (fwd)]", "hello", true }, { "Re: [fwd: [list] hello]", "hello", true },
		{ "Reply", "Reply", false }, { "Re", "Re", false }, { "Re:", "", true }, { "", "", false }, { "a  \t b\r\n c", "a b c", false },
		{ "=?utf-8?Q?Re=3A_caf=C3=A9?=", "caf\xc3\xa9", true }, { "[a[b] hello", "[a[b] hello", false }, { "[open", "[open", false },
		{ "(fwd)", "", true }, { "AW: hello", "AW: hello", false }, { "re: \xe5\x9b\x9e", "\xe5\x9b\x9e", true },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT(TEXT_MAX);
		bool reply = !rows[i].reply;

		ck_assert_int_eq(subject_base(span_of(rows[i].value), &out, &reply), 0);
		ck_assert_msg(reply == rows[i].reply, "%s", rows[i].value);
		ck_buf(&out, span_of(rows[i].base), rows[i].value);
	}
}
END_TEST

START_TEST(limits)
{
	for (size_t size = SUBJECT_MAX - 1; size <= SUBJECT_MAX + 1; size++) {
		struct buf value = BUF_INIT(TEXT_MAX), out = BUF_INIT(SUBJECT_MAX);

		while (value.len < size)
			(void)buf_char(&value, 'x');
		ck_assert_int_eq(subject_base(buf_get(&value), &out, NULL), 0);
		ck_assert_uint_eq(out.len, size < SUBJECT_MAX ? size : SUBJECT_MAX);
		buf_free(&value);
		buf_free(&out);
	}
}
END_TEST

/* Thousands of blobs and prefixes end soon. */
START_TEST(many_blobs)
{
	struct buf value = BUF_INIT(TEXT_MAX), out = BUF_INIT(TEXT_MAX);

	for (int i = 0; i < 4000; i++)
		(void)buf_str(&value, "[]");
	(void)buf_str(&value, "x");
	ck_assert_int_eq(subject_base(buf_get(&value), &out, NULL), 0);
	ck_buf(&out, SPAN("x"), "blobs");
	buf_free(&value);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { base, limits, many_blobs };

	return run_suite("subject", tests, COUNT(tests));
}
