/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Sets of pairs of numbers in the index. A record has a run of neighbours: alone, a pair takes three times its bytes in a page. */
#ifndef LIBMAILSTORE_MS_SET_H
#define LIBMAILSTORE_MS_SET_H

#include "libmailstore/ms_internal.h"
#include "libmailstore/ms_pairs.h"

struct ms_set {
	enum ms_table table;
	uint8_t letter;
	enum ms_pairs_near near;
};
extern const struct ms_set ms_set_changes; /* modification sequence; mailbox and UID: of each message that is there the latest */
extern const struct ms_set ms_set_places;   /* email id; mailbox and UID: where it stands */
extern const struct ms_set ms_set_threads; /* thread id; id of an email in it */
extern const struct ms_set ms_set_known;   /* hash of a Message-ID; id of its thread */

/* Mailbox and UID as one number. */
#define MS_PLACE(mailbox, uid) ((uint64_t)(mailbox) << 32 | (uid))

/* Each returns 0, -errno, or MS_BDB(...). What is there already is there once; what is not there is removed. */
int ms_set_add(struct ms_txn *txn, const struct ms_set *set, uint64_t a, uint64_t b);
int ms_set_remove(struct ms_txn *txn, const struct ms_set *set, uint64_t a, uint64_t b);
/* Calls each pair from `first` on while a is not above last_a, until it returns non-zero: that is the result. MS_BDB(MS_DAMAGED). */
typedef int (*ms_pair_fn)(void *context, uint64_t a, uint64_t b);
int ms_set_each(struct bdb *bdb, struct bdb_txn *txn, const struct ms_set *set, struct ms_pair first, uint64_t last_a, ms_pair_fn each, void *context);
/* The first b of that a. The same, or MS_E_NOTFOUND. */
int ms_set_get(struct bdb *bdb, struct bdb_txn *txn, const struct ms_set *set, uint64_t a, uint64_t *ret);

/* What a record of a table of sets has. 0, or MS_E_CORRUPT. */
#define MS_SET_KEY 17
int ms_set_record_get(struct span key, struct span value, const struct ms_set *const *sets, size_t set_count, const struct ms_set **ret_set, struct ms_pairs *ret);

#endif
