/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Who has an index open: one byte of the file index/users for each, under a lock that goes with its process. So a death is seen,
 * also of one that only read, and what it held in the shared memory of the index is not waited for. */
#ifndef LIBMAILSTORE_MS_USERS_H
#define LIBMAILSTORE_MS_USERS_H

#include <stdbool.h>
#include <sys/types.h>

#define MS_USERS_FILE "users"

struct ms_users {
	int fd;      /* -1: not open. While it is held, the file's inode number is no other file's */
	dev_t device;
	ino_t inode;
	off_t slot;  /* -1: not entered */
};
#define MS_USERS_NONE ((struct ms_users){ .fd = -1, .slot = -1 })

/* Opens the file in the index folder. -errno. */
int ms_users_open(int index_fd, struct ms_users *ret);
/* How many others have the index open, and whether one died in it. -errno. */
int ms_users_look(const struct ms_users *users, unsigned *ret_alive, bool *ret_died);
/* Enters, under the account's lock; those who died are forgotten: the caller recovers. -errno, MS_E_LIMIT. */
int ms_users_enter(struct ms_users *users);
/* Leaves and closes. As one who died: the next to look recovers. */
void ms_users_close(struct ms_users *users, bool died);
/* True when another file stands under the name, or none: the index was removed. */
bool ms_users_gone(const struct ms_users *users, int dir_fd, const char *path);

#endif
