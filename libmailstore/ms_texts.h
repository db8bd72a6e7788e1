/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* T_CACHE: the texts that are kept of messages. A message that comes has a record of its own; when enough of them stand at the end of
 * a mailbox to fill a page, they become one record, under the UID of the last. A message that leaves stays in such a record until half
 * of those in it have left. */
#ifndef LIBMAILSTORE_MS_TEXTS_H
#define LIBMAILSTORE_MS_TEXTS_H

#include "libmailstore/ms_cache.h"
#include "libmailstore/ms_internal.h"

/* Each returns 0, -errno, or MS_BDB(...). */

/* A message's texts, to be written with those of others that come in the same transaction. Empty: nothing. UIDs mostly ascend; any order is
 * right. */
int ms_texts_put(struct ms_txn *txn, uint32_t mailbox, uint32_t uid, struct span texts);
/* Writes what waits: the end of each transaction. */
int ms_texts_flush(struct ms_txn *txn);
/* Forgets it: however a transaction ended. */
void ms_texts_drop(struct ms_txn *txn);
/* A message has left: ms_uids_note knows it. */
int ms_texts_remove(struct ms_txn *txn, uint32_t mailbox, uint32_t uid);
/* Writes a message's record anew, where one is missing or damaged. */
int ms_texts_mend(struct ms_txn *txn, uint32_t mailbox, uint32_t uid, struct span texts);

/* The texts of a message: in unpacked, which has those of the record that was read last, and is read anew when this is not in it.
 * MS_E_NOTFOUND: they are not kept. Borrowed from unpacked (of MS_CACHE_UNPACKED_MAX + 1). */
int ms_texts_get(struct bdb *bdb, struct bdb_txn *txn, uint32_t mailbox, uint32_t uid, struct buf *unpacked, struct span *ret);

#endif
