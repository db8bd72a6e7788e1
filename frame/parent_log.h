/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The log of a daemon in the background. Its roles reach no socket from their jails, so none that syslogd makes anew when it is restarted:
 * they write into a pipe that is their standard error, and the parent hands their lines on, and its own. While syslogd is away, or slow,
 * lines wait, a megabyte here and one in the pipe. */
#ifndef FRAME_PARENT_LOG_H
#define FRAME_PARENT_LOG_H

struct event_base;
struct parent_log;

#define PARENT_LOG_SYSLOG "/dev/log"

/* Makes the pipe the standard error of this process and of those that it starts, and takes this process's lines (log_set_writer); what goes to
 * syslogd at `path` has that daemon's name, where the line has none. NULL and errno. */
struct parent_log *parent_log_new(struct event_base *base, const char *daemon, const char *path);
/* Hands on what is there still; waits for a second at most. Nothing may be logged from now on. */
void parent_log_finish(struct parent_log *log);

#endif
