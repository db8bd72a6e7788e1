/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Reading and writing whole spans. */
#include "common/io.h"

#include <errno.h>
#include <unistd.h>

int
io_write_all(int fd, struct span bytes)
{
	while (bytes.len != 0) {
		ssize_t put = write(fd, bytes.ptr, bytes.len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		bytes = span_skip(bytes, (size_t)put);
	}
	return 0;
}

#define READ_BYTES 65536

int
io_read_all(int fd, struct buf *out)
{
	ssize_t got = 1;

	while (got > 0) {
		char *room = buf_reserve(out, READ_BYTES);

		if (room == NULL)
			return -EFBIG;
		do
			got = read(fd, room, READ_BYTES);
		while (got < 0 && errno == EINTR);
		if (got < 0)
			return -errno;
		buf_added(out, (size_t)got);
	}
	return 0;
}
