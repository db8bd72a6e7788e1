/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Flags of many messages at once, without a rename or a record of each: the bitmaps change, and what is to be done to the names is noted,
 * in one transaction. Later small changes of messages whose names wait go the same way, so that all stays in order. */
#include <errno.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "libmailstore/ms_entries.h"

struct many {
	struct ms_flagging *flagging;
	struct ms_mailbox_record record;
	uint32_t letters;   /* of the keywords that are given */
	uint64_t modseq;
	uint64_t changed;   /* messages */
	bool waiting;       /* a name of one of them does already */
	struct ms_pending_list pending;
};

/* The bitmaps that an operation may change, and how they are afterwards. */
struct plane {
	unsigned number;
	bool on;
};

static unsigned
planes_of(const struct many *many, struct plane ret[MS_UIDS_FLAGS + MS_KEYWORDS_FIRST + 1])
{
	enum ms_store_op op = many->flagging->op;
	unsigned count = 0, keywords = many->record.folder.keyword_count;

	for (unsigned i = 0; i < MS_UIDS_FLAGS; i++)
		if (op == MS_FLAGS_SET || (many->flagging->flags >> i & 1) != 0)
			ret[count++] = (struct plane){ MS_UIDS_FLAG(i), op != MS_FLAGS_REMOVE && (many->flagging->flags >> i & 1) != 0 };
	for (unsigned i = 0; i < keywords && i < MS_KEYWORDS_FIRST; i++) {
		bool given = i < MS_LETTERS && (many->letters >> i & 1) != 0;

		if (op == MS_FLAGS_SET || given)
			ret[count++] = (struct plane){ MS_UIDS_KEYWORD(i), op != MS_FLAGS_REMOVE && given };
	}
	if (op == MS_FLAGS_SET && keywords > MS_KEYWORDS_FIRST)
		ret[count++] = (struct plane){ MS_UIDS_MORE, false };
	return count;
}

/* --- the messages of one block --- */

struct sizes {
	const uint8_t *map;
	uint32_t n;
	uint64_t sum;
};

#define END 100

static int
add_size(void *context, uint32_t mailbox, const struct ms_entry *entry)
{
	struct sizes *sizes = context;

	(void)mailbox;
	if (entry->message.uid / MS_UIDS_EACH != sizes->n)
		return END;
	if (!ms_pending_has(sizes->map, entry->message.uid))
		return 0;
	if (entry->lost)
		return MS_DAMAGED;
	sizes->sum += entry->message.size;
	return 0;
}

static int
sum_sizes(struct ms_txn *txn, uint32_t mailbox, uint32_t n, const uint8_t map[MS_UIDS_BYTES], uint64_t *ret)
{
	struct sizes sizes = { .map = map, .n = n };
	int r = ms_entries(txn->bdb, txn->txn, mailbox, n * MS_UIDS_EACH, add_size, &sizes);

	*ret = sizes.sum;
	return r == MS_BDB(END) ? 0 : r;
}

static unsigned
count_bits(const uint8_t map[MS_UIDS_BYTES])
{
	unsigned count = 0;

	for (size_t i = 0; i < MS_UIDS_BYTES; i++)
		count += (unsigned)__builtin_popcount(map[i]);
	return count;
}

/* Puts the bits of `changed` on or off in one bitmap; counters follow. */
static int
change_plane(struct ms_txn *txn, struct many *many, struct plane plane, const struct ms_pending *change)
{
	uint32_t mailbox = many->flagging->mailbox->number, toggled;
	struct ms_mailbox_record *record = &many->record;
	uint8_t turned[MS_UIDS_BYTES];
	struct ms_uids_page *page;
	uint64_t size = 0;
	int r = ms_uids_take(txn, mailbox, plane.number, change->n, &page);

	if (r != 0)
		return r;
	for (size_t i = 0; i < MS_UIDS_BYTES; i++) {
		turned[i] = (uint8_t)(change->map[i] & (plane.on ? ~page->map[i] : page->map[i]));
		page->map[i] ^= turned[i];
		page->changed = page->changed || turned[i] != 0;
	}
	toggled = count_bits(turned);
	if (plane.number == MS_UIDS_FLAG(0))
		record->unseen += plane.on ? 0 - toggled : toggled;
	if (plane.number != MS_UIDS_FLAG(3) || toggled == 0)
		return 0;
	r = sum_sizes(txn, mailbox, change->n, turned, &size);
	record->deleted += plane.on ? toggled : 0 - toggled;
	record->deleted_size += plane.on ? size : 0 - size;
	return r;
}

_Static_assert(MS_SEEN == 1 << 0 && MS_DELETED == 1 << 3, "the bitmaps that counters follow");

/* Of those that are wanted, the messages that are there and not yet as they should be. */
static int
find_changed(struct ms_txn *txn, const struct many *many, const struct plane *planes, unsigned plane_count, struct ms_pending *change)
{
	uint32_t mailbox = many->flagging->mailbox->number;
	uint8_t differs[MS_UIDS_BYTES] = { 0 };
	struct ms_uids_page *page;
	int r = ms_uids_take(txn, mailbox, MS_UIDS_ALL, change->n, &page);

	for (size_t i = 0; r == 0 && i < MS_UIDS_BYTES; i++)
		change->map[i] &= page->map[i];
	for (unsigned k = 0; r == 0 && k < plane_count; k++) {
		r = ms_uids_take(txn, mailbox, planes[k].number, change->n, &page);
		for (size_t i = 0; r == 0 && i < MS_UIDS_BYTES; i++)
			differs[i] |= (uint8_t)(planes[k].on ? ~page->map[i] : page->map[i]);
	}
	for (size_t i = 0; i < MS_UIDS_BYTES; i++)
		change->map[i] &= differs[i];
	return r;
}

/* Messages that changed after UNCHANGEDSINCE are taken out, and named. */
static int
keep_back(struct ms_txn *txn, struct ms_flagging *flagging, size_t from, size_t to, struct ms_pending *change)
{
	struct ms_message_record record;
	int r = 0;

	for (size_t i = from; r == 0 && flagging->unchanged_since != 0 && i < to; i++) {
		uint32_t bit = flagging->uids[i] % MS_UIDS_EACH;

		r = ms_message_load(txn, flagging->mailbox->number, flagging->uids[i], &record);
		if (r == 0 && record.message.modseq > flagging->unchanged_since) {
			change->map[bit / 8] = (uint8_t)(change->map[bit / 8] & ~(1u << bit % 8));
			if (flagging->modified != NULL)
				flagging->modified[flagging->modified_count++] = flagging->uids[i];
		}
		r = r == MS_E_NOTFOUND ? 0 : r;
	}
	return r;
}

static int
look_at_waiting(struct ms_txn *txn, struct many *many, const struct ms_pending *change)
{
	int r = ms_pending_read(txn->bdb, txn->txn, many->flagging->mailbox->number, change->n, change->n, &many->pending);

	for (size_t i = 0; i < many->pending.count && !many->waiting; i++)
		for (size_t k = 0; k < MS_UIDS_BYTES; k++)
			many->waiting = many->waiting || (many->pending.list[i].map[k] & change->map[k]) != 0;
	return r == 0 && many->pending.count >= MS_PENDING_MAX ? MS_FOLLOW_FIRST : r;
}

static int
change_block(struct ms_txn *txn, struct many *many, size_t from, size_t to)
{
	struct ms_flagging *flagging = many->flagging;
	struct ms_pending change = { .n = flagging->uids[from] / MS_UIDS_EACH, .op = flagging->op, .flags = flagging->flags, .letters = many->letters };
	struct plane planes[MS_UIDS_FLAGS + MS_KEYWORDS_FIRST + 1];
	unsigned plane_count = planes_of(many, planes);
	int r;

	for (size_t i = from; i < to; i++) {
		uint32_t bit = flagging->uids[i] % MS_UIDS_EACH;

		change.map[bit / 8] = (uint8_t)(change.map[bit / 8] | 1u << bit % 8);
	}
	r = keep_back(txn, flagging, from, to, &change);
	if (r == 0)
		r = find_changed(txn, many, planes, plane_count, &change);
	if (r != 0 || ms_pending_map_empty(change.map))
		return r;
	r = look_at_waiting(txn, many, &change);
	if (r == 0 && many->modseq == 0)
		r = ms_next_modseq(txn, &many->modseq);
	for (unsigned i = 0; r == 0 && i < plane_count; i++)
		r = change_plane(txn, many, planes[i], &change);
	change.modseq = many->modseq;
	many->changed += count_bits(change.map);
	return r == 0 ? ms_pending_put(txn, flagging->mailbox->number, &change) : r;
}

/* --- the whole --- */

static int
change_blocks(struct ms_txn *txn, struct many *many)
{
	const struct ms_flagging *flagging = many->flagging;
	size_t end;
	int r = 0;

	for (size_t at = 0; r == 0 && at < flagging->count; at = end) {
		end = at + 1;
		while (end < flagging->count && flagging->uids[end] / MS_UIDS_EACH == flagging->uids[at] / MS_UIDS_EACH)
			end++;
		r = change_block(txn, many, at, end);
	}
	return r;
}

static int
flag_many(struct ms_txn *txn, void *context)
{
	struct ms_flagging *flagging = context;
	struct many many = { .flagging = flagging };
	struct ms_keywords keywords;
	int r = ms_mailbox_load(txn, flagging->mailbox->number, &many.record);

	if (r != 0)
		return r;
	flagging->modified_count = 0;
	r = ms_keywords_take(flagging->folder_fd, &many.record, flagging->keywords, &keywords);
	if (r == 0 && (keywords.more_count != 0 || keywords.first >> MS_LETTERS != 0))
		r = many.record.pending != 0 ? MS_FOLLOW_FIRST : MS_BY_NAMES; /* a name may have no room for them, which is to be told now */
	many.letters = (uint32_t)keywords.first;
	if (r == 0)
		r = change_blocks(txn, &many);
	if (r == 0 && !many.waiting && many.changed != 0 && many.changed <= flagging->mailbox->store->many)
		r = MS_BY_NAMES;
	if (r == 0 && many.changed != 0) {
		many.record.modseq = many.modseq;
		r = ms_pending_file_write(txn, flagging->mailbox->number, flagging->folder_fd, &many.record);
	}
	if (r == MS_E_LIMIT && many.changed != 0)
		r = MS_FOLLOW_FIRST; /* no room in the file */
	flagging->first = flagging->last = many.modseq;
	/* Also when nothing changed: a keyword may be new. */
	if (r == 0)
		r = ms_mailbox_save(txn, flagging->mailbox->number, &many.record);
	ms_pending_clear(&many.pending);
	ms_mailbox_record_clear(&many.record);
	return r;
}

struct look {
	const struct ms_flagging *flagging;
	bool waiting; /* the name of one of them does */
};

static int
look_for_waiting(struct bdb *bdb, void *context)
{
	struct look *look = context;
	const struct ms_flagging *flagging = look->flagging;
	struct ms_pending_list pending = { .list = NULL };
	int r = 0;

	look->waiting = false;
	for (size_t i = 0; r == 0 && i < flagging->count; i++) {
		struct ms_message message = { .uid = flagging->uids[i] };

		r = ms_pending_read(bdb, NULL, flagging->mailbox->number, message.uid / MS_UIDS_EACH, message.uid / MS_UIDS_EACH, &pending);
		look->waiting = look->waiting || ms_pending_apply(&pending, &message);
	}
	ms_pending_clear(&pending);
	return r;
}

int
ms_flag_many(struct ms_flagging *flagging)
{
	struct ms_store *store = flagging->mailbox->store;
	struct look look = { .flagging = flagging };
	int r = 0;

	if (flagging->count <= store->many) {
		if (flagging->mailbox->record.pending != 0)
			r = ms_read(store, look_for_waiting, &look);
		if (r != 0 || !look.waiting)
			return r == 0 ? MS_BY_NAMES : r;
	}
	r = ms_run(store, flag_many, flagging);
	if (r != 0)
		flagging->first = flagging->last = 0;
	store->flagged = store->flagged || r == 0;
	return r;
}
