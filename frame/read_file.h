/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Small files: certificates and keys. */
#ifndef FRAME_READ_FILE_H
#define FRAME_READ_FILE_H

#include "common/buf.h"

#define FILE_MAX (1 << 20)

/* Appends the whole file to out. 0, -EMSGSIZE when it passes out's maximum, or -errno. */
int read_file(const char *path, struct buf *out);
/* The same of an open file, from its beginning wherever it stands; it stays open. */
int read_open_file(int fd, struct buf *out);

#endif
