/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501 section 6.3; RFC 6154, RFC 8474). */
#include <stdlib.h>

#include "imapd/imap_pattern.h"
#include "imapd/session_cmds.h"
#include "imapd/session_mailbox.h"
#include "imapd/session_use.h"

/* RFC 3501 section 6.3.3: a delimiter at the end says that children will come; the name is without it. */
static char *
name_of(struct span mailbox)
{
	while (mailbox.len > 0 && mailbox.ptr[mailbox.len - 1] == IMAP_DELIMITER)
		mailbox.len--;
	return span_dup(mailbox);
}

static void
answer(struct session *session, const char *command, int rc)
{
	if (rc != 0)
		session_store_failed(session, command, rc);
	else
		session_answer(session, "OK", "%s completed", command);
}

void
cmd_create(struct session *session, struct imap_command *command)
{
	enum ms_use use = MS_USE_NONE;
	struct ms_mailbox_info info;
	char *name;
	int rc;

	if (command->special_use.len > 0 && !session_use_find(command->special_use, &use)) {
		session_answer(session, "NO", "[USEATTR] There is no such special use, or not together with others");
		return;
	}
	name = name_of(command->mailbox);
	rc = ms_mailbox_create(session->store, name, use);
	if (rc == 0 && ms_mailbox_status(session->store, name, &info) == 0) {
		session_answer(session, "OK", "[MAILBOXID (F%s)] CREATE completed", info.id);
		ms_mailbox_info_clear(&info);
	} else if (rc == MS_E_DENIED) {
		session_answer(session, "NO", "[USEATTR] Another mailbox has that special use");
	} else {
		answer(session, "CREATE", rc);
	}
	free(name);
}

void
cmd_delete(struct session *session, struct imap_command *command)
{
	char *name = span_dup(command->mailbox);
	int rc = ms_mailbox_delete(session->store, name);

	/* Without a mailbox there is nothing to say about it. */
	if (rc == 0 && session->selected != NULL &&
	    span_eq(command->mailbox, span_of(ms_mailbox_info(session->selected->mailbox)->name)))
		session_mailbox_close(session);
	answer(session, "DELETE", rc);
	free(name);
}

void
cmd_rename(struct session *session, struct imap_command *command)
{
	char *from = span_dup(command->mailbox), *to = name_of(command->target);

	answer(session, "RENAME", ms_mailbox_rename(session->store, from, to));
	free(from);
	free(to);
}

void
cmd_subscribe(struct session *session, struct imap_command *command)
{
	char *name = span_dup(command->mailbox);

	answer(session, "SUBSCRIBE", ms_subscribe(session->store, name, true));
	free(name);
}

void
cmd_unsubscribe(struct session *session, struct imap_command *command)
{
	char *name = span_dup(command->mailbox);

	answer(session, "UNSUBSCRIBE", ms_subscribe(session->store, name, false));
	free(name);
}
