/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Sleeping sessions: what wakes them, what does not, and messages that make no sense. */
#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame/login.h"
#include "frame/login_sleep.h"

static struct event_base *base;
static int client[2], watch[2];
static int woken;
static enum login_wake why;

static void
on_wake(void *context, enum login_wake reason)
{
	ck_assert_ptr_eq(context, &woken);
	woken++;
	why = reason;
}

static int
message(struct login_sleep *sleep, uint16_t type, uint32_t seconds, const char *state, int fd)
{
	struct msg_writer body;
	struct msg msg = { .type = type, .fd = fd };
	int rc;

	msg_writer_init(&body);
	if (type == LOGIN_SESSION_SLEEP) {
		msg_put_u32(&body, seconds);
		msg_put_span(&body, span_of(state));
		msg_put_span(&body, SPAN("left"));
	}
	msg.body = span_make(body.bytes, body.len);
	rc = login_sleep_message(sleep, &msg);
	if (msg.fd >= 0)
		(void)close(msg.fd);
	return rc;
}

static struct login_sleep *
asleep(uint32_t seconds)
{
	struct login_sleep *sleep = login_sleep_new();

	ck_assert(!login_sleep_is_ready(sleep));
	ck_assert_int_eq(message(sleep, LOGIN_SESSION_WATCH, 0, "", watch[0]), 0);
	ck_assert(!login_sleep_is_ready(sleep));
	ck_assert_int_eq(message(sleep, LOGIN_SESSION_SLEEP, seconds, "state", client[0]), 0);
	ck_assert(login_sleep_is_ready(sleep));
	login_sleep_begin(sleep, base, on_wake, &woken);
	(void)event_base_loop(base, EVLOOP_NONBLOCK);
	ck_assert_int_eq(woken, 0);
	return sleep;
}

static void
open_all(void)
{
	base = event_base_new();
	ck_assert_ptr_nonnull(base);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, client), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, watch), 0);
	woken = 0;
}

static void
close_all(void)
{
	event_base_free(base);
	(void)close(client[1]);
	(void)close(watch[1]);
}

START_TEST(client_speaks)
{
	struct login_sleep *sleep = asleep(100);
	int fd;

	ck_assert_int_eq(write(client[1], "DONE\r\n", 6), 6);
	(void)event_base_loop(base, EVLOOP_ONCE);
	ck_assert_int_eq(woken, 1);
	ck_assert_int_eq(why, LOGIN_WAKE_NEWS);
	ck_assert(span_eq(login_sleep_state(sleep), SPAN("state")));
	ck_assert(span_eq(login_sleep_input(sleep), SPAN("left")));
	fd = login_sleep_take_client(sleep);
	ck_assert_int_eq(fd, client[0]);
	(void)login_sleep_free(sleep);
	ck_assert_int_eq(write(client[1], "x", 1), 1); /* it was not closed with the sleep */
	(void)close(fd);
}
END_TEST

START_TEST(client_hangs_up)
{
	struct login_sleep *sleep = asleep(100);

	ck_assert_int_eq(shutdown(client[1], SHUT_WR), 0);
	(void)event_base_loop(base, EVLOOP_ONCE);
	ck_assert_int_eq(woken, 1);
	ck_assert_int_eq(why, LOGIN_WAKE_GONE);
	(void)login_sleep_free(sleep);
}
END_TEST

START_TEST(watch_fires)
{
	struct login_sleep *sleep = asleep(100);

	ck_assert_int_eq(write(watch[1], "x", 1), 1);
	(void)event_base_loop(base, EVLOOP_ONCE);
	ck_assert_int_eq(woken, 1);
	ck_assert_int_eq(why, LOGIN_WAKE_NEWS);
	ck_assert_int_eq(write(client[1], "x", 1), 1);
	(void)event_base_loop(base, EVLOOP_NONBLOCK);
	ck_assert_int_eq(woken, 1);
	(void)login_sleep_free(sleep);
}
END_TEST

START_TEST(time_is_up)
{
	struct login_sleep *sleep = asleep(1);

	(void)event_base_loop(base, EVLOOP_ONCE);
	ck_assert_int_eq(woken, 1);
	ck_assert_int_eq(why, LOGIN_WAKE_NEWS);
	(void)login_sleep_free(sleep);
}
END_TEST

START_TEST(nonsense)
{
	struct login_sleep *sleep = login_sleep_new();

	ck_assert_int_eq(message(sleep, LOGIN_SESSION_BEGIN, 0, "", -1), -EBADMSG);
	ck_assert_int_eq(message(sleep, LOGIN_SESSION_SLEEP, 1, "", dup(client[0])), -EBADMSG);
	ck_assert_int_eq(message(sleep, LOGIN_SESSION_WATCH, 0, "", watch[0]), 0);
	ck_assert_int_eq(message(sleep, LOGIN_SESSION_WATCH, 0, "", dup(client[0])), -EBADMSG);
	ck_assert_int_eq(message(sleep, LOGIN_SESSION_SLEEP, 1, "state", client[0]), 0);
	ck_assert_int_eq(message(sleep, LOGIN_SESSION_SLEEP, 1, "state", dup(client[0])), -EBADMSG);
	(void)login_sleep_free(sleep);
	(void)login_sleep_free(NULL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("login_sleep");
	TCase *tests = tcase_create("sleep");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, open_all, close_all);
	tcase_add_test(tests, client_speaks);
	tcase_add_test(tests, client_hangs_up);
	tcase_add_test(tests, watch_fires);
	tcase_add_test(tests, time_is_up);
	tcase_add_test(tests, nonsense);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
