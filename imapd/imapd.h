/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The daemon: its configuration, its roles and its messages. */
#ifndef IMAPD_IMAPD_H
#define IMAPD_IMAPD_H

#include "frame/frame_msg.h"
#include "frame/role.h"

struct imapd_conf {
	struct fourpost_conf common;
#define OPT(name, type, min, max, preset, text) CONF_C_##type name;
#include "imapd/imapd_opts.def"
#undef OPT
};

enum imapd_msg {
	IMAPD_MSG_BEFORE = FRAME_MSG_OWN - 1,
#define MSG(name, from, to, min, max, fd) MSG_##name,
#include "imapd/imapd_msg.def"
#undef MSG
};

extern const struct daemon imapd;

/* The network, before login: cannot open a file, see a key, a password hash or mail. */
int proc_login(struct proc *proc);
/* One account's mail for one client: cannot see another account or reach the network. */
int proc_session(struct proc *proc);

#endif
