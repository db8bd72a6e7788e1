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

/* The same for files that are all on one file system. From IO_SYNC_MANY on one syncfs(2) takes less than they do; but it waits for what others
 * write there too, so that it is left alone for a while after it has taken long. */
#define IO_SYNC_MANY 4
void io_sync_same(struct io_sync *syncs, size_t count);

/* All that was written on the file system of that descriptor, by one syncfs(2), which tells of errors since it was opened: so it is to be older than
 * what counts. False: it is left alone for now, or fails, and what each file has become its own sync tells. */
bool io_sync_filesystem(int fd);

#endif
