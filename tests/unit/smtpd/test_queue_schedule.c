/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The schedule without a clock: windows that open and close, destinations that are down and come back, turns of senders and
 * destinations, priorities, and days of a queue with dead destinations in a moment. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "smtpd/queue_schedule.h"

static const struct schedule_limits limits = { .window_first = 5, .window_max = 20, .pause_min = 300, .pause_max = 3600 };
static struct queue_table *table;
static struct schedule *schedule;
static unsigned last_number;

/* No jitter. */
#define RANDOM 128

static void
setup(void)
{
	table = queue_table_new(1);
	schedule = schedule_new(2);
	schedule_set_limits(schedule, &limits);
	last_number = 0;
}

static bool
forget_one(void *context, struct queue_entry *entry)
{
	(void)context;
	schedule_forget(schedule, entry);
	return true;
}

static void
teardown(void)
{
	queue_table_each(table, forget_one, NULL);
	(void)schedule_free(schedule);
	(void)queue_table_free(table);
}

/* A message for that destination (or "" for accounts here) that is due at once and told of at 1000000. */
static struct queue_entry *
add(const char *destination, unsigned sender)
{
	char id[SPOOL_ID_LEN + 1];
	struct queue_entry *entry;

	spool_id_make(++last_number, 0, id);
	entry = queue_table_add(table, id, -1, NULL);
	entry->sender = (uint16_t)sender;
	entry->tell = 1000000;
	schedule_bind(schedule, entry, span_of(destination));
	schedule_at(schedule, entry, 0);
	return entry;
}

static void
leave(struct queue_entry *entry)
{
	schedule_forget(schedule, entry);
	queue_table_remove(table, entry);
}

static struct queue_entry *
next(int64_t now)
{
	return schedule_next(schedule, now, true);
}

/* The attempt reached nobody; the message lines up again. */
static bool
unreached(struct queue_entry *entry, int64_t now)
{
	bool down = schedule_failed(schedule, entry->destination, now, RANDOM, SPAN("Connection refused"));

	schedule_ended(schedule, entry);
	schedule_at(schedule, entry, now);
	return down;
}

START_TEST(waits_for_its_time)
{
	struct queue_entry *entry = add("", 0);

	schedule_at(schedule, entry, 100);
	ck_assert_ptr_null(next(99));
	ck_assert_int_eq(schedule_when(schedule, true), 100);
	ck_assert_ptr_eq(next(100), entry);
	ck_assert_int_eq(entry->state, ENTRY_ACTIVE);
	ck_assert_ptr_null(next(100));
	ck_assert(schedule_when(schedule, true) == INT64_MAX);
}
END_TEST

/* What waits for minutes, and a destination that is left alone for minutes, do not wait for the days by which the clock was set back. */
START_TEST(clock_set_back)
{
	struct queue_entry *entry = add("", 0), *other = add("a.test", 0), *soon = add("", 0);

	schedule_at(schedule, entry, 900300);
	schedule_at(schedule, soon, 1100);
	for (unsigned i = 0; i < 5; i++)
		(void)schedule_failed(schedule, other->destination, 900000, RANDOM, SPAN("x"));
	ck_assert(schedule_is_down(other->destination, 900299));
	schedule_set_back(schedule, 1000);
	ck_assert_ptr_null(next(1099));
	ck_assert_ptr_eq(next(1100), soon);
	ck_assert_ptr_null(next(1000 + 3599));
	ck_assert(schedule_is_down(other->destination, 1000 + 3599));
	ck_assert_ptr_eq(next(1000 + 3600), entry);
	ck_assert_ptr_eq(next(1000 + 3600), other);
}
END_TEST

START_TEST(window_rises_and_falls)
{
	struct destination *destination = schedule_destination(schedule, SPAN("a.test"));

	ck_assert_uint_eq(schedule_window(destination), 5);
	for (unsigned i = 0; i < 6; i++)
		(void)schedule_worked(schedule, destination);
	ck_assert_uint_eq(schedule_window(destination), 6);
	for (unsigned i = 0; i < 1000; i++)
		(void)schedule_worked(schedule, destination);
	ck_assert_uint_eq(schedule_window(destination), 20);
	/* Half of what is under way fails: it closes somewhat, and nothing is down. */
	for (unsigned i = 0; i < 10; i++)
		ck_assert(!schedule_failed(schedule, destination, 0, RANDOM, SPAN("x")));
	ck_assert_uint_lt(schedule_window(destination), 20);
	ck_assert_uint_ge(schedule_window(destination), 19);
	ck_assert(!schedule_is_down(destination, 0));
	/* All of it fails. */
	for (unsigned i = 0; i < 9; i++)
		ck_assert(!schedule_failed(schedule, destination, 0, RANDOM, SPAN("x")));
	ck_assert(schedule_failed(schedule, destination, 0, RANDOM, SPAN("x")));
	ck_assert(schedule_is_down(destination, 299));
	ck_assert(!schedule_is_down(destination, 300));
	schedule_release(schedule, destination);
}
END_TEST

/* Whatever breaks off, the destination is not down: each message has its own time. */
START_TEST(breaking_off_is_not_being_down)
{
	struct destination *destination = schedule_destination(schedule, SPAN("a.test"));

	for (unsigned i = 0; i < 100; i++)
		ck_assert(!schedule_broke_off(schedule, destination));
	ck_assert_uint_eq(schedule_window(destination), 1);
	ck_assert(!schedule_is_down(destination, 0));
	ck_assert(schedule_failed(schedule, destination, 0, RANDOM, SPAN("x")));
	ck_assert(schedule_is_down(destination, 299));
	/* It could be connected to. */
	ck_assert(schedule_broke_off(schedule, destination));
	ck_assert(!schedule_is_down(destination, 0));
	ck_assert_ptr_null(destination->reason);
	schedule_release(schedule, destination);
}
END_TEST

START_TEST(lets_in_what_the_window_says)
{
	unsigned count = 0;

	for (unsigned i = 0; i < 100; i++)
		(void)add("a.test", i);
	while (next(0) != NULL)
		count++;
	/* As many again get ready meanwhile. */
	ck_assert_uint_eq(count, 10);
}
END_TEST

START_TEST(down_and_back)
{
	struct queue_entry *first[10], *probe;
	int64_t now = 0, pause = 300;
	unsigned tried = 0;

	for (unsigned i = 0; i < 500; i++)
		(void)add("a.test", i);
	for (unsigned i = 0; i < 10; i++)
		ck_assert_ptr_nonnull(first[i] = next(now));
	for (unsigned i = 0; i < 10; i++)
		ck_assert_int_eq(unreached(first[i], now), i == 4);
	/* Nothing is tried while it is down; then one at a time, after pauses that double up to an hour. */
	for (unsigned times = 0; times < 10; times++) {
		ck_assert_ptr_null(next(now + pause - 1));
		ck_assert_int_eq(schedule_when(schedule, true), now + pause);
		now += pause;
		probe = next(now);
		ck_assert_ptr_nonnull(probe);
		ck_assert_ptr_null(next(now));
		ck_assert(unreached(probe, now));
		pause = pause * 2 < 3600 ? pause * 2 : 3600;
	}
	now += pause;
	probe = next(now);
	ck_assert(schedule_worked(schedule, probe->destination));
	ck_assert_ptr_null(probe->destination->reason);
	leave(probe);
	/* All the others go now, without waiting for times of their own. */
	while ((probe = next(now)) != NULL) {
		(void)schedule_worked(schedule, probe->destination);
		leave(probe);
		tried++;
	}
	ck_assert_uint_eq(tried, 499);
}
END_TEST

/* How long a destination is down that goes down for that time, with that random number. */
static int64_t
pause_with(unsigned times, uint32_t random)
{
	struct destination *destination = schedule_destination(schedule, SPAN("jitter.test"));
	int64_t now = 1000000, pause = 0;

	for (unsigned i = 1; i <= times; i++, now += 10000) {
		while (!schedule_failed(schedule, destination, now, i == times ? random : RANDOM, SPAN("x")))
			;
		pause = destination->until - now;
	}
	(void)schedule_worked(schedule, destination);
	schedule_release(schedule, destination);
	return pause;
}

/* Each pause is up to a tenth longer or shorter, whatever the random number is, and uses all of that. */
START_TEST(pauses_vary_by_a_tenth)
{
	static const int64_t pauses[] = { 300, 600, 1200, 2400, 3600, 3600 }; /* they double up to the longest */
	int64_t pause = pauses[_i], shortest = INT64_MAX, longest = 0, last = 0;
	unsigned changes = 0;

	for (uint32_t i = 0; i < 256; i++) {
		int64_t seen = pause_with((unsigned)_i + 1, i * 0x01010101);

		ck_assert_int_ge(seen, pause - pause / 10);
		ck_assert_int_le(seen, pause + pause / 10);
		if (seen < shortest)
			shortest = seen;
		if (seen > longest)
			longest = seen;
		changes += seen != last;
		last = seen;
	}
	ck_assert_int_eq(pause_with((unsigned)_i + 1, RANDOM), pause);
	ck_assert_int_le(shortest, pause - pause / 11);
	ck_assert_int_ge(longest, pause + pause / 11);
	ck_assert_uint_gt(changes, 50);
}
END_TEST

START_TEST(down_for_those_to_be_told)
{
	struct queue_entry *entry = add("a.test", 0), *late = add("a.test", 0), *later = add("a.test", 0);

	late->tell = 50;
	later->tell = 400;
	ck_assert_ptr_eq(next(0), entry);
	for (unsigned i = 0; i < 5; i++)
		(void)schedule_failed(schedule, entry->destination, 10, RANDOM, SPAN("x"));
	schedule_ended(schedule, entry);
	schedule_at(schedule, entry, 10);
	/* When somebody is to be told, that message is looked at although it cannot be sent; then it waits like the others. */
	ck_assert_ptr_null(next(49));
	ck_assert_int_eq(schedule_when(schedule, true), 50);
	ck_assert_ptr_eq(next(50), late);
	late->tell = 1000000;
	schedule_ended(schedule, late);
	schedule_at(schedule, late, 50);
	ck_assert_ptr_null(next(309));
	ck_assert_ptr_nonnull(entry = next(310));
	(void)unreached(entry, 310);
	ck_assert_ptr_null(next(399));
	ck_assert_ptr_eq(next(400), later);
	ck_assert_ptr_null(next(401));
}
END_TEST

START_TEST(destinations_take_turns)
{
	const char *names[] = { "big.test", "small.test", "tiny.test" };
	struct queue_entry *entry;
	unsigned early = 0;

	for (unsigned i = 0; i < 1000; i++)
		(void)add(names[0], 1);
	for (unsigned i = 0; i < 4; i++)
		(void)add(names[1], 2), (void)add(names[2], 3);
	for (unsigned i = 0; i < 12; i++) {
		ck_assert_ptr_nonnull(entry = next(0));
		early += strcmp(entry->destination->name, names[0]) != 0;
	}
	ck_assert_uint_eq(early, 8);
}
END_TEST

START_TEST(senders_take_turns)
{
	struct queue_entry *entry;
	unsigned early = 0;

	for (unsigned i = 0; i < 1000; i++)
		(void)add("a.test", 1);
	for (unsigned i = 0; i < 3; i++)
		(void)add("a.test", 2);
	for (unsigned i = 0; i < 8; i++) {
		ck_assert_ptr_nonnull(entry = next(0));
		early += entry->sender == 2;
	}
	ck_assert_uint_eq(early, 3);
}
END_TEST

START_TEST(priorities)
{
	struct queue_entry *urgent, *entry, *bulk = add("a.test", 1);

	bulk->priority = -5;
	for (unsigned i = 0; i < 3; i++)
		(void)add("a.test", 1);
	urgent = add("a.test", 1);
	urgent->priority = 9;
	ck_assert_ptr_eq(next(0), urgent);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_ptr_nonnull(entry = next(0));
		ck_assert_int_eq(entry->priority, 0);
	}
	ck_assert_ptr_eq(next(0), bulk);
}
END_TEST

START_TEST(operator_hurries)
{
	struct queue_entry *entry = add("a.test", 0), *here = add("", 0);

	ck_assert_ptr_nonnull(next(0));
	ck_assert_ptr_nonnull(next(0));
	schedule_at(schedule, here, 5000);
	for (unsigned i = 0; i < 5; i++)
		(void)unreached(entry, 0);
	ck_assert_ptr_null(next(1));
	schedule_hurry(schedule, entry, 1);
	ck_assert_ptr_eq(next(1), entry);
	(void)unreached(entry, 1);
	ck_assert_ptr_null(next(2));
	schedule_hurry_all(schedule, 2);
	ck_assert_ptr_nonnull(next(2));
	ck_assert_ptr_nonnull(next(2));
	ck_assert_ptr_null(next(2));
}
END_TEST

START_TEST(hurrying_lengthens_no_pause)
{
	struct queue_entry *entry = add("a.test", 0);
	int64_t now = 0, pause;

	ck_assert_ptr_nonnull(next(0));
	for (unsigned i = 0; i < 20 && !schedule_is_down(entry->destination, now); i++)
		(void)unreached(entry, now);
	pause = entry->destination->until - now;
	ck_assert_int_gt(pause, 0);
	for (unsigned i = 0; i < 5; i++) {
		schedule_hurry(schedule, entry, ++now);
		ck_assert_ptr_eq(next(now), entry);
		(void)unreached(entry, now);
		ck_assert_int_eq(entry->destination->until - now, pause);
	}
	/* By itself it grows. */
	now = entry->destination->until;
	ck_assert_ptr_eq(next(now), entry);
	(void)unreached(entry, now);
	ck_assert_int_gt(entry->destination->until - now, pause);
}
END_TEST

START_TEST(rebound_and_taken_out)
{
	struct queue_entry *entry = add("a.test", 0);

	for (unsigned i = 0; i < 20; i++)
		(void)add("a.test", 0);
	ck_assert_ptr_eq(next(0), entry);
	/* Its route changes during the attempt: the place at the old destination is free. */
	schedule_bind(schedule, entry, SPAN("B.test"));
	schedule_at(schedule, entry, 0);
	ck_assert_str_eq(entry->destination->name, "b.test");
	ck_assert_uint_eq(schedule_destination(schedule, SPAN("A.TEST"))->taken, 0);
	/* One that stands in a row is held. */
	ck_assert_ptr_nonnull(next(0));
	ck_assert_int_eq(entry->state, ENTRY_READY);
	schedule_take(schedule, entry, ENTRY_HELD);
	while ((entry = next(0)) != NULL)
		ck_assert_str_eq(entry->destination->name, "a.test");
}
END_TEST

/* Five days of 40 dead and 10 living destinations, 100 messages each: the living get theirs at once, the dead are looked at by one
 * message at a time, and every message for them is told of. */
START_TEST(five_days)
{
	const int64_t end = 5 * 86400;
	unsigned delivered = 0, attempts = 0, told = 0;
	int64_t now = 0;

	for (unsigned i = 0; i < 5000; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "%s%u.test", i % 50 < 40 ? "dead" : "alive", i % 50);
		add(name, i % 7)->tell = end - 4000;
	}
	srandom(1);
	while (queue_table_count(table) != 0) {
		struct queue_entry *entry = next(now);

		ck_assert_int_lt(now, end);
		if (entry == NULL) {
			ck_assert_int_gt(schedule_when(schedule, true), now);
			now = schedule_when(schedule, true);
		} else if (entry->destination->name[0] == 'a') {
			(void)schedule_worked(schedule, entry->destination);
			leave(entry);
			delivered++;
			ck_assert_int_eq(now, 0);
		} else if (schedule_is_down(entry->destination, now)) {
			ck_assert_int_eq(now, entry->tell);
			leave(entry); /* its sender is told */
			told++;
		} else if (entry->tell <= now) {
			(void)schedule_failed(schedule, entry->destination, now, (uint32_t)random(), SPAN("dead"));
			leave(entry);
			attempts++;
			told++;
		} else {
			attempts++;
			(void)schedule_failed(schedule, entry->destination, now, (uint32_t)random(), SPAN("dead"));
			schedule_ended(schedule, entry);
			schedule_at(schedule, entry, now);
		}
	}
	ck_assert_uint_eq(delivered, 1000);
	ck_assert_uint_eq(told, 4000);
	/* About an hour apart, 120 hours, 40 destinations: not the 480,000 that as many attempts for each message would be. */
	ck_assert_uint_lt(attempts, 40 * 160);
	ck_assert_uint_gt(attempts, 40 * 100);
}
END_TEST

static bool
count_down(void *context, struct queue_entry *entry)
{
	(void)entry;
	(*(size_t *)context)++;
	return true;
}

START_TEST(many_destinations_are_forgotten)
{
	size_t left = 0;

	for (unsigned i = 0; i < 20000; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "d%u.test", i);
		leave(add(name, 0));
	}
	queue_table_each(table, count_down, &left);
	ck_assert_uint_eq(left, 0);
	/* And found again, those that are remembered too. */
	for (unsigned i = 19999; i > 18000; i--) {
		char name[32];

		(void)snprintf(name, sizeof(name), "D%u.test", i);
		schedule_release(schedule, schedule_destination(schedule, span_of(name)));
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("queue_schedule");
	TCase *tests = tcase_create("queue_schedule");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, waits_for_its_time);
	tcase_add_test(tests, clock_set_back);
	tcase_add_test(tests, window_rises_and_falls);
	tcase_add_test(tests, breaking_off_is_not_being_down);
	tcase_add_test(tests, lets_in_what_the_window_says);
	tcase_add_test(tests, down_and_back);
	tcase_add_loop_test(tests, pauses_vary_by_a_tenth, 0, 6);
	tcase_add_test(tests, down_for_those_to_be_told);
	tcase_add_test(tests, destinations_take_turns);
	tcase_add_test(tests, senders_take_turns);
	tcase_add_test(tests, priorities);
	tcase_add_test(tests, operator_hurries);
	tcase_add_test(tests, hurrying_lengthens_no_pause);
	tcase_add_test(tests, rebound_and_taken_out);
	tcase_add_test(tests, five_days);
	tcase_add_test(tests, many_destinations_are_forgotten);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
