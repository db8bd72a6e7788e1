/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What a client missed while it was away. */
#include "imapd/session_resync.h"

#include <stdlib.h>

#include "common/xalloc.h"
#include "imapd/session_mailbox.h"

#define SET_MAX (64 * 1024 * 1024)

struct missed {
	const struct imap_set *set; /* NULL: any */
	uint32_t star;              /* what "*" is in it */
	uint32_t *uids;
	size_t count, room;
};

static bool
set_has(const struct missed *missed, uint32_t uid)
{
	const struct imap_set *set = missed->set;
	uint32_t low, high, swap;
	size_t i;

	if (set == NULL)
		return true;
	for (i = 0; i < set->count; i++) {
		low = set->range[i].low == IMAP_STAR ? missed->star : set->range[i].low;
		high = set->range[i].high == IMAP_STAR ? missed->star : set->range[i].high;
		if (low > high) {
			swap = low;
			low = high;
			high = swap;
		}
		if (uid >= low && uid <= high)
			return true;
	}
	return false;
}

static void
add_uid(struct missed *missed, uint32_t uid)
{
	if (missed->count == missed->room) {
		missed->room = missed->room == 0 ? 64 : missed->room * 2;
		missed->uids = xreallocarray(missed->uids, missed->room, sizeof(missed->uids[0]));
	}
	missed->uids[missed->count++] = uid;
}

static int
take_expunged(void *context, uint32_t uid, uint64_t modseq)
{
	struct missed *missed = context;

	(void)modseq;
	if (set_has(missed, uid))
		add_uid(missed, uid);
	return 0;
}

static int
compare(const void *left, const void *right)
{
	const uint32_t *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

static void
put_earlier(struct session *session, struct missed *missed)
{
	struct buf out = BUF_INIT(SET_MAX);
	struct imap_set_text text = { .out = &out };
	uint32_t last = 0;
	size_t i;

	if (missed->count > 0) {
		qsort(missed->uids, missed->count, sizeof(missed->uids[0]), compare);
		for (i = 0; i < missed->count; i++) {
			if (missed->uids[i] != last)
				imap_set_add(&text, missed->uids[i]);
			last = missed->uids[i];
		}
		imap_set_end(&text);
		session_put(session, SPAN("* VANISHED (EARLIER) "));
		session_put(session, buf_get(&out));
		session_put(session, SPAN("\r\n"));
	}
	buf_free(&out);
	free(missed->uids);
}

static int
take_changed(void *context, const struct ms_message *message)
{
	(void)context;
	(void)message;
	return 0;
}

/* --- when what left is not known any more --- */

static int
compare_ranges(const void *left, const void *right)
{
	const struct imap_range *a = left, *b = right;

	return (a->low > b->low) - (a->low < b->low);
}

/* The set in order, with "*" as what it is. For free(3). */
static struct imap_range *
ordered(const struct imap_set *set, uint32_t star, size_t *ret_count)
{
	static const struct imap_range all = { 1, UINT32_MAX };
	struct imap_range *ranges;

	*ret_count = set != NULL ? set->count : 1;
	ranges = xcalloc(*ret_count, sizeof(*ranges));
	if (set == NULL)
		ranges[0] = all;
	for (size_t i = 0; set != NULL && i < set->count; i++) {
		uint32_t low = set->range[i].low == IMAP_STAR ? star : set->range[i].low, high = set->range[i].high == IMAP_STAR ? star : set->range[i].high;

		ranges[i] = low <= high ? (struct imap_range){ low, high } : (struct imap_range){ high, low };
	}
	if (*ret_count > 1)
		qsort(ranges, *ret_count, sizeof(*ranges), compare_ranges);
	return ranges;
}

/* RFC 7162 section 3.2.5.2: then all UIDs of the set that are not there are told, as ranges: there may be very many. Below the next
 * one, or a client could not tell what comes. */
static void
put_absent(struct session *session, const struct imap_set *set)
{
	const struct imap_view *view = &session->selected->view;
	uint32_t uidnext = ms_mailbox_info(session->selected->mailbox)->uidnext, uid = 1;
	struct buf out = BUF_INIT(SET_MAX);
	struct imap_view_walk walk = { .view = view };
	size_t count, next = 0;
	struct imap_range *ranges = ordered(set, imap_view_last(view), &count);

	for (size_t i = 0; i <= view->count; i++) {
		uint32_t present = i < view->count ? imap_view_next(&walk) : uidnext;

		while (next < count && ranges[next].high < uid)
			next++;
		for (size_t k = next; k < count && ranges[k].low < present && uid < present; k++) {
			uint32_t low = ranges[k].low > uid ? ranges[k].low : uid, high = ranges[k].high < present - 1 ? ranges[k].high : present - 1;

			if (low > high)
				continue;
			(void)buf_fmt(&out, low == high ? "%s%u" : "%s%u:%u", out.len != 0 ? "," : "", (unsigned)low, (unsigned)high);
			uid = high + 1; /* ranges may overlap */
		}
		uid = present + 1;
	}
	if (out.len != 0) {
		session_put(session, SPAN("* VANISHED (EARLIER) "));
		session_put(session, buf_get(&out));
		session_put(session, SPAN("\r\n"));
	}
	buf_free(&out);
	free(ranges);
}

/* --- the answers --- */

int
session_put_vanished(struct session *session, uint64_t modseq, const struct imap_set *set)
{
	struct session_mailbox *selected = session->selected;
	struct missed missed = { .set = set, .star = imap_view_last(&selected->view) };

	int rc = ms_changes(selected->mailbox, modseq, take_changed, take_expunged, &missed);

	if (rc != 0)
		missed.count = 0;
	put_earlier(session, &missed);
	if (rc == MS_E_FORGOTTEN) {
		put_absent(session, set);
		rc = 0;
	}
	return rc;
}

struct resync {
	struct session *session;
	uint64_t modseq; /* what the client knows */
	struct missed vanished, changed;
};

static int
take_resync_expunged(void *context, uint32_t uid, uint64_t modseq)
{
	struct resync *resync = context;

	return take_expunged(&resync->vanished, uid, modseq);
}

static int
take_resync_changed(void *context, const struct ms_message *message)
{
	struct resync *resync = context;

	if (message->modseq > resync->modseq && set_has(&resync->changed, message->uid))
		add_uid(&resync->changed, message->uid);
	return 0;
}

int
session_resync(struct session *session, const struct imap_command *command)
{
	struct session_mailbox *selected = session->selected;
	const struct imap_set *known = command->known_uids_given ? &command->known_uids : NULL;
	struct resync resync = {
		.session = session,
		.modseq = command->known_modseq,
		.vanished = { .set = known, .star = imap_view_last(&selected->view) },
		.changed = { .set = known, .star = imap_view_last(&selected->view) },
	};
	struct ms_message message;
	uint32_t seq;
	size_t i;
	int rc;

	if (command->known_validity != ms_mailbox_info(selected->mailbox)->uidvalidity)
		return 0;
	/* What we never said the client has from an index before this one, of which no modification sequence counts any more: a clock that
	 * was put back, and then the loss of that index. */
	if (command->known_modseq > selected->modseq) {
		resync.modseq = 0;
		rc = MS_E_FORGOTTEN;
	} else {
		rc = ms_changes(selected->mailbox, command->known_modseq, take_resync_changed, take_resync_expunged, &resync);
	}
	if (rc == MS_E_FORGOTTEN) {
		put_absent(session, known);
		rc = ms_messages(selected->mailbox, 1, UINT32_MAX, take_resync_changed, &resync);
	}
	if (rc != 0)
		resync.vanished.count = resync.changed.count = 0;
	put_earlier(session, &resync.vanished);
	if (resync.changed.count > 1)
		qsort(resync.changed.uids, resync.changed.count, sizeof(resync.changed.uids[0]), compare);
	for (i = 0; i < resync.changed.count; i++) {
		seq = imap_view_seq(&selected->view, resync.changed.uids[i]);
		if (seq == 0 || ms_message_get(selected->mailbox, resync.changed.uids[i], &message) != 0)
			continue;
		session_fmt(session, "* %u FETCH (UID %u FLAGS ", (unsigned)seq, (unsigned)message.uid);
		session_put_flags(session, &message, (selected->view.bits[seq - 1] & IMAP_VIEW_RECENT) != 0);
		session_fmt(session, " MODSEQ (%llu))\r\n", (unsigned long long)message.modseq);
	}
	free(resync.changed.uids);
	return rc;
}
