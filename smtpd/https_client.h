/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Requests by HTTPS, of whoever may connect. */
#ifndef SMTPD_HTTPS_CLIENT_H
#define SMTPD_HTTPS_CLIENT_H

#include "smtpd/dns_client.h"
#include "smtpd/https_reply.h"

struct event_base;
struct ssl_ctx_st;

struct https_client {
	struct event_base *base;
	struct ssl_ctx_st *tls; /* verifies hosts */
	struct dns_client *dns;
};

enum https_result {
	HTTPS_REPLIED,
	HTTPS_UNTRUSTED, /* the host's certificate is not valid, or TLS failed otherwise */
	HTTPS_FAILED,
};

/* reply: whole with HTTPS_REPLIED alone, borrowed for the call. why: else what is wrong, for the log. */
typedef void (*https_done)(void *context, enum https_result result, const struct https_reply *reply, const char *why);
/* Connects to the host (a name of the DNS) at that port, to one address after another, sends the request (all of it: copied), and takes a
 * reply whose body has at most so many bytes. It all takes so many seconds at most; the callback runs once, later. */
void https_call(const struct https_client *client, const char *host, uint16_t port, struct span request, size_t reply_max, unsigned seconds,
    https_done done, void *context);

#endif
