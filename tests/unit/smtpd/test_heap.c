/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The heap: whatever is put, taken and cut, the smallest comes first. */
#include <check.h>
#include <stdlib.h>

#include "smtpd/heap.h"

#define COUNT 5000

START_TEST(smallest_first)
{
	static struct heap_item items[COUNT];
	struct heap heap = { .items = NULL };
	size_t left = COUNT;
	int64_t last = 0;

	srandom(1);
	for (size_t i = 0; i < COUNT; i++)
		heap_put(&heap, &items[i], random() % 1000);
	for (size_t i = 0; i < COUNT; i += 2) {
		heap_take(&heap, &items[i]);
		heap_put(&heap, &items[i], random() % 1000);
	}
	for (size_t i = 0; i < COUNT; i += 5) {
		heap_take(&heap, &items[i]);
		left--;
	}
	heap_cut(&heap, 700);
	for (struct heap_item *first; (first = heap_first(&heap)) != NULL; left--) {
		ck_assert_int_ge(first->key, last);
		ck_assert_int_le(first->key, 700);
		last = first->key;
		heap_take(&heap, first);
	}
	ck_assert_uint_eq(left, 0);
	heap_free(&heap);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("heap");
	TCase *tests = tcase_create("heap");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, smallest_first);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
