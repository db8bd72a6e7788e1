/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What smtpd.conf holds, and its options that depend on others. */
#ifndef SMTPD_SMTPD_CONF_H
#define SMTPD_SMTPD_CONF_H

#include "common/conf.h"
#include "frame/role.h"

struct smtpd_conf {
	struct fourpost_conf common;
#define OPT(name, type, min, max, preset, text) CONF_C_##type name;
#include "smtpd/smtpd_opts.def"
#undef OPT
	const char *roots; /* the file with the system's root certificates: no option, and known to the parent alone */
};

extern const struct conf_table smtpd_conf_table;
/* Puts domains into their one form (common/domain_list.h); what is none stays for the check. */
void smtpd_conf_fill(void *conf);
/* What tables cannot check. */
void smtpd_conf_check(const void *conf, struct buf *errors);

/* The configuration in force; it may be another after a reload, so ask again. */
static inline const struct smtpd_conf *
smtpd_conf(const struct proc *proc)
{
	return proc->conf;
}

/* One of these addresses and networks is, or holds, the address (in digits). */
bool smtpd_lists(const struct conf_list *networks, const char *address);
/* The address that mail to postmaster goes to: the option, or postmaster at the first domain.
 * Belongs to the process for good. */
const char *smtpd_postmaster(const struct smtpd_conf *conf);

#endif
