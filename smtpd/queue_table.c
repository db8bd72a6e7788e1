/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Entries in two hash tables. */
#include "smtpd/queue_table.h"

#include <stdlib.h>

#include "common/xalloc.h"

#define BUCKETS_FIRST 1024

struct queue_table {
	uint64_t seed;
	struct queue_entry **by_id, **by_drop;
	size_t buckets; /* a power of two */
	size_t count;
};

/* Names in drop/ are chosen by users: the seed keeps them from choosing collisions. */
static size_t
bucket(const struct queue_table *table, struct span name)
{
	uint64_t hash = table->seed;

	for (size_t i = 0; i < name.len; i++) {
		hash = (hash ^ (uint8_t)name.ptr[i]) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 29;
	}
	return (size_t)hash & (table->buckets - 1);
}

struct queue_table *
queue_table_new(uint64_t seed)
{
	struct queue_table *table = xcalloc(1, sizeof(*table));

	table->seed = seed | 1;
	table->buckets = BUCKETS_FIRST;
	table->by_id = xcalloc(table->buckets, sizeof(struct queue_entry *));
	table->by_drop = xcalloc(table->buckets, sizeof(struct queue_entry *));
	return table;
}

static void
free_entry(struct queue_entry *entry)
{
	free(entry->drop);
	free(entry);
}

struct queue_table *
queue_table_free(struct queue_table *table)
{
	for (size_t i = 0; i < table->buckets; i++)
		while (table->by_id[i] != NULL) {
			struct queue_entry *entry = table->by_id[i];

			table->by_id[i] = entry->next_by_id;
			free_entry(entry);
		}
	free(table->by_id);
	free(table->by_drop);
	free(table);
	return NULL;
}

size_t
queue_table_count(const struct queue_table *table)
{
	return table->count;
}

static void
link_entry(struct queue_table *table, struct queue_entry *entry)
{
	size_t at = bucket(table, span_of(entry->id));

	entry->next_by_id = table->by_id[at];
	table->by_id[at] = entry;
	if (entry->drop == NULL)
		return;
	at = bucket(table, span_of(entry->drop));
	entry->next_by_drop = table->by_drop[at];
	table->by_drop[at] = entry;
}

static void
grow(struct queue_table *table)
{
	struct queue_entry **old = table->by_id;
	size_t count = table->buckets;

	free(table->by_drop);
	table->buckets *= 2;
	table->by_id = xcalloc(table->buckets, sizeof(struct queue_entry *));
	table->by_drop = xcalloc(table->buckets, sizeof(struct queue_entry *));
	for (size_t i = 0; i < count; i++)
		while (old[i] != NULL) {
			struct queue_entry *entry = old[i];

			old[i] = entry->next_by_id;
			link_entry(table, entry);
		}
	free(old);
}

struct queue_entry *
queue_table_add(struct queue_table *table, const char *id, int64_t uid, const char *drop)
{
	struct queue_entry *entry = xcalloc(1, sizeof(*entry));

	if (table->count >= table->buckets)
		grow(table);
	memcpy(entry->id, id, SPOOL_ID_LEN);
	entry->uid = uid;
	entry->drop = drop != NULL ? xstrdup(drop) : NULL;
	link_entry(table, entry);
	table->count++;
	return entry;
}

struct queue_entry *
queue_table_find(const struct queue_table *table, struct span name)
{
	size_t at = bucket(table, name);

	for (struct queue_entry *entry = table->by_id[at]; entry != NULL; entry = entry->next_by_id)
		if (span_eq(span_of(entry->id), name))
			return entry;
	for (struct queue_entry *entry = table->by_drop[at]; entry != NULL;
	     entry = entry->next_by_drop)
		if (span_eq(span_of(entry->drop), name))
			return entry;
	return NULL;
}

void
queue_table_remove(struct queue_table *table, struct queue_entry *entry)
{
	struct queue_entry **at = &table->by_id[bucket(table, span_of(entry->id))];

	while (*at != entry)
		at = &(*at)->next_by_id;
	*at = entry->next_by_id;
	if (entry->drop != NULL) {
		at = &table->by_drop[bucket(table, span_of(entry->drop))];
		while (*at != entry)
			at = &(*at)->next_by_drop;
		*at = entry->next_by_drop;
	}
	table->count--;
	free_entry(entry);
}

void
queue_table_each(const struct queue_table *table,
    bool (*each)(void *context, struct queue_entry *entry), void *context)
{
	for (size_t i = 0; i < table->buckets; i++)
		for (struct queue_entry *entry = table->by_id[i]; entry != NULL;
		     entry = entry->next_by_id)
			if (!each(context, entry))
				return;
}
