/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* smtpd's configuration, for the tools that belong to it. */
#ifndef CLI_TOOL_SMTPD_H
#define CLI_TOOL_SMTPD_H

#include "smtpd/smtpd_conf.h"

/* Reads smtpd.conf (NULL: /etc/fourpost/smtpd.conf); fourpost.conf alone will do too. On a fault it
 * prints to standard error and ends with EX_CONFIG. The options are filled. */
void tool_load_smtpd(const char *path, struct smtpd_conf *ret_conf);

#endif
