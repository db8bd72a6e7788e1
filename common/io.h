/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Reading and writing whole spans. */
#ifndef COMMON_IO_H
#define COMMON_IO_H

#include "common/buf.h"
#include "common/span.h"

/* Writes all of it, going on where a write was cut short. 0 or -errno: then part of it may be
 * there. For files: it waits where a socket would block. */
int io_write_all(int fd, struct span bytes);
/* Appends all that is left to read. 0, -EFBIG (it is more than out's maximum; keep 64 KiB of room beyond what shall fit), or -errno: then part of it may be there. */
int io_read_all(int fd, struct buf *out);

#endif
