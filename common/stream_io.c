/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Moving a connection's bytes, with and without TLS. An idle connection holds no buffer: input and
 * output are freed when they are empty, and OpenSSL is told to do the same. */
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/stream_internal.h"
#include "common/xalloc.h"

#define CHUNK 16384
/* Bytes read in one turn of the loop, so that a fast peer does not starve the others. */
#define TURN_MAX (4 * CHUNK)
/* The beginning of a line must not hold on to what the message before it took. */
#define SMALL_QUEUE 1024

/* --- queues --- */

void
stream_queue_free(struct stream_queue *queue)
{
	/* Passwords pass through here. */
	if (queue->data != NULL)
		explicit_bzero(queue->data, queue->cap);
	free(queue->data);
	*queue = (struct stream_queue){ NULL, 0, 0, 0 };
}

void
stream_queue_add(struct stream_queue *queue, const char *bytes, size_t len)
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
		stream_queue_free(queue);
		*queue = (struct stream_queue){ data, 0, len, cap };
		return;
	}
	memcpy(queue->data + queue->start + queue->len, bytes, len);
	queue->len += len;
}

void
stream_queue_drop(struct stream_queue *queue, size_t len)
{
	if (len >= queue->len) {
		stream_queue_free(queue);
		return;
	}
	queue->start += len;
	queue->len -= len;
	if (queue->len <= SMALL_QUEUE && queue->cap > CHUNK) {
		struct stream_queue rest = *queue;

		*queue = (struct stream_queue){ NULL, 0, 0, 0 };
		stream_queue_add(queue, rest.data + rest.start, rest.len);
		stream_queue_free(&rest);
	}
}

/* --- moving bytes --- */

void
stream_broke(struct stream *stream, enum stream_end end, int error)
{
	stream->broken = true;
	stream->no_more_input = true;
	/* An owner that goes on sending after the peer's end must hear that it cannot. */
	stream->ended_told = false;
	stream->end = end;
	stream->error = error;
	stream_queue_free(&stream->out);
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
			stream_broke(stream, STREAM_ERROR, errno);
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
		stream_broke(stream, STREAM_ERROR, r < 0 ? -r : EPIPE);
	return 0;
}

static size_t
sendable(const struct stream *stream)
{
	return stream->tls == TLS_HANDSHAKE ? stream->plain_left : stream->out.len;
}

void
stream_send_pending(struct stream *stream)
{
	while (sendable(stream) != 0 && !stream->broken) {
		size_t sent =
		    send_some(stream, stream->out.data + stream->out.start, sendable(stream));

		if (sent == 0)
			return;
		stream_queue_drop(&stream->out, sent);
		if (stream->tls == TLS_HANDSHAKE)
			stream->plain_left -= sent;
		stream->write_since = stream_now();
	}
}

/* Our side is done sending. */
void
stream_say_goodbye(struct stream *stream)
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
ssize_t
stream_receive_some(struct stream *stream, char *bytes, size_t room)
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
			stream_broke(stream, STREAM_ERROR, errno);
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
		stream_broke(stream, STREAM_ERROR, -r);
	}
	return -1;
}

void
stream_receive(struct stream *stream)
{
	char bytes[CHUNK];
	size_t total = 0;

	while (stream_reading(stream) && total < TURN_MAX) {
		size_t space = stream->input_max - stream->in.len, room = space < sizeof(bytes) ? space : sizeof(bytes);
		ssize_t got = stream_receive_some(stream, bytes, room);

		if (got <= 0)
			break;
		stream_queue_add(&stream->in, bytes, (size_t)got);
		explicit_bzero(bytes, (size_t)got);
		total += (size_t)got;
		stream->tell_input = true;
		/* That was all; should more have come meanwhile, the loop tells. */
		if ((size_t)got < room && (stream->tls != TLS_ON || SSL_has_pending(stream->ssl) == 0))
			break;
	}
	if (total != 0)
		stream->read_since = stream_now();
	if (total >= TURN_MAX)
		stream_wake(stream);
}

/* True when it is done. */
bool
stream_shake_hands(struct stream *stream)
{
	bool wants_write;
	int r;

	if (stream->plain_left != 0)
		return false; /* the answer to STARTTLS goes out in plain first */
	ERR_clear_error();
	errno = 0;
	r = SSL_do_handshake(stream->ssl);
	if (r == 1) {
		/* Nothing may wait where the loop does not see it. */
		if (BIO_method_type(SSL_get_rbio(stream->ssl)) == BIO_TYPE_BUFFER && BIO_pending(SSL_get_rbio(stream->ssl)) == 0 &&
		    SSL_set_rfd(stream->ssl, stream->fd) != 1)
			abort();
		stream->tls = TLS_ON;
		stream->read_wants_write = false;
		stream->read_since = stream->write_since = stream_now();
		stream_send_pending(stream);
		return true;
	}
	r = tls_verdict(stream, r, &wants_write);
	if (r == 0)
		stream->read_wants_write = wants_write;
	else
		stream_broke(stream, STREAM_TLS_FAILED, r < 0 ? -r : ECONNRESET);
	return false;
}
