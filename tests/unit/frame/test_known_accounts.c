/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Addresses whose accounts are known: of the last edition alone, and no more than there is room for. */
#include <check.h>
#include <stdio.h>

#include "frame/known_accounts.h"

START_TEST(last_edition)
{
	struct known_accounts *known = known_accounts_new(7);
	struct span address = SPAN("a+b@example.test");

	ck_assert_ptr_null(known_accounts_find(known, 1, address));
	ck_assert_ptr_null(known_accounts_find(known, 0, address));
	known_accounts_add(known, 1, address, SPAN("a@example.test"));
	ck_assert_str_eq(known_accounts_find(known, 1, address), "a@example.test");
	ck_assert_ptr_null(known_accounts_find(known, 2, address));
	ck_assert_ptr_null(known_accounts_find(known, 1, SPAN("a@example.test")));
	known_accounts_add(known, 2, SPAN("c@example.test"), SPAN("c@example.test"));
	ck_assert_ptr_null(known_accounts_find(known, 2, address));
	ck_assert_ptr_null(known_accounts_find(known, 1, address));
	ck_assert_str_eq(known_accounts_find(known, 2, SPAN("c@example.test")), "c@example.test");
	/* It may be another's at the same edition: the last word holds. */
	known_accounts_add(known, 2, SPAN("c@example.test"), SPAN("d@example.test"));
	ck_assert_str_eq(known_accounts_find(known, 2, SPAN("c@example.test")), "d@example.test");
	known = known_accounts_free(known);
	ck_assert_ptr_null(known);
}
END_TEST

START_TEST(many)
{
	struct known_accounts *known = known_accounts_new(UINT64_C(0x123456789abcdef));
	unsigned there = 0;
	char address[32];

	for (unsigned i = 0; i < 5000; i++) {
		int len = snprintf(address, sizeof(address), "u%u@example.test", i);

		known_accounts_add(known, 1, span_make(address, (size_t)len), span_make(address, (size_t)len));
	}
	for (unsigned i = 0; i < 5000; i++) {
		int len = snprintf(address, sizeof(address), "u%u@example.test", i);
		const char *account = known_accounts_find(known, 1, span_make(address, (size_t)len));

		if (account != NULL) {
			ck_assert_str_eq(account, address);
			there++;
		}
	}
	ck_assert_uint_gt(there, 900);
	ck_assert_uint_le(there, 1024);
	(void)known_accounts_free(known);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("known_accounts");
	TCase *tests = tcase_create("known_accounts");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, last_edition);
	tcase_add_test(tests, many);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
