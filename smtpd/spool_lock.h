/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One smtpd works on a spool: two would each send what they find there, and remove what the other is writing. */
#ifndef SMTPD_SPOOL_LOCK_H
#define SMTPD_SPOOL_LOCK_H

#include "frame/role.h"

/* As struct daemon's prepare: locks spool_dir/lock, in spool_dir, which is made when it is missing, for as long as this process lives; no
 * program that it executes has the lock. 0, or -errno after a log line: -EBUSY when another smtpd has it. */
int spool_lock_take(const void *conf, const struct daemon *daemon);
/* Writes this process's number into the file: again once daemon(3) has given it another. */
void spool_lock_sign(void);
/* The queue role's own, of spool_dir/queue, since that role outlives a parent that was killed by a moment. Waits for its predecessor's
 * end: false when that has not come within ten seconds, or after another failure, with a log line. */
bool spool_lock_queue(const char *spool_dir);

#endif
