/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Mail that has arrived and is not in the index yet. While nobody else has the index open, nobody waits for it there: a message stands,
 * synced, in its folder, with its UID in its name, and in index/arrivals with all that was computed of it. Whoever reads or changes the
 * index takes in first what has arrived, in one transaction: so a delivery costs no pages, and no log. */
#ifndef LIBMAILSTORE_MS_ARRIVALS_H
#define LIBMAILSTORE_MS_ARRIVALS_H

#include "libmailstore/ms_arrival.h"

struct ms_store;

struct ms_arrivals {
	int fd;            /* of the file; -1 */
	bool known;        /* what follows is the mailbox as it will be when all has been taken in, and the file has this process's alone */
	unsigned generation; /* of the index, then; and its state */
	uint64_t sequence;
	uint32_t mailbox;
	struct ms_mailbox_record record;
	struct ms_quota usage; /* of the account, where it has a quota */
	uint64_t bytes;
	size_t count;
};

/* Bytes of the file. */
#define MS_ARRIVALS_MAX (256 * 1024)

/* Of ms_arrivals_begin: the messages are to be stored in a transaction. */
#define MS_BY_TRANSACTION 996

/* Under the lock: so many messages, and bytes, are to arrive in that mailbox, without flags or keywords, with so much text (as in
 * ms_cache.h) of all of them. 0: the mailbox is in store->arrivals, for UIDs to be taken and times to be noted; ms_arrivals_end or
 * ms_arrivals_fail is to follow. Or MS_BY_TRANSACTION, MS_E_QUOTA, MS_E_NOTFOUND, MS_E_CORRUPT, -errno. */
int ms_arrivals_begin(struct ms_store *store, const char *mailbox, const struct ms_quota *more, size_t texts);
/* One of them stands in the folder, synced: appended to bytes, and counted. */
void ms_arrivals_add(struct ms_store *store, const struct ms_arrival *arrival, struct buf *bytes);
/* So all of them do. 0, or -errno: ms_arrivals_fail is to follow. */
int ms_arrivals_end(struct ms_store *store, const struct buf *bytes);
/* None of them is promised. withdrawn: they do not stand there any more, and others get their UIDs; otherwise the folders are read before any
 * message gets one. */
void ms_arrivals_fail(struct ms_store *store, bool withdrawn);

/* Takes in what has arrived by the state; harmless when nothing has. 0, -errno (all is as it was), MS_BDB(BDB_RECOVER) when it cannot be
 * read: the folders are, then, as after a recovery. */
int ms_arrivals_take_in(struct ms_store *store);
/* What it knew does not hold any more. */
void ms_arrivals_forget(struct ms_store *store);

#endif
