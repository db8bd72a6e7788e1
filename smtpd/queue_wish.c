/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What was asked of a message during an attempt, and is to be done at its end: a file state/ACTION.ID until then, so that it is done at
 * the next start when this process does not come to it (mailspool(5)). Who asked was told that it will be. The name says it all: the file is
 * empty, or the message's own, where the disk has no room for another. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/queue.h"

#define FOLDER "state"
#define WISH_PATH_MAX 48

static const struct {
	enum drop_action action;
	const char *name;
} wishes[] = { { DROP_REMOVE, "remove" }, { DROP_HOLD, "hold" }, { DROP_REQUEUE, "requeue" } };
#define WISHES (sizeof(wishes) / sizeof(*wishes))

struct wish {
	enum drop_action action;
	char id[SPOOL_ID_LEN + 1];
};

/* Those of the last life that have not been met yet. */
struct wish_list {
	struct wish *items;
	size_t count;
};

static void
path_of(enum drop_action action, const char *id, char path[WISH_PATH_MAX])
{
	const char *name = "";

	for (size_t i = 0; i < WISHES; i++)
		if (wishes[i].action == action)
			name = wishes[i].name;
	(void)snprintf(path, WISH_PATH_MAX, FOLDER "/%s.%s", name, id);
}

static int
sync_folder(const struct queue *queue)
{
	_cleanup_(closep) int fd = openat(queue_files_folder(queue->files), FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && fsync(fd) == 0 ? 0 : -errno;
}

/* Another name of the message's file takes no inode and no byte; and who wants room on a full disk may well want this message removed. */
static int
make_file(int folder, const char *path, const char *id)
{
	int fd = openat(folder, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), r = fd < 0 ? -errno : 0;
	char message[SPOOL_PATH_MAX];

	closep(&fd);
	if (r != -ENOSPC && r != -EDQUOT)
		return r;
	spool_path(SPOOL_QUEUE, id, message);
	return linkat(folder, message, folder, path, 0) == 0 || errno == EEXIST ? 0 : r;
}

int
wish_keep(struct queue *queue, enum drop_action action, const char *id)
{
	char path[WISH_PATH_MAX];
	int r;

	path_of(action, id, path);
	r = make_file(queue_files_folder(queue->files), path, id);
	if (r < 0)
		return r == -EEXIST ? 0 : r; /* asked before: it is kept */
	r = sync_folder(queue);
	if (r < 0)
		(void)unlinkat(queue_files_folder(queue->files), path, 0);
	return r;
}

/* Synced: done once more after a power loss, it would undo what was asked since. */
void
wish_drop(struct queue *queue, enum drop_action action, const char *id)
{
	char path[WISH_PATH_MAX];
	int r = 0;

	path_of(action, id, path);
	if (unlinkat(queue_files_folder(queue->files), path, 0) == 0)
		r = sync_folder(queue);
	else if (errno != ENOENT)
		r = -errno;
	if (r < 0)
		log_error("wish-not-removed", log_str("file", path), log_errno("error", r));
}

/* --- the start --- */

static bool
read_name(const char *name, struct wish *ret_wish)
{
	struct span rest = span_of(name), word = SPAN_NULL;

	(void)span_split(&rest, '.', &word);
	for (size_t i = 0; i < WISHES; i++)
		if (span_eq(word, span_of(wishes[i].name)) && spool_id_valid(rest)) {
			ret_wish->action = wishes[i].action;
			memcpy(ret_wish->id, rest.ptr, SPOOL_ID_LEN);
			ret_wish->id[SPOOL_ID_LEN] = '\0';
			return true;
		}
	return false;
}

int
wishes_load(struct queue *queue)
{
	struct wish_list *list = queue->wishes = xcalloc(1, sizeof(*list));
	int fd = openat(queue_files_folder(queue->files), FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	struct wish wish;
	int r;

	if (dir == NULL) {
		r = errno == ENOENT ? 0 : -errno;
		closep(&fd);
		return r;
	}
	errno = 0;
	while ((entry = readdir(dir)) != NULL) {
		if (read_name(entry->d_name, &wish)) {
			list->items = xreallocarray(list->items, list->count + 1, sizeof(wish));
			list->items[list->count++] = wish;
		}
		errno = 0;
	}
	r = -errno;
	(void)closedir(dir);
	return r;
}

bool
wish_take(struct queue *queue, const char *id, enum drop_action *ret_action)
{
	struct wish_list *list = queue->wishes;

	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i].id, id) == 0) {
			*ret_action = list->items[i].action;
			list->items[i] = list->items[--list->count];
			return true;
		}
	return false;
}

void
wishes_forget(struct queue *queue)
{
	struct wish_list *list = queue->wishes;

	while (list->count != 0) {
		const struct wish *last = &list->items[--list->count];

		wish_drop(queue, last->action, last->id);
	}
	free(list->items);
	list->items = NULL;
}
