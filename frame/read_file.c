/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Reading a small file whole. */
#include "frame/read_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/cleanup.h"

int
read_file(const char *path, struct buf *out)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 ? read_open_file(fd, out) : -errno;
}

int
read_open_file(int fd, struct buf *out)
{
	off_t at = 0; /* the offset of its own may be shared with other roles */
	ssize_t got = 1;
	int r = 0;

	while (r == 0 && got > 0) {
		char chunk[4096];

		got = pread(fd, chunk, sizeof(chunk), at);
		r = got < 0 ? -errno : buf_put(out, chunk, (size_t)got);
		at += got > 0 ? got : 0;
		explicit_bzero(chunk, sizeof(chunk)); /* it may be a key */
	}
	return r;
}
