/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Waiting for the disk for several files at once. */
#ifndef COMMON_IO_SYNC_H
#define COMMON_IO_SYNC_H

#include <stdbool.h>
#include <stddef.h>

struct io_sync {
	int fd;
	bool data;  /* fdatasync(2) will do */
	int result; /* 0: all that was written there is on stable storage, and what is needed to find it; or -errno */
};

/* fsync(2) of each, all of them under way together: ten take hardly longer than one. Returns when the last has its result. Where the
 * kernel or the jail has no means for that, one follows the other. For a process of one thread. */
void io_sync_all(struct io_sync *syncs, size_t count);

#endif
