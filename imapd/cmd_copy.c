/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* COPY (RFC 3501 section 6.4.7) and MOVE (RFC 6851), with COPYUID (RFC 4315). The first is all or nothing in the store, the second is so for each
 * message. */
#include <stdlib.h>

#include "common/xalloc.h"
#include "imapd/session_cmds.h"
#include "imapd/session_mailbox.h"
#include "imapd/session_walk.h"

/* Each message adds at most "4294967295," to each of the sets. */
#define SETS_MAX (64 * 1024 * 1024)

/* COPYUID's two sets: sources in the order they were copied, and what became of them. */
static void
put_uid_sets(const uint32_t *from, const uint32_t *to, size_t count, struct buf *out)
{
	struct imap_set_text text = { .out = out };
	size_t i;

	for (i = 0; i < count; i++)
		if (to[i] != 0)
			imap_set_add(&text, from[i]);
	imap_set_end(&text);
	(void)buf_char(out, ' ');
	text = (struct imap_set_text){ .out = out };
	for (i = 0; i < count; i++)
		if (to[i] != 0)
			imap_set_add(&text, to[i]);
	imap_set_end(&text);
}

/* RFC 2180 section 4.4.2: messages that somebody else expunged do not keep the others back. */
static void
answer(struct session *session, bool move, const char *copyuid, size_t copied, size_t wanted)
{
	const char *name = move ? "MOVE" : "COPY";

	if (copied == 0 && wanted > 0)
		session_answer_gone(session, "The messages are gone");
	else if (copied == 0)
		session_answer(session, "OK", "%s completed, no messages", name);
	else if (move)
		session_answer(session, "OK", "%s completed", name);
	else
		session_answer(session, "OK", "[%s] %s completed", copyuid, name);
}

static void
copy(struct session *session, struct imap_command *command, bool move)
{
	struct session_walk walk;
	struct buf sets = BUF_INIT(SETS_MAX);
	uint32_t *from, *to, validity = 0;
	size_t count, copied = 0, i;
	char *target;
	int rc;

	if (!session_walk_begin(session, &command->set, command->by_uid, &walk)) {
		session_bad(session, "There is no message with that number");
		return;
	}
	from = xcalloc(session->selected->view.count + 1, sizeof(*from));
	to = xcalloc(session->selected->view.count + 1, sizeof(*to));
	count = session_walk_uids(session, &walk, from, session->selected->view.count);
	session_walk_free(&walk);
	target = span_dup(command->target);
	rc = ms_copy(session->selected->mailbox, from, count, target, move, to, &validity);
	free(target);
	for (i = 0; (rc == 0 || move) && i < count; i++)
		copied += to[i] != 0;
	if (copied > 0) {
		(void)buf_fmt(&sets, "COPYUID %u ", (unsigned)validity);
		put_uid_sets(from, to, count, &sets);
		/* RFC 6851 section 4.3: for MOVE it comes before the EXPUNGEs, also of those that it moved before it failed. */
		if (move)
			session_fmt(session, "* OK [%s] Moved\r\n", buf_cstr(&sets));
	}
	if (rc == MS_E_NOTFOUND)
		session_answer(session, "NO", "[TRYCREATE] There is no such mailbox");
	else if (rc != 0)
		session_store_failed(session, move ? "MOVE" : "COPY", rc);
	else
		answer(session, move, buf_cstr(&sets), copied, count);
	buf_free(&sets);
	free(from);
	free(to);
}

void
cmd_copy(struct session *session, struct imap_command *command)
{
	copy(session, command, false);
}

void
cmd_move(struct session *session, struct imap_command *command)
{
	copy(session, command, true);
}
