/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Which UIDs a mailbox has, as bitmaps: opening a mailbox of a million messages reads these and no record of any message. */
#include <stdlib.h>

#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"

static void
make_key(uint8_t key[8], uint32_t mailbox, uint32_t uid)
{
	ms_key_u32(key, mailbox);
	ms_key_u32(key + 4, uid / MS_UIDS_EACH);
}

static bool
is_empty(const uint8_t map[MS_UIDS_BYTES])
{
	for (size_t i = 0; i < MS_UIDS_BYTES; i++)
		if (map[i] != 0)
			return false;
	return true;
}

int
ms_uids_put(struct ms_txn *txn, uint32_t mailbox, uint32_t uid, bool there)
{
	uint8_t key[8], map[MS_UIDS_BYTES] = { 0 };
	uint32_t bit = uid % MS_UIDS_EACH;
	struct buf bytes = BUF_INIT(MS_RECORD_MAX);
	void *found;
	size_t len;
	int r;

	make_key(key, mailbox, uid);
	r = bdb_get(txn->bdb, txn->txn, T_UIDS, key, sizeof(key), true, &found, &len);
	if (r == 0) {
		r = ms_uids_record_get(span_make(found, len), map) == 0 ? 0 : BDB_BROKEN;
		free(found);
	} else if (r == BDB_NONE) {
		r = 0;
	}
	if (r != 0)
		return ms_bdb(r);
	map[bit / 8] = (uint8_t)(there ? map[bit / 8] | 1u << bit % 8 : map[bit / 8] & ~(1u << bit % 8));
	if (is_empty(map)) {
		r = bdb_del(txn->bdb, txn->txn, T_UIDS, key, sizeof(key));
		return r == BDB_NONE ? 0 : ms_bdb(r);
	}
	ms_uids_record_put(map, &bytes);
	r = bdb_put(txn->bdb, txn->txn, T_UIDS, key, sizeof(key), bytes.data, bytes.len);
	buf_free(&bytes);
	return ms_bdb(r);
}

struct list {
	uint32_t mailbox;
	uint32_t *uids;
	size_t count, room;
};

static int
collect(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct list *list = context;
	uint8_t map[MS_UIDS_BYTES];
	uint32_t uid;

	if (key_len != 8 || ms_key_get_u32(key + 4) > UINT32_MAX / MS_UIDS_EACH ||
	    ms_uids_record_get(span_make(value, len), map) != 0)
		return BDB_BROKEN;
	if (list->room - list->count < MS_UIDS_EACH) {
		list->room = list->room + list->room / 2 + MS_UIDS_EACH;
		list->uids = xreallocarray(list->uids, list->room, sizeof(*list->uids));
	}
	uid = ms_key_get_u32(key + 4) * MS_UIDS_EACH;
	for (size_t i = 0; i < MS_UIDS_BYTES; i++, uid += 8) {
		if (map[i] == 0xff) {
			for (uint32_t k = 0; k < 8; k++)
				list->uids[list->count + k] = uid + k;
			list->count += 8;
			continue;
		}
		for (uint32_t bits = map[i]; bits != 0; bits &= bits - 1)
			list->uids[list->count++] = uid + (uint32_t)__builtin_ctz(bits);
	}
	return 0;
}

static int
read_uids(struct bdb *bdb, void *context)
{
	struct list *list = context;
	uint8_t key[4];

	list->count = 0;
	ms_key_u32(key, list->mailbox);
	return ms_bdb(bdb_scan(bdb, NULL, T_UIDS, key, sizeof(key), sizeof(key), collect, list));
}

int
ms_mailbox_uids(struct ms_mailbox *mailbox, uint32_t **ret, size_t *ret_count)
{
	struct list list = { .uids = NULL };
	int r = ms_ensure(mailbox->store);

	if (r == 0)
		r = ms_mailbox_follow(mailbox);
	list.mailbox = mailbox->number;
	/* Room for all at once, when the count is right. */
	list.room = (size_t)mailbox->record.messages + MS_UIDS_EACH;
	list.uids = xcalloc(list.room, sizeof(*list.uids));
	if (r == 0)
		r = ms_read(mailbox->store, read_uids, &list);
	*ret = list.uids;
	*ret_count = r == 0 ? list.count : 0;
	return r;
}
