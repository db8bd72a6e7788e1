/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The deliver role: one account, its uid, its folder. Takes messages from the queue as open files and stores them in the account's
 * INBOX, whole and synced, before it says so: all that came in one turn of the loop together; what a Sieve script wants otherwise is
 * done one by one. It ends when the queue closes the channel. */
#include <errno.h>
#include <event2/event.h>
#include <sched.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "common/address.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "frame/role.h"
#include "libmailstore/mailstore.h"
#include "smtpd/deliver.h"
#include "smtpd/delivered_to.h"
#include "smtpd/smtpd.h"
#include "smtpd/smtpd_conf.h"
#include "smtpd/smtpd_msg.h"

#define CHUNK 65536
#define FIELDS_MAX 2048

static uint8_t chunk[CHUNK];

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
	case DELIVERED_BEFORE: return (struct answer){ VERDICT_PERMFAIL, "5.4.6", "The message has been delivered here before: a forwarding loop" };
	case -EACCES:
	case -EPERM: return (struct answer){ VERDICT_TEMPFAIL, "4.3.5", "The mailbox cannot be opened" };
	default: return (struct answer){ VERDICT_TEMPFAIL, "4.3.0", "The mailbox cannot be written now" };
	}
}

static int
copy_message(const struct delivery *delivery, struct ms_append *append)
{
	uint64_t at = 0;
	int r = 0;

	while (r == 0 && at < delivery->length) {
		size_t wanted = delivery->length - at < CHUNK ? (size_t)(delivery->length - at) : CHUNK;
		ssize_t got = pread(delivery->fd, chunk, wanted, (off_t)(delivery->offset + at));

		if (got <= 0)
			return got < 0 ? -errno : -EIO; /* the file is shorter than the queue said */
		r = ms_append_write(append, chunk, (size_t)got);
		at += (uint64_t)got;
	}
	return r;
}

/* A message as it will stand in the folder, not yet committed. */
static int
begin(struct deliver *deliver, const struct delivery *delivery, struct ms_append **ret)
{
	struct buf fields = BUF_INIT(FIELDS_MAX);
	int r;

	*ret = ms_append_begin(deliver->store);
	/* Final delivery adds the reverse-path (RFC 5321 section 4.4). */
	(void)buf_fmt(&fields, "Return-Path: <%s>\r\nDelivered-To: %s\r\n", delivery->sender, delivery->recipient);
	r = ms_append_write(*ret, buf_cstr(&fields), fields.len);
	buf_free(&fields);
	if (r == 0)
		r = copy_message(delivery, *ret);
	if (r != 0)
		ms_append_abort(*ret);
	return r;
}

/* Stores those between; what keeps one from being stored keeps none of the others. */
static void
store(struct deliver *deliver, struct delivery *list, size_t count)
{
	struct ms_append *appends[MS_APPENDS_MAX] = { NULL };
	struct delivery *begun[MS_APPENDS_MAX];
	uint32_t uids[MS_APPENDS_MAX] = { 0 };
	struct stored_key key;
	size_t ready = 0;
	int r;

	for (size_t i = 0; i < count; i++) {
		if (list[i].handled)
			continue;
		key = stored_key(deliver, &list[i], "INBOX");
		list[i].handled = list[i].kept = stored_before(deliver, &list[i], &key);
		if (list[i].handled)
			continue;
		list[i].result = begin(deliver, &list[i], &appends[ready]);
		if (list[i].result != 0)
			continue;
		stored_note(deliver, &key, appends[ready]);
		begun[ready++] = &list[i];
	}
	r = ms_append_commit_all(appends, ready, "INBOX", uids);
	for (size_t i = 0; i < ready; i++)
		if (r != 0 && ready > 1) {
			store(deliver, begun[i], 1);
		} else {
			begun[i]->result = r;
			begun[i]->kept = r == 0;
			begun[i]->uid = uids[i];
		}
}

static int
answer(struct deliver *deliver, const struct delivery *delivery)
{
	struct answer answer = answer_of(delivery->result);
	struct msg_writer reply;

	/* RFC 5429 section 2.2: the sender is told by the queue. */
	if (delivery->result == 0 && delivery->refusal != NULL)
		answer = (struct answer){ VERDICT_PERMFAIL, "5.7.1", delivery->refusal[0] != '\0' ? delivery->refusal : "The recipient refuses the message" };
	if (delivery->result == 0 && !delivery->handled)
		log_info("delivered", log_str("queue", delivery->queue_id), log_str("account", deliver->proc->account), log_u64("uid", delivery->uid),
		    log_str("from", delivery->sender));
	else if (delivery->result != 0)
		log_warning("not-delivered", log_str("queue", delivery->queue_id), log_str("account", deliver->proc->account),
		    log_str("error", delivery->result == DELIVERED_BEFORE ? "a forwarding loop" : ms_strerror(delivery->result)), log_str("status", answer.status));
	msg_writer_init(&reply);
	msg_put_u8(&reply, (uint8_t)answer.verdict);
	msg_put_span(&reply, span_of(answer.status));
	msg_put_span(&reply, span_of(answer.text));
	return msg_send(deliver->channel, MSG_DELIVERED, delivery->id, &reply, -1);
}

/* Has the scripts look at it, unless it goes round. False: it waits. */
static bool
look_at(struct deliver *deliver, struct delivery *delivery)
{
	struct span account = span_of(deliver->proc->account);
	int back = delivered_to_check(delivery->fd, delivery->offset, delivery->length, span_of(delivery->recipient));
	enum filtered filtered;

	delivery->came_back = back == DELIVERED_BEFORE && address_equal(span_of(delivery->recipient), account);
	/* The recipient may have a detail, or be an alias: that this account sent the message on tells its own address. */
	delivery->sent_on = deliver->forward.count != 0 && delivered_to_check(delivery->fd, delivery->offset, delivery->length, account) == DELIVERED_BEFORE;
	delivery->handled = true;
	delivery->result = back;
	if (back != 0 && !delivery->came_back)
		return true;
	delivery->result = 0;
	/* What is not kept is not filtered. */
	if (!deliver->forward.keep && !delivery->sent_on && !delivery->limited && !forward_goes_round(deliver, delivery))
		return true;
	filtered = deliver_filter(deliver, delivery);
	delivery->handled = filtered != FILTERED_NOT;
	if (filtered == FILTERED_LOOP)
		delivery->result = back;
	return filtered != FILTERED_WAITS;
}

static void
store_all(struct deliver *deliver)
{
	size_t kept = 0;

	scripts_begin(deliver->scripts);
	forward_load(deliver);
	stored_lock(deliver->stored);
	for (size_t i = 0; i < deliver->count; i++) {
		struct delivery *delivery = &deliver->list[kept];

		*delivery = deliver->list[i];
		if (!look_at(deliver, delivery))
			deliver->waiting[deliver->waiting_count++] = *delivery;
		else
			kept++;
	}
	deliver->count = kept;
	ms_set_alone(deliver->store, deliver->alone && kept == 1);
	store(deliver, deliver->list, deliver->count);
	stored_unlock(deliver->stored);
	/* Stored first: what goes wrong there is tried again, and then nothing is sent twice. */
	for (size_t i = 0; i < deliver->count; i++)
		if (deliver->list[i].result == 0 && deliver->list[i].refusal == NULL)
			deliver->list[i].result = forward_send(deliver, &deliver->list[i]);
	for (size_t i = 0; i < deliver->count; i++) {
		struct delivery *delivery = &deliver->list[i];

		(void)answer(deliver, delivery); /* a queue that is gone closes the channel, and this ends */
		(void)close(delivery->fd);
		free(delivery->queue_id);
		free(delivery->recipient);
		free(delivery->sender);
		free(delivery->refusal);
	}
	deliver->count = 0;
}

static void
on_turn(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	store_all(context);
}

static void
deliver_soon(struct deliver *deliver)
{
	if (++deliver->count == MS_APPENDS_MAX)
		store_all(deliver);
	else
		event_active(deliver->turn, EV_TIMEOUT, 0);
}

/* Those that wait have all been told about. */
static void
go_on(struct deliver *deliver)
{
	struct delivery waiting[MS_APPENDS_MAX];
	size_t count = deliver->waiting_count;

	memcpy(waiting, deliver->waiting, count * sizeof(*waiting));
	deliver->waiting_count = 0;
	for (size_t i = 0; i < count; i++) {
		deliver->list[deliver->count] = waiting[i];
		deliver_soon(deliver);
	}
}

static int
on_own_is(struct msg_channel *channel, struct msg *msg, void *context)
{
	const struct proc *proc = context;
	struct deliver *deliver = proc->state;
	int r = own_told(deliver, msg);

	(void)channel;
	if (r > 0)
		go_on(deliver);
	return r < 0 ? r : 0;
}

static int
on_sent(struct msg_channel *channel, struct msg *msg, void *context)
{
	const struct proc *proc = context;
	struct msg_reader body = msg_read(msg);

	(void)channel;
	seen_sent(proc->state, msg->id, msg_get_u8(&body) != 0);
	return msg_done(&body) ? 0 : -EBADMSG;
}

static int
on_deliver(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct deliver *deliver = proc->state;
	struct msg_reader body = msg_read(msg);
	struct delivery *delivery = &deliver->list[deliver->count];
	struct span queue_id, recipient, sender;

	delivery->offset = msg_get_u64(&body);
	delivery->length = msg_get_u64(&body);
	queue_id = msg_get_span(&body);
	recipient = msg_get_span(&body);
	sender = msg_get_span(&body);
	deliver->alone = msg_get_u8(&body) != 0;
	delivery->limited = msg_get_u8(&body) != 0;
	if (!msg_done(&body) || delivery->offset > INT64_MAX / 2 || delivery->length > INT64_MAX / 2)
		return -EBADMSG;
	delivery->queue_id = span_dup(queue_id);
	delivery->recipient = span_dup(recipient);
	delivery->sender = span_dup(sender);
	delivery->fd = msg_take_fd(msg);
	delivery->id = msg->id;
	delivery->uid = 0;
	delivery->handled = false;
	delivery->kept = false;
	delivery->refusal = NULL;
	delivery->asked = false;
	deliver->channel = channel;
	deliver_soon(deliver);
	return 0;
}

int
proc_deliver(struct proc *proc)
{
	static const struct proc_handler handlers[] = { { MSG_DELIVER, on_deliver }, { MSG_OWN_IS, on_own_is }, { MSG_SENT, on_sent } };
	static struct deliver deliver;
	struct jail jail = {
		.paths = { { proc->account_dir, JAIL_PATH_WRITE }, { smtpd_conf(proc)->sieve_dir, JAIL_PATH_READ } },
		.allow = JAIL_READ_FILES | JAIL_WRITE_FILES | JAIL_WATCH | JAIL_DATABASE | JAIL_MODULES | JAIL_MEMFD,
	};
	int r;

	proc->state = &deliver;
	deliver.proc = proc;
	deliver.turn = event_new(proc->base, -1, 0, on_turn, &deliver);
	if (deliver.turn == NULL)
		abort();
	proc->handlers = handlers;
	proc->handler_count = sizeof(handlers) / sizeof(*handlers);
	deliver.script_folder = xasprintf("%s/sieve", proc->account_dir);
	deliver.own = own_new();
	buf_init(&deliver.forward_text, FORWARD_FILE_MAX + 65536);
	deliver.scripts = scripts_new(smtpd_conf(proc)->sieve_dir, deliver.script_folder, smtpd_conf(proc)->sieve_editheader ? SIEVE_EDITHEADER : 0);
	/* What it does is never urgent: when the queue hands it a message, the queue goes on first, and hands out the next. */
	(void)sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){ .sched_priority = 0 });
	tzset(); /* scripts ask for local dates, and its file cannot be read later */
	/* --- jail --- */
	proc_jail(proc, &jail);
	deliver.stored = stored_new(proc->account_dir);
	r = ms_open(proc->account_dir, &deliver.store);
	if (r != 0) {
		/* The queue sees the channel close and tries again later. */
		log_error("store-not-opened", log_str("account", proc->account), log_str("folder", proc->account_dir), log_str("error", ms_strerror(r)));
		return EX_TEMPFAIL;
	}
	ms_set_quota(deliver.store, &proc->quota);
	r = proc_loop(proc);
	ms_close(deliver.store);
	deliver.stored = stored_free(deliver.stored);
	return r;
}
