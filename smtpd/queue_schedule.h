/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* When which message is tried. Messages wait for their time; those for another host then wait in the row of their destination, which
 * lets in so many at once as its window says: the window rises while the destination takes mail and falls when it cannot be
 * reached. When it is down its messages are not tried one by one: after a growing pause one message finds out whether it is back.
 * Pure: the time is passed in, chance is a number that is passed in. */
#ifndef SMTPD_QUEUE_SCHEDULE_H
#define SMTPD_QUEUE_SCHEDULE_H

#include "common/envelope.h"
#include "smtpd/queue_table.h"

#include <sys/queue.h>

/* Where messages go next: a domain, or a host that a route names. */
struct destination {
	char *name; /* in lower case */
	size_t users;             /* entries bound to it, and the relay's jobs */
	size_t taken;             /* entries of its row that are being tried */
	struct heap row;          /* entries whose time has come, in their turn */
	unsigned window;          /* in 1/SCHEDULE_SCALE */
	unsigned failed;          /* since something worked, in 1/SCHEDULE_SCALE of a window's worth */
	unsigned times_down;      /* in a row */
	enum { DESTINATION_UNTRIED, DESTINATION_WORKED, DESTINATION_FAILED } did; /* what it did last, as far as it is remembered */
	int64_t until;            /* it is down, and looked at again then; 0: it is up */
	char *reason;             /* why it is down, or NULL */
	void *jobs;               /* the relay's */
	/* The schedule's. */
	int64_t turn, *sender_turns;
	enum { DESTINATION_IDLE, DESTINATION_READY, DESTINATION_PAUSES } place;
	struct heap_item pause;
	TAILQ_ENTRY(destination) ready; /* has a message that may be taken */
	TAILQ_ENTRY(destination) unused;
	struct destination *next_by_name;
};

#define SCHEDULE_SCALE 1024

struct schedule_limits {
	unsigned window_first, window_max; /* messages at once to one destination */
	int64_t pause_min, pause_max;      /* seconds that a destination is left alone */
};

struct schedule;

/* seed: any number that outsiders do not know. */
struct schedule *schedule_new(uint64_t seed);
/* Frees it and its destinations; the entries are the caller's. */
struct schedule *schedule_free(struct schedule *schedule);
void schedule_set_limits(struct schedule *schedule, const struct schedule_limits *limits);

/* --- entries --- */

/* Says where all of the entry's open recipients go; an empty name: to accounts here, or to several destinations. */
void schedule_bind(struct schedule *schedule, struct queue_entry *entry, struct span name);
/* The entry waits until then. */
void schedule_at(struct schedule *schedule, struct queue_entry *entry, int64_t due);
/* Takes it out of wherever it waits; the state becomes the given one. */
void schedule_take(struct schedule *schedule, struct queue_entry *entry, int state);
/* The entry is about to be removed from the table. */
void schedule_forget(struct schedule *schedule, struct queue_entry *entry);
/* The next that is to be tried now, with the state ENTRY_ACTIVE; NULL: none. relays: there is room for one that goes to
 * another host too. Entries of one destination come by priority, and senders in turns. */
struct queue_entry *schedule_next(struct schedule *schedule, int64_t now, bool relays);
/* When to ask again: at `now` or before when there is work at once; INT64_MAX: when something changes. */
int64_t schedule_when(const struct schedule *schedule, bool relays);
/* An entry's attempt is over: its place is free. */
void schedule_ended(struct schedule *schedule, struct queue_entry *entry);
/* The operator wants it tried now: its destination is looked at now too. */
void schedule_hurry(struct schedule *schedule, struct queue_entry *entry, int64_t now);
void schedule_hurry_all(struct schedule *schedule, int64_t now);
/* The same for a destination: one of a message that has several. */
void schedule_look_again(struct schedule *schedule, struct destination *destination);
/* The clock was set back to now: nothing waits longer for its time than the longest pause from there. */
void schedule_set_back(struct schedule *schedule, int64_t now);

/* --- destinations --- */

/* Found, or made; in use until schedule_release. */
struct destination *schedule_destination(struct schedule *schedule, struct span name);
void schedule_release(struct schedule *schedule, struct destination *destination);
/* Something was taken there, or refused by somebody who listens. True when it had been down. */
bool schedule_worked(struct schedule *schedule, struct destination *destination);
/* It was reached, and broke off a message: that says little about the others, of which fewer are sent at once. True when it had been down. */
bool schedule_broke_off(struct schedule *schedule, struct destination *destination);
/* It could not be reached. True when it is down from now on; random is any number. */
bool schedule_failed(struct schedule *schedule, struct destination *destination, int64_t now, uint32_t random, struct span reason);
/* Messages that may be sent there at once. */
size_t schedule_window(const struct destination *destination);
static inline bool
schedule_is_down(const struct destination *destination, int64_t now)
{
	return destination->until > now;
}
/* Calls each for every destination that is known, in no order. */
void schedule_each(const struct schedule *schedule, void (*each)(void *context, const struct destination *destination), void *context);

#endif
