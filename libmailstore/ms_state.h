/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What those who have an index open tell each other: the file index/state, read and written under the account's lock. It is never synced:
 * what it says counts while somebody has it open, for then the power has not failed since. */
#ifndef LIBMAILSTORE_MS_STATE_H
#define LIBMAILSTORE_MS_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define MS_STATE_FILE "state"

struct ms_state {
	int fd;       /* -1: not open. While it is held, the file's inode number is no other file's */
	dev_t device;
	ino_t inode;
};
#define MS_STATE_NONE ((struct ms_state){ .fd = -1 })

struct ms_state_words {
	uint64_t sequence; /* another one after each change of the index: what was read before is stale */
	uint64_t end;      /* where the log ended when the tables had all of it on disk; 0: they have not */
	bool writing;      /* it is being changed; found under the lock, whoever did it died */
};

/* Opens the file in the index folder and enters: it counts as in use. MS_E_NOTFOUND, -errno. */
int ms_state_open(int index_fd, struct ms_state *ret);
/* The same for a new index, which has none; its name is durable. -errno (-EEXIST). */
int ms_state_make(int index_fd, struct ms_state *ret);
/* Under the account's lock: nobody else has it open. */
bool ms_state_alone(const struct ms_state *state);
/* 0, MS_E_CORRUPT, -errno. */
int ms_state_read(const struct ms_state *state, struct ms_state_words *ret);
int ms_state_write(const struct ms_state *state, const struct ms_state_words *words);
/* True when another file stands under the name, or none: the index was removed. */
bool ms_state_gone(const struct ms_state *state, int dir_fd, const char *path);
/* Leaves and closes; harmless when it is not open. */
void ms_state_close(struct ms_state *state);

#endif
