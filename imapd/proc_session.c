/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The session role: one account's mail for one client, with the account's uid. */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "frame/login.h"
#include "imapd/session.h"

/* Maps of messages and of the index are the most of it. */
#define MEMORY_MAX ((size_t)4 << 30)

static int
begin(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct session *session = proc->state;
	struct login_session login;
	int rc;

	(void)channel;
	if (login_session_read(msg, &login) != 0)
		return -EBADMSG;
	if (session->stream != NULL) {
		(void)close(login.fd);
		return -EBADMSG;
	}
	memcpy(session->address, login.client_address, sizeof(session->address));
	rc = ms_open(proc->account_dir, &session->store);
	if (rc == 0)
		ms_set_quota(session->store, &proc->quota);
	if (rc != 0)
		log_error("store-failed", log_str("account", proc->account), log_str("client", session->address),
		    log_str("reason", ms_strerror(rc)));
	session_begin(session, login.fd, login.input, login.handover);
	return 0;
}

static void
stop(struct proc *proc)
{
	struct session *session = proc->state;

	if (session->stream == NULL)
		proc_exit(proc, EX_OK);
	else
		session_stop(session);
}

static void
reload(struct proc *proc)
{
	struct session *session = proc->state;

	session->conf = proc->conf;
}

int
proc_session(struct proc *proc)
{
	static const struct proc_handler handlers[] = { { MSG_SESSION_BEGIN, begin } };
	struct session *session = xcalloc(1, sizeof(*session));
	struct jail jail = {
		.paths = { { proc->account_dir, JAIL_PATH_WRITE } },
		.allow = JAIL_READ_FILES | JAIL_WRITE_FILES | JAIL_WATCH | JAIL_DATABASE | JAIL_MODULES,
		.memory_max = MEMORY_MAX,
	};

	session->proc = proc;
	session->conf = proc->conf;
	proc->state = session;
	proc->handlers = handlers;
	proc->handler_count = sizeof(handlers) / sizeof(handlers[0]);
	proc->stop = stop;
	proc->reload = reload;
	/* --- jail --- */
	proc_jail(proc, &jail);
	return proc_loop(proc);
}
