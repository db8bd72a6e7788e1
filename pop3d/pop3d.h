/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The daemon: its configuration, its roles and its messages. */
#ifndef POP3D_POP3D_H
#define POP3D_POP3D_H

#include "frame/frame_msg.h"
#include "frame/role.h"

struct pop3d_conf {
	struct fourpost_conf common;
#define OPT(name, type, min, max, preset, text) CONF_C_##type name;
#include "pop3d/pop3d_opts.def"
#undef OPT
};

enum pop3d_msg {
	POP3D_MSG_BEFORE = FRAME_MSG_OWN - 1,
#define MSG(name, from, to, min, max, fd) MSG_##name,
#include "pop3d/pop3d_msg.def"
#undef MSG
};

extern const struct daemon pop3d;

/* The network, before login: cannot open a file, see a key, a password hash or mail. */
int proc_login(struct proc *proc);
/* One account's INBOX for one client: cannot see another account or reach the network. */
int proc_session(struct proc *proc);

#endif
