/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The tables of the index while they are held against each other: what they say of messages, and what is to be mended. */
#ifndef LIBMAILSTORE_MS_TABLES_INTERNAL_H
#define LIBMAILSTORE_MS_TABLES_INTERNAL_H

#include "libmailstore/ms_set.h"

#define KEY_MAX 32
#define MAP_KEY 9 /* of a bitmap in T_UIDS */

enum { HAS_CHANGE = 1, HAS_PLACE = 2, HAS_CACHE = 4 };

/* A message, as far as other tables tell of it. */
struct row {
	uint32_t mailbox, uid;
	uint64_t modseq, email_id, thread_id;
	unsigned has;
	bool damaged;
};

struct box {
	uint32_t number;
	char *name; /* NULL: its record is damaged */
};

/* Of T_UIDS. */
struct map {
	uint32_t mailbox, n;
	unsigned plane;
	uint8_t bits[MS_UIDS_BYTES];
	bool right;
};

/* A bitmap of T_UIDS that tells which messages there are. */
struct listed {
	uint32_t mailbox, n;
	uint8_t bits[MS_UIDS_BYTES];
};

/* What names and records of a mailbox do not tell yet, but the bitmaps do. */
struct untold {
	uint32_t mailbox;
	struct ms_pending_list pending;
};

enum what { REMOVE, REMOVE_PAIR, PUT_CHANGE, PUT_PLACE, PUT_CACHE, PUT_THREAD, PUT_MAP, PUT_MODSEQ, LOSE, EMPTY_TEXT };
struct fix {
	enum what what;
	enum ms_table table; /* REMOVE: from there */
	uint8_t key[KEY_MAX];
	size_t key_len;
	const struct ms_set *set; /* REMOVE_PAIR: that from there */
	struct ms_pair pair;
	size_t at;           /* the row, or map */
};

struct tables {
	struct ms_store *store;
	struct box *boxes;
	struct row *rows;       /* by mailbox and UID */
	struct untold *untold;  /* by mailbox */
	struct listed *listed;  /* by mailbox and number */
	size_t listed_at;       /* while rows are read: the first that may have some beyond the last row, */
	uint32_t listed_bit;    /* and the bit from where on */
	struct map *maps;       /* by mailbox, bitmap and number */
	size_t maps_from;       /* while they are made: the first of those of the last message's numbers */
	bool damaged;           /* some row is */
	uint64_t modseq, highest; /* the last number given, by T_META; of any message */
	struct ms_pair *members; /* thread and email */
	bool ids_lost;          /* of messages, that lead to their threads */
	struct fix *fixes;
	size_t box_count, row_count, row_room, untold_count, listed_count, map_count, member_count, member_room, fix_count, fix_room, next;
};

/* The mailbox of that number, or NULL. */
const struct box *ms_tables_box(const struct tables *tables, uint32_t number);
/* Tells of a fault; 0 where there is no mailbox, or no message. */
void ms_tables_tell(const struct tables *tables, enum ms_fault_kind kind, uint32_t mailbox, uint32_t uid);
/* Something to be mended, of that row or map. Borrowed until the next. */
struct fix *ms_tables_add_fix(struct tables *tables, enum what what, size_t at);
/* Tells that the message of that row lacks something, which is to be mended. */
void ms_tables_lacks(struct tables *tables, size_t row, enum what what, enum ms_fault_kind kind);
/* That record is to go. Longer keys than ours are none of ours: they are left. */
void ms_tables_remove_key(struct tables *tables, enum ms_table table, const uint8_t *key, size_t key_len);

/* Of T_UIDS, for bdb_scan, before the messages: what their records are held against. ms_tables_look_at_map sees the others. */
int ms_tables_take_uids(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len);
/* Reads all messages into rows, and makes the bitmaps that there should be; those that only the bitmaps have are rows as well. */
int ms_tables_take_messages(struct bdb *bdb, struct tables *tables);
/* The row at that place (mailbox and UID), or NULL. */
struct row *ms_tables_row(const struct tables *tables, const uint8_t key[8]);
/* The bitmap that there should be, or NULL. */
struct map *ms_tables_map(const struct tables *tables, uint32_t mailbox, unsigned plane, uint32_t n);

/* For bdb_scan, once the messages are read: tell what does not agree with them, have it removed, and mark the rows and bitmaps that do. */
int ms_tables_look_at_changes(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len);
int ms_tables_look_at_gone(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len);
int ms_tables_look_at_places(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len);
int ms_tables_look_at_cache(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len);
int ms_tables_look_at_map(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len);
/* Of T_THREAD, likewise: the members of threads, for ms_tables_look_at_rows. */
int ms_tables_take_members(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len);
/* After all these: what no table said of a message is to be put there. */
void ms_tables_look_at_rows(struct tables *tables);

/* Mends that. 0, MS_E_*, or -errno. */
int ms_tables_apply(struct ms_txn *txn, const struct tables *tables, const struct fix *fix);

#endif
