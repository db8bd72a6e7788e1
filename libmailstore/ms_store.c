/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Opening and closing a store, its lock, its transactions, its waiting. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"
#include "libmailstore/ms_text_index.h"

#define INDEX "index"
#define NOTIFY_FILE "notify"
#define MARK_FILE "clean"
#define REOPENS_MAX 4
#define MENDS_MAX 3
/* Berkeley DB's own recovery may help, or may find again and again what it cannot mend: then all is made again from the Maildir. */
#define RECOVERIES_MAX 3
/* Nanoseconds between two attempts of what needs a lock inside the index, and how often: half a minute. */
#define PAUSE_MIN 50000
#define PAUSE_MAX 10000000
#define PAUSES_MAX 3000
#define DATABASE "mailstore.db"
#define CACHE_MIN ((off_t)1 << 20)
#define CACHE_MAX ((off_t)4 << 20)
#define CACHE_NEW ((off_t)16 << 20)
#define INDEX_WATCH (IN_DELETE_SELF | IN_MOVE_SELF)
#define NOTIFY_WATCH (IN_CLOSE_WRITE | IN_DELETE_SELF)

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
	return ms_users_gone(&store->users, store->dir_fd, INDEX "/" MS_USERS_FILE);
}

/* The folder is not removed at once: what counts of it may be gone, and be made anew by others, when the rest still stands. */
static const char *const index_files[MS_INDEX_FILES] = { INDEX "/" DATABASE, INDEX "/" BDB_SHARED_FILE };

static void
note_files(struct ms_store *store)
{
	struct stat st;

	for (size_t i = 0; i < MS_INDEX_FILES; i++)
		store->index_inodes[i] = fstatat(store->dir_fd, index_files[i], &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_ino : 0;
}

/* To be asked under the lock, before anything is promised: nobody makes them anew then. */
static bool
files_are_others(const struct ms_store *store)
{
	struct stat st;

	for (size_t i = 0; i < MS_INDEX_FILES; i++)
		if (fstatat(store->dir_fd, index_files[i], &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ino != store->index_inodes[i])
			return true;
	return false;
}

/* died: what it held in the index's shared memory is not given back, so the next to open it recovers. */
static void
close_index(struct ms_store *store, bool died)
{
	/* What one who died held is not waited for; and of an index that was removed nothing is written any more: it would go to the
	 * files of the next, by their names. */
	if (store->bdb != NULL)
		bdb_alarm(store->bdb, NULL);
	bdb_close(store->bdb, NULL);
	store->bdb = NULL;
	ms_users_close(&store->users, died);
}

/* Damaged beyond Berkeley DB's own recovery: all of it can be made again. */
int
ms_index_discard(const char *account_dir, int account_dir_fd)
{
	_cleanup_(freep) char *path = xasprintf("%s/" INDEX, account_dir);
	char aside[64];
	struct timespec now;

	/* Others write no more: their files have the same names as those of the next. Moved away first, so that no half-removed
	 * index is ever opened; then removed. */
	bdb_alarm(NULL, path);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)snprintf(aside, sizeof(aside), MS_INDEX_ASIDE "%lld.%ld", (long long)now.tv_sec, (long)getpid());
	if (renameat(account_dir_fd, INDEX, account_dir_fd, aside) < 0)
		return errno == ENOENT ? 0 : -errno;
	/* It must not come back when the power fails: its next UIDs are lower than those that the next index promises. */
	if (fsync(account_dir_fd) < 0)
		return -errno;
	return ms_remove_tree(account_dir_fd, aside);
}

/* Where the log ended when the last to leave had put all in order. It stays when the index is opened again, and is wrong from the
 * first commit on: the log has grown then. */
static uint64_t
read_mark(int folder)
{
	_cleanup_(closep) int fd = openat(folder, MARK_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[32];
	ssize_t got = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
	uint64_t mark = 0;

	return got > 0 && span_to_u64(span_make(text, (size_t)got), UINT64_MAX, &mark) == 0 ? mark : 0;
}

static void
write_mark(int folder, uint64_t mark)
{
	_cleanup_(closep) int fd = openat(folder, MARK_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	char text[32];
	int len = snprintf(text, sizeof(text), "%llu", (unsigned long long)mark);

	if (fd >= 0)
		(void)!write(fd, text, (size_t)len); /* without it, or with half of it, the next recovers */
}

/* A share of the tables, so that an account that is filled or much changed keeps its inner pages, and a small one costs little. An index
 * that is not there yet will be made of the Maildir: in no order of its keys, that wants room. */
static size_t
cache_size(int folder)
{
	struct stat st;
	off_t share;

	if (fstatat(folder, DATABASE, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return CACHE_NEW;
	share = st.st_size / 64;
	return (size_t)(share < CACHE_MIN ? CACHE_MIN : share > CACHE_MAX ? CACHE_MAX : share);
}

static int
open_index_once(struct ms_store *store, bool recover)
{
	_cleanup_(freep) char *path = xasprintf("%s/" INDEX, store->dir);
	_cleanup_(closep) int folder = -1;
	enum bdb_join join = recover ? BDB_RECOVERY : BDB_JOIN;
	unsigned alive;
	bool died;
	int r;

	if (mkdirat(store->dir_fd, INDEX, 0700) == 0 ? fsync(store->dir_fd) < 0 : errno != EEXIST)
		return -errno;
	folder = openat(store->dir_fd, INDEX, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0)
		return -errno;
	r = ms_users_open(folder, &store->users);
	if (r == 0)
		r = ms_users_look(&store->users, &alive, &died);
	if (r == 0)
		r = ms_users_enter(&store->users);
	/* What the shared memory holds when nobody uses it may be from before the power failed. */
	if (r == 0 && alive == 0)
		r = bdb_remove_regions(folder);
	if (r == 0) {
		if (died)
			join = BDB_RECOVERY;
		else if (alive == 0 && !recover)
			join = BDB_ALONE;
		r = bdb_open(path, DATABASE, table_names, T_COUNT, join, read_mark(folder), cache_size(folder), &recover, &store->bdb);
	}
	if (r == 0 && recover)
		store->doubt = true;
	if (r == 0)
		note_files(store);
	else
		close_index(store, true);
	return r;
}

/* One opener at a time: recovery must not run under another's feet. Under the account's lock. */
static int
open_index(struct ms_store *store)
{
	int r = BDB_BROKEN;

	for (unsigned tries = 0; tries < 4 && r > 0; tries++) {
		r = open_index_once(store, tries > 0);
		if (r == BDB_BROKEN && tries > 0) {
			int removed = ms_index_discard(store->dir, store->dir_fd);

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

static int
pass_modseq(struct ms_txn *txn, void *context)
{
	uint64_t modseq;

	(void)context;
	return ms_next_modseq(txn, &modseq);
}

/* The index and, by it, all mailboxes. What is found broken on the way sends us back to the beginning, and from the second time on
 * the index is thrown away. */
static int
reopen_locked(struct ms_store *store, bool discard)
{
	int r = follow_maildir(store);

	if (r != 0) {
		close_index(store, false);
		return r;
	}
	for (unsigned tries = 0; tries < REOPENS_MAX; tries++) {
		close_index(store, false);
		store->has_floor = false;
		store->generation++;
		if (discard || tries > 1)
			r = ms_index_discard(store->dir, store->dir_fd);
		if (r == 0)
			r = open_index(store);
		if (r == 0)
			r = ms_sync_mailboxes(store);
		/* What was promised may have been lost with the end of the log: its numbers are not given again. */
		if (r == 0 && store->doubt)
			r = ms_run(store, pass_modseq, NULL);
		if (r == MS_BDB(MS_DAMAGED))
			r = ms_mend(store);
		if (r < MS_BDB(0))
			break;
		discard = discard || r == MS_BDB(BDB_BROKEN) || r == MS_BDB(MS_DAMAGED);
		r = 0;
	}
	if (r == 0)
		store->doubt = false;
	return r;
}

/* A death may have left somebody waiting for ever inside the index, with the account's lock: he is woken. */
static void
wake_the_stuck(struct ms_store *store)
{
	_cleanup_(freep) char *path = xasprintf("%s/" INDEX, store->dir);
	_cleanup_(closep) int folder = -1;
	struct ms_users users = MS_USERS_NONE;
	unsigned alive;
	bool died = false;

	folder = openat(store->dir_fd, INDEX, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0 || ms_users_open(folder, &users) != 0)
		return;
	if (ms_users_look(&users, &alive, &died) == 0 && died)
		bdb_alarm(NULL, path);
	ms_users_close(&users, false);
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
		close_index(store, true);
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

int
ms_ensure(struct ms_store *store)
{
	unsigned alive;
	bool died = false;
	int r;

	if (store->bdb == NULL || index_is_gone(store))
		return reopen(store, false);
	r = ms_users_look(&store->users, &alive, &died);
	return r == 0 && died ? reopen(store, false) : r;
}

/* --- lock and transactions --- */

int
ms_lock(struct ms_store *store)
{
	if (store->locked++ > 0)
		return 0;
	if (flock(store->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	wake_the_stuck(store);
	while (flock(store->lock_fd, LOCK_EX) < 0)
		if (errno != EINTR) {
			store->locked = 0;
			return -errno;
		}
	return 0;
}

void
ms_unlock(struct ms_store *store)
{
	if (--store->locked == 0)
		(void)flock(store->lock_fd, LOCK_UN);
}

void
ms_notify(struct ms_store *store)
{
	int fd = openat(store->dir_fd, INDEX "/" NOTIFY_FILE, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return; /* the index is being removed: those who wait see that too */
	(void)close(fd); /* IN_CLOSE_WRITE is what they wait for */
}

/* Before what was refused for a lock is tried again, a little longer each time. MS_E_LOCKED when it has been long enough. */
static int
pause_again(unsigned *pauses)
{
	struct timespec pause = { 0, *pauses < 8 ? PAUSE_MIN << *pauses : PAUSE_MAX };

	if (++*pauses > PAUSES_MAX)
		return MS_E_LOCKED;
	(void)nanosleep(&pause, NULL);
	return 0;
}

static int
run_once(struct ms_store *store, ms_work work, void *context, unsigned tries, bool durable, bool *ret_changed)
{
	struct ms_txn txn = { .store = store, .bdb = store->bdb, .again = tries > 0 };
	int r = bdb_begin(store->bdb, &txn.txn);

	if (r != 0)
		return ms_bdb(r);
	r = work(&txn, context);
	if (r == 0)
		r = ms_uids_flush(&txn);
	if (r != 0) {
		bdb_abort(txn.txn);
		return r;
	}
	r = bdb_commit(txn.txn, durable);
	*ret_changed = txn.changed;
	return ms_bdb(r);
}

static int
run(struct ms_store *store, ms_work work, void (*undo)(void *context), void *context, bool durable)
{
	unsigned pauses = 0;
	bool changed = false;
	int r = ms_lock(store);

	if (r < 0)
		return r;
	for (unsigned tries = 0; tries < RETRIES_MAX + pauses; tries++) {
		r = ms_ensure(store);
		if (r == 0 && files_are_others(store))
			r = reopen(store, false);
		if (r != 0)
			break;
		r = run_once(store, work, context, tries, durable, &changed);
		if (r != 0 && undo != NULL)
			undo(context);
		if (r < MS_BDB(0))
			break;
		if (r == MS_BDB(MS_DAMAGED) && (store->mending || store->opening))
			break;
		r = r == MS_BDB(BDB_AGAIN) ? pause_again(&pauses) : recover(store, r, tries - pauses);
		if (r != 0)
			break;
		r = MS_BDB(BDB_BROKEN); /* when that was the last attempt */
	}
	if (r == 0 && changed)
		ms_notify(store);
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
	unsigned pauses = 0;
	int r = 0;

	for (unsigned tries = 0; tries < RETRIES_MAX + pauses; tries++) {
		r = ms_ensure(store);
		if (r != 0)
			return r;
		r = work(store->bdb, context);
		if (r < MS_BDB(0) || (r == MS_BDB(MS_DAMAGED) && (store->mending || store->opening)))
			return r;
		r = r == MS_BDB(BDB_AGAIN) ? pause_again(&pauses) : recover(store, r, tries - pauses);
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

	store->fault = fault;
	store->fault_context = context;
	store->dir = xstrdup(account_dir);
	store->users = MS_USERS_NONE;
	store->dir_fd = store->maildir_fd = store->lock_fd = store->watch_fd = store->touch_fd = -1;
	store->watch_index = store->watch_new = store->watch_cur = -1;
	r = open_folders(store);
	if (r == 0)
		r = reopen(store, false);
	if (r == 0)
		r = ms_renaming_finish(store);
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

/* The last to leave takes the shared memory along: an account that nobody reads is small, and the next finds it in order. When
 * somebody holds the lock, he stays. */
static void
leave_index(struct ms_store *store)
{
	_cleanup_(closep) int folder = -1;
	unsigned alive = 1;
	bool died = true;
	uint64_t mark = 0;

	if (store->bdb != NULL && (index_is_gone(store) || ms_users_look(&store->users, &alive, &died) != 0 || died)) {
		close_index(store, false);
		return;
	}
	if (store->bdb == NULL || flock(store->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		bdb_close(store->bdb, NULL);
		store->bdb = NULL;
		ms_users_close(&store->users, false);
		return;
	}
	/* Again, now that nobody comes or goes. */
	if (ms_users_look(&store->users, &alive, &died) != 0 || died)
		alive = 1;
	bdb_close(store->bdb, alive == 0 ? &mark : NULL);
	store->bdb = NULL;
	if (alive == 0)
		folder = openat(store->dir_fd, INDEX, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder >= 0) {
		(void)bdb_remove_regions(folder);
		write_mark(folder, mark);
	}
	ms_users_close(&store->users, false);
	(void)flock(store->lock_fd, LOCK_UN);
}

void
ms_close(struct ms_store *store)
{
	if (store == NULL)
		return;
	ms_text_work_free(store->text_work);
	leave_index(store);
	for (size_t i = 0; i < 5; i++) {
		int fd = (const int[]){ store->touch_fd, store->watch_fd, store->lock_fd, store->maildir_fd, store->dir_fd }[i];

		if (fd >= 0)
			(void)close(fd);
	}
	free(store->dir);
	free(store);
}

/* --- waiting --- */

/* The folder, and in it the one file that is touched on purpose: the database's own files are closed whenever some process ends,
 * which is no news to anybody. */
static void
watch_index(struct ms_store *store)
{
	_cleanup_(freep) char *folder = xasprintf("%s/" INDEX, store->dir);
	_cleanup_(freep) char *notify = xasprintf("%s/" INDEX "/" NOTIFY_FILE, store->dir);
	_cleanup_(closep) int fd = open(notify, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	store->watch_index = inotify_add_watch(store->watch_fd, folder, INDEX_WATCH);
	if (fd >= 0)
		(void)inotify_add_watch(store->watch_fd, notify, NOTIFY_WATCH);
}

int
ms_watch_fd(struct ms_store *store)
{
	if (store->watch_fd < 0) {
		store->watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
		if (store->watch_fd < 0)
			return -errno;
		watch_index(store);
	}
	return store->watch_fd;
}

int
ms_watch_mailbox(struct ms_store *store, const char *name)
{
	int fd = ms_watch_fd(store), old[2] = { store->watch_new, store->watch_cur }, watch[2];

	if (fd < 0)
		return fd;
	ms_folder_unwatch(fd, old);
	ms_folder_watch(store, name, fd, watch);
	store->watch_new = watch[0];
	store->watch_cur = watch[1];
	return 0;
}

void
ms_watch_drain(struct ms_store *store)
{
	_Alignas(struct inotify_event) char events[16384];

	while (store->watch_fd >= 0 && read(store->watch_fd, events, sizeof(events)) > 0)
		continue;
	/* The index may have been removed and made again: the watch follows the folder that is there. Adding one that stands is
	 * harmless. */
	if (store->watch_fd >= 0)
		watch_index(store);
}
