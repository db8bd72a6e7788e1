/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Roles and the daemon they make: the tables each main.c fills in, and what a role's process is given when it starts. */
#ifndef FRAME_ROLE_H
#define FRAME_ROLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/conf.h"
#include "common/jail.h"
#include "common/msg.h"
#include "libmailstore/mailstore.h"

struct event_base;
struct proc;
struct proc_handler;

enum role_id {
	ROLE_PARENT = 0,
	ROLE_FRONT = 1,  /* smtp, login, http: the network */
	ROLE_KEY = 2,
	ROLE_AUTH = 3,
	ROLE_WORKER = 4, /* deliver, session: one account, started on demand */
	ROLE_OWN = 5,    /* from here on the daemon's own */
	ROLE_MAX = 12,
};

#define ROLE_BIT(role) (1u << (role))

struct role {
	uint8_t id;
	const char *name;           /* "smtp", "key", ...: -x NAME, the log, the process title */
	int (*run)(struct proc *);  /* proc_<name>: jails itself, runs the loop; its result is the exit status */
	unsigned peers;             /* ROLE_BIT of the permanent roles it talks with (say it on one side, or on both) */
	unsigned spawned_by;        /* for roles started on demand: ROLE_BIT of who may be handed its channel; 0: permanent */
	uint8_t companion;          /* a role started with each worker and joined to it by a channel (render), or 0 */
};

/* An option (LIST of addresses) whose sockets the parent binds and hands to the front. */
struct role_listener {
	size_t offset;  /* of the struct conf_list in the daemon's configuration */
	uint8_t kind;   /* the daemon's own number: smtp, submission, ... */
	const char *name;
	bool tls;       /* TLS from the first byte */
	bool path;      /* "/path" names a Unix socket */
};

/* An option (LIST) whose "unix:/path" the parent connects to for a role, which sees no file. */
struct role_connection {
	size_t offset; /* of the struct conf_list in the daemon's configuration */
	uint8_t role;
};

/* A file (an option with its path, empty for none) that the parent hands to a role, which opens none itself: before its start, and at a reload. */
struct role_file {
	size_t offset; /* of the path in the daemon's configuration */
	uint8_t role;
	uint16_t type; /* of the message with the open file */
	bool optional; /* the daemon runs without: what cannot be read is not handed over, and at a reload the role keeps what it has */
};

/* Keys that a daemon's key role holds beside that of TLS. */
struct role_keys {
	/* Reads them, as they were handed over (proc_read_file). False, after a log line, when the daemon cannot run without. */
	bool (*load)(struct proc *);
	void (*reload)(struct proc *); /* conf has been replaced */
	const struct proc_handler *handlers;
	size_t handler_count;
};

struct daemon {
	const char *name;
	uint8_t number; /* its own among the suite's daemons, from 1: counts numeric uids apart */
	const struct role *roles;
	size_t role_count;
	const struct role_listener *listeners;
	size_t listener_count;
	const struct msg_row *messages; /* the daemon's own rows; those of the frame are added */
	size_t message_count;
	const struct conf_table *conf_table; /* the daemon's own options */
	size_t conf_size;                    /* of its structure, which begins with struct fourpost_conf */
	/* Puts options into the form in which they are used; before the check. May be NULL. */
	void (*conf_fill)(void *conf);
	/* Checks what tables cannot (one option against another); appends sentences to errors. May be NULL. */
	void (*conf_check)(const void *conf, struct buf *errors);
	const struct role_file *files; /* beside certificate and key */
	size_t file_count;
	const struct role_connection *connections;
	size_t connection_count;
	const struct role_keys *keys; /* or NULL */
	bool takes_mail; /* its auth role has the aliases and the secrets of SRS */
	/* The address that mail to postmaster goes to; until the next call. May be NULL. */
	const char *(*postmaster)(const void *conf);
	/* Looks at files that options name, in a process that ends with it; appends sentences to errors. May be NULL. */
	void (*file_check)(const void *conf, struct buf *errors);
	/* -T FILE: appends what is thought of a stored message, -R: with the network's help. 0 or -errno. May be NULL. */
	int (*explain)(const void *conf, const char *path, bool ask, struct buf *out);
	/* Makes folders that the daemon's roles need, as root, before they start: 0 or -errno, with a log line. May be NULL. */
	int (*prepare)(const void *conf, const struct daemon *daemon);
	/* The parent has got another process number since (-b). May be NULL. */
	void (*settled)(void);
};

/* Everything main() does. */
int daemon_main(const struct daemon *daemon, int argc, char **argv);

/* The uid and gid a permanent role runs as under root: role_uid_base + 16 * number + role id, or those of the user named
 * <role_user_prefix><daemon>-<role>. All auth roles share the group that may read the accounts database: role_uid_base + 1, or
 * the primary group of the named users. 0, or -ENOENT when there is no such user. */
int role_ids(const struct fourpost_conf *conf, const struct daemon *daemon, const struct role *role, uid_t *ret_uid, gid_t *ret_gid);

struct proc_listener {
	int fd;
	uint8_t kind;
	bool tls;
	char name[124]; /* "submission 127.0.0.1:587" */
};

/* One handler of a role: messages of this type are given to it. */
struct proc_handler {
	uint16_t type;
	msg_handler handle; /* context is the struct proc */
};

#define PROC_LISTENERS_MAX 64
#define PROC_FILES_MAX 8

/* What a role's process has when proc_<role>() is entered. */
struct proc {
	const struct daemon *daemon;
	const struct role *role;
	const void *conf;            /* the daemon's structure; cast to it */
	const struct fourpost_conf *common;
	struct event_base *base;
	struct msg_table messages;
	struct msg_channel *parent;
	struct msg_channel *peers[ROLE_MAX]; /* by role id; NULL when there is none (or it is being restarted) */
	struct proc_listener listeners[PROC_LISTENERS_MAX]; /* the front's */
	size_t listener_count;
	struct {
		uint16_t type;
		int fd;
	} files[PROC_FILES_MAX]; /* that the parent handed over, until proc_read_file */
	size_t file_count;
	/* A worker's account: address, its uid, its folder (absolute; exists, owned by that uid, mode 0700). */
	char *account;
	char *account_dir;
	char *account_path;          /* the folder below accounts_dir, as the parent has it from auth */
	uid_t account_uid;
	struct ms_quota quota;
	bool as_root;                /* started as root: uids and chroots are real */
	struct event *rejoin;        /* while channels to peers are missing, or NULL */
	unsigned lost_peers;         /* ROLE_BIT of those whose channels are missing, and the log says so */
	bool one_at_a_time;          /* of each peer in a turn of the loop: its messages take long (key) */
	unsigned quiet_peers;        /* ROLE_BIT of peers whose channel the loop does not read: the role asks and waits (key) */

	void *state;                 /* the role's own */
	const struct proc_handler *handlers;
	size_t handler_count;
	/* May be NULL: a peer's channel went away (its replies will not come) or came (back): the peer ends and is started anew, or both stay and have
	 * another channel. */
	void (*peer_gone)(struct proc *, uint8_t role);
	void (*peer_here)(struct proc *, uint8_t role);
	void (*reload)(struct proc *); /* conf has been replaced */
	void (*stop)(struct proc *);   /* SIGTERM / the parent's word: finish, then proc_exit. NULL: exit at once */
	bool stopping;               /* the parent has said so */
	bool probe;                  /* -J: proc_jail tries the jail and exits */
	int status;                  /* of proc_exit */
};

/* Appends the file that came with a message of this type before the start, and closes it. 0, -ENOENT when none came, or as read_open_file. */
int proc_read_file(struct proc *proc, uint16_t type, struct buf *out);

/* Jails the process (uid and gid by role_ids, or the account's for workers, unless the jail names others). Ends the process
 * with a log line when a step fails. A worker then tells the parent that it is ready: who asked for it hears of it no sooner. With -J it then tries what must be refused, prints, and exits. */
void proc_jail(struct proc *proc, struct jail *jail);
/* Runs the loop until proc_exit. Returns the exit status. */
int proc_loop(struct proc *proc);
void proc_exit(struct proc *proc, int status);

/* Sends to a permanent peer: msg_send, or -EPIPE when it is not there. */
int proc_send(struct proc *proc, uint8_t role, uint16_t type, uint32_t id, const struct msg_writer *body, int fd);

/* Shows what the process is doing in ps(1): "imapd: session alice@example.test". */
void proc_title(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The two roles every daemon has. Rows: { ROLE_KEY, "key", proc_key, ... }, { ROLE_AUTH, "auth", proc_auth, ... }. */
int proc_key(struct proc *proc);
int proc_auth(struct proc *proc);

#endif
