/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Questions of a role while the one that asks the DNS goes away and is back. The clock is the test's. */
#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "smtpd/dns_client.h"
#include "smtpd/smtpd_msg.h"
#include "tests/unit/clock_ahead.h"

#define OTHERS 8

static struct proc proc;
static struct dns_client *client;
static bool there;            /* the resolve role is */
static unsigned sent;         /* questions to it */
static uint32_t sent_id;      /* the last, */
static uint64_t sent_whose;
static char sent_name[300];
static unsigned answers[OTHERS], failures[OTHERS]; /* by what was asked */

/* The resolve role. */
int
proc_send(struct proc *p, uint8_t role, uint16_t type, uint32_t id, const struct msg_writer *body, int fd)
{
	const struct msg msg = { .type = type, .id = id, .body = span_make(body->bytes, body->len), .fd = fd };
	struct msg_reader reader = msg_read(&msg);
	struct span name;

	(void)p;
	ck_assert(role == ROLE_RESOLVE && type == MSG_DNS_QUESTION);
	if (!there)
		return -EPIPE;
	ck_assert_uint_eq(msg_get_u16(&reader), DNS_A);
	sent_whose = msg_get_u64(&reader);
	name = msg_get_span(&reader);
	ck_assert(msg_done(&reader) && name.len < sizeof(sent_name));
	memcpy(sent_name, name.ptr, name.len);
	sent_name[name.len] = '\0';
	sent_id = id;
	sent++;
	return 0;
}

static void
setup(void)
{
	proc.base = event_base_new();
	client = dns_client_new(&proc);
	there = true;
}

static void
pass(unsigned seconds)
{
	ahead += seconds;
	(void)event_base_loop(proc.base, EVLOOP_NONBLOCK);
}

static void
done(void *context, const struct dns_answer *answer)
{
	size_t which = (size_t)((unsigned *)context - answers);

	answers[which]++;
	failures[which] += answer->status == DNS_FAILED;
	ck_assert(answer->status != DNS_FAILED || answer->blame == DNS_OURS);
}

static uint32_t
ask(size_t which, const char *name)
{
	return dns_ask_for(client, 4711 + which, span_of(name), DNS_A, done, &answers[which]);
}

/* Of the resolve role, to that question. */
static void
tell(uint32_t id)
{
	static struct dns_answer answer;
	struct msg_writer body;
	struct msg msg = { .type = MSG_DNS_ANSWER, .id = id, .fd = -1 };

	answer.status = DNS_NO_DATA;
	answer.blame = DNS_THEIRS;
	msg_writer_init(&body);
	dns_put(&body, DNS_A, &answer);
	msg.body = span_make(body.bytes, body.len);
	ck_assert_int_eq(dns_client_message(client, &msg), 0);
}

static void
go(void)
{
	there = false;
	dns_client_resolve_gone(client);
	pass(0);
}

static void
come(void)
{
	there = true;
	dns_client_resolve_here(client);
	pass(0);
}

/* What is under way, and what is asked meanwhile, is asked of the successor, each under its number, and on behalf of the same. */
START_TEST(asked_again)
{
	uint32_t first = ask(0, "first.example"), second;

	go();
	ck_assert_uint_eq(answers[0], 0);
	ck_assert(dns_client_is_busy(client));
	second = ask(1, "second.example");
	pass(DNS_AWAY_SECONDS - 2);
	ck_assert_uint_eq(answers[0] + answers[1], 0);
	sent = 0;
	come();
	ck_assert_uint_eq(sent, 2);
	ck_assert(sent_id == first || sent_id == second);
	ck_assert_str_eq(sent_name, sent_id == first ? "first.example" : "second.example");
	ck_assert_uint_eq(sent_whose, sent_id == first ? 4711 : 4712);
	tell(first);
	tell(second);
	tell(first); /* late, of nobody */
	ck_assert(answers[0] == 1 && answers[1] == 1 && failures[0] == 0 && failures[1] == 0);
	pass(2 * DNS_AWAY_SECONDS);
	ck_assert(answers[0] == 1 && answers[1] == 1);
}
END_TEST

/* It may be what ended the process: twice is enough. What was not with it the first time is not to blame. */
START_TEST(no_more_than_twice)
{
	(void)ask(0, "first.example");
	go();
	(void)ask(1, "second.example");
	come();
	go();
	ck_assert(answers[0] == 1 && failures[0] == 1);
	ck_assert_uint_eq(answers[1], 0);
	come();
	tell(sent_id);
	ck_assert(answers[1] == 1 && failures[1] == 0);
}
END_TEST

/* It does not come back: whoever waits is told in time, and who asks then, at once. */
START_TEST(away_for_long)
{
	(void)ask(0, "first.example");
	go();
	pass(DNS_AWAY_SECONDS - 1);
	(void)ask(1, "second.example");
	ck_assert_uint_eq(answers[0], 0);
	pass(2);
	pass(0);
	ck_assert(failures[0] == 1 && failures[1] == 1);
	(void)ask(2, "third.example");
	ck_assert_uint_eq(answers[2], 0); /* but never from within */
	pass(0);
	ck_assert_uint_eq(failures[2], 1);
	sent = 0;
	come();
	ck_assert_uint_eq(sent, 0);
	(void)ask(3, "fourth.example");
	ck_assert_uint_eq(sent, 1);
}
END_TEST

/* Nobody waits where it has never been, nor where the daemon ends. */
START_TEST(no_time_to_wait)
{
	there = false;
	if (_i == 0) {
		(void)ask(0, "first.example");
	} else {
		there = true;
		(void)ask(0, "first.example");
		proc.stopping = true;
		go();
	}
	pass(0);
	ck_assert_uint_eq(failures[0], 1);
}
END_TEST

/* What nobody wants to know any more is not asked again. */
START_TEST(cancelled)
{
	uint32_t id = ask(0, "first.example");

	go();
	if (_i == 1)
		id = ask(1, "second.example");
	dns_cancel(client, id);
	sent = 0;
	come();
	ck_assert_uint_eq(sent, _i == 1);
	pass(2 * DNS_AWAY_SECONDS);
	ck_assert_uint_eq(answers[_i], 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("dns_client");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, asked_again);
	tcase_add_test(tests, no_more_than_twice);
	tcase_add_test(tests, away_for_long);
	tcase_add_loop_test(tests, no_time_to_wait, 0, 2);
	tcase_add_loop_test(tests, cancelled, 0, 2);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
