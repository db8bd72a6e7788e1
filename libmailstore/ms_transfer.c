/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A message's file somewhere else: a hard link where that can be, else a copy with its time, which is INTERNALDATE. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"

#define PIECE (1024u * 1024)

static int
copy_bytes(int from, int to)
{
	_cleanup_(freep) char *piece = NULL;
	ssize_t got;

	while ((got = copy_file_range(from, NULL, to, NULL, PIECE, 0)) > 0)
		continue;
	if (got == 0)
		return 0;
	/* Between file systems that cannot; nothing was copied before the first refusal. */
	if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS && errno != EPERM)
		return -errno;
	piece = xmalloc(PIECE);
	while ((got = read(from, piece, PIECE)) > 0)
		for (ssize_t done = 0, put; done < got; done += put) {
			put = write(to, piece + done, (size_t)(got - done));
			if (put < 0)
				return -errno;
		}
	return got < 0 ? -errno : 0;
}

int
ms_copy_file(int from, int to_fd, const char *to_name)
{
	_cleanup_(closep) int to = -1;
	struct timespec times[2];
	struct stat st;
	int r;

	if (fstat(from, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	to = openat(to_fd, to_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	r = copy_bytes(from, to);
	times[0] = times[1] = st.st_mtim;
	if (r == 0 && (futimens(to, times) < 0 || fsync(to) < 0))
		r = -errno;
	if (r != 0)
		(void)unlinkat(to_fd, to_name, 0);
	return r;
}

int
ms_transfer(int from_fd, const char *from_name, int to_fd, const char *to_name, bool *ret_copied)
{
	_cleanup_(closep) int from = -1;

	*ret_copied = false;
	if (linkat(from_fd, from_name, to_fd, to_name, 0) == 0)
		return 0;
	if (errno != EXDEV && errno != EMLINK && errno != EPERM)
		return -errno;
	from = openat(from_fd, from_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (from < 0)
		return -errno;
	*ret_copied = true;
	return ms_copy_file(from, to_fd, to_name);
}
