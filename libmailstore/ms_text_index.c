/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Asking the text index. Records of T_TEXT: see mailstore(5). */
#include "libmailstore/ms_set.h"
#include "libmailstore/ms_text_index.h"

#include <stdlib.h>

#include "common/xalloc.h"
#include "libmailstore/ms_grams.h"
#include "libmailstore/ms_postings.h"
#include "libmailstore/ms_text_group.h"

/* Of one text, of either kind. */
#define GRAMS_MAX 16
#define WIDE_MAX 8

struct ask {
	struct bdb *bdb;
	struct ms_store *store;
	const struct ms_match *match;
	struct ms_text_state state;
	size_t blocks;
	int result; /* of the tables: 0 until something went wrong */
	uint64_t *emails;
	size_t count, room;
};

/* --- sets of documents: bitmaps of ask->blocks blocks --- */

struct gram {
	uint32_t number;
	unsigned documents; /* of the last block asked about that have it */
};

struct grams {
	struct gram list[WIDE_MAX + GRAMS_MAX];
	size_t count, wide, narrow, seen;
};

/* The first ones, and later ones in the place of some: a long text's middle tells as much as its beginning. Wide ones come first. */
static void
take_gram(void *context, uint32_t gram)
{
	struct grams *grams = context;
	struct gram *narrow = grams->list + WIDE_MAX;

	if (gram >= MS_GRAMS_WIDE && grams->wide < WIDE_MAX)
		grams->list[grams->wide++].number = gram;
	if (gram >= MS_GRAMS_WIDE)
		return;
	if (grams->narrow < GRAMS_MAX)
		narrow[grams->narrow++].number = gram;
	else if (grams->seen % 7 == 0)
		narrow[grams->seen / 7 % GRAMS_MAX].number = gram;
	grams->seen++;
}

/* 0, MS_E_NOTFOUND or MS_E_CORRUPT. */
static int
find_in_group(struct span bytes, unsigned place, struct ms_text_gram *ret)
{
	int r, last = -1;

	while ((r = ms_text_group_next(&bytes, last, ret)) == 0 && ret->place < place)
		last = (int)ret->place;
	return r == 0 && ret->place != place ? MS_E_NOTFOUND : r;
}

int
ms_text_get_own(struct bdb *bdb, struct bdb_txn *txn, uint32_t block, uint32_t gram, uint8_t *map)
{
	uint8_t key[MS_TEXT_OWN_KEY];
	void *bytes;
	size_t len;
	int r;

	ms_text_own_key(key, block, gram);
	r = bdb_get(bdb, txn, T_TEXT, key, sizeof(key), &bytes, &len);
	if (r != 0)
		return r == BDB_NONE ? MS_E_CORRUPT : ms_bdb(r);
	r = ms_postings_get(span_make(bytes, len), map);
	free(bytes);
	return r;
}

/* The documents of a block that have the gram. 0, or MS_BDB(...). */
static int
get_posting(struct ask *ask, uint32_t block, uint32_t gram, uint8_t map[MS_POSTINGS_BYTES])
{
	uint8_t key[MS_TEXT_GROUP_KEY];
	struct ms_text_gram found;
	void *bytes = NULL;
	size_t len = 0;
	int r;

	memset(map, 0, MS_POSTINGS_BYTES);
	ms_text_group_key(key, block, gram);
	r = bdb_get(ask->bdb, NULL, T_TEXT, key, sizeof(key), &bytes, &len);
	if (r != 0)
		return r == BDB_NONE ? 0 : ms_bdb(r);
	r = find_in_group(span_make(bytes, len), gram % MS_TEXT_GROUP_EACH, &found);
	free(bytes);
	if (r == 0 && found.how == MS_TEXT_OWN)
		r = ms_text_get_own(ask->bdb, NULL, block, gram, map);
	else if (r == 0)
		r = ms_text_gram_get(&found, map);
	if (r == MS_E_CORRUPT) {
		memset(map, 0xff, MS_POSTINGS_BYTES); /* any of them may */
		ask->store->text_damaged = true;
	}
	return r == MS_E_NOTFOUND || r == MS_E_CORRUPT ? 0 : r;
}

/* How many are in both; they are left in map. */
static unsigned
intersect(uint8_t map[MS_POSTINGS_BYTES], const uint8_t other[MS_POSTINGS_BYTES])
{
	unsigned count = 0;

	for (size_t i = 0; i < MS_POSTINGS_BYTES; i += 8) {
		uint64_t a, b;

		memcpy(&a, map + i, 8);
		memcpy(&b, other + i, 8);
		a &= b;
		memcpy(map + i, &a, 8);
		count += (unsigned)__builtin_popcountll(a);
	}
	return count;
}

static int
compare_grams(const void *a, const void *b)
{
	const struct gram *x = a, *y = b;

	return (x->documents > y->documents) - (x->documents < y->documents);
}

/* What was rare in the block before is asked about first, so that soon nothing is left to ask. */
static int
ask_block(struct ask *ask, struct grams *grams, uint32_t block, uint8_t map[MS_POSTINGS_BYTES])
{
	static const uint8_t all[MS_POSTINGS_BYTES] = { [0 ... MS_POSTINGS_BYTES - 1] = 0xff };
	unsigned left = MS_POSTINGS_EACH;
	int r = 0;

	memset(map, 0xff, MS_POSTINGS_BYTES);
	for (size_t i = 0; i < grams->count && r == 0 && left > 0; i++) {
		uint8_t one[MS_POSTINGS_BYTES];

		r = get_posting(ask, block, grams->list[i].number, one);
		left = intersect(map, one);
		grams->list[i].documents = intersect(one, all);
	}
	qsort(grams->list, grams->count, sizeof(grams->list[0]), compare_grams);
	return r;
}

static void *
set_both(void *context, void *a, void *b)
{
	const struct ask *ask = context;

	for (size_t i = 0; i < ask->blocks * MS_POSTINGS_BYTES; i++)
		((uint8_t *)a)[i] &= ((const uint8_t *)b)[i];
	free(b);
	return a;
}

static void *
set_either(void *context, void *a, void *b)
{
	const struct ask *ask = context;

	for (size_t i = 0; i < ask->blocks * MS_POSTINGS_BYTES; i++)
		((uint8_t *)a)[i] |= ((const uint8_t *)b)[i];
	free(b);
	return a;
}

static void *
set_of_text(void *context, struct span folded)
{
	struct ask *ask = context;
	struct grams grams = { .count = 0 };
	struct ms_grams state = { .count = 0 };
	uint8_t *set;

	if (!span_is_utf8(folded))
		return NULL;
	ms_grams_feed(&state, folded, take_gram, &grams);
	memmove(grams.list + grams.wide, grams.list + WIDE_MAX, grams.narrow * sizeof(grams.list[0]));
	grams.count = grams.wide + grams.narrow;
	if (grams.count == 0)
		return NULL;
	set = xcalloc(ask->blocks, MS_POSTINGS_BYTES);
	for (size_t block = 0; block < ask->blocks && ask->result == 0; block++)
		ask->result = ask_block(ask, &grams, (uint32_t)block, set + block * MS_POSTINGS_BYTES);
	return set;
}

static void
set_free(void *context, void *set)
{
	(void)context;
	free(set);
}

/* --- emails --- */

static void
add_email(struct ask *ask, uint64_t email)
{
	if (ask->count == ask->room) {
		ask->room = ask->room == 0 ? 256 : 2 * ask->room;
		ask->emails = xreallocarray(ask->emails, ask->room, sizeof(*ask->emails));
	}
	ask->emails[ask->count++] = email;
}

/* Without it nobody knows whose the document is: MS_E_NOTFOUND, then. */
static int
take_document(struct ask *ask, uint32_t document)
{
	uint8_t key[5] = { 'd' };
	void *bytes = NULL;
	size_t len = 0;
	int r;

	ms_key_u32(key + 1, document);
	r = bdb_get(ask->bdb, NULL, T_TEXT, key, sizeof(key), &bytes, &len);
	if (r != 0 && r != BDB_NONE)
		return ms_bdb(r);
	if (r == BDB_NONE || len != 8) {
		ask->store->text_damaged = true;
		r = MS_E_NOTFOUND;
	} else {
		add_email(ask, ms_key_get_u64(bytes));
	}
	free(bytes);
	return r;
}

int
ms_text_document(struct bdb *bdb, struct bdb_txn *txn, uint64_t email, uint32_t *ret)
{
	uint8_t key[9] = { 'e' };
	void *bytes;
	size_t len;
	int r;

	ms_key_u64(key + 1, email);
	r = bdb_get(bdb, txn, T_TEXT, key, sizeof(key), &bytes, &len);
	if (r != 0)
		return r;
	*ret = len == 4 ? ms_key_get_u32(bytes) : UINT32_MAX;
	free(bytes);
	return 0;
}

void
ms_text_unread_key(uint8_t key[MS_TEXT_UNREAD_KEY], uint64_t email)
{
	key[0] = 'x';
	ms_key_u64(key + 1, email);
}

int
ms_text_unread(struct bdb *bdb, struct bdb_txn *txn, uint64_t email, uint64_t *ret_modseq)
{
	uint8_t key[MS_TEXT_UNREAD_KEY];
	void *bytes;
	size_t len;
	int r;

	ms_text_unread_key(key, email);
	r = bdb_get(bdb, txn, T_TEXT, key, sizeof(key), &bytes, &len);
	if (r != 0)
		return r;
	*ret_modseq = len == 8 ? ms_key_get_u64(bytes) : 0;
	free(bytes);
	return 0;
}

int
ms_text_each_unread(struct bdb *bdb, struct bdb_txn *txn, bdb_fn each, void *context)
{
	return bdb_scan(bdb, txn, T_TEXT, "x", 1, 1, each, context);
}

static int
take_unread(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	(void)value, (void)len;
	if (key_len == MS_TEXT_UNREAD_KEY)
		add_email(context, ms_key_get_u64(key + 1));
	return 0;
}

static int
take_change(void *context, uint64_t modseq, uint64_t place)
{
	struct ask *ask = context;
	struct ms_txn txn = { .bdb = ask->bdb };
	struct ms_message_record record;
	int r = ms_message_load_named(&txn, (uint32_t)(place >> 32), (uint32_t)place, &record);

	(void)modseq;
	if (r == 0)
		add_email(ask, record.message.email_id);
	return r == MS_E_NOTFOUND ? 0 : r;
}

/* What came or changed after what the index knows, as far as it does not know it. */
static int
take_unknown(struct ask *ask)
{
	size_t first = ask->count, kept = first;
	uint32_t document;
	int r = ms_set_each(ask->bdb, NULL, &ms_set_changes, (struct ms_pair){ ask->state.done + 1, 0 }, UINT64_MAX, take_change, ask);

	for (size_t i = first; i < ask->count && r == 0; i++) {
		int known = ms_text_document(ask->bdb, NULL, ask->emails[i], &document);

		if (known != 0 && known != BDB_NONE)
			r = ms_bdb(known);
		else if (known == BDB_NONE || document >= ask->state.documents)
			ask->emails[kept++] = ask->emails[i];
	}
	ask->count = kept;
	return r;
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* A number that is not there is 0. */
static int
number_of(struct bdb *bdb, struct bdb_txn *txn, const char *name, uint64_t *ret)
{
	int r = ms_meta_get(bdb, txn, name, ret);

	if (r == BDB_NONE)
		*ret = 0;
	return r == BDB_NONE ? 0 : ms_bdb(r);
}

int
ms_text_state(struct bdb *bdb, struct bdb_txn *txn, struct ms_text_state *ret)
{
	uint64_t format = 0;
	int r = number_of(bdb, txn, MS_TEXT_CLEAR, &ret->cleared);

	if (r == 0)
		r = number_of(bdb, txn, MS_TEXT_FORMAT, &format);
	if (r == 0)
		r = number_of(bdb, txn, MS_TEXT_DONE, &ret->done);
	if (r == 0)
		r = number_of(bdb, txn, MS_TEXT_DOCUMENTS, &ret->documents);
	ret->usable = ret->cleared % 2 == 0 && format == MS_TEXT_FORMAT_NOW;
	return r;
}

int
ms_text_note_clearing(struct ms_txn *txn, bool begins)
{
	uint64_t cleared = 0;
	int r = number_of(txn->bdb, txn->txn, MS_TEXT_CLEAR, &cleared);

	cleared |= 1;
	return r == 0 ? ms_bdb(ms_meta_put(txn, MS_TEXT_CLEAR, begins ? cleared : cleared + 1)) : r;
}

static int
ask_index(struct bdb *bdb, void *context)
{
	static const struct ms_match_sets sets = { NULL, set_of_text, set_both, set_either, set_free };
	struct ask *ask = context;
	struct ms_match_sets mine = sets;
	uint8_t *set;
	int r;

	mine.context = ask;
	ask->bdb = bdb;
	ask->count = 0;
	ask->result = 0;
	r = ms_text_state(bdb, NULL, &ask->state);
	if (r != 0)
		return r;
	if (!ask->state.usable || ask->state.documents == 0 || ask->state.documents > UINT32_MAX / 2)
		return MS_E_NOTFOUND;
	ask->blocks = (size_t)(ask->state.documents / MS_POSTINGS_EACH + 1);
	set = ms_match_candidates(ask->match, &mine);
	r = ask->result;
	if (set == NULL)
		return r != 0 ? r : MS_E_NOTFOUND;
	for (uint64_t i = 0; i < ask->state.documents && r == 0; i++)
		if ((set[i / 8] >> (i % 8) & 1) != 0)
			r = take_document(ask, (uint32_t)i);
	free(set);
	if (r == 0)
		r = ms_bdb(ms_text_each_unread(bdb, NULL, take_unread, ask));
	return r == 0 ? take_unknown(ask) : r;
}

int
ms_text_candidates(struct ms_store *store, const struct ms_match *match, uint64_t **ret, size_t *ret_count)
{
	struct ask ask = { .store = store, .match = match };
	size_t kept = 0;
	int r = ms_read(store, ask_index, &ask);

	if (r != 0) {
		free(ask.emails);
		return r;
	}
	if (ask.count > 0)
		qsort(ask.emails, ask.count, sizeof(*ask.emails), compare);
	for (size_t i = 0; i < ask.count; i++)
		if (i == 0 || ask.emails[i] != ask.emails[i - 1])
			ask.emails[kept++] = ask.emails[i];
	*ret = ask.emails;
	*ret_count = kept;
	return 0;
}
