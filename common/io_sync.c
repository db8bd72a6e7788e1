/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Several fsync(2) at once: by one syncfs(2), or by io_submit(2), the one interface of Linux by which a single thread can wait for more than one. glibc has
 * no wrapper, and libaio would be these three calls. */
#include "common/io_sync.h"

#include <errno.h>
#include <linux/aio_abi.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* At once: of this many the kernel keeps room for each process that ever needs it, out of fs.aio-max-nr. */
#define TOGETHER_MAX 32

/* Ten files of mail take less than a quarter of this. */
#define LONG_MS 20
/* So many times as long as it took: what others cost us is so much at most. */
#define LEFT_ALONE 20

static void
sync_one(struct io_sync *sync)
{
	sync->result = (sync->data ? fdatasync(sync->fd) : fsync(sync->fd)) == 0 ? 0 : -errno;
}

/* The kernel's queue of this process; made when first needed. False: there is none to be had. */
static bool
have_queue(aio_context_t *ret_queue)
{
	static aio_context_t queue;

	if (queue == 0 && syscall(SYS_io_setup, TOGETHER_MAX, &queue) < 0)
		return false;
	*ret_queue = queue;
	return true;
}

/* Those that the kernel takes. Returns how many, from the first on. */
static size_t
submit(aio_context_t queue, struct io_sync *syncs, size_t count)
{
	struct iocb orders[TOGETHER_MAX] = { 0 }, *list[TOGETHER_MAX];
	long taken;

	for (size_t i = 0; i < count; i++) {
		orders[i].aio_lio_opcode = syncs[i].data ? IOCB_CMD_FDSYNC : IOCB_CMD_FSYNC;
		orders[i].aio_fildes = (uint32_t)syncs[i].fd;
		orders[i].aio_data = i;
		list[i] = &orders[i];
		syncs[i].result = -EIO;
	}
	taken = syscall(SYS_io_submit, queue, (long)count, list);
	return taken < 0 ? 0 : (size_t)taken;
}

/* Waits for so many. */
static void
reap(aio_context_t queue, struct io_sync *syncs, size_t count)
{
	struct io_event events[TOGETHER_MAX];

	while (count != 0) {
		long got = syscall(SYS_io_getevents, queue, 1L, (long)count, events, NULL);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return; /* cannot be; nothing is promised then */
		for (long i = 0; i < got; i++)
			syncs[events[i].data].result = (int)events[i].res;
		count -= (size_t)got;
	}
}

void
io_sync_all(struct io_sync *syncs, size_t count)
{
	aio_context_t queue = 0;

	while (count != 0) {
		size_t together = count < TOGETHER_MAX ? count : TOGETHER_MAX, taken = 0;

		if (together > 1 && have_queue(&queue))
			taken = submit(queue, syncs, together);
		for (size_t i = taken; i < together; i++)
			sync_one(&syncs[i]);
		reap(queue, syncs, taken);
		syncs += together;
		count -= together;
	}
}

static int64_t
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool
io_sync_filesystem(int fd)
{
	static int64_t left_alone_until;
	int64_t began = now_ms(), took;

	if (began < left_alone_until || syncfs(fd) < 0)
		return false;
	took = now_ms() - began;
	if (took > LONG_MS)
		left_alone_until = began + took * LEFT_ALONE;
	return true;
}

void
io_sync_same(struct io_sync *syncs, size_t count)
{
	if (count < IO_SYNC_MANY || !io_sync_filesystem(syncs[0].fd)) {
		io_sync_all(syncs, count);
		return;
	}
	for (size_t i = 0; i < count; i++)
		syncs[i].result = 0;
}
