/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* sendmail -bs: SMTP on standard input and output. */
#ifndef CLI_SENDMAIL_SMTP_H
#define CLI_SENDMAIL_SMTP_H

#include "smtpd/smtpd_conf.h"

/* Speaks until QUIT or the end of the input; folder is drop_open_folder's, user the address of who
 * runs it. Returns a status of sysexits(3). */
int sendmail_smtp(const struct smtpd_conf *conf, int folder, const char *user);

#endif
