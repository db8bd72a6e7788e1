/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
#include "libmailstore/ms_given.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_import_names.h"
#include "libmailstore/ms_internal.h"

/* What a mailbox whose folder is not there any more may have given since it was. */
#define UNKNOWN_MAX (1u << 20)

static void
add_folder(struct ms_given *given, int maildir_fd, const char *path, bool now)
{
	_cleanup_(closep) int fd = openat(maildir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct ms_folder folder;

	if (fd < 0 || ms_folder_read(fd, &folder) != 0)
		return;
	if (given->count == given->room) {
		given->room = given->room != 0 ? given->room * 2 : 16;
		given->list = xreallocarray(given->list, given->room, sizeof(*given->list));
	}
	given->list[given->count++] = (struct ms_given_limit){ xstrdup(path), folder.id, folder.uidvalidity, folder.uid_limit, now };
	ms_folder_clear(&folder);
}

void
ms_given_add(struct ms_given *given, int maildir_fd, bool now)
{
	struct ms_entry_names entries;

	add_folder(given, maildir_fd, ".", now);
	if (ms_entry_names_read(maildir_fd, ".", &entries) != 0)
		return;
	for (size_t i = 0; i < entries.count; i++)
		if (entries.list[i][0] == '.')
			add_folder(given, maildir_fd, entries.list[i], now);
	ms_entry_names_clear(&entries);
}

void
ms_given_clear(struct ms_given *given)
{
	for (size_t i = 0; i < given->count; i++)
		free(given->list[i].path);
	free(given->list);
	*given = (struct ms_given){ .list = NULL };
}

void
ms_given_raise(const struct ms_given *given, const char *path, bool certain, struct ms_folder *folder)
{
	uint32_t room;

	for (size_t i = 0; i < given->count; i++) {
		const struct ms_given_limit *limit = &given->list[i];

		/* A mailbox may have been renamed, and have another identity where it has moved in anew. */
		if (limit->uidvalidity != folder->uidvalidity || (limit->id != folder->id && strcmp(limit->path, path) != 0))
			continue;
		certain = certain || limit->now;
		if (limit->limit > folder->uid_limit)
			folder->uid_limit = limit->limit;
	}
	if (certain)
		return;
	/* There are enough for that, unless it happens thousands of times; then half of what is left stays. */
	room = (UINT32_MAX - folder->uid_limit) / 2;
	folder->uid_limit += room < UNKNOWN_MAX ? room : UNKNOWN_MAX;
}
