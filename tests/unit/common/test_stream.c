/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Streams without TLS over socketpairs: limits, ends, deadlines, hand-over, splicing, owners that
 * free in a callback. */
#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/stream.h"

struct seen {
	struct buf input;
	unsigned readable, drained, ended;
	enum stream_end end;
	bool keep, free_on_read, finish_on_end;
};

static struct event_base *base;
static int peer;
static struct seen seen;

static void
on_readable(struct stream *stream, void *context)
{
	struct seen *into = context;
	struct span input = stream_input(stream);

	into->readable++;
	(void)buf_span(&into->input, input);
	if (into->free_on_read)
		(void)stream_free(stream);
	else if (!into->keep)
		stream_consume(stream, input.len);
}

static void
on_drained(struct stream *stream, void *context)
{
	(void)stream;
	((struct seen *)context)->drained++;
}

static void
on_ended(struct stream *stream, void *context, enum stream_end end)
{
	struct seen *into = context;

	into->ended++;
	into->end = end;
	if (into->finish_on_end) {
		(void)stream_write(stream, SPAN("bye"));
		stream_finish(stream);
	}
}

static const struct stream_ops ops = { on_readable, on_drained, NULL, on_ended };

static struct stream *
open_stream(size_t input_max, size_t output_max)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	peer = fds[1];
	return stream_new(base, fds[0], &ops, &seen, input_max, output_max);
}

/* Runs the loop for so many milliseconds. */
static void
spin(unsigned ms)
{
	struct timeval wait = { ms / 1000, (suseconds_t)(ms % 1000) * 1000 };

	(void)event_base_loopexit(base, &wait);
	(void)event_base_dispatch(base);
}

static void
setup(void)
{
	base = event_base_new();
	seen = (struct seen){ .input = BUF_INIT(1 << 24) };
}

static void
teardown(void)
{
	spin(20);
	event_base_free(base);
	buf_free(&seen.input);
	(void)close(peer);
}

START_TEST(echoes)
{
	struct stream *stream = open_stream(64, 64);
	char got[8];

	ck_assert_int_eq(write(peer, "hello", 5), 5);
	ck_assert_int_eq(stream_write(stream, SPAN("world")), 0);
	ck_assert_uint_eq(stream_pending(stream), 5);
	ck_assert_uint_eq(seen.readable, 0);
	spin(20);
	ck_assert_str_eq(buf_cstr(&seen.input), "hello");
	ck_assert_uint_eq(seen.drained, 1);
	ck_assert_int_eq(read(peer, got, sizeof(got)), 5);
	ck_assert_uint_eq(stream_pending(stream), 0);
	(void)stream_free(stream);
}
END_TEST

START_TEST(bounds_input)
{
	struct stream *stream = open_stream(4, 64);

	seen.keep = true;
	ck_assert_int_eq(write(peer, "abcdef", 6), 6);
	spin(20);
	ck_assert_uint_eq(stream_input(stream).len, 4);
	seen.keep = false;
	buf_clear(&seen.input);
	stream_consume(stream, 3);
	spin(20);
	ck_assert_str_eq(buf_cstr(&seen.input), "def");
	(void)stream_free(stream);
}
END_TEST

START_TEST(bounds_output)
{
	struct stream *stream = open_stream(64, 5);

	ck_assert_int_eq(stream_write(stream, SPAN("1234")), 0);
	ck_assert_uint_eq(stream_room(stream), 1);
	ck_assert_int_eq(stream_write(stream, SPAN("56")), -EMSGSIZE);
	ck_assert_int_eq(stream_write(stream, SPAN("5")), 0);
	ck_assert_int_eq(stream_write(stream, SPAN("6")), -EMSGSIZE);
	(void)stream_free(stream);
}
END_TEST

START_TEST(half_closed_peer_gets_its_answer)
{
	struct stream *stream = open_stream(64, 64);
	char got[8];

	seen.finish_on_end = true;
	ck_assert_int_eq(write(peer, "x", 1), 1);
	ck_assert_int_eq(shutdown(peer, SHUT_WR), 0);
	spin(20);
	ck_assert_uint_eq(seen.ended, 1);
	ck_assert_int_eq(seen.end, STREAM_EOF);
	ck_assert_str_eq(buf_cstr(&seen.input), "x");
	ck_assert_int_eq(read(peer, got, sizeof(got)), 3);
	ck_assert_int_eq(read(peer, got, sizeof(got)), 0);
	(void)stream;
}
END_TEST

/* The peer closes its side, reads nothing of a long answer, and then is gone: the owner, who waits to send, is told. */
START_TEST(broken_after_the_end)
{
	struct stream *stream = open_stream(64, 1 << 22);
	char *big = calloc(1, 1 << 22);

	ck_assert_int_eq(shutdown(peer, SHUT_WR), 0);
	spin(20);
	ck_assert_uint_eq(seen.ended, 1);
	ck_assert_int_eq(seen.end, STREAM_EOF);
	ck_assert_int_eq(stream_write(stream, span_make(big, 1 << 22)), 0);
	spin(20);
	ck_assert_uint_eq(seen.ended, 1);
	(void)close(peer);
	peer = -1;
	spin(20);
	ck_assert_uint_eq(seen.ended, 2);
	ck_assert_int_eq(seen.end, STREAM_ERROR);
	ck_assert_int_eq(stream_write(stream, SPAN("x")), -EPIPE);
	spin(20);
	ck_assert_uint_eq(seen.ended, 2);
	(void)stream_free(stream);
	free(big);
}
END_TEST

START_TEST(paused_hears_nothing)
{
	struct stream *stream = open_stream(64, 64);

	stream_pause(stream);
	ck_assert_int_eq(write(peer, "x", 1), 1);
	ck_assert_int_eq(shutdown(peer, SHUT_WR), 0);
	spin(20);
	ck_assert_uint_eq(seen.readable + seen.ended, 0);
	stream_resume(stream);
	spin(20);
	ck_assert_uint_eq(seen.readable, 1);
	ck_assert_uint_eq(seen.ended, 1);
	(void)stream_free(stream);
}
END_TEST

START_TEST(silence_times_out_and_can_be_answered)
{
	struct stream *stream = open_stream(64, 64);
	char got[8];

	stream_set_timeouts(stream, 1, 1);
	seen.finish_on_end = true;
	spin(900);
	ck_assert_uint_eq(seen.ended, 0);
	spin(300);
	ck_assert_uint_eq(seen.ended, 1);
	ck_assert_int_eq(seen.end, STREAM_TIMEOUT);
	ck_assert_int_eq(read(peer, got, sizeof(got)), 3);
}
END_TEST

START_TEST(traffic_moves_the_deadline)
{
	struct stream *stream = open_stream(64, 64);

	stream_set_timeouts(stream, 1, 1);
	for (unsigned i = 0; i < 4; i++) {
		spin(500);
		ck_assert_int_eq(write(peer, "x", 1), 1);
	}
	spin(20);
	ck_assert_uint_eq(seen.ended, 0);
	(void)stream_free(stream);
}
END_TEST

START_TEST(peer_that_does_not_read_times_out)
{
	struct stream *stream = open_stream(64, 1 << 24);
	char *much = calloc(1, 1 << 23);

	stream_set_timeouts(stream, 0, 1);
	ck_assert_int_eq(stream_write(stream, span_make(much, 1 << 23)), 0);
	spin(1300);
	ck_assert_uint_eq(seen.ended, 1);
	ck_assert_int_eq(seen.end, STREAM_TIMEOUT);
	ck_assert_int_eq(stream_write(stream, SPAN("x")), -EPIPE);
	(void)stream_free(stream);
	free(much);
}
END_TEST

START_TEST(broken_while_paused)
{
	struct stream *stream = open_stream(64, 64);

	stream_pause(stream);
	(void)close(peer);
	peer = -1;
	ck_assert_int_eq(stream_write(stream, SPAN("x")), 0);
	spin(20);
	ck_assert_uint_eq(seen.ended, 1);
	ck_assert_int_eq(seen.end, STREAM_ERROR);
	ck_assert_int_eq(stream_error(stream), EPIPE);
	(void)stream_free(stream);
}
END_TEST

START_TEST(freed_in_callback)
{
	(void)open_stream(64, 64);
	seen.free_on_read = true;
	ck_assert_int_eq(write(peer, "x", 1), 1);
	ck_assert_int_eq(shutdown(peer, SHUT_WR), 0);
	spin(20);
	ck_assert_uint_eq(seen.readable, 1);
	ck_assert_uint_eq(seen.ended, 0);
}
END_TEST

START_TEST(release_gives_unread_input)
{
	struct stream *stream = open_stream(64, 64);
	char *input = NULL;
	size_t len = 0;
	int fd;

	seen.keep = true;
	ck_assert_int_eq(write(peer, "ab", 2), 2);
	spin(20);
	ck_assert_int_eq(stream_write(stream, SPAN("x")), 0);
	ck_assert_int_eq(stream_release(stream, &input, &len), -EBUSY);
	spin(20);
	fd = stream_release(stream, &input, &len);
	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(len, 2);
	ck_assert_mem_eq(input, "ab", 2);
	/* And back again, in another process as it were. */
	buf_clear(&seen.input);
	seen.keep = false;
	stream = stream_new(base, fd, &ops, &seen, 64, 64);
	stream_preload(stream, span_make(input, len));
	ck_assert_int_eq(write(peer, "cd", 2), 2);
	spin(20);
	ck_assert_str_eq(buf_cstr(&seen.input), "abcd");
	free(input);
	(void)stream_free(stream);
}
END_TEST

static unsigned finished;

static void
on_finished(void *context)
{
	(*(unsigned *)context)++;
}

START_TEST(finish_waits_for_the_peer_and_tells)
{
	struct stream *stream = open_stream(64, 64);
	char got[8];

	finished = 0;
	/* Unread input would make the kernel reset the connection if it were closed at once. */
	ck_assert_int_eq(write(peer, "unread", 6), 6);
	ck_assert_int_eq(stream_write(stream, SPAN("last")), 0);
	stream_finish_then(stream, on_finished, &finished);
	spin(50);
	ck_assert_uint_eq(finished, 0);
	ck_assert_int_eq(read(peer, got, sizeof(got)), 4);
	ck_assert_int_eq(read(peer, got, sizeof(got)), 0);
	(void)close(peer);
	peer = -1;
	spin(50);
	ck_assert_uint_eq(finished, 1);
}
END_TEST

static unsigned spliced_done;

static void
on_splice_done(void *context)
{
	(void)context;
	spliced_done++;
}

START_TEST(splices)
{
	struct stream *a = open_stream(4096, 4096);
	int first = peer;
	struct stream *b = open_stream(4096, 4096);
	enum { TOTAL = 1 << 20 };
	char chunk[8192];
	size_t sent = 0, got = 0;
	unsigned turns = 0;

	spliced_done = 0;
	stream_splice(a, b, on_splice_done, NULL);
	/* A megabyte through buffers of 4 KiB, with a slow reader. */
	while (got < TOTAL && turns++ < 20000) {
		for (size_t i = 0; i < sizeof(chunk); i++)
			chunk[i] = (char)((sent + i) % 251);
		if (sent < TOTAL) {
			ssize_t n = write(first, chunk,
			    sizeof(chunk) < TOTAL - sent ? sizeof(chunk) : TOTAL - sent);

			if (n > 0)
				sent += (size_t)n;
			if (sent == TOTAL)
				ck_assert_int_eq(shutdown(first, SHUT_WR), 0);
		}
		(void)event_base_loop(base, EVLOOP_NONBLOCK);
		for (ssize_t n; (n = read(peer, chunk, 1000)) > 0;) {
			for (ssize_t i = 0; i < n; i++)
				ck_assert_int_eq(chunk[i], (char)((got + (size_t)i) % 251));
			got += (size_t)n;
		}
	}
	ck_assert_uint_eq(got, TOTAL);
	/* The half-close has come through; the other direction still works. */
	spin(20);
	ck_assert_int_eq(read(peer, chunk, 10), 0);
	ck_assert_int_eq(write(peer, "back", 4), 4);
	spin(20);
	ck_assert_int_eq(read(first, chunk, 10), 4);
	ck_assert_uint_eq(spliced_done, 0);
	(void)close(peer);
	peer = -1;
	spin(20);
	ck_assert_uint_eq(spliced_done, 1);
	ck_assert_int_eq(read(first, chunk, 10), 0);
	(void)close(first);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stream");
	TCase *tests = tcase_create("plain");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 30);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, echoes);
	tcase_add_test(tests, bounds_input);
	tcase_add_test(tests, bounds_output);
	tcase_add_test(tests, half_closed_peer_gets_its_answer);
	tcase_add_test(tests, broken_after_the_end);
	tcase_add_test(tests, paused_hears_nothing);
	tcase_add_test(tests, silence_times_out_and_can_be_answered);
	tcase_add_test(tests, traffic_moves_the_deadline);
	tcase_add_test(tests, peer_that_does_not_read_times_out);
	tcase_add_test(tests, broken_while_paused);
	tcase_add_test(tests, freed_in_callback);
	tcase_add_test(tests, release_gives_unread_input);
	tcase_add_test(tests, finish_waits_for_the_peer_and_tells);
	tcase_add_test(tests, splices);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
