/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Messages between roles: typed, bounded, over SOCK_SEQPACKET socketpairs, checked against a table before any handler runs. */
#ifndef COMMON_MSG_H
#define COMMON_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

struct event_base;

/* A whole message with its header; bigger things travel as descriptors. */
#define MSG_MAX 16384
#define MSG_HEADER 8
#define MSG_BODY_MAX (MSG_MAX - MSG_HEADER)

/* One row: who may send it to whom, how long its body may be, and whether a descriptor comes with it. ROLE_ANY for from or to
 * allows each role. MSG_FD_MAYBE: with or without. */
enum msg_fd { MSG_NOFD, MSG_FD, MSG_FD_MAYBE };
#define MSG_ROLE_ANY 255
struct msg_row {
	uint16_t type;
	const char *name;
	uint8_t from, to;
	uint32_t min, max;
	enum msg_fd fd;
};

/* A received message. The body is borrowed, and the descriptor belongs to the message, until the handler returns. */
struct msg {
	uint16_t type;
	uint32_t id;
	struct span body;
	int fd;
};

/* Takes the descriptor out of the message; -1 when there is none. */
int msg_take_fd(struct msg *msg);

/* Reading a body field by field. Once something does not fit, `bad` stays set and everything after reads as zero or empty. */
struct msg_reader {
	struct span rest;
	bool bad;
};
struct msg_reader msg_read(const struct msg *msg);
struct msg_reader msg_read_span(struct span body);
uint8_t msg_get_u8(struct msg_reader *reader);
uint16_t msg_get_u16(struct msg_reader *reader);
uint32_t msg_get_u32(struct msg_reader *reader);
uint64_t msg_get_u64(struct msg_reader *reader);
/* u16 length and bytes; borrowed from the body. */
struct span msg_get_span(struct msg_reader *reader);
/* True when everything fitted and nothing is left over: a handler that gets false returns -EBADMSG. */
bool msg_done(const struct msg_reader *reader);

/* Writing a body. */
struct msg_writer {
	uint8_t bytes[MSG_BODY_MAX];
	size_t len;
	bool overflow;
};
void msg_writer_init(struct msg_writer *writer);
void msg_put_u8(struct msg_writer *writer, uint8_t value);
void msg_put_u16(struct msg_writer *writer, uint16_t value);
void msg_put_u32(struct msg_writer *writer, uint32_t value);
void msg_put_u64(struct msg_writer *writer, uint64_t value);
void msg_put_span(struct msg_writer *writer, struct span bytes);

/* The tables of a daemon, and the role at this end. In a table, each row's type is the one before it and one, as in an enum that is
 * made of the same rows. */
struct msg_table {
	const struct msg_row *const *rows;
	const size_t *counts;
	size_t tables;
};

/* The table's word on a message: 0, or -EBADMSG (unknown type, wrong sender or receiver, wrong length, descriptor missing or
 * not wanted). Pure. */
int msg_check(const struct msg_table *table, uint8_t from, uint8_t to, uint16_t type, size_t body_len, bool has_fd);
/* The name of a type, or NULL. */
const char *msg_name(const struct msg_table *table, uint16_t type);

struct msg_channel;

/* Returns 0, or -EBADMSG when the message makes no sense: the channel is then closed as if the peer had gone. */
typedef int (*msg_handler)(struct msg_channel *channel, struct msg *msg, void *context);
/* The peer is gone (error 0) or misbehaved (-EBADMSG) or does not read (-ENOBUFS) or the channel broke (-errno). The channel still lives; the owner
 * frees it, here or later. */
typedef void (*msg_closed)(struct msg_channel *channel, int error, void *context);

/* Takes over fd. Nothing is read before msg_channel_start. */
struct msg_channel *msg_channel_new(int fd, const struct msg_table *table, uint8_t self, uint8_t peer);
/* Delivers messages from the loop. */
void msg_channel_start(struct msg_channel *channel, struct event_base *base, msg_handler handler, msg_closed closed, void *context);
/* Of this channel one message is handled in each turn of the loop, and not up to 32: for those whose messages take long, when somebody waits on
 * another channel. */
void msg_channel_one_at_a_time(struct msg_channel *channel);
struct msg_channel *msg_channel_free(struct msg_channel *channel);
uint8_t msg_channel_peer(const struct msg_channel *channel);
int msg_channel_fd(const struct msg_channel *channel);

/* Queues and sends. fd (or -1) is taken over and closed once sent, and on failure. Returns 0, -EBADMSG (not in the table, or
 * writer overflow: a mistake of ours), -EPIPE when the peer is gone, -ENOBUFS when 64 MiB wait already, or 4096 descriptors: then the channel has
 * ended for both, and each is told so from the loop (here as -ENOBUFS). */
int msg_send(struct msg_channel *channel, uint16_t type, uint32_t id, const struct msg_writer *body, int fd);
/* A channel that nobody reads from a loop: waits for one message into buffer (MSG_MAX bytes, the caller's). 0, -EPIPE at end,
 * -EBADMSG, -errno. For the start of a role and for the key role's answers only. */
int msg_receive(struct msg_channel *channel, void *buffer, struct msg *ret_msg);
/* Messages that wait to be sent: backpressure for those who produce many. */
size_t msg_channel_pending(const struct msg_channel *channel);

#endif
