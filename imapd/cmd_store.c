/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* STORE (RFC 3501 section 6.4.6, RFC 7162 section 3.1.3). */
#include <stdlib.h>

#include "common/xalloc.h"
#include "imapd/session_cmds.h"
#include "imapd/session_flags.h"
#include "imapd/session_mailbox.h"
#include "imapd/session_walk.h"

/* Messages changed in one step: what is promised at once costs one sync. */
#define BATCH ((size_t)1 << 17)
/* Whose flags are told in one step. */
#define TELL 1000

struct store {
	struct session_walk walk;
	uint32_t *uids, *modified;
	size_t room, told, count; /* the first `told` of them are */
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
	free(store->uids);
	free(store->modified);
	free(store);
}

struct told {
	struct session *session;
	const struct store *store;
	size_t at, end; /* of the store's UIDs */
};

static int
tell_one(void *context, const struct ms_message *message)
{
	struct told *told = context;
	struct session *session = told->session;
	bool condstore = (session->enabled & SESSION_CONDSTORE) != 0, silent = session->command.silent;
	const struct imap_view *view = &session->selected->view;
	uint32_t seq;

	while (told->at < told->end && told->store->uids[told->at] < message->uid)
		told->at++;
	if (told->at == told->end)
		return 1;
	seq = told->store->uids[told->at] == message->uid ? imap_view_seq(view, message->uid) : 0;
	if (seq == 0)
		return 0;
	session_put_number(session, SPAN("* "), seq);
	session_put(session, SPAN(" FETCH ("));
	if (session->command.by_uid) {
		session_put_number(session, SPAN("UID "), message->uid);
		session_put(session, SPAN(" "));
	}
	if (condstore) {
		session_put_number(session, SPAN("MODSEQ ("), message->modseq);
		session_put(session, silent ? SPAN(")") : SPAN(") "));
	}
	if (!silent) {
		session_put(session, SPAN("FLAGS "));
		session_put_flags(session, message, (view->bits[seq - 1] & IMAP_VIEW_RECENT) != 0);
	}
	session_put(session, SPAN(")\r\n"));
	return 0;
}

/* What we did ourselves is no news, nor what is told of the messages now. RFC 3501 section 6.4.6: what others did to them is told also with
 * .SILENT, or the client never hears of it. */
static void
take_note(struct session *session, const struct store *store)
{
	struct session_mailbox *selected = session->selected;
	uint32_t seq;

	session_mailbox_refresh(session);
	for (size_t i = 0; !session->command.silent && i < store->count; i++)
		if ((seq = imap_view_seq(&selected->view, store->uids[i])) != 0)
			imap_view_clear(&selected->view, seq, IMAP_VIEW_CHANGED);
}

/* Without .SILENT the new flags are told; with CONDSTORE the new mod-sequence in any case (RFC 7162 section 3.1.3). */
static void
tell_some(struct session *session, struct store *store)
{
	bool condstore = (session->enabled & SESSION_CONDSTORE) != 0;
	size_t end = store->count - store->told < TELL ? store->count : store->told + TELL;
	struct told told = { .session = session, .store = store, .at = store->told, .end = end };
	struct session_mailbox *selected = session->selected;
	const uint32_t *uids = &store->uids[store->told];
	size_t count = end - store->told;
	struct ms_message message;

	if (session->command.silent && !condstore) {
		store->told = store->count;
		return;
	}
	store->told = end;
	/* Side by side they are read in one go; a few far apart are asked for. */
	if (uids[count - 1] - uids[0] < 8 * count)
		(void)(condstore ? ms_messages : ms_messages_flags)(selected->mailbox, uids[0], uids[count - 1], tell_one, &told);
	else
		for (size_t i = 0; i < count; i++)
			if (ms_message_get(selected->mailbox, uids[i], &message) == 0)
				(void)tell_one(&told, &message);
}

static void
finish(struct session *session, struct store *store)
{
	imap_set_end(&store->failed_set);
	if (store->failed.len > 0)
		session_answer(session, "OK", "[MODIFIED %s] Some messages had changed", buf_cstr(&store->failed));
	else if (store->missed)
		session_answer_gone(session, "Some messages are gone");
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

	if (store->told < store->count) {
		tell_some(session, store);
		return JOB_MORE;
	}
	count = session_walk_uids(session, &store->walk, store->uids, store->room);
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
		rc = ms_store_flags_apart(session->selected->mailbox, store->uids, count, ops[command->how], session_flags(&command->flags),
		    store->keywords, command->unchanged_since, store->modified, &modified, session_mailbox_apart(session));
	}
	if (rc == MS_E_NOTFOUND) {
		store->missed = true;
	} else if (rc != 0) {
		session_store_failed(session, "STORE", rc);
		return JOB_DONE;
	}
	store->told = 0;
	store->count = keep_back(session, store, count, modified);
	take_note(session, store);
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
	store->room = session->selected->view.count < BATCH ? session->selected->view.count : BATCH;
	store->uids = xcalloc(store->room, sizeof(*store->uids));
	store->modified = xcalloc(store->room, sizeof(*store->modified));
	store->keywords = session_keywords(&command->flags);
	buf_init(&store->failed, 1 << 20);
	store->failed_set.out = &store->failed;
	session_set_job(session, &store_job, store);
}
