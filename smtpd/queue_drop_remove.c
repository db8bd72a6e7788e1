/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* How files leave spool/drop: removed, or set aside for the operator. What cannot be removed is kept in mind, so that it is not done again. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/queue_drop_internal.h"

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

static void
keep_in_mind(struct pickup *pickup, const char *name)
{
	struct stuck **at = find_stuck(pickup, name);

	pickup_rescan_later(pickup);
	if (*at != NULL)
		return;
	*at = xcalloc(1, sizeof(**at) + strlen(name) + 1);
	memcpy((*at)->name, name, strlen(name) + 1);
}

static void
forget_stuck(struct pickup *pickup, const char *name)
{
	struct stuck **at = find_stuck(pickup, name), *stuck = *at;

	if (stuck == NULL)
		return;
	*at = stuck->next;
	free(stuck);
}

/* A folder that somebody put there can perhaps not be removed; under a name with a dot it is not
 * looked at again. */
static int
remove_folder(const struct pickup *pickup, const char *name)
{
	char hidden[NAME_MAX + 2];
	int error;

	if (unlinkat(pickup->folder, name, AT_REMOVEDIR) == 0)
		return 0;
	error = errno;
	(void)snprintf(hidden, sizeof(hidden), ".%s", name);
	if (renameat(pickup->folder, name, pickup->folder, hidden) < 0)
		return -errno;
	log_error("drop-hidden", log_str("file", hidden), log_errno("error", error));
	return 0;
}

void
pickup_remove(struct pickup *pickup, const char *name)
{
	int r = unlinkat(pickup->folder, name, 0) == 0 || errno == ENOENT ? 0 : -errno;

	if (r == -EISDIR)
		r = remove_folder(pickup, name);
	if (r == 0) {
		forget_stuck(pickup, name);
	} else {
		log_error("drop-not-removed", log_str("file", name), log_errno("error", r));
		keep_in_mind(pickup, name);
	}
}

void
pickup_set_aside(struct queue *queue, const char *name, int64_t uid, const char *why)
{
	int r;

	log_error(
	    "drop-corrupt", log_str("file", name), log_i64("uid", uid), log_str("reason", why));
	r = queue_files_set_aside_from(queue->files, queue->pickup->folder, name);
	/* It may be mail: it stays, and is tried again. */
	if (r < 0 && r != -ENOENT) {
		log_error("drop-not-set-aside", log_str("file", name), log_errno("error", r));
		pickup_rescan_later(queue->pickup);
	}
}
