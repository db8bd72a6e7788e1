/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The policy role: fetches by HTTPS what other domains demand of TLS with their mail exchangers (MTA-STS, RFC 8461), and sends
 * the reports that they want so (TLSRPT, RFC 8460). It sees their names, no mail and no file; what it found is kept by the queue. */
#include <openssl/ssl.h>

#include "common/tls.h"
#include "smtpd/policy.h"
#include "smtpd/roots.h"
#include "smtpd/smtpd.h"
#include "smtpd/smtpd_msg.h"
#include "smtpd/sts_parts.h"

#define DESCRIPTORS_MAX 256

static int
on_question(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;

	(void)channel;
	return policy_question(proc->state, msg);
}

static int
on_kept(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct policy_role *role = ((struct proc *)context)->state;

	(void)channel;
	return msg->type == MSG_STS_KEPT_PART ? sts_parts_take(&role->parts, msg) : policy_kept(role, msg);
}

static int
on_report(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;

	(void)channel;
	return policy_report(proc->state, msg);
}

static int
on_dns_answer(struct msg_channel *channel, struct msg *msg, void *context)
{
	const struct policy_role *role = ((struct proc *)context)->state;

	(void)channel;
	return dns_client_message(role->https.dns, msg);
}

static void
peer_gone(struct proc *proc, uint8_t peer)
{
	struct policy_role *role = proc->state;

	if (peer == ROLE_RESOLVE)
		dns_client_resolve_gone(role->https.dns);
	else if (peer == ROLE_QUEUE)
		policy_queue_gone(role);
	else if (peer == ROLE_RELAY)
		policy_relay_gone(role);
}

static void
peer_here(struct proc *proc, uint8_t peer)
{
	const struct policy_role *role = proc->state;

	if (peer == ROLE_RESOLVE)
		dns_client_resolve_here(role->https.dns);
}

static void
use_roots(struct policy_role *role, struct ssl_ctx_st *context)
{
	if (context == NULL)
		return;
	tls_context_free(role->https.tls); /* calls keep theirs */
	role->https.tls = context;
}

static int
on_roots(struct msg_channel *channel, struct msg *msg, void *context)
{
	(void)channel;
	use_roots(((struct proc *)context)->state, roots_of_message(msg));
	return 0;
}

static void
load_roots(struct policy_role *role)
{
	role->https.tls = tls_client_new();
	SSL_CTX_set_verify(role->https.tls, SSL_VERIFY_PEER, NULL); /* nobody is trusted */
	use_roots(role, roots_of_start(role->proc, "no policy can be fetched, and no report posted"));
}

int
proc_policy(struct proc *proc)
{
	static const struct proc_handler handlers[] = { { MSG_STS_QUESTION, on_question }, { MSG_STS_KEPT_PART, on_kept }, { MSG_STS_KEPT, on_kept },
		{ MSG_REPORT_POST, on_report }, { MSG_DNS_ANSWER, on_dns_answer }, { MSG_ROOTS, on_roots } };
	static struct policy_role role;
	struct jail jail = { .root = proc->common->empty_dir, .allow = JAIL_CONNECT, .descriptors_max = DESCRIPTORS_MAX };

	role.proc = proc;
	role.waiting_end = &role.waiting;
	buf_init(&role.parts, STS_TEXT_MAX);
	proc->state = &role;
	proc->handlers = handlers;
	proc->handler_count = sizeof(handlers) / sizeof(*handlers);
	proc->peer_gone = peer_gone;
	proc->peer_here = peer_here;
	load_roots(&role);
	role.https.dns = dns_client_new(proc);
	role.https.base = proc->base;
	/* --- jail --- */
	proc_jail(proc, &jail);
	return proc_loop(proc);
}
