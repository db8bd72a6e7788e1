/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The index of an account as files: making, opening, throwing away, and its state's file, which says who writes. All under the account's lock. */
#ifndef LIBMAILSTORE_MS_INDEX_H
#define LIBMAILSTORE_MS_INDEX_H

#include <stdbool.h>
#include <sys/types.h>

#include "libmailstore/ms_internal.h"

/* Somebody has removed or replaced the index folder while we had it open. */
bool ms_index_is_gone(const struct ms_store *store);
/* Of the database's file; 0 when there is none. */
ino_t ms_index_inode(const struct ms_store *store);
/* Opens the index, made or recovered first where it must be: store->doubt tells that it was recovered. 0, MS_BDB(...), -errno; then it is
 * closed. */
int ms_index_open(struct ms_store *store);
/* The tables, opened anew. 0, a result of bdb, -errno. */
int ms_index_tables(struct ms_store *store, enum bdb_how how);
/* Says that we write. 0, MS_E_CORRUPT, -errno. */
int ms_index_begin_writing(struct ms_store *store);
/* All that was committed goes into the files, and others may read again. */
void ms_index_end_writing(struct ms_store *store);
/* Closes what could not be written; result: of bdb. */
void ms_index_leave_unwritten(struct ms_store *store, int result);

/* Opens the index anew, thrown away first where discard says so, and by it all mailboxes. 0, MS_E_CORRUPT, MS_E_LOCKED, -errno; within an
 * opening MS_BDB(...). */
int ms_reopen(struct ms_store *store, bool discard);
/* Mends or opens anew, as a result says that a transaction or a reading came to, the attempt being the tries-th from 0 on. 0: do it again. */
int ms_recover(struct ms_store *store, int result, unsigned tries);

#endif
