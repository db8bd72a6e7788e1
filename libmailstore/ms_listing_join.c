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

/* Whether the name may be one that the other's file had before. Copies within a mailbox are links to one file too, each with a UID of its
 * own; and a UID of another mailbox tells that it was brought here. */
static bool
is_former(const struct ms_file *file, const struct ms_file *other)
{
	return file->parsed.uid != 0 ? file->parsed.uid == other->parsed.uid : file->parsed.folder == 0 && other->parsed.uid != 0;
}

int
ms_listing_join(struct ms_listing *listing, int folder_fd, bool renamed[2], void (*told)(void *context, const struct ms_file *file), void *context)
{
	size_t last = listing->count - 1; /* of those that stay */

	/* From the highest UID down: names without any come last. */
	for (size_t i = last; listing->count != 0 && i-- > 0;) {
		struct ms_file *keep = &listing->files[last], *former = &listing->files[i];
		_cleanup_(freep) char *path = NULL;

		if (weight(former) > weight(keep)) {
			former = keep;
			keep = &listing->files[i];
		}
		if (!span_eq(keep->parsed.unique, former->parsed.unique) || !is_former(former, keep) || !is_same(folder_fd, keep, former)) {
			last = i;
			continue;
		}
		path = path_of(former);
		if (unlinkat(folder_fd, path, 0) < 0 && errno != ENOENT)
			return -errno;
		renamed[former->in_cur] = true;
		former->taken = true;
		keep->taken = false;
		last = (size_t)(keep - listing->files);
		told(context, former);
	}
	return 0;
}
