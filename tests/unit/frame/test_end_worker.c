/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What becomes of a worker: handed over when it is ready, told of when it will not be, killed when it hangs; and who may want that: the process that it was
 * handed to, and nobody else. The clock is the test's. */
#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "frame/frame_msg.h"
#include "frame/parent_internal.h"
#include "tests/unit/clock_ahead.h"

enum { ROLE_QUEUE = ROLE_OWN, REQUEST = 7 };

static const struct role roles[] = {
	{ .id = ROLE_FRONT, .name = "front" },
	{ .id = ROLE_QUEUE, .name = "queue" },
	{ .id = ROLE_WORKER, .name = "worker", .spawned_by = ROLE_BIT(ROLE_FRONT) | ROLE_BIT(ROLE_QUEUE) },
};
static const struct daemon toy = { .name = "toyd", .roles = roles, .role_count = 3 };

static char accounts_dir[] = "/accounts";
static struct fourpost_conf conf = { .accounts_dir = accounts_dir };
static struct parent parent = { .daemon = &toy, .common = &conf };
static struct child front = { .role = &roles[0], .number = 1 }, queue = { .role = &roles[1], .number = 2 },
		    worker = { .role = &roles[2], .number = 3, .requester = 2, .request = REQUEST };
static struct msg_channel *front_end, *queue_end, *worker_end; /* theirs */

static struct msg_channel *
join(struct child *child)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	child->channel = msg_channel_new(fds[0], &parent.messages, ROLE_PARENT, child->role->id);
	return msg_channel_new(fds[1], &parent.messages, child->role->id, ROLE_PARENT);
}

static void
setup(void)
{
	static char account[] = "bob@example.test";

	parent.messages = daemon_messages(&toy);
	parent.base = event_base_new();
	worker.account = account;
	worker.handed = -1;
	front.next = &queue;
	queue.next = &worker;
	parent.children = &front;
	front_end = join(&front);
	queue_end = join(&queue);
	worker.pid = fork();
	ck_assert_int_ge(worker.pid, 0);
	while (worker.pid == 0)
		(void)pause();
}

static void
end(void)
{
	worker_end = msg_channel_free(worker_end);
	(void)kill(worker.pid, SIGKILL);
}

static int
say(struct msg_channel *channel, uint16_t type, uint32_t request)
{
	uint8_t body[4];
	struct msg_writer writer;
	struct msg msg = { .type = type, .id = 99, .fd = -1 };

	msg_writer_init(&writer);
	msg_put_u32(&writer, request);
	memcpy(body, writer.bytes, 4);
	msg.body = span_make((const char *)body, 4);
	return parent_on_message(channel, &msg, &parent);
}

static int
ask(struct msg_channel *channel, uint32_t request)
{
	return say(channel, MSG_WORKER_END, request);
}

static bool
is_told(struct msg_channel *channel)
{
	_Alignas(8) static uint8_t buffer[MSG_MAX];
	struct msg msg;

	if (recv(msg_channel_fd(channel), buffer, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
		return false;
	return msg_receive(channel, buffer, &msg) == 0 && msg.type == MSG_WORKER_ENDED && msg.id == 99;
}

/* What the queue is told of its request, or 0. */
static uint16_t
answer_to_queue(void)
{
	_Alignas(8) static uint8_t buffer[MSG_MAX];
	struct msg msg;

	if (recv(msg_channel_fd(queue_end), buffer, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
		return 0;
	ck_assert_int_eq(msg_receive(queue_end, buffer, &msg), 0);
	ck_assert_uint_eq(msg.id, REQUEST);
	if (msg.fd >= 0)
		(void)close(msg.fd);
	return msg.type;
}

/* The worker has been started, and has not said that it is ready. */
static void
begin_start(void)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	worker_end = join(&worker);
	worker.starting = true;
	worker.handed = fds[0];
}

static void
pass(unsigned seconds)
{
	ahead += seconds;
	(void)event_base_loop(parent.base, EVLOOP_NONBLOCK);
}

static bool
lives(void)
{
	int status;

	(void)usleep(20000);
	return waitpid(worker.pid, &status, WNOHANG) == 0;
}

/* Its own: killed, and told of when it has ended. */
START_TEST(own)
{
	int status;

	ck_assert_int_eq(ask(queue.channel, REQUEST), 0);
	ck_assert(!is_told(queue_end));
	ck_assert_int_eq(waitpid(worker.pid, &status, 0), worker.pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	parent_worker_ended(&parent, &worker);
	ck_assert(is_told(queue_end));
	ck_assert(!is_told(front_end));
}
END_TEST

/* Another's, though by the right number: there is none for it. */
START_TEST(of_another)
{
	ck_assert_int_eq(ask(front.channel, REQUEST), 0);
	ck_assert(is_told(front_end));
	ck_assert(lives());
}
END_TEST

START_TEST(unknown)
{
	ck_assert_int_eq(ask(queue.channel, REQUEST + 1), 0);
	ck_assert(is_told(queue_end));
	ck_assert(lives());
}
END_TEST

/* Of the process that had this role before. */
START_TEST(of_an_earlier_process)
{
	queue.number = 4;
	ck_assert_int_eq(ask(queue.channel, REQUEST), 0);
	ck_assert(is_told(queue_end));
	ck_assert(lives());
	/* No child but workers was handed to anybody. */
	queue.number = 5;
	ck_assert_int_eq(ask(queue.channel, 0), 0);
	ck_assert(is_told(queue_end));
}
END_TEST

/* A worker is nobody's requester. */
START_TEST(by_a_worker)
{
	struct msg_channel *end_of_worker = join(&worker);

	ck_assert_int_lt(ask(worker.channel, REQUEST), 0);
	ck_assert(lives());
	(void)msg_channel_free(end_of_worker);
}
END_TEST

START_TEST(ready)
{
	begin_start();
	ck_assert_uint_eq(answer_to_queue(), 0);
	ck_assert_int_eq(say(worker.channel, MSG_WORKER_READY, 0), 0);
	ck_assert_uint_eq(answer_to_queue(), MSG_WORKER);
	ck_assert(lives());
	/* Once. */
	ck_assert_int_lt(say(worker.channel, MSG_WORKER_READY, 0), 0);
	ck_assert_uint_eq(answer_to_queue(), 0);
}
END_TEST

START_TEST(not_ready)
{
	begin_start();
	ck_assert_int_lt(say(worker.channel, MSG_WORKER_READY, 1u << 31), 0);
	ck_assert_int_eq(say(worker.channel, MSG_WORKER_READY, EPERM), 0);
	ck_assert_uint_eq(answer_to_queue(), MSG_WORKER_FAILED);
	ck_assert_int_lt(say(worker.channel, MSG_WORKER_READY, 0), 0);
	parent_worker_ended(&parent, &worker);
	ck_assert_uint_eq(answer_to_queue(), 0);
}
END_TEST

START_TEST(ends_before)
{
	begin_start();
	parent_worker_ended(&parent, &worker);
	ck_assert_uint_eq(answer_to_queue(), MSG_WORKER_FAILED);
}
END_TEST

/* The asker has ended meanwhile: the worker sees its channel closed. */
START_TEST(ready_for_nobody)
{
	_Alignas(8) static uint8_t buffer[MSG_MAX];
	int fds[2];

	begin_start();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	(void)close(worker.handed);
	worker.handed = fds[0];
	queue.number = 4;
	ck_assert_int_eq(say(worker.channel, MSG_WORKER_READY, 0), 0);
	ck_assert_uint_eq(answer_to_queue(), 0);
	ck_assert_int_eq(recv(fds[1], buffer, 1, 0), 0);
}
END_TEST

/* Its asker has had enough before it was ready. */
START_TEST(ended_before_it_is_ready)
{
	int status;

	begin_start();
	ck_assert_int_eq(ask(queue.channel, REQUEST), 0);
	ck_assert_uint_eq(answer_to_queue(), MSG_WORKER_FAILED);
	ck_assert_int_eq(waitpid(worker.pid, &status, 0), worker.pid);
	/* What it may have said in between is no fault. */
	ck_assert_int_eq(say(worker.channel, MSG_WORKER_READY, 0), 0);
	ck_assert(!is_told(queue_end));
	parent_worker_ended(&parent, &worker);
	ck_assert(is_told(queue_end));
}
END_TEST

/* Parted from: it has its time to end by itself. */
START_TEST(left)
{
	int status;

	ck_assert_int_eq(say(queue.channel, MSG_WORKER_LEFT, REQUEST), 0);
	pass(290);
	ck_assert(lives());
	pass(20);
	ck_assert_int_eq(waitpid(worker.pid, &status, 0), worker.pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	ck_assert(!is_told(queue_end));
}
END_TEST

/* One that was killed for that is still there: another would only hang beside it. */
START_TEST(none_beside_one_that_hangs)
{
	struct msg_writer body;
	struct msg msg = { .type = MSG_SPAWN, .id = REQUEST, .fd = -1 };

	worker.hung = true;
	msg_writer_init(&body);
	msg_put_u8(&body, ROLE_QUEUE);
	msg_put_u32(&body, 1000001);
	msg_put_u64(&body, 0);
	msg_put_u64(&body, 0);
	msg_put_span(&body, SPAN("bob@example.test"));
	msg_put_span(&body, SPAN("example.test/bob"));
	msg.body = span_make((const char *)body.bytes, body.len);
	ck_assert_int_eq(parent_on_message(front.channel, &msg, &parent), 0);
	ck_assert_uint_eq(answer_to_queue(), MSG_WORKER_FAILED);
	ck_assert_ptr_eq(parent.children, &front);
}
END_TEST

START_TEST(left_by_another)
{
	ck_assert_int_eq(say(front.channel, MSG_WORKER_LEFT, REQUEST), 0);
	ck_assert_int_eq(say(queue.channel, MSG_WORKER_LEFT, REQUEST + 1), 0);
	pass(1000);
	ck_assert(lives());
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("end_worker");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, end);
	tcase_add_test(tests, own);
	tcase_add_test(tests, of_another);
	tcase_add_test(tests, unknown);
	tcase_add_test(tests, of_an_earlier_process);
	tcase_add_test(tests, by_a_worker);
	tcase_add_test(tests, ready);
	tcase_add_test(tests, not_ready);
	tcase_add_test(tests, ends_before);
	tcase_add_test(tests, ready_for_nobody);
	tcase_add_test(tests, ended_before_it_is_ready);
	tcase_add_test(tests, left);
	tcase_add_test(tests, none_beside_one_that_hangs);
	tcase_add_test(tests, left_by_another);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
