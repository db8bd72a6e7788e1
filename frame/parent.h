/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Inside the parent: binding sockets, starting processes. */
#ifndef FRAME_PARENT_H
#define FRAME_PARENT_H

#include "frame/role.h"

struct addrinfo;

/* The address that a listening option names ("192.0.2.1:25", "[::]:25", "*:25"), for freeaddrinfo(3). Names are not looked up.
 * NULL when it is none. */
struct addrinfo *parent_address(const char *text);

/* The option names a Unix socket by its path, which is short enough for one. */
bool parent_is_path(const char *text);

/* Binds every address of the daemon's listening options. Each fault is logged. Returns how many were bound, or -1. */
int parent_listen(const struct daemon *daemon, const void *conf, struct proc_listener listeners[PROC_LISTENERS_MAX]);

/* Connects to the Unix socket that stands there in the role's list of `connections`, with the role's uid and groups. A descriptor, which
 * does not block, or -errno; -EBADMSG: no role to be connected. */
int parent_connect(const struct daemon *daemon, const void *conf, const struct role *role, bool as_root, size_t which);

/* Forks and re-executes this program as that role. Returns the pid and the parent's end of its channel, or -errno. */
pid_t parent_exec(const struct role *role, const struct daemon *daemon, bool background, bool debug, int *ret_fd);
/* Opens this program for parent_exec: before anything else, so that an upgrade on disk does not mix versions. 0 or -errno. */
int parent_exec_init(void);

#endif
