/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What the files share that bring the index up to date with a folder: ms_sync.c and, for what is new in it, ms_sync_new.c. */
#ifndef LIBMAILSTORE_MS_SYNC_H
#define LIBMAILSTORE_MS_SYNC_H

#include "libmailstore/ms_internal.h"
#include "libmailstore/ms_listing.h"

struct ms_syncing {
	struct ms_store *store;
	uint32_t number;
	struct ms_mailbox_record *record;
	int folder_fd;
	unsigned generation; /* of the index that all this is read from */
	bool rebuild;        /* the index knew nothing, or was not done with it: UIDs in names count */
	uint32_t names_from; /* otherwise, from here on: the index never gave those */
	bool doubt;          /* the index may be older than the folder: until the end it does not know its next UID */
	bool mend;           /* every file is looked at, and what is wrong told */
	uint32_t *damaged;   /* UIDs whose records are: made again from the files that have them in their names */
	size_t damaged_count;
	struct ms_message_record *known;
	size_t known_count, known_room;
	struct ms_listing listing;
	struct ms_file **found; /* for each known one, its file or NULL */
	struct ms_pending_list pending; /* what the folder's file says that names do not tell yet: now they do */
	struct ms_pending_list noted;   /* the same by the index */
	struct ms_renames followed; /* names that no record has yet */
	bool missed;            /* a file whose name tells its UID was renamed before it could be taken in */
	bool renamed[2];        /* files of new/, of cur/ */
	size_t at, end;         /* the batch */
};

/* Saves the mailbox's record. One that is not wholly taken in, or held against its folder after a recovery, has no next UID in the index:
 * whoever comes next begins again, and UIDs in names count for him. */
int ms_sync_save(struct ms_txn *txn, const struct ms_syncing *sync, const struct ms_mailbox_record *mailbox);
/* The UID's record is damaged, and not made again yet. */
bool ms_sync_is_damaged(const struct ms_syncing *sync, uint32_t uid);
/* Takes in all files of the listing that are not taken; sync->missed tells when one with a UID in its name could not be. */
int ms_sync_take_new(struct ms_syncing *sync);

#endif
