/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What has changed in the selected mailbox, told when the command in work allows it. */
#include "imapd/session_mailbox.h"

/* RFC 3501 section 7.4.1: no EXPUNGE while a FETCH, STORE or SEARCH with sequence numbers is answered. */
static bool
may_expunge(const struct session *session)
{
	const struct imap_cmd *cmd = session->command.cmd;

	return cmd == NULL || (cmd->flags & IMAP_CMD_KEEPS_SEQS) == 0 || session->command.by_uid;
}

static void
tell_expunged(struct session *session)
{
	struct imap_view *view = &session->selected->view;

	if (view->gone > 0 && may_expunge(session))
		imap_view_expunge(view, (session->enabled & SESSION_QRESYNC) != 0, &session->out);
}

static void
tell_changed(struct session *session)
{
	struct session_mailbox *selected = session->selected;
	struct imap_view *view = &selected->view;
	struct ms_message message;
	uint32_t seq;

	if (view->changed == 0)
		return;
	for (seq = 1; seq <= view->count && view->changed > 0; seq++) {
		if ((view->bits[seq - 1] & IMAP_VIEW_CHANGED) == 0)
			continue;
		imap_view_clear(view, seq, IMAP_VIEW_CHANGED);
		if (ms_message_get(selected->mailbox, imap_view_uid(view, seq), &message) != 0)
			continue; /* expunged meanwhile: told with the next refresh */
		session_fmt(session, "* %u FETCH (", (unsigned)seq);
		if ((session->enabled & SESSION_QRESYNC) != 0 || session->command.by_uid)
			session_fmt(session, "UID %u ", (unsigned)message.uid);
		if ((session->enabled & SESSION_CONDSTORE) != 0)
			session_fmt(session, "MODSEQ (%llu) ", (unsigned long long)message.modseq);
		session_put(session, SPAN("FLAGS "));
		session_put_flags(session, &message, (view->bits[seq - 1] & IMAP_VIEW_RECENT) != 0);
		session_put(session, SPAN(")\r\n"));
	}
}

void
session_news(struct session *session)
{
	struct session_mailbox *selected = session->selected;
	size_t known;

	if (selected == NULL || (session->command.cmd != NULL && (session->command.cmd->flags & IMAP_CMD_NO_UPDATES) != 0))
		return;
	known = selected->view.count;
	session_mailbox_refresh(session);
	if (selected->deleted) {
		session_end(session, "[UNAVAILABLE] The mailbox was deleted");
		return;
	}
	if (ms_keyword(selected->mailbox, (unsigned)selected->keywords_told) != NULL)
		session_put_flags_known(session);
	known = selected->view.count - known;
	tell_expunged(session);
	if (known > 0)
		session_fmt(session, "* %zu EXISTS\r\n* %zu RECENT\r\n", selected->view.count, selected->view.recent);
	tell_changed(session);
}
