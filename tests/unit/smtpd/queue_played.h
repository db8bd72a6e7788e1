/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A daemon for test_queue_states.c whose queue and parent are the real ones, and whose other roles are played. */
#ifndef TESTS_QUEUE_PLAYED_H
#define TESTS_QUEUE_PLAYED_H

#include <fcntl.h>
#include <unistd.h>

#include "common/log.h"
#include "smtpd/envelope_msg.h"
#include "smtpd/queue_folders.h"
#include "smtpd/smtpd.h"
#include "smtpd/smtpd_conf.h"
#include "smtpd/smtpd_msg.h"

static int
proc_front(struct proc *proc)
{
	struct jail jail = { .root = proc->common->empty_dir };

	proc_jail(proc, &jail);
	return proc_loop(proc);
}

/* x@local.test is the account x, both@local.test bob and carol, all@local.test dave beside them, one@local.test bob, slow@local.test bob and later, mixed@local.test bob and x@takes.test; who hidden@local.test is nobody can tell; whatever else is another host's. */
static int
on_lookup(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct msg_reader body = msg_read(msg);
	uint8_t kind = msg_get_u8(&body);
	bool expand = kind == LOOKUP_EXPAND;
	struct span address = msg_get_span(&body);
	struct msg_writer reply;

	(void)context;
	if (kind == LOOKUP_OWNER)
		log_info("owner-asked", log_span("account", address));
	msg_writer_init(&reply);
	if (expand && (span_eq(address, SPAN("both@local.test")) || span_eq(address, SPAN("all@local.test")) || span_eq(address, SPAN("one@local.test")) ||
	    span_eq(address, SPAN("slow@local.test")) || span_eq(address, SPAN("mixed@local.test")))) {
		msg_put_span(&reply, SPAN("bob@local.test"));
		if (span_eq(address, SPAN("slow@local.test")))
			msg_put_span(&reply, SPAN("later@local.test"));
		else if (span_eq(address, SPAN("mixed@local.test")))
			msg_put_span(&reply, SPAN("x@takes.test"));
		else if (!span_eq(address, SPAN("one@local.test")))
			msg_put_span(&reply, SPAN("carol@local.test"));
		if (span_eq(address, SPAN("all@local.test")))
			msg_put_span(&reply, SPAN("dave@local.test"));
		(void)msg_send(channel, MSG_LOOKUP_MEMBERS, msg->id, &reply, -1);
		msg_writer_init(&reply);
		msg_put_u8(&reply, LOOKUP_ALIAS);
	} else if (span_starts(address, SPAN("nobody@local.test")))
		msg_put_u8(&reply, LOOKUP_UNKNOWN);
	else if (span_starts(address, SPAN("hidden@local.test")))
		msg_put_u8(&reply, LOOKUP_TEMPFAIL);
	else
		msg_put_u8(&reply,
		    span_iends(address, SPAN("@local.test")) ? LOOKUP_LOCAL : LOOKUP_NOT_OURS);
	msg_put_span(&reply, address);
	msg_put_span(&reply, SPAN_NULL);
	msg_put_u64(&reply, 1);
	return msg_send(channel, MSG_LOOKUP_RESULT, msg->id, &reply, -1);
}

static int
on_worker(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct msg_reader body = msg_read(msg);
	struct span address = msg_get_span(&body), user = address;
	struct msg_writer spawn;
	struct buf relative = BUF_INIT(300);

	(void)channel;
	user.len = (size_t)span_chr(user, '@');
	(void)buf_str(&relative, "local.test/");
	(void)buf_span(&relative, user);
	msg_writer_init(&spawn);
	msg_put_u8(&spawn, ROLE_QUEUE);
	msg_put_u32(&spawn, 1000001);
	msg_put_u64(&spawn, 0);
	msg_put_u64(&spawn, 0);
	msg_put_span(&spawn, address);
	msg_put_span(&spawn, buf_get(&relative));
	buf_free(&relative);
	return proc_send(context, ROLE_PARENT, MSG_SPAWN, msg->id, &spawn, -1);
}

static int
proc_accounts(struct proc *proc)
{
	static const struct proc_handler handlers[] = { { MSG_LOOKUP, on_lookup },
		{ MSG_WORKER_BY_ADDRESS, on_worker } };
	struct jail jail = { .root = proc->common->empty_dir };

	proc->handlers = handlers;
	proc->handler_count = 2;
	proc_jail(proc, &jail);
	return proc_loop(proc);
}

/* Writes the message into the account's folder under its queue id. */
static int
on_deliver(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct msg_reader body = msg_read(msg);
	uint64_t offset = msg_get_u64(&body), length = msg_get_u64(&body);
	struct span id = msg_get_span(&body);
	struct msg_writer reply;
	struct buf path = BUF_INIT(600);
	char text[4096];
	ssize_t got = pread(
	    msg->fd, text, length < sizeof(text) ? (size_t)length : sizeof(text), (off_t)offset);
	int fd;

	(void)buf_fmt(&path, "%s/", proc->account_dir);
	(void)buf_span(&path, id);
	fd = open(buf_cstr(&path), O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (got < 0 || fd < 0 || write(fd, text, (size_t)got) != got)
		return -EBADMSG;
	(void)close(fd);
	buf_free(&path);
	msg_writer_init(&reply);
	msg_put_u8(&reply,
	    span_starts(span_of(proc->account), SPAN("later")) ? VERDICT_TEMPFAIL : VERDICT_OK);
	msg_put_span(&reply, SPAN("2.0.0"));
	msg_put_span(&reply, SPAN("played"));
	return msg_send(channel, MSG_DELIVERED, msg->id, &reply, -1);
}

static int
proc_account(struct proc *proc)
{
	static const struct proc_handler handlers[] = { { MSG_DELIVER, on_deliver } };
	struct jail jail = { .paths = { { proc->account_dir, JAIL_PATH_WRITE } },
		.allow = JAIL_READ_FILES | JAIL_WRITE_FILES };

	proc->handlers = handlers;
	proc->handler_count = 1;
	proc_jail(proc, &jail);
	return proc_loop(proc);
}

/* Every host refuses for good, that of verbose.test with many words; but that of takes.test takes what comes, those of silent.test and below say nothing, those
 * below fades.test take what comes but for q, of whom they say nothing, and that of down.test is not there. */
static int
on_relay(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct msg_reader body = msg_read(msg);
	struct envelope options;
	struct span destination;
	uint16_t count;
	bool takes, down, fades;
	char said[1000];

	(void)context;
	memset(said, 'x', sizeof(said));
	(void)msg_get_u64(&body);
	(void)msg_get_u64(&body);
	(void)envelope_get_options(&body, &options);
	(void)msg_get_u8(&body);
	(void)msg_get_span(&body);
	(void)msg_get_span(&body);
	destination = msg_get_span(&body);
	(void)msg_get_span(&body);
	(void)msg_get_span(&body);
	count = msg_get_u16(&body);
	fades = span_ends(destination, SPAN(".fades.test"));
	takes = fades || span_eq(destination, SPAN("takes.test"));
	down = span_eq(destination, SPAN("down.test"));
	log_info("asked", log_span("host", destination), log_u64("recipients", count));
	(void)msg_get_u8(&body);
	(void)msg_get_span(&body);
	if (fades && span_starts(msg_get_span(&body), SPAN("q@")))
		return 0;
	for (uint16_t i = 0; i < count && !span_ends(destination, SPAN("silent.test")); i++) {
		struct msg_writer reply;

		msg_writer_init(&reply);
		msg_put_u16(&reply, i);
		msg_put_u8(&reply, takes ? VERDICT_OK : down ? VERDICT_TEMPFAIL : VERDICT_PERMFAIL);
		msg_put_u16(&reply, takes ? 250 : down ? 0 : 550);
		msg_put_u8(&reply, 0);
		msg_put_u8(&reply, down ? RELAY_UNREACHED : RELAY_ANSWERED);
		msg_put_span(&reply, takes ? SPAN("2.0.0") : down ? SPAN("4.4.1") : SPAN("5.1.1"));
		if (span_eq(destination, SPAN("verbose.test")))
			msg_put_span(&reply, span_make(said, sizeof(said)));
		else
			msg_put_span(&reply, takes ? SPAN("taken there") : SPAN("unknown there"));
		msg_put_span(&reply, SPAN("mx.other.test"));
		msg_put_span(&reply, SPAN("none"));
		(void)msg_send(channel, MSG_RELAYED, msg->id, &reply, -1);
	}
	return 0;
}

static int
proc_others(struct proc *proc)
{
	static const struct proc_handler handlers[] = { { MSG_RELAY, on_relay } };
	struct jail jail = { .root = proc->common->empty_dir };

	proc->handlers = handlers;
	proc->handler_count = 1;
	proc_jail(proc, &jail);
	return proc_loop(proc);
}

static const struct msg_row messages[] = {
#define MSG(name, from, to, min, max, fd) { MSG_##name, #name, from, to, min, max, fd },
#include "smtpd/smtpd_msg.def"
#undef MSG
};
static const struct role roles[] = {
	{ .id = ROLE_FRONT, .name = "front", .run = proc_front, .peers = ROLE_BIT(ROLE_QUEUE) },
	{ .id = ROLE_AUTH, .name = "accounts", .run = proc_accounts },
	{ .id = ROLE_QUEUE,
	    .name = "queue",
	    .run = proc_queue,
	    .peers = ROLE_BIT(ROLE_AUTH) | ROLE_BIT(ROLE_RELAY) },
	{ .id = ROLE_RELAY, .name = "others", .run = proc_others },
	{ .id = ROLE_WORKER,
	    .name = "account",
	    .run = proc_account,
	    .spawned_by = ROLE_BIT(ROLE_QUEUE) },
};
static const struct daemon queued = {
	.name = "queued",
	.number = 9,
	.roles = roles,
	.role_count = 5,
	.messages = messages,
	.message_count = sizeof(messages) / sizeof(*messages),
	.conf_table = &smtpd_conf_table,
	.conf_size = sizeof(struct smtpd_conf),
	.prepare = queue_prepare_folders,
};

#endif
