/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Reading and writing whole spans. */
#ifndef COMMON_IO_H
#define COMMON_IO_H

#include "common/span.h"

/* Writes all of it, going on where a write was cut short. 0 or -errno: then part of it may be
 * there. For files: it waits where a socket would block. */
int io_write_all(int fd, struct span bytes);

#endif
