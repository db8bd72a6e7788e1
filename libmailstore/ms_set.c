/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A pair is in the last record whose key is not above it. */
#include "libmailstore/ms_set.h"

#include <stdlib.h>

const struct ms_set ms_set_changes = { T_CHANGE, 'c', MS_NEAR_LAST };
const struct ms_set ms_set_places = { T_EMAIL, 'e', MS_NEAR_LAST };
const struct ms_set ms_set_threads = { T_THREAD, 't', MS_NEAR_LAST };
const struct ms_set ms_set_known = { T_THREAD, 'm', MS_NEAR_OWN };

/* Of a number in a record ten bytes at most. */
#define RECORD_MAX (MS_PAIRS_MAX * 20 + 8)

static void
make_key(const struct ms_set *set, const struct ms_pair *pair, uint8_t key[MS_SET_KEY])
{
	key[0] = set->letter;
	ms_key_u64(key + 1, pair->a);
	ms_key_u64(key + 9, pair->b);
}

static struct ms_pair
pair_of(const uint8_t key[MS_SET_KEY])
{
	return (struct ms_pair){ ms_key_get_u64(key + 1), ms_key_get_u64(key + 9) };
}

/* A record, and the pair that its key has. */
struct run {
	struct ms_pair first;
	struct ms_pairs pairs;
};

static int
read_run(const struct ms_set *set, const uint8_t *key, size_t key_len, struct span value, struct run *ret)
{
	if (key_len != MS_SET_KEY)
		return MS_BDB(MS_DAMAGED);
	ret->first = pair_of(key);
	return ms_pairs_get(value, &ret->first, set->near, &ret->pairs) == 0 ? 0 : MS_BDB(MS_DAMAGED);
}

/* 0, MS_E_NOTFOUND, or MS_BDB(...). */
static int
find_run(struct bdb *bdb, struct bdb_txn *txn, const struct ms_set *set, const struct ms_pair *pair, struct run *ret)
{
	uint8_t key[MS_SET_KEY];
	void *found, *bytes;
	size_t found_len, len;
	int r;

	make_key(set, pair, key);
	r = bdb_floor(bdb, txn, set->table, key, sizeof(key), &found, &found_len, &bytes, &len);
	if (r != 0)
		return r == BDB_NONE ? MS_E_NOTFOUND : ms_bdb(r);
	if (found_len > 0 && *(const uint8_t *)found != set->letter)
		r = MS_E_NOTFOUND;
	else
		r = read_run(set, found, found_len, span_make(bytes, len), ret);
	free(found);
	free(bytes);
	return r;
}

static int
put_run(struct ms_txn *txn, const struct ms_set *set, const struct ms_pair *first, const struct ms_pair *list, size_t count)
{
	struct buf record = BUF_INIT(RECORD_MAX);
	uint8_t key[MS_SET_KEY];
	int r;

	make_key(set, first, key);
	ms_pairs_put(list, count, first, set->near, &record);
	r = bdb_put(txn->bdb, txn->txn, set->table, key, sizeof(key), record.data, record.len);
	buf_free(&record);
	return ms_bdb(r);
}

/* The place of the first that is not below. */
static size_t
place_of(const struct ms_pairs *pairs, const struct ms_pair *pair)
{
	size_t i = 0;

	while (i < pairs->count && ms_pair_compare(&pairs->list[i], pair) < 0)
		i++;
	return i;
}

static bool
is_at(const struct ms_pairs *pairs, size_t i, const struct ms_pair *pair)
{
	return i < pairs->count && ms_pair_compare(&pairs->list[i], pair) == 0;
}

int
ms_set_add(struct ms_txn *txn, const struct ms_set *set, uint64_t a, uint64_t b)
{
	struct ms_pair pair = { a, b };
	struct run run;
	size_t i, half;
	int r = find_run(txn->bdb, txn->txn, set, &pair, &run);

	if (r == MS_E_NOTFOUND)
		return put_run(txn, set, &pair, &pair, 1);
	if (r != 0)
		return r;
	i = place_of(&run.pairs, &pair);
	if (is_at(&run.pairs, i, &pair))
		return 0;
	/* Most come in order: a record that is full stays so. */
	if (run.pairs.count == MS_PAIRS_MAX && i == run.pairs.count)
		return put_run(txn, set, &pair, &pair, 1);
	memmove(&run.pairs.list[i + 1], &run.pairs.list[i], (run.pairs.count - i) * sizeof(pair));
	run.pairs.list[i] = pair;
	if (++run.pairs.count <= MS_PAIRS_MAX)
		return put_run(txn, set, &run.first, run.pairs.list, run.pairs.count);
	half = run.pairs.count / 2;
	r = put_run(txn, set, &run.first, run.pairs.list, half);
	return r == 0 ? put_run(txn, set, &run.pairs.list[half], run.pairs.list + half, run.pairs.count - half) : r;
}

int
ms_set_remove(struct ms_txn *txn, const struct ms_set *set, uint64_t a, uint64_t b)
{
	struct ms_pair pair = { a, b };
	uint8_t key[MS_SET_KEY];
	struct run run;
	size_t i;
	int r = find_run(txn->bdb, txn->txn, set, &pair, &run);

	if (r != 0)
		return r == MS_E_NOTFOUND ? 0 : r;
	i = place_of(&run.pairs, &pair);
	if (!is_at(&run.pairs, i, &pair))
		return 0;
	run.pairs.count--;
	memmove(&run.pairs.list[i], &run.pairs.list[i + 1], (run.pairs.count - i) * sizeof(pair));
	if (run.pairs.count > 0)
		return put_run(txn, set, &run.first, run.pairs.list, run.pairs.count);
	make_key(set, &run.first, key);
	return ms_bdb(bdb_del(txn->bdb, txn->txn, set->table, key, sizeof(key)));
}

/* --- reading --- */

struct walk {
	const struct ms_set *set;
	struct ms_pair first;
	uint64_t last_a;
	ms_pair_fn each;
	void *context;
	int result;
};

/* Not zero: the walk ends. */
static int
walk_run(struct walk *walk, const struct run *run)
{
	if (run->first.a > walk->last_a)
		return 1;
	for (size_t i = place_of(&run->pairs, &walk->first); i < run->pairs.count; i++) {
		if (run->pairs.list[i].a > walk->last_a)
			return 1;
		walk->result = walk->each(walk->context, run->pairs.list[i].a, run->pairs.list[i].b);
		if (walk->result != 0)
			return 1;
	}
	return 0;
}

static int
walk_record(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct walk *walk = context;
	struct run run;

	if (read_run(walk->set, key, key_len, span_make((const char *)value, len), &run) != 0)
		return MS_DAMAGED;
	return walk_run(walk, &run);
}

int
ms_set_each(struct bdb *bdb, struct bdb_txn *txn, const struct ms_set *set, struct ms_pair first, uint64_t last_a, ms_pair_fn each, void *context)
{
	struct walk walk = { .set = set, .first = first, .last_a = last_a, .each = each, .context = context };
	uint8_t key[MS_SET_KEY + 1] = { 0 };
	struct run run = { .first = first };
	size_t len = 1; /* of the key: all of them */
	int r = find_run(bdb, txn, set, &first, &run);

	key[0] = set->letter;
	if (r == 0) {
		if (walk_run(&walk, &run) != 0)
			return walk.result;
		/* Those behind it. */
		make_key(set, &run.first, key);
		len = sizeof(key);
	} else if (r != MS_E_NOTFOUND) {
		return r;
	}
	r = bdb_scan(bdb, txn, set->table, key, len, 1, walk_record, &walk);
	return r == 1 ? walk.result : ms_bdb(r);
}

static int
take(void *context, uint64_t a, uint64_t b)
{
	(void)a;
	*(uint64_t *)context = b;
	return MS_AGAIN;
}

int
ms_set_get(struct bdb *bdb, struct bdb_txn *txn, const struct ms_set *set, uint64_t a, uint64_t *ret)
{
	int r = ms_set_each(bdb, txn, set, (struct ms_pair){ a, 0 }, a, take, ret);

	return r == MS_AGAIN ? 0 : r == 0 ? MS_E_NOTFOUND : r;
}

int
ms_set_record_get(struct span key, struct span value, const struct ms_set *const *sets, size_t set_count, const struct ms_set **ret_set, struct ms_pairs *ret)
{
	struct run run;

	for (size_t i = 0; i < set_count; i++) {
		if (key.len != MS_SET_KEY || (uint8_t)*key.ptr != sets[i]->letter || read_run(sets[i], (const uint8_t *)key.ptr, key.len, value, &run) != 0)
			continue;
		*ret_set = sets[i];
		*ret = run.pairs;
		return 0;
	}
	return MS_E_CORRUPT;
}
