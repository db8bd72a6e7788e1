/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A set-associative table. Who knows no seed cannot aim at a slot, and a row that is full forgets what its owner can do without, and of that
 * what was not used for longest. */
#include "smtpd/ledger.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "common/xalloc.h"

#define SECOND 1000000
/* What was overdrawn is remembered so far: beyond that all wait for the same time. */
#define DEBT_WINDOWS_MAX 32

struct ledger {
	uint64_t seed;
	size_t rows;
	struct ledger_slot *slots;
};
_Static_assert(sizeof(struct ledger_slot) == 32, "a slot has no holes");

struct ledger *
ledger_new(uint64_t seed, size_t rows)
{
	struct ledger *ledger = xcalloc(1, sizeof(*ledger));

	ledger->seed = seed;
	ledger->rows = rows;
	ledger->slots = xcalloc(rows * LEDGER_WAYS, sizeof(*ledger->slots));
	return ledger;
}

struct ledger *
ledger_free(struct ledger *ledger)
{
	if (ledger != NULL)
		free(ledger->slots);
	free(ledger);
	return NULL;
}

uint64_t
ledger_seed(const struct ledger *ledger)
{
	return ledger->seed;
}

size_t
ledger_slots(const struct ledger *ledger)
{
	return ledger->rows * LEDGER_WAYS;
}

struct ledger_slot *
ledger_at(struct ledger *ledger, size_t number)
{
	return &ledger->slots[number];
}

size_t
ledger_number(const struct ledger *ledger, const struct ledger_slot *slot)
{
	return (size_t)(slot - ledger->slots);
}

/* --- keys --- */

/* FNV-1a, then SplitMix64's finalizer with the secret: the length first, so that parts cannot flow into each other. */
static uint64_t
begin(const struct ledger *ledger, uint64_t key, size_t len)
{
	return (key ^ len ^ ledger->seed) * 0x100000001b3U;
}

static uint64_t
finish(const struct ledger *ledger, uint64_t hash)
{
	hash = (hash ^ (hash >> 30) ^ ledger->seed) * 0xbf58476d1ce4e5b9U;
	hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebU;
	hash ^= hash >> 31;
	return hash != 0 ? hash : 1;
}

uint64_t
ledger_key_and_text(const struct ledger *ledger, uint64_t key, struct span text)
{
	return finish(ledger, span_ihash(begin(ledger, key, text.len), text));
}

uint64_t
ledger_key_text(const struct ledger *ledger, char kind, struct span text)
{
	return ledger_key_and_text(ledger, (unsigned char)kind, text);
}

uint64_t
ledger_key_and_bytes(const struct ledger *ledger, uint64_t key, struct span bytes)
{
	return finish(ledger, span_hash(begin(ledger, key, bytes.len), bytes));
}

uint64_t
ledger_key_bytes(const struct ledger *ledger, char kind, struct span bytes)
{
	return ledger_key_and_bytes(ledger, (unsigned char)kind, bytes);
}

/* --- slots --- */

static struct ledger_slot *
row_of(struct ledger *ledger, uint64_t key)
{
	return &ledger->slots[(key & (ledger->rows - 1)) * LEDGER_WAYS];
}

struct ledger_slot *
ledger_find(struct ledger *ledger, uint64_t key)
{
	struct ledger_slot *row = row_of(ledger, key);

	for (size_t i = 0; i < LEDGER_WAYS; i++)
		if (row[i].key == key)
			return &row[i];
	return NULL;
}

static bool
goes_before(const struct ledger_slot *a, const struct ledger_slot *b)
{
	uint32_t first = a->state - 1, second = b->state - 1; /* that of 0 is the greatest */

	return first != second ? first < second : a->last < b->last;
}

struct ledger_slot *
ledger_take(struct ledger *ledger, uint64_t key, int64_t now)
{
	struct ledger_slot *slot = ledger_find(ledger, key), *row = row_of(ledger, key);

	if (slot == NULL) {
		slot = &row[0];
		for (size_t i = 0; i < LEDGER_WAYS && slot->key != 0; i++)
			if (row[i].key == 0 || goes_before(&row[i], slot))
				slot = &row[i];
		*slot = (struct ledger_slot){ .key = key };
	}
	slot->last = now;
	return slot;
}

/* --- buckets --- */

/* The generic cell rate algorithm: `since` is when the bucket will be full again. Returns when it would be after taking. */
static int64_t
full_after(const struct ledger_slot *slot, uint32_t count, int64_t seconds, uint32_t amount, int64_t now_us)
{
	int64_t window = seconds * SECOND, full = slot != NULL ? slot->since : now_us;

	/* A clock that was set back adds nothing to what is to be waited for. */
	if (slot != NULL && slot->last > now_us)
		full -= slot->last - now_us;
	if (full < now_us)
		full = now_us;
	if (full - now_us > DEBT_WINDOWS_MAX * window)
		full = now_us + DEBT_WINDOWS_MAX * window;
	return full + window / count * amount;
}

bool
ledger_could_spend(struct ledger *ledger, uint64_t key, uint32_t count, int64_t seconds, uint32_t amount, int64_t now_us)
{
	return full_after(ledger_find(ledger, key), count, seconds, amount, now_us) - now_us <= seconds * SECOND;
}

bool
ledger_spend(struct ledger *ledger, uint64_t key, uint32_t count, int64_t seconds, uint32_t amount, int64_t now_us)
{
	bool could = ledger_could_spend(ledger, key, count, seconds, amount, now_us);

	if (could)
		(void)ledger_overdraw(ledger, key, count, seconds, amount, now_us);
	return could;
}

int64_t
ledger_overdraw(struct ledger *ledger, uint64_t key, uint32_t count, int64_t seconds, uint32_t amount, int64_t now_us)
{
	int64_t full = full_after(ledger_find(ledger, key), count, seconds, amount, now_us), there = full - seconds * SECOND;

	ledger_take(ledger, key, now_us)->since = full;
	return there > now_us ? there : now_us;
}

void
ledger_give_back(struct ledger *ledger, uint64_t key, uint32_t count, int64_t seconds, uint32_t amount)
{
	struct ledger_slot *slot = ledger_find(ledger, key);

	if (slot != NULL) /* or it has made room for others */
		slot->since -= seconds * SECOND / count * amount;
}

/* --- networks --- */

struct span
ledger_network(struct span address, uint8_t bytes[16])
{
	char text[INET6_ADDRSTRLEN] = "";

	if (address.len < sizeof(text))
		memcpy(text, address.ptr, address.len);
	if (inet_pton(AF_INET, text, bytes) == 1)
		return span_make(bytes, 3);
	if (inet_pton(AF_INET6, text, bytes) == 1)
		return span_make(bytes, 8);
	return address;
}
