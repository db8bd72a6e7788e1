/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* STORE (RFC 3501 section 6.4.6, RFC 7162 section 3.1.3). */
#include <stdlib.h>

#include "common/xalloc.h"
#include "imapd/session_cmds.h"
#include "imapd/session_flags.h"
#include "imapd/session_mailbox.h"
#include "imapd/session_walk.h"

/* Messages changed in one step. */
#define BATCH 500

struct store {
	struct session_walk walk;
	uint32_t uids[BATCH], modified[BATCH];
	const char **keywords;
	struct buf failed; /* the set of those that UNCHANGEDSINCE kept back */
	struct imap_set_text failed_set;
	bool missed;
};

static void
store_free(void *state)
{
	struct store *store = state;

	session_walk_free(&store->walk);
	session_keywords_free(store->keywords);
	buf_free(&store->failed);
	free(store);
}

/* Without .SILENT the new flags are told; with CONDSTORE the new mod-sequence in any case (RFC 7162 section 3.1.3). */
static void
tell(struct session *session, const struct store *store, size_t count)
{
	struct session_mailbox *selected = session->selected;
	bool condstore = (session->enabled & SESSION_CONDSTORE) != 0;
	struct ms_message message;
	uint32_t seq;
	size_t i;

	/* What we did ourselves is no news. */
	session_mailbox_refresh(session);
	for (i = 0; i < count; i++) {
		seq = imap_view_seq(&selected->view, store->uids[i]);
		if (seq == 0)
			continue;
		imap_view_clear(&selected->view, seq, IMAP_VIEW_CHANGED);
		if ((session->command.silent && !condstore) || ms_message_get(selected->mailbox, store->uids[i], &message) != 0)
			continue;
		session_fmt(session, "* %u FETCH (", (unsigned)seq);
		if (session->command.by_uid)
			session_fmt(session, "UID %u ", (unsigned)message.uid);
		if (condstore)
			session_fmt(session, "MODSEQ (%llu)%s", (unsigned long long)message.modseq, session->command.silent ? "" : " ");
		if (!session->command.silent) {
			session_put(session, SPAN("FLAGS "));
			session_put_flags(session, &message, (selected->view.bits[seq - 1] & IMAP_VIEW_RECENT) != 0);
		}
		session_put(session, SPAN(")\r\n"));
	}
}

static void
finish(struct session *session, struct store *store)
{
	imap_set_end(&store->failed_set);
	if (store->failed.len > 0)
		session_answer(session, "OK", "[MODIFIED %s] Some messages had changed", buf_cstr(&store->failed));
	else if (store->missed)
		session_answer(session, "NO", "[EXPUNGEISSUED] Some messages are gone");
	else
		session_answer(session, "OK", "STORE completed");
}

/* Messages that were kept back are named in the answer and taken off the list of those whose flags are told. */
static size_t
keep_back(struct session *session, struct store *store, size_t count, size_t modified)
{
	size_t i, next = 0, kept = 0;
	uint32_t uid;

	for (i = 0; i < count; i++) {
		uid = store->uids[i];
		if (next < modified && store->modified[next] == uid) {
			next++;
			imap_set_add(&store->failed_set, session->command.by_uid ? uid : imap_view_seq(&session->selected->view, uid));
		} else {
			store->uids[kept++] = uid;
		}
	}
	return kept;
}

static enum job_result
store_step(struct session *session, void *state)
{
	static const enum ms_store_op ops[] = {
		[IMAP_STORE_REPLACE] = MS_FLAGS_SET, [IMAP_STORE_ADD] = MS_FLAGS_ADD, [IMAP_STORE_REMOVE] = MS_FLAGS_REMOVE,
	};
	struct store *store = state;
	const struct imap_command *command = &session->command;
	size_t count, modified = 0;
	int rc;

	count = session_walk_uids(session, &store->walk, store->uids, BATCH);
	if (count == 0) {
		finish(session, store);
		return JOB_DONE;
	}
	if (command->unchanged_since_given && command->unchanged_since == 0) {
		/* RFC 7162 section 3.1.3: every message has changed since 0. */
		memcpy(store->modified, store->uids, count * sizeof(store->uids[0]));
		modified = count;
		rc = 0;
	} else {
		rc = ms_store_flags(session->selected->mailbox, store->uids, count, ops[command->how],
		    session_flags(&command->flags), store->keywords, command->unchanged_since, store->modified, &modified);
	}
	if (rc == MS_E_NOTFOUND) {
		store->missed = true;
	} else if (rc != 0) {
		session_store_failed(session, "STORE", rc);
		return JOB_DONE;
	}
	tell(session, store, keep_back(session, store, count, modified));
	return JOB_MORE;
}

static const struct session_job store_job = { store_step, store_free };

void
cmd_store(struct session *session, struct imap_command *command)
{
	struct store *store;
	struct session_walk walk;

	if (command->unchanged_since_given)
		session->enabled |= SESSION_CONDSTORE;
	if (!session_walk_begin(session, &command->set, command->by_uid, &walk)) {
		session_bad(session, "There is no message with that number");
		return;
	}
	store = xcalloc(1, sizeof(*store));
	store->walk = walk;
	store->keywords = session_keywords(&command->flags);
	buf_init(&store->failed, 1 << 20);
	store->failed_set.out = &store->failed;
	session_set_job(session, &store_job, store);
}
