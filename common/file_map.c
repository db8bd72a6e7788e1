/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Files that are mapped, and may be cut short meanwhile. */
#include "common/file_map.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/xalloc.h"

struct file_map {
	char *bytes;
	size_t len, room; /* room: in whole pages */
	volatile sig_atomic_t torn;
	struct file_map *next;
};

static _Thread_local struct file_map *maps;
static struct sigaction before;
static size_t page_size;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int taken; /* 0, or -errno */

/* Pages of zeros from there on. What was lost in the middle may have more behind it, but it is of no use without that. */
static bool
patch(struct file_map *map, const char *at)
{
	size_t from = (size_t)(at - map->bytes) / page_size * page_size;

	if (mmap(map->bytes + from, map->room - from, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		return false;
	map->torn = 1;
	return true;
}

/* Called where a byte is read, in its thread: nothing else is going on. */
static void
on_bus(int number, siginfo_t *info, void *context)
{
	const char *at = info->si_addr;
	int error = errno;

	for (struct file_map *map = maps; info->si_code > 0 && map != NULL; map = map->next)
		if (at >= map->bytes && at < map->bytes + map->room && patch(map, at)) {
			errno = error;
			return;
		}
	if ((before.sa_flags & SA_SIGINFO) != 0)
		before.sa_sigaction(number, info, context);
	else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
		before.sa_handler(number);
	else
		(void)sigaction(number, &before, NULL); /* the byte is read again, and that is the end; one that was sent has no more to say */
	errno = error;
}

static void
take_signal(void)
{
	struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };

	(void)sigemptyset(&action.sa_mask);
	page_size = (size_t)sysconf(_SC_PAGESIZE);
	taken = sigaction(SIGBUS, &action, &before) == 0 ? 0 : -errno;
}

int
file_map_open(int fd, size_t len, struct file_map **ret)
{
	struct file_map *map;
	void *bytes;

	/* No thread maps anything before that is done, and none does it twice: what was there before would be on_bus itself. */
	(void)pthread_once(&once, take_signal);
	if (taken != 0)
		return taken;
	bytes = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return -errno;
	map = xcalloc(1, sizeof(*map));
	*map = (struct file_map){ .bytes = bytes, .len = len, .room = (len + page_size - 1) / page_size * page_size, .next = maps };
	maps = map;
	atomic_signal_fence(memory_order_seq_cst);
	*ret = map;
	return 0;
}

struct span
file_map_bytes(const struct file_map *map)
{
	return span_make(map->bytes, map->len);
}

bool
file_map_is_torn(const struct file_map *map)
{
	return map->torn != 0;
}

void
file_map_close(struct file_map *map)
{
	struct file_map **at = &maps;

	if (map == NULL)
		return;
	while (*at != map)
		at = &(*at)->next;
	*at = map->next;
	atomic_signal_fence(memory_order_seq_cst);
	(void)munmap(map->bytes, map->room);
	free(map);
}
