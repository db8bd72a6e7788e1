/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Starting workers by a template: a process of their role that has been executed, linked and configured like any other, and then forks
 * a child for each account. Executing each anew takes twice as long, much of it in the dynamic linker.
 * A template reads nothing but what the parent tells it. Its children have the parent for their parent too, and the same layout of
 * memory: so one of them that crashed is the end of the template, and the next worker has a layout that nobody has learned about. */
#ifndef FRAME_PARENT_TEMPLATE_H
#define FRAME_PARENT_TEMPLATE_H

#include "frame/daemon.h"

struct parent_template {
	pid_t pid;                   /* 0: there is none */
	struct msg_channel *channel;
	unsigned forks;
};

/* What a template is started with. */
struct parent_template_start {
	const struct daemon *daemon;
	const struct daemon_options *options;
	const struct msg_table *messages;
	int conf_fd;
};

/* A worker's pid and the parent's end of its channel, or -errno: the template, if there was one, is gone. Starts one when there is
 * none; waits for it, for it has nothing else to do. */
pid_t parent_template_fork(struct parent_template *tmpl, const struct role *role, const struct parent_template_start *start, int *ret_fd);
/* It ends; harmless when there is none. The parent gets SIGCHLD for a pid that it knows no more. */
void parent_template_drop(struct parent_template *tmpl);
/* That process has ended: true when it was this template, which is none then. */
bool parent_template_ended(struct parent_template *tmpl, pid_t pid);

/* In the process that is to be the template, once it has its configuration: serves the parent. Returns in the children alone, where the
 * parent's channel is the child's own and nothing else has begun. Ends the process when the parent closes the channel. */
void template_serve(struct proc *proc);

#endif
