/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Channels between roles. The kernel keeps message boundaries (SOCK_SEQPACKET), so there is no reassembly here; every message
 * is checked against the table before its handler runs, and one that fails closes the channel, never the process. */
#include "common/msg.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/xalloc.h"

/* What may wait for a peer that does not read: as many octets as 4096 of the longest messages have, and so many descriptors. A peer whose disk
 * stands still for a while may owe a hundred thousand short ones an ear. */
#define QUEUED_BYTES_MAX ((size_t)4096 * MSG_MAX)
#define QUEUED_FDS_MAX 4096
/* Messages handled in one turn of the loop, so that a busy channel does not starve the others. */
#define MESSAGES_A_TURN 32

#if defined(__has_attribute) && __has_attribute(uninitialized)
#define NOT_ZEROED __attribute__((uninitialized))
#else
#define NOT_ZEROED
#endif

struct header {
	uint16_t type;
	uint16_t unused;
	uint32_t id;
};
_Static_assert(sizeof(struct header) == MSG_HEADER, "the header is part of the bound");

struct queued {
	struct queued *next;
	size_t len;
	int fd;
	uint8_t bytes[];
};

struct msg_channel {
	int fd;
	uint8_t self, peer;
	unsigned messages_a_turn;
	const struct msg_table *table;
	struct event *readable, *writable;
	msg_handler handler;
	msg_closed closed;
	void *context;
	struct queued *first, **last;
	size_t queued, queued_bytes, queued_fds;
	bool full; /* more was to wait than may: it has ended, and its owner is told from the loop */
	/* Where a callback frees the channel that is calling it, msg_channel_free says so here. */
	bool *freed;
};

int
msg_take_fd(struct msg *msg)
{
	int fd = msg->fd;

	msg->fd = -1;
	return fd;
}

struct msg_channel *
msg_channel_new(int fd, const struct msg_table *table, uint8_t self, uint8_t peer)
{
	struct msg_channel *channel = xcalloc(1, sizeof(*channel));

	channel->fd = fd;
	channel->table = table;
	channel->self = self;
	channel->peer = peer;
	channel->messages_a_turn = MESSAGES_A_TURN;
	channel->last = &channel->first;
	return channel;
}

/* What it takes while it waits. */
static size_t
size_of(size_t len)
{
	return sizeof(struct queued) + len;
}

static void
drop_first(struct msg_channel *channel)
{
	struct queued *item = channel->first;

	channel->first = item->next;
	if (channel->first == NULL)
		channel->last = &channel->first;
	channel->queued--;
	channel->queued_bytes -= size_of(item->len);
	channel->queued_fds -= item->fd >= 0;
	if (item->fd >= 0)
		(void)close(item->fd);
	free(item);
}

struct msg_channel *
msg_channel_free(struct msg_channel *channel)
{
	if (channel == NULL)
		return NULL;
	if (channel->freed != NULL)
		*channel->freed = true;
	while (channel->first != NULL)
		drop_first(channel);
	if (channel->readable != NULL)
		event_free(channel->readable);
	if (channel->writable != NULL)
		event_free(channel->writable);
	(void)close(channel->fd);
	free(channel);
	return NULL;
}

void
msg_channel_one_at_a_time(struct msg_channel *channel)
{
	channel->messages_a_turn = 1;
}

uint8_t
msg_channel_peer(const struct msg_channel *channel)
{
	return channel->peer;
}

int
msg_channel_fd(const struct msg_channel *channel)
{
	return channel->fd;
}

size_t
msg_channel_pending(const struct msg_channel *channel)
{
	return channel->queued;
}

/* Keeps the first descriptor of the control data in *ret_fd and closes what came beside it. */
static void
collect_fds(struct msghdr *header, int *ret_fd)
{
	*ret_fd = -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (*ret_fd < 0)
				*ret_fd = fd;
			else
				(void)close(fd);
		}
	}
}

/* 0 and a message; -EAGAIN; -EPIPE at the end; -EBADMSG; -errno. */
static int
receive(struct msg_channel *channel, void *buffer, int flags, struct msg *ret_msg)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 4)];
	} control;
	struct iovec io = { buffer, MSG_MAX };
	struct msghdr header = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes),
	};
	struct header head;
	ssize_t got;
	int r;

	do
		got = recvmsg(channel->fd, &header, flags | MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (got == 0)
		return -EPIPE;
	collect_fds(&header, &ret_msg->fd);
	if ((size_t)got < sizeof(head) || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		r = -EBADMSG;
	} else {
		memcpy(&head, buffer, sizeof(head));
		ret_msg->type = head.type;
		ret_msg->id = head.id;
		ret_msg->body = span_make((const char *)buffer + sizeof(head), (size_t)got - sizeof(head));
		r = msg_check(channel->table, channel->peer, channel->self, head.type, ret_msg->body.len, ret_msg->fd >= 0);
	}
	if (r < 0 && ret_msg->fd >= 0)
		(void)close(msg_take_fd(ret_msg));
	return r;
}

static void
channel_ended(struct msg_channel *channel, int error)
{
	if (channel->readable != NULL)
		(void)event_del(channel->readable);
	if (channel->writable != NULL)
		(void)event_del(channel->writable);
	if (channel->closed != NULL)
		channel->closed(channel, channel->full ? -ENOBUFS : error == -EPIPE ? 0 : error, channel->context);
}

static void
on_readable(evutil_socket_t fd, short what, void *context)
{
	struct msg_channel *channel = context;
	bool freed = false;

	(void)fd, (void)what;
	channel->freed = &freed;
	for (unsigned turn = 0; turn < channel->messages_a_turn; turn++) {
		/* Not set to zeros for each message: what is read of it was received. */
		NOT_ZEROED _Alignas(8) uint8_t buffer[MSG_MAX];
		struct msg msg;
		int r = receive(channel, buffer, MSG_DONTWAIT, &msg);

		if (r == -EAGAIN)
			break;
		if (r == 0) {
			r = channel->handler(channel, &msg, channel->context);
			if (msg.fd >= 0)
				(void)close(msg.fd);
			explicit_bzero(buffer, MSG_HEADER + msg.body.len); /* bodies may hold passwords */
		}
		if (freed)
			return;
		if (r < 0) {
			channel->freed = NULL;
			channel_ended(channel, r);
			return;
		}
	}
	channel->freed = NULL;
}

/* Sends one message, of one part or two, at once. 0, -EAGAIN, -EPIPE or -errno. */
static int
transmit(const struct msg_channel *channel, const struct span *parts, size_t count, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec io[2];
	struct msghdr header = { .msg_iov = io, .msg_iovlen = count };
	ssize_t sent;

	for (size_t i = 0; i < count; i++) {
		/* sendmsg does not write through iov_base; the type has no const. */
		memcpy(&io[i].iov_base, &parts[i].ptr, sizeof(io[i].iov_base));
		io[i].iov_len = parts[i].len;
	}
	if (fd >= 0) {
		struct cmsghdr *c;

		header.msg_control = control.bytes;
		header.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	do
		sent = sendmsg(channel->fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return 0;
	return errno == ECONNRESET ? -EPIPE : -errno;
}

static void
on_writable(evutil_socket_t fd, short what, void *context)
{
	struct msg_channel *channel = context;

	(void)fd, (void)what;
	while (channel->first != NULL) {
		struct queued *item = channel->first;
		struct span whole = span_make((const char *)item->bytes, item->len);
		int r = transmit(channel, &whole, 1, item->fd);

		if (r == -EAGAIN || r == -ENOBUFS)
			return;
		if (r < 0) {
			channel_ended(channel, r);
			return;
		}
		explicit_bzero(item->bytes, item->len);
		drop_first(channel);
	}
	(void)event_del(channel->writable);
}

void
msg_channel_start(struct msg_channel *channel, struct event_base *base, msg_handler handler, msg_closed closed, void *context)
{
	channel->handler = handler;
	channel->closed = closed;
	channel->context = context;
	channel->readable = event_new(base, channel->fd, EV_READ | EV_PERSIST, on_readable, channel);
	channel->writable = event_new(base, channel->fd, EV_WRITE | EV_PERSIST, on_writable, channel);
	if (channel->readable == NULL || channel->writable == NULL)
		abort();
	(void)event_add(channel->readable, NULL);
	if (channel->first != NULL)
		(void)event_add(channel->writable, NULL);
}

static int
enqueue(struct msg_channel *channel, const struct span parts[2], int fd)
{
	size_t size = size_of(parts[0].len + parts[1].len);
	struct queued *item;

	/* Whoever waits for an answer to this, or for this answer, would wait for ever: with the channel all of them hear that there will be none. */
	if (channel->full || channel->queued_bytes + size > QUEUED_BYTES_MAX || channel->queued_fds + (fd >= 0) > QUEUED_FDS_MAX) {
		channel->full = true;
		(void)shutdown(channel->fd, SHUT_RDWR);
		return -ENOBUFS;
	}
	item = xmalloc(size);
	item->next = NULL;
	item->len = 0;
	item->fd = fd;
	for (unsigned i = 0; i < 2; i++) {
		if (parts[i].len != 0)
			memcpy(item->bytes + item->len, parts[i].ptr, parts[i].len);
		item->len += parts[i].len;
	}
	*channel->last = item;
	channel->last = &item->next;
	channel->queued++;
	channel->queued_bytes += size;
	channel->queued_fds += fd >= 0;
	if (channel->writable != NULL)
		(void)event_add(channel->writable, NULL);
	return 0;
}

int
msg_send(struct msg_channel *channel, uint16_t type, uint32_t id, const struct msg_writer *body, int fd)
{
	struct header head = { .type = type, .id = id };
	size_t len = body != NULL ? body->len : 0;
	struct span parts[2] = { span_make((const char *)&head, sizeof(head)), len != 0 ? span_make((const char *)body->bytes, len) : SPAN_NULL };
	int r = body != NULL && body->overflow ? -EBADMSG : msg_check(channel->table, channel->self, channel->peer, type, len, fd >= 0);

	if (r == 0)
		r = channel->first == NULL ? transmit(channel, parts, len != 0 ? 2 : 1, fd) : -EAGAIN;
	if (r == -EAGAIN || r == -ENOBUFS) {
		r = enqueue(channel, parts, fd);
		if (r == 0)
			fd = -1; /* closed once it is sent */
	}
	if (fd >= 0)
		(void)close(fd);
	return r;
}

int
msg_receive(struct msg_channel *channel, void *buffer, struct msg *ret_msg)
{
	/* The descriptor may be non-blocking: wait for it here. */
	for (;;) {
		struct pollfd wait = { .fd = channel->fd, .events = POLLIN };
		int r = receive(channel, buffer, MSG_DONTWAIT, ret_msg);

		if (r != -EAGAIN)
			return r;
		if (poll(&wait, 1, -1) < 0 && errno != EINTR)
			return -errno;
	}
}
