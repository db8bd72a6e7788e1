/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What smtpd.conf holds, and the numbers of smtpd's listeners. */
#ifndef SMTPD_SMTPD_CONF_H
#define SMTPD_SMTPD_CONF_H

#include "common/conf.h"
#include "frame/role.h"

struct smtpd_conf {
	struct fourpost_conf common;
#define OPT(name, type, min, max, preset, text) CONF_C_##type name;
#include "smtpd/smtpd_opts.def"
#undef OPT
};

enum smtpd_listener { SMTPD_SMTP, SMTPD_SUBMISSION, SMTPD_LMTP };

/* The configuration in force; it may be another after a reload, so ask again. */
static inline const struct smtpd_conf *
smtpd_conf(const struct proc *proc)
{
	return proc->conf;
}

#endif
