/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Reading the queue: from its files where they may be read (root), otherwise by asking the queue,
 * which tells everybody what is his. */
#ifndef CLI_QUEUE_READ_H
#define CLI_QUEUE_READ_H

#include "common/drop_control.h"
#include "common/spool.h"

/* How long an answer of the queue is waited for. */
#define QUEUE_ANSWER_MS 10000

struct queued {
	const char *id;
	bool held;
	uint64_t length; /* of the message */
	const struct envelope *envelope;
};

struct queue_summary {
	bool asked;      /* the queue was asked: what follows is about the user's own mail */
	bool cut;        /* it has more than it told */
	size_t messages, held;
	uint64_t bytes;
	size_t arriving; /* in drop/, not taken by the queue yet; only when read from the files */
	size_t corrupt;
};

/* Calls each for every message, the oldest first. 0, -ETIMEDOUT (the queue does not answer), or
 * -errno. */
int queue_read(const char *spool_dir,
    void (*each)(void *context, const struct queued *queued), void *context,
    struct queue_summary *ret_summary);

/* One message by its id. 0 and *ret_file (spool_close), with fd -1 when it was asked of the queue
 * and the message itself cannot be read; -ENOENT; -EPERM (somebody else's); -ETIMEDOUT; -errno. */
int queue_read_one(
    const char *spool_dir, const char *id, struct spool_file *ret_file, bool *ret_held);

#endif
