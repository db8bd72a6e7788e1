/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The session role: one client that has logged in, one account. It reads commands one at a time,
 * and no further ones while a reply is larger than what the client has taken: memory stays bounded
 * whatever is asked for. */
#include <errno.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/stream.h"
#include "common/xalloc.h"
#include "frame/login.h"
#include "libmailstore/mailstore.h"
#include "pop3d/maildrop.h"
#include "pop3d/pop3d.h"

#define CHUNK 16384
/* A chunk may double when it is made of dots and line ends. */
#define CHUNK_SENT_MAX (2 * CHUNK + POP3_REPLY_MAX)
#define OUTPUT_MAX (4 * CHUNK_SENT_MAX)
#define WRITE_SECONDS 300

struct session {
	struct proc *proc;
	struct stream *stream;
	char client[64];
	struct maildrop *drop;
	struct pop3_state state;
	/* The message that is being sent, or -1. */
	int fd;
	struct pop3_dot dot;
	bool listing;
	bool ending; /* nothing is left but what the client has yet to take */
	size_t retrieved, removed;
};

static void
finished(void *context)
{
	const struct session *session = context;

	proc_exit(session->proc, EX_OK);
}

static void
finish(struct session *session)
{
	stream_finish_then(session->stream, finished, session);
	session->stream = NULL;
}

/* Says the last words, lets go of the maildrop, and ends the process once the client has them: what it asked for before may be on the way for
 * long, and when it has said QUIT behind that the message may be nowhere else any more. */
static void
hang_up(struct session *session, struct span last_words, const char *reason)
{
	log_info("session-ended", log_str("account", session->proc->account),
	    log_str("client", session->client), log_str("reason", reason),
	    log_u64("retrieved", session->retrieved), log_u64("removed", session->removed));
	(void)stream_write(session->stream, last_words);
	session->drop = maildrop_close(session->drop);
	session->ending = true;
	stream_set_timeouts(session->stream, 0, WRITE_SECONDS);
	if (stream_pending(session->stream) == 0)
		finish(session);
}

/* --- replies --- */

static void
start_message(struct session *session, const struct pop3_request *request, struct buf *out)
{
	const struct pop3_message *message = &session->state.messages[request->index];
	int r = maildrop_open_message(session->drop, message, &session->fd);

	if (r != 0) {
		session->fd = -1;
		log_warning("message-unreadable", log_str("account", session->proc->account),
		    log_u64("uid", message->uid), log_str("error", ms_strerror(r)));
		pop3_not_retrieved(r == MS_E_NOTFOUND, out);
		return;
	}
	pop3_retrieved(&session->state, request, out);
	pop3_dot_begin(&session->dot, request->top ? &request->lines : NULL);
	session->retrieved += !request->top;
}

/* One more piece of the message. False when the connection has ended. */
static bool
send_piece(struct session *session)
{
	char bytes[CHUNK];
	struct buf out = BUF_INIT(CHUNK_SENT_MAX);
	ssize_t got = session->dot.done ? 0 : read(session->fd, bytes, sizeof(bytes));

	if (got < 0) {
		/* Half a message is out: there is no way to say so but to end here, without the
		 * closing dot. */
		log_error("message-unreadable", log_str("account", session->proc->account),
		    log_errno("error", errno));
		hang_up(session, SPAN_NULL, "read error");
		return false;
	}
	if (got > 0) {
		pop3_dot_put(&session->dot, span_make(bytes, (size_t)got), &out);
	} else {
		pop3_dot_end(&session->dot, &out);
		(void)close(session->fd);
		session->fd = -1;
	}
	/* there is room; when it broke, ended() comes */
	(void)stream_write(session->stream, buf_get(&out));
	buf_free(&out);
	return true;
}

/* --- commands --- */

/* False when the connection has ended. */
static bool
command(struct session *session, struct span line)
{
	struct buf out = BUF_INIT(POP3_REPLY_MAX);
	struct pop3_request request = pop3_state_line(&session->state, line, &out);
	bool goes_on = false;
	int r;

	switch (request.action) {
	case POP3_ANSWERED:
		goes_on = true;
		break;
	case POP3_LISTING:
		session->listing = goes_on = true;
		break;
	case POP3_RETRIEVE:
		start_message(session, &request, &out);
		goes_on = true;
		break;
	case POP3_UPDATE:
		r = maildrop_update(session->drop, &session->state, &session->removed);
		if (r != 0)
			log_error("maildrop-not-updated",
			    log_str("account", session->proc->account),
			    log_str("error", ms_strerror(r)));
		pop3_updated(&session->state, session->removed, &out);
		hang_up(session, buf_get(&out), "quit");
		break;
	case POP3_CLOSE:
		hang_up(session, buf_get(&out), "too many errors");
		break;
	}
	if (goes_on)
		(void)stream_write(session->stream, buf_get(&out));
	buf_free(&out);
	return goes_on;
}

static bool
next_line(struct session *session)
{
	struct span line;
	char copy[POP3_LINE_MAX];
	size_t used;

	if (!pop3_take_line(stream_input(session->stream), &used, &line)) {
		if (stream_input(session->stream).len >= POP3_LINE_MAX)
			hang_up(session, SPAN("-ERR Line too long\r\n"), "line too long");
		return false;
	}
	/* Consumed before it is answered: an answer may end the stream. */
	memcpy(copy, line.ptr, line.len);
	line.ptr = copy;
	stream_consume(session->stream, used);
	return command(session, line);
}

static void
go_on(struct session *session)
{
	bool more = true;

	while (more) {
		if (stream_room(session->stream) < CHUNK_SENT_MAX) {
			stream_pause(session->stream);
			return;
		}
		if (session->listing) {
			struct buf out = BUF_INIT(CHUNK_SENT_MAX);

			session->listing = pop3_listing(&session->state, CHUNK, &out);
			(void)stream_write(session->stream, buf_get(&out));
			buf_free(&out);
		} else if (session->fd >= 0) {
			more = send_piece(session);
		} else {
			more = next_line(session);
		}
	}
}

/* --- the stream --- */

static void
on_readable(struct stream *stream, void *context)
{
	struct session *session = context;

	if (session->ending)
		stream_consume(stream, stream_input(stream).len);
	else
		go_on(session);
}

static void
on_drained(struct stream *stream, void *context)
{
	struct session *session = context;

	if (session->ending) {
		finish(session);
		return;
	}
	stream_resume(stream);
	go_on(session);
}

static void
on_ended(struct stream *stream, void *context, enum stream_end end)
{
	static const char *const reasons[] = {
		[STREAM_EOF] = "client left",
		[STREAM_ERROR] = "connection broke",
		[STREAM_TIMEOUT] = "timeout",
		[STREAM_TLS_FAILED] = "tls",
	};
	struct session *session = context;

	/* Without QUIT nothing is removed (RFC 1939 section 6). */
	if (!session->ending)
		hang_up(session, SPAN_NULL, reasons[end]);
	/* One that has only closed its side may still take what is pending. */
	if (session->stream != NULL && (end != STREAM_EOF || stream_pending(stream) == 0))
		finish(session);
}

static const struct stream_ops ops = { on_readable, on_drained, NULL, on_ended };

static void
open_drop(struct session *session)
{
	struct buf out = BUF_INIT(POP3_REPLY_MAX);
	int r = maildrop_open(session->proc->account_dir, &session->drop, &session->state);

	if (r == 0) {
		pop3_state_begin(&session->state, &out);
		(void)stream_write(session->stream, buf_get(&out));
	} else if (r == MS_E_LOCKED) {
		hang_up(session, SPAN("-ERR [IN-USE] Another session has this maildrop\r\n"),
		    "in use");
	} else {
		log_error("maildrop-not-opened", log_str("account", session->proc->account),
		    log_str("folder", session->proc->account_dir),
		    log_str("error", ms_strerror(r)));
		hang_up(session, SPAN("-ERR [SYS/TEMP] The maildrop cannot be opened now\r\n"),
		    "maildrop");
	}
	buf_free(&out);
}

static int
on_begin(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct session *session = proc->state;
	const struct pop3d_conf *conf = proc->conf;
	struct login_session begin;
	int r = login_session_read(msg, &begin);

	(void)channel;
	if (r < 0)
		return r;
	if (session->stream != NULL || session->client[0] != '\0') {
		(void)close(begin.fd);
		return -EBADMSG;
	}
	memcpy(session->client, begin.client_address, sizeof(session->client));
	session->stream =
	    stream_new(proc->base, begin.fd, &ops, session, POP3_LINE_MAX, OUTPUT_MAX);
	stream_set_timeouts(session->stream, (unsigned)conf->idle_timeout, WRITE_SECONDS);
	stream_preload(session->stream, begin.input);
	open_drop(session);
	return 0;
}

int
proc_session(struct proc *proc)
{
	static const struct proc_handler handlers[] = { { MSG_SESSION_BEGIN, on_begin } };
	struct session *session = xcalloc(1, sizeof(*session));
	struct jail jail = {
		.allow = JAIL_READ_FILES | JAIL_WRITE_FILES | JAIL_WATCH | JAIL_DATABASE | JAIL_MODULES,
		.paths = { { proc->account_dir, JAIL_PATH_WRITE } },
	};

	session->proc = proc;
	session->fd = -1;
	proc->state = session;
	proc->handlers = handlers;
	proc->handler_count = sizeof(handlers) / sizeof(*handlers);
	/* --- jail --- */
	proc_jail(proc, &jail);
	return proc_loop(proc);
}
