/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The smtp role: speaks SMTP, submission and LMTP with many clients in one loop, in an empty root.
 * It asks auth who is who, and writes messages into files that the queue has opened; it can open
 * none itself. */
#include <event2/event.h>
#include <stdlib.h>
#include <sysexits.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "frame/read_file.h"
#include "smtpd/public_suffix.h"
#include "smtpd/smtp_client.h"
#include "smtpd/smtpd_conf.h"
#include "smtpd/smtpd.h"
#include "smtpd/smtpd_msg.h"

/* Nobody has registered a name for SMTP; these are what Exim offers and takes. */
#define ALPN "smtp,esmtp"
/* More than the longest line; a message is taken in pieces of this size. */
#define INPUT_MAX 65536
/* LMTP replies once for each of many recipients. */
#define OUTPUT_MAX (8 << 20)
/* Replies that are still under way when the daemon stops. */
#define STOP_SECONDS 2
/* Each client may need one for its message beside its own, and two more while a milter changes it; some are for listeners and
 * channels. */
#define DESCRIPTORS_OF_CLIENT 2
#define DESCRIPTORS_OF_CHANGE 2
#define DESCRIPTORS_BESIDE 128

static void
set_settings(struct smtp_role *role, const struct proc *proc)
{
	const struct smtpd_conf *conf = smtpd_conf(proc);

	role->settings = (struct smtp_settings){
		.hostname = conf->common.hostname,
		.postmaster = smtpd_postmaster(conf),
		.size_max = (uint64_t)conf->message_size_max,
		.recipients_max = (size_t)conf->recipients_max,
		.hops_max = (unsigned)conf->hops_max,
		.errors_max = (unsigned)conf->client_errors_max,
		.junk_max = (unsigned)conf->client_junk_max,
		.tls = front_has_tls(role->front),
		.filters = conf->milters.count != 0,
		.own_senders = conf->own_senders,
		.plaintext_login = conf->common.plaintext_login,
	};
	role->verify = (struct verify_settings){
		.hostname = conf->common.hostname,
		.defer = conf->dmarc_defer,
		.arc_trusted = &conf->arc_trusted,
		.known = role->known,
	};
	(void)dmarc_policy_parse(span_of(conf->dmarc_policy), &role->verify.enforced);
	role->timeout = (unsigned)conf->client_timeout;
}

static int
accept_client(struct front_client *client, void *context)
{
	smtp_client_new(context, client);
	return 0;
}

static struct span
refusal(const struct proc_listener *listener, void *context)
{
	(void)listener, (void)context;
	return SPAN("421 4.3.2 Too many connections: try again later\r\n");
}

static int
on_queue_message(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct smtp_role *role = proc->state;

	(void)channel;
	return handins_message(role->handins, msg);
}

static int
on_dns_answer(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct smtp_role *role = proc->state;

	(void)channel;
	return dns_client_message(role->dns, msg);
}

static int
on_filtered(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct smtp_role *role = proc->state;

	(void)channel;
	return filter_client_message(role->filters, msg);
}

static int
on_rules(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct smtp_role *role = proc->state;

	(void)channel;
	role->rules = smtp_rules_renew(role->rules, smtpd_conf(proc)->rules, msg->fd);
	return 0;
}

static bool
take_recipients(struct smtp_role *role, const char *path, int r, struct buf *text)
{
	if (r < 0) {
		log_error("relay-recipients-unreadable", log_str("file", path), log_errno("error", r));
	} else {
		(void)relay_recipients_free(role->relay_recipients);
		role->relay_recipients = relay_recipients_new(buf_get(text), path, NULL);
	}
	buf_free(text);
	return r >= 0;
}

static bool
read_recipients(struct smtp_role *role, struct proc *proc)
{
	const char *path = smtpd_conf(proc)->relay_recipients;
	struct buf text = BUF_INIT(RELAY_RECIPIENTS_FILE_MAX);

	return path[0] == '\0' || take_recipients(role, path, proc_read_file(proc, MSG_RELAY_RECIPIENTS_FILE, &text), &text);
}

static int
on_recipients(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct buf text = BUF_INIT(RELAY_RECIPIENTS_FILE_MAX);

	(void)channel;
	(void)take_recipients(proc->state, smtpd_conf(proc)->relay_recipients, read_open_file(msg->fd, &text), &text);
	return 0;
}

static int
on_greylisted(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct smtp_role *role = proc->state;

	(void)channel;
	return guards_message(role->guards, msg);
}

static void
peer_gone(struct proc *proc, uint8_t peer)
{
	struct smtp_role *role = proc->state;

	front_peer_gone(proc, peer);
	if (peer == ROLE_QUEUE) {
		handins_queue_gone(role->handins);
		guards_queue_gone(role->guards);
	}
	if (peer == ROLE_RESOLVE)
		dns_client_resolve_gone(role->dns);
	if (peer == ROLE_FILTER)
		filter_client_gone(role->filters);
}

static void
peer_here(struct proc *proc, uint8_t peer)
{
	const struct smtp_role *role = proc->state;

	if (peer == ROLE_RESOLVE)
		dns_client_resolve_here(role->dns);
}

static struct front_limits
limits_of(const struct smtpd_conf *conf)
{
	return (struct front_limits){
		.connections_max = (unsigned)conf->connections_max,
		.connections_per_address_max = (unsigned)conf->connections_per_address_max,
		.descriptors_each = DESCRIPTORS_OF_CLIENT + (conf->milters.count != 0 ? DESCRIPTORS_OF_CHANGE : 0),
		.descriptors_beside = DESCRIPTORS_BESIDE,
		.input_max = INPUT_MAX,
		.output_max = OUTPUT_MAX,
		.timeout = (unsigned)conf->client_timeout,
		.tls_later = smtp_client_awaits_proxy,
		.is_proxy = smtp_client_is_proxy,
	};
}

static void
reload(struct proc *proc)
{
	struct smtp_role *role = proc->state;
	const struct front_limits limits = limits_of(smtpd_conf(proc));

	set_settings(role, proc);
	front_set_limits(role->front, &limits);
	guards_reload(role->guards);
	if (smtpd_conf(proc)->rules[0] == '\0')
		role->rules = rules_free(role->rules);
	if (smtpd_conf(proc)->relay_recipients[0] == '\0')
		role->relay_recipients = relay_recipients_free(role->relay_recipients);
}

static void
stopped(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	proc_exit(context, EX_OK);
}

static void
empty(struct smtp_role *role)
{
	const struct timeval soon = { 0,
		100000 }; /* last replies and goodbyes of TLS are under way */
	struct proc *proc = front_proc(role->front);

	if (proc->stopping && event_base_once(proc->base, -1, EV_TIMEOUT, stopped, proc, &soon) < 0)
		proc_exit(proc, EX_OK);
}

static void
stop(struct proc *proc)
{
	const struct timeval latest = { STOP_SECONDS, 0 };
	struct smtp_role *role = proc->state;

	front_stop(role->front);
	smtp_clients_stop(role);
	if (role->clients == NULL)
		empty(role);
	if (event_base_once(proc->base, -1, EV_TIMEOUT, stopped, proc, &latest) < 0)
		proc_exit(proc, EX_OK);
}

int
proc_smtp(struct proc *proc)
{
	static const struct proc_handler handlers[] = { FRONT_HANDLERS,
		{ MSG_MESSAGE_FD, on_queue_message }, { MSG_MESSAGE_DONE, on_queue_message },
		{ MSG_DNS_ANSWER, on_dns_answer }, { MSG_FILTERED, on_filtered }, { MSG_FILTER_RCPTS, on_filtered }, { MSG_GREYLISTED, on_greylisted },
		{ MSG_RULES_FILE, on_rules }, { MSG_RELAY_RECIPIENTS_FILE, on_recipients } };
	const struct front_limits limits = limits_of(smtpd_conf(proc));
	struct jail jail = { .root = proc->common->empty_dir, .allow = JAIL_ACCEPT };
	static struct smtp_role role = { .empty = empty };

	proc->state = &role;
	proc->handlers = handlers;
	proc->handler_count = sizeof(handlers) / sizeof(*handlers);
	proc->peer_gone = peer_gone;
	proc->peer_here = peer_here;
	proc->reload = reload;
	proc->stop = stop;
	role.front = front_new(proc, &limits, ALPN, accept_client, refusal, &role);
	if (role.front == NULL)
		return EX_CONFIG;
	role.known = dkim_known_new();
	role.handins = handins_new(proc, &smtp_client_handin_ops);
	role.dns = dns_client_new(proc);
	role.guards = guards_new(proc, role.dns);
	role.filters = filter_client_new(proc, smtp_client_filtered);
	if (!smtp_rules_begin(proc, &role.rules) || !read_recipients(&role, proc))
		return EX_NOINPUT;
	set_settings(&role, proc);
	public_suffix_load();
	/* --- jail --- */
	proc_jail(proc, &jail);
	front_start(role.front);
	return proc_loop(proc);
}
