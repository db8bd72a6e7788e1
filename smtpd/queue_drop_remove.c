/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* How files leave spool/drop: removed, or set aside for the operator. What cannot be removed is kept in mind, so that it is not done again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/queue_drop_internal.h"

/* That many at most, and those that are being taken when there are so many. */
#define STUCK_MAX 1024

/* A file that is done with and could not be removed: it is not to be done again. */
struct stuck {
	struct stuck *next;
	char name[];
};

static struct stuck **
find_stuck(struct pickup *pickup, const char *name)
{
	struct stuck **at = &pickup->stuck;

	while (*at != NULL && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	return at;
}

bool
pickup_is_stuck(struct pickup *pickup, const char *name)
{
	return *find_stuck(pickup, name) != NULL;
}

bool
pickup_is_full(const struct pickup *pickup)
{
	return pickup->stuck_count >= STUCK_MAX;
}

static void
keep_in_mind(struct pickup *pickup, const char *name, int error)
{
	struct stuck **at = find_stuck(pickup, name);

	pickup_rescan_later(pickup);
	if (*at != NULL)
		return;
	log_error("drop-not-removed", log_str("file", name), log_errno("error", error));
	*at = xcalloc(1, sizeof(**at) + strlen(name) + 1);
	memcpy((*at)->name, name, strlen(name) + 1);
	pickup->stuck_count++;
}

static void
forget_stuck(struct pickup *pickup, const char *name)
{
	struct stuck **at = find_stuck(pickup, name), *stuck = *at;

	if (stuck == NULL)
		return;
	*at = stuck->next;
	free(stuck);
	pickup->stuck_count--;
}

/* A folder that somebody put there can perhaps not be removed; under a name with a dot it is not looked at again. Nobody but the queue knows
 * that name before. */
static int
remove_folder(const struct pickup *pickup, const char *name)
{
	char hidden[32];
	int error;

	if (unlinkat(pickup->folder, name, AT_REMOVEDIR) == 0)
		return 0;
	error = errno;
	(void)snprintf(hidden, sizeof(hidden), ".hidden.%08x%08x", queue_random(), queue_random());
	if (renameat(pickup->folder, name, pickup->folder, hidden) < 0)
		return -errno;
	log_error("drop-hidden", log_str("file", name), log_str("as", hidden), log_errno("error", error));
	return 0;
}

void
pickup_remove(struct pickup *pickup, const char *name)
{
	int r = unlinkat(pickup->folder, name, 0) == 0 || errno == ENOENT ? 0 : -errno;
	bool is_folder = r == -EISDIR;

	if (is_folder)
		r = remove_folder(pickup, name);
	pickup->moved |= r == 0;
	if (r == 0)
		forget_stuck(pickup, name);
	else if (is_folder)
		pickup_wait(pickup, name, -1, r); /* nothing to be done twice */
	else
		keep_in_mind(pickup, name, r);
}

void
pickup_set_aside(struct queue *queue, const char *name, int64_t uid, const char *why)
{
	int r = queue_files_set_aside_from(queue->files, queue->pickup->folder, name);

	if (r == 0) {
		queue->pickup->moved = true;
		log_error("drop-corrupt", log_str("file", name), log_i64("uid", uid), log_str("reason", why));
	} else if (r != -ENOENT) {
		pickup_wait(queue->pickup, name, uid, r); /* it may be mail */
	}
}
