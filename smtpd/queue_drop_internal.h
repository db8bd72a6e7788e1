/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* spool/drop, between the folder (queue_drop.c), what is asked there at the start (queue_drop_asked.c), a look at all that lies there (queue_drop_look.c), a message (queue_drop_message.c), a request
 * (queue_drop_request.c) and how each leaves it (queue_drop_remove.c). */
#ifndef SMTPD_QUEUE_DROP_INTERNAL_H
#define SMTPD_QUEUE_DROP_INTERNAL_H

#include <dirent.h>
#include <event2/event.h>
#include <limits.h>
#include <sys/stat.h>

#include "smtpd/queue.h"

/* Files listed at once. */
#define PICKUP_LISTED_MAX 4096
/* Files that are open at once, until it is known whose they are. */
#define PICKUP_ASKED_MAX 64

struct taken;
struct stuck;

/* A file that was there when the folder was listed. */
struct listed {
	char name[DROP_NAME_MAX];
};

struct pickup {
	int folder, watch;
	gid_t group; /* the folder's, which files get that are made there */
	struct event *noticed, *rescan, *sweep;
	struct listed list[PICKUP_LISTED_MAX];
	size_t count, next;
	DIR *reading; /* a look at the folder goes on behind the list, from here; or NULL */
	bool unread;  /* its end could not be read */
	bool moved;   /* something has left the folder since the list was made, or has had its time to */
	bool crowded; /* the look stands still until a message that is being taken has ended */
	bool paused;  /* nothing had, and the look rests */
	unsigned delay_ms; /* that rescan was given, when it is pending */
	struct taken *taken;
	size_t taking; /* how many those are */
	size_t asked;
	bool again; /* something was passed over, and waits for one that is being taken: there is another look */
	bool waits; /* something could not be done: there is another look after a while */
	bool listed; /* all that lay there at the start has been looked at */
	struct stuck *stuck;
	size_t stuck_count;
	struct {
		size_t files; /* that the log has not told yet */
		char name[NAME_MAX + 1];
		int64_t uid;
		int error;
	} waiting;
};

/* --- queue_drop.c --- */

/* Does what is to be done with one file. */
void pickup_take(struct queue *queue, const char *name);
/* That many messages are being asked for that no other can be. */
bool pickup_is_crowded(const struct pickup *pickup, const char *name);

/* --- queue_drop_look.c: a look at all that lies there, in lists; what waits is told in one line of the log for each --- */

/* The callback of pickup->rescan, with the queue. */
void pickup_on_rescan(evutil_socket_t fd, short what, void *context);
/* Looks at what is there, as soon as other things have had their turn; one that goes on is followed by another. */
void pickup_look(struct pickup *pickup);
/* Looks again at what is there, after a while. */
void pickup_rescan_later(struct pickup *pickup);
/* A look is going on, or will come, before which nothing that comes now should be done. */
bool pickup_is_looking(const struct pickup *pickup);
/* A message is no longer being taken: what waited for that goes on. */
void pickup_ended(struct pickup *pickup);
/* That file could not be dealt with for now: it stays, and is looked at again. uid: -1 when it is not known. */
void pickup_wait(struct pickup *pickup, const char *name, int64_t uid, int error);
/* Tells the log of those, when there are any. */
void pickup_tell_waiting(struct pickup *pickup);

/* --- queue_drop_remove.c --- */

/* Removes a file that is done with. One that cannot be removed is logged and kept in mind; but a folder only waits. */
void pickup_remove(struct pickup *pickup, const char *name);
/* That file is done with, and could not be removed. */
bool pickup_is_stuck(struct pickup *pickup, const char *name);
/* So many files are done with and could not be removed that no more should be. */
bool pickup_is_full(const struct pickup *pickup);
/* Moves a file that cannot be read to spool/corrupt, and logs why; where that fails it stays, and is looked at again. */
void pickup_set_aside(struct queue *queue, const char *name, int64_t uid, const char *why);

/* --- queue_drop_message.c --- */

/* That message is being taken in. */
bool pickup_is_taking(const struct pickup *pickup, struct span name);
/* Takes a message in, which goes on behind this call. The file is taken over with 0; or -EBADMSG, -errno, for pickup_not_taken. */
int pickup_take_message(struct queue *queue, const char *name, const struct spool_file *file, int64_t uid);
/* A message was not taken in: with -EBADMSG it is set aside, otherwise it is tried again. */
void pickup_not_taken(struct queue *queue, const char *name, int64_t uid, int error);

/* --- queue_drop_request.c --- */

/* Does what the file asks, and puts the answer behind it. 0; -EBADMSG; -EAGAIN: a message that it is about is just being taken in. */
int pickup_obey(struct queue *queue, int fd, const struct stat *st);

#endif
