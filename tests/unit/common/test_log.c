/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Log lines: nothing a peer sends ends a line or makes a field of its own. */
#include <check.h>
#include <errno.h>

#include "common/log.h"

START_TEST(values_are_escaped)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain@example.test", "e k=plain@example.test" },
		{ "", "e k=\"\"" },
		{ "two words", "e k=\"two words\"" },
		{ "a=b", "e k=\"a=b\"" },
		{ "x\r\nevil: line", "e k=\"x\\x0d\\x0aevil: line\"" },
		{ "quote\" back\\", "e k=\"quote\\\" back\\\\\"" },
		{ "\x1b[31m", "e k=\"\\x1b[31m\"" },
		{ "\xe4\xb8\xad\xe6\x96\x87", "e k=\"\xe4\xb8\xad\xe6\x96\x87\"" },
		{ "bad \xff", "e k=\"bad \\xff\"" },
		{ "a \xe2\x80\xae b \xe2\x81\xa6\xe2\x82\xac", "e k=\"a \\xe2\\x80\\xae b \\xe2\\x81\\xa6\xe2\x82\xac\"" },
		{ "c1 \xc2\x9b \xe2\x80\x8f\xd8\x9c", "e k=\"c1 \\xc2\\x9b \\xe2\\x80\\x8f\\xd8\\x9c\"" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct log_field field = log_str("k", cases[i].in);
		char line[256];

		(void)log_format(line, sizeof(line), "e", &field, 1);
		ck_assert_str_eq(line, cases[i].out);
	}
}
END_TEST

START_TEST(lines_are_bounded)
{
	char text[4000], line[64];
	struct log_field fields[] = { log_u64("n", UINT64_MAX), log_i64("i", -5), log_errno("error", -ENOSPC), log_span("t", span_make(text, sizeof(text))) };

	memset(text, 'x', sizeof(text));
	ck_assert_uint_eq(log_format(line, sizeof(line), "event", fields, 4), sizeof(line) - 1);
	ck_assert_uint_eq(strlen(line), sizeof(line) - 1);
	ck_assert_ptr_eq(strstr(line, "event n=18446744073709551615 i=-5 error=\"No space"), line);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("log");
	TCase *tests = tcase_create("log");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, values_are_escaped);
	tcase_add_test(tests, lines_are_bounded);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
