/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One client from within: what smtp_client.c (the connection), smtp_client_door.c (who comes, and how it is greeted) and
 * smtp_client_filter.c (milters) share. Nobody else includes this. */
#ifndef SMTPD_SMTP_CLIENT_INSIDE_H
#define SMTPD_SMTP_CLIENT_INSIDE_H

#include "smtpd/smtp_client.h"

/* To whom smtp_client_set_guard or guard_is_crowded says that it is so. */
#define SMTP_CROWDED "Too many connections from your address: try again later"

struct smtp_client {
	struct smtp_client *next, **at;
	struct smtp_role *role;
	struct front_client *front;
	struct stream *stream;
	struct smtp smtp;
	uint32_t request; /* pending at auth */
	uint64_t edition; /* of the accounts, when the recipients were looked up; 0: not the same for all */
	struct handin *handin;
	struct buf whose;         /* the account whose mail it is that the recipient who was looked up last gets */
	struct guard *guard;      /* NULL: the client is neither tested nor counted */
	char guarded[64];         /* the address that this was found out for */
	char counted[64];         /* the address that the front counts it by, or would, were it no proxy's */
	struct event *greeter;    /* while the client is not greeted yet */
	struct event *tarpit;     /* while it waits for its next command to be taken, or NULL */
	struct smtp_check *check; /* of the message that is coming, or NULL */
	struct buf fields;        /* what is to stand before it */
	bool held;                /* a rule wants an operator to see it */
	struct filter_question *question; /* of this message, at the filter role */
	struct filtered filtered;         /* while the message is rewritten */
	bool eof;         /* no more input will come */
	bool reading; /* the queue is asked for a descriptor of it for filters */
	bool growing; /* the message's file does not take more at the moment */
	bool awaits_proxy; /* the header of the PROXY protocol comes before all else */
	uint64_t received, progress_seen;
	uint64_t crowd_progress; /* at the last look of smtp_client_crowd.c */
	unsigned crowd_looks;    /* in a row at which that was the same */
	unsigned messages;
	unsigned stuck; /* seconds for which it has awaited the same of us */
	struct event *watch;
};

/* --- smtp_client.c --- */

/* Goes on as far as it can. The client may be gone afterwards. */
void smtp_client_pump(struct smtp_client *client);
/* Writes what the machine has put out: replies, and the message that comes. */
void smtp_client_put_out(struct smtp_client *client);
/* The client is gone; `end` tells the log why. Frees it. */
void smtp_client_leave(struct smtp_client *client, const char *end);

/* --- smtp_client_door.c --- */

/* Greets at once, or in two steps: who takes the first for the greeting, or waits for none, gives itself away. */
void smtp_client_greet(struct smtp_client *client);
/* It comes from outside, and what is found out about it counts. */
bool smtp_client_is_tested(const struct smtp_client *client);
/* Whom a proxy speaks for is somebody else, with a guard of his own; the proxy itself has one only once it brings mail without saying for
 * whom. False: who has got one now has had too many connections. */
bool smtp_client_set_guard(struct smtp_client *client);
/* He counts among the clients at once of his own address: false when there are too many of these. */
bool smtp_client_count(struct smtp_client *client);
/* Still to be greeted: true, and the client may be gone. What it says meanwhile is kept, and noted. */
bool smtp_client_is_early(struct smtp_client *client);
/* SMTP_TARPIT: lets it wait, unless too many do; smtp_waited is called then. */
void smtp_client_tarpit(struct smtp_client *client);
/* It waits no more. */
void smtp_client_leave_tarpit(struct smtp_client *client);
/* SMTP_JUDGE: is the recipient taken from this client? smtp_judged is called then. */
void smtp_client_judge(struct smtp_client *client);

/* --- smtp_client_crowd.c --- */

/* One has come: where there are so many that others may find no place, those of strangers are looked after from then on. */
void smtp_clients_crowd(struct smtp_role *role);

/* --- smtp_client_filter.c --- */

/* SMTP_FILTER: asks the milters about this step. */
void smtp_client_ask_filter(struct smtp_client *client);
/* The answers of this message's questions are not wanted any more. */
void smtp_client_forget_question(struct smtp_client *client);
/* Tells the log that the message is held, and why. */
void smtp_client_log_held(const struct smtp_client *client, struct span why);
/* For handin_ops: what the filters are to read is there. */
void smtp_client_readable(void *context, int fd);
/* It cannot be had: the message is put off. The client may be gone afterwards. */
void smtp_client_unreadable(struct smtp_client *client);
/* For handin_ops: the message's new file is there. */
void smtp_client_rewritten(void *context, enum smtp_stored result);

#endif
