/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208). All mailboxes of an account have the root ""; one that has a quota of its own has another
 * beside it, named as the mailbox is. */
#include <stdlib.h>

#include "common/cleanup.h"
#include "imapd/session_cmds.h"
#include "imapd/session_status.h"

#define ACCOUNT_ROOT ""

/* STORAGE is in units of 1024 bytes: a part of one counts as one. */
static unsigned long long
kilobytes(uint64_t bytes)
{
	return (unsigned long long)(bytes / 1024 + (bytes % 1024 != 0));
}

static void
put_root(struct session *session, const char *root)
{
	if (root[0] == '\0')
		session_put(session, SPAN("\"\""));
	else
		session_put_mailbox(session, span_of(root));
}

static void
put_quota(struct session *session, const char *root, const struct ms_quota *quota, const struct ms_quota *usage)
{
	session_put(session, SPAN("* QUOTA "));
	put_root(session, root);
	session_put(session, SPAN(" ("));
	if (quota->bytes != 0)
		session_fmt(session, "STORAGE %llu %llu", kilobytes(usage->bytes), (unsigned long long)(quota->bytes / 1024));
	if (quota->messages != 0)
		session_fmt(session, "%sMESSAGE %llu %llu", quota->bytes != 0 ? " " : "", (unsigned long long)usage->messages,
		    (unsigned long long)quota->messages);
	session_put(session, SPAN(")\r\n"));
}

static int
put_account_quota(struct session *session)
{
	struct ms_quota usage;
	int rc = ms_usage(session->store, &usage);

	if (rc == 0)
		put_quota(session, ACCOUNT_ROOT, ms_quota(session->store), &usage);
	return rc;
}

static bool
has_quota(const struct ms_mailbox_info *info)
{
	return info->quota.bytes != 0 || info->quota.messages != 0;
}

static void
put_mailbox_quota(struct session *session, const struct ms_mailbox_info *info)
{
	put_quota(session, info->name, &info->quota, &(struct ms_quota){ info->size, info->messages });
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
	_cleanup_(freep) char *name = span_dup(command->mailbox);
	struct ms_mailbox_info info;
	bool found;
	int rc;

	if (command->mailbox.len == 0) {
		answer(session, "GETQUOTA", put_account_quota(session));
		return;
	}
	rc = ms_mailbox_status(session->store, name, &info);
	found = rc == 0 && has_quota(&info);
	if (found)
		put_mailbox_quota(session, &info);
	if (rc == 0)
		ms_mailbox_info_clear(&info);
	if (found || (rc != 0 && rc != MS_E_NOTFOUND))
		answer(session, "GETQUOTA", rc);
	else
		session_answer(session, "NO", "[NONEXISTENT] There is no such quota root");
}

void
cmd_getquotaroot(struct session *session, struct imap_command *command)
{
	_cleanup_(freep) char *name = span_dup(command->mailbox);
	struct ms_mailbox_info info;
	int rc = ms_mailbox_status(session->store, name, &info);

	if (rc == 0) {
		session_put(session, SPAN("* QUOTAROOT "));
		session_put_mailbox(session, span_of(info.name));
		session_put(session, SPAN(" "));
		put_root(session, ACCOUNT_ROOT);
		if (has_quota(&info)) {
			session_put(session, SPAN(" "));
			put_root(session, info.name);
		}
		session_put(session, SPAN("\r\n"));
		rc = put_account_quota(session);
		if (rc == 0 && has_quota(&info))
			put_mailbox_quota(session, &info);
		ms_mailbox_info_clear(&info);
	}
	answer(session, "GETQUOTAROOT", rc);
}

void
cmd_setquota(struct session *session, struct imap_command *command)
{
	(void)command;
	session_answer(session, "NO", "[NOPERM] The postmaster sets quotas");
}
