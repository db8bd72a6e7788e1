/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What the queue keeps of each message in memory: little, so that a hundred thousand cost little;
 * the rest is in the files. Found by queue id or by the name it had in drop/; a heap tells which is
 * due next. */
#ifndef SMTPD_QUEUE_TABLE_H
#define SMTPD_QUEUE_TABLE_H

#include "common/spool.h"

struct queue_entry {
	char id[SPOOL_ID_LEN + 1];
	enum {
		ENTRY_IDLE,
		ENTRY_WAITING,
		ENTRY_ACTIVE,
		ENTRY_HELD
	} state;             /* WAITING: in the heap */
	int64_t due;         /* seconds since 1970 */
	int64_t uid;         /* who dropped it, or -1 */
	char *drop;          /* the name it had there, or NULL */
	unsigned faults;     /* attempts in a row that failed for reasons of our own */
	bool crowded;        /* the last attempt found no room among the jobs for its destination */
	/* Requests that came during an attempt: carried out at its end. */
	bool hold_wanted, remove_wanted, retry_wanted;
	/* The table's. */
	size_t heap_at;
	struct queue_entry *next_by_id, *next_by_drop;
};

struct queue_table;

/* seed: any number that outsiders do not know. */
struct queue_table *queue_table_new(uint64_t seed);
struct queue_table *queue_table_free(struct queue_table *table);
size_t queue_table_count(const struct queue_table *table);

/* Adds an idle entry; the id must not be there yet. drop may be NULL. */
struct queue_entry *
queue_table_add(struct queue_table *table, const char *id, int64_t uid, const char *drop);
/* By queue id or by name in drop/; NULL when there is none. */
struct queue_entry *queue_table_find(const struct queue_table *table, struct span name);
/* Removes and frees. */
void queue_table_remove(struct queue_table *table, struct queue_entry *entry);

/* Puts into the heap, or moves within it. */
void queue_table_schedule(struct queue_table *table, struct queue_entry *entry, int64_t due);
/* Takes out of the heap; the state becomes the given one. */
void queue_table_take(struct queue_table *table, struct queue_entry *entry, int state);
/* The entry that is due first, or NULL. */
struct queue_entry *queue_table_first(const struct queue_table *table);
/* Makes every waiting entry due at that time, those with a later one at least. */
void queue_table_hurry(struct queue_table *table, int64_t due);
/* Calls each for every entry, in no order, until it returns false. It must not add or remove any. */
void queue_table_each(const struct queue_table *table,
    bool (*each)(void *context, struct queue_entry *entry), void *context);

#endif
