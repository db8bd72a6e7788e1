/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Pieces of answers, and the answers to what went wrong. */
#include <errno.h>

#include "common/date.h"
#include "common/imap_string.h"
#include "common/log.h"
#include "common/utf7.h"
#include "imapd/session.h"

#define NAME_MAX_ENCODED 8192

void
session_put_number(struct session *session, struct span text, uint64_t number)
{
	session_put(session, text);
	(void)buf_u64(&session->out, number);
}

void
session_put_string(struct session *session, struct span text)
{
	(void)imap_nstring_append(&session->out, text, 0);
}

void
session_put_mailbox(struct session *session, struct span name)
{
	struct buf encoded = BUF_INIT(NAME_MAX_ENCODED);
	size_t i;

	/* A folder that another program named in a way that cannot be encoded is shown as it stands. */
	if (utf7_encode(name, &encoded) != 0)
		(void)buf_span(&encoded, name);
	for (i = 0; i < encoded.len; i++)
		if (!ascii_is_alnum(encoded.data[i]) && strchr("-_./&+,$=@:", encoded.data[i]) == NULL)
			break;
	if (i > 0 && i == encoded.len && !span_ieq(buf_get(&encoded), SPAN("NIL")))
		session_put(session, buf_get(&encoded));
	else
		session_put_string(session, span_of(buf_cstr(&encoded)));
	buf_free(&encoded);
}

void
session_put_date(struct session *session, int64_t time)
{
	char text[DATE_SIZE];

	session_put(session, SPAN("\""));
	session_put(session, date_format_imap((struct date){ .utc = time }, text));
	session_put(session, SPAN("\""));
}

void
session_bad(struct session *session, const char *text)
{
	session_answer(session, "BAD", "%s", text);
	if (++session->bad < SESSION_BAD_MAX)
		return;
	session->why = "bad-commands";
	session_end(session, "Too many commands that make no sense");
}

void
session_answer_gone(struct session *session, const char *text)
{
	session_answer(session, session->command.by_uid ? "OK" : "NO", "[EXPUNGEISSUED] %s", text);
}

/* RFC 5530. */
static const struct {
	int result;
	const char *code, *text;
} failures[] = {
	{ MS_E_NOTFOUND, "NONEXISTENT", "There is no such mailbox" },
	{ MS_E_EXISTS, "ALREADYEXISTS", "There is a mailbox of that name" },
	{ MS_E_BADNAME, "CANNOT", "A mailbox or keyword cannot have that name" },
	{ MS_E_QUOTA, "OVERQUOTA", "The quota is exhausted" },
	{ MS_E_STALE, "NONEXISTENT", "The mailbox was deleted" },
	{ MS_E_LOCKED, "INUSE", "The mailbox is in use, try again" },
	{ MS_E_CORRUPT, "CORRUPTION", "The mailbox is damaged" },
	{ MS_E_DENIED, "CANNOT", "That cannot be done to this mailbox" },
	{ MS_E_LIMIT, "LIMIT", "There are too many mailboxes, or keywords in this one" },
	{ -ENOSPC, "UNAVAILABLE", "There is no room on the disk" },
	{ -EDQUOT, "OVERQUOTA", "There is no room on the disk" },
};

void
session_store_failed(struct session *session, const char *what, int rc)
{
	size_t i;

	if (rc < 0 || rc == MS_E_CORRUPT)
		log_error("store-failed", log_str("account", session->proc->account), log_str("command", what),
		    log_str("reason", ms_strerror(rc)));
	for (i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
		if (failures[i].result == rc) {
			session_answer(session, "NO", "[%s] %s", failures[i].code, failures[i].text);
			return;
		}
	session_answer(session, "NO", "[SERVERBUG] %s failed", what);
}
