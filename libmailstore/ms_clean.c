/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Removing what processes that died have left behind. Under the account's lock: whoever makes or removes a folder holds it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"

/* maildir(5): nobody takes longer to write a message. */
#define TMP_SECONDS (36 * 3600)
#define LEFT_MAX 1000

struct left {
	char **names;
	size_t count;
};

/* Names first: removing while reading may pass some over. */
static int
find(int at, const char *folder, bool (*is_left)(int fd, const char *name), struct left *ret)
{
	const struct dirent *entry;
	DIR *dir;
	int r = ms_dir_open(at, folder, &dir);

	*ret = (struct left){ .names = xcalloc(LEFT_MAX, sizeof(*ret->names)) };
	if (r != 0)
		return r;
	while (ret->count < LEFT_MAX && (r = ms_dir_next(dir, &entry)) == 0 && entry != NULL)
		if (is_left(dirfd(dir), entry->d_name))
			ret->names[ret->count++] = xstrdup(entry->d_name);
	(void)closedir(dir);
	return r;
}

static bool
is_left_index(int fd, const char *name)
{
	(void)fd;
	return span_starts(span_of(name), SPAN(MS_INDEX_ASIDE));
}

static bool
is_left_in_tmp(int fd, const char *name)
{
	struct stat st;

	if (span_starts(span_of(name), SPAN(MS_FOLDER_ASIDE)))
		return true;
	return name[0] != '.' && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && st.st_ctim.tv_sec < time(NULL) - TMP_SECONDS;
}

static int
clean(int at, const char *folder, bool (*is_left)(int fd, const char *name))
{
	_cleanup_(closep) int fd = openat(at, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct left left;
	int r = fd < 0 ? -errno : 0;

	if (r != 0)
		return r;
	r = find(fd, ".", is_left, &left);
	for (size_t i = 0; i < left.count; i++) {
		if (unlinkat(fd, left.names[i], 0) < 0)
			(void)ms_remove_tree(fd, left.names[i]); /* what stays is tried again the next time */
		free(left.names[i]);
	}
	free(left.names);
	return r;
}

int
ms_clean(struct ms_store *store)
{
	int r = clean(store->dir_fd, ".", is_left_index);

	return r == 0 ? clean(store->maildir_fd, "tmp", is_left_in_tmp) : r;
}
