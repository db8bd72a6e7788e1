/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The parent's own: its children, and what it does with them. */
#ifndef FRAME_PARENT_INTERNAL_H
#define FRAME_PARENT_INTERNAL_H

#include <event2/util.h>
#include <time.h>

#include "frame/daemon.h"
#include "frame/parent.h"
#include "frame/parent_files.h"
#include "frame/parent_template.h"

struct parent_log;

struct child {
	struct child *next;
	const struct role *role;
	pid_t pid;
	struct msg_channel *channel;
	time_t started;
	uint64_t number;    /* no other child ever had it, as one may have had its pid */
	char *account;      /* a worker's */
	uint64_t requester; /* a worker's: the number of the child that it was handed to, which alone may have it killed */
	uint32_t request;   /* and what that had asked for it by */
	bool end_wanted;
	uint32_t end_request; /* which is answered when it has ended */
	struct parent *parent;  /* of one with patience */
	uid_t uid;
	bool starting;          /* a worker that is not ready yet */
	int handed;             /* while it starts: the requester's end of the channel to it */
	struct event *patience; /* a worker's, or NULL: when it is killed, since it has not become ready, or not ended */
	bool hung;              /* it was killed for that: another of the account would hang as well */
};

/* How a permanent role fares that has ended. */
struct parent_comeback {
	struct parent *parent;
	const struct role *role;
	struct event *timer; /* or NULL; pending: until it is started again */
	unsigned early_ends; /* in a row */
	bool worked;         /* one of its processes has */
};

struct parent {
	const struct daemon *daemon;
	const struct daemon_options *options;
	void *conf;
	const struct fourpost_conf *common;
	int conf_fd;
	struct buf of_start; /* what conf_of_start said then */
	struct parent_files files;
	struct parent_log *log; /* in the background */
	bool as_root, stopping;
	struct event_base *base;
	struct msg_table messages;
	struct proc_listener listeners[PROC_LISTENERS_MAX];
	int listener_count;
	struct child *children;
	uint64_t last_number; /* of a child */
	size_t workers;
	struct parent_template templates[ROLE_MAX]; /* of roles that are started on demand */
	struct parent_comeback comebacks[ROLE_MAX];
	int status;
};

/* --- telling a child what it needs: 0 or -errno --- */

/* The configuration as sealed memory: roles read it in their jails, none can change it for another. A descriptor, or -1. */
int parent_make_conf(const struct parent *parent, const void *conf);
int child_send_conf(const struct parent *parent, struct child *child);
/* path: of its folder, below accounts_dir. */
int child_send_account(struct child *child, uid_t uid, const struct ms_quota *quota, struct span address, struct span path);
/* Takes fd over: its end of a channel to that role. */
int child_send_peer(struct child *child, uint8_t peer, int fd);
/* A channel between two children, one end each. */
int child_join(struct child *a, struct child *b);
/* Joins a permanent role to those of its peers that stand, and gives it the sockets it listens on. */
int child_wire(struct parent *parent, struct child *child);
/* Last: it begins. */
int child_send_start(const struct parent *parent, struct child *child);

/* --- children --- */

/* NULL: the daemon has none of that number. */
const struct role *parent_find_role(const struct parent *parent, uint8_t id);
/* False for workers and their companions. */
bool parent_is_permanent(const struct parent *parent, const struct role *role);
/* The permanent role's process that can be told something; or NULL. */
struct child *parent_find_child(const struct parent *parent, uint8_t id);
/* With its configuration and its files. NULL, after a log line. */
struct child *parent_start_child(struct parent *parent, const struct role *role);
/* A worker has ended: says so to who wanted that, or that it could not be started to who still waits for it. */
void parent_worker_ended(const struct parent *parent, struct child *worker);
/* It has ended. Frees it. */
void parent_forget_child(struct parent *parent, struct child *child);
void parent_drop_templates(struct parent *parent);
/* Seconds since some moment. */
time_t parent_now(void);

/* --- their ends --- */

/* A permanent role's process has ended, soon after its start or not: it is started again, now or after a pause; or the daemon stops. */
void parent_restart(struct parent *parent, const struct role *role, bool early);
/* What kept roles from working may be mended: those that wait are started now. */
void parent_restart_waiting(struct parent *parent);
/* Ends all children, then the loop. */
void parent_stop(struct parent *parent, int status);

/* --- what happens: of the channels to children, with the struct parent as context, and at SIGHUP --- */

int parent_on_message(struct msg_channel *channel, struct msg *msg, void *context);
void parent_on_closed(struct msg_channel *channel, int error, void *context);
void parent_on_reload(evutil_socket_t signal_number, short what, void *context);

#endif
