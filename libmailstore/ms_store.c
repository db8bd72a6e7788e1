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

#define INDEX "index"
#define NOTIFY_FILE "notify"
#define DATABASE "mailstore.db"
#define INDEX_WATCH (IN_DELETE_SELF | IN_MOVE_SELF)
#define NOTIFY_WATCH (IN_CLOSE_WRITE | IN_DELETE_SELF)

static const char *const table_names[T_COUNT] = {
	[T_META] = "meta", [T_MAILBOX] = "mailbox", [T_MESSAGE] = "message", [T_CHANGE] = "change",
	[T_CACHE] = "cache", [T_EMAIL] = "email", [T_THREAD] = "thread",
};

const char *
ms_strerror(int result)
{
	static const char *const texts[] = {
		[MS_E_NOTFOUND] = "not found", [MS_E_EXISTS] = "exists already", [MS_E_BADNAME] = "not a valid name",
		[MS_E_QUOTA] = "over quota", [MS_E_STALE] = "deleted meanwhile", [MS_E_LOCKED] = "in use by another",
		[MS_E_CORRUPT] = "damaged data", [MS_E_DENIED] = "not allowed", [MS_E_LIMIT] = "too many or too long",
	};

	if (result < 0)
		return strerrordesc_np(-result) != NULL ? strerrordesc_np(-result) : "unknown error";
	if (result == 0)
		return "no error";
	return (size_t)result < sizeof(texts) / sizeof(*texts) ? texts[result] : "unknown result";
}

/* --- the index --- */

static void
close_index(struct ms_store *store)
{
	bdb_close(store->bdb);
	store->bdb = NULL;
}

/* Damaged beyond Berkeley DB's own recovery: all of it can be made again. */
static int
remove_index(struct ms_store *store)
{
	char aside[64];
	struct timespec now;

	/* Moved away first, so that no half-removed index is ever opened; then removed. */
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)snprintf(aside, sizeof(aside), "index-damaged.%lld.%ld", (long long)now.tv_sec, (long)getpid());
	if (renameat(store->dir_fd, INDEX, store->dir_fd, aside) < 0)
		return errno == ENOENT ? 0 : -errno;
	return ms_remove_tree(store->dir_fd, aside);
}

static int
open_index_once(struct ms_store *store)
{
	_cleanup_(freep) char *path = xasprintf("%s/" INDEX, store->dir);
	struct stat st;
	int r;

	if (mkdirat(store->dir_fd, INDEX, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (fstatat(store->dir_fd, INDEX, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	r = bdb_open(path, DATABASE, table_names, T_COUNT, &store->bdb);
	store->index_device = st.st_dev;
	store->index_inode = st.st_ino;
	return r;
}

/* One opener at a time: recovery must not run under another's feet. Under the account's lock. */
static int
open_index(struct ms_store *store)
{
	int r = BDB_BROKEN;

	for (unsigned tries = 0; tries < 4 && r > 0; tries++) {
		r = open_index_once(store);
		if (r == BDB_BROKEN && tries > 0) {
			int removed = remove_index(store);

			if (removed < 0)
				return removed;
		}
	}
	return r > 0 ? MS_E_CORRUPT : r;
}

/* True when somebody has removed or replaced the index folder while we had it open. */
static bool
index_is_gone(const struct ms_store *store)
{
	struct stat st;

	return fstatat(store->dir_fd, INDEX, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != store->index_device || st.st_ino != store->index_inode;
}

static int
reopen(struct ms_store *store, bool discard)
{
	int r = ms_lock(store);

	if (r < 0)
		return r;
	close_index(store);
	if (discard)
		(void)remove_index(store); /* if it cannot be removed, opening tells */
	store->generation++;
	r = open_index(store);
	if (r == 0)
		r = ms_sync_mailboxes(store);
	ms_unlock(store);
	return r;
}

int
ms_ensure(struct ms_store *store)
{
	return store->bdb == NULL || index_is_gone(store) ? reopen(store, false) : 0;
}

/* --- lock and transactions --- */

int
ms_lock(struct ms_store *store)
{
	if (store->locked++ > 0)
		return 0;
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

static int
run_once(struct ms_store *store, ms_work work, void *context, bool *ret_changed)
{
	struct ms_txn txn = { .store = store, .bdb = store->bdb };
	int r = bdb_begin(store->bdb, &txn.txn);

	if (r != 0)
		return ms_bdb(r);
	r = work(&txn, context);
	if (r != 0) {
		bdb_abort(txn.txn);
		return r;
	}
	r = bdb_commit(txn.txn, true);
	*ret_changed = txn.changed;
	return ms_bdb(r);
}

int
ms_run(struct ms_store *store, ms_work work, void *context)
{
	bool changed = false;
	int r = ms_lock(store);

	if (r < 0)
		return r;
	for (unsigned tries = 0; tries < RETRIES_MAX; tries++) {
		r = ms_ensure(store);
		if (r != 0)
			break;
		r = run_once(store, work, context, &changed);
		if (r < MS_BDB(0))
			break;
		/* Once by Berkeley DB's own recovery, and if that does not help, from the Maildir. */
		if (r != MS_BDB(BDB_AGAIN)) {
			int again = reopen(store, r == MS_BDB(BDB_BROKEN) || tries > 2);

			if (again != 0) {
				r = again;
				break;
			}
		}
	}
	if (r == 0 && changed)
		ms_notify(store);
	ms_unlock(store);
	return r >= MS_BDB(0) ? MS_E_CORRUPT : r;
}

int
ms_read(struct ms_store *store, int (*work)(struct bdb *bdb, void *context), void *context)
{
	int r = 0;

	for (unsigned tries = 0; tries < RETRIES_MAX; tries++) {
		r = ms_ensure(store);
		if (r != 0)
			return r;
		r = work(store->bdb, context);
		if (r < MS_BDB(0))
			return r;
		if (r != MS_BDB(BDB_AGAIN)) {
			r = reopen(store, r == MS_BDB(BDB_BROKEN));
			if (r != 0)
				return r;
		}
	}
	return MS_E_CORRUPT;
}

int
ms_rebuild(struct ms_store *store)
{
	return reopen(store, true);
}

/* --- open and close --- */

static int
make_folder(int at, const char *name)
{
	return mkdirat(at, name, 0700) == 0 || errno == EEXIST ? 0 : -errno;
}

static int
open_folders(struct ms_store *store)
{
	static const char *const parts[] = { "Maildir", "Maildir/tmp", "Maildir/new", "Maildir/cur" };

	store->dir_fd = open(store->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (store->dir_fd < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		int r = make_folder(store->dir_fd, parts[i]);

		if (r < 0)
			return r;
	}
	store->maildir_fd = openat(store->dir_fd, "Maildir", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (store->maildir_fd < 0)
		return -errno;
	store->lock_fd = openat(store->dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return store->lock_fd < 0 ? -errno : 0;
}

int
ms_open(const char *account_dir, struct ms_store **ret)
{
	struct ms_store *store = xcalloc(1, sizeof(*store));
	int r;

	store->dir = xstrdup(account_dir);
	store->dir_fd = store->maildir_fd = store->lock_fd = store->watch_fd = -1;
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

void
ms_close(struct ms_store *store)
{
	if (store == NULL)
		return;
	close_index(store);
	for (size_t i = 0; i < 4; i++) {
		int fd = (const int[]){ store->watch_fd, store->lock_fd, store->maildir_fd, store->dir_fd }[i];

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
	static const uint32_t events = IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE;
	struct buf folder = BUF_INIT(MS_MAILBOX_NAME_MAX);
	int fd = ms_watch_fd(store), r;
	_cleanup_(freep) char *new = NULL, *cur = NULL;

	if (fd < 0)
		return fd;
	r = ms_mailbox_folder_name(name, &folder);
	if (r == 0) {
		new = xasprintf("%s/Maildir/%s/new", store->dir, buf_cstr(&folder));
		cur = xasprintf("%s/Maildir/%s/cur", store->dir, buf_cstr(&folder));
		if (store->watch_new >= 0)
			(void)inotify_rm_watch(fd, store->watch_new);
		if (store->watch_cur >= 0)
			(void)inotify_rm_watch(fd, store->watch_cur);
		store->watch_new = inotify_add_watch(fd, new, events);
		store->watch_cur = inotify_add_watch(fd, cur, events);
	}
	buf_free(&folder);
	return r;
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
