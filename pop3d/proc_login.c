/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The login role: POP3 up to a good password, and TLS for as long as the connection lives. */
#include "frame/login.h"
#include "pop3d/pop3_login_state.h"
#include "pop3d/pop3d.h"

static void
reload(struct proc *proc)
{
	const struct pop3d_conf *conf = proc->conf;

	login_set_limits(proc, (unsigned)conf->connections_max,
	    (unsigned)conf->connections_per_address_max);
}

int
proc_login(struct proc *proc)
{
	const struct pop3d_conf *conf = proc->conf;

	proc->reload = reload;
	return login_run(proc, &pop3_login, (unsigned)conf->connections_max,
	    (unsigned)conf->connections_per_address_max);
}
