/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The file index/state: 32 bytes, big-endian. Who has the index open holds a shared lock (flock) on it, which goes with the process. */
#include "libmailstore/ms_state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libmailstore/mailstore.h"
#include "libmailstore/ms_record.h"

#define MAGIC "FPINDEX1"
#define WRITING 24
#define LEN 32

static int
enter(struct ms_state *state)
{
	struct stat st;

	if (state->fd < 0)
		return errno == ENOENT ? MS_E_NOTFOUND : -errno;
	/* Only ms_state_alone takes it for itself, under the account's lock, for a moment. */
	if (fstat(state->fd, &st) < 0 || flock(state->fd, LOCK_SH | LOCK_NB) < 0) {
		int r = -errno;

		ms_state_close(state);
		return r;
	}
	state->device = st.st_dev;
	state->inode = st.st_ino;
	return 0;
}

int
ms_state_open(int index_fd, struct ms_state *ret)
{
	*ret = MS_STATE_NONE;
	ret->fd = openat(index_fd, MS_STATE_FILE, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	return enter(ret);
}

int
ms_state_make(int index_fd, struct ms_state *ret)
{
	int r;

	*ret = MS_STATE_NONE;
	ret->fd = openat(index_fd, MS_STATE_FILE, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = enter(ret);
	if (r == 0)
		r = ms_state_write(ret, &(struct ms_state_words){ .writing = true });
	if (r == 0 && fsync(index_fd) < 0)
		r = -errno;
	if (r != 0)
		ms_state_close(ret);
	return r;
}

bool
ms_state_alone(const struct ms_state *state)
{
	bool alone = flock(state->fd, LOCK_EX | LOCK_NB) == 0;

	/* A lock that is changed is lost for a moment: taken again in either case. Nobody else takes the whole one meanwhile. */
	(void)flock(state->fd, LOCK_SH | LOCK_NB);
	return alone;
}

int
ms_state_read(const struct ms_state *state, struct ms_state_words *ret)
{
	uint8_t bytes[LEN];
	ssize_t got;

	do
		got = pread(state->fd, bytes, sizeof(bytes), 0);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	if (got != LEN || memcmp(bytes, MAGIC, 8) != 0)
		return MS_E_CORRUPT;
	ret->sequence = ms_key_get_u64(bytes + 8);
	ret->end = ms_key_get_u64(bytes + 16);
	ret->writing = ms_key_get_u64(bytes + WRITING) != 0;
	return 0;
}

int
ms_state_write(const struct ms_state *state, const struct ms_state_words *words)
{
	uint8_t bytes[LEN] = MAGIC;
	ssize_t put;

	ms_key_u64(bytes + 8, words->sequence);
	ms_key_u64(bytes + 16, words->end);
	ms_key_u64(bytes + WRITING, words->writing);
	do
		put = pwrite(state->fd, bytes, sizeof(bytes), 0);
	while (put < 0 && errno == EINTR);
	return put == LEN ? 0 : put < 0 ? -errno : -EIO;
}

bool
ms_state_gone(const struct ms_state *state, int dir_fd, const char *path)
{
	struct stat st;

	return state->fd < 0 || fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ino != state->inode || st.st_dev != state->device;
}

void
ms_state_close(struct ms_state *state)
{
	if (state->fd >= 0)
		(void)close(state->fd);
	*state = MS_STATE_NONE;
}
