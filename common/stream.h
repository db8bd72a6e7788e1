/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A connection: a non-blocking socket, TLS or not, with bounded buffers, deadlines and
 * backpressure, on a libevent base. */
#ifndef COMMON_STREAM_H
#define COMMON_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/span.h"

struct event_base;
struct ssl_ctx_st;
struct ssl_st;
struct stream;

enum stream_end {
	STREAM_EOF,       /* the peer closed its side in order */
	STREAM_ERROR,     /* the connection broke; stream_error tells how */
	STREAM_TIMEOUT,   /* nothing came, or nothing could be sent, for too long */
	STREAM_TLS_FAILED,
};

/* Callbacks run from the loop, never from within a stream_* call. Any of them may free the
 * stream. */
struct stream_ops {
	/* Input grew (or input_max was reached: reading stops until some is consumed). */
	void (*readable)(struct stream *stream, void *context);
	/* All output has been handed to the kernel. May be NULL. */
	void (*drained)(struct stream *stream, void *context);
	/* The TLS handshake is done. May be NULL. */
	void (*secured)(struct stream *stream, void *context);
	/* No more input will come (told once, after the last readable; not while paused unless the
	 * connection broke). Unread input stays readable. After STREAM_EOF, and STREAM_TIMEOUT for
	 * silence, the stream can still send; when it breaks while it does, that is told once more
	 * (STREAM_ERROR, STREAM_TIMEOUT). The owner frees it. */
	void (*ended)(struct stream *stream, void *context, enum stream_end end);
};

/* Takes over fd (made non-blocking). input_max bounds unread input; output_max is where
 * stream_write starts to refuse. */
struct stream *stream_new(struct event_base *base, int fd, const struct stream_ops *ops,
    void *context, size_t input_max, size_t output_max);
/* Closes the descriptor at once; pending output is lost. NULL is allowed. Returns NULL. */
struct stream *stream_free(struct stream *stream);
/* Sends what is pending (within the write deadline), says goodbye in TLS, then closes and frees by
 * itself; no callback runs. */
void stream_finish(struct stream *stream);
/* The same, and calls done once the stream is gone: for a process that ends with its connection. */
void stream_finish_then(struct stream *stream, void (*done)(void *context), void *context);

/* Replaces the owner: handing a stream to another part of the program. Unread input is told to the
 * new one. */
void stream_set_owner(struct stream *stream, const struct stream_ops *ops, void *context);
void *stream_context(const struct stream *stream);

/* TLS over this connection, as server or client. Returns 0, or -EPROTO when unread input is already
 * there: plaintext behind STARTTLS (RFC 3207 section 4.2, CVE-2011-0411) is discarded and the
 * caller closes the connection. For a client, host is the name for SNI and verification (-EINVAL
 * when it cannot be one); whether to verify is set on the context. Pending output is sent in plain
 * before the handshake begins, what is written from here on after it. */
int stream_start_tls_server(struct stream *stream, struct ssl_ctx_st *context);
int stream_start_tls_client(struct stream *stream, struct ssl_ctx_st *context, const char *host);
/* The same for a connection that is secure from its first byte on, but for what a proxy has put before: unread input is the beginning of
 * the handshake. */
void stream_begin_tls_server(struct stream *stream, struct ssl_ctx_st *context);
/* After stream_start_tls_*, before the loop goes on: for settings of this connection's own. Borrowed. */
struct ssl_st *stream_tls_settings(const struct stream *stream);
/* NULL when the connection is not (yet) secured. Borrowed. */
struct ssl_st *stream_ssl(const struct stream *stream);
bool stream_is_secure(const struct stream *stream);
/* OpenSSL's reason after STREAM_TLS_FAILED; never NULL. Static. */
const char *stream_tls_error(const struct stream *stream);

/* Unread bytes, borrowed until the next stream_* call, and their removal. */
struct span stream_input(struct stream *stream);
void stream_consume(struct stream *stream, size_t len);
/* Puts bytes before the unread input: what somebody else has read from this connection before it
 * was handed over. */
void stream_preload(struct stream *stream, struct span bytes);

/* Queues bytes. Returns 0, or -EMSGSIZE when output_max would be passed (nothing is queued), -EPIPE
 * when it has ended. */
int stream_write(struct stream *stream, struct span bytes);
/* Bytes queued and not yet given to the kernel. */
size_t stream_pending(const struct stream *stream);
/* Bytes that stream_write would take now. */
size_t stream_room(const struct stream *stream);
/* Half-close for writing once pending output is sent (plain connections; with TLS,
 * close_notify). */
void stream_shutdown_write(struct stream *stream);

/* Seconds without a byte received before STREAM_TIMEOUT (0: never), and without progress in
 * sending. Restarted by traffic. */
void stream_set_timeouts(struct stream *stream, unsigned read_seconds, unsigned write_seconds);
/* Stops and starts reading: backpressure. While paused the read timeout rests; on resuming, unread
 * input is told again. */
void stream_pause(struct stream *stream);
void stream_resume(struct stream *stream);

/* Gives up the descriptor of a plain connection with nothing pending, and frees the stream. Unread
 * input is copied to *ret_input (for free(3)). Returns the descriptor (non-blocking), or -EBUSY
 * (pending output or TLS): the stream lives on. */
int stream_release(struct stream *stream, char **ret_input, size_t *ret_len);

/* Joins two streams: what one receives the other sends, with backpressure, half-close passed on;
 * when both are done, or one breaks, both are finished and done (may be NULL) is called once. Both
 * belong to the splice from here. */
void stream_splice(struct stream *a, struct stream *b, void (*done)(void *context), void *context);

/* errno of STREAM_ERROR. */
int stream_error(const struct stream *stream);

#endif
