/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What is around a traced process that waits for others: those others (the director, a program at the other end of a socket, who acts
 * only while the process stands still) and the clock, which goes on when the director lets it. So what the process does depends on nothing
 * but what the director does.
 *
 * To the director: "jailed", "wait MILLISECONDS" (or -1: for ever) and "sent" (a message went out). It answers with any of
 *   lLINE NUL BYTES   for the log: what it did to the files itself
 *   c, u              the calls count from here, or do not any more
 * and then one of
 *   g                 go on
 *   p                 go on, and the time that was to be waited has passed
 *   k                 it is enough */
#ifndef TESTS_CRASH_WORLD_H
#define TESTS_CRASH_WORLD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/types.h>

struct world {
	pid_t pid;
	int director;
	FILE *log, *data;           /* or NULL */
	unsigned marks;             /* 1: the calls count */
	unsigned long long passed;  /* milliseconds that nobody waited for */
	bool ended;
	struct __ptrace_syscall_info entry;
};

/* The process stands behind its exec(2): it is to ask the kernel for the time. */
void world_begin(struct world *world);
/* At the entry of a call, and at its end. */
void world_entry(struct world *world, const struct __ptrace_syscall_info *info);
void world_exit(struct world *world, const struct __ptrace_syscall_info *info);
/* What would not be a call without us, and is never made to fail. */
bool world_is_clock(uint64_t call);

#endif
