/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One file that stands in a folder under two names. A rename of which the disk got one half brings that about: when a sync of the folder
 * failed, the next one does not write what that should have written, and the power fails after it. To readers it would be two messages. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"
#include "libmailstore/ms_listing.h"

static char *
path_of(const struct ms_file *file)
{
	return xasprintf("%s/%s", file->in_cur ? "cur" : "new", file->name);
}

static bool
is_same(int folder_fd, const struct ms_file *a, const struct ms_file *b)
{
	_cleanup_(freep) char *path_a = path_of(a), *path_b = path_of(b);
	struct stat st_a, st_b;

	return fstatat(folder_fd, path_a, &st_a, AT_SYMLINK_NOFOLLOW) == 0 && fstatat(folder_fd, path_b, &st_b, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st_a.st_mode) && st_a.st_dev == st_b.st_dev && st_a.st_ino == st_b.st_ino;
}

/* How much a name has been given: the later one has more. */
static unsigned
weight(const struct ms_file *file)
{
	return (file->parsed.uid != 0 && file->parsed.folder != 0) * 4u + (file->parsed.uid != 0) * 2u + file->in_cur;
}

int
ms_listing_join(struct ms_listing *listing, int folder_fd, bool renamed[2], void (*told)(void *context, const struct ms_file *file), void *context)
{
	size_t kept = 0;

	for (size_t i = 1; i < listing->count; i++) {
		struct ms_file *keep = &listing->files[kept], *drop = &listing->files[i];
		_cleanup_(freep) char *path = NULL;

		if (!span_eq(keep->parsed.unique, drop->parsed.unique) || !is_same(folder_fd, keep, drop)) {
			kept = i;
			continue;
		}
		if (weight(drop) >= weight(keep)) {
			drop = keep;
			kept = i;
		}
		path = path_of(drop);
		if (unlinkat(folder_fd, path, 0) < 0 && errno != ENOENT)
			return -errno;
		renamed[drop->in_cur] = true;
		drop->taken = true;
		listing->files[kept].taken = false;
		told(context, drop);
	}
	return 0;
}
