/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What those who have an index open tell each other: the file index/state, read and written under the account's lock. It is never synced:
 * what it says counts while somebody has it open, for then the power has not failed since. */
#ifndef LIBMAILSTORE_MS_MARK_H
#define LIBMAILSTORE_MS_MARK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define MS_MARK_FILE "state"

struct ms_mark {
	int fd;       /* -1: not open. While it is held, the file's inode number is no other file's */
	dev_t device;
	ino_t inode;
};
#define MS_MARK_NONE ((struct ms_mark){ .fd = -1 })

struct ms_mark_words {
	uint64_t sequence; /* another one after each change of the index: what was read before is stale */
	uint64_t end;      /* where the log ended when the tables had all of it on disk; 0: they have not */
	uint64_t arrived;  /* bytes in index/arrivals: messages that the tables do not know yet */
	bool writing;      /* it is being changed; found under the lock, whoever did it died */
};

/* Opens the file in the index folder and enters: it counts as in use. MS_E_NOTFOUND, -errno. */
int ms_mark_open(int index_fd, struct ms_mark *ret);
/* The same for a new index, which has none; its name is durable. -errno (-EEXIST). */
int ms_mark_make(int index_fd, struct ms_mark *ret);
/* Under the account's lock: nobody else has it open. */
bool ms_mark_alone(const struct ms_mark *mark);
/* 0, MS_E_CORRUPT, -errno. */
int ms_mark_read(const struct ms_mark *mark, struct ms_mark_words *ret);
int ms_mark_write(const struct ms_mark *mark, const struct ms_mark_words *words);
/* True when another file stands under the name, or none: the index was removed. */
bool ms_mark_gone(const struct ms_mark *mark, int dir_fd, const char *path);
/* Leaves and closes; harmless when it is not open. */
void ms_mark_close(struct ms_mark *mark);

#endif
