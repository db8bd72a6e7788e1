/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One request by HTTPS to a host whose certificate must be valid for its name, and the reply. Nobody is followed elsewhere. */
#include <errno.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/stream.h"
#include "common/xalloc.h"
#include "smtpd/https_client.h"
#include "smtpd/resolve.h"
#include "smtpd/tcp_connect.h"

/* For one address to answer. */
#define CONNECT_SECONDS 15
#define ADDRESSES_MAX 4
#define INPUT_MAX 16384

struct https_call {
	struct https_client client;
	char host[DNS_NAME_MAX + 1];
	uint16_t port;
	char *request;
	size_t request_len, reply_max;
	https_done done;
	void *context;
	struct event *deadline, *connecting;
	uint32_t question;
	enum dns_type family;
	struct resolve_address addresses[ADDRESSES_MAX];
	size_t count, next;
	int fd; /* while it connects */
	struct stream *stream;
	struct https_reply reply;
	/* Of the last address. */
	enum https_result result;
	char why[160];
};

static const struct stream_ops ops;
static void next_address(struct https_call *call);

static void
close_connection(struct https_call *call)
{
	if (call->connecting != NULL)
		event_free(call->connecting);
	call->connecting = NULL;
	if (call->fd >= 0)
		(void)close(call->fd);
	call->fd = -1;
	call->stream = stream_free(call->stream);
}

static void
finish(struct https_call *call, enum https_result result, const char *why)
{
	close_connection(call);
	if (call->question != 0)
		dns_cancel(call->client.dns, call->question);
	event_free(call->deadline);
	call->done(call->context, result, &call->reply, why);
	https_reply_free(&call->reply);
	free(call->request);
	free(call);
}

/* Another address may do. */
static void
address_failed(struct https_call *call, enum https_result result, const char *why)
{
	close_connection(call);
	call->result = result;
	(void)snprintf(call->why, sizeof(call->why), "%s", why);
	next_address(call);
}

static void
on_deadline(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	finish(context, HTTPS_FAILED, "the host takes too long");
}

/* --- the reply --- */

static void
on_readable(struct stream *stream, void *context)
{
	struct https_call *call = context;
	size_t used;
	int r;

	if (!stream_is_secure(stream))
		return; /* nothing counts that comes before TLS */
	r = https_reply_input(&call->reply, stream_input(stream), &used);
	stream_consume(stream, used);
	if (r == 0)
		finish(call, HTTPS_REPLIED, "");
	else if (r < 0)
		finish(call, HTTPS_FAILED, r == -EMSGSIZE ? "the host's reply is too long" : "the host's reply is not HTTP");
}

static void
on_ended(struct stream *stream, void *context, enum stream_end end)
{
	struct https_call *call = context;

	if (end == STREAM_TLS_FAILED && !stream_is_secure(stream))
		address_failed(call, HTTPS_UNTRUSTED, stream_tls_error(stream));
	else if (end == STREAM_EOF && https_reply_end(&call->reply) == 0)
		finish(call, HTTPS_REPLIED, "");
	else
		address_failed(call, HTTPS_FAILED, "the host closed the connection");
}

static const struct stream_ops ops = { .readable = on_readable, .ended = on_ended };

/* --- connecting --- */

static void
on_connect(evutil_socket_t fd, short what, void *context)
{
	struct https_call *call = context;
	int error = what == EV_TIMEOUT ? ETIMEDOUT : tcp_connected(fd);
	SSL *ssl;

	if (error != 0) {
		address_failed(call, HTTPS_FAILED, strerrordesc_np(error));
		return;
	}
	event_free(call->connecting);
	call->connecting = NULL;
	call->stream = stream_new(call->client.base, call->fd, &ops, call, INPUT_MAX, call->request_len + 1);
	call->fd = -1;
	https_reply_free(&call->reply);
	https_reply_init(&call->reply, call->reply_max);
	if (stream_start_tls_client(call->stream, call->client.tls, call->host) < 0) {
		address_failed(call, HTTPS_FAILED, "the host's name cannot be one of TLS");
		return;
	}
	/* Names stand in subjectAltName alone (RFC 8461 section 3.3). */
	ssl = stream_tls_settings(call->stream);
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	(void)stream_write(call->stream, span_make(call->request, call->request_len));
}

static void
next_address(struct https_call *call)
{
	const struct timeval patience = { CONNECT_SECONDS, 0 };
	int fd = -EHOSTUNREACH;

	while (fd < 0 && call->next < call->count) {
		fd = tcp_connect(&call->addresses[call->next++], call->port);
		if (fd < 0) {
			call->result = HTTPS_FAILED;
			(void)snprintf(call->why, sizeof(call->why), "%s", strerrordesc_np(-fd));
		}
	}
	if (fd < 0) {
		finish(call, call->result, call->why);
		return;
	}
	call->fd = fd;
	call->connecting = event_new(call->client.base, fd, EV_WRITE, on_connect, call);
	if (call->connecting == NULL)
		abort();
	(void)event_add(call->connecting, &patience);
}

/* --- addresses --- */

static void
on_addresses(void *context, const struct dns_answer *answer)
{
	struct https_call *call = context;

	call->question = 0;
	/* Room is kept for both families. */
	for (size_t i = 0; i < answer->count && call->count < (call->family == DNS_AAAA ? ADDRESSES_MAX / 2 : ADDRESSES_MAX); i++) {
		struct span data = answer->records[i].data;
		struct resolve_address *address = &call->addresses[call->count++];

		address->len = (uint8_t)data.len; /* 4 or 16 by dns_get */
		memcpy(address->bytes, data.ptr, data.len);
	}
	if (call->family == DNS_AAAA) {
		call->family = DNS_A;
		call->question = dns_ask(call->client.dns, span_of(call->host), DNS_A, on_addresses, call);
	} else {
		next_address(call);
	}
}

void
https_call(const struct https_client *client, const char *host, uint16_t port, struct span request, size_t reply_max, unsigned seconds,
    https_done done, void *context)
{
	const struct timeval patience = { seconds, 0 };
	struct https_call *call = xcalloc(1, sizeof(*call));

	*call = (struct https_call){ .client = *client, .port = port, .request = xmemdup(request.ptr, request.len), .request_len = request.len, .reply_max = reply_max,
		.done = done, .context = context, .fd = -1, .family = DNS_AAAA, .result = HTTPS_FAILED, .why = "the host has no address" };
	(void)snprintf(call->host, sizeof(call->host), "%s", host);
	https_reply_init(&call->reply, reply_max);
	call->deadline = evtimer_new(client->base, on_deadline, call);
	if (call->deadline == NULL)
		abort();
	(void)event_add(call->deadline, &patience);
	call->question = dns_ask(client->dns, span_of(call->host), DNS_AAAA, on_addresses, call);
}
