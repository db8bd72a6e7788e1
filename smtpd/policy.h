/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Inside the policy role: domains whose MTA-STS policy somebody asked for, and the policies that are being fetched. */
#ifndef SMTPD_POLICY_H
#define SMTPD_POLICY_H

#include "frame/role.h"
#include "smtpd/dns_client.h"
#include "smtpd/https_client.h"
#include "smtpd/sts_parse.h"

struct policy_domain;

/* Domains that are remembered, and policies that are fetched, at once. */
#define POLICY_DOMAINS_MAX 7000
/* Bytes of all their policies, which are rarely more than some hundred each. */
#define POLICY_BYTES_MAX (100u << 20)
#define POLICY_FETCHES_MAX 50
#define POLICY_BUCKETS 4096

struct policy_role {
	struct proc *proc;
	struct https_client https;
	size_t posts; /* reports that are being sent */
	struct policy_domain *table[POLICY_BUCKETS];
	struct policy_domain *first, *last; /* by their last use */
	size_t count, bytes;
	struct buf parts; /* of a policy that the queue is telling */
	size_t fetches;
	struct policy_domain *waiting, **waiting_end; /* for a fetch */
};

/* --- policy_domain.c --- */

/* STS_QUESTION of relay, STS_KEPT (of which the parts are in role->parts) of queue: 0 or -EBADMSG. */
int policy_question(struct policy_role *role, const struct msg *msg);
int policy_kept(struct policy_role *role, const struct msg *msg);
/* queue is gone: what it was asked for counts as not there; relay is gone: nobody waits. */
void policy_queue_gone(struct policy_role *role);
void policy_relay_gone(struct policy_role *role);

/* --- policy_fetch.c --- */

/* The text, borrowed for the call; of another fault than STS_GOOD what is wrong, for the log. passing: of a fault that may be over soon. */
typedef void (*policy_fetched)(void *context, enum sts_fault fault, bool passing, struct span text);
/* Fetches https://mta-sts.DOMAIN/.well-known/mta-sts.txt (RFC 8461 section 3.3) within a minute: the callback runs once, later. */
void policy_fetch(struct policy_role *role, const char *domain, policy_fetched done, void *context);

/* --- policy_post.c --- */

/* REPORT_POST of report: 0 or -EBADMSG. */
int policy_report(struct policy_role *role, struct msg *msg);

#endif
