/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Accepting: limits first, then a stream, then TLS when the listener has it from the first byte. */
#include "frame/front.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/util.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/tls.h"
#include "common/xalloc.h"
#include "frame/address_table.h"
#include "frame/read_file.h"

/* Connections taken in one turn of the loop, so that a flood of new ones does not starve the
 * others. */
#define ACCEPTS_A_TURN 32
/* How long accepting rests when descriptors or memory have run out. */
#define REST_SECONDS 1

struct admission {
	struct front_client client; /* first: front_leave gets back to us by it */
	uint64_t key;
	bool counted; /* by its key */
};

struct listening {
	struct front *front;
	const struct proc_listener *listener;
	struct event *readable;
};

struct front {
	struct proc *proc;
	struct front_limits limits;
	front_accept accept;
	front_refusal refusal;
	void *context;
	const char *alpn; /* as tls_server_new, or NULL */
	struct ssl_ctx_st *tls;
	struct auth_client *auth;
	uint32_t key_id;
	struct listening listening[PROC_LISTENERS_MAX];
	struct event *rest;
	bool accepting;
	size_t clients;
	struct address_table *addresses;
	/* A flood of refused connections makes one log line a second. */
	time_t refusal_logged;
	unsigned refusals_unlogged;
};

/* --- the key --- */

/* OpenSSL asks for a signature in the middle of a handshake and cannot go on without it, so this
 * waits; the key role answers in about a millisecond, also while others want signatures of it.
 * Its channel is read here alone and never by the loop (quiet_peers), else an answer could be
 * taken for a message of its own. */
static int
sign(void *context, enum tls_sign_kind kind, struct span input, struct buf *out)
{
	struct front *front = context;
	struct proc *proc = front->proc;
	_Alignas(8) uint8_t buffer[MSG_MAX];
	struct msg_writer body;
	struct msg_reader reader;
	struct msg msg;
	struct span signature;
	uint8_t good;
	int r;

	msg_writer_init(&body);
	msg_put_u8(&body, (uint8_t)kind);
	msg_put_span(&body, input);
	r = proc_send(proc, ROLE_KEY, MSG_KEY_SIGN, ++front->key_id, &body, -1);
	if (r == 0)
		r = msg_receive(proc->peers[ROLE_KEY], buffer, &msg);
	if (r < 0) {
		log_warning("no-signature", log_errno("error", r));
		/* The parent starts the key role again and sends a new channel. */
		proc->peers[ROLE_KEY] = msg_channel_free(proc->peers[ROLE_KEY]);
		return r;
	}
	reader = msg_read(&msg);
	good = msg_get_u8(&reader);
	signature = msg_get_span(&reader);
	if (!msg_done(&reader) || msg.id != front->key_id || good == 0)
		return -EPROTO;
	return buf_span(out, signature);
}

/* From now on connections begin with this certificate; those that are secure already keep theirs,
 * whose context OpenSSL frees with the last of them. */
static int
use_certificate(struct front *front, struct span pem)
{
	const char *path = front->proc->common->tls_certificate;
	struct buf error = BUF_INIT(512);
	struct ssl_ctx_st *tls = tls_server_new(pem, sign, front, front->alpn, &error);

	if (tls == NULL) {
		log_error("certificate-unusable", log_str("file", path),
		    log_str("error", buf_cstr(&error)));
	} else {
		tls_context_free(front->tls);
		front->tls = tls;
	}
	buf_free(&error);
	return tls != NULL ? 0 : -EINVAL;
}

static int
open_tls(struct front *front)
{
	const char *path = front->proc->common->tls_certificate;
	struct buf pem = BUF_INIT(FILE_MAX);
	int r;

	if (path[0] == '\0')
		return 0;
	r = proc_read_file(front->proc, MSG_TLS_FILE, &pem);
	if (r < 0)
		log_error("certificate-unreadable", log_str("file", path), log_errno("error", r));
	else
		r = use_certificate(front, buf_get(&pem));
	buf_free(&pem);
	return r;
}

/* The parent has opened the file anew: the jail keeps us from it. */
static int
on_certificate(struct front *front, const struct msg *msg)
{
	struct buf pem = BUF_INIT(FILE_MAX);
	int r = read_open_file(msg->fd, &pem);

	if (r < 0)
		log_error("certificate-unreadable",
		    log_str("file", front->proc->common->tls_certificate), log_errno("error", r));
	else
		(void)use_certificate(front, buf_get(&pem));
	buf_free(&pem);
	return 0;
}

/* --- letting clients in --- */

static void
set_address(struct admission *admission, const struct sockaddr_storage *from)
{
	struct front_client *client = &admission->client;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;

	if (from->ss_family == AF_INET) {
		(void)inet_ntop(AF_INET, &v4->sin_addr, client->address, sizeof(client->address));
		client->port = ntohs(v4->sin_port);
		admission->key = address_key((const uint8_t *)&v4->sin_addr, 4);
	} else if (from->ss_family == AF_INET6) {
		const uint8_t *bytes = v6->sin6_addr.s6_addr;

		if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
			(void)inet_ntop(AF_INET, bytes + 12, client->address,
			    sizeof(client->address));
		else
			(void)inet_ntop(AF_INET6, bytes, client->address, sizeof(client->address));
		client->port = ntohs(v6->sin6_port);
		admission->key = address_key(bytes, 16);
	}
}

static void
log_refusal(struct front *front, const struct proc_listener *listener, const char *limit, const char *address)
{
	time_t now = time(NULL);

	if (now == front->refusal_logged) {
		front->refusals_unlogged++;
		return;
	}
	log_warning("refused", log_str("limit", limit), log_str("client", address), log_str("listener", listener->name),
	    log_u64("unlogged", front->refusals_unlogged));
	front->refusal_logged = now;
	front->refusals_unlogged = 0;
}

static void
refuse(struct front *front, const struct admission *admission, int fd, const char *limit)
{
	const struct proc_listener *listener = admission->client.listener;

	/* With TLS from the first byte a refusal in plain text would only confuse, and a handshake
	 * is what we cannot afford. */
	if (!listener->tls && front->refusal != NULL) {
		struct span line = front->refusal(listener, front->context);

		(void)send(fd, line.ptr, line.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	(void)close(fd);
	log_refusal(front, listener, limit, admission->client.address);
}

static bool
is_crowded(const struct front *front, uint64_t key)
{
	return address_table_count(front->addresses, key) >= front->limits.connections_per_address_max;
}

static void
uncount(struct admission *admission)
{
	if (admission->counted)
		address_table_remove(admission->client.front->addresses, admission->key);
	admission->counted = false;
}

static void
admit(struct listening *listening, int fd, const struct sockaddr_storage *from)
{
	struct front *front = listening->front;
	struct admission *admission = xcalloc(1, sizeof(*admission));
	struct front_client *client = &admission->client;
	const char *limit = NULL;
	int on = 1;

	client->front = front;
	client->listener = listening->listener;
	set_address(admission, from);
	admission->counted = front->limits.is_proxy == NULL || !front->limits.is_proxy(client, front->context);
	if (front->clients >= front->limits.connections_max)
		limit = "connections_max";
	else if (admission->counted && is_crowded(front, admission->key))
		limit = "connections_per_address_max";
	if (limit != NULL) {
		refuse(front, admission, fd, limit);
		free(admission);
		return;
	}
	front->clients++;
	if (admission->counted)
		(void)address_table_add(front->addresses, admission->key);
	/* Replies are whole when they are written, and idle clients that vanished are found in the
	 * end. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	client->stream = stream_new(front->proc->base, fd, NULL, NULL, front->limits.input_max,
	    front->limits.output_max);
	stream_set_timeouts(client->stream, front->limits.timeout, front->limits.timeout);
	if (listening->listener->tls && (front->limits.tls_later == NULL || !front->limits.tls_later(client, front->context)))
		/* a new stream has no unread input */
		(void)stream_start_tls_server(client->stream, front->tls);
	log_debug("connected", log_str("client", client->address), log_u64("port", client->port),
	    log_str("listener", client->listener->name));
	if (front->accept(client, front->context) != 0) {
		(void)stream_free(client->stream);
		front_leave(client);
	}
}

static void
set_accepting(struct front *front, bool on)
{
	for (size_t i = 0; i < front->proc->listener_count; i++)
		if (front->listening[i].readable != NULL && on)
			(void)event_add(front->listening[i].readable, NULL);
		else if (front->listening[i].readable != NULL)
			(void)event_del(front->listening[i].readable);
}

static void
on_rested(evutil_socket_t fd, short what, void *context)
{
	struct front *front = context;

	(void)fd, (void)what;
	if (front->accepting)
		set_accepting(front, true);
}

static void
on_connection(evutil_socket_t fd, short what, void *context)
{
	struct listening *listening = context;

	(void)what;
	for (unsigned turn = 0; turn < ACCEPTS_A_TURN; turn++) {
		static const struct timeval rest = { REST_SECONDS, 0 };
		struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
		socklen_t len = sizeof(from);
		int client =
		    accept4(fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (client >= 0) {
			admit(listening, client, &from);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			log_error("accept-rests", log_errno("error", errno),
			    log_u64("clients", listening->front->clients));
			set_accepting(listening->front, false);
			(void)event_add(listening->front->rest, &rest);
			return;
		}
		if (errno == EAGAIN)
			return;
		/* Others (ECONNABORTED, EINTR, network errors of that one connection) leave the
		 * listener as it is. */
	}
}

/* --- the front --- */

/* As many as can be served without running out of descriptors in the middle of something. */
static unsigned
connections_possible(const struct front_limits *limits)
{
	struct rlimit limit = { 0, 0 };
	rlim_t most = limits->connections_max, each = limits->descriptors_each, beside = limits->descriptors_beside;

	if (each != 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && most * each + beside > limit.rlim_cur) {
		most = beside / each;
		if (limit.rlim_cur > 2 * beside)
			most = (limit.rlim_cur - beside) / each;
		log_warning("connections-limited", log_u64("wanted", limits->connections_max), log_u64("possible", most),
		    log_u64("descriptors", limit.rlim_cur));
	}
	return (unsigned)most;
}

struct front *
front_new(struct proc *proc, const struct front_limits *limits, const char *alpn,
    front_accept accept, front_refusal refusal, void *context)
{
	struct front *front = xcalloc(1, sizeof(*front));
	uint64_t seed;

	front->proc = proc;
	front_set_limits(front, limits);
	front->accept = accept;
	front->refusal = refusal;
	front->context = context;
	front->alpn = alpn;
	if (open_tls(front) < 0) {
		free(front);
		return NULL;
	}
	proc->quiet_peers |= ROLE_BIT(ROLE_KEY);
	front->auth = auth_client_new(proc);
	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		abort(); /* cannot fail for so few bytes once the system is up */
	front->addresses = address_table_new(seed);
	front->rest = event_new(proc->base, -1, 0, on_rested, front);
	if (front->rest == NULL)
		abort();
	for (size_t i = 0; i < proc->listener_count; i++) {
		struct listening *listening = &front->listening[i];

		listening->front = front;
		listening->listener = &proc->listeners[i];
		if (listening->listener->tls && front->tls == NULL) {
			log_warning("not-listening", log_str("listener", listening->listener->name),
			    log_str("reason", "tls_certificate is empty"));
			continue;
		}
		(void)evutil_make_socket_nonblocking(listening->listener->fd);
		listening->readable = event_new(proc->base, listening->listener->fd,
		    EV_READ | EV_PERSIST, on_connection, listening);
		if (listening->readable == NULL)
			abort();
	}
	return front;
}

void
front_set_limits(struct front *front, const struct front_limits *limits)
{
	front->limits = *limits;
	front->limits.connections_max = connections_possible(limits);
}

void
front_start(struct front *front)
{
	front->accepting = true;
	set_accepting(front, true);
}

void
front_stop(struct front *front)
{
	front->accepting = false;
	set_accepting(front, false);
}

size_t
front_client_count(const struct front *front)
{
	return front->clients;
}

size_t
front_client_max(const struct front *front)
{
	return front->limits.connections_max;
}

int
front_start_tls(struct front_client *client)
{
	if (client->front->tls == NULL)
		return -EOPNOTSUPP;
	return stream_start_tls_server(client->stream, client->front->tls);
}

int
front_begin_tls(struct front_client *client)
{
	if (client->front->tls == NULL)
		return -EOPNOTSUPP;
	stream_begin_tls_server(client->stream, client->front->tls);
	return 0;
}

bool
front_has_tls(const struct front *front)
{
	return front->tls != NULL;
}

void
front_leave(struct front_client *client)
{
	struct admission *admission = (struct admission *)client;

	client->front->clients--;
	uncount(admission);
	free(admission);
}

bool
front_speaks_for(struct front_client *client, const char *address)
{
	struct admission *admission = (struct admission *)client;
	struct front *front = client->front;
	uint8_t bytes[16];

	uncount(admission);
	if (inet_pton(AF_INET, address, bytes) == 1)
		admission->key = address_key(bytes, 4);
	else if (inet_pton(AF_INET6, address, bytes) == 1)
		admission->key = address_key(bytes, 16);
	else
		return true; /* nobody's */
	if (is_crowded(front, admission->key)) {
		log_refusal(front, client->listener, "connections_per_address_max", address);
		return false;
	}
	admission->counted = true;
	(void)address_table_add(front->addresses, admission->key);
	return true;
}

struct auth_client *
front_auth(struct front *front)
{
	return front->auth;
}

struct proc *
front_proc(struct front *front)
{
	return front->proc;
}

int
front_message(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct front *front = *(struct front **)proc->state;

	(void)channel;
	if (msg->type == MSG_TLS_FILE)
		return on_certificate(front, msg);
	return auth_client_message(front->auth, msg);
}

void
front_peer_gone(struct proc *proc, uint8_t role)
{
	struct front *front = *(struct front **)proc->state;

	auth_client_peer_gone(front->auth, role);
}
