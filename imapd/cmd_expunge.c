/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* EXPUNGE and UID EXPUNGE (RFC 4315), and CLOSE, which expunges without telling. */
#include <stdlib.h>

#include "common/xalloc.h"
#include "imapd/session_cmds.h"
#include "imapd/session_mailbox.h"
#include "imapd/session_walk.h"

struct deleted {
	const struct imap_view *view;
	uint32_t *uids;
	size_t count;
};

static int
collect(void *context, const struct ms_message *message)
{
	struct deleted *deleted = context;

	/* What the client has not been told of it cannot have meant. */
	if ((message->flags & MS_DELETED) != 0 && imap_view_seq(deleted->view, message->uid) != 0)
		deleted->uids[deleted->count++] = message->uid;
	return 0;
}

/* Expunges what is \Deleted, of the messages in set when there is one. */
static int
expunge(struct session *session, const struct imap_set *set)
{
	struct session_mailbox *selected = session->selected;
	struct deleted deleted = { .view = &selected->view };
	struct imap_span_list list = { 0 };
	size_t i;
	int rc = 0;

	deleted.uids = xcalloc(selected->view.count + 1, sizeof(deleted.uids[0]));
	if (set == NULL) {
		rc = ms_messages(selected->mailbox, 1, UINT32_MAX, collect, &deleted);
	} else {
		(void)imap_view_resolve(&selected->view, set, true, &list); /* UIDs are never out of range */
		for (i = 0; rc == 0 && i < list.count; i++)
			rc = ms_messages(selected->mailbox, imap_view_uid(&selected->view, list.span[i].first),
			    imap_view_uid(&selected->view, list.span[i].last), collect, &deleted);
		free(list.span);
	}
	if (rc == 0 && deleted.count > 0)
		rc = ms_expunge_deleted(selected->mailbox, deleted.uids, deleted.count);
	free(deleted.uids);
	return rc;
}

/* RFC 7162 section 3.2.7: with CONDSTORE the new mod-sequence is told. */
static void
answer_expunged(struct session *session)
{
	session_mailbox_refresh(session);
	if ((session->enabled & SESSION_CONDSTORE) != 0)
		session_answer(session, "OK", "[HIGHESTMODSEQ %llu] EXPUNGE completed",
		    (unsigned long long)session->selected->modseq);
	else
		session_answer(session, "OK", "EXPUNGE completed");
}

void
cmd_expunge(struct session *session, struct imap_command *command)
{
	int rc = expunge(session, command->by_uid ? &command->set : NULL);

	if (rc != 0)
		session_store_failed(session, "EXPUNGE", rc);
	else
		answer_expunged(session);
}

void
cmd_close(struct session *session, struct imap_command *command)
{
	int rc = 0;

	(void)command;
	if (!session->selected->read_only)
		rc = expunge(session, NULL);
	session_mailbox_close(session);
	if (rc != 0)
		session_store_failed(session, "CLOSE", rc);
	else
		session_answer(session, "OK", "CLOSE completed");
}

/* RFC 3691: CLOSE without expunging. */
void
cmd_unselect(struct session *session, struct imap_command *command)
{
	(void)command;
	session_mailbox_close(session);
	session_answer(session, "OK", "UNSELECT completed");
}
