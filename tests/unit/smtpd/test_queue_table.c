/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The queue's entries: found by both names, whatever is added and removed. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "smtpd/queue_table.h"

#define COUNT 5000

static struct queue_entry *
add(struct queue_table *table, unsigned number)
{
	char id[SPOOL_ID_LEN + 1], drop[32];

	spool_id_make(number, 0, id);
	(void)snprintf(drop, sizeof(drop), "m.%u", number);
	return queue_table_add(table, id, number, number % 2 == 0 ? drop : NULL);
}

START_TEST(found_by_both_names)
{
	struct queue_table *table = queue_table_new(42);

	for (unsigned i = 0; i < COUNT; i++)
		(void)add(table, i);
	ck_assert_uint_eq(queue_table_count(table), COUNT);
	for (unsigned i = 0; i < COUNT; i++) {
		char id[SPOOL_ID_LEN + 1], drop[32];

		spool_id_make(i, 0, id);
		(void)snprintf(drop, sizeof(drop), "m.%u", i);
		ck_assert_int_eq(queue_table_find(table, span_of(id))->uid, i);
		ck_assert_int_eq(queue_table_find(table, span_of(drop)) != NULL, i % 2 == 0);
	}
	ck_assert_ptr_null(queue_table_find(table, SPAN("FFFFFFFFFFFFFFFF")));
	ck_assert_ptr_null(queue_table_find(table, SPAN("")));
	for (unsigned i = 0; i < COUNT; i += 3) {
		char id[SPOOL_ID_LEN + 1];

		spool_id_make(i, 0, id);
		queue_table_remove(table, queue_table_find(table, span_of(id)));
		ck_assert_ptr_null(queue_table_find(table, span_of(id)));
	}
	(void)queue_table_free(table);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("queue_table");
	TCase *tests = tcase_create("queue_table");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, found_by_both_names);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
