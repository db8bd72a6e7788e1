/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One connection to another host: the socket and its time limits around the machine of relay_state.h. A host that is silent, slow or
 * talks nonsense costs its own connection and no other. */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/tls.h"
#include "common/xalloc.h"
#include "smtpd/relay.h"
#include "smtpd/sign_state.h"
#include "smtpd/tcp_connect.h"

#define CONNECT_SECONDS 30
/* How long a connection waits for another message to the same destination, and how many it carries. */
#define IDLE_SECONDS 3
#define MESSAGES_MAX 100
#define IDLE_MAX 200
/* How long the key role may take. */
#define SIGN_SECONDS 60
#define INPUT_MAX 65536
/* Commands of one transaction, or some chunks of a message. */
#define OUTPUT_MAX (RELAY_OUT_MAX + SIGNING_FIELDS_MAX + RELAY_DATA_ROOM(RELAY_TEXT_PIECE))

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
	struct relay_sign *signing;  /* the message is being signed, or NULL */
	struct buf fields;           /* the signatures, until they are sent */
	struct relay_text text;      /* the message as it is sent */
	struct relay_data data;
	char *user, *password;       /* for the next hop, or NULL */
};

static const struct stream_ops ops;
static void carry_out(struct relay_conn *conn, enum relay_action action, struct buf *out);
static void cannot_sign(struct relay_conn *conn, int r);
static void ready(struct relay_conn *conn);

const char *
relay_conn_host(const struct relay_conn *conn)
{
	return conn->host;
}

void
relay_conn_describe_tls(const struct relay_conn *conn, char text[VERDICT_TLS_MAX])
{
	relay_tls_describe(conn->demand, conn->stream != NULL ? stream_ssl(conn->stream) : NULL, text);
}

/* --- the end --- */

static void
leave_idle(struct relay_conn *conn)
{
	if (conn->at == NULL)
		return;
	*conn->at = conn->next;
	if (conn->next != NULL)
		conn->next->at = conn->at;
	conn->at = NULL;
	conn->role->idle_count--;
}

static void
forget(struct relay_conn *conn)
{
	leave_idle(conn);
	if (conn->fd >= 0)
		(void)close(conn->fd);
	if (conn->connecting != NULL)
		event_free(conn->connecting);
	event_free(conn->timer);
	relay_reply_free(&conn->reply);
	(void)stream_free(conn->stream);
	free(conn->destination);
	free(conn->name);
	(void)relay_demand_release(conn->demand);
	(void)relay_sign_cancel(conn->signing);
	buf_free(&conn->fields);
	relay_text_end(&conn->text);
	free(conn->user);
	if (conn->password != NULL)
		explicit_bzero(conn->password, strlen(conn->password));
	free(conn->password);
	free(conn);
}

void
relay_conn_abort(struct relay_conn *conn)
{
	forget(conn);
}

/* Frees the connection before the job goes on, which may open another. */
static void
fail(struct relay_conn *conn, const struct relay_result *result)
{
	struct relay_job *job = conn->job;
	char host[VERDICT_HOST_MAX];
	struct relay_result copy = *result;

	memcpy(host, conn->host, sizeof(host));
	forget(conn);
	if (job == NULL)
		return;
	log_info("host-failed", log_str("queue", job->queue_id), log_str("host", host), log_u64("code", copy.code), log_str("status", copy.status),
	    log_str("text", copy.text));
	relay_job_failed(job, host, &copy);
}

/* The connection broke or the host is silent. */
static void
fail_saying(struct relay_conn *conn, const char *status, const char *text)
{
	struct relay_result result;

	relay_result_set(&result, VERDICT_TEMPFAIL, status, text);
	if (conn->state.phase == RELAY_DOT && conn->job != NULL) {
		/* Whether it took the message nobody knows: no other host may get it at once, for it may have (RFC 5321 section 6.1). */
		relay_settle_all(&conn->job->mail, relay_job_settled, conn->job, &result);
	} else if (conn->messages > 1 && conn->job != NULL && (conn->state.phase == RELAY_MAIL || conn->signing != NULL)) {
		/* It had closed while it was idle: that says nothing about the host. */
		struct relay_job *job = conn->job;

		forget(conn);
		relay_job_stale(job);
		return;
	}
	fail(conn, &result);
}

/* --- time --- */

static void
set_timer(struct relay_conn *conn, unsigned seconds)
{
	const struct timeval time = { seconds, 0 };

	if (seconds == 0)
		(void)event_del(conn->timer);
	else
		(void)event_add(conn->timer, &time);
}

static void
say_goodbye(struct relay_conn *conn)
{
	struct buf out = BUF_INIT(64);

	leave_idle(conn);
	relay_state_quit(&conn->state, &out);
	(void)stream_write(conn->stream, buf_get(&out));
	buf_free(&out);
	set_timer(conn, relay_state_timeout(&conn->state));
}

static void
on_timer(evutil_socket_t fd, short what, void *context)
{
	struct relay_conn *conn = context;
	char text[128];

	(void)fd, (void)what;
	if (conn->stream == NULL) {
		fail_saying(conn, "4.4.1", "The host cannot be connected to: no answer");
	} else if (conn->signing != NULL) {
		conn->signing = relay_sign_cancel(conn->signing);
		cannot_sign(conn, -ETIMEDOUT);
	} else if (conn->state.phase == RELAY_IDLE) {
		say_goodbye(conn);
	} else {
		(void)snprintf(text, sizeof(text), "Timeout while waiting for %s", relay_state_awaits(&conn->state));
		fail_saying(conn, "4.4.2", text);
	}
}

/* --- messages --- */

/* Looks through the whole message, as it is or converted. 0 or -errno. */
static int
scan_as(struct relay_job *job, bool converted, struct relay_scan *ret, uint64_t *ret_size)
{
	struct buf piece = BUF_INIT(RELAY_TEXT_PIECE);
	struct relay_text text;
	int r;

	*ret = (struct relay_scan){ 0 };
	*ret_size = 0;
	relay_text_begin(&text, job, converted);
	do {
		buf_clear(&piece);
		r = relay_text_next(&text, &piece);
		relay_scan_put(ret, buf_get(&piece));
		*ret_size += piece.len;
	} while (r > 0);
	relay_text_end(&text);
	buf_free(&piece);
	return r;
}

/* Where what the host offers makes it necessary. 0 or -errno. */
static int
scan(struct relay_conn *conn)
{
	struct relay_job *job = conn->job;
	struct relay_scan found;
	uint64_t size;
	int r;

	job->mail.size = job->length;
	job->mail.convertible = false;
	if (!relay_state_wants_scan(&conn->state, &job->mail))
		return 0;
	r = scan_as(job, false, &found, &size);
	job->mail.eight_bit = found.eight_bit;
	job->mail.utf8_header = found.utf8_header;
	if (r < 0 || !found.eight_bit || !relay_state_is_seven_bit(&conn->state))
		return r;
	/* What has a header that is too long for it cannot be converted. */
	job->mail.convertible = scan_as(job, true, &found, &size) == 0 && !found.eight_bit;
	if (job->mail.convertible)
		job->mail.size = size;
	return 0;
}

static void
begin_transaction(struct relay_conn *conn)
{
	struct buf out = BUF_INIT(RELAY_OUT_MAX);
	struct relay_job *job = conn->job;
	enum relay_action action;

	job->mail.size += conn->fields.len;
	job->mail.by_left = job->deliver_by - (int64_t)time(NULL);
	action = relay_state_mail(&conn->state, &job->mail, relay_job_settled, job, &out);
	carry_out(conn, action, &out);
	buf_free(&out);
}

/* No other host would get it signed: it waits. */
static void
cannot_sign(struct relay_conn *conn, int r)
{
	struct relay_result result;

	log_error("not-signed", log_str("queue", conn->job->queue_id), log_errno("error", r));
	relay_result_set(&result, VERDICT_TEMPFAIL, "4.3.0", "The message cannot be signed now");
	relay_settle_all(&conn->job->mail, relay_job_settled, conn->job, &result);
	ready(conn);
}

static void
on_signed(void *context, int r, struct span fields)
{
	struct relay_conn *conn = context;

	conn->signing = NULL;
	if (r < 0) {
		cannot_sign(conn, r);
		return;
	}
	(void)buf_span(&conn->fields, fields);
	begin_transaction(conn);
}

static void
begin_message(struct relay_conn *conn)
{
	struct relay_job *job = conn->job;
	int r = scan(conn);

	if (r < 0) {
		log_error("message-unreadable", log_str("queue", job->queue_id), log_errno("error", r));
		fail_saying(conn, "4.3.0", "The message cannot be read from the queue now");
		return;
	}
	conn->messages++;
	conn->data = (struct relay_data){ 0 };
	conn->fields = BUF_INIT(SIGNING_FIELDS_MAX);
	relay_text_end(&conn->text);
	relay_text_begin(&conn->text, job, job->mail.convertible);
	if (job->mail.convertible)
		log_info("converted", log_str("queue", job->queue_id), log_str("host", conn->host), log_str("reason", "no 8BITMIME"));
	conn->signing = relay_sign_begin(job, job->mail.convertible, on_signed, conn);
	if (conn->signing != NULL)
		set_timer(conn, SIGN_SECONDS);
	else
		begin_transaction(conn);
}

/* False when the message cannot be read. */
static bool
send_piece(struct relay_conn *conn)
{
	struct buf out = BUF_INIT(OUTPUT_MAX), piece = BUF_INIT(RELAY_TEXT_PIECE);
	int r;

	(void)buf_span(&out, buf_get(&conn->fields));
	buf_free(&conn->fields);
	/* While the converter holds a header there is nothing to drain. */
	do {
		buf_clear(&piece);
		r = relay_text_next(&conn->text, &piece);
		relay_data_put(&conn->data, buf_get(&piece), &out);
	} while (r > 0 && out.len == 0);
	if (r == 0) {
		relay_data_end(&conn->data, &out);
		relay_state_message_sent(&conn->state);
		set_timer(conn, relay_state_timeout(&conn->state));
	}
	/* There is room: the piece before has been sent. A broken connection tells its end by itself. */
	if (r >= 0)
		(void)stream_write(conn->stream, buf_get(&out));
	buf_free(&piece);
	buf_free(&out);
	return r >= 0;
}

static void
on_drained(struct stream *stream, void *context)
{
	struct relay_conn *conn = context;

	(void)stream;
	if (conn->state.phase != RELAY_MESSAGE || send_piece(conn))
		return;
	/* Half a message is out: it ends with the connection, without the final dot. */
	log_error("message-unreadable", log_str("queue", conn->job->queue_id));
	fail_saying(conn, "4.3.0", "The message cannot be read from the queue now");
}

/* --- actions --- */

static void
log_session(struct relay_conn *conn)
{
	SSL *ssl = stream_ssl(conn->stream);
	char tls[VERDICT_TLS_MAX];
	const char *fault = "";

	if (conn->told)
		return;
	conn->told = true;
	if (ssl != NULL)
		fault = SSL_get_verify_result(ssl) == X509_V_OK ? "" : X509_verify_cert_error_string(SSL_get_verify_result(ssl));
	relay_conn_describe_tls(conn, tls);
	log_info("connected", log_str("queue", conn->job != NULL ? conn->job->queue_id : ""), log_str("host", conn->host),
	    log_str("tls", tls), log_str("certificate-fault", fault));
	if (conn->demand->testing && (ssl == NULL || !relay_tls_is_verified(conn->demand, ssl)))
		log_warning("policy-test-failed", log_str("domain", conn->destination), log_str("host", conn->host), log_str("tls", tls),
		    log_str("hint", "were it not a test the domain's MTA-STS policy would have the mail wait"));
}

/* What the reports of RFC 8460 are to tell of the connection, once. */
static void
report(struct relay_conn *conn, enum tlsrpt_result result, const char *reason)
{
	if (conn->job == NULL || conn->reported)
		return;
	conn->reported = true;
	relay_report_session(conn->job, conn->demand, conn->name, &conn->address, result, reason);
}

/* It is ready for mail, or will have none for what it lacks. */
static void
report_state(struct relay_conn *conn)
{
	SSL *ssl = conn->stream != NULL ? stream_ssl(conn->stream) : NULL;
	long error = ssl != NULL ? SSL_get_verify_result(ssl) : X509_V_OK;
	bool judged = conn->demand->tls == RELAY_TLS_VERIFY || conn->demand->testing;

	if (ssl == NULL)
		report(conn, TLSRPT_STARTTLS_NOT_SUPPORTED, "");
	else if (!judged || relay_tls_is_verified(conn->demand, ssl))
		report(conn, TLSRPT_SUCCESS, "");
	else if (error != X509_V_OK)
		report(conn, tlsrpt_result_of(error), X509_verify_cert_error_string(error));
	else
		report(conn, TLSRPT_VALIDATION_FAILURE, "the policy does not name the host");
}

static unsigned
messages_max(const struct relay_conn *conn)
{
	uint64_t theirs = conn->state.offer.mail_max;

	return theirs != 0 && theirs < MESSAGES_MAX ? (unsigned)theirs : MESSAGES_MAX;
}

static void
rest(struct relay_conn *conn)
{
	struct relay_role *role = conn->role;

	if (conn->messages >= messages_max(conn) || conn->demand->relaxed || role->idle_count >= IDLE_MAX || stream_input(conn->stream).len != 0) {
		say_goodbye(conn);
		return;
	}
	conn->at = &role->idle;
	conn->next = role->idle;
	if (conn->next != NULL)
		conn->next->at = &conn->next;
	role->idle = conn;
	role->idle_count++;
	set_timer(conn, IDLE_SECONDS);
}

static void
ready(struct relay_conn *conn)
{
	struct relay_job *job = conn->job;

	log_session(conn);
	report_state(conn);
	if (job == NULL) {
		rest(conn);
	} else if (job->settled < job->mail.count) {
		/* Replies that nobody asked for would be taken for those to come. */
		if (stream_input(conn->stream).len != 0)
			fail_saying(conn, "4.5.0", "The host speaks out of turn");
		else
			begin_message(conn);
	} else {
		conn->job = NULL;
		rest(conn);
		relay_job_done(job);
	}
}

static void
start_tls(struct relay_conn *conn)
{
	const struct dane *dane = &conn->demand->dane;
	int r = stream_start_tls_client(conn->stream, conn->role->tls, dane->base[0] != '\0' ? dane->base : conn->name);

	if (r < 0) {
		/* Bytes behind the reply to STARTTLS: somebody is in between. */
		fail_saying(conn, "4.7.5", "The host sent bytes before TLS that it should not have sent");
		return;
	}
	conn->state.tls = relay_tls_prepare(conn->demand, stream_tls_settings(conn->stream));
	set_timer(conn, relay_state_timeout(&conn->state));
}

/* The connection may be gone afterwards. */
static void
carry_out(struct relay_conn *conn, enum relay_action action, struct buf *out)
{
	struct relay_job *job = conn->job;
	struct relay_result result;

	if (out->len != 0)
		(void)stream_write(conn->stream, buf_get(out));
	switch (action) {
	case RELAY_WAIT:
		set_timer(conn, relay_state_timeout(&conn->state));
		break;
	case RELAY_START_TLS:
		start_tls(conn);
		break;
	case RELAY_READY:
		ready(conn);
		break;
	case RELAY_SEND_MESSAGE:
		/* While it is sent, the write timeout of the stream watches over it. */
		set_timer(conn, 0);
		(void)on_drained(conn->stream, conn);
		break;
	case RELAY_HOST_FAILED:
		result = conn->state.host;
		if (conn->state.refused_tls)
			report_state(conn);
		if (out->len != 0) { /* a goodbye */
			stream_finish(conn->stream);
			conn->stream = NULL;
		}
		fail(conn, &result);
		break;
	case RELAY_CLOSE:
		conn->job = NULL;
		forget(conn);
		if (job != NULL)
			relay_job_done(job);
		break;
	}
}

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
		fail_saying(conn, "4.5.0", r == -EMSGSIZE ? "The host gave a reply that does not end" : "What the host says is not SMTP");
		return false;
	}
	action = relay_state_reply(&conn->state, &conn->reply, &out);
	relay_reply_clear(&conn->reply);
	if (action == RELAY_HOST_FAILED && conn->messages > 1 && before == RELAY_MAIL && conn->state.host.code == 421) {
		/* Its idle timeout met our next message. */
		fail_saying(conn, "4.4.2", "The host closed the connection");
		return false;
	}
	/* After these the connection may be gone; nothing more is expected to stand in the input anyway, but of pipelined replies. */
	goes_on = action == RELAY_WAIT && !idle;
	carry_out(conn, action, &out);
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
on_secured(struct stream *stream, void *context)
{
	struct relay_conn *conn = context;
	struct buf out = BUF_INIT(1024);
	enum relay_action action = relay_state_secured(&conn->state, relay_tls_is_verified(conn->demand, stream_ssl(stream)), &out);

	carry_out(conn, action, &out);
	buf_free(&out);
}

/* TLS was offered and does not work: mail goes in the clear rather than not at all (RFC 3207 section 4.1), to the same address. */
static void
without_tls(struct relay_conn *conn)
{
	struct relay_job *job = conn->job;
	struct relay_conn *again;

	report(conn, TLSRPT_VALIDATION_FAILURE, stream_tls_error(conn->stream));
	log_warning("tls-failed", log_str("queue", job->queue_id), log_str("host", conn->host), log_str("error", stream_tls_error(conn->stream)));
	job->conn = NULL;
	relay_conn_open(job, conn->name, &conn->address, conn->port);
	again = job->conn;
	conn->job = NULL;
	forget(conn);
	if (again != NULL)
		again->state.tls = RELAY_TLS_NEVER, again->reported = true;
}

static void
handshake_failed(struct relay_conn *conn, const char *why)
{
	char text[256];

	if (conn->state.tls < RELAY_TLS_ENCRYPT) {
		without_tls(conn);
		return;
	}
	report(conn, TLSRPT_VALIDATION_FAILURE, why);
	(void)snprintf(text, sizeof(text), "%s demands TLS, and the handshake failed: %s", conn->state.whose, why);
	fail_saying(conn, "4.7.5", text);
}

static void
on_ended(struct stream *stream, void *context, enum stream_end end)
{
	struct relay_conn *conn = context;
	char text[256];

	if (conn->job == NULL) {
		forget(conn);
		return;
	}
	switch (end) {
	case STREAM_TLS_FAILED:
		if (conn->state.phase == RELAY_HANDSHAKE) {
			handshake_failed(conn, stream_tls_error(stream));
			return;
		}
		(void)snprintf(text, sizeof(text), "TLS broke while waiting for %s", relay_state_awaits(&conn->state));
		break;
	case STREAM_EOF:
		if (conn->state.phase == RELAY_HANDSHAKE) {
			handshake_failed(conn, "the host closed the connection");
			return;
		}
		(void)snprintf(text, sizeof(text), "The host closed the connection while we waited for %s", relay_state_awaits(&conn->state));
		break;
	case STREAM_TIMEOUT:
		(void)snprintf(text, sizeof(text), "Timeout while waiting for %s", relay_state_awaits(&conn->state));
		break;
	case STREAM_ERROR:
		(void)snprintf(text, sizeof(text), "The connection broke while waiting for %s: %s", relay_state_awaits(&conn->state),
		    strerrordesc_np(stream_error(stream)));
		break;
	}
	fail_saying(conn, "4.4.2", text);
}

static const struct stream_ops ops = { on_readable, on_drained, on_secured, on_ended };

/* --- connecting --- */

static void
connected(struct relay_conn *conn)
{
	event_free(conn->connecting);
	conn->connecting = NULL;
	conn->stream = stream_new(conn->role->proc->base, conn->fd, &ops, conn, INPUT_MAX, OUTPUT_MAX);
	conn->fd = -1;
	/* RFC 5321 4.5.3.2.5: three minutes for each block of data. Replies have the timer. */
	stream_set_timeouts(conn->stream, 0, 180);
	if (conn->tls_first)
		start_tls(conn);
	else
		set_timer(conn, relay_state_timeout(&conn->state));
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
	fail_saying(conn, "4.4.1", text);
}

static void
on_refused(evutil_socket_t fd, short what, void *context)
{
	struct relay_conn *conn = context;
	char text[128];

	(void)fd, (void)what;
	(void)snprintf(text, sizeof(text), "The host cannot be connected to: %s", strerrordesc_np(-conn->refused));
	fail_saying(conn, "4.4.1", text);
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
relay_conn_open(struct relay_job *job, const char *name, const struct resolve_address *address, uint16_t port)
{
	struct relay_conn *conn = xcalloc(1, sizeof(*conn));
	struct event_base *base = job->role->proc->base;
	char digits[INET6_ADDRSTRLEN] = "";
	int fd = tcp_connect(address, port);

	conn->role = job->role;
	conn->job = job;
	job->conn = conn;
	conn->destination = xstrdup(job->destination);
	conn->name = xstrdup(name);
	conn->demand = relay_demand_hold(job->demand);
	conn->address = *address;
	conn->port = port;
	(void)inet_ntop(address->len == 16 ? AF_INET6 : AF_INET, address->bytes, digits, sizeof(digits));
	(void)snprintf(conn->host, sizeof(conn->host), "%s[%s]:%u", name, digits, port);
	relay_reply_init(&conn->reply);
	relay_state_init(&conn->state, job->role->proc->common->hostname, conn->demand->tls);
	conn->state.whose = relay_demand_whose(conn->demand);
	take_hop(conn, &job->hop);
	conn->timer = evtimer_new(base, on_timer, conn);
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
	set_timer(conn, CONNECT_SECONDS);
}

bool
relay_conn_reuse(struct relay_job *job)
{
	struct relay_conn *conn = job->role->idle;

	while (conn != NULL && (!span_ieq(span_of(conn->destination), span_of(job->destination)) || !relay_state_suits(&conn->state, &job->mail)))
		conn = conn->next;
	if (conn == NULL)
		return false;
	leave_idle(conn);
	conn->job = job;
	job->conn = conn;
	begin_message(conn);
	return true;
}
