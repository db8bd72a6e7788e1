/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The site's rules in the smtp role: their file, and the message that they look at. */
#ifndef SMTPD_SMTP_RULES_H
#define SMTPD_SMTP_RULES_H

#include "smtpd/rules.h"
#include "smtpd/smtp_handin.h"

/* Reads the file that the option names. NULL when it names none, or after a log line. */
struct rules *smtp_rules_load(const char *path);
/* In the smtp role, when it starts: those that the parent handed over; *ret is NULL when there are none. False after a log line. */
bool smtp_rules_begin(struct proc *proc, struct rules **ret);
/* The same of an open file; the former stay when it cannot be read. */
struct rules *smtp_rules_renew(struct rules *former, const char *path, int fd);
/* What the rules say of the message that is written. False: there are none, or it cannot be read; then there is no outcome. */
bool smtp_rules_apply(const struct rules *rules, const struct handin *handin, struct rules_outcome *ret_outcome);

#endif
