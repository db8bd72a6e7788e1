/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Whose addresses are: asked once, waited for together, and forgotten after a while or for others. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "smtpd/deliver.h"
#include "smtpd/smtpd_msg.h"

static const struct msg_row rows[] = {
	{ MSG_OWN, "OWN", ROLE_WORKER, ROLE_QUEUE, 3, 1024, MSG_NOFD },
	{ MSG_OWN_IS, "OWN_IS", ROLE_QUEUE, ROLE_WORKER, 4, 1032, MSG_NOFD },
};
static const struct msg_row *const tables[] = { rows };
static const size_t counts[] = { 2 };
static const struct msg_table table = { tables, counts, 1 };

static char domain[] = "example.test", account[] = "bob@example.test";
static char *domains[] = { domain };
static struct fourpost_conf common = { .domains = { domains, 1 } };
static struct proc proc = { .account = account, .common = &common };
static struct deliver deliver = { .proc = &proc };
static struct msg_channel *queue;

static void
setup(void)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	deliver.channel = msg_channel_new(fds[0], &table, ROLE_WORKER, ROLE_QUEUE);
	queue = msg_channel_new(fds[1], &table, ROLE_QUEUE, ROLE_WORKER);
	deliver.own = own_new();
}

static void
teardown(void)
{
	deliver.channel = msg_channel_free(deliver.channel);
	queue = msg_channel_free(queue);
}

/* Answers the next question, which must be about that address. */
static int
answer(struct span address, uint8_t own)
{
	_Alignas(8) static uint8_t buffer[MSG_MAX];
	struct msg_writer body;
	struct msg_reader reader;
	struct msg msg;
	struct span asked;

	ck_assert_int_eq(msg_receive(queue, buffer, &msg), 0);
	reader = msg_read(&msg);
	asked = msg_get_span(&reader);
	/* SPAN_NULL: any. */
	ck_assert_msg(address.len == 0 || span_eq(asked, address), "%.*s", (int)asked.len, asked.ptr);
	msg_writer_init(&body);
	msg_put_u8(&body, own);
	msg_put_span(&body, asked);
	ck_assert_int_eq(msg_send(queue, MSG_OWN_IS, 0, &body, -1), 0);
	ck_assert_int_eq(msg_receive(deliver.channel, buffer, &msg), 0);
	return own_told(&deliver, &msg);
}

START_TEST(is_asked_once)
{
	own_begin(&deliver, true);
	ck_assert_int_eq(own_of(&deliver, SPAN("x@elsewhere.example")), SIEVE_OWN_NOT);
	ck_assert(!own_ask(&deliver));
	own_begin(&deliver, true);
	ck_assert_int_eq(own_of(&deliver, SPAN("info@example.test")), SIEVE_OWN_NOT);
	ck_assert_int_eq(own_of(&deliver, SPAN("all@example.test")), SIEVE_OWN_NOT);
	ck_assert(own_ask(&deliver));
	/* Another message waits for one of them, and asks nothing. */
	own_begin(&deliver, true);
	ck_assert_int_eq(own_of(&deliver, SPAN("INFO@example.test")), SIEVE_OWN_NOT);
	ck_assert(own_ask(&deliver));
	ck_assert_int_eq(answer(SPAN("info@example.test"), SIEVE_OWN), 0);
	ck_assert_int_eq(answer(SPAN("all@example.test"), SIEVE_OWN_SHARED), 1);
	own_begin(&deliver, true);
	ck_assert_int_eq(own_of(&deliver, SPAN("info@Example.test")), SIEVE_OWN);
	ck_assert_int_eq(own_of(&deliver, SPAN("all@example.test")), SIEVE_OWN_SHARED);
	ck_assert(!own_ask(&deliver));
	/* Who has asked already does not ask again. */
	own_begin(&deliver, false);
	ck_assert_int_eq(own_of(&deliver, SPAN("new@example.test")), SIEVE_OWN_NOT);
	ck_assert(!own_ask(&deliver));
}
END_TEST

/* Where accounts cannot be looked up, the address is nobody's for the messages that wait, and no other. */
START_TEST(is_asked_again)
{
	own_begin(&deliver, true);
	ck_assert_int_eq(own_of(&deliver, SPAN("info@example.test")), SIEVE_OWN_NOT);
	ck_assert(own_ask(&deliver));
	ck_assert_int_eq(answer(SPAN("info@example.test"), OWN_UNKNOWN), 1);
	own_begin(&deliver, false);
	ck_assert_int_eq(own_of(&deliver, SPAN("info@example.test")), SIEVE_OWN_NOT);
	own_begin(&deliver, true);
	ck_assert_int_eq(own_of(&deliver, SPAN("info@example.test")), SIEVE_OWN_NOT);
	ck_assert(own_ask(&deliver));
	ck_assert_int_eq(answer(SPAN("info@example.test"), SIEVE_OWN), 1);
	own_begin(&deliver, true);
	ck_assert_int_eq(own_of(&deliver, SPAN("info@example.test")), SIEVE_OWN);
	ck_assert(!own_ask(&deliver));
}
END_TEST

/* However many there are, those that were asked about last are known. */
START_TEST(has_bounds)
{
	char address[64];

	for (unsigned i = 0; i < 3000; i++) {
		(void)snprintf(address, sizeof(address), "a%u@example.test", i);
		own_begin(&deliver, true);
		ck_assert_int_eq(own_of(&deliver, span_of(address)), SIEVE_OWN_NOT);
		ck_assert(own_ask(&deliver));
		ck_assert_int_eq(answer(span_of(address), SIEVE_OWN), 1);
		ck_assert_int_eq(own_of(&deliver, span_of(address)), SIEVE_OWN);
	}
	ck_assert_int_eq(own_of(&deliver, SPAN("a2000@example.test")), SIEVE_OWN);
	ck_assert_int_eq(own_of(&deliver, SPAN("a1@example.test")), SIEVE_OWN_NOT);
	/* Of one message, so many. */
	own_begin(&deliver, true);
	for (unsigned i = 0; i < 100; i++) {
		(void)snprintf(address, sizeof(address), "b%u@example.test", i);
		ck_assert_int_eq(own_of(&deliver, span_of(address)), SIEVE_OWN_NOT);
	}
	ck_assert(own_ask(&deliver));
	for (unsigned i = 0; i < 15; i++)
		ck_assert_int_eq(answer(SPAN_NULL, SIEVE_OWN), 0);
	ck_assert_int_eq(answer(SPAN_NULL, SIEVE_OWN), 1);
}
END_TEST

/* One that is named again and again, as in a header and in the same one edited, is one question. */
START_TEST(repeated_is_one_question)
{
	own_begin(&deliver, true);
	for (unsigned i = 0; i < 100; i++)
		ck_assert_int_eq(own_of(&deliver, SPAN("info@example.test")), SIEVE_OWN_NOT);
	ck_assert_int_eq(own_of(&deliver, SPAN("sales@example.test")), SIEVE_OWN_NOT);
	ck_assert(own_ask(&deliver));
	ck_assert_int_eq(answer(SPAN("info@example.test"), SIEVE_OWN), 0);
	ck_assert_int_eq(answer(SPAN("sales@example.test"), SIEVE_OWN), 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("deliver_own");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, is_asked_once);
	tcase_add_test(tests, is_asked_again);
	tcase_add_test(tests, has_bounds);
	tcase_add_test(tests, repeated_is_one_question);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
