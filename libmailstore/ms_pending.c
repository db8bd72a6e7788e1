/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Flags that names do not tell yet, in the index and on the disk. A change of thousands of messages is promised when it stands in the
 * folder's file "fourpost-flags", synced, and in the index; the names follow when there is time (ms_follow.c). The file has what the index
 * has at each commit, and is written before it: so an index that is lost takes no flag along. What it has beyond the index, because no
 * commit came of it, was promised to nobody and harms nobody; what it lacks, the names have, for they are synced before it is written. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"

static void
make_key(uint8_t key[MS_PENDING_KEY], uint32_t mailbox, uint32_t n, uint64_t modseq)
{
	ms_key_u32(key, mailbox);
	key[4] = MS_UIDS_PENDING;
	ms_key_u32(key + 5, n);
	ms_key_u64(key + 9, modseq);
}

struct reading {
	struct ms_pending_list *list;
	uint32_t last;
};

/* Of collect, beside the results of bdb.h. */
#define END 100

static int
collect(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct reading *reading = context;
	struct ms_pending *pending;

	if (key_len == MS_PENDING_KEY && ms_key_get_u32(key + 5) > reading->last)
		return END;
	pending = ms_pending_add(reading->list);
	if (key_len != MS_PENDING_KEY || ms_pending_record_get(span_make(value, len), pending) != 0) {
		reading->list->count--;
		return MS_DAMAGED;
	}
	pending->n = ms_key_get_u32(key + 5);
	pending->modseq = ms_key_get_u64(key + 9);
	return 0;
}

int
ms_pending_read(struct bdb *bdb, struct bdb_txn *txn, uint32_t mailbox, uint32_t first, uint32_t last, struct ms_pending_list *ret)
{
	struct reading reading = { .list = ret, .last = last };
	uint8_t key[MS_PENDING_KEY];
	int r;

	ret->count = 0;
	make_key(key, mailbox, first, 0);
	r = bdb_scan(bdb, txn, T_UIDS, key, sizeof(key), 5, collect, &reading);
	return r == END ? 0 : ms_bdb(r);
}

int
ms_pending_put(struct ms_txn *txn, uint32_t mailbox, const struct ms_pending *pending)
{
	struct buf bytes = BUF_INIT(MS_RECORD_MAX);
	uint8_t key[MS_PENDING_KEY];
	int r;

	make_key(key, mailbox, pending->n, pending->modseq);
	if (ms_pending_map_empty(pending->map)) {
		r = bdb_del(txn->bdb, txn->txn, T_UIDS, key, sizeof(key));
		return r == BDB_NONE ? 0 : ms_bdb(r);
	}
	ms_pending_record_put(pending, &bytes);
	r = bdb_put(txn->bdb, txn->txn, T_UIDS, key, sizeof(key), bytes.data, bytes.len);
	buf_free(&bytes);
	return ms_bdb(r);
}

/* --- all of a mailbox --- */

struct keys {
	uint8_t (*list)[MS_PENDING_KEY];
	size_t count;
};

static int
collect_key(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct keys *keys = context;

	(void)value, (void)len;
	if (key_len != MS_PENDING_KEY)
		return MS_DAMAGED;
	keys->list = xreallocarray(keys->list, keys->count + 1, sizeof(*keys->list));
	memcpy(keys->list[keys->count++], key, MS_PENDING_KEY);
	return 0;
}

int
ms_pending_forget(struct ms_txn *txn, uint32_t mailbox)
{
	struct keys keys = { .list = NULL };
	uint8_t prefix[MS_PENDING_KEY];
	int r;

	make_key(prefix, mailbox, 0, 0);
	r = bdb_scan(txn->bdb, txn->txn, T_UIDS, prefix, 5, 5, collect_key, &keys);
	for (size_t i = 0; r == 0 && i < keys.count; i++)
		r = bdb_del(txn->bdb, txn->txn, T_UIDS, keys.list[i], MS_PENDING_KEY);
	free(keys.list);
	return ms_bdb(r);
}

/* --- the file --- */

uint64_t
ms_pending_file_size(int folder_fd)
{
	struct stat st;

	return fstatat(folder_fd, MS_PENDING_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_size : 0;
}

int
ms_pending_file_read(int folder_fd, uint32_t uidvalidity, struct ms_pending_list *ret)
{
	struct buf text = BUF_INIT(MS_PENDING_TEXT_MAX);
	int r = ms_read_file(folder_fd, MS_PENDING_FILE, &text);

	ret->count = 0;
	if (r == 0)
		ms_pending_parse(buf_get(&text), uidvalidity, ret);
	buf_free(&text);
	/* Longer than any of ours: whatever it is. */
	return r == MS_E_NOTFOUND || r == MS_E_LIMIT ? 0 : r;
}

int
ms_pending_file_remove(int folder_fd)
{
	struct buf nothing = BUF_INIT(1);
	int r = unlinkat(folder_fd, MS_PENDING_FILE, 0) < 0 ? -errno : 0;

	/* Removed by an attempt before this one, and its sync failed: that removal may never reach the disk, so there is another. */
	if (r == -ENOENT) {
		r = ms_replace_file(folder_fd, MS_PENDING_FILE, &nothing);
		if (r == 0)
			r = unlinkat(folder_fd, MS_PENDING_FILE, 0) < 0 ? -errno : 0;
	}
	return r == 0 && fsync(folder_fd) < 0 ? -errno : r;
}

int
ms_pending_file_write(struct ms_txn *txn, uint32_t mailbox, int folder_fd, struct ms_mailbox_record *record)
{
	struct buf text = BUF_INIT(MS_PENDING_TEXT_MAX);
	struct ms_pending_list list = { .list = NULL };
	int r = ms_pending_read(txn->bdb, txn->txn, mailbox, 0, UINT32_MAX, &list);

	if (r == 0 && list.count == 0) {
		r = ms_pending_file_remove(folder_fd);
	} else if (r == 0) {
		ms_pending_format(&list, record->folder.uidvalidity, &text);
		r = text.overflow ? MS_E_LIMIT : ms_replace_file(folder_fd, MS_PENDING_FILE, &text);
	}
	if (r == 0)
		record->pending = text.len;
	ms_pending_clear(&list);
	buf_free(&text);
	return r;
}
