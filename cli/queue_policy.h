/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* "mailqueue policy": what mail to a domain must have of TLS, as smtpd would find it now. */
#ifndef CLI_QUEUE_POLICY_H
#define CLI_QUEUE_POLICY_H

#include "smtpd/smtpd_conf.h"

/* Prints it. EX_OK, or EX_TEMPFAIL when the DNS does not tell all of it. */
int queue_print_policy(const struct smtpd_conf *conf, const char *domain);

#endif
