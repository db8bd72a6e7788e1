/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The file with the addresses that an account's mail is sent on to. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "common/forward.h"

START_TEST(files)
{
	static const struct {
		const char *text;
		int result;
		size_t count;
		bool keep;
	} cases[] = {
		{ "", 0, 0, true }, /* mail is never lost */
		{ "# nobody\n\n", 0, 0, true },
		{ "keep\n", 0, 0, true },
		{ "a@b.test", 0, 1, false },
		{ " a@b.test \r\n# c@d.test\ne@f.test\n", 0, 2, false },
		{ "a@b.test\nKEEP\n", 0, 1, true },
		{ "a@b.test\nMe@here.test\n", 0, 1, true },
		{ "\xe4\xb8\xad@b.test\n", 0, 1, false },
		{ "a@b.test, c@d.test\n", -EBADMSG, 0, false },
		{ "|/bin/sh\n", -EBADMSG, 0, false },
		{ "a\n", -EBADMSG, 0, false },
		{ "1@a.test\n2@a.test\n3@a.test\n4@a.test\n5@a.test\n6@a.test\n7@a.test\n8@a.test\n9@a.test\n10@a.test\n", 0, 10, false },
		{ "1@a.test\n2@a.test\n3@a.test\n4@a.test\n5@a.test\n6@a.test\n7@a.test\n8@a.test\n9@a.test\n10@a.test\n11@a.test\n", -E2BIG, 0, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct forward forward;

		ck_assert_msg(forward_parse(span_of(cases[i].text), SPAN("me@here.test"), &forward) == cases[i].result, "%zu", i);
		ck_assert_msg(cases[i].result != 0 || (forward.count == cases[i].count && forward.keep == cases[i].keep), "%zu", i);
	}
}
END_TEST

int
main(void)
{
	TCase *test = tcase_create("forward");
	Suite *suite = suite_create("forward");
	SRunner *runner = srunner_create(suite);
	int failures;

	tcase_add_test(test, files);
	suite_add_tcase(suite, test);
	srunner_run_all(runner, CK_NORMAL);
	failures = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
