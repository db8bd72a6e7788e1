/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* IDLE (RFC 2177). */
#include <event2/event.h>
#include <stdlib.h>

#include "common/log.h"
#include "imapd/session_cmds.h"
#include "imapd/session_idle.h"
#include "imapd/session_mailbox.h"

/* How often we look where the kernel does not tell us. */
#define LOOK_SECONDS 10

static void
on_change(evutil_socket_t fd, short what, void *context)
{
	struct session *session = context;

	(void)fd;
	(void)what;
	ms_watch_drain(session->store);
	session_news(session);
	session_turn(session);
}

void
session_idle_begin(struct session *session)
{
	static const struct timeval look = { LOOK_SECONDS, 0 };
	int fd;

	session->phase = SESSION_IDLE;
	if (session->selected == NULL)
		return;
	fd = ms_watch_fd(session->store);
	if (fd < 0)
		log_warning("no-watch", log_str("account", session->proc->account), log_errno("error", fd),
		    log_str("hint", "clients in IDLE hear of mail some seconds later; raise fs.inotify.max_user_instances and max_user_watches"));
	session->watch = event_new(session->proc->base, fd < 0 ? -1 : fd, (short)((fd < 0 ? 0 : EV_READ) | EV_PERSIST), on_change, session);
	if (session->watch == NULL)
		abort();
	(void)event_add(session->watch, fd < 0 ? &look : NULL);
	/* What changed before the watch was set is told now. */
	ms_watch_drain(session->store);
	session_news(session);
}

void
cmd_idle(struct session *session, struct imap_command *command)
{
	(void)command;
	session_put(session, SPAN("+ idling\r\n"));
	session_idle_begin(session);
}

void
session_idle_stop(struct session *session)
{
	if (session->watch != NULL)
		event_free(session->watch);
	session->watch = NULL;
}

bool
session_idle_input(struct session *session, struct span input)
{
	ptrdiff_t newline = span_chr(input, '\n');
	struct span line;
	bool done;

	if (newline < 0 && input.len <= IMAP_LINE_MAX)
		return false;
	line = span_make(input.ptr, newline < 0 ? input.len : (size_t)newline);
	done = span_ieq(span_trim(line), SPAN("DONE"));
	/* A command, which waits for the end of IDLE: passed over whole, with its literals. */
	session->skip_line = !done || newline < 0;
	if (done)
		stream_consume(session->stream, newline < 0 ? input.len : (size_t)newline + 1);
	session->phase = SESSION_COMMANDS;
	session_idle_stop(session);
	if (done)
		session_answer(session, "OK", "IDLE completed");
	else
		session_bad(session, "Expected DONE");
	return true;
}
