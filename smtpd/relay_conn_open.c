/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A connection to another host, from the socket on: what the stream says, and how it came about. */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/relay_conn.h"
#include "smtpd/relay_habits.h"
#include "smtpd/tcp_connect.h"

#define CONNECT_SECONDS 30
#define INPUT_MAX 65536

/* --- the stream's word --- */

/* One whole reply. False when there is none yet, or the connection is gone. */
static bool
take_reply(struct relay_conn *conn)
{
	struct buf out = BUF_INIT(RELAY_OUT_MAX);
	bool idle = conn->state.phase == RELAY_IDLE, goes_on = false;
	enum relay_phase before = conn->state.phase;
	enum relay_action action;
	size_t used;
	int r = relay_reply_input(&conn->reply, stream_input(conn->stream), &used);

	stream_consume(conn->stream, used);
	if (r == 1)
		return false;
	if (r < 0) {
		const char *text = r == -EMSGSIZE ? "The host gave a reply that does not end" : "What the host says is not SMTP";

		if (relay_state_is_starting_tls(&conn->state))
			relay_conn_tls_broke(conn, text);
		else
			relay_conn_fail(conn, "4.5.0", text);
		return false;
	}
	action = relay_state_reply(&conn->state, &conn->reply, &out);
	relay_reply_clear(&conn->reply);
	if (action == RELAY_HOST_FAILED && conn->job != NULL && conn->messages > 1 && before == RELAY_MAIL && conn->state.host.code == 421) {
		/* Its idle timeout met our next message, or it takes so many and no more. */
		log_debug("connection-over", log_str("queue", conn->job->queue_id), log_str("host", conn->host), log_str("text", conn->state.host.text));
		relay_conn_stale(conn);
		return false;
	}
	/* After these the connection may be gone; nothing more is expected to stand in the input anyway, but of pipelined replies. */
	goes_on = action == RELAY_WAIT && !idle;
	relay_conn_act(conn, action, &out);
	buf_wipe(&out); /* there may be a password in it */
	return goes_on;
}

static void
on_readable(struct stream *stream, void *context)
{
	struct relay_conn *conn = context;

	(void)stream;
	while (stream_input(conn->stream).len != 0 && take_reply(conn))
		continue;
}

static void
on_drained(struct stream *stream, void *context)
{
	(void)stream;
	relay_message_go_on(context);
}

static void
on_secured(struct stream *stream, void *context)
{
	struct relay_conn *conn = context;
	struct buf out = BUF_INIT(1024);
	enum relay_action action = relay_state_secured(&conn->state, relay_tls_is_verified(conn->demand, stream_ssl(stream)), &out);

	relay_conn_act(conn, action, &out);
	buf_free(&out);
}

/* TLS was offered and does not work: mail goes in the clear rather than not at all (RFC 3207 section 4.1), to the same address. One that said nothing
 * more is asked for TLS all the same the next time, but not waited for so long: whoever keeps somebody from it once must do so each time. */
static void
without_tls(struct relay_conn *conn, const char *why)
{
	const struct relay_role *role = conn->role;
	struct relay_job *job = conn->job;

	if (conn->silent && !conn->state.hurries_tls)
		relay_habits_note_silence(role->habits, conn->host, true, conn->patience, (int64_t)time(NULL));
	log_warning("tls-failed", log_str("queue", job->queue_id), log_str("host", conn->host), log_str("error", why));
	relay_conn_open_again(conn);
	if (role->proc->stopping)
		return;
	/* TLS was begun for this very job: it has a connection now. */
	job->conn->state.tls = RELAY_TLS_NEVER;
	job->conn->reported = true;
}

void
relay_conn_tls_broke(struct relay_conn *conn, const char *why)
{
	bool demanded = conn->state.tls >= RELAY_TLS_ENCRYPT;
	char text[512];

	relay_conn_report(conn, TLSRPT_VALIDATION_FAILURE, why);
	if (!demanded && !relay_mail_insists_on_tls(&conn->job->mail)) {
		without_tls(conn, why);
		return;
	}
	(void)snprintf(text, sizeof(text), "%s demands TLS, and it does not come about: %s", demanded ? conn->state.whose : "The message", why);
	relay_conn_fail(conn, demanded ? "4.7.5" : "4.7.10", text);
}

/* OpenSSL's reason, or the system's. */
static const char *
why_broken(const struct stream *stream)
{
	return stream_tls_error(stream)[0] != '\0' ? stream_tls_error(stream) : strerrordesc_np(stream_error(stream));
}

static void
on_ended(struct stream *stream, void *context, enum stream_end end)
{
	struct relay_conn *conn = context;
	const char *awaits = relay_state_awaits(&conn->state);
	char text[256];

	if (conn->job == NULL) {
		relay_conn_forget(conn);
		return;
	}
	switch (end) {
	case STREAM_TLS_FAILED:
		(void)snprintf(text, sizeof(text), "TLS broke while waiting for %s: %s", awaits, why_broken(stream));
		break;
	case STREAM_EOF:
		(void)snprintf(text, sizeof(text), "The host closed the connection while we waited for %s", awaits);
		break;
	case STREAM_TIMEOUT:
		(void)snprintf(text, sizeof(text), "Timeout while waiting for %s", awaits);
		break;
	case STREAM_ERROR:
		(void)snprintf(text, sizeof(text), "The connection broke while waiting for %s: %s", awaits, why_broken(stream));
		break;
	}
	if (relay_state_is_starting_tls(&conn->state))
		relay_conn_tls_broke(conn, text);
	else
		relay_conn_fail(conn, "4.4.2", text);
}

static const struct stream_ops ops = { on_readable, on_drained, on_secured, on_ended };

/* --- connecting --- */

static void
connected(struct relay_conn *conn)
{
	event_free(conn->connecting);
	conn->connecting = NULL;
	conn->stream = stream_new(conn->role->proc->base, conn->fd, &ops, conn, INPUT_MAX, RELAY_CONN_OUTPUT_MAX);
	conn->fd = -1;
	/* RFC 5321 4.5.3.2.5: three minutes for each block of data. Replies have the timer. */
	stream_set_timeouts(conn->stream, 0, 180);
	if (conn->tls_first)
		relay_conn_start_tls(conn);
	else
		relay_conn_set_timeout(conn);
}

static void
on_connect(evutil_socket_t fd, short what, void *context)
{
	struct relay_conn *conn = context;
	int error = tcp_connected(fd);
	char text[128];

	(void)what;
	if (error == 0) {
		connected(conn);
		return;
	}
	(void)snprintf(text, sizeof(text), "The host cannot be connected to: %s", strerrordesc_np(error));
	relay_conn_fail(conn, "4.4.1", text);
}

static void
on_refused(evutil_socket_t fd, short what, void *context)
{
	struct relay_conn *conn = context;
	char text[128];

	(void)fd, (void)what;
	relay_job_no_way(conn->job);
	(void)snprintf(text, sizeof(text), "The host cannot be connected to: %s", strerrordesc_np(-conn->refused));
	relay_conn_fail(conn, "4.4.1", text);
}

/* What the route says of credentials, which are there, and of when TLS begins. */
static void
take_hop(struct relay_conn *conn, const struct next_hop *hop)
{
	struct credentials credentials;

	conn->tls_first = hop->tls == HOP_TLS_FIRST;
	if (hop->label.len == 0 || !relay_secrets_find(buf_get(&conn->role->secrets), hop->label, &credentials))
		return;
	conn->user = span_dup(credentials.user);
	conn->password = span_dup(credentials.password);
	conn->state.user = span_of(conn->user);
	conn->state.password = span_of(conn->password);
}

void
relay_conn_put_host(char text[VERDICT_HOST_MAX], const char *name, const struct resolve_address *address, uint16_t port)
{
	char digits[INET6_ADDRSTRLEN] = "";

	(void)inet_ntop(address->len == 16 ? AF_INET6 : AF_INET, address->bytes, digits, sizeof(digits));
	(void)snprintf(text, VERDICT_HOST_MAX, "%s[%s]:%u", name, digits, port);
}

void
relay_conn_open(struct relay_job *job, const char *name, const struct resolve_address *address, uint16_t port)
{
	struct relay_conn *conn = xcalloc(1, sizeof(*conn));
	struct event_base *base = job->role->proc->base;
	int fd = tcp_connect(address, port);
	unsigned timeout;

	conn->role = job->role;
	conn->job = job;
	job->conn = conn;
	conn->destination = xstrdup(job->destination);
	conn->name = xstrdup(name);
	conn->demand = relay_demand_hold(job->demand);
	conn->address = *address;
	conn->port = port;
	relay_conn_put_host(conn->host, name, address, port);
	relay_reply_init(&conn->reply);
	relay_state_init(&conn->state, job->role->proc->common->hostname, conn->demand->tls);
	conn->state.whose = relay_demand_whose(conn->demand);
	conn->state.ready_by = relay_job_ready_by(job);
	conn->patience = conn->state.ready_by - relay_conn_seconds();
	relay_conn_use_habit(conn);
	take_hop(conn, &job->hop);
	conn->timer = evtimer_new(base, relay_conn_on_timer, conn);
	/* A connection that failed at once tells it from the loop: no caller is called back from within. */
	conn->fd = fd >= 0 ? fd : -1;
	conn->refused = fd >= 0 ? 0 : fd;
	conn->connecting = fd >= 0 ? event_new(base, fd, EV_WRITE, on_connect, conn) : evtimer_new(base, on_refused, conn);
	if (conn->timer == NULL || conn->connecting == NULL)
		abort();
	if (fd >= 0)
		(void)event_add(conn->connecting, NULL);
	else
		event_active(conn->connecting, EV_TIMEOUT, 0);
	timeout = relay_state_timeout(&conn->state, relay_conn_seconds());
	relay_conn_set_timer(conn, timeout < CONNECT_SECONDS ? timeout : CONNECT_SECONDS);
}
