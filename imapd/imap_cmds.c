/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Every command of a session: its arguments, when it is legal, what runs it. */
#include "imapd/imap_state.h"
#include "imapd/session_cmds.h"

#define AUTH IMAP_AUTHENTICATED
#define SELECTED IMAP_SELECTED
#define ALWAYS IMAP_ALWAYS
#define UID IMAP_CMD_UID
#define KEEPS IMAP_CMD_KEEPS_SEQS
#define QUIET IMAP_CMD_NO_UPDATES
#define WRITES IMAP_CMD_WRITES

static const struct imap_cmd commands[] = {
	/* RFC 3501 section 6.1: in any state */
	{ "CAPABILITY", ALWAYS, 0, imap_args_none, cmd_capability },
	{ "NOOP", ALWAYS, 0, imap_args_none, cmd_noop },
	{ "LOGOUT", ALWAYS, QUIET, imap_args_none, cmd_logout },
	{ "ID", ALWAYS, 0, imap_args_id, cmd_id },
	/* section 6.2: done before this process began */
	{ "AUTHENTICATE", ALWAYS, QUIET, imap_args_any, cmd_too_late },
	{ "LOGIN", ALWAYS, QUIET, imap_args_any, cmd_too_late },
	{ "STARTTLS", ALWAYS, QUIET, imap_args_any, cmd_too_late },
	/* section 6.3: authenticated */
	{ "SELECT", ALWAYS, QUIET, imap_args_select, cmd_select },
	{ "EXAMINE", ALWAYS, QUIET, imap_args_select, cmd_examine },
	{ "CREATE", ALWAYS, 0, imap_args_create, cmd_create },
	{ "DELETE", ALWAYS, 0, imap_args_mailbox, cmd_delete },
	{ "RENAME", ALWAYS, 0, imap_args_rename, cmd_rename },
	{ "SUBSCRIBE", ALWAYS, 0, imap_args_mailbox, cmd_subscribe },
	{ "UNSUBSCRIBE", ALWAYS, 0, imap_args_mailbox, cmd_unsubscribe },
	{ "LIST", ALWAYS, 0, imap_args_list, cmd_list },
	{ "LSUB", ALWAYS, 0, imap_args_lsub, cmd_lsub },
	{ "STATUS", ALWAYS, 0, imap_args_status, cmd_status },
	{ "APPEND", ALWAYS, 0, imap_args_append, cmd_append },
	/* RFC 9208 */
	{ "GETQUOTA", ALWAYS, 0, imap_args_mailbox, cmd_getquota },
	{ "GETQUOTAROOT", ALWAYS, 0, imap_args_mailbox, cmd_getquotaroot },
	{ "SETQUOTA", ALWAYS, 0, imap_args_any, cmd_setquota },
	{ "NAMESPACE", ALWAYS, 0, imap_args_none, cmd_namespace },
	{ "ENABLE", ALWAYS, 0, imap_args_enable, cmd_enable },
	{ "IDLE", ALWAYS, 0, imap_args_none, cmd_idle },
	/* section 6.4: selected */
	{ "CHECK", SELECTED, 0, imap_args_none, cmd_check },
	{ "CLOSE", SELECTED, QUIET, imap_args_none, cmd_close },
	{ "UNSELECT", SELECTED, QUIET, imap_args_none, cmd_unselect },
	{ "EXPUNGE", SELECTED, UID | WRITES, imap_args_expunge, cmd_expunge },
	{ "SEARCH", SELECTED, UID | KEEPS, imap_args_search, cmd_search },
	{ "FETCH", SELECTED, UID | KEEPS, imap_args_fetch, cmd_fetch },
	{ "STORE", SELECTED, UID | KEEPS | WRITES, imap_args_store, cmd_store },
	{ "COPY", SELECTED, UID, imap_args_copy, cmd_copy },
	{ "MOVE", SELECTED, UID | WRITES, imap_args_copy, cmd_move },
};

const struct imap_cmd *
imap_cmd_find(struct span name, bool by_uid)
{
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (span_ieq(name, span_of(commands[i].name)))
			return !by_uid || (commands[i].flags & UID) != 0 ? &commands[i] : NULL;
	return NULL;
}
