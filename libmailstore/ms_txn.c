/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A store's lock, readings and transactions. */
#include <errno.h>
#include <sys/file.h>
#include <unistd.h>

#include "libmailstore/ms_index.h"
#include "libmailstore/ms_texts.h"

#define REOPENS_MAX 4

/* --- reading --- */

/* Under the lock, shared suffices: bdb shows what is in the files, and store->arrived how much they lack. MS_BDB(BDB_RECOVER) when the
 * index is to be opened anew, by somebody who holds the lock alone. */
static int
look(struct ms_store *store)
{
	struct ms_mark_words words;
	int r;

	if (store->bdb == NULL || ms_index_is_gone(store))
		return MS_BDB(BDB_RECOVER);
	if (store->writing)
		return 0;
	r = ms_mark_read(&store->mark, &words);
	if (r < 0)
		return r;
	if (r > 0 || words.writing)
		return MS_BDB(BDB_RECOVER);
	store->arrived = words.arrived;
	if (words.sequence == store->sequence)
		return 0;
	store->sequence = words.sequence;
	return ms_bdb(ms_index_tables(store, BDB_READING));
}

static int
hold(const struct ms_store *store, int how)
{
	while (flock(store->lock_fd, how) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* Begins to read: under a lock that is shared, if the caller has none. 0: end_reading is to follow. */
static int
begin_reading(struct ms_store *store)
{
	int r = MS_BDB(BDB_RECOVER);
	bool tried = false;

	if (store->reading > 0) {
		store->reading++;
		return 0;
	}
	for (unsigned tries = 0; tries < REOPENS_MAX; tries++) {
		r = store->locked == 0 ? hold(store, LOCK_SH) : 0;
		if (r == 0)
			r = look(store);
		if (r == 0 && (store->arrived == 0 || store->taking_in || (tried && store->in_vain != 0))) {
			store->reading = 1;
			return 0;
		}
		if (store->locked == 0)
			(void)hold(store, LOCK_UN);
		if (r == 0) {
			/* In vain, for lack of room above all, it can be read without; run() writes nothing then. What was found
			 * damaged on the way, the next look tells. */
			(void)ms_arrivals_take_in(store);
			tried = true;
			continue;
		}
		if (r < MS_BDB(0))
			return r;
		r = ms_reopen(store, r == MS_BDB(BDB_BROKEN));
		if (r != 0)
			return r;
	}
	return MS_E_CORRUPT;
}

static void
end_reading(struct ms_store *store)
{
	if (--store->reading == 0 && store->locked == 0)
		(void)hold(store, LOCK_UN);
}

int
ms_ensure(struct ms_store *store)
{
	int r = begin_reading(store);

	if (r == 0)
		end_reading(store);
	return r;
}

int
ms_will_write(struct ms_store *store)
{
	return store->writing ? 0 : ms_index_begin_writing(store);
}

/* --- lock and transactions --- */

int
ms_lock(struct ms_store *store)
{
	int r;

	if (store->locked > 0) {
		store->locked++;
		return 0;
	}
	if (store->reading > 0)
		return -EDEADLK; /* a work function of ms_read writes nothing */
	r = hold(store, LOCK_EX);
	store->locked = r == 0;
	return r;
}

void
ms_unlock(struct ms_store *store)
{
	if (store->locked == 1 && store->writing)
		ms_index_end_writing(store);
	if (--store->locked > 0)
		return;
	(void)hold(store, LOCK_UN);
	if (store->changed)
		ms_notify(store);
	store->changed = false;
}

/* The tables for writing, and a state that says so. */
static int
prepare_to_write(struct ms_store *store)
{
	int r = 0;

	if (!bdb_is_writable(store->bdb))
		r = ms_bdb(ms_index_tables(store, BDB_WRITING));
	/* For lack of room or descriptors: it can be read still. */
	if (r < 0)
		(void)ms_index_tables(store, BDB_READING);
	return r == 0 && !store->writing ? ms_index_begin_writing(store) : r;
}

static int
run_once(struct ms_store *store, ms_work work, void *context, unsigned tries, bool durable, bool *ret_changed)
{
	struct ms_txn txn = { .store = store, .again = tries > 0 };
	int r = prepare_to_write(store);

	if (r != 0)
		return r;
	txn.bdb = store->bdb;
	r = bdb_begin(store->bdb, &txn.txn);
	if (r != 0)
		return ms_bdb(r);
	r = work(&txn, context);
	if (r == 0)
		r = ms_texts_flush(&txn);
	if (r == 0)
		r = ms_uids_flush(&txn);
	ms_texts_drop(&txn);
	if (r != 0)
		bdb_abort(txn.txn);
	else if (txn.synced_with_count != 0)
		r = ms_bdb(bdb_commit_with(txn.txn, txn.synced_with, txn.synced_with_count));
	else
		r = ms_bdb(bdb_commit(txn.txn, durable));
	while (txn.synced_with_count != 0)
		(void)close(txn.synced_with[--txn.synced_with_count]);
	*ret_changed = txn.changed;
	return r;
}

static int
run(struct ms_store *store, ms_work work, void (*undo)(void *context), void *context, bool durable)
{
	bool changed = false;
	int r = ms_lock(store);

	if (r < 0)
		return r;
	for (unsigned tries = 0; tries < RETRIES_MAX; tries++) {
		r = ms_ensure(store);
		/* What is promised must stand in an index that others see. */
		if (r == 0 && ms_index_inode(store) != store->database_inode)
			r = ms_reopen(store, false);
		/* What has arrived has its UIDs: nothing is given one before that is taken in. */
		if (r == 0 && store->arrived != 0 && !store->taking_in)
			r = store->in_vain;
		if (r != 0)
			break;
		r = run_once(store, work, context, tries, durable, &changed);
		if (r != 0 && undo != NULL)
			undo(context);
		if (r < MS_BDB(0))
			break;
		if (r == MS_BDB(MS_DAMAGED) && (store->mending || store->opening))
			break;
		r = ms_recover(store, r, tries);
		if (r != 0)
			break;
		r = MS_BDB(BDB_BROKEN); /* when that was the last attempt */
	}
	if (r == 0 && changed)
		store->changed = true;
	if (r < 0)
		store->flagged = false; /* what fails is not worked on when it is closed */
	ms_unlock(store);
	return r >= MS_BDB(0) && !store->opening && !store->mending ? MS_E_CORRUPT : r;
}

int
ms_run(struct ms_store *store, ms_work work, void *context)
{
	return run(store, work, NULL, context, true);
}

int
ms_run_undoing(struct ms_store *store, ms_work work, void (*undo)(void *context), void *context)
{
	return run(store, work, undo, context, true);
}

int
ms_run_unsynced(struct ms_store *store, ms_work work, void *context)
{
	return run(store, work, NULL, context, false);
}

int
ms_read(struct ms_store *store, int (*work)(struct bdb *bdb, void *context), void *context)
{
	bool within = store->reading > 0;
	int r = 0;

	for (unsigned tries = 0; tries < RETRIES_MAX; tries++) {
		r = begin_reading(store);
		if (r != 0)
			return r;
		r = work(store->bdb, context);
		end_reading(store);
		if (within || r < MS_BDB(0) || (r == MS_BDB(MS_DAMAGED) && (store->mending || store->opening)))
			return r;
		r = ms_recover(store, r, tries);
		if (r != 0)
			return r;
	}
	return store->opening || store->mending ? MS_BDB(BDB_BROKEN) : MS_E_CORRUPT;
}
