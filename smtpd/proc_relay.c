/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The relay role: hands messages to other hosts by SMTP. It reads them from the descriptors that the queue passes, has the key role sign
 * them, and sees no file but the passwords for next hops, no account and no key; what other hosts say is read here and nowhere else. */
#include <errno.h>
#include <openssl/ssl.h>

#include "common/log.h"
#include "common/tls.h"
#include "frame/read_file.h"
#include "smtpd/public_suffix.h"
#include "smtpd/relay.h"
#include "smtpd/relay_habits.h"
#include "smtpd/roots.h"
#include "smtpd/smtpd.h"
#include "smtpd/sts_parts.h"

#define DESCRIPTORS_MAX 4096

static int
on_relay(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;

	(void)channel;
	return relay_job_message(proc->state, msg);
}

static int
on_resolved(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;

	(void)channel;
	return relay_job_resolved(proc->state, msg);
}

static int
on_dns_answer(struct msg_channel *channel, struct msg *msg, void *context)
{
	const struct relay_role *role = ((struct proc *)context)->state;

	(void)channel;
	return dns_client_message(role->dns, msg);
}

static int
on_sign_keys(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;

	(void)channel;
	return relay_sign_keys(proc->state, msg);
}

static int
on_signed(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;

	(void)channel;
	return relay_sign_signed(proc->state, msg);
}

static int
on_sts_answer(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct relay_role *role = ((struct proc *)context)->state;

	(void)channel;
	return msg->type == MSG_STS_ANSWER_PART ? sts_parts_take(&role->sts_parts, msg) : relay_sts_answer(role, msg);
}

/* The former stay when they cannot be read. */
static void
take_secrets(struct relay_role *role, int r, struct buf *text)
{
	if (r < 0) {
		log_error("secrets-unreadable", log_str("file", smtpd_conf(role->proc)->relay_secrets), log_errno("error", r));
		buf_wipe(text);
		return;
	}
	buf_wipe(&role->secrets);
	role->secrets = *text;
}

static int
on_secrets(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct buf text = BUF_INIT(SECRETS_FILE_MAX);

	(void)channel;
	take_secrets(proc->state, read_open_file(msg->fd, &text), &text);
	return 0;
}

static void
load_secrets(struct relay_role *role)
{
	const char *path = smtpd_conf(role->proc)->relay_secrets;
	struct buf text = BUF_INIT(SECRETS_FILE_MAX);

	buf_init(&role->secrets, SECRETS_FILE_MAX);
	if (path[0] != '\0')
		take_secrets(role, proc_read_file(role->proc, MSG_RELAY_SECRETS, &text), &text);
}

static void
reload(struct proc *proc)
{
	struct relay_role *role = proc->state;

	if (smtpd_conf(proc)->relay_secrets[0] == '\0')
		buf_wipe(&role->secrets);
}

static void
stop(struct proc *proc)
{
	relay_job_stop(proc->state);
}

static void
peer_gone(struct proc *proc, uint8_t role)
{
	struct relay_role *relay = proc->state;

	if (role == ROLE_RESOLVE) {
		dns_client_resolve_gone(relay->dns);
		relay_job_resolve_gone(proc->state);
	} else if (role == ROLE_KEY) {
		relay_sign_key_gone(proc->state);
	} else if (role == ROLE_POLICY) {
		buf_free(&relay->sts_parts);
		relay_job_policy_gone(relay);
	} else if (role == ROLE_QUEUE) {
		relay_job_drop_all(proc->state);
	}
}

static void
peer_here(struct proc *proc, uint8_t role)
{
	const struct relay_role *relay = proc->state;

	if (role == ROLE_RESOLVE)
		dns_client_resolve_here(relay->dns);
	if (role == ROLE_RESOLVE || role == ROLE_POLICY)
		relay_job_asked_here(proc->state);
}

/* Encrypts with anybody: mail between hosts is not stopped by a certificate. Whether one can be trusted is told in the log. Connections keep the
 * context that they were made with. */
static void
use_roots(struct relay_role *role, struct ssl_ctx_st *context)
{
	if (context == NULL)
		return;
	SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
	if (SSL_CTX_dane_enable(context) != 1)
		abort(); /* no memory */
	tls_context_free(role->tls);
	role->tls = context;
}

static int
on_roots(struct msg_channel *channel, struct msg *msg, void *context)
{
	(void)channel;
	use_roots(((struct proc *)context)->state, roots_of_message(msg));
	return 0;
}

static void
load_roots(struct relay_role *role)
{
	use_roots(role, tls_client_new());
	use_roots(role, roots_of_start(role->proc, "no host's certificate will be trusted"));
}

int
proc_relay(struct proc *proc)
{
	static const struct proc_handler handlers[] = { { MSG_RELAY, on_relay }, { MSG_RESOLVED, on_resolved }, { MSG_RELAY_SECRETS, on_secrets },
		{ MSG_DNS_ANSWER, on_dns_answer }, { MSG_SIGN_KEYS_ARE, on_sign_keys }, { MSG_SIGNED, on_signed },
		{ MSG_STS_ANSWER_PART, on_sts_answer }, { MSG_STS_ANSWER, on_sts_answer }, { MSG_ROOTS, on_roots } };
	static struct relay_role role;
	struct jail jail = { .root = proc->common->empty_dir, .allow = JAIL_CONNECT, .descriptors_max = DESCRIPTORS_MAX };

	role.proc = proc;
	buf_init(&role.sts_parts, STS_TEXT_MAX);
	proc->state = &role;
	proc->handlers = handlers;
	proc->handler_count = sizeof(handlers) / sizeof(*handlers);
	proc->peer_gone = peer_gone;
	proc->peer_here = peer_here;
	proc->reload = reload;
	proc->stop = stop;
	load_secrets(&role);
	public_suffix_load();
	load_roots(&role);
	role.dns = dns_client_new(proc);
	role.habits = relay_habits_new();
	/* --- jail --- */
	proc_jail(proc, &jail);
	return proc_loop(proc);
}
