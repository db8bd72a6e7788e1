/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A session that cannot be started, or says nothing any more: its clients are answered in time, and another takes its place. The clock is the test's. */
#include <check.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "tests/unit/clock_ahead.h"
#include "webmaild/http.h"

static const struct msg_row rows[] = {
#define MSG(name, from, to, min, max, fd) { MSG_##name, #name, (from), (to), (min), (max), (fd) },
#include "webmaild/webmaild_msg.def"
#undef MSG
};
static const struct msg_row *const tables[] = { rows };
static const size_t counts[] = { sizeof(rows) / sizeof(*rows) };
static const struct msg_table table = { tables, counts, 1 };

static struct proc proc;
static struct http http = { .proc = &proc };
static struct login login = { .grant = 1 }, other = { .grant = 2 };
static struct msg_channel *session; /* as the account's process has it */
static worker_done when_there;
static void *when_there_context;
static unsigned asked, left, signed_out;
static uint64_t asked_with;
static bool refused;

/* --- around http_proxy.c --- */

struct auth_client *
front_auth(struct front *front)
{
	(void)front;
	return NULL;
}

uint32_t
auth_worker_by_grant(struct auth_client *client, uint64_t grant, worker_done done, void *context)
{
	(void)client;
	asked_with = grant;
	when_there = done;
	when_there_context = context;
	return ++asked;
}

bool
auth_refused(const struct auth_client *client)
{
	(void)client;
	return refused;
}

void
auth_leave_worker(struct auth_client *client, uint32_t request)
{
	(void)client;
	ck_assert_uint_eq(request, asked);
	left++;
}

void
logins_remove(struct logins *logins, struct login *which)
{
	(void)logins;
	ck_assert_ptr_eq(which, &login);
	which->revoked = true;
	signed_out++;
}

/* --- a client --- */

static const struct http_request nothing_special = { .keep_alive = true };

struct client {
	struct exchange exchange;
	unsigned status;
};

static void
on_response(struct exchange *exchange, const struct http_response *response)
{
	((struct client *)exchange)->status = response->status;
	exchange->over = response->length == 0;
}

static size_t
room(struct exchange *exchange)
{
	(void)exchange;
	return 1000;
}

static void
on_bytes(struct exchange *exchange, struct span bytes)
{
	(void)exchange, (void)bytes;
}

static void
on_end(struct exchange *exchange)
{
	exchange->over = true;
}

static const struct exchange_transport transport = { on_response, room, on_bytes, on_end, on_end, on_end };

static void
ask(struct client *client)
{
	*client = (struct client){ .exchange = { .http = &http, .request = &nothing_special, .transport = &transport, .login = &login } };
	http_proxy(&client->exchange, REQUEST_API, SPAN_NULL);
}

/* --- its session --- */

static void
come(void)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	(void)msg_channel_free(session);
	session = msg_channel_new(fds[1], &table, ROLE_WORKER, ROLE_FRONT);
	when_there(when_there_context, msg_channel_new(fds[0], &table, ROLE_FRONT, ROLE_WORKER));
}

/* The next request, as its descriptor. */
static int
take(void)
{
	_Alignas(8) static uint8_t buffer[MSG_MAX];
	struct msg msg;

	ck_assert_int_eq(msg_receive(session, buffer, &msg), 0);
	return msg_take_fd(&msg);
}

static void
pass(unsigned seconds)
{
	ahead += seconds;
	(void)event_base_loop(proc.base, EVLOOP_NONBLOCK);
	(void)event_base_loop(proc.base, EVLOOP_NONBLOCK);
}

static void
answer(int fd)
{
	struct msg_writer head;
	uint8_t len[2];

	msg_writer_init(&head);
	msg_put_u16(&head, 200);
	msg_put_u64(&head, 0);
	msg_put_span(&head, SPAN_NULL);
	msg_put_span(&head, SPAN_NULL);
	msg_put_u8(&head, 0);
	len[0] = (uint8_t)(head.len >> 8);
	len[1] = (uint8_t)head.len;
	ck_assert_int_eq(write(fd, len, 2), 2);
	ck_assert_int_eq(write(fd, head.bytes, head.len), (ssize_t)head.len);
	(void)close(fd);
	pass(0);
}

static void
setup(void)
{
	proc.base = event_base_new();
	login.account = account_get(&http, SPAN("bob@example.test"));
	login.account->login_count = 1;
}

START_TEST(is_there)
{
	struct client client;

	ask(&client);
	come();
	answer(take());
	ck_assert_uint_eq(client.status, 200);
	/* Nothing is waited for. */
	pass(1000);
	ck_assert_uint_eq(left, 0);
	ask(&client);
	answer(take());
	ck_assert_uint_eq(client.status, 200);
	ck_assert_uint_eq(asked, 1);
}
END_TEST

START_TEST(cannot_be_started)
{
	struct client client;

	refused = _i == 1;
	ask(&client);
	when_there(when_there_context, NULL);
	ck_assert_uint_eq(client.status, 503);
	ck_assert_uint_eq(signed_out, _i == 1);
}
END_TEST

/* As with the former password of the account; another has the new one, and waits behind it. */
START_TEST(another_can_have_it_started)
{
	struct client first, second, third;

	other.account = login.account;
	ask(&first);
	ask(&second);
	ask(&third);
	second.exchange.login = &other;
	refused = true;
	when_there(when_there_context, NULL);
	ck_assert_uint_eq(first.status, 503);
	ck_assert_uint_eq(second.status, 0);
	ck_assert_uint_eq(third.status, 503);
	ck_assert_uint_eq(signed_out, 1);
	ck_assert_uint_eq(asked, 2);
	ck_assert_uint_eq(asked_with, 2);
	come();
	answer(take());
	ck_assert_uint_eq(second.status, 200);
}
END_TEST

START_TEST(silent)
{
	struct client client, second;

	ask(&client);
	come();
	pass(140);
	ck_assert_uint_eq(client.status, 0);
	pass(20);
	ck_assert_uint_eq(client.status, 503);
	pass(300);
	ask(&second);
	ck_assert_uint_eq(asked, 1);
	pass(100);
	ck_assert_uint_eq(left, 0);
	pass(100);
	ck_assert_uint_eq(left, 1);
	ck_assert_uint_eq(second.status, 503);
	ask(&client);
	ck_assert_uint_eq(asked, 2);
	come();
	answer(take());
	ck_assert_uint_eq(client.status, 200);
	ck_assert_uint_eq(login.account->unanswered, 0);
	pass(1000);
	ck_assert_uint_eq(left, 1);
}
END_TEST

/* Its client went away: that says nothing of the session, but the next one does not wait for so long. */
START_TEST(left_alone)
{
	struct client client;
	int fd;

	ask(&client);
	come();
	fd = take();
	client.exchange.handler->gone(&client.exchange);
	pass(700);
	ck_assert_uint_eq(left, 0);
	if (_i == 0) {
		ask(&client);
		answer(take());
		ck_assert_uint_eq(client.status, 200);
		pass(1000);
		ck_assert_uint_eq(left, 0);
	} else {
		ask(&client);
		pass(200);
		ck_assert_uint_eq(left, 1);
	}
	(void)close(fd);
}
END_TEST

/* A session says nothing before it has the whole body, which may take its client longer. */
START_TEST(slow_upload)
{
	struct client client;
	char bytes[100] = "";

	ask(&client);
	client.exchange.has_body = true;
	come();
	for (int i = 0; i < 20; i++) {
		ck_assert_uint_eq(client.exchange.handler->body(&client.exchange, span_make(bytes, sizeof(bytes))), sizeof(bytes));
		pass(100);
		ck_assert_uint_eq(client.status, 0);
		ck_assert_uint_eq(left, 0);
	}
	answer(take());
	ck_assert_uint_eq(client.status, 200);
}
END_TEST

/* One long request after the other. */
START_TEST(slow_but_there)
{
	struct client clients[3];
	int fds[3];

	for (int i = 0; i < 3; i++)
		ask(&clients[i]);
	come();
	for (int i = 0; i < 3; i++)
		fds[i] = take();
	pass(160);
	ck_assert_uint_eq(clients[2].status, 503);
	for (int round = 0; round < 3; round++) {
		ask(&clients[round % 3]);
		pass(400);
		ask(&clients[(round + 1) % 3]);
		(void)close(take());
		pass(0);
		answer(take());
	}
	ck_assert_uint_eq(left, 0);
	for (int i = 0; i < 3; i++)
		(void)close(fds[i]);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("http_proxy");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, is_there);
	tcase_add_loop_test(tests, cannot_be_started, 0, 2);
	tcase_add_test(tests, another_can_have_it_started);
	tcase_add_test(tests, silent);
	tcase_add_test(tests, slow_but_there);
	tcase_add_test(tests, slow_upload);
	tcase_add_loop_test(tests, left_alone, 0, 2);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
