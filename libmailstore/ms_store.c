/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Opening and closing a store, its lock, its transactions. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"
#include "libmailstore/ms_texts.h"
#include "libmailstore/ms_text_index.h"

#define REOPENS_MAX 4
#define MENDS_MAX 3
/* Berkeley DB's own recovery may help, or may find again and again what it cannot mend: then all is made again from the Maildir. */
#define RECOVERIES_MAX 3
#define DATABASE "mailstore.db"
#define CACHE_MIN ((off_t)1 << 20)
#define CACHE_MAX ((off_t)4 << 20)
#define CACHE_NEW ((off_t)16 << 20)

static const char *const table_names[T_COUNT] = {
	[T_META] = "meta", [T_MAILBOX] = "mailbox", [T_MESSAGE] = "message", [T_CHANGE] = "change",
	[T_CACHE] = "cache", [T_EMAIL] = "email", [T_THREAD] = "thread", [T_GONE] = "gone", [T_UIDS] = "uids", [T_TEXT] = "text",
};

const char *
ms_strerror(int result)
{
	static const char *const texts[] = {
		[MS_E_NOTFOUND] = "not found", [MS_E_EXISTS] = "exists already", [MS_E_BADNAME] = "not a valid name",
		[MS_E_QUOTA] = "over quota", [MS_E_STALE] = "deleted meanwhile", [MS_E_LOCKED] = "in use by another, or its mail is being moved in",
		[MS_E_CORRUPT] = "damaged data", [MS_E_DENIED] = "not allowed", [MS_E_LIMIT] = "too many or too long",
		[MS_E_FORGOTTEN] = "changes of so long ago are forgotten",
	};

	if (result < 0)
		return strerrordesc_np(-result) != NULL ? strerrordesc_np(-result) : "unknown error";
	if (result == 0)
		return "no error";
	return (size_t)result < sizeof(texts) / sizeof(*texts) ? texts[result] : "unknown result";
}

/* --- the index --- */

/* True when somebody has removed or replaced the index folder while we had it open. */
static bool
index_is_gone(const struct ms_store *store)
{
	return ms_mark_gone(&store->mark, store->dir_fd, MS_INDEX "/" MS_MARK_FILE);
}

static ino_t
database_inode(const struct ms_store *store)
{
	struct stat st;

	return fstatat(store->dir_fd, MS_INDEX "/" DATABASE, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_ino : 0;
}

void
ms_index_close(struct ms_store *store)
{
	bdb_close(store->bdb);
	store->bdb = NULL;
	ms_mark_close(&store->mark);
	store->writing = false; /* if we were, our state's file says so still: the next recovers */
}

/* Damaged beyond Berkeley DB's own recovery: all of it can be made again. */
int
ms_index_discard(int account_dir_fd)
{
	char aside[64];
	struct timespec now;

	/* Moved away first, so that no half-removed index is ever opened; then removed. */
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)snprintf(aside, sizeof(aside), MS_INDEX_ASIDE "%lld.%ld", (long long)now.tv_sec, (long)getpid());
	if (renameat(account_dir_fd, MS_INDEX, account_dir_fd, aside) < 0)
		return errno == ENOENT ? 0 : -errno;
	/* It must not come back when the power fails: its next UIDs are lower than those that the next index promises. */
	if (fsync(account_dir_fd) < 0)
		return -errno;
	return ms_remove_tree(account_dir_fd, aside);
}

/* A share of the tables, so that an account that is filled or much changed keeps its inner pages, and a small one costs little. An index
 * that is not there yet will be made of the Maildir: in no order of its keys, that wants room. */
static size_t
cache_size(const struct ms_store *store)
{
	struct stat st;
	off_t share;

	if (fstatat(store->dir_fd, MS_INDEX "/" DATABASE, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return CACHE_NEW;
	share = st.st_size / 64;
	return (size_t)(share < CACHE_MIN ? CACHE_MIN : share > CACHE_MAX ? CACHE_MAX : share);
}

static int
open_tables(struct ms_store *store, enum bdb_how how)
{
	_cleanup_(freep) char *path = xasprintf("%s/" MS_INDEX, store->dir);

	bdb_close(store->bdb);
	store->bdb = NULL;
	return bdb_open(path, DATABASE, table_names, T_COUNT, T_MAILBOX + 1, how, cache_size(store), &store->bdb);
}

/* From here on whoever finds the state so knows that we did not come to the end. */
static int
begin_writing(struct ms_store *store)
{
	struct ms_mark_words words = { .sequence = store->sequence, .arrived = store->arrived, .writing = true };
	int r = ms_mark_write(&store->mark, &words);

	store->writing = r == 0;
	return r > 0 ? MS_E_CORRUPT : r;
}

/* The next recovers it; unless a sync failed: what that should have written can still be read, is not on the disk, and no later sync
 * brings it there (Linux takes it for written), so that a recovery would be content and the power then take it. */
static void
leave_unwritten(struct ms_store *store, int result)
{
	ms_index_close(store);
	if (result == BDB_BROKEN)
		(void)ms_index_discard(store->dir_fd);
}

/* Others may read again. When it cannot be written for them, it stands in the log, and the next recovers. */
static void
end_writing(struct ms_store *store)
{
	struct ms_mark_words words = { .sequence = store->sequence + 1, .arrived = store->arrived };
	int r = store->bdb != NULL ? bdb_flush(store->bdb) : BDB_RECOVER;

	if (r == 0)
		r = ms_mark_write(&store->mark, &words);
	if (r == 0)
		store->sequence = words.sequence;
	else
		leave_unwritten(store, r);
	store->writing = false;
}

/* Whether the tables have on disk all that the log has. While others have the index open that does not matter: they are still there, so
 * the power has not failed, and what was written is in the files. */
static int
was_left_in_order(const struct ms_store *store, const struct ms_mark_words *words, bool *ret)
{
	_cleanup_(freep) char *path = NULL;
	uint64_t end;
	int r;

	*ret = !words->writing;
	if (words->writing || !ms_mark_alone(&store->mark))
		return 0;
	*ret = false;
	if (words->end == 0)
		return 0;
	path = xasprintf("%s/" MS_INDEX, store->dir);
	r = bdb_log_end(path, &end);
	*ret = r == 0 && end == words->end;
	return r < 0 ? r : 0;
}

static int
make_index(struct ms_store *store)
{
	_cleanup_(closep) int folder = -1;
	int r = ms_index_discard(store->dir_fd);

	if (r != 0)
		return r;
	if (mkdirat(store->dir_fd, MS_INDEX, 0700) < 0 || fsync(store->dir_fd) < 0)
		return -errno;
	folder = openat(store->dir_fd, MS_INDEX, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0)
		return -errno;
	r = ms_mark_make(folder, &store->mark);
	store->sequence = store->arrived = 0;
	if (r == 0)
		r = begin_writing(store);
	if (r == 0)
		r = open_tables(store, BDB_MAKING);
	return r;
}

static int
open_index_once(struct ms_store *store, bool recover)
{
	_cleanup_(closep) int folder = openat(store->dir_fd, MS_INDEX, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct ms_mark_words words = { .writing = true };
	bool in_order = false;
	int r = folder >= 0 ? ms_mark_open(folder, &store->mark) : errno == ENOENT ? MS_E_NOTFOUND : -errno;

	if (r == MS_E_NOTFOUND)
		return make_index(store);
	if (r == 0)
		r = ms_mark_read(&store->mark, &words);
	if (r == MS_E_CORRUPT)
		r = 0; /* whatever it said: recovery helps, or finds that nothing does */
	if (r == 0)
		r = was_left_in_order(store, &words, &in_order);
	if (r != 0)
		return r;
	store->sequence = words.sequence;
	store->arrived = in_order && !recover ? words.arrived : 0; /* after a recovery the folders tell */
	if (in_order && !recover)
		return open_tables(store, BDB_READING);
	r = begin_writing(store);
	if (r == 0)
		r = open_tables(store, BDB_RECOVERING);
	if (r == 0)
		store->doubt = true;
	return r;
}

/* Under the account's lock. */
static int
open_index(struct ms_store *store)
{
	int r = BDB_BROKEN;

	for (unsigned tries = 0; tries < 4 && r > 0; tries++) {
		r = open_index_once(store, tries > 0);
		if (r == 0)
			store->database_inode = database_inode(store);
		else
			ms_index_close(store);
		if (r == BDB_BROKEN && tries > 0) {
			int removed = ms_index_discard(store->dir_fd);

			if (removed < 0)
				return removed;
		}
	}
	return ms_bdb(r);
}

/* Restoring a backup puts another Maildir in the place of the one that we opened. */
static int
follow_maildir(struct ms_store *store)
{
	int fd;

	/* Half moved in: what is not done would get UIDs of its own. */
	if (faccessat(store->dir_fd, MS_IMPORTING, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return MS_E_LOCKED;
	fd = openat(store->dir_fd, "Maildir", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	(void)close(store->maildir_fd);
	store->maildir_fd = fd;
	return 0;
}

/* Where it cannot be, for lack of room above all, the index can be read without. */
static int
take_in(struct ms_store *store)
{
	int r = store->arrived != 0 ? ms_arrivals_take_in(store) : 0;

	return r < 0 ? 0 : r;
}

/* A record that keeps what has arrived from being taken in, too: mending finds that in the folders. */
static int
mend(struct ms_store *store)
{
	int r;

	store->taking_in = true;
	r = ms_mend(store);
	store->taking_in = false;
	return r;
}

/* The index and, by it, all mailboxes. What is found broken on the way sends us back to the beginning, and from the second time on
 * the index is thrown away. */
static int
reopen_locked(struct ms_store *store, bool discard)
{
	int r = follow_maildir(store);

	if (r == 0)
		r = ms_renaming_take_back(store);
	if (r != 0) {
		ms_index_close(store);
		return r;
	}
	for (unsigned tries = 0; tries < REOPENS_MAX; tries++) {
		ms_index_close(store);
		store->has_floor = false;
		store->generation++;
		if (discard || tries > 1)
			r = ms_index_discard(store->dir_fd);
		if (r == 0)
			r = open_index(store);
		if (r == 0 && !store->taking_in)
			r = take_in(store);
		if (r == 0)
			r = ms_sync_mailboxes(store);
		if (r == 0 && store->doubt)
			r = ms_run(store, ms_begin_anew, NULL);
		if (r == MS_BDB(MS_DAMAGED))
			r = mend(store);
		if (r < MS_BDB(0))
			break;
		discard = discard || r == MS_BDB(BDB_BROKEN) || r == MS_BDB(MS_DAMAGED);
		r = 0;
	}
	if (r == 0)
		store->doubt = false;
	return r;
}

static int
reopen(struct ms_store *store, bool discard)
{
	int r;

	if (store->opening)
		return discard ? MS_BDB(BDB_BROKEN) : MS_BDB(BDB_RECOVER);
	r = ms_lock(store);
	if (r < 0)
		return r;
	store->opening = true;
	r = reopen_locked(store, discard);
	store->opening = false;
	if (r != 0)
		ms_index_close(store);
	ms_unlock(store);
	return r >= MS_BDB(0) ? MS_E_CORRUPT : r;
}

/* A record that is damaged is mended alone; Berkeley DB's own recovery comes before all is made again from the Maildir. */
static int
recover(struct ms_store *store, int result, unsigned tries)
{
	int r = result == MS_BDB(MS_DAMAGED) && tries < MENDS_MAX ? ms_mend(store) : result;

	return r < MS_BDB(0) ? r : reopen(store, r == MS_BDB(BDB_BROKEN) || r == MS_BDB(MS_DAMAGED) || tries >= RECOVERIES_MAX);
}

/* Under the lock, shared suffices: bdb shows what is in the files, and store->arrived how much they lack. MS_BDB(BDB_RECOVER) when the
 * index is to be opened anew, by somebody who holds the lock alone. */
static int
look(struct ms_store *store)
{
	struct ms_mark_words words;
	int r;

	if (store->bdb == NULL || index_is_gone(store))
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
	return ms_bdb(open_tables(store, BDB_READING));
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
		r = reopen(store, r == MS_BDB(BDB_BROKEN));
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
	return store->writing ? 0 : begin_writing(store);
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
		end_writing(store);
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
		r = ms_bdb(open_tables(store, BDB_WRITING));
	/* For lack of room or descriptors: it can be read still. */
	if (r < 0)
		(void)open_tables(store, BDB_READING);
	return r == 0 && !store->writing ? begin_writing(store) : r;
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
		if (r == 0 && database_inode(store) != store->database_inode)
			r = reopen(store, false);
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
		r = recover(store, r, tries);
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
		r = recover(store, r, tries);
		if (r != 0)
			return r;
	}
	return store->opening || store->mending ? MS_BDB(BDB_BROKEN) : MS_E_CORRUPT;
}

int
ms_rebuild(struct ms_store *store)
{
	return reopen(store, true);
}

/* --- open and close --- */

/* ret_made: set when it was not there. */
static int
make_folder(int at, const char *name, bool *ret_made)
{
	if (mkdirat(at, name, 0700) == 0) {
		*ret_made = true;
		return 0;
	}
	return errno == EEXIST ? 0 : -errno;
}

static int
open_folders(struct ms_store *store)
{
	static const char *const parts[] = { "Maildir", "Maildir/tmp", "Maildir/new", "Maildir/cur" };
	bool made = false;

	store->dir_fd = open(store->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (store->dir_fd < 0)
		return -errno;
	/* Nothing is made in what is being moved in. */
	if (faccessat(store->dir_fd, MS_IMPORTING, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return MS_E_LOCKED;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		int r = make_folder(store->dir_fd, parts[i], &made);

		if (r < 0)
			return r;
	}
	store->maildir_fd = openat(store->dir_fd, "Maildir", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (store->maildir_fd < 0 || (made && (fsync(store->maildir_fd) < 0 || fsync(store->dir_fd) < 0)))
		return -errno;
	store->lock_fd = openat(store->dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return store->lock_fd < 0 ? -errno : 0;
}

int
ms_open_telling(const char *account_dir, ms_fault_fn fault, void *context, struct ms_store **ret)
{
	struct ms_store *store = xcalloc(1, sizeof(*store));
	int r;

	store->many = MS_MANY;
	store->follow_max = MS_FOLLOW_MAX;
	store->fault = fault;
	store->fault_context = context;
	store->dir = xstrdup(account_dir);
	store->mark = MS_MARK_NONE;
	store->arrivals.fd = -1;
	store->mailboxes_max = MS_MAILBOXES_MAX;
	store->dir_fd = store->maildir_fd = store->lock_fd = store->watch_fd = store->touch_fd = -1;
	store->kept.watch[0] = store->kept.watch[1] = -1;
	store->watch_index = store->watch_new = store->watch_cur = -1;
	r = open_folders(store);
	if (r == 0)
		r = reopen(store, false);
	if (r != 0) {
		ms_close(store);
		return r;
	}
	*ret = store;
	return 0;
}

int
ms_open(const char *account_dir, struct ms_store **ret)
{
	return ms_open_telling(account_dir, NULL, NULL, ret);
}

/* Who wrote last puts all of it on disk, and says so: whoever opens the index next, perhaps after the power failed, finds it in order. */
static void
leave_index(struct ms_store *store)
{
	struct ms_mark_words words;
	uint64_t end;

	if (store->bdb != NULL && bdb_is_writable(store->bdb) && ms_lock(store) == 0) {
		if (!index_is_gone(store) && ms_mark_read(&store->mark, &words) == 0 && !words.writing && words.sequence == store->sequence &&
		    words.end == 0 && words.arrived == 0) {
			int r = bdb_checkpoint(store->bdb, &end);

			(void)unlinkat(store->dir_fd, MS_ARRIVALS_FILE, 0);
			words.end = end;
			if (r == 0)
				(void)ms_mark_write(&store->mark, &words); /* else the next recovers what needs no recovery */
			else
				leave_unwritten(store, r);
		}
		ms_unlock(store);
	}
	ms_index_close(store);
}

void
ms_close(struct ms_store *store)
{
	if (store == NULL)
		return;
	ms_text_work_free(store->text_work);
	/* Other programs see by then what this one was told. What fails stands in the index and in the folder's file. */
	if (store->flagged && store->bdb != NULL)
		(void)ms_follow_account(store);
	if (store->bdb != NULL && store->arrivals.bytes != 0)
		(void)ms_ensure(store);
	ms_arrivals_forget(store);
	leave_index(store);
	for (size_t i = 0; i < 5; i++) {
		int fd = (const int[]){ store->touch_fd, store->watch_fd, store->lock_fd, store->maildir_fd, store->dir_fd }[i];

		if (fd >= 0)
			(void)close(fd);
	}
	free(store->watch_name);
	free(store->dir);
	free(store);
}
