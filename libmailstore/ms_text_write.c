/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Writing what has been gathered for the text index, in several transactions, the records in the order of their keys. */
#include <stdlib.h>

#include "common/xalloc.h"
#include "libmailstore/ms_text_group.h"
#include "libmailstore/ms_text_work.h"

/* Puts entries in the order of ten of their bits, in place: each goes to where the next with its bits belongs, and the one that was there
 * goes on. ends: where those with each value end. */
#define SORT_BITS 10
static void
sort_by(uint32_t *entries, size_t count, unsigned shift, size_t ends[1 << SORT_BITS])
{
	size_t next[1 << SORT_BITS], sum = 0;

	memset(ends, 0, sizeof(next));
	for (size_t i = 0; i < count; i++)
		ends[entries[i] >> shift & ((1 << SORT_BITS) - 1)]++;
	for (size_t value = 0; value < 1 << SORT_BITS; value++) {
		next[value] = sum;
		ends[value] = sum += ends[value];
	}
	for (size_t value = 0; value < 1 << SORT_BITS; value++) {
		while (next[value] < ends[value]) {
			uint32_t entry = entries[next[value]];
			size_t *to = &next[entry >> shift & ((1 << SORT_BITS) - 1)];

			entries[next[value]] = entries[*to];
			entries[(*to)++] = entry;
		}
	}
}

void
ms_text_sort_entries(struct ms_text_work *work)
{
	size_t ends[1 << SORT_BITS], inner[1 << SORT_BITS], from = 0;

	_Static_assert(MS_GRAMS <= 1u << (2 * SORT_BITS), "all bits of a gram are sorted by");
	sort_by(work->entries, work->entry_count, 12 + SORT_BITS, ends);
	for (size_t value = 0; value < 1 << SORT_BITS; from = ends[value++])
		if (ends[value] - from > 1)
			sort_by(work->entries + from, ends[value] - from, 12, inner);
}

/* Somebody else has been here, or it is to be cleared, or was: what was gathered is not needed. Others that were written may end at the same
 * modification sequence, since many messages may share one. */
static int
still_ours(struct ms_txn *txn, const struct ms_text_work *work)
{
	struct ms_text_state state;
	int r = ms_text_state(txn->bdb, txn->txn, &state);

	if (r != 0)
		return r;
	return state.usable && state.done == work->from && state.documents == work->documents && state.cleared == work->cleared &&
	    txn->store->generation == work->generation ? 0 : MS_E_EXISTS;
}

/* What is being made of the records of a group. Keys are written in their order: so a block that is written at once fills its pages. */
struct group {
	uint32_t block;
	struct span before;       /* what is left of the record as it was */
	struct ms_text_gram next; /* of that; place MS_TEXT_GROUP_EACH: there is none */
	struct buf after;
	struct own {
		uint32_t gram;
		struct buf bytes;
	} owns[MS_TEXT_GROUP_EACH];
	size_t own_count;
};

/* The next gram of the record as it was. */
static int
take_next(struct group *group)
{
	int r = ms_text_group_next(&group->before, group->next.place == MS_TEXT_GROUP_EACH ? -1 : (int)group->next.place, &group->next);

	if (r != MS_E_NOTFOUND)
		return r;
	group->next.place = MS_TEXT_GROUP_EACH;
	return 0;
}

/* The entries of one gram: among the others of its group, or, when its documents are many, in its own record. */
static int
add_gram_entries(struct ms_txn *txn, const struct ms_text_work *work, size_t *at, struct group *group)
{
	uint32_t number = work->entries[*at] >> 12;
	uint8_t map[MS_POSTINGS_BYTES] = { 0 };
	struct ms_text_gram gram = { .place = number % MS_TEXT_GROUP_EACH };
	int r = 0;

	/* Those before it stay as they are. */
	while (r == 0 && group->next.place < gram.place) {
		ms_text_group_put(&group->next, &group->after);
		r = take_next(group);
	}
	if (r == 0 && group->next.place == gram.place) {
		gram.how = group->next.how;
		r = gram.how == MS_TEXT_OWN ? ms_text_get_own(txn->bdb, txn->txn, group->block, number, map) : ms_text_gram_get(&group->next, map);
		if (r == 0)
			r = take_next(group);
	}
	if (r != 0)
		return r;
	for (; *at < work->entry_count && work->entries[*at] >> 12 == number; ++*at)
		map[(work->entries[*at] & 0xfff) / 8] |= (uint8_t)(1u << (work->entries[*at] % 8));
	if (gram.how == MS_TEXT_OWN || !ms_text_gram_set(&gram, map)) {
		struct own *own = &group->owns[group->own_count++];

		*own = (struct own){ number, BUF_INIT(MS_POSTINGS_BYTES + 1) };
		ms_postings_put(map, &own->bytes);
	}
	ms_text_group_put(&gram, &group->after);
	return 0;
}

static int
put_group(struct ms_txn *txn, const struct group *group, uint32_t gram)
{
	uint8_t key[MS_TEXT_OWN_KEY];
	int r;

	ms_text_group_key(key, group->block, gram);
	r = bdb_put(txn->bdb, txn->txn, T_TEXT, key, MS_TEXT_GROUP_KEY, group->after.data, group->after.len);
	for (size_t i = 0; r == 0 && i < group->own_count; i++) {
		ms_text_own_key(key, group->block, group->owns[i].gram);
		r = bdb_put(txn->bdb, txn->txn, T_TEXT, key, sizeof(key), group->owns[i].bytes.data, group->owns[i].bytes.len);
	}
	return ms_bdb(r);
}

/* The entries of one group. MS_E_CORRUPT: what is there cannot be read. *records counts those that are written. */
static int
write_group(struct ms_txn *txn, const struct ms_text_work *work, size_t *at, size_t *records)
{
	uint32_t gram = work->entries[*at] >> 12, number = gram / MS_TEXT_GROUP_EACH;
	struct group group = { .next = { .place = MS_TEXT_GROUP_EACH }, .after = BUF_INIT(BDB_PAGE_ROOM) };
	uint8_t key[MS_TEXT_GROUP_KEY];
	void *before = NULL;
	size_t len = 0;
	int r;

	group.block = (uint32_t)(work->documents / MS_POSTINGS_EACH);
	ms_text_group_key(key, group.block, gram);
	r = bdb_get(txn->bdb, txn->txn, T_TEXT, key, sizeof(key), &before, &len);
	if (r != 0 && r != BDB_NONE)
		return ms_bdb(r);
	group.before = span_make(before, len);
	r = take_next(&group);
	while (r == 0 && *at < work->entry_count && (work->entries[*at] >> 12) / MS_TEXT_GROUP_EACH == number)
		r = add_gram_entries(txn, work, at, &group);
	while (r == 0 && group.next.place != MS_TEXT_GROUP_EACH) {
		ms_text_group_put(&group.next, &group.after);
		r = take_next(&group);
	}
	if (r == 0)
		r = put_group(txn, &group, gram);
	*records += 1 + group.own_count;
	for (size_t i = 0; i < group.own_count; i++)
		buf_free(&group.owns[i].bytes);
	buf_free(&group.after);
	free(before);
	return r;
}

static int
write_some(struct ms_txn *txn, void *context)
{
	struct ms_text_work *work = context;
	size_t at = work->written;
	int r = still_ours(txn, work);

	for (size_t records = 0; r == 0 && records < MS_TEXT_RECORDS_TXN && at < work->entry_count;)
		r = write_group(txn, work, &at, &records);
	work->place = (uint32_t)at; /* it counts when it is committed */
	return r;
}

static int
is_one(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	(void)context, (void)key, (void)key_len, (void)value, (void)len;
	return 1;
}

/* Those that can be read now are unread no more. */
static int
write_unread(struct ms_txn *txn, const struct ms_text_work *work)
{
	uint8_t key[MS_TEXT_UNREAD_KEY], modseq[8];
	int r = ms_text_each_unread(txn->bdb, txn->txn, is_one, NULL);
	bool any = r == 1;

	if (any)
		r = 0;
	for (size_t i = 0; r == 0 && any && i < work->count; i++) {
		ms_text_unread_key(key, work->emails[i]);
		r = bdb_del(txn->bdb, txn->txn, T_TEXT, key, sizeof(key));
		if (r == BDB_NONE)
			r = 0;
	}
	for (size_t i = 0; r == 0 && i < work->unread_count; i++) {
		if (ms_text_is_gathered(work, work->unread[i].a))
			continue; /* where it stands elsewhere */
		ms_text_unread_key(key, work->unread[i].a);
		ms_key_u64(modseq, work->unread[i].b);
		r = bdb_put(txn->bdb, txn->txn, T_TEXT, key, sizeof(key), modseq, sizeof(modseq));
	}
	return ms_bdb(r);
}

static int
write_end(struct ms_txn *txn, void *context)
{
	struct ms_text_work *work = context;
	int r = still_ours(txn, work);

	for (size_t i = 0; r == 0 && i < work->count; i++) {
		uint8_t d[5] = { 'd' }, e[9] = { 'e' };

		ms_key_u32(d + 1, (uint32_t)(work->documents + i));
		ms_key_u64(e + 1, work->emails[i]);
		r = bdb_put(txn->bdb, txn->txn, T_TEXT, d, sizeof(d), e + 1, 8);
		if (r == 0)
			r = bdb_put(txn->bdb, txn->txn, T_TEXT, e, sizeof(e), d + 1, 4);
		r = ms_bdb(r);
	}
	if (r == 0)
		r = write_unread(txn, work);
	if (r == 0)
		r = ms_bdb(ms_meta_put(txn, MS_TEXT_DOCUMENTS, work->documents + work->count));
	return r == 0 ? ms_bdb(ms_meta_put(txn, MS_TEXT_DONE, work->upto)) : r;
}

int
ms_text_write_step(struct ms_store *store, struct ms_text_work *work, bool *ret_over)
{
	int r;

	*ret_over = work->written == work->entry_count;
	r = ms_run_unsynced(store, *ret_over ? write_end : write_some, work);
	if (r == 0 && !*ret_over)
		work->written = work->place;
	if (r == MS_E_CORRUPT)
		r = ms_run_unsynced(store, ms_text_discard, NULL);
	else if (r != MS_E_EXISTS)
		return r;
	else
		r = 0;
	*ret_over = true;
	return r;
}
