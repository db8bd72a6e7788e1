/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Reading and writing the records of T_MESSAGE. */
#include "libmailstore/ms_entries.h"

#include <stdlib.h>

#include "libmailstore/ms_set.h"

#define KEY_LEN 8
#define RECORD_MAX (MS_ROW_EACH * (MS_NAME_MAX + 3 * MS_KEYWORDS_MORE_MAX + 128))

static void
make_key(uint8_t key[KEY_LEN], uint32_t mailbox, uint32_t n)
{
	ms_key_u32(key, mailbox);
	ms_key_u32(key + 4, n);
}

/* Which UIDs a record that is damaged may have had. */
struct lost {
	uint32_t mailbox, first;
	bool uids[MS_ROW_EACH];
	bool any;
};

static int
lose_from_bitmap(struct bdb *bdb, struct bdb_txn *txn, struct lost *lost)
{
	uint8_t map[MS_UIDS_BYTES];
	int r = ms_uids_read(bdb, txn, lost->mailbox, lost->first / MS_UIDS_EACH, map);

	for (uint32_t i = 0; r == 0 && i < MS_ROW_EACH; i++) {
		uint32_t bit = (lost->first + i) % MS_UIDS_EACH;

		lost->uids[i] = (map[bit / 8] >> (bit % 8) & 1) != 0;
		lost->any = lost->any || lost->uids[i];
	}
	return r;
}

static int
lose_place(void *context, uint64_t email_id, uint64_t place)
{
	struct lost *lost = context;
	uint32_t uid = (uint32_t)place;

	(void)email_id;
	if (place >> 32 == lost->mailbox && uid >= lost->first && uid - lost->first < MS_ROW_EACH)
		lost->any = lost->uids[uid - lost->first] = true;
	return 0;
}

/* The bitmap tells. Where it is damaged too, or has none of them, which no record is made of, the email ids that lead there do; where that
 * is damaged as well, all may have been: the folder tells which. */
static int
lose(struct bdb *bdb, struct bdb_txn *txn, uint32_t mailbox, uint32_t n, struct ms_row *ret)
{
	struct lost lost = { .mailbox = mailbox, .first = n * MS_ROW_EACH };
	int r = lose_from_bitmap(bdb, txn, &lost);

	if (r == MS_BDB(MS_DAMAGED) || (r == 0 && !lost.any))
		r = ms_set_each(bdb, txn, &ms_set_places, (struct ms_pair){ 0, 0 }, UINT64_MAX, lose_place, &lost);
	if (r == MS_BDB(MS_DAMAGED) || (r == 0 && !lost.any)) {
		memset(lost.uids, true, sizeof(lost.uids));
		r = 0;
	}
	ret->count = 0;
	for (uint32_t i = 0; r == 0 && i < MS_ROW_EACH; i++)
		if (lost.uids[i] && lost.first + i != 0) {
			ret->list[ret->count].message = (struct ms_message){ .uid = lost.first + i };
			ret->list[ret->count++].lost = true;
		}
	return r;
}

static int
load(struct bdb *bdb, struct bdb_txn *txn, uint32_t mailbox, uint32_t n, struct ms_row *ret)
{
	uint8_t key[KEY_LEN];
	void *bytes;
	size_t len;
	int r;

	make_key(key, mailbox, n);
	ret->count = 0;
	r = bdb_get(bdb, txn, T_MESSAGE, key, sizeof(key), &bytes, &len);
	if (r != 0)
		return r == BDB_NONE ? 0 : ms_bdb(r);
	r = ms_row_get(span_make(bytes, len), n, ret) != 0 ? lose(bdb, txn, mailbox, n, ret) : 0;
	free(bytes);
	return r;
}

static int
save(struct ms_txn *txn, uint32_t mailbox, uint32_t n, const struct ms_row *row)
{
	struct buf bytes = BUF_INIT(RECORD_MAX);
	uint8_t key[KEY_LEN];
	int r;

	make_key(key, mailbox, n);
	if (row->count == 0) {
		r = bdb_del(txn->bdb, txn->txn, T_MESSAGE, key, sizeof(key));
		return r == BDB_NONE ? 0 : ms_bdb(r);
	}
	ms_row_put(row, n, &bytes);
	r = bdb_put(txn->bdb, txn->txn, T_MESSAGE, key, sizeof(key), bytes.data, bytes.len);
	buf_free(&bytes);
	return ms_bdb(r);
}

/* The place of the first that is not below. */
static unsigned
place_of(const struct ms_row *row, uint32_t uid)
{
	unsigned i = row->count;

	while (i > 0 && row->list[i - 1].message.uid >= uid)
		i--;
	return i;
}

static bool
is_at(const struct ms_row *row, unsigned i, uint32_t uid)
{
	return i < row->count && row->list[i].message.uid == uid;
}

bool
ms_entry_key(const uint8_t *key, size_t key_len)
{
	return key_len == KEY_LEN && ms_key_get_u32(key + 4) <= UINT32_MAX / MS_ROW_EACH;
}

int
ms_entry_load(struct bdb *bdb, struct bdb_txn *txn, uint32_t mailbox, uint32_t uid, struct ms_message_record *ret)
{
	struct ms_row row;
	unsigned i;
	int r = load(bdb, txn, mailbox, uid / MS_ROW_EACH, &row);

	if (r != 0)
		return r;
	i = place_of(&row, uid);
	if (!is_at(&row, i, uid))
		return MS_E_NOTFOUND;
	return row.list[i].lost || ms_entry_get(&row.list[i], mailbox, ret) != 0 ? MS_BDB(MS_DAMAGED) : 0;
}

/* The place of that UID, made where there is none. */
static unsigned
make_room(struct ms_row *row, uint32_t uid)
{
	unsigned i = place_of(row, uid);

	if (!is_at(row, i, uid)) {
		memmove(&row->list[i + 1], &row->list[i], (row->count - i) * sizeof(row->list[0]));
		row->count++;
		row->list[i].message = (struct ms_message){ .uid = uid };
	}
	return i;
}

int
ms_entry_put(struct ms_txn *txn, uint32_t mailbox, const struct ms_message_record *record)
{
	uint32_t uid = record->message.uid;
	struct ms_row row;
	int r = load(txn->bdb, txn->txn, mailbox, uid / MS_ROW_EACH, &row);

	if (r != 0)
		return r;
	ms_entry_set(record, mailbox, &row.list[make_room(&row, uid)]);
	return save(txn, mailbox, uid / MS_ROW_EACH, &row);
}

int
ms_entry_lose(struct ms_txn *txn, uint32_t mailbox, uint32_t uid)
{
	struct ms_row row;
	int r = load(txn->bdb, txn->txn, mailbox, uid / MS_ROW_EACH, &row);

	if (r != 0)
		return r;
	row.list[make_room(&row, uid)].lost = true;
	return save(txn, mailbox, uid / MS_ROW_EACH, &row);
}

int
ms_entry_remove(struct ms_txn *txn, uint32_t mailbox, uint32_t uid)
{
	uint32_t n = uid / MS_ROW_EACH;
	struct ms_row row;
	unsigned i;
	int r = load(txn->bdb, txn->txn, mailbox, n, &row);

	if (r != 0)
		return r;
	i = place_of(&row, uid);
	if (!is_at(&row, i, uid))
		return 0;
	row.count--;
	memmove(&row.list[i], &row.list[i + 1], (row.count - i) * sizeof(row.list[0]));
	return save(txn, mailbox, n, &row);
}

/* --- all of them --- */

struct walk {
	struct bdb *bdb;
	struct bdb_txn *txn;
	uint32_t first;
	ms_entry_fn each;
	void *context;
	int result;
};

static int
walk_record(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct walk *walk = context;
	struct ms_row row;
	uint32_t mailbox, n;

	if (!ms_entry_key(key, key_len))
		return 0; /* nobody's: ms_tables takes it away */
	mailbox = ms_key_get_u32(key);
	n = ms_key_get_u32(key + 4);
	if (ms_row_get(span_make((const char *)value, len), n, &row) != 0)
		walk->result = lose(walk->bdb, walk->txn, mailbox, n, &row);
	for (unsigned i = 0; walk->result == 0 && i < row.count; i++) {
		int r = row.list[i].message.uid >= walk->first ? walk->each(walk->context, mailbox, &row.list[i]) : 0;

		walk->result = r > 0 ? MS_BDB(r) : r;
	}
	return walk->result != 0;
}

int
ms_entries(struct bdb *bdb, struct bdb_txn *txn, uint32_t mailbox, uint32_t first, ms_entry_fn each, void *context)
{
	struct walk walk = { .bdb = bdb, .txn = txn, .first = first, .each = each, .context = context };
	uint8_t key[KEY_LEN];
	int r;

	make_key(key, mailbox, first / MS_ROW_EACH);
	r = mailbox != 0 ? bdb_scan(bdb, txn, T_MESSAGE, key, sizeof(key), 4, walk_record, &walk) : bdb_scan(bdb, txn, T_MESSAGE, "", 0, 0, walk_record, &walk);
	return walk.result != 0 ? walk.result : ms_bdb(r);
}
