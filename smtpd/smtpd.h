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

#endif
