/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Long work in pieces lets in what comes meanwhile. */
#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/next_turn.h"

#define TURNS 1000

static struct event *work;
static unsigned turns, heard_at;

static void
on_work(evutil_socket_t fd, short what, void *context)
{
	const int *pipe_ends = context;

	(void)fd, (void)what;
	if (++turns == 2)
		ck_assert_int_eq(write(pipe_ends[1], "x", 1), 1);
	if (turns < TURNS)
		next_turn(work);
}

static void
on_readable(evutil_socket_t fd, short what, void *context)
{
	char byte;

	(void)what, (void)context;
	ck_assert_int_eq(read(fd, &byte, 1), 1);
	heard_at = turns;
}

START_TEST(others_are_heard_between_pieces)
{
	struct event_base *base = event_base_new();
	struct event *readable;
	int pipe_ends[2];

	ck_assert_ptr_nonnull(base);
	ck_assert_int_eq(pipe(pipe_ends), 0);
	readable = event_new(base, pipe_ends[0], EV_READ, on_readable, NULL);
	work = event_new(base, -1, 0, on_work, pipe_ends);
	ck_assert(readable != NULL && work != NULL && event_add(readable, NULL) == 0);
	event_active(work, EV_TIMEOUT, 0);
	ck_assert_int_ge(event_base_dispatch(base), 0);
	ck_assert_uint_eq(turns, TURNS);
	ck_assert_uint_ge(heard_at, 2);
	ck_assert_uint_le(heard_at, 4);
	event_free(readable);
	event_free(work);
	event_base_free(base);
	(void)close(pipe_ends[0]);
	(void)close(pipe_ends[1]);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("next_turn");
	TCase *tests = tcase_create("next_turn");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, others_are_heard_between_pieces);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
