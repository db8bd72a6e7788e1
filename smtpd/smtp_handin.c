/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Messages under way to the queue, found by the transaction's number. */
#include "smtpd/smtp_handin.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "frame/asked.h"
#include "smtpd/envelope_msg.h"

#define COPY_STEP 65536

struct handin {
	struct asked asked;
	struct handins *handins;
	int fd; /* -1: not yet, or no more */
	int old; /* the message as it was, when it is rewritten; or -1 */
	uint64_t old_at, old_len;
	bool in_memory, growing, reading, committed;
	uint64_t written;
	void *context;
};

struct handins {
	struct proc *proc;
	const struct handin_ops *ops;
	struct asked_table table;
};

struct handins *
handins_new(struct proc *proc, const struct handin_ops *ops)
{
	struct handins *handins = xcalloc(1, sizeof(*handins));

	handins->proc = proc;
	handins->ops = ops;
	asked_init(&handins->table);
	return handins;
}

static struct handin *
find(const struct handins *handins, uint32_t id)
{
	return (struct handin *)asked_find(&handins->table, id);
}

static void
forget(struct handin *handin)
{
	(void)asked_take(&handin->handins->table, handin->asked.id);
	if (handin->fd >= 0)
		(void)close(handin->fd);
	closep(&handin->old);
	free(handin);
}

/* --- asking --- */

/* Sends what the body has so far, of that type, with as many recipients as have room in it; the others in messages that follow. */
static int
send_with_recipients(struct handins *handins, uint16_t type, uint32_t id, struct msg_writer *body, const struct envelope *envelope)
{
	int r = 0;

	msg_put_u32(body, (uint32_t)envelope->count);
	for (size_t i = 0; i < envelope->count && r == 0; i++) {
		const struct envelope_recipient *recipient = &envelope->recipients[i];
		size_t before = body->len;

		for (unsigned try = 0; try < 2; try++) {
			msg_put_u8(body, recipient->notify);
			msg_put_span(body, span_of(recipient->orcpt));
			msg_put_span(body, span_of(recipient->address));
			if (!body->overflow)
				break;
			/* The message is full: this recipient opens the next. */
			body->len = before;
			body->overflow = false;
			r = proc_send(handins->proc, ROLE_QUEUE, type, id, body, -1);
			type = MSG_MESSAGE_RCPT;
			msg_writer_init(body);
			before = 0;
		}
	}
	return r == 0 ? proc_send(handins->proc, ROLE_QUEUE, type, id, body, -1) : r;
}

static int
send_open(struct handins *handins, uint32_t id, const struct envelope *envelope, uint64_t edition,
    uint16_t room, const char *client, const char *account)
{
	struct msg_writer body;

	msg_writer_init(&body);
	msg_put_u64(&body, edition);
	msg_put_u16(&body, room);
	envelope_put_options(&body, envelope);
	msg_put_span(&body, span_of(envelope->sender));
	msg_put_span(&body, span_of(envelope->envid));
	msg_put_span(&body, span_of(client));
	msg_put_span(&body, span_of(account));
	return send_with_recipients(handins, MSG_MESSAGE_OPEN, id, &body, envelope);
}

struct handin *
handin_open(struct handins *handins, const struct envelope *envelope, uint64_t edition,
    uint16_t room, const char *client, const char *account, void *context)
{
	struct handin *handin = xcalloc(1, sizeof(*handin));

	handin->handins = handins;
	handin->fd = handin->old = -1;
	handin->context = context;
	(void)asked_add(&handins->table, &handin->asked);
	if (send_open(handins, handin->asked.id, envelope, edition, room, client, account) < 0) {
		(void)proc_send(handins->proc, ROLE_QUEUE, MSG_MESSAGE_ABORT, handin->asked.id, NULL, -1);
		forget(handin);
		return NULL;
	}
	return handin;
}

/* More than the file may have in memory. */
static int
grow(struct handin *handin)
{
	struct msg_writer body;

	msg_writer_init(&body);
	msg_put_u64(&body, handin->written);
	handin->growing = true;
	(void)close(handin->fd);
	handin->fd = -1;
	return proc_send(handin->handins->proc, ROLE_QUEUE, MSG_MESSAGE_GROW, handin->asked.id, &body, -1) == 0 ? 1 : -EPIPE;
}

int
handin_write(struct handin *handin, struct span bytes)
{
	if (handin->fd < 0)
		return -EBADF;
	if (handin->in_memory && handin->written + bytes.len > MESSAGE_MEMORY_MAX)
		return grow(handin);
	while (bytes.len != 0) {
		ssize_t put = write(handin->fd, bytes.ptr, bytes.len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		handin->written += (uint64_t)put;
		bytes = span_skip(bytes, (size_t)put);
	}
	return 0;
}

/* --- reading, and writing anew --- */

int
handin_file(const struct handin *handin, int *ret_fd, uint64_t *ret_at, uint64_t *ret_len)
{
	off_t end;

	if (handin->fd < 0)
		return -EBADF;
	end = lseek(handin->fd, 0, SEEK_CUR); /* in memory there is room behind that */
	if (end < 0)
		return -errno;
	if ((uint64_t)end < handin->written)
		return -EIO;
	*ret_fd = handin->fd;
	*ret_at = (uint64_t)end - handin->written;
	*ret_len = handin->written;
	return 0;
}

int
handin_read(struct handin *handin)
{
	if (handin->fd < 0)
		return -EBADF;
	handin->reading = true;
	return proc_send(handin->handins->proc, ROLE_QUEUE, MSG_MESSAGE_READ, handin->asked.id, NULL, -1);
}

int
handin_rewrite(struct handin *handin, const struct envelope *envelope, bool held)
{
	struct msg_writer body;
	int r = handin_file(handin, &handin->old, &handin->old_at, &handin->old_len);

	if (r < 0)
		return r;
	handin->fd = -1;
	handin->written = 0;
	msg_writer_init(&body);
	msg_put_u8(&body, held);
	msg_put_span(&body, span_of(envelope->sender));
	return send_with_recipients(handin->handins, MSG_MESSAGE_REWRITE, handin->asked.id, &body, envelope);
}

/* Appends bytes of a file from one place to another. */
static int
copy(struct handin *handin, int from, uint64_t at, uint64_t end)
{
	char bytes[COPY_STEP];
	int r = 0;

	while (r == 0 && at < end) {
		size_t wanted = end - at < sizeof(bytes) ? (size_t)(end - at) : sizeof(bytes);
		ssize_t got = pread(from, bytes, wanted, (off_t)at);

		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		at += (uint64_t)got;
		r = handin_write(handin, span_make(bytes, (size_t)got));
	}
	return r;
}

int
handin_copy(struct handin *handin, uint64_t from)
{
	return from > handin->old_len ? -EINVAL :
					copy(handin, handin->old, handin->old_at + from, handin->old_at + handin->old_len);
}

int
handin_copy_file(struct handin *handin, int fd)
{
	off_t end = lseek(fd, 0, SEEK_END);

	return end < 0 ? -errno : copy(handin, fd, 0, (uint64_t)end);
}

void
handin_commit(struct handin *handin, struct span fields, enum message_first first)
{
	struct msg_writer body;

	(void)close(handin->fd);
	handin->fd = -1;
	handin->committed = true;
	msg_writer_init(&body);
	msg_put_u64(&body, handin->written);
	msg_put_span(&body, fields);
	msg_put_u8(&body, (uint8_t)first);
	/* Should the queue not be there, its end is told (handins_queue_gone) in the loop's next
	 * turns; a full channel is one that nobody reads, and ends likewise. */
	if (proc_send(handin->handins->proc, ROLE_QUEUE, MSG_MESSAGE_COMMIT, handin->asked.id, &body,
		-1) == -ENOBUFS)
		(void)proc_send(
		    handin->handins->proc, ROLE_QUEUE, MSG_MESSAGE_ABORT, handin->asked.id, NULL, -1);
}

void
handin_abort(struct handin *handin)
{
	if (handin == NULL)
		return;
	/* What is committed is the queue's, whether or not anybody waits for its word. */
	if (!handin->committed)
		(void)proc_send(
		    handin->handins->proc, ROLE_QUEUE, MSG_MESSAGE_ABORT, handin->asked.id, NULL, -1);
	forget(handin);
}

/* --- the queue's word --- */

static int
take_file(struct handins *handins, struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	struct span id = msg_get_span(&body);
	uint8_t in_memory = msg_get_u8(&body);
	struct handin *handin = find(handins, msg->id);

	if (!msg_done(&body) || in_memory > 1)
		return -EBADMSG;
	if (handin != NULL && handin->reading) {
		handin->reading = false;
		handins->ops->readable(handin->context, msg_take_fd(msg));
		return 0;
	}
	/* When it is not known it has been aborted meanwhile, and the queue will read of it. */
	if (handin != NULL && handin->fd < 0 && !handin->committed) {
		handin->fd = msg_take_fd(msg);
		handin->in_memory = in_memory;
		if (handin->growing) {
			handin->growing = false;
			handins->ops->grown(handin->context, SMTP_STORED);
			return 0;
		}
		if (handin->old >= 0) {
			handins->ops->rewritten(handin->context, SMTP_STORED);
			return 0;
		}
		handins->ops->opened(handin->context, SMTP_STORED, id);
	}
	return 0;
}

/* RFC 5321 section 4.2.3: a code that goes with the status. */
static unsigned
code_of(enum verdict verdict, struct span status)
{
	bool room = span_eq(span_skip(status, 1), SPAN(".2.2")) || span_eq(span_skip(status, 1), SPAN(".3.1"));

	switch (verdict) {
	case VERDICT_OK:
		return 250;
	case VERDICT_TEMPFAIL:
		return room ? 452 : 451;
	default:
		return room ? 552 : 550;
	}
}

/* The verdicts that follow in the message, and how many. False when they are none. */
static bool
take_verdicts(struct msg_reader *body, struct smtp_verdict **ret, size_t *ret_count)
{
	size_t room = 0;

	*ret_count = 0;
	while (body->rest.len != 0 && !body->bad) {
		uint8_t verdict = msg_get_u8(body);
		struct span status = msg_get_span(body), text = msg_get_span(body);

		if (body->bad || verdict > VERDICT_PERMFAIL || !verdict_fits_reply(status, text))
			return false;
		if (*ret_count == room) {
			room = room == 0 ? 4 : 2 * room;
			*ret = xreallocarray(*ret, room, sizeof(**ret));
		}
		(*ret)[(*ret_count)++] = (struct smtp_verdict){ code_of((enum verdict)verdict, status), status, text };
	}
	return msg_done(body);
}

static int
take_done(struct handins *handins, const struct msg *msg)
{
	static const enum smtp_stored results[] = {
		[MESSAGE_TAKEN] = SMTP_STORED,
		[MESSAGE_NO_SPACE] = SMTP_NO_SPACE,
		[MESSAGE_FAILED] = SMTP_NOT_STORED,
		[MESSAGE_LIMITED] = SMTP_LIMITED,
		[MESSAGE_EXCEEDS] = SMTP_EXCEEDS,
		[MESSAGE_ANSWERED] = SMTP_ANSWERED,
	};
	struct msg_reader body = msg_read(msg);
	uint8_t result = msg_get_u8(&body);
	struct handin *handin = find(handins, msg->id);
	_cleanup_(freep) void *freed = NULL;
	struct smtp_verdict *verdicts = NULL;
	size_t count;
	bool valid, committed, rewriting, growing, reading;
	void *context;

	(void)msg_get_span(&body);
	valid = take_verdicts(&body, &verdicts, &count);
	freed = verdicts;
	if (!valid || result > MESSAGE_ANSWERED || (result == MESSAGE_ANSWERED) != (count != 0) ||
	    (handin != NULL && !handin->committed && (result == MESSAGE_TAKEN || result == MESSAGE_ANSWERED)))
		return -EBADMSG;
	if (handin == NULL)
		return 0;
	committed = handin->committed;
	rewriting = handin->old >= 0;
	growing = handin->growing;
	reading = handin->reading;
	context = handin->context;
	forget(handin);
	if (committed)
		handins->ops->committed(context, results[result], verdicts, count);
	else if (growing)
		handins->ops->grown(context, results[result]);
	else if (reading)
		handins->ops->lost(context);
	else if (rewriting)
		handins->ops->rewritten(context, results[result]);
	else
		handins->ops->opened(context, results[result], SPAN_NULL);
	return 0;
}

int
handins_message(struct handins *handins, struct msg *msg)
{
	return msg->type == MSG_MESSAGE_FD ? take_file(handins, msg) : take_done(handins, msg);
}

void
handins_queue_gone(struct handins *handins)
{
	struct asked *all = NULL, *asked;

	/* Callbacks may open new ones (which fail at once) but never touch those that were moved
	 * away here. */
	while ((asked = asked_take_any(&handins->table)) != NULL) {
		asked->next = all;
		all = asked;
	}
	while (all != NULL) {
		struct handin *handin = (struct handin *)all;

		all = all->next;
		if (handin->committed)
			handins->ops->committed(handin->context, SMTP_NOT_STORED, NULL, 0);
		else if (handin->growing)
			handins->ops->grown(handin->context, SMTP_NOT_STORED);
		else if (handin->fd < 0 && handin->old >= 0)
			handins->ops->rewritten(handin->context, SMTP_NOT_STORED);
		else if (handin->fd < 0)
			handins->ops->opened(handin->context, SMTP_NOT_STORED, SPAN_NULL);
		else
			handins->ops->lost(handin->context);
		if (handin->fd >= 0)
			(void)close(handin->fd);
		closep(&handin->old);
		free(handin);
	}
}
