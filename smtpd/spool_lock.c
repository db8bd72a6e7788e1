/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
#include "smtpd/spool_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/queue_folders.h"

#define PAUSE_MS 20
/* A child that looks at files for a parent that was just killed has its lock for a moment more. */
#define PATIENCE_MS 1000
#define QUEUE_PATIENCE_MS 10000

static int lock_fd = -1;

/* 0, -EWOULDBLOCK when somebody has it all that time, or another -errno. */
static int
lock_within(int fd, int milliseconds)
{
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK || milliseconds <= 0)
			return -errno;
		(void)nanosleep(&(struct timespec){ 0, PAUSE_MS * 1000000L }, NULL);
		milliseconds -= PAUSE_MS;
	}
	return 0;
}

/* Who has signed the file, or 0. */
static long long
signer(int fd)
{
	char text[32];
	ssize_t got = pread(fd, text, sizeof(text), 0);
	struct span rest = span_make(text, got > 0 ? (size_t)got : 0);
	uint64_t pid;

	return span_take_u64(&rest, INT32_MAX, &pid) == 0 ? (long long)pid : 0;
}

int
spool_lock_take(const void *conf, const struct daemon *daemon)
{
	const struct fourpost_conf *common = conf;
	_cleanup_(freep) char *path = xasprintf("%s/lock", common->spool_dir), *fault = NULL;
	_cleanup_(closep) int fd = -1;
	int r = queue_prepare_spool(common->spool_dir);

	(void)daemon;
	/* Nobody else may open it: whoever can open a file can lock it. */
	if (r == 0)
		fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (r == 0)
		r = fd < 0 ? -errno : lock_within(fd, PATIENCE_MS);
	if (r == -EWOULDBLOCK) {
		fault = xasprintf("the spool is in use by pid %lld", signer(fd));
		log_error("spool-in-use", log_str("folder", common->spool_dir), log_str("fault", fault));
		return -EBUSY;
	}
	if (r < 0) {
		log_error("spool-unusable", log_str("file", path), log_errno("error", r));
		return r;
	}
	lock_fd = TAKE_FD(fd);
	spool_lock_sign();
	return 0;
}

void
spool_lock_sign(void)
{
	/* What it is about is the lock: the number is for people. */
	if (lock_fd >= 0 && (ftruncate(lock_fd, 0) < 0 || lseek(lock_fd, 0, SEEK_SET) < 0 || dprintf(lock_fd, "%ld\n", (long)getpid()) < 0))
		log_warning("lock-unsigned", log_errno("error", errno));
}

bool
spool_lock_queue(const char *spool_dir)
{
	_cleanup_(freep) char *path = xasprintf("%s/queue", spool_dir);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* for the life of the process */
	int r = fd < 0 ? -errno : lock_within(fd, QUEUE_PATIENCE_MS);

	if (r < 0)
		log_error("spool-in-use", log_str("folder", path), log_errno("error", r), log_str("hint", "a former queue role has not ended"));
	return r == 0;
}
