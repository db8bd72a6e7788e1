/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The filter role: shows messages to milters while their clients wait. It reads them from descriptors that the smtp role passes, and
 * answers what is to become of them; the file of a message is written by nobody but smtp. */
#include "frame/frame_msg.h"
#include "smtpd/filter.h"
#include "smtpd/smtpd.h"
#include "smtpd/smtpd_msg.h"

#define DESCRIPTORS_MAX 16384

static int
on_filter(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;

	(void)channel;
	return filter_job_message(proc->state, msg);
}

static int
on_connected(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;

	(void)channel;
	return filter_conn_connected(proc->state, msg);
}

static void
peer_gone(struct proc *proc, uint8_t role)
{
	if (role == ROLE_FRONT)
		filter_job_drop_all(proc->state);
}

int
proc_filter(struct proc *proc)
{
	static const struct proc_handler handlers[] = { { MSG_FILTER_MAIL, on_filter }, { MSG_FILTER_RCPT, on_filter },
		{ MSG_FILTER_TEXT, on_filter }, { MSG_FILTER_END, on_filter }, { MSG_CONNECTED, on_connected } };
	static struct filter_role role;
	struct jail jail = { .root = proc->common->empty_dir, .allow = JAIL_CONNECT | JAIL_MEMFD, .descriptors_max = DESCRIPTORS_MAX };

	role.proc = proc;
	asked_init(&role.connecting);
	proc->state = &role;
	proc->handlers = handlers;
	proc->handler_count = sizeof(handlers) / sizeof(*handlers);
	proc->peer_gone = peer_gone;
	/* --- jail --- */
	proc_jail(proc, &jail);
	return proc_loop(proc);
}
