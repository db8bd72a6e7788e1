/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* An attempt from within: what queue_attempt.c, queue_recipients.c, queue_tell.c and queue_conclude.c share. */
#ifndef SMTPD_QUEUE_ATTEMPT_H
#define SMTPD_QUEUE_ATTEMPT_H

#include "smtpd/queue.h"

struct target {
	struct attempt *attempt;
	size_t recipient;
	bool as_postmaster;
	char *destination; /* of a remote one, until the jobs are made */
	char *members, *owner; /* of an alias, until its messages are made */
	char *behind;          /* and from then on */
	struct outcome *outcome; /* NULL: not tried, or not known yet */
};

struct attempt {
	struct queue *queue;
	struct queue_entry *entry;
	struct direct *direct; /* or NULL */
	struct spool_file file;
	struct target *targets; /* one for each recipient */
	size_t lookups, pending;
	bool remote_waits; /* for the promise: then relay_groups */
	bool has_expanded; /* an earlier attempt is done with an alias */
	bool in_memory;    /* its file has not been on the disk */
	bool given_up;     /* it ends with what is under way */
	bool crowded;
	bool progressed; /* a recipient is done with, or his sender told of the delay */
	bool unreached; /* what is left waits for destinations, not for its own time */
	int64_t started;
	bool early; /* the operator wanted it before its time: that is no reason to wait longer for the next */
	bool anew;  /* and aliases have a say again */
	bool hurried; /* and destinations that are down are looked at */
	uint64_t edition; /* of the accounts, when its recipients were taken; 0: not known */
	int64_t until; /* the first of its destinations that are down is looked at again then; 0: none is */
	struct event *again; /* or NULL: when what became of it is told or written, which could not be */
	bool told_overdue;   /* he hears that his time has passed, and no second time */
	bool told;           /* the sender, of all that is to be told */
	struct report *reports;
	size_t report_count;
};

/* --- queue_recipients.c --- */

/* Finds out who each open recipient is, and submits the jobs: attempt_outcome is called for each, later. */
void attempt_look_up(struct attempt *attempt);

/* The alias among the recipients that this one is behind as well, and whose sender wants to hear of failures; NULL: there is none. */
const struct envelope_recipient *attempt_alias_of(const struct attempt *attempt, size_t recipient);

/* --- queue_attempt.c --- */

/* The last outcome is known. */
void attempt_finish(struct attempt *attempt);

/* --- queue_tell.c --- */

/* The time that its sender set has come (RFC 2852). */
bool attempt_is_overdue(const struct envelope *envelope);
/* He has it, and the sender is to hear of that. */
bool attempt_tells_success(const struct attempt *attempt, size_t recipient);
void attempt_log_outcome(const struct attempt *attempt, const struct target *target);
/* All outcomes are known: tells the log and the sender, and concludes it. */
void attempt_report(struct attempt *attempt);
/* Writes to the sender what is to be told, once more after a fault, and concludes it. */
void attempt_tell(struct attempt *attempt);

/* --- queue_conclude.c: each but the second and third may end the attempt --- */

/* All that was to be told has been told (reported), or could not be: writes what became of each recipient. */
void attempt_conclude(struct attempt *attempt, bool reported);
/* The status bytes of all recipients as they will be then, one character each. */
void attempt_statuses(const struct attempt *attempt, bool reported, char *ret_statuses);
/* The status of a recipient who has it. */
char attempt_status_of(const struct outcome *outcome);
/* Until it can be told and written what became of it, the message stays active: goes on from there after a while. */
void attempt_go_on_later(struct attempt *attempt);
/* No recipient is open: removes the message. */
void attempt_done(struct attempt *attempt);
/* Ends the attempt; the message is due then. */
void attempt_settle(struct attempt *attempt, int64_t due);
/* Ends the attempt: nothing is left of the message on disk. */
void attempt_leave(struct attempt *attempt);

#endif
