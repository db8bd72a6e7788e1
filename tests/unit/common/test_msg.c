/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Messages between roles: the table's word, limits, descriptors, a peer that lies, a peer that is gone. */
#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/msg.h"

enum { LOW, HIGH };
enum { TEXT = 1, HANDLE, EMPTY, UPWARD };

static const struct msg_row rows[] = {
	{ TEXT, "TEXT", LOW, HIGH, 3, 10, MSG_NOFD },
	{ HANDLE, "HANDLE", MSG_ROLE_ANY, HIGH, 0, 4, MSG_FD },
	{ EMPTY, "EMPTY", LOW, MSG_ROLE_ANY, 0, 0, MSG_FD_MAYBE },
	{ UPWARD, "UPWARD", HIGH, LOW, 0, MSG_BODY_MAX, MSG_NOFD },
};
static const struct msg_row *const row_sets[] = { rows };
static const size_t row_counts[] = { 4 };
static const struct msg_table table = { row_sets, row_counts, 1 };

START_TEST(the_table_decides)
{
	static const struct {
		uint8_t from, to;
		uint16_t type;
		size_t len;
		bool fd;
		int r;
	} cases[] = {
		{ LOW, HIGH, TEXT, 3, false, 0 }, { LOW, HIGH, TEXT, 10, false, 0 }, { LOW, HIGH, TEXT, 2, false, -EBADMSG },
		{ LOW, HIGH, TEXT, 11, false, -EBADMSG }, { HIGH, LOW, TEXT, 5, false, -EBADMSG }, { LOW, LOW, TEXT, 5, false, -EBADMSG },
		{ LOW, HIGH, TEXT, 5, true, -EBADMSG }, { LOW, HIGH, HANDLE, 0, true, 0 }, { 9, HIGH, HANDLE, 0, true, 0 },
		{ LOW, HIGH, HANDLE, 0, false, -EBADMSG }, { LOW, HIGH, EMPTY, 0, false, 0 }, { LOW, 7, EMPTY, 0, true, 0 },
		{ LOW, HIGH, 99, 0, false, -EBADMSG }, { HIGH, LOW, UPWARD, MSG_BODY_MAX, false, 0 }, { HIGH, LOW, UPWARD, MSG_BODY_MAX + 1, false, -EBADMSG },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		ck_assert_msg(msg_check(&table, cases[i].from, cases[i].to, cases[i].type, cases[i].len, cases[i].fd) == cases[i].r, "case %zu", i);
	ck_assert_str_eq(msg_name(&table, HANDLE), "HANDLE");
	ck_assert_ptr_null(msg_name(&table, 99));
}
END_TEST

START_TEST(bodies_read_as_written)
{
	struct msg_writer body;
	struct msg_reader reader;
	char big[UINT16_MAX + 1];

	msg_writer_init(&body);
	msg_put_u8(&body, 1);
	msg_put_u16(&body, 65535);
	msg_put_u32(&body, 4000000000u);
	msg_put_u64(&body, UINT64_MAX);
	msg_put_span(&body, SPAN("ab\0c"));
	msg_put_span(&body, SPAN_NULL);
	reader = msg_read_span(span_make(body.bytes, body.len));
	ck_assert_uint_eq(msg_get_u8(&reader), 1);
	ck_assert_uint_eq(msg_get_u16(&reader), 65535);
	ck_assert_uint_eq(msg_get_u32(&reader), 4000000000u);
	ck_assert_uint_eq(msg_get_u64(&reader), UINT64_MAX);
	ck_assert(span_eq(msg_get_span(&reader), SPAN("ab\0c")));
	ck_assert(!msg_done(&reader));
	ck_assert_uint_eq(msg_get_span(&reader).len, 0);
	ck_assert(msg_done(&reader));
	ck_assert_uint_eq(msg_get_u32(&reader), 0);
	ck_assert(!msg_done(&reader));
	reader = msg_read_span(span_make("\xff\xff" "ab", 4)); /* a length that lies */
	ck_assert_uint_eq(msg_get_span(&reader).len, 0);
	ck_assert(reader.bad);
	memset(big, 'x', sizeof(big));
	msg_writer_init(&body);
	msg_put_span(&body, span_make(big, sizeof(big)));
	ck_assert(body.overflow);
	msg_writer_init(&body);
	msg_put_span(&body, span_make(big, MSG_BODY_MAX - 2));
	ck_assert(!body.overflow);
	msg_put_u8(&body, 0);
	ck_assert(body.overflow);
}
END_TEST

struct seen {
	struct event_base *base;
	unsigned messages, closed;
	int error, fd;
};

static int
handle(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct seen *seen = context;

	(void)channel;
	seen->messages++;
	if (msg->type == HANDLE)
		seen->fd = msg_take_fd(msg);
	return 0;
}

static void
closed(struct msg_channel *channel, int error, void *context)
{
	struct seen *seen = context;

	seen->closed++;
	seen->error = error;
	(void)msg_channel_free(channel);
	(void)event_base_loopbreak(seen->base);
}

static struct seen
talk(int (*say)(int fd, struct msg_channel *channel))
{
	struct seen seen = { .base = event_base_new(), .fd = -1 };
	struct msg_channel *low, *high;
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	low = msg_channel_new(pair[0], &table, LOW, HIGH);
	high = msg_channel_new(pair[1], &table, HIGH, LOW);
	msg_channel_start(high, seen.base, handle, closed, &seen);
	ck_assert_int_eq(say(pair[0], low), 0);
	(void)msg_channel_free(low);
	(void)event_base_dispatch(seen.base);
	event_base_free(seen.base);
	ck_assert_uint_eq(seen.closed, 1);
	return seen;
}

static int
say_well(int fd, struct msg_channel *channel)
{
	struct msg_writer body;

	(void)fd;
	msg_writer_init(&body);
	msg_put_span(&body, SPAN("hello"));
	return msg_send(channel, TEXT, 1, &body, -1) | msg_send(channel, HANDLE, 2, NULL, open("/dev/null", O_RDONLY | O_CLOEXEC));
}

static int
say_short(int fd, struct msg_channel *channel)
{
	(void)channel;
	return send(fd, "\1\0", 2, 0) == 2 ? 0 : -1;
}

static int
say_too_much(int fd, struct msg_channel *channel)
{
	static char bytes[MSG_MAX + 100] = { TEXT };

	(void)channel;
	return send(fd, bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes) ? 0 : -1;
}

static int
say_wrong_type(int fd, struct msg_channel *channel)
{
	char bytes[16] = { UPWARD };

	(void)channel;
	return send(fd, bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes) ? 0 : -1;
}

START_TEST(a_channel_carries_and_refuses)
{
	struct seen seen = talk(say_well);

	ck_assert_uint_eq(seen.messages, 2);
	ck_assert_int_eq(seen.error, 0);
	ck_assert_int_ge(seen.fd, 0);
	ck_assert_int_eq(close(seen.fd), 0);
	seen = talk(say_short);
	ck_assert_int_eq(seen.error, -EBADMSG);
	ck_assert_uint_eq(seen.messages, 0);
	seen = talk(say_too_much);
	ck_assert_int_eq(seen.error, -EBADMSG);
	seen = talk(say_wrong_type);
	ck_assert_int_eq(seen.error, -EBADMSG);
	ck_assert_uint_eq(seen.messages, 0);
}
END_TEST

static int
say_much(int fd, struct msg_channel *channel)
{
	struct msg_writer body;

	(void)fd;
	msg_writer_init(&body);
	msg_put_span(&body, SPAN("12345678"));
	/* Far more than a socket buffers, and all that answers for the recipients of a thousand messages: the rest waits in the channel. */
	for (unsigned i = 0; i < 100000; i++)
		ck_assert_int_eq(msg_send(channel, TEXT, i, &body, -1), 0);
	ck_assert_uint_ge(msg_channel_pending(channel), 90000);
	ck_assert_int_eq(msg_send(channel, UPWARD, 0, NULL, -1), -EBADMSG);
	return 0;
}

START_TEST(a_slow_peer_is_bounded)
{
	struct seen seen = talk(say_much);

	ck_assert_int_eq(seen.error, 0);
	ck_assert_uint_gt(seen.messages, 10);
}
END_TEST

/* To whom more was to be said than may wait: the end of it is told to both sides, though nobody closed it. */
START_TEST(a_peer_that_never_reads_is_gone)
{
	static const size_t len = MSG_BODY_MAX;
	struct seen low_seen = { .base = event_base_new() }, high_seen = { .base = low_seen.base };
	struct msg_channel *low, *high;
	struct msg_writer body = { .len = len };
	size_t sent = 0;
	int pair[2], r;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	low = msg_channel_new(pair[0], &table, LOW, HIGH);
	high = msg_channel_new(pair[1], &table, HIGH, LOW);
	while ((r = msg_send(high, UPWARD, 0, &body, -1)) == 0)
		sent += len;
	ck_assert_int_eq(r, -ENOBUFS);
	ck_assert_uint_ge(sent, 60u << 20);
	ck_assert_uint_le(sent, 70u << 20);
	ck_assert_int_lt(msg_send(high, UPWARD, 0, NULL, -1), 0);
	msg_channel_start(high, low_seen.base, handle, closed, &high_seen);
	(void)event_base_dispatch(low_seen.base);
	ck_assert_uint_eq(high_seen.closed, 1);
	ck_assert_int_eq(high_seen.error, -ENOBUFS);
	msg_channel_start(low, low_seen.base, handle, closed, &low_seen);
	(void)event_base_dispatch(low_seen.base);
	ck_assert_uint_eq(low_seen.closed, 1);
	ck_assert_int_eq(low_seen.error, 0);
	event_base_free(low_seen.base);
}
END_TEST

/* Two channels of one process: at the first message of the one the other's peer says something. */
struct turns {
	struct msg_channel *other;
	unsigned slow, slow_before;
};

static int
handle_one(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct turns *turns = context;

	(void)channel, (void)msg;
	if (turns->slow++ == 0)
		ck_assert_int_eq(msg_send(turns->other, EMPTY, 0, NULL, -1), 0);
	return 0;
}

static int
handle_at_once(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct turns *turns = context;

	(void)channel, (void)msg;
	turns->slow_before = turns->slow;
	return 0;
}

static struct msg_channel *
start_pair(struct event_base *base, msg_handler handler, struct turns *turns, struct msg_channel **ret_peer)
{
	int pair[2];
	struct msg_channel *channel;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	*ret_peer = msg_channel_new(pair[0], &table, LOW, HIGH);
	channel = msg_channel_new(pair[1], &table, HIGH, LOW);
	msg_channel_start(channel, base, handler, closed, turns);
	return channel;
}

START_TEST(long_work_of_one_does_not_keep_the_others)
{
	struct event_base *base = event_base_new();
	struct turns turns = { 0 };
	struct msg_channel *slow_peer, *slow = start_pair(base, handle_one, &turns, &slow_peer), *other = start_pair(base, handle_at_once, &turns, &turns.other);

	msg_channel_one_at_a_time(slow);
	for (unsigned i = 0; i < 20; i++)
		ck_assert_int_eq(msg_send(slow_peer, EMPTY, 0, NULL, -1), 0);
	while (turns.slow < 20)
		(void)event_base_loop(base, EVLOOP_ONCE);
	ck_assert_uint_ge(turns.slow_before, 1);
	ck_assert_uint_le(turns.slow_before, 2);
	(void)msg_channel_free(slow);
	(void)msg_channel_free(other);
	(void)msg_channel_free(slow_peer);
	(void)msg_channel_free(turns.other);
	event_base_free(base);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("msg");
	TCase *tests = tcase_create("messages");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, the_table_decides);
	tcase_add_test(tests, bodies_read_as_written);
	tcase_add_test(tests, a_channel_carries_and_refuses);
	tcase_add_test(tests, a_slow_peer_is_bounded);
	tcase_add_test(tests, a_peer_that_never_reads_is_gone);
	tcase_add_test(tests, long_work_of_one_does_not_keep_the_others);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
