/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Inside the report role: what is counted goes into a file for each kind and day; a day that is over is summed and sent. */
#ifndef SMTPD_REPORT_ROLE_H
#define SMTPD_REPORT_ROLE_H

#include "frame/role.h"
#include "smtpd/report_day.h"

struct event;
struct dns_client;
struct report_posts;
struct report_sending;

/* The folder below spool_dir. */
#define REPORT_FOLDER "report"
/* Bytes of one day; more is not counted. */
#define REPORT_FILE_MAX (256u << 20)

/* After so many looks, an hour, the clock is taken to be right: at the start it may not have been set yet. */
#define REPORT_LOOKS 6

struct report_role {
	struct proc *proc;
	int folder, drop; /* opened before the jail */
	struct dns_client *dns;
	struct event *timer; /* looks for days that are over */
	struct event *syncing; /* while something counted is not on stable storage */
	struct report_file {
		int fd;      /* today's, open for appending; -1: none */
		int64_t day; /* days since 1970, UTC */
		uint64_t size;
		bool full, unsynced;
	} files[REPORT_KINDS];
	struct report_posts *posts; /* by HTTPS */
	struct report_sending *sending; /* or NULL */
	unsigned looks; /* how often it was looked for them, at most REPORT_LOOKS */
};

/* --- report_files.c --- */

/* Counts a message for today: once this returns, the line survives the end of this process. 0 or -errno. */
int report_append(struct report_role *role, enum report_kind kind, const struct report_line *line);
/* Puts what has been counted on stable storage. A fault is logged. */
void report_sync(struct report_role *role);
/* The oldest day before `before` and after `after` that has a file. False when there is none. */
bool report_find_day(const struct report_role *role, enum report_kind kind, int64_t after, int64_t before, int64_t *ret_day);
/* Sums a day. 0 or -errno; lines that cannot be read, which a crash leaves, are left out. */
int report_read_day(const struct report_role *role, enum report_kind kind, int64_t day, struct report_day *ret_sums);
/* Beside the day's file stands one with the domains that have had their reports. Opens it for appending, and reads what is there. The
 * descriptor or -errno. */
int report_open_sent(const struct report_role *role, enum report_kind kind, int64_t day, struct buf *ret_domains);
int report_mark_sent(int fd, const char *domain);
/* Removes both. 0 or, after a log line, -errno: the day is still there. */
int report_remove_day(const struct report_role *role, enum report_kind kind, int64_t day);

/* --- report_send.c --- */

/* "dmarc", "tls". */
const char *report_kind_name(enum report_kind kind);
/* Sends what is there of days that are over, if nothing is being sent. What a clock that was ahead has put into a day to come counts for today, once
 * the clock is taken to be right. */
void report_send(struct report_role *role);
/* The same for days of that kind after that one, and for all of other kinds after it. */
void report_send_after(struct report_role *role, enum report_kind kind, int64_t after);

#endif
