/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A daemon around the login engine: front, key and login as they are, a toy protocol, a toy auth role and a toy session. */
#ifndef TESTS_UNIT_FRAME_TOY_LOGIN_H
#define TESTS_UNIT_FRAME_TOY_LOGIN_H

#include <stddef.h>
#include <unistd.h>

#include "common/stream.h"
#include "frame/login.h"

struct toy_conf {
	struct fourpost_conf common;
	struct conf_list listen_toy, listen_toys;
};

static const struct conf_option toy_rows[] = {
	CONF_ROW(struct toy_conf, listen_toy, LIST, 0, 8, "", "Plain")
	CONF_ROW(struct toy_conf, listen_toys, LIST, 0, 8, "", "TLS")
};
static const struct conf_table toy_table = { toy_rows, sizeof(toy_rows) / sizeof(*toy_rows), 0 };
static const struct msg_row toy_messages[] = {
	{ LOGIN_SESSION_BEGIN, "SESSION_BEGIN", ROLE_FRONT, ROLE_WORKER, 7, MSG_BODY_MAX, MSG_FD },
};

static void
toy_greet(void *state, const struct login_facts *facts, struct buf *out)
{
	(void)state;
	(void)buf_fmt(out, "hello %s\n", facts->secure ? "secure" : "plain");
}

static enum login_action
toy_input(void *state, const struct login_facts *facts, struct span input, size_t *ret_used,
    struct buf *out, struct login_credentials *credentials)
{
	ptrdiff_t end = span_chr(input, '\n');
	struct span line;

	(void)state, (void)facts;
	if (end < 0)
		return LOGIN_MORE;
	line = span_make(input.ptr, (size_t)end);
	*ret_used = (size_t)end + 1;
	if (span_eq(line, SPAN("tls"))) {
		(void)buf_str(out, "go\n");
		return LOGIN_START_TLS;
	}
	if (span_starts(line, SPAN("pass "))) {
		(void)buf_str(&credentials->user, "u");
		(void)buf_span(&credentials->password, span_skip(line, 5));
		return LOGIN_AUTHENTICATE;
	}
	(void)buf_str(out, "what\n");
	return span_eq(line, SPAN("bye")) ? LOGIN_CLOSE : LOGIN_AGAIN;
}

static void
toy_refused(void *state, uint8_t result, struct buf *out)
{
	(void)state;
	(void)buf_fmt(out, "refused %u\n", result);
}

static struct span
toy_handover(const void *state)
{
	(void)state;
	return SPAN("tag");
}

static const struct login_protocol toy_protocol = {
	.state_size = 1,
	.greet = toy_greet,
	.input = toy_input,
	.refused = toy_refused,
	.handover = toy_handover,
	.timed_out = "too slow\n",
	.unavailable = "unavailable\n",
	.too_many = "too many\n",
	.timeout = 1,
	.stall = 1,
	.line_max = 12000,
	.too_long = "too long\n",
	.failures_max = 2,
};

static int
toy_login(struct proc *proc)
{
	struct login_limits limits = { .all = 8, .of_address = 6, .of_account = 6 };

	return login_run(proc, &toy_protocol, &limits);
}

static int
toy_on_auth(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct msg_reader body = msg_read(msg);
	struct msg_writer reply;
	struct span password;

	(void)context, (void)msg_get_span(&body);
	password = msg_get_span(&body);
	if (span_eq(password, SPAN("silence")))
		return 0;
	if (span_eq(password, SPAN("die")))
		_exit(1);
	msg_writer_init(&reply);
	msg_put_u8(&reply,
	    span_eq(password, SPAN("good")) || span_eq(password, SPAN("nospawn")) ? AUTH_OK :
										    AUTH_BAD);
	msg_put_u64(&reply, span_eq(password, SPAN("good")) ? 7 : 8);
	msg_put_span(&reply, SPAN("u@d.test"));
	return msg_send(channel, MSG_AUTH_RESULT, msg->id, &reply, -1);
}

static int
toy_on_worker(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct msg_reader body = msg_read(msg);
	struct msg_writer reply;

	msg_writer_init(&reply);
	if (msg_get_u64(&body) != 7) {
		msg_put_u8(&reply, LOOKUP_UNKNOWN);
		return msg_send(channel, MSG_WORKER_REFUSED, msg->id, &reply, -1);
	}
	msg_put_u8(&reply, ROLE_FRONT);
	msg_put_u32(&reply, 1000001);
	msg_put_u64(&reply, 0);
	msg_put_u64(&reply, 0);
	msg_put_span(&reply, SPAN("u@d.test"));
	msg_put_span(&reply, SPAN("d.test/u"));
	return msg_send(proc->parent, MSG_SPAWN, msg->id, &reply, -1);
}

static int
toy_on_drop(struct msg_channel *channel, struct msg *msg, void *context)
{
	(void)channel, (void)msg, (void)context;
	return 0;
}

static void
toy_peer_gone(struct proc *proc, uint8_t role)
{
	(void)proc, (void)role;
}

static int
toy_auth(struct proc *proc)
{
	static const struct proc_handler handlers[] = {
		{ MSG_AUTH, toy_on_auth },
		{ MSG_WORKER_BY_GRANT, toy_on_worker },
		{ MSG_GRANT_DROP, toy_on_drop },
	};
	struct jail jail = { .root = proc->common->empty_dir };

	proc->handlers = handlers;
	proc->handler_count = 3;
	proc->peer_gone = toy_peer_gone;
	/* --- jail --- */
	proc_jail(proc, &jail);
	return proc_loop(proc);
}

static void
toy_finished(void *context)
{
	proc_exit(context, 0);
}

static void
toy_readable(struct stream *stream, void *context)
{
	struct span input = stream_input(stream);

	if (span_find(input, SPAN("quit\n")) >= 0) {
		(void)stream_write(stream, SPAN("farewell\n"));
		stream_finish_then(stream, toy_finished, context);
		return;
	}
	(void)stream_write(stream, input);
	stream_consume(stream, input.len);
}

static void
toy_ended(struct stream *stream, void *context, enum stream_end end)
{
	(void)end;
	stream_finish_then(stream, toy_finished, context);
}

static int
toy_on_begin(struct msg_channel *channel, struct msg *msg, void *context)
{
	static const struct stream_ops ops = { toy_readable, NULL, NULL, toy_ended };
	struct proc *proc = context;
	struct login_session begin;
	struct stream *stream;
	struct buf hello = BUF_INIT(1000);

	(void)channel;
	if (login_session_read(msg, &begin) < 0)
		return -EBADMSG;
	(void)buf_fmt(&hello, "session %s %s %.*s %s\n", begin.secure ? "secure" : "plain",
	    begin.client_address, (int)begin.handover.len, begin.handover.ptr, proc->account);
	stream = stream_new(proc->base, begin.fd, &ops, proc, 1 << 16, 1 << 20);
	stream_preload(stream, begin.input);
	(void)stream_write(stream, buf_get(&hello));
	buf_free(&hello);
	return 0;
}

static int
toy_session(struct proc *proc)
{
	static const struct proc_handler handlers[] = { { LOGIN_SESSION_BEGIN, toy_on_begin } };
	struct jail jail = { .paths = { { proc->account_dir, JAIL_PATH_WRITE } } };

	proc->handlers = handlers;
	proc->handler_count = 1;
	/* --- jail --- */
	proc_jail(proc, &jail);
	return proc_loop(proc);
}

static const struct role toy_roles[] = {
	{ .id = ROLE_FRONT,
	    .name = "login",
	    .run = toy_login,
	    .peers = ROLE_BIT(ROLE_KEY) | ROLE_BIT(ROLE_AUTH) },
	{ .id = ROLE_KEY, .name = "key", .run = proc_key },
	{ .id = ROLE_AUTH, .name = "auth", .run = toy_auth },
	{ .id = ROLE_WORKER,
	    .name = "session",
	    .run = toy_session,
	    .spawned_by = ROLE_BIT(ROLE_FRONT) },
};
static const struct role_listener toy_listeners[] = {
	{ offsetof(struct toy_conf, listen_toy), 1, "toy", false, false },
	{ offsetof(struct toy_conf, listen_toys), 2, "toys", true, false },
};
static const struct daemon toy = {
	.name = "toylogind",
	.number = 8,
	.roles = toy_roles,
	.role_count = 4,
	.listeners = toy_listeners,
	.listener_count = 2,
	.messages = toy_messages,
	.message_count = 1,
	.conf_table = &toy_table,
	.conf_size = sizeof(struct toy_conf),
};

#endif
