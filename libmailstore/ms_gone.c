/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Messages that left, and mailboxes: kept so that clients which were away hear of it (RFC 7162 section 3.2.7, RFC 8620 section 5.2), and forgotten when
 * that is long ago. */
#include <time.h>

#include "libmailstore/ms_internal.h"

#define VALUE 32
#define GONE_MAX 100000
#define GONE_SECONDS (30 * 86400)
/* Looked for once in so many, and then more than came meanwhile are forgotten: the cost of one stays the same. */
#define PRUNE_EVERY 64
#define PRUNE_MAX 128

struct oldest {
	uint8_t keys[PRUNE_MAX][16];
	uint64_t times[PRUNE_MAX];
	size_t count;
};

static int
collect(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct oldest *oldest = context;

	if (key_len != 16 || len != VALUE)
		return MS_DAMAGED;
	memcpy(oldest->keys[oldest->count], key, 16);
	oldest->times[oldest->count++] = ms_key_get_u64(value + 8);
	return oldest->count == PRUNE_MAX ? MS_AGAIN : 0;
}

static int
prune(struct ms_txn *txn, uint64_t now, uint64_t *count)
{
	struct oldest oldest = { .count = 0 };
	uint64_t floor = 0;
	int r = bdb_scan(txn->bdb, txn->txn, T_GONE, "", 0, 0, collect, &oldest);

	if (r != 0 && r != MS_AGAIN)
		return r;
	r = 0;
	for (size_t i = 0; r == 0 && i < oldest.count && (*count > GONE_MAX || oldest.times[i] + GONE_SECONDS < now); i++) {
		r = bdb_del(txn->bdb, txn->txn, T_GONE, oldest.keys[i], 16);
		floor = ms_key_get_u64(oldest.keys[i]);
		*count -= *count != 0; /* the number is of the index, and no more believed than it */
	}
	return r == 0 && floor != 0 ? ms_raise_floor(txn, floor) : r;
}

int
ms_raise_floor(struct ms_txn *txn, uint64_t modseq)
{
	uint64_t floor = 0;
	int r = ms_meta_get(txn->bdb, txn->txn, "floor", &floor);

	if (r != 0 && r != BDB_NONE)
		return r;
	return floor < modseq ? ms_meta_put(txn, "floor", modseq) : 0;
}

bool
ms_gone_get(struct span key, struct span value, struct ms_gone *ret)
{
	const uint8_t *at = (const uint8_t *)key.ptr, *what = (const uint8_t *)value.ptr;

	if (key.len != 16 || value.len != VALUE)
		return false;
	*ret = (struct ms_gone){
		.modseq = ms_key_get_u64(at), .mailbox = ms_key_get_u32(at + 8), .uid = ms_key_get_u32(at + 12),
		.id = ms_key_get_u64(what), .thread_id = ms_key_get_u64(what + 16), .came = ms_key_get_u64(what + 24),
	};
	return true;
}

int
ms_gone_put(struct ms_txn *txn, const struct ms_gone *gone)
{
	uint64_t now = (uint64_t)time(NULL), count = 0;
	uint8_t key[16], value[VALUE];
	int r = ms_meta_get(txn->bdb, txn->txn, "gone", &count);

	if (r != 0 && r != BDB_NONE)
		return ms_bdb(r);
	ms_key_u64(key, gone->modseq);
	ms_key_u32(key + 8, gone->mailbox);
	ms_key_u32(key + 12, gone->uid);
	ms_key_u64(value, gone->id);
	ms_key_u64(value + 8, now);
	ms_key_u64(value + 16, gone->thread_id);
	ms_key_u64(value + 24, gone->came);
	r = bdb_put(txn->bdb, txn->txn, T_GONE, key, sizeof(key), value, sizeof(value));
	if (r == 0 && ++count % PRUNE_EVERY == 0)
		r = prune(txn, now, &count);
	if (r == 0)
		r = ms_meta_put(txn, "gone", count);
	return ms_bdb(r);
}
