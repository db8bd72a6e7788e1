/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Changing a folder without having to read it again afterwards. The times of new/ and cur/ tell whether anybody changed them; after
 * a change of ours they get times that we choose, so that every later change shows, also within one tick of the clock. What others
 * do between our first look and that is seen by inotify(7): more events than our own, and the folder counts as not read. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"

static const char *const parts[2] = { "new", "cur" };

static bool
same_time(const struct ms_time *a, const struct ms_time *b)
{
	return a->seconds == b->seconds && a->nanoseconds == b->nanoseconds && a->seconds != 0;
}

/* Reads all events that are there; counts those of a watch for each side. */
static bool
take_events(struct ms_touch *touch)
{
	_Alignas(struct inotify_event) char bytes[8192];
	ssize_t got;

	do {
		got = read(touch->store->touch_fd, bytes, sizeof(bytes));
		for (ssize_t at = 0; at < got;) {
			const struct inotify_event *event = (const void *)(bytes + at);

			if ((event->mask & IN_Q_OVERFLOW) != 0)
				return false;
			/* The folder is gone; another may get its inode. */
			if ((event->mask & IN_IGNORED) != 0 && (event->wd == touch->store->kept.watch[0] || event->wd == touch->store->kept.watch[1]))
				ms_touch_forget(touch->store);
			for (unsigned i = 0; i < touch->count; i++)
				for (unsigned k = 0; k < 2; k++)
					if (event->wd == touch->sides[i].watch[k] && (event->mask & MS_TOUCH_EVENTS) != 0)
						touch->sides[i].seen++;
			at += (ssize_t)(sizeof(*event) + event->len);
		}
		/* One more would have been read with them. */
	} while (got > (ssize_t)(sizeof(bytes) - sizeof(struct inotify_event) - NAME_MAX - 1));
	return got > 0 || (got < 0 && errno == EAGAIN);
}

void
ms_folder_watch(const struct ms_store *store, const char *name, int inotify_fd, int ret_watch[2])
{
	struct buf folder = BUF_INIT(MS_MAILBOX_NAME_MAX);
	bool good = inotify_fd >= 0 && ms_mailbox_folder_name(name, &folder) == 0;

	for (unsigned i = 0; i < 2; i++) {
		_cleanup_(freep) char *path = xasprintf("%s/Maildir/%s/%s", store->dir, buf_cstr(&folder), parts[i]);

		ret_watch[i] = good ? inotify_add_watch(inotify_fd, path, MS_TOUCH_EVENTS | IN_CLOSE_WRITE) : -1;
	}
	buf_free(&folder);
}

void
ms_folder_unwatch(int inotify_fd, const int watch[2])
{
	for (unsigned i = 0; i < 2; i++)
		if (watch[i] >= 0)
			(void)inotify_rm_watch(inotify_fd, watch[i]);
}

int
ms_touch_fd(struct ms_store *store)
{
	if (store->touch_fd < 0)
		store->touch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	return store->touch_fd;
}

void
ms_touch_forget(struct ms_store *store)
{
	ms_folder_unwatch(store->touch_fd, store->kept.watch);
	store->kept.watch[0] = store->kept.watch[1] = -1;
}

static bool
is_kept(const struct ms_touch *touch, const struct ms_touch_side *side)
{
	const struct ms_kept *kept = &touch->store->kept;

	return kept->watch[0] >= 0 && kept->watch[0] == side->watch[0] && kept->watch[1] == side->watch[1];
}

/* What is to be put there finds its place: it may be missing until then. */
static void
look(struct ms_touch_side *side)
{
	for (unsigned i = 0; i < 2; i++) {
		struct stat st = { 0 };

		if (fstatat(side->folder_fd, parts[i], &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT && ms_folder_make_part(side->folder_fd, parts[i]))
			(void)fstatat(side->folder_fd, parts[i], &st, AT_SYMLINK_NOFOLLOW);
		side->inode[i] = st.st_ino;
		side->times[i] = (struct ms_time){ st.st_mtim.tv_sec, (uint32_t)st.st_mtim.tv_nsec };
	}
}

/* Watches the folder, by what is kept if that is it; its times are of after that. */
static void
watch(struct ms_touch *touch, struct ms_touch_side *side, const char *name)
{
	const struct ms_kept *kept = &touch->store->kept;

	look(side);
	if (kept->watch[0] >= 0 && kept->inode[0] == side->inode[0] && kept->inode[1] == side->inode[1]) {
		memcpy(side->watch, kept->watch, sizeof(side->watch));
		return;
	}
	ms_folder_watch(touch->store, name, touch->store->touch_fd, side->watch);
	look(side);
}

/* The first side's watches stay for the next change, instead of those of before. */
static void
unwatch(struct ms_touch *touch, struct ms_touch_side *side)
{
	struct ms_kept *kept = &touch->store->kept;

	if (is_kept(touch, side))
		return;
	if (side != touch->sides || side->watch[0] < 0 || side->watch[1] < 0) {
		ms_folder_unwatch(touch->store->touch_fd, side->watch);
		return;
	}
	ms_touch_forget(touch->store);
	memcpy(kept->watch, side->watch, sizeof(kept->watch));
	memcpy(kept->inode, side->inode, sizeof(kept->inode));
}

void
ms_touch_begin(struct ms_touch *touch, struct ms_store *store)
{
	*touch = (struct ms_touch){ .store = store };
	if (ms_touch_fd(store) >= 0)
		(void)take_events(touch); /* of before */
}

void
ms_touch_add(struct ms_touch *touch, int folder_fd, const struct ms_mailbox_record *record)
{
	struct ms_touch_side *side = &touch->sides[touch->count++];

	*side = (struct ms_touch_side){ .folder_fd = folder_fd };
	watch(touch, side, record->name);
	if (side->watch[0] < 0 || side->watch[1] < 0)
		return;
	/* From here on every change is an event. */
	side->known = same_time(&side->times[0], &record->new_time) && same_time(&side->times[1], &record->cur_time);
}

/* Gives what we changed a time of its own. */
static void
set_times(struct ms_touch_side *side)
{
	struct ms_time now[2];

	ms_folder_times(side->folder_fd, &now[0], &now[1]);
	for (unsigned i = 0; i < 2; i++) {
		struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };

		if (same_time(&now[i], &side->times[i]))
			continue;
		(void)clock_gettime(CLOCK_REALTIME, &times[1]);
		if (utimensat(side->folder_fd, parts[i], times, AT_SYMLINK_NOFOLLOW) < 0)
			side->known = false;
		side->times[i] = (struct ms_time){ times[1].tv_sec, (uint32_t)times[1].tv_nsec };
	}
}

void
ms_touch_end(struct ms_touch *touch)
{
	bool good = true;

	for (unsigned i = 0; i < touch->count; i++)
		if (touch->sides[i].known)
			set_times(&touch->sides[i]);
	if (touch->store->touch_fd >= 0)
		good = take_events(touch);
	for (unsigned i = 0; i < touch->count; i++) {
		struct ms_touch_side *side = &touch->sides[i];

		if (!good || side->seen != side->ours)
			side->known = false;
		unwatch(touch, side);
	}
}

void
ms_touch_note(const struct ms_touch *touch, unsigned side, struct ms_mailbox_record *record)
{
	const struct ms_touch_side *from = &touch->sides[side];

	record->new_time = from->known ? from->times[0] : (struct ms_time){ 0, 0 };
	record->cur_time = from->known ? from->times[1] : (struct ms_time){ 0, 0 };
}
