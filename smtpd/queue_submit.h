/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Mail that comes of a delivery. */
#ifndef SMTPD_QUEUE_SUBMIT_H
#define SMTPD_QUEUE_SUBMIT_H

#include "smtpd/queue.h"

/* Of one delivery. */
#define SUBMISSIONS_MAX 64

struct submission {
	const struct spool_file *file; /* of the message that is delivered */
	const struct envelope_recipient *of; /* its recipient */
	struct span account, sender, recipient;
	int text;
	uint64_t text_len, from;
	bool alone; /* the message itself, which goes there and nowhere else */
};

/* MSG_SUBMIT from the process of that account, about the message in file, delivered to that recipient of it: puts a new message into the queue. 0: done is called from
 * the loop. Else it is not: 1: what was to be sent cannot be, and is left out; -EBADMSG: the message is none; other -errno: try again. *ret_sent_on tells what becomes of the
 * notification of success, wherever the message is taken for one. */
int queue_submit(struct queue *queue, const struct spool_file *file, size_t recipient, struct span account, struct msg *msg, intake_done done,
    void *context, enum sent_on *ret_sent_on);

#endif
