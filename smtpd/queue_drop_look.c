/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A look at all of spool/drop: at the start, where notices were lost, and as long as something waits there. It goes on in lists from one end of the
 * folder to the other, so that what stays, however much that is, keeps nothing behind it waiting. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/queue_drop_internal.h"

/* Files taken in one turn of the loop. */
#define TURN_MAX 64
/* Names read for one list, which those of files that are being written are not on. */
#define SEEN_MAX 65536
/* What is being taken has left the folder by then, or some of it. */
#define SOON_MS 50
/* The same, when there is also something that only time can mend. */
#define AGAIN_MS 1000
/* Of a list nothing could be done: the next one then. */
#define PAUSE_MS 5000
/* What could not be done for reasons of our own (descriptors, a full disk) is tried again then. */
#define LATER_MS 30000

/* --- when --- */

/* In so many milliseconds, or sooner when that was so already. */
static void
arm(struct pickup *pickup, unsigned ms)
{
	const struct timeval delay = { ms / 1000, ms % 1000 * 1000 };

	if (event_pending(pickup->rescan, EV_TIMEOUT, NULL) && pickup->delay_ms <= ms)
		return;
	pickup->delay_ms = ms;
	(void)event_add(pickup->rescan, &delay);
}

static bool
is_within(const struct pickup *pickup)
{
	return pickup->next < pickup->count || pickup->reading != NULL;
}

void
pickup_look(struct pickup *pickup)
{
	pickup->again = true;
	if (!is_within(pickup))
		arm(pickup, 0);
}

void
pickup_rescan_later(struct pickup *pickup)
{
	pickup->waits = true;
	if (!is_within(pickup))
		arm(pickup, LATER_MS);
}

/* A look that rests has no order any more that could be kept. */
bool
pickup_is_looking(const struct pickup *pickup)
{
	return !pickup->paused && (is_within(pickup) || event_pending(pickup->rescan, EV_TIMEOUT, NULL));
}

void
pickup_ended(struct pickup *pickup)
{
	pickup->taking--;
	if (pickup->crowded)
		arm(pickup, 0);
	else if (!is_within(pickup) && pickup->again)
		arm(pickup, pickup->waits ? AGAIN_MS : 0);
}

/* --- what waits --- */

void
pickup_wait(struct pickup *pickup, const char *name, int64_t uid, int error)
{
	if (pickup->waiting.files++ == 0) {
		memcpy(pickup->waiting.name, name, strlen(name) + 1);
		pickup->waiting.uid = uid;
		pickup->waiting.error = error;
	}
	pickup_rescan_later(pickup);
}

void
pickup_tell_waiting(struct pickup *pickup)
{
	if (pickup->waiting.files != 0)
		log_error("drop-waits", log_u64("files", pickup->waiting.files), log_str("file", pickup->waiting.name),
		    log_i64("uid", pickup->waiting.uid), log_errno("error", pickup->waiting.error));
	pickup->waiting.files = 0;
}

/* --- a list --- */

/* Names tell when they were made, behind what they are for (drop_make_name). Who chooses others disturbs his own order alone. */
static int
by_time(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;
	const char *time_x = strchr(x->name, '.'), *time_y = strchr(y->name, '.');

	return strcmp(time_x != NULL ? time_x : x->name, time_y != NULL ? time_y : y->name);
}

/* A longer name is none of ours: such a file needs no turn. */
static void
add_listed(struct queue *queue, const char *name)
{
	struct pickup *pickup = queue->pickup;
	struct listed *listed = &pickup->list[pickup->count];

	if (name[0] == '.' || drop_kind(name) == DROP_IS_TEMPORARY)
		return;
	if (strlen(name) >= sizeof(listed->name)) {
		pickup_take(queue, name);
		return;
	}
	memcpy(listed->name, name, strlen(name) + 1);
	pickup->count++;
}

static int
begin(struct pickup *pickup)
{
	int copy = openat(pickup->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	pickup->again = pickup->waits = pickup->unread = false;
	pickup->reading = copy >= 0 ? fdopendir(copy) : NULL;
	if (pickup->reading != NULL)
		return 0;
	r = -errno;
	closep(&copy);
	return r;
}

/* Lists what comes next, PICKUP_LISTED_MAX files at most. 0 or -errno. */
static int
list_files(struct queue *queue)
{
	struct pickup *pickup = queue->pickup;
	const struct dirent *entry = NULL;
	int r = pickup->reading == NULL ? begin(pickup) : 0;

	pickup->count = pickup->next = 0;
	if (r < 0)
		return r;
	pickup->moved = false;
	for (unsigned seen = 0; seen < SEEN_MAX && pickup->count < PICKUP_LISTED_MAX; seen++) {
		errno = 0;
		entry = readdir(pickup->reading);
		r = -errno;
		if (entry == NULL)
			break;
		add_listed(queue, entry->d_name);
	}
	pickup->moved |= pickup->count == 0;
	if (entry == NULL) {
		(void)closedir(pickup->reading);
		pickup->reading = NULL;
	}
	qsort(pickup->list, pickup->count, sizeof(*pickup->list), by_time);
	return entry == NULL ? r : 0;
}

/* --- a look --- */

/* Requests that came during a look would wait for their turn in it, which is long behind files that stay: they are taken while it rests, as those
 * are that come then. */
static void
take_requests(struct queue *queue)
{
	int copy = openat(queue->pickup->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *entry;
	struct listed *requests;
	size_t count = 0;

	if (dir == NULL) {
		closep(&copy);
		return;
	}
	requests = xcalloc(TURN_MAX, sizeof(*requests));
	while (count < TURN_MAX && (entry = readdir(dir)) != NULL)
		if (drop_kind(entry->d_name) == DROP_IS_CONTROL && strlen(entry->d_name) < sizeof(requests->name))
			memcpy(requests[count++].name, entry->d_name, strlen(entry->d_name) + 1);
	(void)closedir(dir);
	qsort(requests, count, sizeof(*requests), by_time);
	for (size_t i = 0; i < count; i++)
		pickup_take(queue, requests[i].name);
	free(requests);
}

/* Nothing is left of the list: when there is another, and of what. */
static void
go_on(struct queue *queue)
{
	struct pickup *pickup = queue->pickup;

	pickup_tell_waiting(pickup);
	if (pickup->reading == NULL) {
		pickup->listed |= !pickup->unread;
		if (pickup->again && pickup->taken == NULL)
			arm(pickup, pickup->waits ? AGAIN_MS : 0);
		else if (pickup->waits)
			arm(pickup, LATER_MS);
	} else if (pickup->moved && pickup->taking < PICKUP_LISTED_MAX) {
		arm(pickup, 0);
	} else if (pickup->taken != NULL) {
		arm(pickup, SOON_MS);
	} else {
		pickup->moved = pickup->paused = true;
		arm(pickup, PAUSE_MS);
		take_requests(queue);
	}
}

/* The next list, when its time has come. False: there is none now. */
static bool
next_list(struct queue *queue)
{
	struct pickup *pickup = queue->pickup;
	int r;

	if (pickup->reading != NULL && (!pickup->moved || pickup->taking >= PICKUP_LISTED_MAX)) {
		go_on(queue);
		return false;
	}
	r = list_files(queue);
	if (r == 0)
		return true;
	log_error("drop-unreadable", log_errno("error", r));
	pickup->unread = true;
	pickup_rescan_later(pickup);
	return pickup->count != 0;
}

/* What has waited is taken in the order in which it came: a request may be about another's message, and the last one counts. */
void
pickup_on_rescan(evutil_socket_t fd, short what, void *context)
{
	struct queue *queue = context;
	struct pickup *pickup = queue->pickup;

	(void)fd, (void)what;
	if (!reader_is_done(queue))
		return;
	pickup->paused = false;
	if (pickup->next == pickup->count && !next_list(queue))
		return;
	for (unsigned turn = 0; turn < TURN_MAX && pickup->next < pickup->count; turn++) {
		const char *name = pickup->list[pickup->next].name;

		pickup->crowded = pickup_is_crowded(pickup, name);
		if (pickup->crowded)
			return;
		pickup->next++;
		pickup_take(queue, name);
	}
	if (pickup->next < pickup->count)
		arm(pickup, 0);
	else
		go_on(queue);
}
