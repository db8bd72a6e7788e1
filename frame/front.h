/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The front of a daemon: accepts on the sockets the parent bound, within limits, and hands each
 * connection on as a stream. */
#ifndef FRAME_FRONT_H
#define FRAME_FRONT_H

#include "common/stream.h"
#include "frame/auth_client.h"
#include "frame/role.h"

struct front;
struct front_client;

struct front_limits {
	unsigned connections_max;             /* of all clients */
	unsigned connections_per_address_max; /* of one IPv4 address or IPv6 /64 */
	size_t input_max, output_max;         /* a stream's buffers */
	/* Descriptors that each may need, and those that the role has for itself: connections_max is lowered to what there are
	 * descriptors for. 0: it is not looked at. */
	unsigned descriptors_each, descriptors_beside;
	unsigned timeout;                     /* seconds */
	/* Something comes before TLS on this connection, though its listener has TLS from the first byte on: front_begin_tls follows. NULL:
	 * never. */
	bool (*tls_later)(const struct front_client *client, void *context);
	/* Others are behind it: it is not counted by its own address, but by those that front_speaks_for tells. NULL: nobody is. */
	bool (*is_proxy)(const struct front_client *client, void *context);
};

/* A client that was let in. It lives until front_leave. */
struct front_client {
	struct front *front;
	/* already in its TLS handshake when the listener is implicit TLS, but for tls_later */
	struct stream *stream;
	const struct proc_listener *listener;
	char address[64];        /* the peer: "192.0.2.1", "2001:db8::1" */
	uint16_t port;
	void *context;           /* the daemon's */
};

/* Called for each connection: sets the stream's owner. A non-zero answer closes it. */
typedef int (*front_accept)(struct front_client *client, void *context);
/* Sends one line (may be empty) to a client that is over a limit, before it is closed. Borrowed. */
typedef struct span (*front_refusal)(const struct proc_listener *listener, void *context);

/* Opens what it needs (the certificate: the caller runs this before proc_jail). `alpn` as
 * tls_server_new, for as long as the process lives. NULL after a log line when it cannot. */
struct front *front_new(struct proc *proc, const struct front_limits *limits, const char *alpn,
    front_accept accept, front_refusal refusal, void *context);
/* The configuration has changed: how many connections may be there from now on, and how long new ones may be silent. */
void front_set_limits(struct front *front, const struct front_limits *limits);
/* Starts accepting (after proc_jail). */
void front_start(struct front *front);
/* Stops accepting; clients go on. */
void front_stop(struct front *front);
size_t front_client_count(const struct front *front);
/* How many may be there: what the configuration says, or what there are descriptors for. */
size_t front_client_max(const struct front *front);

/* A proxy tells whom this connection is for: it counts by that address (in digits) from now on, and by none told before. False, after a
 * log line, when there are connections_per_address_max from there; it is not counted then, and the caller hangs up. */
bool front_speaks_for(struct front_client *client, const char *address);

/* STARTTLS on this client: as stream_start_tls_server. -EOPNOTSUPP when there is no certificate. */
int front_start_tls(struct front_client *client);
/* TLS on this client of tls_later: as stream_begin_tls_server. -EOPNOTSUPP when there is no certificate. */
int front_begin_tls(struct front_client *client);
bool front_has_tls(const struct front *front);
/* The client is gone or handed over: forgets it (its stream is not touched). Frees client. */
void front_leave(struct front_client *client);
struct auth_client *front_auth(struct front *front);
struct proc *front_proc(struct front *front);

/* What every front's handler table holds for the replies of auth and parent: FRONT_HANDLERS expands
 * to rows that find the front through proc->state, whose first member must be `struct front
 * *front`. */
int front_message(struct msg_channel *channel, struct msg *msg, void *proc);
#define FRONT_HANDLERS                                                                             \
	{ MSG_AUTH_RESULT, front_message }, { MSG_LOOKUP_RESULT, front_message },                  \
	    { MSG_GRANT_CHECKED, front_message },                                                  \
	    { MSG_WORKER, front_message }, { MSG_WORKER_FAILED, front_message },                   \
	    { MSG_WORKER_REFUSED, front_message },                                                 \
	{                                                                                          \
		MSG_TLS_FILE, front_message                                                        \
	}
void front_peer_gone(struct proc *proc, uint8_t role);

#endif
