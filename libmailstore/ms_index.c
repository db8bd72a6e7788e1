/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The index's files, and the state of who writes them. */
#include "libmailstore/ms_index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"

#define DATABASE "mailstore.db"
#define CACHE_MIN ((off_t)1 << 20)
#define CACHE_MAX ((off_t)4 << 20)
#define CACHE_NEW ((off_t)16 << 20)

static const char *const table_names[T_COUNT] = {
	[T_META] = "meta", [T_MAILBOX] = "mailbox", [T_MESSAGE] = "message", [T_CHANGE] = "change",
	[T_CACHE] = "cache", [T_EMAIL] = "email", [T_THREAD] = "thread", [T_GONE] = "gone", [T_UIDS] = "uids", [T_TEXT] = "text",
};

bool
ms_index_is_gone(const struct ms_store *store)
{
	return ms_mark_gone(&store->mark, store->dir_fd, MS_INDEX "/" MS_MARK_FILE);
}

ino_t
ms_index_inode(const struct ms_store *store)
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

int
ms_index_tables(struct ms_store *store, enum bdb_how how)
{
	_cleanup_(freep) char *path = xasprintf("%s/" MS_INDEX, store->dir);

	bdb_close(store->bdb);
	store->bdb = NULL;
	return bdb_open(path, DATABASE, table_names, T_COUNT, T_MAILBOX + 1, how, cache_size(store), &store->bdb);
}

/* From here on whoever finds the state so knows that we did not come to the end. */
int
ms_index_begin_writing(struct ms_store *store)
{
	struct ms_mark_words words = { .sequence = store->sequence, .arrived = store->arrived, .writing = true };
	int r = ms_mark_write(&store->mark, &words);

	store->writing = r == 0;
	return r > 0 ? MS_E_CORRUPT : r;
}

/* The next recovers it; unless a sync failed: what that should have written can still be read, is not on the disk, and no later sync
 * brings it there (Linux takes it for written), so that a recovery would be content and the power then take it. */
void
ms_index_leave_unwritten(struct ms_store *store, int result)
{
	ms_index_close(store);
	if (result == BDB_BROKEN)
		(void)ms_index_discard(store->dir_fd);
}

/* Others may read again. When it cannot be written for them, it stands in the log, and the next recovers. */
void
ms_index_end_writing(struct ms_store *store)
{
	struct ms_mark_words words = { .sequence = store->sequence + 1, .arrived = store->arrived };
	int r = store->bdb != NULL ? bdb_flush(store->bdb) : BDB_RECOVER;

	if (r == 0)
		r = ms_mark_write(&store->mark, &words);
	if (r == 0)
		store->sequence = words.sequence;
	else
		ms_index_leave_unwritten(store, r);
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
		r = ms_index_begin_writing(store);
	if (r == 0)
		r = ms_index_tables(store, BDB_MAKING);
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
		return ms_index_tables(store, BDB_READING);
	r = ms_index_begin_writing(store);
	if (r == 0)
		r = ms_index_tables(store, BDB_RECOVERING);
	if (r == 0)
		store->doubt = true;
	return r;
}

/* Under the account's lock. */
int
ms_index_open(struct ms_store *store)
{
	int r = BDB_BROKEN;

	for (unsigned tries = 0; tries < 4 && r > 0; tries++) {
		r = open_index_once(store, tries > 0);
		if (r == 0)
			store->database_inode = ms_index_inode(store);
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
