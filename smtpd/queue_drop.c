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
#include "common/xalloc.h"
#include "smtpd/queue_drop_internal.h"

/* A writer that has not finished by then has died. */
#define TEMPORARY_SECONDS (36 * 3600)
#define SWEEP_SECONDS 3600

/* --- files --- */

/* A second name would be somebody else's file, linked here. */
static bool
is_one_file(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_nlink == 1;
}

/* A file that was made elsewhere and then moved here may be another's than whoever moved it: its owner has asked for nothing. */
static bool
is_handed_in(const struct pickup *pickup, const struct stat *st)
{
	return st->st_gid == pickup->group;
}

static int
refuse(struct pickup *pickup, const char *name, const struct stat *st)
{
	log_error("drop-refused", log_str("file", name), log_i64("uid", st->st_uid), log_str("reason", "no regular file of one name"));
	pickup_remove(pickup, name);
	return -EBADMSG;
}

/* It is not taken, and may be mail all the same: the group may have been another one when it was handed in. */
static int
put_away(struct queue *queue, const char *name, const struct stat *st, const char *why)
{
	if (drop_kind(name) != DROP_IS_CONTROL) {
		pickup_set_aside(queue, name, st->st_uid, why);
	} else {
		log_error("drop-refused", log_str("file", name), log_i64("uid", st->st_uid), log_str("reason", why));
		pickup_remove(queue->pickup, name);
	}
	return -EBADMSG;
}

/* Opens it and checks what it is. A descriptor, or -EBADMSG after it has been dealt with, or -errno. */
static int
open_drop(struct queue *queue, const char *name, struct stat *ret_st)
{
	const int flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	_cleanup_(closep) int fd = -1;

	/* What is no file may not be opened at all, which would look as if descriptors had run out. */
	if (fstatat(queue->pickup->folder, name, ret_st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!is_one_file(ret_st))
		return refuse(queue->pickup, name, ret_st);
	if (drop_kind(name) == DROP_IS_CONTROL)
		fd = openat(queue->pickup->folder, name, O_RDWR | flags);
	if (fd < 0) /* not a request, or one that wants no answer */
		fd = openat(queue->pickup->folder, name, O_RDONLY | flags);
	if (fd < 0 && errno == EACCES)
		return put_away(queue, name, ret_st, "the queue may not read it");
	if (fd < 0 || fstat(fd, ret_st) < 0)
		return -errno; /* descriptors or memory have run out, or it is another file by now: it stays */
	if (!is_one_file(ret_st))
		return refuse(queue->pickup, name, ret_st);
	if (!is_handed_in(queue->pickup, ret_st))
		return put_away(queue, name, ret_st, "it was not made in drop/, and may be another's than whoever put it there");
	return TAKE_FD(fd);
}

bool
pickup_is_crowded(const struct pickup *pickup, const char *name)
{
	return drop_kind(name) == DROP_IS_MESSAGE && pickup->asked >= PICKUP_ASKED_MAX;
}

void
pickup_take(struct queue *queue, const char *name)
{
	struct spool_file file = { .fd = -1 };
	struct stat st = { .st_uid = (uid_t)-1 };
	int fd, r;

	if (name[0] == '.' || drop_kind(name) == DROP_IS_TEMPORARY ||
	    pickup_is_taking(queue->pickup, span_of(name)))
		return;
	if (pickup_is_crowded(queue->pickup, name)) {
		queue->pickup->again = true;
		return;
	}
	/* Queued before a crash came between that and the removal; or done with. */
	if (queue_table_find(queue->table, span_of(name)) != NULL || pickup_is_stuck(queue->pickup, name)) {
		pickup_remove(queue->pickup, name);
		return;
	}
	if (pickup_is_full(queue->pickup)) {
		pickup_wait(queue->pickup, name, -1, -ENOBUFS); /* it could not be removed either */
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
		    (event->len != 0 && drop_kind(event->name) == DROP_IS_CONTROL && pickup_is_looking(queue->pickup)))
			pickup_look(queue->pickup);
		else if (event->len != 0)
			pickup_take(queue, event->name);
		at += (ssize_t)(sizeof(*event) + event->len);
	}
	pickup_tell_waiting(queue->pickup);
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
	struct stat st;

	pickup->folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	pickup->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (pickup->folder < 0 || pickup->watch < 0 || fstat(pickup->folder, &st) < 0 ||
	    inotify_add_watch(pickup->watch, path, IN_MOVED_TO | IN_ONLYDIR) < 0) {
		log_error("drop-unusable", log_str("folder", path), log_errno("error", errno));
		free(pickup);
		return NULL;
	}
	pickup->group = st.st_gid;
	pickup->noticed =
	    event_new(queue->proc->base, pickup->watch, EV_READ | EV_PERSIST, on_noticed, queue);
	pickup->rescan = event_new(queue->proc->base, -1, 0, pickup_on_rescan, queue);
	pickup->sweep = event_new(queue->proc->base, -1, 0, on_sweep, queue);
	if (pickup->noticed == NULL || pickup->rescan == NULL || pickup->sweep == NULL)
		abort();
	return pickup;
}

void
pickup_start(struct queue *queue)
{
	(void)event_add(queue->pickup->noticed, NULL);
	pickup_look(queue->pickup);
	event_active(queue->pickup->sweep, EV_TIMEOUT, 0);
}
