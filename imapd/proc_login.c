/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The login role: IMAP up to a good password, and TLS for as long as the connection lives. */
#include "frame/login.h"
#include "imapd/imap_login_state.h"
#include "imapd/imapd.h"

static struct login_limits
limits_of(const struct proc *proc)
{
	const struct imapd_conf *conf = proc->conf;

	return (struct login_limits){ (unsigned)conf->connections_max,
		(unsigned)conf->connections_per_address_max,
		(unsigned)conf->sessions_per_account_max };
}

static void
reload(struct proc *proc)
{
	struct login_limits limits = limits_of(proc);

	login_set_limits(proc, &limits);
}

int
proc_login(struct proc *proc)
{
	struct login_limits limits = limits_of(proc);

	proc->reload = reload;
	return login_run(proc, &imap_login, &limits);
}
