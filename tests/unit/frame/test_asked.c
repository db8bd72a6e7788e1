/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What is asked of other roles, by its number. */
#include <check.h>
#include <stdlib.h>

#include "frame/asked.h"

#define MANY 2000

static struct asked_table table;
static struct asked asked[MANY];

START_TEST(each_is_found_by_its_number)
{
	asked_init(&table);
	for (unsigned i = 0; i < MANY; i++)
		ck_assert_uint_eq(asked_add(&table, &asked[i]), asked[i].id);
	for (unsigned i = 0; i < MANY; i++)
		ck_assert_ptr_eq(asked_find(&table, asked[i].id), &asked[i]);
	for (unsigned i = 0; i < MANY; i += 2)
		ck_assert_ptr_eq(asked_take(&table, asked[i].id), &asked[i]);
	for (unsigned i = 0; i < MANY; i++)
		ck_assert_ptr_eq(asked_find(&table, asked[i].id), i % 2 == 0 ? NULL : &asked[i]);
	asked_put(&table, &asked[0]);
	ck_assert_ptr_eq(asked_find(&table, asked[0].id), &asked[0]);
	for (unsigned i = 0; i < MANY / 2 + 1; i++)
		ck_assert_ptr_nonnull(asked_take_any(&table));
	ck_assert_ptr_null(asked_take_any(&table));
}
END_TEST

/* The numbers have gone all the way round while one was still waited for. */
START_TEST(no_number_is_given_twice)
{
	asked_init(&table);
	table.last_id = UINT32_MAX - 1;
	ck_assert_uint_eq(asked_add(&table, &asked[0]), UINT32_MAX);
	ck_assert_uint_eq(asked_add(&table, &asked[1]), 1);
	table.last_id = UINT32_MAX - 1;
	ck_assert_uint_eq(asked_add(&table, &asked[2]), 2);
	ck_assert_ptr_eq(asked_find(&table, UINT32_MAX), &asked[0]);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("asked");
	TCase *tcase = tcase_create("asked");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, each_is_found_by_its_number);
	tcase_add_test(tcase, no_number_is_given_twice);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
