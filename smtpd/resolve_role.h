/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Inside the resolve role: look-ups (one name, one type) and the questions of other roles that they answer. */
#ifndef SMTPD_RESOLVE_ROLE_H
#define SMTPD_RESOLVE_ROLE_H

#include "common/buf.h"
#include "frame/role.h"
#include "smtpd/dns.h"
#include "smtpd/resolve.h"
#include "smtpd/resolve_room.h"

struct ub_ctx;

struct resolver {
	struct proc *proc;
	struct ub_ctx *unbound;
	size_t asked[ROLE_MAX]; /* questions of our own under way, by who asks */
	struct resolve_room *room; /* for those that clients cause */
	int64_t warned;         /* when there was no room, as resolver_now has it */
	struct buf settings;    /* what this process was started with */
	struct buf anchor;      /* and the trust anchors' file; empty: there was none */
	bool primed;
};

/* Questions of one role under way at once, and as many of smtp's clients. */
#define RESOLVE_QUESTIONS_MAX 1000
/* Of clients' questions, from how many on the resolver is busy: fewer than many a resolver that we may ask has room for, and a third of
 * those that there are connections for (resolve_unbound.c). */
#define RESOLVE_CROWD 64

/* Seconds of a clock that is never put back. */
int64_t resolver_now(void);
/* Of a failure that the DNS has told, or its silence. */
enum dns_blame resolver_blame(const struct resolver *resolver);

/* --- resolve_lookup.c --- */

/* The answer, borrowed for the call. */
typedef void (*lookup_done)(void *context, const struct dns_answer *answer);
/* Asks the DNS. The callback runs once: from within where the answer is known, or when it comes, which may be late. The name is any
 * that dns_is_name takes; of another the answer is DNS_NO_NAME. */
void lookup(struct resolver *resolver, struct span name, enum dns_type type, lookup_done done, void *context);

/* --- resolve_mail.c --- */

/* Answers RESOLVE with RESOLVED. 0, or -EBADMSG. */
int resolve_mail(struct resolver *resolver, const struct msg *msg);

/* --- resolve_question.c --- */

/* Answers DNS_QUESTION of that role with DNS_ANSWER. 0, or -EBADMSG. */
int resolve_question(struct resolver *resolver, uint8_t asker, const struct msg *msg);

#endif
