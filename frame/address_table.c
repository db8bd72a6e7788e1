/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A hash table of counters, one for each network address that holds a connection; entries of count
 * 0 are freed. */
#include "frame/address_table.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

#define BUCKETS 1024

struct entry {
	struct entry *next;
	uint64_t key;
	unsigned count;
};

struct address_table {
	uint64_t seed;
	struct entry *buckets[BUCKETS];
};

struct address_table *
address_table_new(uint64_t seed)
{
	struct address_table *table = xcalloc(1, sizeof(*table));

	table->seed = seed;
	return table;
}

struct address_table *
address_table_free(struct address_table *table)
{
	if (table == NULL)
		return NULL;
	for (size_t i = 0; i < BUCKETS; i++)
		while (table->buckets[i] != NULL) {
			struct entry *entry = table->buckets[i];

			table->buckets[i] = entry->next;
			free(entry);
		}
	free(table);
	return NULL;
}

/* The place that points to the entry of key, or to NULL at the end of its bucket. */
static struct entry **
find(struct address_table *table, uint64_t key)
{
	uint64_t mixed = key + table->seed;
	struct entry **at;

	/* The finalizer of SplitMix64: each bit of the key moves half of the bits of the result. */
	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
	mixed ^= mixed >> 31;
	at = &table->buckets[mixed % BUCKETS];
	while (*at != NULL && (*at)->key != key)
		at = &(*at)->next;
	return at;
}

unsigned
address_table_add(struct address_table *table, uint64_t key)
{
	struct entry **at = find(table, key);

	if (*at == NULL) {
		*at = xcalloc(1, sizeof(**at));
		(*at)->key = key;
	}
	return ++(*at)->count;
}

void
address_table_remove(struct address_table *table, uint64_t key)
{
	struct entry **at = find(table, key), *entry = *at;

	if (entry == NULL || --entry->count != 0)
		return;
	*at = entry->next;
	free(entry);
}

unsigned
address_table_count(const struct address_table *table, uint64_t key)
{
	const struct entry *entry = *find((struct address_table *)(uintptr_t)table, key);

	return entry != NULL ? entry->count : 0;
}

uint64_t
address_key(const uint8_t *address, size_t len)
{
	/* RFC 4291 section 2.5.5.2 */
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	uint64_t key = 0;

	if (len == 16 && memcmp(address, mapped, sizeof(mapped)) == 0) {
		address += sizeof(mapped);
		len = 4;
	}
	for (size_t i = 0; i < 8 && i < len; i++)
		key = key << 8 | address[i];
	/* No /64 begins with 32 zero bits and is in use on the network, so IPv4 keys stand
	 * apart. */
	return key;
}
