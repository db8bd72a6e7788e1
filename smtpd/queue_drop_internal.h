/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* spool/drop, between the folder (queue_drop.c), a message (queue_drop_message.c), a request (queue_drop_request.c) and how each leaves it
 * (queue_drop_remove.c). */
#ifndef SMTPD_QUEUE_DROP_INTERNAL_H
#define SMTPD_QUEUE_DROP_INTERNAL_H

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
	struct event *noticed, *rescan, *sweep;
	struct listed list[PICKUP_LISTED_MAX];
	size_t count, next;
	struct taken *taken;
	size_t asked;
	bool again; /* something was passed over, and waits for one that is being taken */
	bool listed; /* all that lay there at the start has been looked at */
	struct stuck *stuck;
};

/* Looks again at what is there, after a while. */
void pickup_rescan_later(const struct pickup *pickup);

/* Removes a file that is done with. One that cannot be removed is logged and kept in mind. */
void pickup_remove(struct pickup *pickup, const char *name);
/* That file is done with, and could not be removed. */
bool pickup_is_stuck(struct pickup *pickup, const char *name);
/* Moves a file that cannot be read to spool/corrupt, and logs why; where that fails it stays, and is looked at again. */
void pickup_set_aside(struct queue *queue, const char *name, int64_t uid, const char *why);

/* That message is being taken in. */
bool pickup_is_taking(const struct pickup *pickup, struct span name);
/* Takes a message in, which goes on behind this call. The file is taken over with 0; or -EBADMSG, -errno, for pickup_not_taken. */
int pickup_take_message(struct queue *queue, const char *name, const struct spool_file *file, int64_t uid);
/* A message was not taken in: with -EBADMSG it is set aside, otherwise it is tried again. */
void pickup_not_taken(struct queue *queue, const char *name, int64_t uid, int error);

/* Does what the file asks, and puts the answer behind it. 0; -EBADMSG; -EAGAIN: a message that it is about is just being taken in. */
int pickup_obey(struct queue *queue, int fd, const struct stat *st);

#endif
