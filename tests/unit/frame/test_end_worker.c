/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Who may have a worker killed: the process that it was handed to, and nobody else. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frame/frame_msg.h"
#include "frame/parent_internal.h"

enum { ROLE_QUEUE = ROLE_OWN, REQUEST = 7 };

static const struct role roles[] = {
	{ .id = ROLE_FRONT, .name = "front" },
	{ .id = ROLE_QUEUE, .name = "queue" },
	{ .id = ROLE_WORKER, .name = "worker", .spawned_by = ROLE_BIT(ROLE_FRONT) | ROLE_BIT(ROLE_QUEUE) },
};
static const struct daemon toy = { .name = "toyd", .roles = roles, .role_count = 3 };

static struct parent parent = { .daemon = &toy };
static struct child front = { .role = &roles[0], .number = 1 }, queue = { .role = &roles[1], .number = 2 },
		    worker = { .role = &roles[2], .number = 3, .requester = 2, .request = REQUEST };
static struct msg_channel *front_end, *queue_end; /* theirs */

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
	parent.messages = daemon_messages(&toy);
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
	(void)kill(worker.pid, SIGKILL);
}

static int
ask(struct msg_channel *channel, uint32_t request)
{
	uint8_t body[4];
	struct msg_writer writer;
	struct msg msg = { .type = MSG_WORKER_END, .id = 99, .fd = -1 };

	msg_writer_init(&writer);
	msg_put_u32(&writer, request);
	memcpy(body, writer.bytes, 4);
	msg.body = span_make((const char *)body, 4);
	return parent_on_message(channel, &msg, &parent);
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
	parent_tell_end(&parent, &worker);
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
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
