/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Waking those who wait for news of an account, and waiting. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"

#define NOTIFY_FILE "notify"
#define INDEX_WATCH (IN_DELETE_SELF | IN_MOVE_SELF)
#define NOTIFY_WATCH (IN_CLOSE_WRITE | IN_DELETE_SELF)

void
ms_notify(struct ms_store *store)
{
	int fd = openat(store->dir_fd, MS_INDEX "/" NOTIFY_FILE, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return; /* the index is being removed: those who wait see that too */
	(void)close(fd); /* IN_CLOSE_WRITE is what they wait for */
}

/* The folder, and in it the one file that is touched on purpose: the database's own files are closed whenever some process ends,
 * which is no news to anybody. 0 or -errno. */
static int
watch_index(struct ms_store *store)
{
	_cleanup_(freep) char *folder = xasprintf("%s/" MS_INDEX, store->dir);
	_cleanup_(freep) char *notify = xasprintf("%s/" MS_INDEX "/" NOTIFY_FILE, store->dir);
	_cleanup_(closep) int fd = open(notify, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : 0;

	store->watch_index = inotify_add_watch(store->watch_fd, folder, INDEX_WATCH);
	if (r == 0 && inotify_add_watch(store->watch_fd, notify, NOTIFY_WATCH) < 0)
		r = -errno;
	return r;
}

static void
watch_folder(struct ms_store *store)
{
	int old[2] = { store->watch_new, store->watch_cur }, watch[2];

	ms_folder_unwatch(store->watch_fd, old);
	ms_folder_watch(store, store->watch_name, store->watch_fd, watch);
	store->watch_new = watch[0];
	store->watch_cur = watch[1];
}

int
ms_watch_fd(struct ms_store *store)
{
	int r;

	if (store->watch_fd < 0) {
		store->watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
		if (store->watch_fd < 0)
			return -errno;
		r = watch_index(store);
		if (r != 0) {
			(void)close(store->watch_fd);
			store->watch_fd = -1;
			return r;
		}
		if (store->watch_name != NULL)
			watch_folder(store);
	}
	return store->watch_fd;
}

void
ms_watch_mailbox(struct ms_store *store, const char *name)
{
	free(store->watch_name);
	store->watch_name = xstrdup(name);
	if (store->watch_fd >= 0)
		watch_folder(store);
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
		(void)watch_index(store);
}
