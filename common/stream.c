/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A connection on a libevent base. Every stream_* call only notes what is wanted and wakes the
 * stream; reading, writing, the handshake and all callbacks happen in run(), from the loop. So a
 * callback may call anything, and may free the stream: run() looks at `freed` after each callback
 * and touches nothing when it is set.
 *
 * An idle connection holds no buffer: input and output are freed when they are empty, and OpenSSL
 * is told to do the same. */
#include "common/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/util.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/xalloc.h"

#define CHUNK 16384
/* Bytes read in one turn of the loop, so that a fast peer does not starve the others. */
#define TURN_MAX (4 * CHUNK)
/* After our goodbye the peer's last bytes are read and dropped: closing with unread input would
 * reset the connection, and the reset may overtake the goodbye. Bounded in time and bytes. */
#define LINGER_MS 3000
#define LINGER_BYTES 262144
#define FINISH_MS 30000

/* Bytes in a row at data + start. */
struct queue {
	char *data;
	size_t start, len, cap;
};

enum tls_state { TLS_NONE, TLS_HANDSHAKE, TLS_ON };

struct stream {
	int fd;
	const struct stream_ops *ops;
	void *context;
	struct event *readable, *writable;
	struct event *wake; /* active: run() soon; as a timer: the next deadline */
	struct queue in, out;
	size_t input_max, output_max;

	SSL *ssl;
	enum tls_state tls;
	const char *tls_error;
	size_t plain_left; /* of out: written before TLS was asked for, sent before the handshake */

	unsigned read_seconds, write_seconds;
	int64_t read_since, write_since; /* the last progress, monotonic milliseconds */
	int64_t wake_at;                 /* when the timer fires; 0: it is not set */
	int64_t close_at;                /* finishing: the end of patience */
	void (*finished)(void *context);
	size_t linger_left;

	int error;
	enum stream_end end;
	bool *freed;
	bool paused : 1;
	bool no_more_input : 1;  /* EOF was read, or the connection is broken */
	bool broken : 1;         /* nothing can be sent any more */
	bool ended_told : 1;
	bool tell_input : 1;     /* the owner has yet to hear of unread input */
	bool tell_drained : 1;
	bool read_wants_write : 1, write_wants_read : 1;
	bool shut_wanted : 1, shut_done : 1;
	bool finishing : 1;
	bool fin_sent : 1;
	bool woken : 1;          /* run() comes in this turn of the loop */
};

static void run(struct stream *stream, short what);

/* --- queues --- */

static void
queue_free(struct queue *queue)
{
	/* Passwords pass through here. */
	if (queue->data != NULL)
		explicit_bzero(queue->data, queue->cap);
	free(queue->data);
	*queue = (struct queue){ NULL, 0, 0, 0 };
}

static void
queue_add(struct queue *queue, const char *bytes, size_t len)
{
	if (len == 0)
		return;
	if (queue->start + queue->len + len > queue->cap) {
		size_t cap = queue->cap != 0 ? queue->cap : 256;
		char *data;

		while (cap < queue->len + len)
			cap *= 2;
		data = xmalloc(cap);
		if (queue->len != 0)
			memcpy(data, queue->data + queue->start, queue->len);
		len += queue->len;
		memcpy(data + queue->len, bytes, len - queue->len);
		queue_free(queue);
		*queue = (struct queue){ data, 0, len, cap };
		return;
	}
	memcpy(queue->data + queue->start + queue->len, bytes, len);
	queue->len += len;
}

static void
queue_drop(struct queue *queue, size_t len)
{
	if (len >= queue->len) {
		queue_free(queue);
		return;
	}
	queue->start += len;
	queue->len -= len;
}

/* --- waking and deadlines --- */

static int64_t
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
wake(struct stream *stream)
{
	if (stream->woken)
		return;
	stream->woken = true;
	event_active(stream->wake, EV_TIMEOUT, 0);
}

static bool
reading(const struct stream *stream)
{
	return !stream->no_more_input && !stream->paused && stream->in.len < stream->input_max;
}

/* The earliest deadline, or 0. */
static int64_t
next_deadline(const struct stream *stream)
{
	int64_t at = stream->finishing ? stream->close_at : 0;

	if (!stream->finishing && stream->read_seconds != 0 &&
	    (reading(stream) || stream->tls == TLS_HANDSHAKE))
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
	left = at - now_ms();
	if (left < 0)
		left = 0;
	wait.tv_sec = left / 1000;
	wait.tv_usec = left % 1000 * 1000;
	(void)event_add(stream->wake, &wait);
	stream->wake_at = at;
}

static void
want(struct event *event, bool wanted)
{
	bool is = event_pending(event, EV_READ | EV_WRITE, NULL) != 0;

	if (wanted && !is)
		(void)event_add(event, NULL);
	else if (!wanted && is)
		(void)event_del(event);
}

/* Tells the loop what this connection waits for. */
static void
arm(struct stream *stream)
{
	bool read = reading(stream) || stream->finishing, write = stream->out.len != 0;

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
		    (reading(stream) && stream->read_wants_write);
	}
	want(stream->readable, read && !stream->broken);
	want(stream->writable, write && !stream->broken);
	arm_timer(stream);
}

static void
on_event(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	run(context, what);
}

static void
on_wake(evutil_socket_t fd, short what, void *context)
{
	struct stream *stream = context;

	(void)fd, (void)what;
	stream->wake_at = 0;
	stream->woken = false;
	run(stream, 0);
}

/* --- making and freeing --- */

struct stream *
stream_new(struct event_base *base, int fd, const struct stream_ops *ops, void *context,
    size_t input_max, size_t output_max)
{
	struct stream *stream = xcalloc(1, sizeof(*stream));

	(void)evutil_make_socket_nonblocking(fd);
	stream->fd = fd;
	stream->ops = ops;
	stream->context = context;
	stream->input_max = input_max;
	stream->output_max = output_max;
	stream->read_since = stream->write_since = now_ms();
	stream->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_event, stream);
	stream->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, on_event, stream);
	stream->wake = event_new(base, -1, 0, on_wake, stream);
	if (stream->readable == NULL || stream->writable == NULL || stream->wake == NULL)
		abort();
	wake(stream);
	return stream;
}

static void
free_but_fd(struct stream *stream)
{
	if (stream->freed != NULL)
		*stream->freed = true;
	event_free(stream->readable);
	event_free(stream->writable);
	event_free(stream->wake);
	SSL_free(stream->ssl);
	queue_free(&stream->in);
	queue_free(&stream->out);
	free(stream);
}

struct stream *
stream_free(struct stream *stream)
{
	int fd;

	if (stream == NULL)
		return NULL;
	fd = stream->fd;
	free_but_fd(stream);
	(void)close(fd);
	return NULL;
}

void
stream_finish(struct stream *stream)
{
	stream->finishing = true;
	stream->ops = NULL;
	stream->context = NULL;
	stream->linger_left = LINGER_BYTES;
	stream->close_at = now_ms() + FINISH_MS;
	queue_free(&stream->in);
	wake(stream);
}

void
stream_finish_then(struct stream *stream, void (*done)(void *context), void *context)
{
	stream_finish(stream);
	stream->finished = done;
	stream->context = context;
}

void
stream_set_owner(struct stream *stream, const struct stream_ops *ops, void *context)
{
	stream->ops = ops;
	stream->context = context;
	if (stream->in.len != 0)
		stream->tell_input = true;
	wake(stream);
}

void *
stream_context(const struct stream *stream)
{
	return stream->context;
}

/* --- TLS --- */

static int
start_tls(struct stream *stream, SSL_CTX *context)
{
	if (stream->in.len != 0) {
		queue_free(&stream->in);
		return -EPROTO;
	}
	ERR_clear_error();
	stream->ssl = SSL_new(context);
	if (stream->ssl == NULL || SSL_set_fd(stream->ssl, stream->fd) != 1)
		abort(); /* only for want of memory */
	SSL_set_mode(stream->ssl,
	    SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
		SSL_MODE_RELEASE_BUFFERS);
	SSL_set_options(stream->ssl, SSL_OP_NO_RENEGOTIATION);
	stream->tls = TLS_HANDSHAKE;
	stream->plain_left = stream->out.len;
	stream->read_since = now_ms();
	wake(stream);
	return 0;
}

int
stream_start_tls_server(struct stream *stream, struct ssl_ctx_st *context)
{
	int r = start_tls(stream, context);

	if (r == 0)
		SSL_set_accept_state(stream->ssl);
	return r;
}

int
stream_start_tls_client(struct stream *stream, struct ssl_ctx_st *context, const char *host)
{
	unsigned char address[sizeof(struct in6_addr)];
	int r = start_tls(stream, context);

	if (r < 0)
		return r;
	SSL_set_connect_state(stream->ssl);
	if (host == NULL || host[0] == '\0')
		return 0;
	if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1) {
		/* An address is verified, but never sent as a server name (RFC 6066 section 3). */
		if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(stream->ssl), host) != 1)
			abort();
		return 0;
	}
	/* SSL_set_tlsext_host_name, whose macro casts const away. The name is copied. */
	if (SSL_ctrl(stream->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
		(void *)(uintptr_t)host) != 1 ||
	    SSL_set1_host(stream->ssl, host) != 1)
		return -EINVAL;
	return 0;
}

struct ssl_st *
stream_ssl(const struct stream *stream)
{
	return stream->tls == TLS_ON ? stream->ssl : NULL;
}

bool
stream_is_secure(const struct stream *stream)
{
	return stream->tls == TLS_ON;
}

const char *
stream_tls_error(const struct stream *stream)
{
	return stream->tls_error != NULL ? stream->tls_error : "";
}

/* --- the owner's side --- */

struct span
stream_input(struct stream *stream)
{
	return stream->in.len != 0 ? span_make(stream->in.data + stream->in.start, stream->in.len) :
				     SPAN_NULL;
}

void
stream_preload(struct stream *stream, struct span bytes)
{
	struct queue later = stream->in;

	stream->in = (struct queue){ NULL, 0, 0, 0 };
	queue_add(&stream->in, bytes.ptr, bytes.len);
	if (later.len != 0)
		queue_add(&stream->in, later.data + later.start, later.len);
	queue_free(&later);
	if (stream->in.len != 0)
		stream->tell_input = true;
	wake(stream);
}

void
stream_consume(struct stream *stream, size_t len)
{
	bool was_full = stream->in.len >= stream->input_max;

	queue_drop(&stream->in, len);
	if (was_full)
		wake(stream);
}

int
stream_write(struct stream *stream, struct span bytes)
{
	if (stream->broken || stream->finishing || stream->shut_wanted)
		return -EPIPE;
	if (stream->out.len > stream->output_max ||
	    bytes.len > stream->output_max - stream->out.len)
		return -EMSGSIZE;
	if (bytes.len == 0)
		return 0;
	if (stream->out.len == 0)
		stream->write_since = now_ms();
	queue_add(&stream->out, bytes.ptr, bytes.len);
	stream->tell_drained = true;
	wake(stream);
	return 0;
}

size_t
stream_pending(const struct stream *stream)
{
	return stream->out.len;
}

size_t
stream_room(const struct stream *stream)
{
	return stream->out.len < stream->output_max ? stream->output_max - stream->out.len : 0;
}

void
stream_shutdown_write(struct stream *stream)
{
	stream->shut_wanted = true;
	wake(stream);
}

void
stream_set_timeouts(struct stream *stream, unsigned read_seconds, unsigned write_seconds)
{
	stream->read_seconds = read_seconds;
	stream->write_seconds = write_seconds;
	stream->read_since = now_ms();
	wake(stream);
}

void
stream_pause(struct stream *stream)
{
	stream->paused = true;
	wake(stream);
}

void
stream_resume(struct stream *stream)
{
	if (!stream->paused)
		return;
	stream->paused = false;
	stream->read_since = now_ms();
	if (stream->in.len != 0)
		stream->tell_input = true;
	wake(stream);
}

int
stream_release(struct stream *stream, char **ret_input, size_t *ret_len)
{
	int fd = stream->fd;

	if (stream->ssl != NULL || stream->out.len != 0)
		return -EBUSY;
	*ret_len = stream->in.len;
	*ret_input =
	    xmemdup(stream->in.len != 0 ? stream->in.data + stream->in.start : "", stream->in.len);
	free_but_fd(stream);
	return fd;
}

int
stream_error(const struct stream *stream)
{
	return stream->error;
}

/* --- moving bytes --- */

static void
broke(struct stream *stream, enum stream_end end, int error)
{
	stream->broken = true;
	stream->no_more_input = true;
	stream->end = end;
	stream->error = error;
	queue_free(&stream->out);
	stream->tell_drained = false;
}

/* What a failed SSL call means: 0 try again later (with *ret_wants_write), 1 the peer's orderly
 * end, -errno broken. */
static int
tls_verdict(struct stream *stream, int result, bool *ret_wants_write)
{
	int saved = errno, kind = SSL_get_error(stream->ssl, result);
	unsigned long code;

	*ret_wants_write = kind == SSL_ERROR_WANT_WRITE;
	switch (kind) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		return 1;
	case SSL_ERROR_SYSCALL:
		return saved != 0 ? -saved : -ECONNRESET;
	default:
		code = ERR_peek_error();
		stream->tls_error = ERR_reason_error_string(code);
		ERR_clear_error();
		/* Closed without close_notify. Our protocols mark their ends themselves, so this
		 * truncates nothing. */
		if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
			return stream->tls == TLS_ON ? 1 : -ECONNRESET;
		return -EPROTO;
	}
}

/* One write: bytes taken (0: the socket is full). */
static size_t
send_some(struct stream *stream, const char *bytes, size_t len)
{
	bool wants_write;
	ssize_t sent;
	int r;

	stream->write_wants_read = false;
	if (stream->tls != TLS_ON) {
		do
			sent = send(stream->fd, bytes, len, MSG_NOSIGNAL);
		while (sent < 0 && errno == EINTR);
		if (sent < 0 && errno != EAGAIN)
			broke(stream, STREAM_ERROR, errno);
		return sent < 0 ? 0 : (size_t)sent;
	}
	ERR_clear_error();
	errno = 0;
	r = SSL_write(stream->ssl, bytes, len > INT32_MAX ? INT32_MAX : (int)len);
	if (r > 0)
		return (size_t)r;
	r = tls_verdict(stream, r, &wants_write);
	if (r == 0)
		stream->write_wants_read = !wants_write;
	else
		broke(stream, STREAM_ERROR, r < 0 ? -r : EPIPE);
	return 0;
}

static size_t
sendable(const struct stream *stream)
{
	return stream->tls == TLS_HANDSHAKE ? stream->plain_left : stream->out.len;
}

static void
send_pending(struct stream *stream)
{
	while (sendable(stream) != 0 && !stream->broken) {
		size_t sent =
		    send_some(stream, stream->out.data + stream->out.start, sendable(stream));

		if (sent == 0)
			return;
		queue_drop(&stream->out, sent);
		if (stream->tls == TLS_HANDSHAKE)
			stream->plain_left -= sent;
		stream->write_since = now_ms();
	}
}

/* Our side is done sending. */
static void
say_goodbye(struct stream *stream)
{
	stream->shut_done = true;
	if (stream->tls == TLS_ON) {
		ERR_clear_error();
		/* one try: a full socket loses only the courtesy */
		(void)SSL_shutdown(stream->ssl);
	}
	/* With TLS the alert is the end, and the socket stays open in both directions until the
	 * stream is finished. */
	if (stream->tls != TLS_ON)
		/* fails when the peer is gone: reading tells */
		(void)shutdown(stream->fd, SHUT_WR);
}

/* One read. > 0 bytes, 0 nothing now, -1 when no_more_input has been set. */
static ssize_t
receive_some(struct stream *stream, char *bytes, size_t room)
{
	bool wants_write;
	ssize_t got;
	int r;

	stream->read_wants_write = false;
	if (stream->tls != TLS_ON) {
		do
			got = recv(stream->fd, bytes, room, 0);
		while (got < 0 && errno == EINTR);
		if (got > 0)
			return got;
		if (got < 0 && errno == EAGAIN)
			return 0;
		if (got == 0) {
			stream->no_more_input = true;
			stream->end = STREAM_EOF;
		} else {
			broke(stream, STREAM_ERROR, errno);
		}
		return -1;
	}
	ERR_clear_error();
	errno = 0;
	r = SSL_read(stream->ssl, bytes, (int)room);
	if (r > 0)
		return r;
	r = tls_verdict(stream, r, &wants_write);
	if (r == 0) {
		stream->read_wants_write = wants_write;
		return 0;
	}
	if (r > 0) {
		stream->no_more_input = true;
		stream->end = STREAM_EOF;
	} else {
		broke(stream, STREAM_ERROR, -r);
	}
	return -1;
}

static void
receive(struct stream *stream)
{
	char bytes[CHUNK];
	size_t total = 0;

	while (reading(stream) && total < TURN_MAX) {
		size_t room = stream->input_max - stream->in.len;
		ssize_t got =
		    receive_some(stream, bytes, room < sizeof(bytes) ? room : sizeof(bytes));

		if (got <= 0)
			break;
		queue_add(&stream->in, bytes, (size_t)got);
		explicit_bzero(bytes, (size_t)got);
		total += (size_t)got;
		stream->tell_input = true;
	}
	if (total != 0)
		stream->read_since = now_ms();
	if (total >= TURN_MAX)
		wake(stream);
}

/* True when it is done. */
static bool
shake_hands(struct stream *stream)
{
	bool wants_write;
	int r;

	if (stream->plain_left != 0)
		return false; /* the answer to STARTTLS goes out in plain first */
	ERR_clear_error();
	errno = 0;
	r = SSL_do_handshake(stream->ssl);
	if (r == 1) {
		stream->tls = TLS_ON;
		stream->read_wants_write = false;
		stream->read_since = stream->write_since = now_ms();
		send_pending(stream);
		return true;
	}
	r = tls_verdict(stream, r, &wants_write);
	if (r == 0)
		stream->read_wants_write = wants_write;
	else
		broke(stream, STREAM_TLS_FAILED, r < 0 ? -r : ECONNRESET);
	return false;
}

/* --- the loop's side --- */

static void
check_deadlines(struct stream *stream)
{
	int64_t at = next_deadline(stream);

	if (at == 0 || stream->broken || now_ms() < at)
		return;
	if (stream->finishing || stream->tls == TLS_HANDSHAKE || stream->out.len != 0) {
		broke(stream, STREAM_TIMEOUT, ETIMEDOUT);
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
		send_pending(stream);
	if (!stream->broken && stream->out.len == 0 && !stream->fin_sent) {
		int64_t patience = now_ms() + LINGER_MS;

		if (!stream->shut_done)
			say_goodbye(stream);
		(void)shutdown(stream->fd, SHUT_WR);
		stream->fin_sent = true;
		if (patience < stream->close_at) {
			stream->close_at = patience;
			stream->wake_at = 0;
		}
	}
	while (!stream->broken && stream->fin_sent && !stream->no_more_input && got > 0) {
		got = receive_some(stream, bytes, sizeof(bytes));
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

/* True when the owner has freed or finished the stream: the caller must not touch it. */
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
	stream->freed = &freed;
	callback(stream, stream->context);
	return after_call(stream, &freed);
}

static bool
call_ended(struct stream *stream)
{
	bool freed = false;

	stream->ended_told = true;
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
		send_pending(stream);
	if (stream->tls == TLS_HANDSHAKE && !stream->broken && shake_hands(stream) &&
	    call(stream, stream->ops->secured))
		return;
	if (stream->out.len == 0 && stream->tell_drained && !stream->broken) {
		stream->tell_drained = false;
		if (call(stream, stream->ops->drained))
			return;
	}
	if (stream->shut_wanted && !stream->shut_done && !stream->broken && stream->out.len == 0 &&
	    stream->tls != TLS_HANDSHAKE)
		say_goodbye(stream);
	/* What OpenSSL holds already shows on no descriptor. */
	if (stream->tls != TLS_HANDSHAKE && ((what & EV_READ) != 0 || stream->read_wants_write ||
	    (stream->ssl != NULL && SSL_has_pending(stream->ssl))))
		receive(stream);
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
