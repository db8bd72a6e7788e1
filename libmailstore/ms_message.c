/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Records of messages and all that hangs on them: counters, changes, places, threads. Each function is a step of a transaction. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "libmailstore/ms_entries.h"
#include "libmailstore/ms_set.h"
#include "libmailstore/ms_text_index.h"
#include "libmailstore/ms_texts.h"

int
ms_meta_get(struct bdb *bdb, struct bdb_txn *txn, const char *name, uint64_t *ret)
{
	void *bytes;
	size_t len;
	int r = bdb_get(bdb, txn, T_META, name, strlen(name), &bytes, &len);

	if (r != 0)
		return r;
	if (len == 8)
		*ret = ms_key_get_u64(bytes);
	free(bytes);
	return len == 8 ? 0 : MS_DAMAGED;
}

int
ms_meta_put(struct ms_txn *txn, const char *name, uint64_t value)
{
	uint8_t bytes[8];

	ms_key_u64(bytes, value);
	return bdb_put(txn->bdb, txn->txn, T_META, name, strlen(name), bytes, sizeof(bytes));
}

/* In a new index nothing is known of what left before its first number. */
static int
set_floor(struct ms_txn *txn, uint64_t modseq)
{
	uint64_t floor;
	int r;

	if (txn->store->has_floor)
		return 0;
	r = ms_meta_get(txn->bdb, txn->txn, "floor", &floor);
	txn->store->has_floor = r == 0;
	return r == BDB_NONE ? ms_meta_put(txn, "floor", modseq) : r;
}

int
ms_next_modseq(struct ms_txn *txn, uint64_t *ret)
{
	struct timespec now;
	uint64_t least;
	int r;

	txn->changed = true;
	/* A new index counts from the clock on, in 65536ths of a second: a synced change takes longer than one, so this is above
	 * all that an index before it gave; and below 2^53 for JSON. So does one that may have lost the last that it gave. */
	(void)clock_gettime(CLOCK_REALTIME, &now);
	*ret = least = (uint64_t)now.tv_sec << 16 | (uint64_t)now.tv_nsec >> 14;
	r = ms_meta_get(txn->bdb, txn->txn, "modseq", ret);
	if (txn->store->doubt && *ret < least)
		*ret = least;
	if (r == 0 || r == BDB_NONE)
		r = ms_meta_put(txn, "modseq", ++*ret);
	if (r == 0)
		r = set_floor(txn, *ret);
	return ms_bdb(r);
}

int
ms_message_load_named(struct ms_txn *txn, uint32_t mailbox, uint32_t uid, struct ms_message_record *ret)
{
	return ms_entry_load(txn->bdb, txn->txn, mailbox, uid, ret);
}

int
ms_message_load(struct ms_txn *txn, uint32_t mailbox, uint32_t uid, struct ms_message_record *ret)
{
	struct ms_pending_list pending = { .list = NULL };
	int r = ms_message_load_named(txn, mailbox, uid, ret);

	if (r == 0)
		r = ms_pending_read(txn->bdb, txn->txn, mailbox, uid / MS_UIDS_EACH, uid / MS_UIDS_EACH, &pending);
	if (r == 0)
		(void)ms_pending_apply(&pending, &ret->message);
	ms_pending_clear(&pending);
	return r;
}

static int
put_record(struct ms_txn *txn, uint32_t mailbox, const struct ms_message_record *record, uint64_t came)
{
	struct ms_message_record copy = *record;

	copy.came = came;
	return ms_entry_put(txn, mailbox, &copy);
}

static int
put_change(struct ms_txn *txn, uint32_t mailbox, const struct ms_message *message)
{
	return ms_set_add(txn, &ms_set_changes, message->modseq, MS_PLACE(mailbox, message->uid));
}

/* The latest change of a message stands once: what was noted before is taken back. */
static int
take_change(struct ms_txn *txn, uint32_t mailbox, const struct ms_message_record *record)
{
	return ms_set_remove(txn, &ms_set_changes, record->noted, MS_PLACE(mailbox, record->message.uid));
}

bool
ms_counts_equal(const struct ms_mailbox_record *a, const struct ms_mailbox_record *b)
{
	return a->messages == b->messages && a->unseen == b->unseen && a->deleted == b->deleted && a->size == b->size &&
	    a->deleted_size == b->deleted_size;
}

void
ms_message_count(struct ms_mailbox_record *mailbox, const struct ms_message *message, int sign)
{
	uint64_t size = sign > 0 ? message->size : 0 - message->size;
	uint32_t one = (uint32_t)sign;
	bool deleted = (message->flags & MS_DELETED) != 0;

	mailbox->messages += one;
	mailbox->unseen += (message->flags & MS_SEEN) == 0 ? one : 0;
	mailbox->deleted += deleted ? one : 0;
	mailbox->size += size;
	mailbox->deleted_size += deleted ? size : 0;
}

int
ms_message_insert(struct ms_txn *txn, uint32_t mailbox, struct ms_mailbox_record *record, const struct ms_message_record *message, struct span texts)
{
	int r = put_record(txn, mailbox, message, message->message.modseq);

	if (r == 0)
		r = ms_texts_put(txn, mailbox, message->message.uid, texts);
	if (r == 0)
		r = ms_set_add(txn, &ms_set_places, message->message.email_id, MS_PLACE(mailbox, message->message.uid));
	if (r == 0)
		r = ms_uids_note(txn, mailbox, NULL, &message->message);
	if (r == 0)
		r = put_change(txn, mailbox, &message->message);
	if (r == 0) {
		ms_message_count(record, &message->message, 1);
		record->modseq = message->message.modseq;
	}
	return r;
}

int
ms_message_update(struct ms_txn *txn, uint32_t mailbox, struct ms_mailbox_record *record, const struct ms_message_record *before,
    const struct ms_message_record *after)
{
	bool news = after->message.modseq != before->message.modseq;
	int r = put_record(txn, mailbox, after, before->came);

	if (r == 0)
		r = ms_uids_note(txn, mailbox, &before->message, &after->message);
	if (r == 0 && news)
		r = take_change(txn, mailbox, before);
	if (r == 0 && news)
		r = put_change(txn, mailbox, &after->message);
	if (r == 0) {
		ms_message_count(record, &before->message, -1);
		ms_message_count(record, &after->message, 1);
		if (news)
			record->modseq = after->message.modseq;
	}
	return r;
}

int
ms_message_follow(struct ms_txn *txn, uint32_t mailbox, const struct ms_message_record *before, const struct ms_message_record *after)
{
	int r = put_record(txn, mailbox, after, before->came);

	if (r == 0)
		r = take_change(txn, mailbox, before);
	return r == 0 ? put_change(txn, mailbox, &after->message) : r;
}

int
ms_message_remove(struct ms_txn *txn, uint32_t mailbox, struct ms_mailbox_record *record, const struct ms_message_record *message, uint64_t modseq)
{
	struct ms_gone gone = {
		.mailbox = mailbox, .uid = message->message.uid, .id = message->message.email_id, .thread_id = message->message.thread_id,
		.came = message->came, .modseq = modseq,
	};
	int r = ms_entry_remove(txn, mailbox, message->message.uid);

	if (r == 0)
		r = ms_set_remove(txn, &ms_set_places, message->message.email_id, MS_PLACE(mailbox, message->message.uid));
	if (r == 0)
		r = ms_uids_note(txn, mailbox, &message->message, NULL);
	if (r == 0)
		r = ms_texts_remove(txn, mailbox, message->message.uid);
	if (r == 0)
		r = take_change(txn, mailbox, message);
	if (r == 0)
		r = ms_gone_put(txn, &gone);
	if (r == 0) {
		ms_message_count(record, &message->message, -1);
		record->modseq = modseq;
	}
	return r;
}

int
ms_message_note_change(struct ms_txn *txn, uint32_t mailbox, uint32_t uid, uint64_t modseq)
{
	/* The text index may have passed where it was missing. */
	int r = ms_text_discard(txn, NULL);

	/* Who asked meanwhile was not told: whoever was away since before that looks at all. */
	if (r == 0)
		r = ms_bdb(ms_raise_floor(txn, modseq));
	return r == 0 ? put_change(txn, mailbox, &(struct ms_message){ .uid = uid, .modseq = modseq }) : r;
}

struct place {
	uint64_t place, email_id;
};

static int
find_place(void *context, uint64_t email_id, uint64_t at)
{
	struct place *place = context;

	if (at != place->place)
		return 0;
	place->email_id = email_id;
	return MS_AGAIN;
}

int
ms_message_drop(struct ms_txn *txn, uint32_t mailbox, struct ms_mailbox_record *record, uint32_t uid, uint64_t modseq)
{
	struct place place = { .place = MS_PLACE(mailbox, uid) };
	struct ms_message_record message = { .message = { .uid = uid, .flags = MS_SEEN } };
	int r;

	/* Where nothing told which there were: that one was not. */
	if (uid >= record->uidnext) {
		r = ms_entry_remove(txn, mailbox, uid);
		return r == 0 ? ms_uids_note(txn, mailbox, &message.message, NULL) : r;
	}
	r = ms_set_each(txn->bdb, txn->txn, &ms_set_places, (struct ms_pair){ 0, 0 }, UINT64_MAX, find_place, &place);

	if (r != 0 && r != MS_AGAIN)
		return r;
	message.message.email_id = place.email_id;
	/* It has not been counted: its record could not be read. */
	ms_message_count(record, &message.message, 1);
	return ms_message_remove(txn, mailbox, record, &message, modseq);
}

/* --- ids --- */

int
ms_email_id_take(struct ms_txn *txn, struct span unique, uint64_t *email_id)
{
	struct ms_message_record other;
	struct span name;
	uint64_t place;
	int r = ms_set_get(txn->bdb, txn->txn, &ms_set_places, *email_id, &place);

	if (r == 0)
		r = ms_message_load(txn, (uint32_t)(place >> 32), (uint32_t)place, &other);
	/* A record that is damaged may be this message's own, which is being made again. */
	if (r != 0)
		return r == MS_E_NOTFOUND || r == MS_BDB(MS_DAMAGED) ? 0 : r;
	name = span_of(other.name);
	name.len = strcspn(other.name, ",:");
	if (!span_eq(name, unique))
		*email_id = ms_name_hash(unique);
	return 0;
}

/* --- threads --- */

/* An id that is known leads to its thread: to that of its own number when there is one, which needs no pair of ids. */
static int
find_thread(struct ms_txn *txn, uint64_t id, uint64_t *ret_thread)
{
	uint64_t email;
	int r = ms_set_get(txn->bdb, txn->txn, &ms_set_known, id, ret_thread);

	if (r != MS_E_NOTFOUND)
		return r;
	*ret_thread = id;
	return ms_set_get(txn->bdb, txn->txn, &ms_set_threads, id, &email);
}

/* Makes all ids of a message lead to its thread, which has its number already. */
static int
note_ids(struct ms_txn *txn, const struct ms_derived *derived, uint64_t thread)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < derived->id_count; i++) {
		uint64_t known;

		r = find_thread(txn, derived->ids[i], &known);
		if (r == 0 && known == thread)
			continue;
		if (r == 0)
			r = ms_set_remove(txn, &ms_set_known, derived->ids[i], known);
		if ((r == 0 || r == MS_E_NOTFOUND) && derived->ids[i] != thread)
			r = ms_set_add(txn, &ms_set_known, derived->ids[i], thread);
	}
	return r;
}

int
ms_thread_note(struct ms_txn *txn, const struct ms_derived *derived, uint64_t email_id, uint64_t thread)
{
	int r = ms_set_add(txn, &ms_set_threads, thread, email_id);

	return r == 0 ? note_ids(txn, derived, thread) : r;
}

/* A message joins the thread of the first id that is known, and makes all its ids known. */
int
ms_thread_join(struct ms_txn *txn, const struct ms_derived *derived, uint64_t email_id, uint64_t *ret_thread)
{
	int r = MS_E_NOTFOUND;

	for (unsigned i = 0; i < derived->id_count && r == MS_E_NOTFOUND; i++)
		r = find_thread(txn, derived->ids[i], ret_thread);
	if (r == MS_E_NOTFOUND) {
		*ret_thread = derived->id_count != 0 ? derived->ids[0] : email_id;
		r = 0;
	}
	return r == 0 ? ms_thread_note(txn, derived, email_id, *ret_thread) : r;
}
