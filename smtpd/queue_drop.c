/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* spool/drop: mail and requests from programs of this host. Anybody may put files there, so each is
 * opened without following links, believed in nothing but its owner, checked while it is copied
 * into the queue, and removed only once the copy is safe. */
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/date.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/queue.h"

/* Files taken in one turn of the loop. */
#define TURN_MAX 64
/* And listed at once. */
#define LISTED_MAX 4096
/* A writer that has not finished by then has died. */
#define TEMPORARY_SECONDS (36 * 3600)
#define SWEEP_SECONDS 3600
/* What could not be done for reasons of our own (descriptors, a full disk) is tried again then. */
#define AGAIN_SECONDS 30

/* Files that are open at once, until it is known whose they are. */
#define ASKED_MAX 64

/* A file that is being taken in: it is asked whose it is, then it is copied, and the copy waits to be synced. */
struct taken {
	struct taken *next, **at;
	struct queue *queue;
	char name[DROP_NAME_MAX];
	int64_t uid;
	struct spool_file file; /* -1: copied */
	char *from, *to;
	size_t recipients;
};

/* A file that is done with and could not be removed: it is not to be done again. */
struct stuck {
	struct stuck *next;
	char name[];
};

/* A file that was there when the folder was listed. */
struct listed {
	char name[DROP_NAME_MAX];
};

struct pickup {
	int folder, watch;
	struct event *noticed, *rescan, *sweep;
	struct listed list[LISTED_MAX];
	size_t count, next;
	struct taken *taken;
	size_t asked;
	bool again; /* something was passed over, and waits for one that is being taken */
	bool listed; /* all that lay there at the start has been looked at */
	struct stuck *stuck;
};

/* Looks again at what is there. */
static void
rescan_later(const struct pickup *pickup)
{
	const struct timeval later = { AGAIN_SECONDS, 0 };

	(void)event_add(pickup->rescan, &later);
}

static struct stuck **
find_stuck(struct pickup *pickup, const char *name)
{
	struct stuck **at = &pickup->stuck;

	while (*at != NULL && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	return at;
}

static void
keep_in_mind(struct pickup *pickup, const char *name)
{
	struct stuck **at = find_stuck(pickup, name);

	rescan_later(pickup);
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

static void
remove_name(struct pickup *pickup, const char *name)
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

static void
set_aside(struct queue *queue, const char *name, int64_t uid, const char *why)
{
	char path[SPOOL_PATH_MAX];

	log_error(
	    "drop-corrupt", log_str("file", name), log_i64("uid", uid), log_str("reason", why));
	spool_path(SPOOL_CORRUPT, name, path);
	if (renameat(queue->pickup->folder, name, queue_files_folder(queue->files), path) < 0)
		remove_name(queue->pickup, name);
}

/* --- messages --- */

static int
write_trace(const struct queue *queue, int fd, int64_t uid, const char *id)
{
	struct buf text = BUF_INIT(1024);
	char date[DATE_SIZE];
	int r;

	(void)date_format(date_local(queue_now()), date);
	(void)buf_fmt(&text, "Received: by %s (Fourpost, from uid %lld)\r\n\tid %s; %s\r\n",
	    queue->proc->common->hostname, (long long)uid, id, date);
	r = write(fd, text.data, text.len) == (ssize_t)text.len ? 0 : -EIO;
	buf_free(&text);
	return r;
}

static bool
is_taken(const struct pickup *pickup, struct span name)
{
	for (const struct taken *taken = pickup->taken; taken != NULL; taken = taken->next)
		if (span_eq(span_of(taken->name), name))
			return true;
	return false;
}

static struct taken *
begin_taking(struct queue *queue, const char *name, int64_t uid, const struct spool_file *file)
{
	struct taken *drop = xcalloc(1, sizeof(*drop));

	drop->next = queue->pickup->taken;
	if (drop->next != NULL)
		drop->next->at = &drop->next;
	drop->at = &queue->pickup->taken;
	queue->pickup->taken = drop;
	drop->queue = queue;
	memcpy(drop->name, name, strlen(name) + 1);
	drop->uid = uid;
	drop->file = *file;
	drop->from = xstrdup(file->envelope.sender);
	drop->to = xstrdup(file->envelope.recipients[0].address);
	drop->recipients = file->envelope.count;
	return drop;
}

static void
close_taken(struct taken *drop)
{
	if (drop->file.fd >= 0)
		spool_close(&drop->file);
	drop->file.fd = -1;
}

static void
end_taking(struct taken *drop)
{
	struct pickup *pickup = drop->queue->pickup;

	close_taken(drop);
	*drop->at = drop->next;
	if (drop->next != NULL)
		drop->next->at = drop->at;
	free(drop->from);
	free(drop->to);
	free(drop);
	if (pickup->again && pickup->next == pickup->count)
		event_active(pickup->rescan, EV_TIMEOUT, 0);
}

static void
taken(void *context, const char *id, int result)
{
	struct taken *drop = context;

	if (result == 0) {
		log_info("received", log_str("id", id), log_i64("uid", drop->uid),
		    log_str("from", drop->from), log_str("to", drop->to),
		    log_u64("recipients", drop->recipients), log_str("drop", drop->name));
		remove_name(drop->queue->pickup, drop->name);
	} else {
		rescan_later(drop->queue->pickup); /* it stays and is tried again */
	}
	end_taking(drop);
}

static void
prepare_envelope(struct envelope *envelope, const char *name, int64_t uid)
{
	int64_t now = queue_now();

	/* Only what its owner may say is kept. */
	envelope->created = now;
	envelope->uid = uid;
	envelope->has_progress = false;
	envelope->expanded = false;
	envelope->progress = (struct envelope_progress){ .due = 0 };
	free(envelope->client);
	free(envelope->account);
	free(envelope->forwarder);
	free(envelope->about);
	free(envelope->drop);
	envelope->client = envelope->account = envelope->forwarder = envelope->about = NULL;
	envelope->room = 0;
	envelope->drop = xstrdup(name);
	for (size_t i = 0; i < envelope->count; i++)
		envelope->recipients[i].status = ENVELOPE_PENDING;
}

/* 0, -EBADMSG, or -errno: try again. */
static int
copy_in(struct taken *drop)
{
	struct queue *queue = drop->queue;
	struct spool_file *file = &drop->file;
	struct envelope *envelope = &file->envelope;
	char id[SPOOL_ID_LEN + 1];
	int fd, r;

	prepare_envelope(envelope, drop->name, drop->uid);
	fd = queue_files_create(queue->files, envelope, queue_now_us(), id);
	if (fd < 0)
		return fd;
	r = write_trace(queue, fd, drop->uid, id);
	if (r == 0)
		r = queue_copy_message(file->fd, file->offset, file->length, fd);
	if (r < 0) {
		(void)close(fd);
		queue_files_discard(queue->files, id);
		return r;
	}
	intake_commit(queue, id, fd, envelope, taken, drop);
	close_taken(drop);
	return 0;
}

static void
not_taken(struct queue *queue, const char *name, int64_t uid, int error)
{
	if (error == -EBADMSG) {
		set_aside(queue, name, uid, "no envelope, too big, or a message with other line ends than CRLF");
	} else if (error != -ENOENT) {
		log_error("drop-waits", log_str("file", name), log_i64("uid", uid), log_errno("error", error));
		rescan_later(queue->pickup);
	}
}

/* --- accounts' mail --- */

/* Does an account's process drop it? Where all share an ordinary user's uid, those of accounts say so. */
static bool
is_accounts(const struct queue *queue, const struct envelope *envelope, int64_t uid)
{
	const struct fourpost_conf *common = queue->proc->common;

	return (uid >= common->account_uid_low && uid <= common->account_uid_high) || (uid == (int64_t)geteuid() && envelope->account != NULL);
}

/* Nobody waits for an answer whom another could be given: what goes beyond the account's limits goes later. One that has not said whose it is
 * counts by its uid. */
static void
on_owner(void *context, enum lookup_result result, struct span account)
{
	struct taken *drop = context;
	struct queue *queue = drop->queue;
	int64_t at, *release = &drop->file.envelope.release;
	char uid[32];
	int r;

	queue->pickup->asked--;
	if (result == LOOKUP_TEMPFAIL) {
		rescan_later(queue->pickup); /* it stays and is tried again */
		end_taking(drop);
		return;
	}
	(void)snprintf(uid, sizeof(uid), "uid %lld", (long long)drop->uid);
	at = account_sends_at(queue, result == LOOKUP_LOCAL ? account : span_of(uid), drop->recipients);
	if (at > queue_now() && at > *release)
		*release = at;
	r = copy_in(drop);
	if (r < 0) {
		not_taken(queue, drop->name, drop->uid, r);
		end_taking(drop);
	}
}

/* The file is taken over with 0; or -EBADMSG, -errno. */
static int
take_message(struct queue *queue, const char *name, const struct spool_file *file, int64_t uid)
{
	struct pickup *pickup = queue->pickup;
	struct taken *drop;
	int r;

	if (file->length > (uint64_t)smtpd_conf(queue->proc)->message_size_max ||
	    file->envelope.count > (size_t)smtpd_conf(queue->proc)->recipients_max)
		return -EBADMSG;
	drop = begin_taking(queue, name, uid, file);
	if (is_accounts(queue, &file->envelope, uid) && account_is_limited(queue)) {
		pickup->asked++;
		(void)auth_owner(queue->auth, span_of(file->envelope.account), uid, on_owner, drop);
		return 0;
	}
	r = copy_in(drop);
	if (r < 0) {
		not_taken(queue, name, uid, r);
		end_taking(drop);
	}
	return 0;
}

/* --- requests --- */

/* The answer goes behind the request, where its owner reads it. He is told only what concerns him,
 * so the file must be one that nobody but him and the queue can read; a plain request has no room
 * for an answer, and nobody who waits for one. */
static void
put_answer(int fd, const struct stat *st, size_t at, struct span answer)
{
	if ((fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR || st->st_gid != getegid() ||
	    (st->st_mode & S_IRWXO) != 0)
		return;
	/* Whoever asked may have a quota that leaves no room: his loss. */
	while (answer.len != 0) {
		ssize_t put = pwrite(fd, answer.ptr, answer.len, (off_t)at);

		if (put <= 0)
			return;
		(void)span_take(&answer, (size_t)put);
		at += (size_t)put;
	}
}

/* 0; -EBADMSG; -EAGAIN: a message that it is about is just being taken in. */
static int
obey(struct queue *queue, int fd, const struct stat *st)
{
	struct buf answer = BUF_INIT(DROP_ANSWER_MAX);
	static char text[DROP_CONTROL_MAX + 1];
	ssize_t got = pread(fd, text, sizeof(text), 0);
	enum drop_action action;
	struct span ids, rest, id = SPAN_NULL;

	if (got < 0 || drop_control_decode(span_make(text, (size_t)got), &action, &ids) < 0)
		return -EBADMSG;
	for (rest = ids; span_split(&rest, ' ', &id);)
		if (is_taken(queue->pickup, id))
			return -EAGAIN;
	id = SPAN_NULL;
	do {
		(void)span_split(&ids, ' ', &id);
		queue_control(queue, action, id, st->st_uid, &answer);
	} while (ids.len != 0);
	put_answer(fd, st, (size_t)got, buf_get(&answer));
	buf_free(&answer);
	return 0;
}

/* --- files --- */

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
	if (fd < 0) {
		log_error("drop-refused", log_str("file", name), log_errno("error", errno));
		remove_name(queue->pickup, name);
		return -EBADMSG;
	}
	/* A second name would be somebody else's file, linked here. */
	if (!S_ISREG(ret_st->st_mode) || ret_st->st_nlink != 1) {
		log_error("drop-refused", log_str("file", name), log_i64("uid", ret_st->st_uid),
		    log_str("reason", "no regular file of one name"));
		remove_name(queue->pickup, name);
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
	    is_taken(queue->pickup, span_of(name)))
		return;
	if (drop_kind(name) == DROP_IS_MESSAGE && queue->pickup->asked >= ASKED_MAX) {
		queue->pickup->again = true;
		return;
	}
	/* Queued before a crash came between that and the removal; or done with. */
	if (queue_table_find(queue->table, span_of(name)) != NULL || *find_stuck(queue->pickup, name) != NULL) {
		remove_name(queue->pickup, name);
		return;
	}
	fd = open_drop(queue, name, &st);
	if (fd < 0) {
		r = fd;
	} else if (drop_kind(name) == DROP_IS_CONTROL) {
		r = obey(queue, fd, &st);
		(void)close(fd);
		if (r == -EAGAIN) {
			queue->pickup->again = true;
			return;
		}
		remove_name(queue->pickup, name);
		/* What is asked next must not be undone by this, found again after a power loss. */
		(void)fsync(queue->pickup->folder);
		if (r < 0)
			log_warning("request-not-understood", log_str("file", name),
			    log_i64("uid", st.st_uid));
		return;
	} else if (drop_kind(name) == DROP_IS_OTHER) {
		(void)close(fd);
		set_aside(queue, name, st.st_uid, "its name is no name of a dropped file");
		return;
	} else {
		r = spool_read(fd, &file);
		if (r < 0)
			(void)close(fd);
		else if ((r = take_message(queue, name, &file, st.st_uid)) < 0)
			spool_close(&file);
	}
	if (r < 0 && (fd >= 0 || r != -EBADMSG))
		not_taken(queue, name, st.st_uid, r);
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

/* Lists what is there, LISTED_MAX files at most; -errno when that is not sure to be all. */
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
	while (pickup->count < LISTED_MAX && (entry = readdir(dir)) != NULL) {
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
		rescan_later(pickup);
	}
	for (unsigned turn = 0; turn < TURN_MAX && pickup->next < pickup->count; turn++)
		take_file(queue, pickup->list[pickup->next++].name);
	if (pickup->next < pickup->count || (pickup->again && pickup->taken == NULL)) {
		event_active(pickup->rescan, EV_TIMEOUT, 0);
	} else if (pickup->count == LISTED_MAX) {
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
		remove_name(queue->pickup, name);
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
			remove_name(queue->pickup, entry->d_name);
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
