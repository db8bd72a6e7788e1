/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Entries in two hash tables and a binary heap. */
#include "smtpd/queue_table.h"

#include <stdlib.h>

#include "common/xalloc.h"

#define BUCKETS_FIRST 1024

struct queue_table {
	uint64_t seed;
	struct queue_entry **by_id, **by_drop;
	size_t buckets; /* a power of two */
	size_t count;
	struct queue_entry **heap;
	size_t heap_count, heap_room;
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
	free(table->heap);
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

	queue_table_take(table, entry, ENTRY_IDLE);
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

/* --- the heap --- */

static void
put_at(struct queue_table *table, size_t at, struct queue_entry *entry)
{
	table->heap[at] = entry;
	entry->heap_at = at;
}

static void
sift_up(struct queue_table *table, struct queue_entry *entry)
{
	size_t at = entry->heap_at;

	while (at != 0 && table->heap[(at - 1) / 2]->due > entry->due) {
		put_at(table, at, table->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put_at(table, at, entry);
}

static void
sift_down(struct queue_table *table, struct queue_entry *entry)
{
	size_t at = entry->heap_at;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= table->heap_count)
			break;
		if (child + 1 < table->heap_count &&
		    table->heap[child + 1]->due < table->heap[child]->due)
			child++;
		if (table->heap[child]->due >= entry->due)
			break;
		put_at(table, at, table->heap[child]);
		at = child;
	}
	put_at(table, at, entry);
}

void
queue_table_take(struct queue_table *table, struct queue_entry *entry, int state)
{
	if (entry->state == ENTRY_WAITING) {
		struct queue_entry *last = table->heap[--table->heap_count];

		if (last != entry) {
			put_at(table, entry->heap_at, last);
			sift_up(table, last);
			sift_down(table, last);
		}
	}
	entry->state = state;
}

void
queue_table_schedule(struct queue_table *table, struct queue_entry *entry, int64_t due)
{
	queue_table_take(table, entry, ENTRY_WAITING);
	entry->due = due;
	if (table->heap_count == table->heap_room) {
		table->heap_room = table->heap_room == 0 ? 64 : table->heap_room * 2;
		table->heap =
		    xreallocarray(table->heap, table->heap_room, sizeof(struct queue_entry *));
	}
	put_at(table, table->heap_count++, entry);
	sift_up(table, entry);
}

struct queue_entry *
queue_table_first(const struct queue_table *table)
{
	return table->heap_count != 0 ? table->heap[0] : NULL;
}

void
queue_table_hurry(struct queue_table *table, int64_t due)
{
	/* Cutting all at one height keeps the order of the heap. */
	for (size_t i = 0; i < table->heap_count; i++)
		if (table->heap[i]->due > due)
			table->heap[i]->due = due;
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
