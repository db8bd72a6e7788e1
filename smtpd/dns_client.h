/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Asking the resolve role, without waiting: each question has one answer through its callback. Where that role begins anew, as with other trust
 * anchors, its successor is asked. */
#ifndef SMTPD_DNS_CLIENT_H
#define SMTPD_DNS_CLIENT_H

#include "frame/role.h"
#include "smtpd/dns.h"

/* The callback runs once, later, from the loop; with DNS_FAILED when the resolve role goes away and is not back within DNS_AWAY_SECONDS, or goes
 * away twice. The answer is borrowed for the call. A callback may ask and cancel. */
#define DNS_AWAY_SECONDS 5
typedef void (*dns_done)(void *context, const struct dns_answer *answer);

/* One set of questions per role, made before the loop. */
struct dns_client;
struct dns_client *dns_client_new(struct proc *proc);
/* The name must be one that dns_is_name takes. Returns the question's id, never 0. */
uint32_t dns_ask(struct dns_client *client, struct span name, enum dns_type type, dns_done done, void *context);
/* The same on behalf of a client (resolve_whose), who has a share of the resolver's room, and no more. */
uint32_t dns_ask_for(struct dns_client *client, uint64_t whose, struct span name, enum dns_type type, dns_done done, void *context);
/* By the last answer, the resolver is busy: a question that it does not answer in time may have no answer for that alone. */
bool dns_client_is_busy(const struct dns_client *client);
/* The callback of that question will not run. */
void dns_cancel(struct dns_client *client, uint32_t id);

/* The handler of DNS_ANSWER. 0 or -EBADMSG. */
int dns_client_message(struct dns_client *client, const struct msg *msg);
/* From the role's peer_gone and peer_here, for ROLE_RESOLVE. */
void dns_client_resolve_gone(struct dns_client *client);
void dns_client_resolve_here(struct dns_client *client);

#endif
