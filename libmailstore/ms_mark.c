/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The file index/state: 40 bytes, big-endian. Who has the index open holds a shared lock (flock) on it, which goes with the process. */
#include "libmailstore/ms_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libmailstore/mailstore.h"
#include "libmailstore/ms_record.h"

/* Its digit is the format of the whole index: one with another is thrown away. */
#define MAGIC "FPINDEX7"
#define LEN 40

static int
enter(struct ms_mark *mark)
{
	struct stat st;

	if (mark->fd < 0)
		return errno == ENOENT ? MS_E_NOTFOUND : -errno;
	/* Only ms_mark_alone takes it for itself, under the account's lock, for a moment. */
	if (fstat(mark->fd, &st) < 0 || flock(mark->fd, LOCK_SH | LOCK_NB) < 0) {
		int r = -errno;

		ms_mark_close(mark);
		return r;
	}
	mark->device = st.st_dev;
	mark->inode = st.st_ino;
	return 0;
}

int
ms_mark_open(int index_fd, struct ms_mark *ret)
{
	*ret = MS_MARK_NONE;
	ret->fd = openat(index_fd, MS_MARK_FILE, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	return enter(ret);
}

int
ms_mark_make(int index_fd, struct ms_mark *ret)
{
	int r;

	*ret = MS_MARK_NONE;
	ret->fd = openat(index_fd, MS_MARK_FILE, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = enter(ret);
	if (r == 0)
		r = ms_mark_write(ret, &(struct ms_mark_words){ .writing = true });
	if (r == 0 && fsync(index_fd) < 0)
		r = -errno;
	if (r != 0)
		ms_mark_close(ret);
	return r;
}

bool
ms_mark_alone(const struct ms_mark *mark)
{
	bool alone = flock(mark->fd, LOCK_EX | LOCK_NB) == 0;

	/* A lock that is changed is lost for a moment: taken again in either case. Nobody else takes the whole one meanwhile. */
	(void)flock(mark->fd, LOCK_SH | LOCK_NB);
	return alone;
}

int
ms_mark_read(const struct ms_mark *mark, struct ms_mark_words *ret)
{
	uint8_t bytes[LEN];
	ssize_t got;

	do
		got = pread(mark->fd, bytes, sizeof(bytes), 0);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	if (got != LEN || memcmp(bytes, MAGIC, 8) != 0)
		return MS_E_CORRUPT;
	ret->sequence = ms_key_get_u64(bytes + 8);
	ret->end = ms_key_get_u64(bytes + 16);
	ret->writing = ms_key_get_u64(bytes + 24) != 0;
	ret->arrived = ms_key_get_u64(bytes + 32);
	return 0;
}

int
ms_mark_write(const struct ms_mark *mark, const struct ms_mark_words *words)
{
	uint8_t bytes[LEN] = MAGIC;
	ssize_t put;

	ms_key_u64(bytes + 8, words->sequence);
	ms_key_u64(bytes + 16, words->end);
	ms_key_u64(bytes + 24, words->writing);
	ms_key_u64(bytes + 32, words->arrived);
	do
		put = pwrite(mark->fd, bytes, sizeof(bytes), 0);
	while (put < 0 && errno == EINTR);
	return put == LEN ? 0 : put < 0 ? -errno : -EIO;
}

bool
ms_mark_gone(const struct ms_mark *mark, int dir_fd, const char *path)
{
	struct stat st;

	return mark->fd < 0 || fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ino != mark->inode || st.st_dev != mark->device;
}

void
ms_mark_close(struct ms_mark *mark)
{
	if (mark->fd >= 0)
		(void)close(mark->fd);
	*mark = MS_MARK_NONE;
}
