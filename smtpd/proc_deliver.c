/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The deliver role: one account, its uid, its folder. Takes messages from the queue as open files and stores each in the account's
 * INBOX, whole and synced, before it says so. It ends when the queue closes the channel. */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/header.h"
#include "common/log.h"
#include "frame/role.h"
#include "libmailstore/mailstore.h"
#include "smtpd/smtpd.h"
#include "smtpd/smtpd_msg.h"

#define CHUNK 65536
/* The header block that is looked through for loops; a message with a larger one is refused where it comes in. */
#define HEADER_MAX (256 * 1024)
#define FIELDS_MAX 2048

struct deliver {
	struct ms_store *store;
	uint8_t chunk[CHUNK];
};

struct delivery {
	uint64_t offset, length;
	struct span queue_id, recipient, sender;
	int fd;
};

struct answer {
	enum verdict verdict;
	const char *status, *text;
};

static struct answer
answer_of(int r)
{
	switch (r) {
	case 0: return (struct answer){ VERDICT_OK, "2.0.0", "Delivered" };
	case MS_E_QUOTA: return (struct answer){ VERDICT_PERMFAIL, "5.2.2", "The mailbox is full" };
	case -ENOSPC:
	case -EDQUOT: return (struct answer){ VERDICT_TEMPFAIL, "4.3.1", "No space is left on the disk of the mailbox" };
	case -ELOOP: return (struct answer){ VERDICT_PERMFAIL, "5.4.6", "The message has been delivered here before: a forwarding loop" };
	case -EACCES:
	case -EPERM: return (struct answer){ VERDICT_TEMPFAIL, "4.3.5", "The mailbox cannot be opened" };
	default: return (struct answer){ VERDICT_TEMPFAIL, "4.3.0", "The mailbox cannot be written now" };
	}
}

/* A Delivered-To of this very account means that mail is sent round in a circle (RFC 9228 section 4). */
static int
check_loop(const struct delivery *delivery)
{
	struct buf block = BUF_INIT(HEADER_MAX);
	size_t wanted = delivery->length < HEADER_MAX ? (size_t)delivery->length : HEADER_MAX;
	char *room = buf_reserve(&block, wanted);
	ssize_t got = pread(delivery->fd, room, wanted, (off_t)delivery->offset);
	struct header_field field;
	struct header_iter iter;
	int r = got < 0 ? -errno : 0;

	if (r == 0) {
		buf_added(&block, (size_t)got);
		header_begin(&iter, span_make(block.data, header_block_size(buf_get(&block))));
		while (r == 0 && header_next(&iter, &field))
			if (span_ieq(field.name, SPAN("Delivered-To")) && span_ieq(span_trim(field.value), delivery->recipient))
				r = -ELOOP;
	}
	buf_free(&block);
	return r;
}

static int
copy_message(struct deliver *deliver, const struct delivery *delivery, struct ms_append *append)
{
	uint64_t at = 0;
	int r = 0;

	while (r == 0 && at < delivery->length) {
		size_t wanted = delivery->length - at < CHUNK ? (size_t)(delivery->length - at) : CHUNK;
		ssize_t got = pread(delivery->fd, deliver->chunk, wanted, (off_t)(delivery->offset + at));

		if (got <= 0)
			return got < 0 ? -errno : -EIO; /* the file is shorter than the queue said */
		r = ms_append_write(append, deliver->chunk, (size_t)got);
		at += (uint64_t)got;
	}
	return r;
}

static int
store(struct deliver *deliver, const struct delivery *delivery, uint32_t *ret_uid)
{
	struct buf fields = BUF_INIT(FIELDS_MAX);
	struct ms_append *append;
	uint32_t uidvalidity;
	int r = check_loop(delivery);

	if (r == 0)
		r = ms_append_begin(deliver->store, &append);
	if (r != 0)
		return r;
	/* Final delivery adds the reverse-path (RFC 5321 section 4.4). */
	(void)buf_fmt(&fields, "Return-Path: <%.*s>\r\nDelivered-To: %.*s\r\n", (int)delivery->sender.len, delivery->sender.ptr,
	    (int)delivery->recipient.len, delivery->recipient.ptr);
	r = ms_append_write(append, buf_cstr(&fields), fields.len);
	buf_free(&fields);
	if (r == 0)
		r = copy_message(deliver, delivery, append);
	if (r != 0) {
		ms_append_abort(append);
		return r;
	}
	return ms_append_commit(append, "INBOX", 0, NULL, 0, ret_uid, &uidvalidity, NULL);
}

static int
on_deliver(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct msg_reader body = msg_read(msg);
	struct delivery delivery;
	struct msg_writer reply;
	struct answer answer;
	uint32_t uid = 0;
	int r;

	delivery.offset = msg_get_u64(&body);
	delivery.length = msg_get_u64(&body);
	delivery.queue_id = msg_get_span(&body);
	delivery.recipient = msg_get_span(&body);
	delivery.sender = msg_get_span(&body);
	if (!msg_done(&body) || delivery.offset > INT64_MAX / 2 || delivery.length > INT64_MAX / 2)
		return -EBADMSG;
	delivery.fd = msg->fd;
	r = store(proc->state, &delivery, &uid);
	answer = answer_of(r);
	if (r == 0)
		log_info("delivered", log_span("queue", delivery.queue_id), log_str("account", proc->account), log_u64("uid", uid), log_span("from", delivery.sender));
	else
		log_warning("not-delivered", log_span("queue", delivery.queue_id), log_str("account", proc->account), log_str("error", ms_strerror(r)),
		    log_str("status", answer.status));
	msg_writer_init(&reply);
	msg_put_u8(&reply, (uint8_t)answer.verdict);
	msg_put_span(&reply, span_of(answer.status));
	msg_put_span(&reply, span_of(answer.text));
	return msg_send(channel, MSG_DELIVERED, msg->id, &reply, -1);
}

int
proc_deliver(struct proc *proc)
{
	static const struct proc_handler handlers[] = { { MSG_DELIVER, on_deliver } };
	static struct deliver deliver;
	struct jail jail = {
		.paths = { { proc->account_dir, JAIL_PATH_WRITE } },
		.allow = JAIL_READ_FILES | JAIL_WRITE_FILES | JAIL_WATCH | JAIL_DATABASE | JAIL_MODULES,
	};
	int r;

	proc->state = &deliver;
	proc->handlers = handlers;
	proc->handler_count = sizeof(handlers) / sizeof(*handlers);
	/* --- jail --- */
	proc_jail(proc, &jail);
	r = ms_open(proc->account_dir, &deliver.store);
	if (r != 0) {
		/* The queue sees the channel close and tries again later. */
		log_error("store-not-opened", log_str("account", proc->account), log_str("folder", proc->account_dir), log_str("error", ms_strerror(r)));
		return EX_TEMPFAIL;
	}
	r = proc_loop(proc);
	ms_close(deliver.store);
	return r;
}
