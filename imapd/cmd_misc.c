/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Commands that touch no mailbox: CAPABILITY, NOOP, LOGOUT, ID, NAMESPACE, ENABLE, CHECK. */
#include "imapd/imap_capability.h"
#include "imapd/imap_pattern.h"
#include "imapd/session.h"
#include "imapd/session_cmds.h"

void
cmd_capability(struct session *session, struct imap_command *command)
{
	(void)command;
	session_put(session, SPAN("* CAPABILITY "));
	imap_capability_after((uint64_t)session->conf->message_size_max, &session->out);
	session_put(session, SPAN("\r\n"));
	session_answer(session, "OK", "CAPABILITY completed");
}

void
cmd_noop(struct session *session, struct imap_command *command)
{
	(void)command;
	session_answer(session, "OK", "NOOP completed");
}

/* What a checkpoint is for the store it does by itself; the news are the point (RFC 3501 section 6.4.1). */
void
cmd_check(struct session *session, struct imap_command *command)
{
	(void)command;
	session_answer(session, "OK", "CHECK completed");
}

void
cmd_logout(struct session *session, struct imap_command *command)
{
	(void)command;
	session_put(session, SPAN("* BYE Logging out\r\n"));
	session_answer(session, "OK", "LOGOUT completed");
	session_end(session, NULL);
}

void
cmd_id(struct session *session, struct imap_command *command)
{
	(void)command;
	imap_id_answer(&session->out);
	session_answer(session, "OK", "ID completed");
}

void
cmd_too_late(struct session *session, struct imap_command *command)
{
	(void)command;
	session_bad(session, "Already logged in");
}

/* RFC 2342: one personal namespace, nothing of others and nothing shared. */
void
cmd_namespace(struct session *session, struct imap_command *command)
{
	(void)command;
	session_fmt(session, "* NAMESPACE ((\"\" \"%c\")) NIL NIL\r\n", IMAP_DELIMITER);
	session_answer(session, "OK", "NAMESPACE completed");
}

/* RFC 5161: only what is new is told. */
void
cmd_enable(struct session *session, struct imap_command *command)
{
	unsigned added = command->enable & ~session->enabled;

	session_put(session, SPAN("* ENABLED"));
	if ((added & SESSION_CONDSTORE) != 0)
		session_put(session, SPAN(" CONDSTORE"));
	if ((added & SESSION_QRESYNC) != 0)
		session_put(session, SPAN(" QRESYNC"));
	session_put(session, SPAN("\r\n"));
	session->enabled |= added;
	session_answer(session, "OK", "ENABLE completed");
}
