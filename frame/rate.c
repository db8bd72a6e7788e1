/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A set-associative table: a key belongs to one row of WAYS slots. No allocation after the start,
 * whatever attackers do; one who knows no seed must make as many failures as a slot has counted to
 * push it out. */
#include "frame/rate.h"

#include <stdlib.h>

#include "common/xalloc.h"

#define ROWS 4096
#define WAYS 8

struct slot {
	uint64_t key; /* 0: free */
	int64_t since;
	unsigned count;
};

struct rate {
	uint64_t seed;
	struct slot rows[ROWS][WAYS];
};

struct rate *
rate_new(uint64_t seed)
{
	struct rate *rate = xcalloc(1, sizeof(*rate));

	rate->seed = seed;
	return rate;
}

struct rate *
rate_free(struct rate *rate)
{
	free(rate);
	return NULL;
}

uint64_t
rate_key(const struct rate *rate, char kind, struct span bytes)
{
	/* FNV-1a from a secret start, then SplitMix64's finalizer. */
	uint64_t hash = span_hash(span_hash(rate->seed, span_make(&kind, 1)), bytes);

	hash = (hash ^ (hash >> 30) ^ rate->seed) * 0xbf58476d1ce4e5b9U;
	hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebU;
	hash ^= hash >> 31;
	return hash != 0 ? hash : 1;
}

static struct slot *
find(const struct rate *rate, uint64_t key)
{
	const struct slot *row = rate->rows[key % ROWS];

	for (size_t i = 0; i < WAYS; i++)
		if (row[i].key == key)
			return (struct slot *)(uintptr_t)&row[i];
	return NULL;
}

static unsigned
live_count(const struct slot *slot, int64_t now, int64_t window)
{
	return slot->key != 0 && now - slot->since < window ? slot->count : 0;
}

unsigned
rate_add(struct rate *rate, uint64_t key, int64_t now, int64_t window)
{
	struct slot *slot = find(rate, key);

	if (slot == NULL) {
		struct slot *row = rate->rows[key % ROWS];

		slot = &row[0];
		for (size_t i = 1; i < WAYS; i++)
			if (live_count(&row[i], now, window) < live_count(slot, now, window))
				slot = &row[i];
		*slot = (struct slot){ key, now, 0 };
	}
	if (live_count(slot, now, window) == 0)
		*slot = (struct slot){ key, now, 0 };
	if (slot->count < UINT32_MAX)
		slot->count++;
	return slot->count;
}

unsigned
rate_count(const struct rate *rate, uint64_t key, int64_t now, int64_t window)
{
	const struct slot *slot = find(rate, key);

	return slot != NULL ? live_count(slot, now, window) : 0;
}

void
rate_forget(struct rate *rate, uint64_t key)
{
	struct slot *slot = find(rate, key);

	if (slot != NULL)
		*slot = (struct slot){ 0, 0, 0 };
}
