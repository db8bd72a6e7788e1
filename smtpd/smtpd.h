/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* smtpd's own processes; each lives in the proc_<role>.c of its name. */
#ifndef SMTPD_SMTPD_H
#define SMTPD_SMTPD_H

#include "frame/role.h"

int proc_smtp(struct proc *proc);
int proc_queue(struct proc *proc);
int proc_deliver(struct proc *proc);
int proc_resolve(struct proc *proc);
int proc_filter(struct proc *proc);
int proc_relay(struct proc *proc);
int proc_policy(struct proc *proc);
int proc_report(struct proc *proc);

extern const struct daemon smtpd;

/* Why nothing is sent of a message to an account that may send no more, for the log. */
#define SMTPD_ACCOUNT_LIMITED "the account has sent as much as it may"

#endif
