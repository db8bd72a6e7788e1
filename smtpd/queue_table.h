/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What the queue keeps of each message in memory: little, so that a million cost little; the rest is in the files. Found by queue id
 * or by the name it had in drop/. When it is tried is queue_schedule.h's. */
#ifndef SMTPD_QUEUE_TABLE_H
#define SMTPD_QUEUE_TABLE_H

#include "common/spool.h"
#include "smtpd/heap.h"

struct destination;

enum entry_state {
	ENTRY_IDLE,    /* nowhere: just made, or not read yet after the start */
	ENTRY_WAITING, /* for its time */
	ENTRY_READY,   /* its time has come; for its destination to take it */
	ENTRY_ACTIVE,  /* being tried */
	ENTRY_HELD,    /* for an operator */
};

struct queue_entry {
	char id[SPOOL_ID_LEN + 1];
	uint8_t state;      /* enum entry_state */
	int8_t priority;    /* MT-PRIORITY */
	uint8_t faults;     /* attempts in a row that failed for reasons of our own, as far as they are counted */
	bool taken : 1;     /* it has one of its destination's places */
	/* Requests that came during an attempt: carried out at its end. */
	bool hold_wanted : 1, remove_wanted : 1, retry_wanted : 1, requeue_wanted : 1;
	bool requeue_kept : 1; /* queue_wish.c keeps that it is to be requeued, until an attempt by that has ended */
	bool requeued : 1; /* at the next attempt aliases have a say, whatever its envelope says */
	bool hurried : 1;  /* at the next attempt destinations that are down are looked at */
	uint16_t sender;    /* a hash of it */
	int64_t born;       /* when it was taken, by what age_born said */
	int64_t tell;       /* seconds since 1970: its sender is to be told something by then */
	int64_t uid;        /* who dropped it, or -1 */
	char *drop;         /* the name it had there, or NULL */
	struct destination *destination; /* of all its open recipients, or NULL */
	struct heap_item item; /* the schedule's */
	struct queue_entry *next_by_id, *next_by_drop; /* the table's */
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
/* Removes and frees; the schedule has forgotten it before. */
void queue_table_remove(struct queue_table *table, struct queue_entry *entry);
/* Calls each for every entry, in no order, until it returns false. It must not add or remove any. */
void queue_table_each(const struct queue_table *table,
    bool (*each)(void *context, struct queue_entry *entry), void *context);

#endif
