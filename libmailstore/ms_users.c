/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Who has an index open. The locks are those of the open file (F_OFD_SETLK): others of the same process do not end them. */
#include "libmailstore/ms_users.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libmailstore/mailstore.h"

#define USERS_MAX 1024
#define HERE 'x'
#define AWAY '.'

int
ms_users_open(int index_fd, struct ms_users *ret)
{
	struct stat st;

	*ret = MS_USERS_NONE;
	ret->fd = openat(index_fd, MS_USERS_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (ret->fd < 0 || fstat(ret->fd, &st) < 0) {
		int r = -errno;

		ms_users_close(ret, false);
		return r;
	}
	ret->device = st.st_dev;
	ret->inode = st.st_ino;
	return 0;
}

static ssize_t
read_slots(const struct ms_users *users, char slots[USERS_MAX])
{
	ssize_t got;

	do
		got = pread(users->fd, slots, USERS_MAX, 0);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

static struct flock
lock_of(off_t slot, short type)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = slot, .l_len = 1 };
}

int
ms_users_look(const struct ms_users *users, unsigned *ret_alive, bool *ret_died)
{
	char slots[USERS_MAX];
	ssize_t count = read_slots(users, slots);

	*ret_alive = 0;
	*ret_died = false;
	for (off_t i = 0; i < count; i++) {
		struct flock lock = lock_of(i, F_WRLCK);

		if (slots[i] == AWAY || i == users->slot)
			continue;
		if (fcntl(users->fd, F_OFD_GETLK, &lock) < 0)
			return -errno;
		if (lock.l_type != F_UNLCK)
			++*ret_alive;
		else
			*ret_died = true;
	}
	return count < 0 ? (int)count : 0;
}

int
ms_users_enter(struct ms_users *users)
{
	char slots[USERS_MAX];
	ssize_t count = read_slots(users, slots);

	if (count < 0)
		return (int)count;
	for (off_t i = 0; i < USERS_MAX; i++) {
		struct flock lock = lock_of(i, F_WRLCK);
		/* Past the end begins a slot that nobody had; every other one that can be locked is free, or of one who died. */
		bool mine = users->slot < 0;
		const char here = HERE, away = AWAY;

		if (i >= count && !mine)
			break;
		if (fcntl(users->fd, F_OFD_SETLK, &lock) < 0) {
			if (errno != EAGAIN && errno != EACCES)
				return -errno;
			continue;
		}
		errno = EIO; /* for a short write */
		if (i >= count || slots[i] != (mine ? HERE : AWAY))
			if (pwrite(users->fd, mine ? &here : &away, 1, i) != 1)
				return -errno;
		if (mine) {
			users->slot = i;
			continue;
		}
		lock.l_type = F_UNLCK;
		if (fcntl(users->fd, F_OFD_SETLK, &lock) < 0)
			return -errno;
	}
	return users->slot < 0 ? MS_E_LIMIT : 0;
}

void
ms_users_close(struct ms_users *users, bool died)
{
	if (users->fd < 0)
		return;
	/* If this cannot be written, the next to look takes it for a death: that costs a recovery, no more. */
	if (users->slot >= 0 && !died)
		(void)!pwrite(users->fd, (const char[]){ AWAY }, 1, users->slot);
	(void)close(users->fd);
	*users = MS_USERS_NONE;
}

bool
ms_users_gone(const struct ms_users *users, int dir_fd, const char *path)
{
	struct stat st;

	return fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != users->device || st.st_ino != users->inode;
}
