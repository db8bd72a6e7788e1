/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* SELECT and EXAMINE (RFC 3501 section 6.3.1, 6.3.2; RFC 7162, RFC 8474). */
#include "imapd/session_cmds.h"
#include "imapd/session_mailbox.h"
#include "imapd/session_resync.h"

static void
put_state(struct session *session)
{
	struct session_mailbox *selected = session->selected;
	const struct ms_mailbox_info *info = ms_mailbox_info(selected->mailbox);

	session_put_flags_known(session);
	session_fmt(session, "* %zu EXISTS\r\n", selected->view.count);
	session_fmt(session, "* %zu RECENT\r\n", selected->view.recent);
	if (selected->first_unseen != 0)
		session_fmt(session, "* OK [UNSEEN %u] First unseen\r\n", (unsigned)selected->first_unseen);
	session_fmt(session, "* OK [UIDVALIDITY %u] UIDs valid\r\n", (unsigned)info->uidvalidity);
	session_fmt(session, "* OK [UIDNEXT %u] Predicted next UID\r\n", (unsigned)info->uidnext);
	session_fmt(session, "* OK [HIGHESTMODSEQ %llu] Highest\r\n", (unsigned long long)info->modseq);
	session_fmt(session, "* OK [MAILBOXID (F%s)] Identity\r\n", info->id);
}

static void
open_mailbox(struct session *session, struct imap_command *command, bool read_only)
{
	int rc;

	if (command->qresync && (session->enabled & SESSION_QRESYNC) == 0) {
		session_bad(session, "ENABLE QRESYNC first");
		return;
	}
	/* RFC 3501: a SELECT that fails leaves nothing selected. */
	if (session->selected != NULL) {
		session_mailbox_close(session);
		session_put(session, SPAN("* OK [CLOSED] Previous mailbox closed\r\n"));
	}
	if (command->condstore)
		session->enabled |= SESSION_CONDSTORE;
	rc = session_mailbox_open(session, command->mailbox, read_only);
	if (rc != 0) {
		session_store_failed(session, command->cmd->name, rc);
		return;
	}
	put_state(session);
	if (command->qresync && (rc = session_resync(session, command)) != 0) {
		session_mailbox_close(session);
		session_store_failed(session, command->cmd->name, rc);
		return;
	}
	session_answer(session, "OK", "[%s] %s completed", read_only ? "READ-ONLY" : "READ-WRITE", command->cmd->name);
}

void
cmd_select(struct session *session, struct imap_command *command)
{
	open_mailbox(session, command, false);
}

void
cmd_examine(struct session *session, struct imap_command *command)
{
	open_mailbox(session, command, true);
}
