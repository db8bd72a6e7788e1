/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Opening and closing an account's store. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "libmailstore/ms_index.h"
#include "libmailstore/ms_text_index.h"

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
	store->text_least = MS_TEXT_LEAST;
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
		r = ms_reopen(store, false);
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
		if (!ms_index_is_gone(store) && ms_mark_read(&store->mark, &words) == 0 && !words.writing && words.sequence == store->sequence &&
		    words.end == 0 && words.arrived == 0) {
			int r = bdb_checkpoint(store->bdb, &end);

			(void)unlinkat(store->dir_fd, MS_ARRIVALS_FILE, 0);
			words.end = end;
			if (r == 0)
				(void)ms_mark_write(&store->mark, &words); /* else the next recovers what needs no recovery */
			else
				ms_index_leave_unwritten(store, r);
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
