/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What changed since a modification sequence; where emails stand; threads. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "libmailstore/ms_entries.h"
#include "libmailstore/ms_set.h"

struct change {
	uint64_t modseq, id, came, thread_id;
	uint32_t mailbox, uid;
	bool left;
};

struct changes {
	uint64_t since;
	uint32_t mailbox; /* 0: all */
	bool history;     /* with what else is known of each */
	struct ms_waiting waiting;
	struct change *list;
	struct ms_message *messages; /* their records as they are now; UID 0: it is not there */
	size_t count, room;
	uint64_t floor;
};

static struct change *
add(struct changes *changes)
{
	if (changes->count == changes->room) {
		changes->room = changes->room != 0 ? changes->room * 2 : 64;
		changes->list = xreallocarray(changes->list, changes->room, sizeof(*changes->list));
	}
	return &changes->list[changes->count++];
}

static int
collect_gone(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct changes *changes = context;
	struct ms_gone gone;

	if (!ms_gone_get(span_make((const char *)key, key_len), span_make((const char *)value, len), &gone))
		return 0;
	if (changes->mailbox == 0 || (gone.mailbox == changes->mailbox && gone.uid != 0))
		*add(changes) = (struct change){ gone.modseq, gone.id, gone.came, gone.thread_id, gone.mailbox, gone.uid, true };
	return 0;
}

static int
collect(void *context, uint64_t modseq, uint64_t place)
{
	struct changes *changes = context;
	uint32_t mailbox = (uint32_t)(place >> 32);

	if (changes->mailbox == 0 || mailbox == changes->mailbox)
		*add(changes) = (struct change){ .modseq = modseq, .mailbox = mailbox, .uid = (uint32_t)place };
	return 0;
}

/* Of messages as they are: that is the latest change of each, and what else is known of it. */
static int
collect_message(void *context, uint32_t mailbox, const struct ms_entry *entry)
{
	const struct ms_message *message = &entry->message;

	if (entry->lost)
		return MS_DAMAGED;
	*add(context) = (struct change){ .modseq = message->modseq, .id = message->email_id, .came = entry->came, .mailbox = mailbox, .uid = message->uid };
	return 0;
}

static int
compare(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	if (x->modseq != y->modseq)
		return x->modseq < y->modseq ? -1 : 1;
	if (x->mailbox != y->mailbox)
		return x->mailbox < y->mailbox ? -1 : 1;
	return (x->uid > y->uid) - (x->uid < y->uid);
}

static int
compare_places(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	if (x->mailbox != y->mailbox)
		return x->mailbox < y->mailbox ? -1 : 1;
	if (x->uid != y->uid)
		return x->uid < y->uid ? -1 : 1;
	return (x->modseq > y->modseq) - (x->modseq < y->modseq);
}

/* Of each message the latest change, with what the first, which is of its record if there is one, knows besides. */
static void
keep_latest(struct changes *changes)
{
	size_t kept = 0;

	if (changes->count != 0)
		qsort(changes->list, changes->count, sizeof(*changes->list), compare_places);
	for (size_t i = 0; i < changes->count; i++) {
		struct change *last = kept != 0 ? &changes->list[kept - 1] : NULL, *change = &changes->list[i];

		if (last != NULL && last->mailbox == change->mailbox && last->uid == change->uid)
			last->modseq = change->modseq;
		else
			changes->list[kept++] = *change;
	}
	changes->count = kept;
}

static void
add_waiting(struct changes *changes, uint32_t mailbox, const struct ms_pending *pending)
{
	for (uint32_t bit = 0; bit < MS_UIDS_EACH; bit++)
		if (ms_pending_has(pending->map, bit))
			*add(changes) = (struct change){ .modseq = pending->modseq, .mailbox = mailbox, .uid = pending->n * MS_UIDS_EACH + bit };
}

/* Changes that names do not tell yet, and so no record does. */
static int
read_waiting(struct bdb *bdb, void *context)
{
	struct changes *changes = context;
	struct ms_pending_list pending = { .list = NULL };
	size_t before = changes->count;
	int r = 0;

	for (size_t i = 0; r == 0 && i < changes->waiting.count; i++) {
		uint32_t mailbox = changes->waiting.mailboxes[i];

		if (changes->mailbox != 0 && changes->mailbox != mailbox)
			continue;
		r = ms_pending_read(bdb, NULL, mailbox, 0, UINT32_MAX, &pending);
		for (size_t k = 0; r == 0 && k < pending.count; k++)
			if (pending.list[k].modseq > changes->since)
				add_waiting(changes, mailbox, &pending.list[k]);
	}
	ms_pending_clear(&pending);
	if (r == 0 && changes->count != before)
		keep_latest(changes);
	return r;
}

/* What left is read after what stands: a message that goes meanwhile is then told twice rather than not at all. */
static int
read_changes(struct bdb *bdb, void *context)
{
	struct changes *changes = context;
	uint8_t key[8];
	int r;

	changes->count = 0;
	changes->floor = 0;
	ms_key_u64(key, changes->since + 1);
	r = changes->history ? ms_entries(bdb, NULL, 0, 0, collect_message, changes)
	    : ms_set_each(bdb, NULL, &ms_set_changes, (struct ms_pair){ changes->since + 1, 0 }, UINT64_MAX, collect, changes);
	if (r == 0)
		r = ms_waiting_read(bdb, &changes->waiting);
	if (r == 0)
		r = read_waiting(bdb, changes);
	if (r == 0)
		r = ms_bdb(bdb_scan(bdb, NULL, T_GONE, key, 8, 0, collect_gone, changes));
	if (r != 0)
		return r;
	r = ms_meta_get(bdb, NULL, "floor", &changes->floor);
	return r == BDB_NONE ? 0 : ms_bdb(r); /* none: nothing has ever been here */
}

/* The records of those that have not left. */
static int
read_records(struct bdb *bdb, void *context)
{
	struct changes *changes = context;
	struct ms_txn txn = { .bdb = bdb };
	struct ms_pending_list pending = { .list = NULL };
	int r = 0;

	if (changes->waiting.count != 0)
		r = ms_pending_read(bdb, NULL, changes->mailbox, 0, UINT32_MAX, &pending);
	for (size_t i = 0; r == 0 && i < changes->count; i++) {
		const struct change *change = &changes->list[i];
		struct ms_message_record record = { .message = { .uid = 0 } };

		if (!change->left)
			r = ms_message_load_named(&txn, change->mailbox, change->uid, &record);
		if (r == MS_E_NOTFOUND)
			r = 0; /* it has left since: that is a later change */
		if (r == 0 && record.message.uid != 0)
			(void)ms_pending_apply(&pending, &record.message);
		changes->messages[i] = record.message;
	}
	ms_pending_clear(&pending);
	return r;
}

/* In order of modseq. */
static int
read_sorted(struct ms_mailbox *mailbox, struct changes *changes)
{
	int r = ms_ensure(mailbox->store);

	if (r == 0)
		r = ms_mailbox_follow(mailbox);
	changes->mailbox = mailbox->number;
	if (r == 0)
		r = ms_read(mailbox->store, read_changes, changes);
	if (r == 0 && changes->since < changes->floor)
		r = MS_E_FORGOTTEN;
	if (r == 0 && changes->count != 0)
		qsort(changes->list, changes->count, sizeof(*changes->list), compare);
	return r;
}

static void
clear(struct changes *changes)
{
	free(changes->waiting.mailboxes);
	free(changes->list);
	free(changes->messages);
}

int
ms_changes(struct ms_mailbox *mailbox, uint64_t modseq, ms_message_fn changed, ms_expunged_fn expunged, void *context)
{
	struct changes changes = { .since = modseq };
	int r = read_sorted(mailbox, &changes), stopped = 0;

	if (r == 0 && changes.count != 0) {
		changes.messages = xcalloc(changes.count, sizeof(*changes.messages));
		if (changed != NULL)
			r = ms_read(mailbox->store, read_records, &changes);
	}
	for (size_t i = 0; r == 0 && stopped == 0 && i < changes.count; i++) {
		const struct change *change = &changes.list[i];

		if (change->left)
			stopped = expunged != NULL ? expunged(context, change->uid, change->modseq) : 0;
		else if (changes.messages[i].uid != 0)
			stopped = changed(context, &changes.messages[i]);
	}
	clear(&changes);
	return r;
}

int
ms_changed_uids(struct ms_mailbox *mailbox, uint64_t modseq, ms_uid_fn changed, ms_expunged_fn expunged, void *context)
{
	struct changes changes = { .since = modseq };
	int r = read_sorted(mailbox, &changes), stopped = 0;

	for (size_t i = 0; r == 0 && stopped == 0 && i < changes.count; i++) {
		const struct change *change = &changes.list[i];

		stopped = (change->left ? expunged : changed)(context, change->uid, change->modseq);
	}
	clear(&changes);
	return r;
}

/* --- the whole account --- */

int
ms_account_history(struct ms_store *store, ms_event_fn each, void *context, uint64_t *ret_floor)
{
	struct changes changes = { .history = true };
	int r = ms_read(store, read_changes, &changes);

	*ret_floor = changes.floor;
	for (size_t i = 0; r == 0 && i < changes.count; i++) {
		const struct change *change = &changes.list[i];
		struct ms_event event = { .email_id = change->id, .thread_id = change->thread_id, .came = change->came, .modseq = change->modseq };

		event.kind = !change->left ? MS_EVENT_STANDS : change->uid != 0 ? MS_EVENT_LEFT : MS_EVENT_MAILBOX_LEFT;
		if ((change->left && change->modseq <= changes.floor) || (!change->left && change->id == 0))
			continue; /* told no more; expunged while its name waited */
		if (each(context, &event) != 0)
			break;
	}
	clear(&changes);
	return r;
}

/* --- mailboxes by their numbers --- */

struct id {
	uint32_t number;
	char id[MS_ID_LEN + 1];
};

struct ids {
	struct id *list;
	size_t count;
};

static void
collect_id(void *context, uint32_t number, struct ms_mailbox_record *record)
{
	struct ids *ids = context;

	ids->list = xreallocarray(ids->list, ids->count + 1, sizeof(*ids->list));
	ids->list[ids->count].number = number;
	(void)snprintf(ids->list[ids->count++].id, sizeof(ids->list->id), "%016" PRIx64, record->folder.id);
}

static int
read_ids(struct bdb *bdb, void *context)
{
	((struct ids *)context)->count = 0;
	return ms_mailbox_each(bdb, NULL, collect_id, context);
}

static const char *
id_of(const struct ids *ids, uint32_t number)
{
	for (size_t i = 0; i < ids->count; i++)
		if (ids->list[i].number == number)
			return ids->list[i].id;
	return "";
}

static int
read_modseq(struct bdb *bdb, void *context)
{
	void *bytes;
	size_t len;
	int r = bdb_get(bdb, NULL, T_META, "modseq", 6, &bytes, &len);

	*(uint64_t *)context = 0;
	if (r == BDB_NONE)
		return 0;
	if (r != 0)
		return ms_bdb(r);
	if (len == 8)
		*(uint64_t *)context = ms_key_get_u64(bytes);
	free(bytes);
	return 0;
}

int
ms_modseq(struct ms_store *store, uint64_t *ret)
{
	return ms_read(store, read_modseq, ret);
}

/* --- emails and threads --- */

struct places {
	uint64_t id;
	struct change *list;
	size_t count;
};

static int
collect_place(void *context, uint64_t email, uint64_t place)
{
	struct places *places = context;

	(void)email;
	places->list = xreallocarray(places->list, places->count + 1, sizeof(*places->list));
	places->list[places->count++] = (struct change){ .mailbox = (uint32_t)(place >> 32), .uid = (uint32_t)place };
	return 0;
}

static int
read_places(struct bdb *bdb, void *context)
{
	struct places *places = context;

	places->count = 0;
	return ms_set_each(bdb, NULL, &ms_set_places, (struct ms_pair){ places->id, 0 }, places->id, collect_place, places);
}

int
ms_email_places(struct ms_store *store, uint64_t email_id, ms_place_fn each, void *context)
{
	struct places places = { .id = email_id };
	struct ids ids = { .list = NULL };
	int r = ms_read(store, read_places, &places);

	if (r == 0)
		r = ms_read(store, read_ids, &ids);
	for (size_t i = 0; r == 0 && i < places.count; i++)
		if (each(context, id_of(&ids, places.list[i].mailbox), places.list[i].uid) != 0)
			break;
	if (r == 0 && places.count == 0)
		r = MS_E_NOTFOUND;
	free(places.list);
	free(ids.list);
	return r;
}

static int
collect_email(void *context, uint64_t thread, uint64_t email)
{
	struct places *places = context;

	(void)thread;
	places->list = xreallocarray(places->list, places->count + 1, sizeof(*places->list));
	places->list[places->count++] = (struct change){ .id = email };
	return 0;
}

/* In the order in which they came: so their ids are. */
static int
read_thread(struct bdb *bdb, void *context)
{
	struct places *places = context;

	places->count = 0;
	return ms_set_each(bdb, NULL, &ms_set_threads, (struct ms_pair){ places->id, 0 }, places->id, collect_email, places);
}

static int
stands_somewhere(void *context, const char *mailbox_id, uint32_t uid)
{
	(void)mailbox_id, (void)uid;
	*(bool *)context = true;
	return 1;
}

int
ms_thread_emails(struct ms_store *store, uint64_t thread_id, ms_email_fn each, void *context)
{
	struct places emails = { .id = thread_id };
	int r = ms_read(store, read_thread, &emails);
	bool any = false;

	for (size_t i = 0; r == 0 && i < emails.count; i++) {
		bool here = false;
		int found;

		/* The thread's list is not shortened when a message goes: what stands nowhere is passed over. */
		found = ms_email_places(store, emails.list[i].id, stands_somewhere, &here);
		if (found != 0 && found != MS_E_NOTFOUND)
			r = found;
		any = any || here;
		if (here && each(context, emails.list[i].id) != 0)
			break;
	}
	free(emails.list);
	return r == 0 && !any ? MS_E_NOTFOUND : r;
}
