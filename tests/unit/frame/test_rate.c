/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The failure counter: windows at their edges, keys apart, and a flood that must not push out a real offender. */
#include <check.h>

#include "frame/rate.h"

static struct rate *rate;

static void
setup(void)
{
	rate = rate_new(0x1234567890abcdefU);
}

static void
teardown(void)
{
	rate = rate_free(rate);
}

START_TEST(window)
{
	uint64_t key = rate_key(rate, 'a', SPAN("192.0.2.1"));

	ck_assert_uint_eq(rate_count(rate, key, 0, 600), 0);
	ck_assert_uint_eq(rate_add(rate, key, 0, 600), 1);
	ck_assert_uint_eq(rate_add(rate, key, 599, 600), 2);
	ck_assert_uint_eq(rate_count(rate, key, 599, 600), 2);
	ck_assert_uint_eq(rate_count(rate, key, 600, 600), 0);
	ck_assert_uint_eq(rate_add(rate, key, 600, 600), 1);
	rate_forget(rate, key);
	ck_assert_uint_eq(rate_count(rate, key, 600, 600), 0);
}
END_TEST

START_TEST(keys)
{
	ck_assert_uint_ne(rate_key(rate, 'a', SPAN("x")), rate_key(rate, 'b', SPAN("x")));
	ck_assert_uint_ne(rate_key(rate, 'a', SPAN("x")), rate_key(rate, 'a', SPAN("y")));
	ck_assert_uint_eq(rate_key(rate, 'a', SPAN("x")), rate_key(rate, 'a', SPAN("x")));
}
END_TEST

START_TEST(flood)
{
	uint64_t offender = rate_key(rate, 'a', SPAN("offender"));

	for (unsigned i = 0; i < 20; i++)
		(void)rate_add(rate, offender, 0, 600);
	for (uint64_t i = 0; i < 200000; i++)
		(void)rate_add(rate, rate_key(rate, 'a', span_make(&i, sizeof(i))), 1, 600);
	ck_assert_uint_eq(rate_count(rate, offender, 1, 600), 20);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("rate");
	TCase *tests = tcase_create("rate");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, window);
	tcase_add_test(tests, keys);
	tcase_add_test(tests, flood);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
