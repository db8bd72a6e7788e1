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
