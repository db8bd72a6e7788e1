/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The queue's files, and the queue's word about them. What is read while the queue works is a
 * picture of a moment: a message that is gone meanwhile is left out. */
#include "cli/queue_read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"

/* More messages than that are not listed. */
#define LIST_MAX 10000000

struct found {
	char id[SPOOL_ID_LEN + 1];
	bool held;
};

struct list {
	struct found *items;
	size_t count, room;
};

static int
open_folder(int parent, const char *path)
{
	int fd = openat(parent, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Calls each name in the folder. 0 or -errno. */
static int
each_name(int spool, const char *path, void (*each)(void *context, const char *name), void *context)
{
	int fd = open_folder(spool, path), r = 0;
	const struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (dir == NULL) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			each(context, entry->d_name);
	(void)closedir(dir);
	return r;
}

static void
add(struct list *list, const char *name, bool held)
{
	struct found *found;

	if (!spool_id_valid(span_of(name)) || list->count == LIST_MAX)
		return;
	if (list->count == list->room) {
		list->room = list->room == 0 ? 256 : list->room * 2;
		list->items = xreallocarray(list->items, list->room, sizeof(*list->items));
	}
	found = &list->items[list->count++];
	memcpy(found->id, name, sizeof(found->id));
	found->held = held;
}

static void
add_queued(void *context, const char *name)
{
	add(context, name, false);
}

static void
add_held(void *context, const char *name)
{
	add(context, name, true);
}

static void
count_arriving(void *context, const char *name)
{
	size_t *count = context;

	*count += drop_kind(name) == DROP_IS_MESSAGE;
}

static void
count_any(void *context, const char *name)
{
	size_t *count = context;

	(void)name;
	(*count)++;
}

static int
compare(const void *a, const void *b)
{
	const struct found *left = a, *right = b;

	return memcmp(left->id, right->id, SPOOL_ID_LEN);
}

static void
tell(struct queue_summary *summary, const struct queued *queued,
    void (*each)(void *context, const struct queued *queued), void *context)
{
	summary->messages++;
	summary->held += queued->held;
	summary->bytes += queued->length;
	each(context, queued);
}

static int
open_message(int spool, const char *id, bool held, struct spool_file *ret_file)
{
	char path[SPOOL_PATH_MAX];

	spool_path(held ? SPOOL_HOLD : SPOOL_QUEUE, id, path);
	return spool_open(spool, path, O_RDONLY, ret_file);
}

/* --- from the files --- */

static int
read_files(int spool, void (*each)(void *context, const struct queued *queued), void *context,
    struct queue_summary *summary)
{
	struct list list = { .items = NULL };
	int r = each_name(spool, "hold", add_held, &list);

	for (unsigned i = 0; r == 0 && i < SPOOL_FOLDERS; i++) {
		char path[16];

		(void)snprintf(path, sizeof(path), "queue/%02X", i & 0xff);
		r = each_name(spool, path, add_queued, &list);
	}
	if (r == 0)
		r = each_name(spool, "drop", count_arriving, &summary->arriving);
	if (r == 0)
		r = each_name(spool, "corrupt", count_any, &summary->corrupt);
	if (list.count != 0)
		qsort(list.items, list.count, sizeof(*list.items), compare);
	for (size_t i = 0; r == 0 && i < list.count; i++) {
		struct found *found = &list.items[i];
		struct spool_file file;
		struct queued queued = { found->id, found->held, 0, &file.envelope };

		if (open_message(spool, found->id, found->held, &file) < 0)
			continue;
		queued.length = file.length;
		tell(summary, &queued, each, context);
		spool_close(&file);
	}
	free(list.items);
	return r;
}

/* --- from the queue --- */

/* 0 and the records, or -errno. */
static int
ask(const char *spool_dir, struct span id, struct buf *answer, struct span *ret_records,
    bool *ret_cut)
{
	_cleanup_(closep) int folder = drop_open_folder(spool_dir);
	enum drop_answer word;
	int r = folder < 0 ? folder : drop_ask(folder, DROP_LIST, id, QUEUE_ANSWER_MS, answer);

	if (r < 0)
		return r;
	*ret_records = buf_get(answer);
	if (drop_answer_decode(ret_records, &word) < 0)
		return -EPROTO;
	*ret_cut = word == DROP_CUT;
	return word == DROP_DONE || word == DROP_CUT ? 0 :
	    word == DROP_UNKNOWN                     ? -ENOENT :
	    word == DROP_DENIED                      ? -EPERM :
						       -EIO;
}

static int
compare_records(const void *a, const void *b)
{
	const struct drop_record *left = a, *right = b;

	return memcmp(left->id.ptr, right->id.ptr, SPOOL_ID_LEN);
}

static int
read_answer(const char *spool_dir, void (*each)(void *context, const struct queued *queued),
    void *context, struct queue_summary *summary)
{
	struct buf answer = BUF_INIT(DROP_ANSWER_MAX);
	struct drop_record *records = NULL;
	struct envelope envelope;
	char id[SPOOL_ID_LEN + 1];
	struct span rest;
	size_t count = 0;
	int r = ask(spool_dir, SPAN_NULL, &answer, &rest, &summary->cut);

	/* Bounded by the length of the answer. */
	while (r == 0) {
		if ((count & (count - 1)) == 0)
			records = xreallocarray(
			    records, count == 0 ? 1 : count * 2, sizeof(*records));
		r = drop_record_decode(&rest, &records[count]);
		count += r == 0;
	}
	if (r == 1 && count != 0)
		qsort(records, count, sizeof(*records), compare_records);
	for (size_t i = 0; r == 1 && i < count; i++) {
		struct queued queued = { id, records[i].held, records[i].length, &envelope };
		size_t end;

		if (envelope_decode(records[i].envelope, &envelope, &end, NULL) != 0)
			continue;
		memcpy(id, records[i].id.ptr, SPOOL_ID_LEN);
		id[SPOOL_ID_LEN] = '\0';
		tell(summary, &queued, each, context);
		envelope_free(&envelope);
	}
	free(records);
	buf_free(&answer);
	return r == 1 ? 0 : r == -EBADMSG ? -EPROTO : r;
}

/* --- either --- */

/* A descriptor of the spool when its queue may be read. -EACCES when not, -errno. */
static int
open_spool(const char *spool_dir)
{
	int spool = open(spool_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), queue;

	if (spool < 0)
		return -errno;
	queue = open_folder(spool, "queue");
	if (queue >= 0) {
		(void)close(queue);
		return spool;
	}
	(void)close(spool);
	return queue;
}

int
queue_read(const char *spool_dir, void (*each)(void *context, const struct queued *queued),
    void *context, struct queue_summary *ret_summary)
{
	_cleanup_(closep) int spool = open_spool(spool_dir);

	*ret_summary = (struct queue_summary){ .asked = spool == -EACCES };
	if (spool == -EACCES)
		return read_answer(spool_dir, each, context, ret_summary);
	return spool < 0 ? spool : read_files(spool, each, context, ret_summary);
}

int
queue_read_one(const char *spool_dir, const char *id, struct spool_file *ret_file, bool *ret_held)
{
	_cleanup_(closep) int spool = open_spool(spool_dir);
	struct buf answer = BUF_INIT(DROP_ANSWER_MAX);
	struct drop_record record;
	struct span records;
	size_t end;
	bool cut;
	int r;

	if (!spool_id_valid(span_of(id)))
		return -ENOENT;
	if (spool >= 0) {
		*ret_held = false;
		r = open_message(spool, id, false, ret_file);
		if (r == -ENOENT) {
			*ret_held = true;
			r = open_message(spool, id, true, ret_file);
		}
		return r;
	}
	if (spool != -EACCES)
		return spool;
	r = ask(spool_dir, span_of(id), &answer, &records, &cut);
	*ret_file = (struct spool_file){ .fd = -1 };
	if (r == 0 && (drop_record_decode(&records, &record) != 0 ||
			  envelope_decode(record.envelope, &ret_file->envelope, &end, NULL) != 0))
		r = -EPROTO;
	if (r == 0) {
		*ret_held = record.held;
		ret_file->length = record.length;
	}
	buf_free(&answer);
	return r;
}
