/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Inside a stream: what stream.c (the owner's side), stream_io.c (moving bytes) and stream_loop.c
 * (when) share. */
#ifndef COMMON_STREAM_INTERNAL_H
#define COMMON_STREAM_INTERNAL_H

#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdint.h>

#include "common/stream.h"

/* Bytes in a row at data + start. */
struct stream_queue {
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
	struct stream_queue in, out;
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
	bool came : 1;           /* something to read came while nothing was to be read */
};

/* --- stream_io.c --- */

/* Passwords pass through queues: what is freed is overwritten first. */
void stream_queue_free(struct stream_queue *queue);
void stream_queue_add(struct stream_queue *queue, const char *bytes, size_t len);
void stream_queue_drop(struct stream_queue *queue, size_t len);
/* Nothing can be sent or received any more; `end` is what the owner is told. */
void stream_broke(struct stream *stream, enum stream_end end, int error);
void stream_send_pending(struct stream *stream);
/* Our side is done sending. */
void stream_say_goodbye(struct stream *stream);
/* One read. > 0 bytes, 0 nothing now, -1 when no_more_input has been set. */
ssize_t stream_receive_some(struct stream *stream, char *bytes, size_t room);
/* Reads into `in` as far as its bound and the turn allow. */
void stream_receive(struct stream *stream);
/* True when the handshake is done. */
bool stream_shake_hands(struct stream *stream);

/* --- stream_loop.c --- */

/* Monotonic milliseconds. */
int64_t stream_now(void);
/* Lets the stream run in this turn of the loop. */
void stream_wake(struct stream *stream);
/* More input is wanted. */
bool stream_reading(const struct stream *stream);
void stream_on_event(evutil_socket_t fd, short what, void *context);
void stream_on_wake(evutil_socket_t fd, short what, void *context);

#endif
