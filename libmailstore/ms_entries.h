/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* T_MESSAGE: what is known of each message, with that of its neighbours in a record. Where a record is damaged, the bitmap of UIDs tells
 * which messages it had, or the other tables do: each of them is lost alone, and mended alone. */
#ifndef LIBMAILSTORE_MS_ENTRIES_H
#define LIBMAILSTORE_MS_ENTRIES_H

#include "libmailstore/ms_internal.h"
#include "libmailstore/ms_row.h"

/* Whether a key of T_MESSAGE is one of ours. */
bool ms_entry_key(const uint8_t *key, size_t key_len);
/* MS_E_NOTFOUND; MS_BDB(MS_DAMAGED): it is lost. */
int ms_entry_load(struct bdb *bdb, struct bdb_txn *txn, uint32_t mailbox, uint32_t uid, struct ms_message_record *ret);
/* Puts it in place of what is known of that UID, or is lost. */
int ms_entry_put(struct ms_txn *txn, uint32_t mailbox, const struct ms_message_record *record);
/* Nothing is known of that UID any more but that it is there: it is mended as one that is damaged. */
int ms_entry_lose(struct ms_txn *txn, uint32_t mailbox, uint32_t uid);
/* Also when there is none. */
int ms_entry_remove(struct ms_txn *txn, uint32_t mailbox, uint32_t uid);
/* Calls each in order of mailbox and UID until it returns non-zero: that is the result, a positive one of bdb.h, or of the caller, as
 * MS_BDB(...). Only the UID of one that is lost is good. mailbox 0: of all, from the first on. */
typedef int (*ms_entry_fn)(void *context, uint32_t mailbox, const struct ms_entry *entry);
int ms_entries(struct bdb *bdb, struct bdb_txn *txn, uint32_t mailbox, uint32_t first, ms_entry_fn each, void *context);

#endif
