/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The report role: counts what other roles found out about other domains' mail, in files of its own, and tells those who want to know once a
 * day, by messages that it puts into spool/drop. It sees no mail and no account. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sysexits.h>

#include "common/drop.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/dns_client.h"
#include "smtpd/public_suffix.h"
#include "smtpd/report_post.h"
#include "smtpd/report_role.h"
#include "smtpd/smtpd.h"
#include "smtpd/smtpd_conf.h"
#include "smtpd/smtpd_msg.h"

/* How often it is looked whether a day is over; the first time soon after the start. */
#define LOOK_SECONDS 600
/* A power loss takes along what was counted in this time, no more; nobody waits for a sync. */
#define SYNC_SECONDS 30

static int
on_count(struct msg_channel *channel, struct msg *msg, void *context)
{
	const struct timeval soon = { SYNC_SECONDS, 0 };
	struct report_role *role = ((struct proc *)context)->state;
	struct msg_reader body = msg_read(msg);
	uint8_t kind = msg_get_u8(&body);
	struct report_line line = { .count = 1 };
	int r;

	(void)channel;
	line.domain = msg_get_span(&body);
	line.addresses = msg_get_span(&body);
	line.policy = msg_get_span(&body);
	line.row = msg_get_span(&body);
	if (!msg_done(&body) || kind >= REPORT_KINDS)
		return -EBADMSG;
	r = report_append(role, (enum report_kind)kind, &line);
	if (!event_pending(role->syncing, EV_TIMEOUT, NULL))
		(void)event_add(role->syncing, &soon);
	if (r < 0)
		log_error("not-counted", log_span("domain", line.domain), log_errno("error", r));
	return 0;
}

static int
on_dns_answer(struct msg_channel *channel, struct msg *msg, void *context)
{
	const struct report_role *role = ((struct proc *)context)->state;

	(void)channel;
	return dns_client_message(role->dns, msg);
}

static int
on_posted(struct msg_channel *channel, struct msg *msg, void *context)
{
	const struct report_role *role = ((struct proc *)context)->state;

	(void)channel;
	return report_posts_answer(role->posts, msg);
}

static void
peer_gone(struct proc *proc, uint8_t peer)
{
	struct report_role *role = proc->state;

	if (peer == ROLE_RESOLVE)
		dns_client_resolve_gone(role->dns);
	else if (peer == ROLE_POLICY)
		report_posts_policy_gone(role->posts);
}

static void
peer_here(struct proc *proc, uint8_t peer)
{
	const struct report_role *role = proc->state;

	if (peer == ROLE_RESOLVE)
		dns_client_resolve_here(role->dns);
}

static void
look_again(struct report_role *role, unsigned seconds)
{
	const struct timeval time = { seconds, 0 };

	(void)event_add(role->timer, &time);
}

static void
on_timer(evutil_socket_t fd, short what, void *context)
{
	struct report_role *role = context;

	(void)fd, (void)what;
	report_send(role);
	look_again(role, LOOK_SECONDS);
}

static void
on_syncing(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	report_sync(context);
}

static bool
open_folders(struct report_role *role, const char *folder)
{
	role->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	role->drop = drop_open_folder(role->proc->common->spool_dir);
	if (role->folder < 0 || role->drop < 0)
		log_error("reports-unusable", log_str("folder", folder), log_errno("error", role->folder < 0 ? errno : role->drop));
	return role->folder >= 0 && role->drop >= 0;
}

int
proc_report(struct proc *proc)
{
	static const struct proc_handler handlers[] = { { MSG_REPORT_COUNT, on_count }, { MSG_DNS_ANSWER, on_dns_answer },
		{ MSG_REPORT_POSTED, on_posted } };
	static struct report_role role;
	char *folder = xasprintf("%s/" REPORT_FOLDER, proc->common->spool_dir), *drop = xasprintf("%s/drop", proc->common->spool_dir);
	struct jail jail = {
		.paths = { { folder, JAIL_PATH_WRITE }, { drop, JAIL_PATH_WRITE } },
		.allow = JAIL_READ_FILES | JAIL_WRITE_FILES | JAIL_MEMFD,
	};
	int status;

	role.proc = proc;
	for (size_t i = 0; i < REPORT_KINDS; i++)
		role.files[i].fd = -1;
	proc->state = &role;
	proc->handlers = handlers;
	proc->handler_count = sizeof(handlers) / sizeof(*handlers);
	proc->peer_gone = peer_gone;
	proc->peer_here = peer_here;
	public_suffix_load();
	if (!open_folders(&role, folder))
		return EX_NOINPUT;
	/* --- jail --- */
	proc_jail(proc, &jail);
	role.dns = dns_client_new(proc);
	role.posts = report_posts_new(proc);
	role.timer = evtimer_new(proc->base, on_timer, &role);
	role.syncing = evtimer_new(proc->base, on_syncing, &role);
	if (role.timer == NULL || role.syncing == NULL)
		abort();
	look_again(&role, 1);
	status = proc_loop(proc);
	report_sync(&role);
	return status;
}
