/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One connection from within: what relay_conn.c (the connection), relay_conn_open.c (its socket) and relay_message.c (the message that it
 * carries) share. Nobody else includes this. */
#ifndef SMTPD_RELAY_CONN_H
#define SMTPD_RELAY_CONN_H

#include <event2/util.h>

#include "smtpd/relay.h"
#include "smtpd/sign_state.h"

/* Commands of one transaction, or some chunks of a message. */
#define RELAY_CONN_OUTPUT_MAX (RELAY_OUT_MAX + SIGNING_FIELDS_MAX + RELAY_DATA_ROOM(RELAY_TEXT_PIECE))

struct relay_conn {
	struct relay_role *role;
	struct relay_job *job;       /* NULL: idle, or saying goodbye */
	struct relay_conn *next, **at; /* among the idle ones */
	char *destination;
	char *name;
	struct relay_demand *demand;
	struct resolve_address address;
	uint16_t port;
	char host[VERDICT_HOST_MAX];
	int fd;                      /* while it connects */
	int refused;                 /* -errno of a connection that failed at once */
	struct event *connecting, *timer;
	struct stream *stream;
	struct relay_state state;
	struct relay_reply reply;
	unsigned messages;           /* begun on this connection */
	bool told, reported;         /* the log knows of it; so does the report on TLS */
	bool tls_first;              /* TLS comes before the greeting */
	bool silent;                 /* it said nothing in time before it was ready for mail */
	bool was_silent;             /* so did one before */
	int64_t patience;            /* it had so many seconds to be ready */
	struct relay_sign *signing;  /* the message is being signed, or NULL */
	struct buf fields;           /* the signatures, until they are sent */
	struct relay_text text;      /* the message as it is sent */
	struct relay_data data;
	char *user, *password;       /* for the next hop, or NULL */
};

/* --- relay_conn.c --- */

/* Writes `out` and does what the machine wants. The connection may be gone afterwards. */
void relay_conn_act(struct relay_conn *conn, enum relay_action action, struct buf *out);
/* Nothing is to be said at the moment: begins the job's message, or rests. The connection may be gone afterwards. */
void relay_conn_ready(struct relay_conn *conn);
/* The connection broke, the host is silent, or the message cannot be had: frees the connection. */
void relay_conn_fail(struct relay_conn *conn, const char *status, const char *text);
/* The host takes no more messages on this connection, which says nothing about the host: frees the connection, and its job, which it has, has
 * another. */
void relay_conn_stale(struct relay_conn *conn);
/* Until something must have happened; 0: no limit. */
void relay_conn_set_timer(struct relay_conn *conn, unsigned seconds);
/* As the machine says. */
void relay_conn_set_timeout(struct relay_conn *conn);
/* Frees the connection; its job, if it has one, is not told. */
void relay_conn_forget(struct relay_conn *conn);
/* What is left of the job has another connection, to the same address where the job has looked for it; when the role stops it has none, and is gone. Frees
 * this one. */
void relay_conn_open_again(struct relay_conn *conn);
/* Begins the handshake. The connection may be gone afterwards. */
void relay_conn_start_tls(struct relay_conn *conn);
/* TLS was begun and did not come to stand, for that reason: the mail goes without where nothing demands it, and to another host, or waits,
 * where something does. Frees the connection. */
void relay_conn_tls_broke(struct relay_conn *conn, const char *why);
/* What the reports of RFC 8460 are to tell of the connection, once. */
void relay_conn_report(struct relay_conn *conn, enum tlsrpt_result result, const char *reason);
/* What the host was found to do on other connections counts for this one. */
void relay_conn_use_habit(struct relay_conn *conn);
/* Of conn->timer. */
void relay_conn_on_timer(evutil_socket_t fd, short what, void *context);

/* --- relay_message.c --- */

/* Begins the transaction of the job's message, once it is signed. The connection may be gone afterwards. */
void relay_message_begin(struct relay_conn *conn);
/* It was not signed in time, or at all: it waits in the queue. */
void relay_message_unsigned(struct relay_conn *conn, int r);
/* There is room for more of it, when the machine wants it. The connection may be gone afterwards. */
void relay_message_go_on(struct relay_conn *conn);

#endif
