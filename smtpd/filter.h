/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Inside the filter role: messages that milters are asked about, and the connections to them. */
#ifndef SMTPD_FILTER_H
#define SMTPD_FILTER_H

#include "common/envelope.h"
#include "frame/asked.h"
#include "frame/role.h"
#include "smtpd/milter_state.h"

#define FILTER_MILTERS_MAX 8
/* Recipients that milters add to one message, or take away: all that it may have, when it goes to somebody else instead. */
#define FILTER_RCPTS_MAX ENVELOPE_RECIPIENTS_MAX
#define FILTER_REASON_MAX 200
/* Messages at once: far above what the limits on clients allow (connections_max). */
#define FILTER_JOBS_MAX 120000

struct filter_job;
struct filter_conn;

struct filter_role {
	struct proc *proc;
	struct filter_job *jobs;
	size_t count;
	struct asked_table connecting; /* connections that the parent makes */
};

/* --- filter_job.c: one message, and the milters in their order --- */

/* The handler of FILTER_MAIL, FILTER_RCPT, FILTER_TEXT and FILTER_END. 0 or -EBADMSG. */
int filter_job_message(struct filter_role *role, struct msg *msg);
/* The smtp role is gone, and with it everybody who waits. */
void filter_job_drop_all(struct filter_role *role);
struct filter_role *filter_job_role(const struct filter_job *job);
/* A milter has answered the request, or cannot. */
void filter_job_answered(struct filter_job *job, enum milter_verdict verdict, const char *reply);
/* It changes the message: 0, or -errno when that cannot be done, which fails the request. */
int filter_job_change(struct filter_job *job, const struct milter_packet *packet);
/* It fails before its final answer: what it has changed so far is undone. */
void filter_job_undo(struct filter_job *job);
/* The next piece of the body; empty at its end. Borrowed until the next call. 0 or -errno. */
int filter_job_piece(struct filter_job *job, struct span *ret_piece);

/* --- filter_edit.c: what milters have made of a message --- */

/* What is to become of an address, by the last word on it. */
struct filter_rcpt {
	char *address;
	bool added; /* or taken away */
};

/* Of the message and its envelope, all that milters can change. */
struct filter_made {
	struct buf header;        /* but for our own trace field, which milters do not see */
	uint64_t body_len;
	int body;                 /* the new body, or -1 */
	bool changed, held;
	char *reason;             /* of being held, or NULL */
	char *sender;             /* the new one, or NULL */
	struct filter_rcpt *rcpts; /* each address once, in the order of what was said last of each */
	size_t rcpt_count;
};

struct filter_edit {
	int fd;                   /* the message as it came: owned, or -1 */
	uint64_t at, end;         /* where it stands in the file */
	struct buf trace;         /* our own trace field */
	uint64_t body_at;
	struct filter_made made;
	struct filter_made before; /* what stood before the milter whose turn it is; its body may be that of `made` */
	bool pending;             /* that one has changed something: there is a `before` */
	uint64_t size_max;        /* of a new body */
};

void filter_edit_init(struct filter_edit *edit, uint64_t size_max);
void filter_edit_free(struct filter_edit *edit);
/* Takes the message over and reads its header. 0 or -errno. */
int filter_edit_load(struct filter_edit *edit, int fd, uint64_t at, uint64_t len);
/* As filter_job_change. A change that no message can have is left out, with a line in the log. */
int filter_edit_change(struct filter_edit *edit, const struct milter_packet *packet);
/* The body of FILTERED behind the reply, and *ret_fd as smtpd_msg.def says (or -1). 0 or -errno. */
int filter_edit_put(const struct filter_edit *edit, struct msg_writer *body, int *ret_fd);
/* The body of FILTER_RCPTS from that one of `rcpts` on, with as many as have room. Returns how many. */
size_t filter_edit_put_rcpts(const struct filter_edit *edit, size_t from, struct msg_writer *body);
/* Reads a piece of the body as it is now. The bytes read, 0 at the end, or -errno. */
ssize_t filter_edit_read(const struct filter_edit *edit, uint64_t from, char *bytes, size_t len);
/* The milter whose turn it was is done: its changes stand, and those that follow are another's, whose first piece of a body begins a new one. */
void filter_edit_settle(struct filter_edit *edit);
/* It has failed: all is as it was before its turn. */
void filter_edit_undo(struct filter_edit *edit);

/* --- filter_conn.c: the connection to one milter, for one message --- */

/* To that one of the milters. */
struct filter_conn *filter_conn_new(struct filter_job *job, size_t which, const struct milter_client *client);
/* CONNECTED. 0 or -EBADMSG. */
int filter_conn_connected(struct filter_role *role, struct msg *msg);
struct filter_conn *filter_conn_free(struct filter_conn *conn);
/* Each ends with filter_job_answered, now or later. */
void filter_conn_mail(struct filter_conn *conn);
void filter_conn_rcpt(struct filter_conn *conn, struct span rcpt);
void filter_conn_text(struct filter_conn *conn, struct span queue_id, struct span header);

#endif
