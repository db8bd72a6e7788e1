/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One policy by HTTPS: RFC 8461 section 3.3. The host's certificate must be valid for its name, nothing but 200 and text/plain counts,
 * and nobody is followed elsewhere. */
#include <errno.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/stream.h"
#include "common/xalloc.h"
#include "smtpd/https_reply.h"
#include "smtpd/policy.h"
#include "smtpd/resolve.h"
#include "smtpd/tcp_connect.h"

#define HTTPS_PORT 443
/* For all of it; for one address to answer. */
#define FETCH_SECONDS 60
#define CONNECT_SECONDS 15
#define ADDRESSES_MAX 4
#define INPUT_MAX 16384
#define OUTPUT_MAX 4096
#define PREFIX "mta-sts."

struct policy_fetch {
	struct policy_role *role;
	char host[sizeof(PREFIX) + DNS_NAME_MAX];
	policy_fetched done;
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
	enum sts_fault fault;
	char why[160];
};

static const struct stream_ops ops;
static void next_address(struct policy_fetch *fetch);

static void
close_connection(struct policy_fetch *fetch)
{
	if (fetch->connecting != NULL)
		event_free(fetch->connecting);
	fetch->connecting = NULL;
	if (fetch->fd >= 0)
		(void)close(fetch->fd);
	fetch->fd = -1;
	fetch->stream = stream_free(fetch->stream);
}

static void
finish(struct policy_fetch *fetch, enum sts_fault fault, struct span text)
{
	close_connection(fetch);
	if (fetch->question != 0)
		dns_cancel(fetch->role->dns, fetch->question);
	event_free(fetch->deadline);
	fetch->done(fetch->context, fault, text);
	https_reply_free(&fetch->reply);
	free(fetch);
}

static void
finish_saying(struct policy_fetch *fetch, enum sts_fault fault, const char *why)
{
	finish(fetch, fault, span_of(why));
}

/* Another address may do. */
static void
address_failed(struct policy_fetch *fetch, enum sts_fault fault, const char *why)
{
	close_connection(fetch);
	fetch->fault = fault;
	(void)snprintf(fetch->why, sizeof(fetch->why), "%s", why);
	next_address(fetch);
}

static void
on_deadline(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	finish_saying(context, STS_FETCH_ERROR, "the policy host takes too long");
}

/* --- the reply --- */

static void
on_whole(struct policy_fetch *fetch)
{
	char why[64];

	if (fetch->reply.status != 200) {
		(void)snprintf(why, sizeof(why), "the policy host answers %u", fetch->reply.status);
		finish_saying(fetch, STS_FETCH_ERROR, why);
	} else if (!fetch->reply.is_text) {
		finish_saying(fetch, STS_INVALID, "the policy is not text/plain");
	} else {
		finish(fetch, STS_GOOD, buf_get(&fetch->reply.body));
	}
}

static void
on_readable(struct stream *stream, void *context)
{
	struct policy_fetch *fetch = context;
	size_t used;
	int r;

	if (!stream_is_secure(stream))
		return; /* nothing counts that comes before TLS */
	r = https_reply_input(&fetch->reply, stream_input(stream), &used);
	stream_consume(stream, used);
	if (r == 0)
		on_whole(fetch);
	else if (r < 0)
		finish_saying(fetch, STS_FETCH_ERROR, r == -EMSGSIZE ? "the policy host's reply is too long" : "the policy host's reply is not HTTP");
}

static void
on_ended(struct stream *stream, void *context, enum stream_end end)
{
	struct policy_fetch *fetch = context;

	if (end == STREAM_TLS_FAILED && !stream_is_secure(stream))
		address_failed(fetch, STS_WEBPKI_INVALID, stream_tls_error(stream));
	else if (end == STREAM_EOF && https_reply_end(&fetch->reply) == 0)
		on_whole(fetch);
	else
		address_failed(fetch, STS_FETCH_ERROR, "the policy host closed the connection");
}

static const struct stream_ops ops = { .readable = on_readable, .ended = on_ended };

/* --- connecting --- */

static void
say(struct policy_fetch *fetch)
{
	struct buf request = BUF_INIT(OUTPUT_MAX);

	(void)buf_fmt(&request, "GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: %s\r\nUser-Agent: Fourpost\r\nAccept: text/plain\r\nConnection: close\r\n\r\n",
	    fetch->host);
	(void)stream_write(fetch->stream, buf_get(&request));
	buf_free(&request);
}

static void
on_connect(evutil_socket_t fd, short what, void *context)
{
	struct policy_fetch *fetch = context;
	int error = what == EV_TIMEOUT ? ETIMEDOUT : tcp_connected(fd);
	SSL *ssl;

	if (error != 0) {
		address_failed(fetch, STS_FETCH_ERROR, strerrordesc_np(error));
		return;
	}
	event_free(fetch->connecting);
	fetch->connecting = NULL;
	fetch->stream = stream_new(fetch->role->proc->base, fetch->fd, &ops, fetch, INPUT_MAX, OUTPUT_MAX);
	fetch->fd = -1;
	https_reply_free(&fetch->reply);
	https_reply_init(&fetch->reply, STS_FETCHED_MAX);
	if (stream_start_tls_client(fetch->stream, fetch->role->tls, fetch->host) < 0) {
		address_failed(fetch, STS_FETCH_ERROR, "the policy host's name cannot be one of TLS");
		return;
	}
	/* Names stand in subjectAltName alone (section 3.3). */
	ssl = stream_tls_settings(fetch->stream);
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	say(fetch);
}

static void
next_address(struct policy_fetch *fetch)
{
	const struct timeval patience = { CONNECT_SECONDS, 0 };
	int fd = -EHOSTUNREACH;

	while (fd < 0 && fetch->next < fetch->count) {
		fd = tcp_connect(&fetch->addresses[fetch->next++], HTTPS_PORT);
		if (fd < 0) {
			fetch->fault = STS_FETCH_ERROR;
			(void)snprintf(fetch->why, sizeof(fetch->why), "%s", strerrordesc_np(-fd));
		}
	}
	if (fd < 0) {
		finish_saying(fetch, fetch->fault, fetch->why);
		return;
	}
	fetch->fd = fd;
	fetch->connecting = event_new(fetch->role->proc->base, fd, EV_WRITE, on_connect, fetch);
	if (fetch->connecting == NULL)
		abort();
	(void)event_add(fetch->connecting, &patience);
}

/* --- addresses --- */

static void
on_addresses(void *context, const struct dns_answer *answer)
{
	struct policy_fetch *fetch = context;

	fetch->question = 0;
	/* Room is kept for both families. */
	for (size_t i = 0; i < answer->count && fetch->count < (fetch->family == DNS_AAAA ? ADDRESSES_MAX / 2 : ADDRESSES_MAX); i++) {
		struct span data = answer->records[i].data;
		struct resolve_address *address = &fetch->addresses[fetch->count++];

		address->len = (uint8_t)data.len; /* 4 or 16 by dns_get */
		memcpy(address->bytes, data.ptr, data.len);
	}
	if (fetch->family == DNS_AAAA) {
		fetch->family = DNS_A;
		fetch->question = dns_ask(fetch->role->dns, span_of(fetch->host), DNS_A, on_addresses, fetch);
	} else {
		next_address(fetch);
	}
}

void
policy_fetch(struct policy_role *role, const char *domain, policy_fetched done, void *context)
{
	const struct timeval patience = { FETCH_SECONDS, 0 };
	struct policy_fetch *fetch = xcalloc(1, sizeof(*fetch));

	*fetch = (struct policy_fetch){ .role = role, .done = done, .context = context, .fd = -1, .family = DNS_AAAA, .fault = STS_FETCH_ERROR,
		.why = "the policy host has no address" };
	(void)snprintf(fetch->host, sizeof(fetch->host), PREFIX "%s", domain);
	https_reply_init(&fetch->reply, STS_FETCHED_MAX);
	fetch->deadline = evtimer_new(role->proc->base, on_deadline, fetch);
	if (fetch->deadline == NULL)
		abort();
	(void)event_add(fetch->deadline, &patience);
	fetch->question = dns_ask(role->dns, span_of(fetch->host), DNS_AAAA, on_addresses, fetch);
}
