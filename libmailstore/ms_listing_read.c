/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The files of a Maildir folder: read, while others may rename them. readdir(3) promises what stays; of what is renamed meanwhile it may
 * give both names or neither. The events of inotify(7) tell the rest, and together they are the folder as it was at one moment. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_hidden.h"
#include "libmailstore/ms_internal.h"

/* Events are read at times, or the queue in the kernel (16,384 of them) would run over. */
#define FILES_BETWEEN 1000
#define EVENTS_MAX 1000000
#define LOCATE_TRIES 5

struct reading {
	struct ms_listing *listing;
	int inotify_fd;      /* or -1 */
	const int *watch;
	uint32_t events;
	bool lost;           /* events are missing */
	bool leaving;        /* the last event is the first half of a rename */
	uint32_t cookie;     /* of that */
	unsigned unmatched;  /* such halves before it */
};

static int
add(struct ms_listing *listing, const char *name, bool in_cur, uint32_t order, bool gone)
{
	struct ms_file file = { .in_cur = in_cur, .order = order, .gone = gone };

	if (!ms_name_parse(span_of(name), &file.parsed))
		return 0;
	if (listing->count == MS_FILES_MAX)
		return -EOVERFLOW;
	if (listing->count == listing->room) {
		listing->room = listing->room != 0 ? listing->room * 2 : 64;
		listing->files = xreallocarray(listing->files, listing->room, sizeof(*listing->files));
	}
	file.name = xstrdup(name);
	(void)ms_name_parse(span_of(file.name), &file.parsed); /* once more: the spans point into the copy */
	if (listing->folder != 0 && file.parsed.folder != 0 && file.parsed.folder != listing->folder)
		file.parsed.uid = 0; /* it came with its name from another folder */
	listing->files[listing->count++] = file;
	return 0;
}

/* A rename is two events, not always read together. */
static void
pair(struct reading *reading, const struct inotify_event *event)
{
	if ((event->mask & IN_MOVED_TO) != 0 && reading->leaving && event->cookie == reading->cookie) {
		reading->leaving = false;
		return;
	}
	if ((event->mask & IN_MOVED_FROM) == 0)
		return;
	reading->unmatched += reading->leaving;
	reading->leaving = true;
	reading->cookie = event->cookie;
}

static int
take_event(struct reading *reading, const struct inotify_event *event)
{
	if ((event->mask & IN_Q_OVERFLOW) != 0)
		reading->lost = true;
	if ((event->mask & MS_TOUCH_EVENTS) == 0 || event->len == 0 || (event->wd != reading->watch[0] && event->wd != reading->watch[1]))
		return 0;
	pair(reading, event);
	if (reading->events == EVENTS_MAX) {
		reading->lost = true;
		return 0;
	}
	if ((event->mask & IN_ISDIR) != 0)
		return 0;
	return add(reading->listing, event->name, event->wd == reading->watch[1], ++reading->events,
	    (event->mask & (IN_MOVED_FROM | IN_DELETE)) != 0);
}

static int
take_events(struct reading *reading)
{
	_Alignas(struct inotify_event) char bytes[16384];
	ssize_t got = 0;
	int r = 0;

	while (reading->inotify_fd >= 0 && r == 0 && (got = read(reading->inotify_fd, bytes, sizeof(bytes))) > 0)
		for (ssize_t at = 0; r == 0 && at < got;) {
			const struct inotify_event *event = (const void *)(bytes + at);

			r = take_event(reading, event);
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	reading->lost |= got < 0 && errno != EAGAIN;
	return r;
}

static int
read_folder(struct reading *reading, int folder_fd, const char *part, bool in_cur)
{
	const struct dirent *entry;
	unsigned count = 0;
	DIR *dir;
	int r = ms_dir_open(folder_fd, part, &dir);

	if (r != 0)
		return r == -ENOENT ? 0 : r;
	while (r == 0 && (r = ms_dir_next(dir, &entry)) == 0 && entry != NULL) {
		if (entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN)
			r = add(reading->listing, entry->d_name, in_cur, 0, false);
		reading->listing->hidden |= !in_cur && ms_hidden_is(entry->d_name);
		if (r == 0 && ++count % FILES_BETWEEN == 0)
			r = take_events(reading);
	}
	(void)closedir(dir);
	return r;
}

static bool
same_name(const struct ms_file *a, const struct ms_file *b)
{
	return a->in_cur == b->in_cur && strcmp(a->name, b->name) == 0;
}

/* By file, then by time, so that the last of one name is what holds. */
static int
compare_names(const void *a, const void *b)
{
	const struct ms_file *x = a, *y = b;
	int order = ms_file_compare(a, b);

	if (order == 0)
		order = strcmp(x->name, y->name);
	if (order == 0)
		order = (x->in_cur > y->in_cur) - (x->in_cur < y->in_cur);
	return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

static void
keep_last(struct ms_listing *listing)
{
	size_t kept = 0;

	for (size_t i = 0; i < listing->count; i++) {
		struct ms_file *file = &listing->files[i];

		if ((i + 1 < listing->count && same_name(file, file + 1)) || file->gone)
			free(file->name);
		else
			listing->files[kept++] = *file;
	}
	listing->count = kept;
}

static int
read_listing(struct reading *reading, int folder_fd)
{
	struct ms_listing *listing = reading->listing;
	/* new/ first: a message that moves to cur/ meanwhile is then seen twice rather than not at all. */
	int r = read_folder(reading, folder_fd, "new", false);

	if (r == 0)
		r = read_folder(reading, folder_fd, "cur", true);
	if (r == 0)
		r = take_events(reading);
	if (listing->count != 0)
		qsort(listing->files, listing->count, sizeof(*listing->files), compare_names);
	keep_last(listing);
	listing->sure = r == 0 && reading->inotify_fd >= 0 && !reading->lost && !reading->leaving && reading->unmatched == 0;
	/* Seen twice: the later place, cur/, holds. */
	for (size_t i = 0; i + 1 < listing->count; i++) {
		struct ms_file *a = &listing->files[i], *b = &listing->files[i + 1];

		if (ms_file_compare(a, b) == 0 && a->in_cur != b->in_cur)
			(a->in_cur ? b : a)->taken = true;
	}
	return r;
}

int
ms_listing_read(int folder_fd, uint16_t folder, struct ms_listing *ret)
{
	struct reading reading = { .listing = ret, .inotify_fd = -1 };

	*ret = (struct ms_listing){ .folder = folder };
	return read_listing(&reading, folder_fd);
}

int
ms_listing_read_watched(int folder_fd, int inotify_fd, const int watch[2], uint16_t folder, struct ms_listing *ret)
{
	struct reading reading = { .listing = ret, .inotify_fd = inotify_fd, .watch = watch };

	*ret = (struct ms_listing){ .folder = folder };
	return read_listing(&reading, folder_fd);
}

int
ms_locate(int folder_fd, const struct ms_message_record *record, char path[MS_NAME_MAX + 5])
{
	struct ms_name name;
	int r = ms_name_parse(span_of(record->name), &name) ? MS_E_NOTFOUND : MS_E_CORRUPT;

	/* One that is renamed while the folder is read may hide once, hardly ever again and again. */
	for (unsigned i = 0; i < LOCATE_TRIES && r == MS_E_NOTFOUND; i++) {
		struct ms_listing listing;
		struct ms_file *file;

		r = ms_listing_read(folder_fd, 0, &listing);
		file = r == 0 ? ms_listing_find_exactly(&listing, name.unique, name.uid) : NULL;
		if (file != NULL)
			(void)snprintf(path, MS_NAME_MAX + 5, "%s/%s", file->in_cur ? "cur" : "new", file->name);
		else if (r == 0)
			r = MS_E_NOTFOUND;
		ms_listing_clear(&listing);
	}
	return r;
}

/* A file is made before it is written, and the end of that will tell. */
#define EMPTY_SECONDS 10

/* A name of ours that says so was given to what is empty. And a time to come tells nothing, which APPEND may give, or a clock that was put
 * back: who waited for it would wait for years. */
static bool
may_be_unwritten(const struct ms_file *file, const struct stat *st)
{
	bool empty_by_name = file->parsed.uid != 0 && file->parsed.folder != 0 && file->parsed.bytes == 0;
	int64_t age = (int64_t)time(NULL) - st->st_mtim.tv_sec;

	return st->st_size == 0 && !empty_by_name && age < EMPTY_SECONDS && age > -EMPTY_SECONDS;
}

int
ms_file_open(int folder_fd, const struct ms_file *file, struct stat *ret_st)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s", file->in_cur ? "cur" : "new", file->name);
	int fd = openat(folder_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? MS_E_NOTFOUND : errno == ELOOP || errno == ENXIO ? MS_NO_MESSAGE : -errno;
	if (fstat(fd, ret_st) < 0) {
		int r = -errno;

		(void)close(fd);
		return r;
	}
	if (!S_ISREG(ret_st->st_mode)) {
		(void)close(fd);
		return MS_NO_MESSAGE;
	}
	if (may_be_unwritten(file, ret_st)) {
		(void)close(fd);
		return MS_E_NOTFOUND;
	}
	return fd;
}

bool
ms_is_unreadable(int r)
{
	return r == MS_UNREADABLE || r == MS_NO_MESSAGE || r == -EIO;
}

int
ms_file_look(int folder_fd, const struct ms_file *file)
{
	struct stat st;
	int fd = ms_file_open(folder_fd, file, &st);

	if (fd < 0 || fd == MS_E_NOTFOUND)
		return fd;
	(void)close(fd);
	return 0;
}
