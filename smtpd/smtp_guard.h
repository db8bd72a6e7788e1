/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Who stands at the door of the smtp role: each client from outside is tested by a guard, from its first moment on. */
#ifndef SMTPD_SMTP_GUARD_H
#define SMTPD_SMTP_GUARD_H

#include "smtpd/defence_state.h"
#include "smtpd/dns_client.h"

/* What all guards share. */
struct guards;
struct guards *guards_new(struct proc *proc, struct dns_client *dns);
/* The handler of GREYLISTED, and the role's peer_gone of the queue. */
int guards_message(struct guards *guards, const struct msg *msg);
void guards_queue_gone(struct guards *guards);
/* The configuration is another. */
void guards_reload(struct guards *guards);

/* A client of any kind is to wait: false when so many do that others might find no place. Each that waits leaves, once. */
bool guards_enter_tarpit(struct guards *guards);
void guards_leave_tarpit(struct guards *guards);

struct guard;
/* Begins to find out about the client (its address in digits), unless the site allows it: then NULL. Counts its connection.
 * only_counts: of one of this site's own, who will log in, connections and what single recipients get are counted, and nothing else is
 * asked. */
struct guard *guard_new(struct guards *guards, const char *client, bool only_counts);
/* No callback runs any more. NULL is allowed; returns NULL. */
struct guard *guard_free(struct guard *guard);
/* What is known of the client: borrowed. NULL where it is only counted. */
struct defence *guard_defence(struct guard *guard);
/* All is known of it that will be. */
bool guard_is_done(const struct guard *guard);
/* Calls back once, from the loop, when it is so; after ten seconds at the latest. Not while a recipient is judged. */
void guard_await(struct guard *guard, void (*known)(void *context), void *context);
/* There are too many connections from where it comes. */
bool guard_is_crowded(const struct guard *guard);

/* What it wants to hand in. */
struct guard_case {
	struct span helo, sender, recipient;
	struct span whose; /* the recipient's mail it is for LIMIT_RECIPIENT, as looked up; empty: of the recipient as it is written */
	bool first;      /* recipient of the message */
	bool hears_everybody; /* the recipient: no score refuses it */
};
/* Once, from the loop: empty, or the reply that refuses the recipient, "450 4.7.1 ...", borrowed for the call. */
typedef void (*guard_done)(void *context, struct span reply);
/* One at a time. */
void guard_judge(struct guard *guard, const struct guard_case *wanted, guard_done done, void *context);

#endif
