/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A listed file gets another name. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"
#include "libmailstore/ms_listing.h"

static void
set_name(struct ms_file *file, const char *name)
{
	free(file->name);
	file->name = xstrdup(name);
	(void)ms_name_parse(span_of(file->name), &file->parsed);
}

int
ms_file_rename(int folder_fd, struct ms_file *file, const struct ms_name *name, bool renamed[2])
{
	char new[MS_NAME_MAX + 1];
	int r = ms_file_name(folder_fd, file, name, new, renamed);

	if (r == 0)
		set_name(file, new);
	return r;
}

/* --- renames that may have to be taken back --- */

void
ms_renames_note(struct ms_renames *renames, char *from, char *to)
{
	if (renames->count == renames->room) {
		renames->room = renames->room != 0 ? renames->room * 2 : 64;
		renames->list = xreallocarray(renames->list, renames->room, sizeof(*renames->list));
	}
	renames->list[renames->count++] = (struct ms_rename){ from, to };
}

void
ms_renames_take_back(struct ms_renames *renames, int folder_fd)
{
	/* What cannot be is right as it is. */
	for (size_t i = renames->count; i > 0; i--)
		(void)!renameat(folder_fd, renames->list[i - 1].to, folder_fd, renames->list[i - 1].from);
}

void
ms_renames_clear(struct ms_renames *renames)
{
	for (size_t i = 0; i < renames->count; i++) {
		free(renames->list[i].from);
		free(renames->list[i].to);
	}
	free(renames->list);
	*renames = (struct ms_renames){ .list = NULL };
}

/* --- the flags of a name --- */

/* Into cur/, where a name tells of flags also that there are none. */
static int
rename_to_cur(int folder_fd, struct ms_file *file, const char *name, struct ms_renames *renames)
{
	char *from = xasprintf("%s/%s", file->in_cur ? "cur" : "new", file->name), *to = xasprintf("cur/%s", name);

	if (strcmp(from, to) == 0 || renameat(folder_fd, from, folder_fd, to) < 0) {
		int r = strcmp(from, to) == 0 ? 0 : errno == ENOENT ? MS_E_NOTFOUND : -errno;

		free(from);
		free(to);
		return r;
	}
	ms_renames_note(renames, from, to);
	file->in_cur = true;
	set_name(file, name);
	return 0;
}

/* What the message is to be: what waits was promised of the name in its record, and what another program has made of that name since stays.
 * Without a record nobody knows of another name. Whether its file's name is to tell it. */
static bool
flags_to_tell(const struct ms_file *file, const struct ms_message_record *record, const struct ms_pending_list *pending, const struct ms_message *named,
    struct ms_message *ret)
{
	_cleanup_(freep) char *path = NULL;

	*ret = record != NULL ? record->message : *named;
	if (!ms_pending_apply(pending, ret))
		return false;
	if (record != NULL) {
		path = xasprintf("%s/%s", file->in_cur ? "cur" : "new", file->name);
		if (ms_flags_meanwhile(record, path, ret) != 0)
			return false;
	}
	return ret->flags != named->flags || !ms_keywords_equal(&ret->keywords, &named->keywords);
}

int
ms_file_follow(int folder_fd, struct ms_file *file, uint32_t uid, const struct ms_message_record *record, const struct ms_pending_list *pending,
    struct ms_renames *renames)
{
	struct ms_message named = { .uid = uid, .flags = file->parsed.flags }, after;
	struct buf digits = BUF_INIT(MS_NAME_MAX), text = BUF_INIT(MS_NAME_MAX);
	struct ms_name name = file->parsed;
	int r = 0;

	ms_keywords_from_name(&file->parsed, MS_KEYWORDS_MAX, &named.keywords);
	if (!flags_to_tell(file, record, pending, &named, &after))
		return 0;
	name.flags = after.flags;
	ms_keywords_to_name(&after.keywords, &name, &digits);
	/* A name that would grow too long stays. */
	if (!digits.overflow && ms_name_format(&name, true, &text) == 0)
		r = rename_to_cur(folder_fd, file, buf_cstr(&text), renames);
	buf_free(&digits);
	buf_free(&text);
	return r;
}
