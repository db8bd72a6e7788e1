/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* STATUS (RFC 3501 section 6.3.10; RFC 7162, 8438, 8474, 9208). */
#include <stdlib.h>

#include "imapd/session_cmds.h"
#include "imapd/session_status.h"

void
session_put_status(struct session *session, const struct ms_mailbox_info *info, unsigned items)
{
	const struct {
		enum imap_status_item item;
		const char *name;
		unsigned long long value;
	} numbers[] = {
		{ IMAP_STATUS_MESSAGES, "MESSAGES", info->messages },
		{ IMAP_STATUS_RECENT, "RECENT", 0 }, /* what no session has seen yet is not counted */
		{ IMAP_STATUS_UIDNEXT, "UIDNEXT", info->uidnext },
		{ IMAP_STATUS_UIDVALIDITY, "UIDVALIDITY", info->uidvalidity },
		{ IMAP_STATUS_UNSEEN, "UNSEEN", info->unseen },
		{ IMAP_STATUS_DELETED, "DELETED", info->deleted },
		{ IMAP_STATUS_DELETED_STORAGE, "DELETED-STORAGE", info->deleted_size },
		{ IMAP_STATUS_HIGHESTMODSEQ, "HIGHESTMODSEQ", info->modseq },
		{ IMAP_STATUS_SIZE, "SIZE", info->size },
	};
	const char *separator = "";
	size_t i;

	session_put(session, SPAN("* STATUS "));
	session_put_mailbox(session, span_of(info->name));
	session_put(session, SPAN(" ("));
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if ((items & numbers[i].item) == 0)
			continue;
		session_fmt(session, "%s%s %llu", separator, numbers[i].name, numbers[i].value);
		separator = " ";
	}
	if ((items & IMAP_STATUS_MAILBOXID) != 0)
		session_fmt(session, "%sMAILBOXID (F%s)", separator, info->id);
	session_put(session, SPAN(")\r\n"));
}

void
cmd_status(struct session *session, struct imap_command *command)
{
	struct ms_mailbox_info info;
	char *name = span_dup(command->mailbox);
	int rc = ms_mailbox_status(session->store, name, &info);

	free(name);
	if (rc != 0) {
		session_store_failed(session, "STATUS", rc);
		return;
	}
	/* RFC 7162 section 3.1: asking for it turns it on. */
	if ((command->status & IMAP_STATUS_HIGHESTMODSEQ) != 0)
		session->enabled |= SESSION_CONDSTORE;
	session_put_status(session, &info, command->status);
	ms_mailbox_info_clear(&info);
	session_answer(session, "OK", "STATUS completed");
}
