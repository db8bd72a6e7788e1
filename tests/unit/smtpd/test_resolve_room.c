/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Shares of the resolver's room: whose they are, how much each gets, and when the resolver is busy. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "smtpd/resolve_room.h"

#define ROWS(table) (sizeof(table) / sizeof(*(table)))
/* For anybody; a third as many are kept. */
#define PLACES 120
#define CROWD 20

static const struct {
	const char *a, *b;
	bool same;
} neighbours[] = {
	{ "192.0.2.1", "192.0.2.254", true },
	{ "192.0.2.1", "192.0.3.1", false },
	{ "10.0.65.1", "10.0.97.1", false },
	{ "192.0.2.1", "::ffff:192.0.2.9", true },
	{ "2001:db8:1::1", "2001:db8:1:ffff::2", true },
	{ "2001:db8:1::1", "2001:db8:2::1", false },
	{ "", "nobody", true },
	{ "", "0.0.1.1", false },
};

START_TEST(networks)
{
	uint64_t a = resolve_whose(neighbours[_i].a), b = resolve_whose(neighbours[_i].b);

	ck_assert_int_eq(a == b, neighbours[_i].same);
	ck_assert(a != RESOLVE_OURSELVES && b != RESOLVE_OURSELVES);
}
END_TEST

static size_t
take_all(struct resolve_room *room, uint64_t whose)
{
	size_t taken = 0;

	while (resolve_room_enter(room, whose, 0))
		taken++;
	return taken;
}

static void
give_back(struct resolve_room *room, uint64_t whose, size_t count)
{
	while (count-- > 0)
		resolve_room_leave(room, whose, RESOLVE_ANYBODYS, 0, 0);
}

/* Whatever those before take, the next has as much as is free, and what is given back is there again. */
START_TEST(shares)
{
	struct resolve_room *room = resolve_room_new(PLACES / 3 * 4, CROWD, 7);

	for (unsigned round = 0; round < 2; round++) {
		size_t first = take_all(room, 11), second, third;

		ck_assert_uint_eq(first, PLACES / 2);
		second = take_all(room, 11 + 256); /* of the same bucket, perhaps */
		ck_assert_uint_eq(second, PLACES / 4);
		ck_assert(!resolve_room_enter(room, 11, 0));
		third = take_all(room, 13);
		ck_assert_uint_eq(third, PLACES / 8);
		give_back(room, 11, first);
		ck_assert_uint_eq(take_all(room, 12), (PLACES - second - third + 1) / 2);
		give_back(room, 12, (PLACES - second - third + 1) / 2);
		give_back(room, 13, third);
		give_back(room, 11 + 256, second);
	}
	(void)resolve_room_free(room);
}
END_TEST

/* However many are at it, whoever has nothing gets a place as long as there is one. */
START_TEST(many_at_once)
{
	struct resolve_room *room = resolve_room_new(PLACES / 3 * 4, CROWD, 7);
	size_t taken = 0;

	for (unsigned round = 0; round < PLACES; round++)
		for (uint64_t whose = 2; whose < 11; whose++)
			taken += resolve_room_enter(room, whose, 0) != RESOLVE_NO_ROOM;
	/* Nine of them: ten equal parts, and one is left for the next. */
	ck_assert_uint_eq(taken, PLACES / 10 * 9);
	ck_assert_uint_eq(take_all(room, 99), PLACES / 20);
	for (uint64_t whose = 100; whose < 100 + PLACES / 20; whose++)
		ck_assert(resolve_room_enter(room, whose, 0));
	ck_assert(!resolve_room_enter(room, 1000, 0));
	(void)resolve_room_free(room);
}
END_TEST

/* In each of some minutes a question has its answer within a second. */
static void
become_known(struct resolve_room *room, uint64_t whose, int64_t *now)
{
	for (unsigned minute = 0; minute <= 20; minute++) {
		enum resolve_place place = resolve_room_enter(room, whose, *now);

		ck_assert_int_eq(place, RESOLVE_ANYBODYS);
		resolve_room_leave(room, whose, place, *now, *now + 1);
		*now += 60;
	}
}

/* Hundreds have taken all that is anybody's: who is known finds room all the same, a little at once, and as long as it is not slow. */
START_TEST(known)
{
	struct resolve_room *room = resolve_room_new(PLACES / 3 * 4, CROWD, 7);
	const uint64_t good = 5000, hasty = 5001, slow = 5002;
	int64_t now = 1000;

	become_known(room, good, &now);
	become_known(room, slow, &now);
	/* Many answers within a minute are worth no more than one. */
	for (unsigned i = 0; i < 100; i++) {
		ck_assert_int_eq(resolve_room_enter(room, hasty, now), RESOLVE_ANYBODYS);
		resolve_room_leave(room, hasty, RESOLVE_ANYBODYS, now, now);
	}
	for (uint64_t whose = 10; whose < 10 + PLACES; whose++)
		while (resolve_room_enter(room, whose, now) != RESOLVE_NO_ROOM)
			continue;
	ck_assert_int_eq(resolve_room_enter(room, hasty, now), RESOLVE_NO_ROOM);
	for (unsigned round = 0; round < 100; round++) {
		for (unsigned i = 0; i < 3; i++)
			ck_assert_int_eq(resolve_room_enter(room, good, now), RESOLVE_KEPT);
		ck_assert_int_eq(resolve_room_enter(room, good, now), RESOLVE_NO_ROOM);
		for (unsigned i = 0; i < 3; i++)
			resolve_room_leave(room, good, RESOLVE_KEPT, now, now + 1);
	}
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(resolve_room_enter(room, slow, now), RESOLVE_KEPT);
	for (unsigned i = 0; i < 3; i++)
		resolve_room_leave(room, slow, RESOLVE_KEPT, now, now + 20);
	ck_assert_int_eq(resolve_room_enter(room, slow, now + 20), RESOLVE_NO_ROOM);
	ck_assert_int_eq(resolve_room_enter(room, good, now + 20), RESOLVE_KEPT);
	resolve_room_leave(room, good, RESOLVE_KEPT, now + 20, now + 20);
	/* Who has not been there for a day is a stranger. */
	ck_assert_int_eq(resolve_room_enter(room, good, now + 200000), RESOLVE_NO_ROOM);
	(void)resolve_room_free(room);
}
END_TEST

/* Strangers make room for each other in what is known. */
START_TEST(known_among_many)
{
	struct resolve_room *room = resolve_room_new(PLACES / 3 * 4, CROWD, 7);
	const uint64_t good = 5000;
	int64_t now = 1000;

	become_known(room, good, &now);
	for (uint64_t whose = 10000; whose < 200000; whose++) {
		ck_assert_int_eq(resolve_room_enter(room, whose, now), RESOLVE_ANYBODYS);
		resolve_room_leave(room, whose, RESOLVE_ANYBODYS, now, now);
	}
	for (uint64_t whose = 10; whose < 10 + PLACES; whose++)
		while (resolve_room_enter(room, whose, now) != RESOLVE_NO_ROOM)
			continue;
	ck_assert_int_eq(resolve_room_enter(room, good, now), RESOLVE_KEPT);
	(void)resolve_room_free(room);
}
END_TEST

START_TEST(busy_for_a_minute)
{
	struct resolve_room *room = resolve_room_new(PLACES / 3 * 4, CROWD, 7);

	ck_assert(!resolve_room_is_busy(room, 1000));
	for (uint64_t i = 0; i < CROWD; i++) {
		ck_assert(!resolve_room_is_busy(room, 1000));
		ck_assert(resolve_room_enter(room, 2 + i % 3, 1000));
	}
	ck_assert(resolve_room_is_busy(room, 5000));
	for (uint64_t i = 0; i < CROWD; i++)
		resolve_room_leave(room, 2 + i % 3, RESOLVE_ANYBODYS, 1000, 5000);
	ck_assert(resolve_room_is_busy(room, 5059));
	ck_assert(!resolve_room_is_busy(room, 5060));
	(void)resolve_room_free(room);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("resolve_room");
	TCase *tests = tcase_create("resolve_room");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, networks, 0, ROWS(neighbours));
	tcase_add_test(tests, shares);
	tcase_add_test(tests, many_at_once);
	tcase_add_test(tests, known);
	tcase_add_test(tests, known_among_many);
	tcase_add_test(tests, busy_for_a_minute);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
