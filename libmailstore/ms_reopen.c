/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Opening the index and, by it, all mailboxes: at the beginning, and again when it was found damaged, or is gone. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "libmailstore/ms_index.h"

#define REOPENS_MAX 4
#define MENDS_MAX 3
/* Berkeley DB's own recovery may help, or may find again and again what it cannot mend: then all is made again from the Maildir. */
#define RECOVERIES_MAX 3

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
			r = ms_index_open(store);
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

int
ms_reopen(struct ms_store *store, bool discard)
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
int
ms_recover(struct ms_store *store, int result, unsigned tries)
{
	int r = result == MS_BDB(MS_DAMAGED) && tries < MENDS_MAX ? ms_mend(store) : result;

	return r < MS_BDB(0) ? r : ms_reopen(store, r == MS_BDB(BDB_BROKEN) || r == MS_BDB(MS_DAMAGED) || tries >= RECOVERIES_MAX);
}

int
ms_rebuild(struct ms_store *store)
{
	return ms_reopen(store, true);
}
