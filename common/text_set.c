/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A set of texts: a table that doubles, each bucket a list. */
#include "common/text_set.h"

#include <stdlib.h>

#include "common/xalloc.h"

#define BUCKETS_FIRST 16

struct item {
	struct item *next;
	uint64_t hash;
	size_t len;
	char text[];
};

struct text_set {
	uint64_t seed;
	size_t count, buckets;
	struct item **table;
};

struct text_set *
text_set_new(uint64_t seed)
{
	struct text_set *set = xcalloc(1, sizeof(*set));

	set->seed = seed;
	set->buckets = BUCKETS_FIRST;
	set->table = xcalloc(set->buckets, sizeof(*set->table));
	return set;
}

struct text_set *
text_set_free(struct text_set *set)
{
	for (size_t i = 0; set != NULL && i < set->buckets; i++)
		while (set->table[i] != NULL) {
			struct item *item = set->table[i];

			set->table[i] = item->next;
			free(item);
		}
	if (set != NULL)
		free(set->table);
	free(set);
	return NULL;
}

static uint64_t
hash_of(const struct text_set *set, struct span text)
{
	uint64_t hash = span_hash(set->seed ^ UINT64_C(0xcbf29ce484222325), text);

	return hash ^ hash >> 32;
}

static const struct item *
find(const struct text_set *set, struct span text, uint64_t hash)
{
	const struct item *item = set->table[hash & (set->buckets - 1)];

	while (item != NULL && (item->hash != hash || !span_eq(span_make(item->text, item->len), text)))
		item = item->next;
	return item;
}

static void
grow(struct text_set *set)
{
	size_t buckets = set->buckets * 2;
	struct item **table = xcalloc(buckets, sizeof(*table));

	for (size_t i = 0; i < set->buckets; i++)
		while (set->table[i] != NULL) {
			struct item *item = set->table[i];

			set->table[i] = item->next;
			item->next = table[item->hash & (buckets - 1)];
			table[item->hash & (buckets - 1)] = item;
		}
	free(set->table);
	set->table = table;
	set->buckets = buckets;
}

bool
text_set_add(struct text_set *set, struct span text)
{
	uint64_t hash = hash_of(set, text);
	struct item *item, **bucket;

	if (find(set, text, hash) != NULL)
		return false;
	if (set->count >= set->buckets)
		grow(set);
	item = xmalloc(sizeof(*item) + text.len);
	item->hash = hash;
	item->len = text.len;
	if (text.len != 0)
		memcpy(item->text, text.ptr, text.len);
	bucket = &set->table[hash & (set->buckets - 1)];
	item->next = *bucket;
	*bucket = item;
	set->count++;
	return true;
}

bool
text_set_has(const struct text_set *set, struct span text)
{
	return find(set, text, hash_of(set, text)) != NULL;
}
