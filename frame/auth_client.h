/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Asking the auth role and for workers, without waiting: each request has one answer through its
 * callback. */
#ifndef FRAME_AUTH_CLIENT_H
#define FRAME_AUTH_CLIENT_H

#include <stdint.h>

#include "frame/frame_msg.h"

/* The callback runs once, later, from the loop; also when the auth role or the parent goes away
 * (TEMPFAIL / channel NULL). Spans are borrowed for the call. A request that is not wanted any more
 * is cancelled: its callback will not run. */
typedef void (*auth_done)(void *context, enum auth_result result, uint64_t grant,
    struct span account);
typedef void (*grant_checked)(void *context, bool over);
typedef void (*lookup_done)(void *context, enum lookup_result result, struct span account);
/* Of LOOKUP_ALIAS: who owns the list (empty: it is none), and the members, each ended by LF. */
typedef void (*expand_done)(void *context, enum lookup_result result, struct span account, struct span owner, struct span members);
/* Some account is not what it was: another quota, or gone, or new under a name that was there. */
typedef void (*accounts_changed)(void *context);
/* The channel to the worker belongs to the callee (msg_channel_start it, msg_channel_free it); NULL
 * when there is none. */
typedef void (*worker_done)(void *context, struct msg_channel *worker);

/* There is no such process any more. */
typedef void (*worker_ended)(void *context);

/* One set of pending requests per role; made before the loop, and given the replies by
 * auth_client_handlers in the role's handler table. Returns the request's id, never 0. */
struct auth_client;
struct auth_client *auth_client_new(struct proc *proc);
uint32_t auth_verify(struct auth_client *client, struct span user, struct span password,
    struct span client_address, auth_done done, void *context);
/* Whose address it is: of other hosts' domains the answer is LOOKUP_NOT_OURS, here and below, whether or not the auth role is there.
 * Aliases have no one account: asker (or nothing) is told when it is the account that asks and one that gets the alias's mail. */
uint32_t auth_lookup(struct auth_client *client, struct span address, struct span asker, lookup_done done,
    void *context);
/* Whether that uid is the account's: LOOKUP_LOCAL, or LOOKUP_UNKNOWN. */
uint32_t auth_owner(struct auth_client *client, struct span account, int64_t uid, lookup_done done, void *context);
/* All that get mail for the address; expanded: the address came of aliases itself, which have no more say. */
uint32_t auth_expand(struct auth_client *client, struct span address, bool expanded, expand_done done, void *context);
/* The same of an address that another role has just heard of, at that edition (0: it does not know): where we have heard of it at the same
 * one, that is the answer, and auth is not asked again. */
uint32_t auth_expand_at(struct auth_client *client, struct span address, uint64_t edition, expand_done done, void *context);
/* The edition of the accounts and aliases by the last answer to a look-up; 0: there was none. */
uint64_t auth_edition(const struct auth_client *client);
uint32_t auth_worker_by_grant(struct auth_client *client, uint64_t grant, worker_done done,
    void *context);
uint32_t auth_worker_by_address(struct auth_client *client, struct span account, worker_done done,
    void *context);
/* In a worker_done that brings none: there is no such grant or account, or no more. Else there is none now. */
bool auth_refused(const struct auth_client *client);
/* The worker that this request has brought does not answer, or the request brings none though it is time (then it is cancelled here as well): the parent
 * kills it, once its channel is freed here or before. Nobody can end another role's
 * workers, nor those that were started for an earlier process of this role. The callback runs when it has ended, which may take as long as the system
 * keeps it in a call. */
void auth_end_worker(struct auth_client *client, uint32_t request, worker_ended done, void *context);
/* The worker that this request has brought is not wanted any more: its channel is freed, or it is to close that soon. It is killed when it does not end. */
void auth_leave_worker(struct auth_client *client, uint32_t request);
/* From now on changed is called before the first answer to a look-up that comes after a change, and before the very first. */
void auth_tell_changes(struct auth_client *client, accounts_changed changed, void *context);
void auth_cancel(struct auth_client *client, uint32_t id);
/* Is the grant over, because its account was removed or shut since, or has another password? Not so when that is not known. */
uint32_t auth_check_grant(struct auth_client *client, uint64_t grant, grant_checked done, void *context);
/* The connection that logged in is over. */
void auth_drop_grant(struct auth_client *client, uint64_t grant);

/* The handlers of AUTH_RESULT, GRANT_CHECKED, LOOKUP_MEMBERS, LOOKUP_RESULT, WORKER, WORKER_FAILED, WORKER_REFUSED, WORKER_ENDED: call it from
 * the role's handlers for these types (context: struct proc whose auth client is `client`). Returns
 * 0 or -EBADMSG. */
int auth_client_message(struct auth_client *client, struct msg *msg);
/* From the role's peer_gone. */
void auth_client_peer_gone(struct auth_client *client, uint8_t role);

#endif
