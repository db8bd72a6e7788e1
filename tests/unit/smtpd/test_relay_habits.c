/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What is remembered of other hosts, for how long, and of how many. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "smtpd/relay_habits.h"

#define NOW 1000000

START_TEST(each_host_has_its_own)
{
	struct relay_habits *habits = relay_habits_new();

	ck_assert_uint_eq(relay_habits_find(habits, "a", NOW).rcpt_max, 0);
	relay_habits_note(habits, "a", (struct relay_habit){ .rcpt_max = 5 }, NOW);
	relay_habits_note(habits, "b", (struct relay_habit){ .unchunked = true }, NOW);
	ck_assert_uint_eq(relay_habits_find(habits, "a", NOW).rcpt_max, 5);
	ck_assert(!relay_habits_find(habits, "a", NOW).unchunked);
	ck_assert_uint_eq(relay_habits_find(habits, "b", NOW).rcpt_max, 0);
	ck_assert(relay_habits_find(habits, "b", NOW).unchunked);
	(void)relay_habits_free(habits);
}
END_TEST

START_TEST(what_is_found_adds_to_what_is_known)
{
	struct relay_habits *habits = relay_habits_new();

	relay_habits_note(habits, "a", (struct relay_habit){ .unchunked = true }, NOW);
	relay_habits_note(habits, "a", (struct relay_habit){ .rcpt_max = 5 }, NOW);
	relay_habits_note(habits, "a", (struct relay_habit){ .rcpt_max = 7 }, NOW);
	ck_assert_uint_eq(relay_habits_find(habits, "a", NOW).rcpt_max, 7);
	ck_assert(relay_habits_find(habits, "a", NOW).unchunked);
	(void)relay_habits_free(habits);
}
END_TEST

/* Whoever had a few seconds may have been about to speak: he is asked before those who had a minute. */
START_TEST(a_short_silence_is_none)
{
	struct relay_habits *habits = relay_habits_new();

	relay_habits_note_silence(habits, "a", false, 59, NOW);
	relay_habits_note_silence(habits, "b", false, 60, NOW);
	relay_habits_note_silence(habits, "c", true, 59, NOW);
	ck_assert(!relay_habits_find(habits, "a", NOW).silent);
	ck_assert(relay_habits_find(habits, "b", NOW).silent);
	ck_assert(!relay_habits_find(habits, "b", NOW).silent_tls);
	ck_assert(!relay_habits_find(habits, "c", NOW).silent_tls);
	habits = relay_habits_free(habits);
}
END_TEST

START_TEST(who_has_spoken_is_silent_no_more)
{
	struct relay_habits *habits = relay_habits_new();

	relay_habits_note(habits, "a", (struct relay_habit){ .silent = true }, NOW);
	relay_habits_note(habits, "a", (struct relay_habit){ .unchunked = true }, NOW);
	relay_habits_note(habits, "b", (struct relay_habit){ .silent = true }, NOW);
	ck_assert(relay_habits_find(habits, "a", NOW).silent);
	relay_habits_note_voice(habits, "a", false);
	relay_habits_note_voice(habits, "c", true);
	ck_assert(!relay_habits_find(habits, "a", NOW).silent);
	ck_assert(relay_habits_find(habits, "a", NOW).unchunked);
	ck_assert(relay_habits_find(habits, "b", NOW).silent);
	(void)relay_habits_free(habits);
}
END_TEST

/* Who speaks in the clear has not shown that he does under TLS; who does under TLS is not silent. */
START_TEST(silent_under_tls_alone)
{
	struct relay_habits *habits = relay_habits_new();

	relay_habits_note_silence(habits, "a", true, 60, NOW);
	ck_assert(!relay_habits_find(habits, "a", NOW).silent);
	ck_assert(relay_habits_find(habits, "a", NOW).silent_tls);
	relay_habits_note_voice(habits, "a", false);
	ck_assert(relay_habits_find(habits, "a", NOW).silent_tls);
	relay_habits_note_silence(habits, "a", false, 60, NOW);
	relay_habits_note_voice(habits, "a", true);
	ck_assert(!relay_habits_find(habits, "a", NOW).silent_tls);
	ck_assert(!relay_habits_find(habits, "a", NOW).silent);
	(void)relay_habits_free(habits);
}
END_TEST

START_TEST(it_is_forgotten)
{
	struct relay_habits *habits = relay_habits_new();
	const int64_t later = NOW + RELAY_HABITS_LIFETIME;

	relay_habits_note(habits, "a", (struct relay_habit){ .unchunked = true }, NOW);
	ck_assert(relay_habits_find(habits, "a", later - 1).unchunked);
	ck_assert(!relay_habits_find(habits, "a", later).unchunked);
	relay_habits_note(habits, "a", (struct relay_habit){ .rcpt_max = 5 }, later);
	ck_assert(!relay_habits_find(habits, "a", later).unchunked);
	ck_assert_uint_eq(relay_habits_find(habits, "a", later).rcpt_max, 5);
	(void)relay_habits_free(habits);
}
END_TEST

START_TEST(the_oldest_makes_room)
{
	struct relay_habits *habits = relay_habits_new();
	char name[16];

	for (int i = 0; i <= RELAY_HABITS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		relay_habits_note(habits, name, (struct relay_habit){ .rcpt_max = 1 }, NOW + i);
	}
	for (int i = 0; i <= RELAY_HABITS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		ck_assert_uint_eq(relay_habits_find(habits, name, NOW + i).rcpt_max, i != 0);
	}
	(void)relay_habits_free(habits);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("relay_habits");
	TCase *tests = tcase_create("relay_habits");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, each_host_has_its_own);
	tcase_add_test(tests, what_is_found_adds_to_what_is_known);
	tcase_add_test(tests, who_has_spoken_is_silent_no_more);
	tcase_add_test(tests, a_short_silence_is_none);
	tcase_add_test(tests, silent_under_tls_alone);
	tcase_add_test(tests, it_is_forgotten);
	tcase_add_test(tests, the_oldest_makes_room);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
