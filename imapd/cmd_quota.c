/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208). All mailboxes of an account have one root, "". */
#include <stdlib.h>

#include "imapd/session_cmds.h"
#include "imapd/session_status.h"

/* STORAGE is in units of 1024 bytes: a part of one counts as one. */
static unsigned long long
kilobytes(uint64_t bytes)
{
	return (unsigned long long)(bytes / 1024 + (bytes % 1024 != 0));
}

static int
put_quota(struct session *session)
{
	const struct ms_quota *quota = ms_quota(session->store);
	struct ms_quota usage;
	int rc = ms_usage(session->store, &usage);

	if (rc != 0)
		return rc;
	session_put(session, SPAN("* QUOTA \"\" ("));
	if (quota->bytes != 0)
		session_fmt(session, "STORAGE %llu %llu", kilobytes(usage.bytes), (unsigned long long)(quota->bytes / 1024));
	if (quota->messages != 0)
		session_fmt(session, "%sMESSAGE %llu %llu", quota->bytes != 0 ? " " : "", (unsigned long long)usage.messages,
		    (unsigned long long)quota->messages);
	session_put(session, SPAN(")\r\n"));
	return 0;
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
cmd_getquota(struct session *session, struct imap_command *command)
{
	if (command->quota_root.len != 0)
		session_answer(session, "NO", "[NONEXISTENT] There is no such quota root");
	else
		answer(session, "GETQUOTA", put_quota(session));
}

void
cmd_getquotaroot(struct session *session, struct imap_command *command)
{
	struct ms_mailbox_info info;
	char *name = span_dup(command->mailbox);
	int rc = ms_mailbox_status(session->store, name, &info);

	free(name);
	if (rc == 0) {
		session_put(session, SPAN("* QUOTAROOT "));
		session_put_mailbox(session, span_of(info.name));
		session_put(session, SPAN(" \"\"\r\n"));
		ms_mailbox_info_clear(&info);
		rc = put_quota(session);
	}
	answer(session, "GETQUOTAROOT", rc);
}

void
cmd_setquota(struct session *session, struct imap_command *command)
{
	(void)command;
	session_answer(session, "NO", "[NOPERM] The postmaster sets quotas");
}
