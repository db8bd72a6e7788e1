/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* When a connection does what: waking, deadlines, callbacks. All callbacks are made by run(), from
 * the loop, so a callback may call anything and may free the stream: run() looks at `freed` after
 * each and touches nothing when it is set. */
#include <errno.h>
#include <sys/socket.h>
#include <time.h>

#include "common/stream_internal.h"

#define CHUNK 16384
/* After our goodbye the peer's last bytes are read and dropped: closing with unread input would
 * reset the connection, and the reset may overtake the goodbye. Bounded in time and (LINGER_BYTES)
 * in bytes. */
#define LINGER_MS 3000

static void run(struct stream *stream, short what);

/* --- waking and deadlines --- */

int64_t
stream_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
stream_wake(struct stream *stream)
{
	if (stream->woken)
		return;
	stream->woken = true;
	event_active(stream->wake, EV_TIMEOUT, 0);
}

bool
stream_reading(const struct stream *stream)
{
	return !stream->no_more_input && !stream->paused && stream->in.len < stream->input_max;
}

/* The earliest deadline, or 0. */
static int64_t
next_deadline(const struct stream *stream)
{
	int64_t at = stream->finishing ? stream->close_at : 0;

	if (!stream->finishing && stream->read_seconds != 0 &&
	    (stream_reading(stream) || stream->tls == TLS_HANDSHAKE))
		at = stream->read_since + (int64_t)stream->read_seconds * 1000;
	if (stream->write_seconds != 0 && stream->out.len != 0 && !stream->broken) {
		/* Also while a handshake keeps what was written from being sent. */
		int64_t write_at = stream->write_since + (int64_t)stream->write_seconds * 1000;

		if (at == 0 || write_at < at)
			at = write_at;
	}
	return at;
}

/* Traffic moves deadlines later all the time; the timer is only set anew when it fires, or when it
 * would fire too late. */
static void
arm_timer(struct stream *stream)
{
	int64_t at = next_deadline(stream), left;
	struct timeval wait;

	if (at == 0 || (stream->wake_at != 0 && stream->wake_at <= at))
		return;
	left = at - stream_now();
	if (left < 0)
		left = 0;
	wait.tv_sec = left / 1000;
	wait.tv_usec = left % 1000 * 1000;
	(void)event_add(stream->wake, &wait);
	stream->wake_at = at;
}

static void
want(struct event *event, bool wanted, bool stop)
{
	bool is = event_pending(event, EV_READ | EV_WRITE, NULL) != 0;

	if (wanted && !is)
		(void)event_add(event, NULL);
	else if (!wanted && is && stop)
		(void)event_del(event);
}

/* Tells the loop what this connection waits for. */
static void
arm(struct stream *stream)
{
	bool read = stream_reading(stream) || stream->finishing, write = stream->out.len != 0;

	if (stream->woken)
		/* run() comes back before the loop waits: spare the kernel two calls for every
		 * reply */
		return;
	if (stream->tls == TLS_HANDSHAKE) {
		/* The plaintext reply goes first; then the handshake says itself what it waits
		 * for. */
		write = stream->plain_left != 0 || stream->read_wants_write;
		read = !write;
	} else if (stream->ssl != NULL) {
		read = (read && !stream->read_wants_write) || stream->write_wants_read;
		write = (write && !stream->write_wants_read) ||
		    (stream_reading(stream) && stream->read_wants_write);
	}
	/* While somebody else is asked, a peer that waits for our answer sends nothing: the loop is
	 * told to look away only once something came that is not wanted yet. */
	want(stream->readable, read && !stream->broken, stream->came || stream->broken || stream_reading(stream));
	want(stream->writable, write && !stream->broken, true);
	stream->came = false;
	arm_timer(stream);
}

void
stream_on_event(evutil_socket_t fd, short what, void *context)
{
	struct stream *stream = context;

	(void)fd;
	stream->came = (what & EV_READ) != 0 && !stream_reading(stream);
	run(stream, what);
}

void
stream_on_wake(evutil_socket_t fd, short what, void *context)
{
	struct stream *stream = context;

	(void)fd, (void)what;
	stream->wake_at = 0;
	stream->woken = false;
	run(stream, 0);
}

/* --- the loop's side --- */

static void
check_deadlines(struct stream *stream)
{
	int64_t at = next_deadline(stream);

	if (at == 0 || stream->broken || stream_now() < at)
		return;
	if (stream->finishing || stream->tls == TLS_HANDSHAKE || stream->out.len != 0) {
		stream_broke(stream, STREAM_TIMEOUT, ETIMEDOUT);
		return;
	}
	/* A silent peer may still be told why the connection ends. */
	stream->no_more_input = true;
	stream->end = STREAM_TIMEOUT;
	stream->error = ETIMEDOUT;
}

/* Sends what is left, says goodbye, waits shortly for the peer's end. */
static void
run_finishing(struct stream *stream)
{
	char bytes[CHUNK];
	ssize_t got = 1;

	check_deadlines(stream);
	if (stream->tls == TLS_HANDSHAKE && stream->plain_left == 0)
		stream->broken = true; /* there is nothing to say and no way to say it */
	if (!stream->broken)
		stream_send_pending(stream);
	if (!stream->broken && stream->out.len == 0 && !stream->fin_sent) {
		int64_t patience = stream_now() + LINGER_MS;

		if (!stream->shut_done)
			stream_say_goodbye(stream);
		(void)shutdown(stream->fd, SHUT_WR);
		stream->fin_sent = true;
		if (patience < stream->close_at) {
			stream->close_at = patience;
			stream->wake_at = 0;
		}
	}
	while (!stream->broken && stream->fin_sent && !stream->no_more_input && got > 0) {
		got = stream_receive_some(stream, bytes, sizeof(bytes));
		if (got > 0 && (size_t)got >= stream->linger_left)
			stream->no_more_input = true;
		else if (got > 0)
			stream->linger_left -= (size_t)got;
	}
	if (stream->broken || (stream->fin_sent && stream->no_more_input)) {
		void (*finished)(void *) = stream->finished;
		void *context = stream->context;

		(void)stream_free(stream);
		if (finished != NULL)
			finished(context);
		return;
	}
	arm(stream);
}

/* These return true when the owner has freed or finished the stream: the caller must not touch it
 * any more. */
static bool
after_call(struct stream *stream, const bool *freed)
{
	if (*freed)
		return true;
	stream->freed = NULL;
	if (!stream->finishing)
		return false;
	run_finishing(stream);
	return true;
}

static bool
call(struct stream *stream, void (*callback)(struct stream *, void *))
{
	bool freed = false;

	if (callback == NULL)
		return false;
	/* cppcheck-suppress autoVariables; taken back below, or the stream is gone */
	stream->freed = &freed;
	callback(stream, stream->context);
	return after_call(stream, &freed);
}

static bool
call_ended(struct stream *stream)
{
	bool freed = false;

	stream->ended_told = true;
	/* cppcheck-suppress autoVariables; taken back below, or the stream is gone */
	stream->freed = &freed;
	stream->ops->ended(stream, stream->context, stream->end);
	return after_call(stream, &freed);
}

static void
run(struct stream *stream, short what)
{
	if (stream->finishing) {
		run_finishing(stream);
		return;
	}
	check_deadlines(stream);
	if (!stream->broken)
		stream_send_pending(stream);
	if (stream->tls == TLS_HANDSHAKE && !stream->broken && stream_shake_hands(stream) &&
	    call(stream, stream->ops->secured))
		return;
	if (stream->out.len == 0 && stream->tell_drained && !stream->broken) {
		stream->tell_drained = false;
		if (call(stream, stream->ops->drained))
			return;
	}
	if (stream->shut_wanted && !stream->shut_done && !stream->broken && stream->out.len == 0 &&
	    stream->tls != TLS_HANDSHAKE)
		stream_say_goodbye(stream);
	/* What OpenSSL holds already shows on no descriptor. */
	if (stream->tls != TLS_HANDSHAKE && ((what & EV_READ) != 0 || stream->read_wants_write ||
	    (stream->ssl != NULL && SSL_has_pending(stream->ssl))))
		stream_receive(stream);
	if (stream->tell_input && !stream->paused && stream->in.len != 0) {
		stream->tell_input = false;
		if (call(stream, stream->ops->readable))
			return;
	}
	/* Whoever paused has not asked for the end yet, except when the connection is broken
	 * anyway. */
	if (stream->no_more_input && !stream->ended_told && (!stream->paused || stream->broken) &&
	    call_ended(stream))
		return;
	arm(stream);
}
