/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What is remembered in a bounded table, and buckets that fill up with time. */
#include <check.h>
#include <stdlib.h>

#include "smtpd/ledger.h"

#define SECOND 1000000

START_TEST(keys)
{
	struct ledger *ledger = ledger_new(1, 4), *other = ledger_new(2, 4);
	uint64_t key = ledger_key_text(ledger, 'a', SPAN("alice@example.test"));

	ck_assert_uint_eq(key, ledger_key_text(ledger, 'a', SPAN("Alice@Example.Test")));
	ck_assert_uint_ne(key, ledger_key_text(ledger, 'b', SPAN("alice@example.test")));
	ck_assert_uint_ne(key, ledger_key_text(other, 'a', SPAN("alice@example.test")));
	ck_assert_uint_ne(ledger_key_and_text(ledger, ledger_key_text(ledger, 'a', SPAN("ab")), SPAN("c")),
	    ledger_key_and_text(ledger, ledger_key_text(ledger, 'a', SPAN("a")), SPAN("bc")));
	ck_assert_uint_ne(ledger_key_bytes(ledger, 'a', SPAN("A")), ledger_key_bytes(ledger, 'a', SPAN("a")));
	ck_assert_uint_ne(ledger_key_and_bytes(ledger, key, SPAN("Q")), ledger_key_and_bytes(ledger, key, SPAN("q")));
	(void)ledger_free(other);
	(void)ledger_free(ledger);
}
END_TEST

START_TEST(the_oldest_makes_room)
{
	struct ledger *ledger = ledger_new(1, 1);

	for (uint64_t key = 1; key <= LEDGER_WAYS; key++)
		ledger_take(ledger, key, (int64_t)key)->count = (uint32_t)key;
	ledger_take(ledger, 1, 100); /* used again */
	ck_assert_uint_eq(ledger_take(ledger, 1000, 101)->count, 0);
	ck_assert_ptr_null(ledger_find(ledger, 2));
	ck_assert_uint_eq(ledger_find(ledger, 1)->count, 1);
	for (uint64_t key = 3; key <= LEDGER_WAYS; key++)
		ck_assert_uint_eq(ledger_find(ledger, key)->count, key);
	ck_assert_uint_eq(ledger_number(ledger, ledger_at(ledger, 5)), 5);
	(void)ledger_free(ledger);
}
END_TEST

/* Whatever was used last: first those of the lowest state, and of state 0 last. */
START_TEST(the_lowest_makes_room)
{
	struct ledger *ledger = ledger_new(1, 1);

	for (uint64_t key = 1; key <= LEDGER_WAYS; key++)
		ledger_take(ledger, key, (int64_t)key)->state = (uint32_t)(LEDGER_WAYS - key);
	for (uint64_t key = LEDGER_WAYS - 1; key > 0; key--) {
		ledger_take(ledger, 1000 + key, 1)->state = 0;
		ck_assert_ptr_null(ledger_find(ledger, key));
		ck_assert(key == 1 || ledger_find(ledger, key - 1) != NULL);
	}
	ck_assert_ptr_nonnull(ledger_find(ledger, LEDGER_WAYS));
	(void)ledger_free(ledger);
}
END_TEST

START_TEST(buckets)
{
	struct ledger *ledger = ledger_new(1, 4);
	int64_t now = 1000 * (int64_t)SECOND;

	for (unsigned i = 0; i < 6; i++)
		ck_assert(ledger_spend(ledger, 7, 6, 60, 1, now));
	ck_assert(!ledger_could_spend(ledger, 7, 6, 60, 1, now));
	ck_assert(!ledger_spend(ledger, 7, 6, 60, 1, now + 9 * SECOND));
	ck_assert(ledger_spend(ledger, 7, 6, 60, 1, now + 10 * SECOND));
	ck_assert(!ledger_spend(ledger, 7, 6, 60, 1, now + 10 * SECOND));
	/* What is refused takes nothing. */
	ck_assert(!ledger_spend(ledger, 7, 6, 60, 3, now + 30 * SECOND));
	ck_assert(ledger_spend(ledger, 7, 6, 60, 2, now + 30 * SECOND));
	ck_assert(ledger_spend(ledger, 7, 6, 60, 6, now + 200 * SECOND));
	ck_assert(!ledger_spend(ledger, 8, 6, 60, 7, now));
	/* What was taken for nothing is there again. */
	ck_assert(ledger_spend(ledger, 9, 6, 60, 6, now));
	ledger_give_back(ledger, 9, 6, 60, 2);
	ck_assert(!ledger_spend(ledger, 9, 6, 60, 3, now));
	ck_assert(ledger_spend(ledger, 9, 6, 60, 2, now));
	ledger_give_back(ledger, 10, 6, 60, 2);
	/* A clock that was set back by a day: a whole window is waited for, not a day. */
	ck_assert(!ledger_spend(ledger, 7, 6, 60, 1, now - 86400 * (int64_t)SECOND));
	ledger_find(ledger, 7)->since = now;
	ck_assert(ledger_spend(ledger, 7, 6, 60, 1, now));
	(void)ledger_free(ledger);
}
END_TEST

START_TEST(debts)
{
	struct ledger *ledger = ledger_new(1, 4);
	int64_t now = 1000 * (int64_t)SECOND;

	ck_assert_int_eq(ledger_overdraw(ledger, 7, 6, 60, 6, now), now);
	for (int i = 1; i <= 12; i++)
		ck_assert_int_eq(ledger_overdraw(ledger, 7, 6, 60, 1, now), now + i * 10 * (int64_t)SECOND);
	/* Who asks first has to wait for what was overdrawn. */
	ck_assert(!ledger_spend(ledger, 7, 6, 60, 1, now + 129 * (int64_t)SECOND));
	ck_assert(ledger_spend(ledger, 7, 6, 60, 1, now + 130 * (int64_t)SECOND));
	/* More at once than it holds. */
	ck_assert_int_eq(ledger_overdraw(ledger, 8, 6, 60, 9, now), now + 30 * (int64_t)SECOND);
	/* A clock that was set back. */
	ck_assert_int_eq(ledger_overdraw(ledger, 8, 6, 60, 1, now - 86400 * (int64_t)SECOND), now + (40 - 86400) * (int64_t)SECOND);
	/* A debt is bounded, whatever is in a file. */
	ledger_find(ledger, 8)->since = INT64_MAX / 2;
	ck_assert_int_eq(ledger_overdraw(ledger, 8, 6, 60, 0, now), now + 31 * 60 * (int64_t)SECOND);
	(void)ledger_free(ledger);
}
END_TEST

START_TEST(networks)
{
	uint8_t a[16], b[16];

	ck_assert(span_eq(ledger_network(SPAN("192.0.2.1"), a), ledger_network(SPAN("192.0.2.255"), b)));
	ck_assert(!span_eq(ledger_network(SPAN("192.0.2.1"), a), ledger_network(SPAN("192.0.3.1"), b)));
	ck_assert(span_eq(ledger_network(SPAN("2001:db8::1"), a), ledger_network(SPAN("2001:db8:0:0:ffff::"), b)));
	ck_assert(!span_eq(ledger_network(SPAN("2001:db8::1"), a), ledger_network(SPAN("2001:db8:0:1::1"), b)));
	ck_assert(span_eq(ledger_network(SPAN(""), a), SPAN("")));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ledger");
	TCase *tests = tcase_create("ledger");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, keys);
	tcase_add_test(tests, the_oldest_makes_room);
	tcase_add_test(tests, the_lowest_makes_room);
	tcase_add_test(tests, buckets);
	tcase_add_test(tests, debts);
	tcase_add_test(tests, networks);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
