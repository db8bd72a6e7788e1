/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* spool/drop: mail and requests from programs of this host. Anybody may put files there, so each is
 * opened without following links, believed in nothing but its owner, checked while it is copied
 * into the queue, and removed only once the copy is safe. */
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/next_turn.h"
#include "common/xalloc.h"
#include "smtpd/queue_drop_internal.h"

/* Files taken in one turn of the loop. */
#define TURN_MAX 64
/* A writer that has not finished by then has died. */
#define TEMPORARY_SECONDS (36 * 3600)
#define SWEEP_SECONDS 3600
/* What could not be done for reasons of our own (descriptors, a full disk) is tried again then. */
#define AGAIN_SECONDS 30

void
pickup_rescan_later(const struct pickup *pickup)
{
	const struct timeval later = { AGAIN_SECONDS, 0 };

	(void)event_add(pickup->rescan, &later);
}

/* --- files --- */

/* A second name would be somebody else's file, linked here. */
static bool
is_one_file(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_nlink == 1;
}

/* It cannot be opened, and may be mail all the same: the group may have been another one when it was handed in. */
static bool
is_closed_mail(const struct pickup *pickup, const char *name, struct stat *ret_st)
{
	return drop_kind(name) != DROP_IS_CONTROL && fstatat(pickup->folder, name, ret_st, AT_SYMLINK_NOFOLLOW) == 0 && is_one_file(ret_st);
}

/* Opens it and checks what it is. A descriptor, or -errno after it has been dealt with. */
static int
open_drop(struct queue *queue, const char *name, struct stat *ret_st)
{
	const int flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	_cleanup_(closep) int fd = -1;

	if (drop_kind(name) == DROP_IS_CONTROL)
		fd = openat(queue->pickup->folder, name, O_RDWR | flags);
	if (fd < 0) /* not a request, or one that wants no answer */
		fd = openat(queue->pickup->folder, name, O_RDONLY | flags);
	if (fd < 0 && errno == ENOENT)
		return -ENOENT; /* done before this notice came */
	if (fd < 0 && errno != ELOOP && errno != EACCES)
		return -errno; /* descriptors or memory have run out: it stays */
	if (fd >= 0 && fstat(fd, ret_st) < 0)
		return -errno;
	if (fd < 0 && errno == EACCES && is_closed_mail(queue->pickup, name, ret_st)) {
		pickup_set_aside(queue, name, ret_st->st_uid, "the queue may not read it");
		return -EBADMSG;
	}
	if (fd < 0) {
		log_error("drop-refused", log_str("file", name), log_errno("error", errno));
		pickup_remove(queue->pickup, name);
		return -EBADMSG;
	}
	if (!is_one_file(ret_st)) {
		log_error("drop-refused", log_str("file", name), log_i64("uid", ret_st->st_uid),
		    log_str("reason", "no regular file of one name"));
		pickup_remove(queue->pickup, name);
		return -EBADMSG;
	}
	return TAKE_FD(fd);
}

static void
take_file(struct queue *queue, const char *name)
{
	struct spool_file file = { .fd = -1 };
	struct stat st = { .st_uid = 0 };
	int fd, r;

	if (name[0] == '.' || drop_kind(name) == DROP_IS_TEMPORARY ||
	    pickup_is_taking(queue->pickup, span_of(name)))
		return;
	if (drop_kind(name) == DROP_IS_MESSAGE && queue->pickup->asked >= PICKUP_ASKED_MAX) {
		queue->pickup->again = true;
		return;
	}
	/* Queued before a crash came between that and the removal; or done with. */
	if (queue_table_find(queue->table, span_of(name)) != NULL || pickup_is_stuck(queue->pickup, name)) {
		pickup_remove(queue->pickup, name);
		return;
	}
	fd = open_drop(queue, name, &st);
	if (fd < 0) {
		r = fd;
	} else if (drop_kind(name) == DROP_IS_CONTROL) {
		r = pickup_obey(queue, fd, &st);
		(void)close(fd);
		if (r == -EAGAIN) {
			queue->pickup->again = true;
			return;
		}
		pickup_remove(queue->pickup, name);
		/* What is asked next must not be undone by this, found again after a power loss. */
		(void)fsync(queue->pickup->folder);
		if (r < 0)
			log_warning("request-not-understood", log_str("file", name),
			    log_i64("uid", st.st_uid));
		return;
	} else if (drop_kind(name) == DROP_IS_OTHER) {
		(void)close(fd);
		pickup_set_aside(queue, name, st.st_uid, "its name is no name of a dropped file");
		return;
	} else {
		r = spool_read(fd, &file);
		if (r < 0)
			(void)close(fd);
		else if ((r = pickup_take_message(queue, name, &file, st.st_uid)) < 0)
			spool_close(&file);
	}
	if (r < 0 && (fd >= 0 || r != -EBADMSG))
		pickup_not_taken(queue, name, st.st_uid, r);
}

/* --- noticing --- */

/* Names tell when they were made, behind what they are for (drop_make_name). Who chooses others disturbs his own order alone. */
static int
by_time(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;
	const char *time_x = strchr(x->name, '.'), *time_y = strchr(y->name, '.');

	return strcmp(time_x != NULL ? time_x : x->name, time_y != NULL ? time_y : y->name);
}

static void
add_listed(struct pickup *pickup, const char *name)
{
	struct listed *listed = &pickup->list[pickup->count];

	/* A longer name is none of ours. */
	if (name[0] == '.' || drop_kind(name) == DROP_IS_TEMPORARY || strlen(name) >= sizeof(listed->name))
		return;
	memcpy(listed->name, name, strlen(name) + 1);
	pickup->count++;
}

/* Lists what is there, PICKUP_LISTED_MAX files at most; -errno when that is not sure to be all. */
static int
list_files(struct pickup *pickup)
{
	int copy = openat(pickup->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *entry = NULL;

	pickup->count = pickup->next = 0;
	pickup->again = false;
	if (dir == NULL) {
		r = -errno;
		closep(&copy);
		return r;
	}
	errno = 0;
	while (pickup->count < PICKUP_LISTED_MAX && (entry = readdir(dir)) != NULL) {
		add_listed(pickup, entry->d_name);
		errno = 0;
	}
	r = -errno;
	(void)closedir(dir);
	qsort(pickup->list, pickup->count, sizeof(*pickup->list), by_time);
	return r;
}

/* What has waited is taken in the order in which it came: a request may be about another's message, and the last one counts. */
static void
on_rescan(evutil_socket_t fd, short what, void *context)
{
	struct queue *queue = context;
	struct pickup *pickup = queue->pickup;
	int r = 0;

	(void)fd, (void)what;
	if (!reader_is_done(queue))
		return;
	if (pickup->next == pickup->count)
		r = list_files(pickup);
	if (r < 0) {
		log_error("drop-unreadable", log_errno("error", r));
		pickup_rescan_later(pickup);
	}
	for (unsigned turn = 0; turn < TURN_MAX && pickup->next < pickup->count; turn++)
		take_file(queue, pickup->list[pickup->next++].name);
	if (pickup->next < pickup->count || (pickup->again && pickup->taken == NULL)) {
		next_turn(pickup->rescan);
	} else if (pickup->count == PICKUP_LISTED_MAX) {
		const struct timeval soon = { 0, 50000 }; /* what was taken is removed by then */

		(void)event_add(pickup->rescan, &soon);
	} else if (r == 0) {
		pickup->listed = true;
	}
}

void
pickup_forget(struct queue *queue, const char *name)
{
	if (!queue->pickup->listed)
		pickup_remove(queue->pickup, name);
}

static void
on_noticed(evutil_socket_t fd, short what, void *context)
{
	struct queue *queue = context;
	_Alignas(struct inotify_event) char bytes[8192];
	ssize_t got = read(fd, bytes, sizeof(bytes));

	(void)what;
	for (ssize_t at = 0; at < got;) {
		const struct inotify_event *event = (const void *)(bytes + at);

		/* What still waits comes before a request that comes now. */
		if ((event->mask & IN_Q_OVERFLOW) != 0 ||
		    (event->len != 0 && drop_kind(event->name) == DROP_IS_CONTROL && event_pending(queue->pickup->rescan, EV_TIMEOUT, NULL)))
			event_active(queue->pickup->rescan, EV_TIMEOUT, 0);
		else if (event->len != 0)
			take_file(queue, event->name);
		at += (ssize_t)(sizeof(*event) + event->len);
	}
}

static void
on_sweep(evutil_socket_t fd, short what, void *context)
{
	const struct timeval again = { SWEEP_SECONDS, 0 };
	struct queue *queue = context;
	int copy = openat(queue->pickup->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *entry;

	(void)fd, (void)what;
	(void)event_add(queue->pickup->sweep, &again);
	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		struct stat st;

		if (drop_kind(entry->d_name) == DROP_IS_TEMPORARY &&
		    fstatat(copy, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_mtime < queue_now() - TEMPORARY_SECONDS) {
			log_warning("drop-abandoned", log_str("file", entry->d_name),
			    log_i64("uid", st.st_uid));
			pickup_remove(queue->pickup, entry->d_name);
		}
	}
	(void)closedir(dir);
}

struct pickup *
pickup_new(struct queue *queue)
{
	struct pickup *pickup = xcalloc(1, sizeof(*pickup));
	_cleanup_(freep) char *path = xasprintf("%s/drop", queue->proc->common->spool_dir);

	pickup->folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	pickup->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (pickup->folder < 0 || pickup->watch < 0 ||
	    inotify_add_watch(pickup->watch, path, IN_MOVED_TO | IN_ONLYDIR) < 0) {
		log_error("drop-unusable", log_str("folder", path), log_errno("error", errno));
		free(pickup);
		return NULL;
	}
	pickup->noticed =
	    event_new(queue->proc->base, pickup->watch, EV_READ | EV_PERSIST, on_noticed, queue);
	pickup->rescan = event_new(queue->proc->base, -1, 0, on_rescan, queue);
	pickup->sweep = event_new(queue->proc->base, -1, 0, on_sweep, queue);
	if (pickup->noticed == NULL || pickup->rescan == NULL || pickup->sweep == NULL)
		abort();
	return pickup;
}

void
pickup_start(struct queue *queue)
{
	(void)event_add(queue->pickup->noticed, NULL);
	event_active(queue->pickup->rescan, EV_TIMEOUT, 0);
	event_active(queue->pickup->sweep, EV_TIMEOUT, 0);
}
