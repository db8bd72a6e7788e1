/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Hosts that did not take reports: each is left alone for longer and longer (RFC 8460 section 5.5). Pure. */
#ifndef SMTPD_REPORT_HOSTS_H
#define SMTPD_REPORT_HOSTS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

/* After the first failure, doubled by each in a row. */
#define REPORT_PAUSE_MIN (10 * 60)
#define REPORT_PAUSE_MAX (4 * 3600)
/* Of more the one that may be asked first is forgotten. */
#define REPORT_HOSTS_MAX 1000

struct report_hosts;

struct report_hosts *report_hosts_new(void);
/* Returns NULL. */
struct report_hosts *report_hosts_free(struct report_hosts *hosts);
/* Is it to be left alone now? */
bool report_hosts_rests(const struct report_hosts *hosts, struct span host, uint16_t port, int64_t now);
/* It took a report, or will never take that one; or it could not now. */
void report_hosts_worked(struct report_hosts *hosts, struct span host, uint16_t port);
void report_hosts_failed(struct report_hosts *hosts, struct span host, uint16_t port, int64_t now);

#endif
