/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Mail that comes of a delivery. */
#ifndef SMTPD_QUEUE_SUBMIT_H
#define SMTPD_QUEUE_SUBMIT_H

#include "smtpd/queue.h"

/* Of one delivery. */
#define SUBMISSIONS_MAX 64

/* What else becomes of a message that was to be written. */
enum not_submitted {
	NOT_SUBMITTED_LEFT_OUT = 1, /* an answer that cannot be sent, or that the account may not send: it is not given */
	NOT_SUBMITTED_LIMITED,      /* the message itself, which the account may not send on now: it has sent enough */
};

struct submission {
	const struct spool_file *file; /* of the message that is delivered */
	const struct envelope_recipient *of; /* its recipient */
	struct span account, sender, recipient;
	int text;
	uint64_t text_len, from;
	bool alone; /* the message itself, which goes there and nowhere else */
	bool kept;  /* the message itself, which the account has */
	bool each;  /* an answer that is written at each try */
};

/* A message that came of a delivery: written, and not yet committed. */
struct submitted {
	struct submitted *next; /* for whoever has it */
	bool answer;            /* nothing of the message that was delivered */
	bool each;              /* and written at each try */
	int fd;
	struct envelope envelope;
	char id[SPOOL_ID_LEN + 1];
};

/* MSG_SUBMIT from the process of that account, about the message in file, delivered to that recipient of it: writes a new message. 0:
 * *ret_submitted has it, for submitted_commit or submitted_discard, and it counts for what the account may send. Else there is none: enum not_submitted;
 * -EBADMSG: the message is none; other -errno: try again. *ret_sent_on tells what becomes of the notification of success, wherever the message is
 * taken for one. */
int queue_submit(struct queue *queue, const struct spool_file *file, size_t recipient, struct span account, struct msg *msg,
    struct submitted **ret_submitted, enum sent_on *ret_sent_on);
/* Puts it into the queue: done is called from the loop. Frees it. What cannot be put there does not count. */
void submitted_commit(struct queue *queue, struct submitted *submitted, intake_done done, void *context);
/* As if it had never been, nor counted. Frees it. */
void submitted_discard(struct queue *queue, struct submitted *submitted);

#endif
