/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The folders of the spool: made by the parent before any role runs. */
#ifndef SMTPD_QUEUE_FOLDERS_H
#define SMTPD_QUEUE_FOLDERS_H

#include "frame/role.h"

/* Makes spool_dir when it is missing. 0 or -errno. */
int queue_prepare_spool(const char *spool_dir);
/* Makes spool_dir and drop/, queue/, queue/00 to queue/FF, hold/ and corrupt/ below it where they
 * are missing, the queue role's as root, and gives those that are there the right owner and mode.
 * 0, or -errno after a log line. */
int queue_prepare_folders(const void *conf, const struct daemon *daemon);

#endif
