/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The selected mailbox: opened, kept up with the store, left. */
#include "imapd/session_mailbox.h"

#include <stdlib.h>

#include "common/log.h"
#include "common/xalloc.h"

/* \Recent (RFC 3501 section 2.3.2) is what this session is told of first: what comes while the mailbox is selected. The store
 * keeps no count of what no session has seen, see imapd(8), CAVEATS; RFC 9051 has given the flag up. */
static int
add_message(void *context, const struct ms_message *message)
{
	struct session_mailbox *selected = context;

	(void)imap_view_add(&selected->view, message->uid, IMAP_VIEW_RECENT);
	return 0;
}

/* How many messages are looked through for the first unseen one. */
#define UNSEEN_LOOK 4096

static int
take_unseen(void *context, const struct ms_message *message)
{
	struct session_mailbox *selected = context;

	if ((message->flags & MS_SEEN) == 0)
		selected->first_unseen = imap_view_seq(&selected->view, message->uid);
	return selected->first_unseen != 0;
}

/* RFC 3501 section 6.3.1: a client that is not told the first unseen message can make no assumption about it, and searches if it wants
 * to know. So it is told when that is near the beginning, and a large mailbox opens as fast as a small one. */
static int
find_unseen(struct session_mailbox *selected)
{
	const struct imap_view *view = &selected->view;
	size_t look = view->count < UNSEEN_LOOK ? view->count : UNSEEN_LOOK;

	if (look == 0 || ms_mailbox_info(selected->mailbox)->unseen == 0)
		return 0;
	return ms_messages_flags(selected->mailbox, imap_view_uid(view, 1), imap_view_uid(view, (uint32_t)look), take_unseen, selected);
}

static void
mailbox_free(struct session_mailbox *selected)
{
	ms_mailbox_close(selected->mailbox);
	imap_view_free(&selected->view);
	free(selected);
}

int
session_mailbox_open(struct session *session, struct span name, bool read_only)
{
	struct session_mailbox *selected = xcalloc(1, sizeof(*selected));
	char *copy = span_dup(name);
	struct ms_uid_run *runs;
	size_t run_count, count;
	int rc = ms_mailbox_open(session->store, copy, &selected->mailbox);

	free(copy);
	if (rc == 0) {
		selected->read_only = read_only;
		selected->modseq = ms_mailbox_info(selected->mailbox)->modseq;
		rc = ms_mailbox_uid_runs(selected->mailbox, &runs, &run_count, &count);
		imap_view_begin(&selected->view, runs, run_count, count);
	}
	if (rc == 0)
		rc = find_unseen(selected);
	if (rc != 0) {
		mailbox_free(selected);
		return rc;
	}
	session->selected = selected;
	return 0;
}

void
session_mailbox_close(struct session *session)
{
	if (session->selected != NULL)
		mailbox_free(session->selected);
	session->selected = NULL;
}

bool
session_mailbox_read_only(const struct session *session)
{
	return session->selected != NULL && session->selected->read_only;
}

static int
take_change(void *context, uint32_t uid, uint64_t modseq)
{
	struct session_mailbox *selected = context;
	uint32_t seq = imap_view_seq(&selected->view, uid);

	if (modseq >= selected->own.first && modseq <= selected->own.last)
		return 0;
	if (seq != 0)
		imap_view_set(&selected->view, seq, IMAP_VIEW_CHANGED);
	else
		selected->has_new = true;
	return 0;
}

static int
take_expunge(void *context, uint32_t uid, uint64_t modseq)
{
	struct session_mailbox *selected = context;
	uint32_t seq = imap_view_seq(&selected->view, uid);

	(void)modseq;
	if (seq != 0)
		imap_view_set(&selected->view, seq, IMAP_VIEW_GONE);
	return 0;
}

static int
mark_present(void *context, const struct ms_message *message)
{
	struct session_mailbox *selected = context;
	uint32_t seq = imap_view_seq(&selected->view, message->uid);

	if (seq == 0)
		selected->has_new = true;
	else
		imap_view_set(&selected->view, seq, message->modseq > selected->modseq ? IMAP_VIEW_PRESENT | IMAP_VIEW_CHANGED : IMAP_VIEW_PRESENT);
	return 0;
}

/* When what left is not known, as after the index was made anew, what is there now is compared with the view. */
static int
compare_all(struct session_mailbox *selected)
{
	uint32_t seq;
	int rc = ms_messages(selected->mailbox, 1, UINT32_MAX, mark_present, selected);

	for (seq = 1; rc == 0 && seq <= selected->view.count; seq++)
		if ((selected->view.bits[seq - 1] & IMAP_VIEW_PRESENT) == 0)
			imap_view_set(&selected->view, seq, IMAP_VIEW_GONE);
	imap_view_clear_all(&selected->view, IMAP_VIEW_PRESENT);
	return rc;
}

void
session_mailbox_refresh(struct session *session)
{
	struct session_mailbox *selected = session->selected;
	uint64_t now;
	int rc = ms_mailbox_sync(selected->mailbox);

	if (rc == MS_E_STALE || rc == MS_E_NOTFOUND) {
		selected->deleted = true;
		return;
	}
	if (rc != 0)
		log_warning("sync-failed", log_str("account", session->proc->account), log_str("reason", ms_strerror(rc)));
	now = ms_mailbox_info(selected->mailbox)->modseq;
	if (now == selected->modseq)
		return;
	selected->has_new = false;
	rc = now < selected->modseq ? MS_E_FORGOTTEN :
	    ms_changed_uids(selected->mailbox, selected->modseq, take_change, take_expunge, selected);
	if (rc == MS_E_FORGOTTEN)
		rc = compare_all(selected);
	/* Changes come in order of modseq; the view wants UIDs in order. */
	if (rc == 0 && selected->has_new)
		rc = ms_messages(selected->mailbox, imap_view_last(&selected->view) + 1, UINT32_MAX, add_message, selected);
	selected->own.first = selected->own.last = 0;
	if (rc == 0)
		selected->modseq = now;
	else
		log_warning("changes-failed", log_str("account", session->proc->account), log_str("reason", ms_strerror(rc)));
}

struct ms_flags_apart *
session_mailbox_apart(struct session *session)
{
	struct session_mailbox *selected = session->selected;

	selected->own = (struct ms_flags_apart){ .since = selected->modseq, .others = take_change, .context = selected };
	return &selected->own;
}
