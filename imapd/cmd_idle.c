/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* IDLE (RFC 2177). */
#include <event2/event.h>
#include <stdlib.h>

#include "frame/store_watch.h"
#include "imapd/session_cmds.h"
#include "imapd/session_idle.h"
#include "imapd/session_mailbox.h"

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
	session->phase = SESSION_IDLE;
	if (session->selected == NULL)
		return;
	session->watch = store_watch(session->proc, session->store, on_change, session);
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
