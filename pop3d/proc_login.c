/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The login role: POP3 up to a good password, and TLS for as long as the connection lives. */
#include "frame/login.h"
#include "pop3d/pop3_login_state.h"
#include "pop3d/pop3d.h"

static struct login_limits
limits_of(const struct proc *proc)
{
	const struct pop3d_conf *conf = proc->conf;

	return (struct login_limits){ (unsigned)conf->connections_max,
		(unsigned)conf->connections_per_address_max,
		0 /* the lock of its maildrop lets one in */ };
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
	return login_run(proc, &pop3_login, &limits);
}
