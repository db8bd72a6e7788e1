/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The queue's entries: found by both names, in the order they are due, whatever is added, moved and
 * removed. */
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

START_TEST(in_the_order_they_are_due)
{
	struct queue_table *table = queue_table_new(7);
	struct queue_entry *entries[COUNT];
	unsigned left = COUNT;
	int64_t last = 0;

	srandom(1);
	for (unsigned i = 0; i < COUNT; i++) {
		entries[i] = add(table, i);
		queue_table_schedule(table, entries[i], random() % 1000);
	}
	for (unsigned i = 0; i < COUNT; i += 2)
		queue_table_schedule(table, entries[i], random() % 1000);
	for (unsigned i = 0; i < COUNT; i += 5) {
		queue_table_take(table, entries[i], ENTRY_HELD);
		left--;
	}
	for (unsigned i = 1; i < COUNT; i += 5) {
		queue_table_remove(table, entries[i]);
		left--;
	}
	for (struct queue_entry *first; (first = queue_table_first(table)) != NULL; left--) {
		ck_assert_int_ge(first->due, last);
		ck_assert_int_eq(first->state, ENTRY_WAITING);
		last = first->due;
		queue_table_take(table, first, ENTRY_ACTIVE);
	}
	ck_assert_uint_eq(left, 0);
	(void)queue_table_free(table);
}
END_TEST

START_TEST(all_hurried)
{
	struct queue_table *table = queue_table_new(7);
	unsigned count = 0;

	for (unsigned i = 0; i < 100; i++)
		queue_table_schedule(table, add(table, i), 1000 - i * 10);
	queue_table_hurry(table, 500);
	for (struct queue_entry *first; (first = queue_table_first(table)) != NULL; count++) {
		ck_assert_int_le(first->due, 500);
		queue_table_take(table, first, ENTRY_IDLE);
	}
	ck_assert_uint_eq(count, 100);
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
	tcase_add_test(tests, in_the_order_they_are_due);
	tcase_add_test(tests, all_hurried);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
