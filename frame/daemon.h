/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Inside the frame: what daemon_main, the parent and the start of a role know of each other. */
#ifndef FRAME_DAEMON_H
#define FRAME_DAEMON_H

#include "frame/role.h"

/* The channel to the parent in every role's process. */
#define ROLE_PARENT_FD 3
#define DAEMON_TABLES 2

struct daemon_options {
	const char *conf_path;
	bool background, debug;
	const char *probe; /* -J: ROLE or ROLE:ACCOUNT */
};

/* The tables of a daemon's configuration, the shared rows first. */
void daemon_tables(const struct daemon *daemon, const struct conf_table *ret_tables[DAEMON_TABLES]);
/* The frame's rows and the daemon's. The arrays are static: one daemon in a process. */
struct msg_table daemon_messages(const struct daemon *daemon);

/* The parent's whole life; its result is the exit status. Takes over conf. */
int proc_parent(const struct daemon *daemon, void *conf, const struct daemon_options *options);
/* A role's whole life, from the parent's first message on. */
int role_main(const struct daemon *daemon, const char *role_name, bool background, bool debug);
/* Remembers where argv stands, for proc_title. */
void proc_title_init(int argc, char **argv);

#endif
