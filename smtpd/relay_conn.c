/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One connection to another host: the socket and its time limits around the machine of relay_state.h. A host that is silent, slow or
 * talks nonsense costs its own connection and no other. */
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
#include "smtpd/relay_conn.h"
#include "smtpd/relay_habits.h"

/* How long a connection waits for another message to the same destination, and how many it carries. */
#define IDLE_SECONDS 3
#define MESSAGES_MAX 100
#define IDLE_MAX 200

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

void
relay_conn_forget(struct relay_conn *conn)
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

bool
relay_conn_awaits_verdict(const struct relay_conn *conn)
{
	return conn->state.phase == RELAY_DOT;
}

void
relay_conn_abort(struct relay_conn *conn)
{
	relay_conn_forget(conn);
}

/* Frees the connection before the job goes on, which may open another. */
static void
fail(struct relay_conn *conn, const struct relay_result *result)
{
	bool silent = conn->silent;
	struct relay_job *job = conn->job;
	char host[VERDICT_HOST_MAX];
	struct relay_result copy = *result;

	copy.reach = conn->state.was_ready ? RELAY_BROKE_OFF : RELAY_UNREACHED;
	memcpy(host, conn->host, sizeof(host));
	if (silent)
		relay_habits_note_silence(conn->role->habits, conn->host, false, conn->patience, (int64_t)time(NULL));
	relay_conn_forget(conn);
	if (job == NULL)
		return;
	if (silent)
		relay_job_silent(job);
	log_info("host-failed", log_str("queue", job->queue_id), log_str("host", host), log_u64("code", copy.code), log_str("status", copy.status),
	    log_str("text", copy.text));
	relay_job_failed(job, host, &copy);
}

/* The connection broke or the host is silent. */
void
relay_conn_fail(struct relay_conn *conn, const char *status, const char *text)
{
	struct relay_result result;

	relay_result_set(&result, VERDICT_TEMPFAIL, status, text);
	if (conn->state.phase == RELAY_DOT && conn->job != NULL) {
		/* Whether it took the message nobody knows: no other host may get it at once, for it may have (RFC 5321 section 6.1). */
		result.reach = RELAY_BROKE_OFF;
		relay_settle_all(&conn->job->mail, relay_job_settled, conn->job, &result);
	} else if (conn->messages > 1 && conn->job != NULL && (conn->state.phase == RELAY_MAIL || conn->signing != NULL)) {
		/* It had closed while it was idle. */
		relay_conn_stale(conn);
		return;
	}
	fail(conn, &result);
}

void
relay_conn_stale(struct relay_conn *conn)
{
	struct relay_job *job = conn->job;

	relay_conn_forget(conn);
	relay_job_stale(job);
}

/* --- time --- */

void
relay_conn_set_timer(struct relay_conn *conn, unsigned seconds)
{
	const struct timeval time = { seconds, 0 };

	if (seconds == 0)
		(void)event_del(conn->timer);
	else
		(void)event_add(conn->timer, &time);
}

int64_t
relay_conn_seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

void
relay_conn_set_timeout(struct relay_conn *conn)
{
	relay_conn_set_timer(conn, relay_state_timeout(&conn->state, relay_conn_seconds()));
}

static void
say_goodbye(struct relay_conn *conn)
{
	struct buf out = BUF_INIT(64);

	leave_idle(conn);
	relay_state_quit(&conn->state, &out);
	(void)stream_write(conn->stream, buf_get(&out));
	buf_free(&out);
	relay_conn_set_timeout(conn);
}

void
relay_conn_on_timer(evutil_socket_t fd, short what, void *context)
{
	struct relay_conn *conn = context;
	char text[128];

	(void)fd, (void)what;
	if (conn->stream == NULL) {
		relay_conn_fail(conn, "4.4.1", "The host cannot be connected to: no answer");
	} else if (conn->signing != NULL) {
		conn->signing = relay_sign_cancel(conn->signing);
		relay_message_unsigned(conn, -ETIMEDOUT);
	} else if (conn->state.phase == RELAY_IDLE) {
		say_goodbye(conn);
	} else {
		(void)snprintf(text, sizeof(text), "Timeout while waiting for %s", relay_state_awaits(&conn->state));
		conn->silent = conn->state.phase < RELAY_IDLE;
		if (relay_state_is_starting_tls(&conn->state))
			relay_conn_tls_broke(conn, text);
		else
			relay_conn_fail(conn, "4.4.2", text);
	}
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
	if (conn->was_silent)
		relay_habits_note_voice(conn->role->habits, conn->host, ssl != NULL);
	if (ssl != NULL)
		fault = SSL_get_verify_result(ssl) == X509_V_OK ? "" : X509_verify_cert_error_string(SSL_get_verify_result(ssl));
	relay_conn_describe_tls(conn, tls);
	log_info("connected", log_str("queue", conn->job != NULL ? conn->job->queue_id : ""), log_str("host", conn->host),
	    log_str("tls", tls), log_str("certificate-fault", fault));
	if (conn->demand->testing && !relay_tls_passes_test(conn->demand, ssl))
		log_warning("policy-test-failed", log_str("domain", conn->destination), log_str("host", conn->host), log_str("tls", tls),
		    log_str("hint", "were it not a test the domain's MTA-STS policy would have the mail wait"));
}

/* What the reports of RFC 8460 are to tell of the connection, once. */
void
relay_conn_report(struct relay_conn *conn, enum tlsrpt_result result, const char *reason)
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
	const struct relay_demand *demand = conn->demand;

	/* One that the policy does not name would not be connected to, were it no test. */
	if (demand->testing && !demand->named)
		relay_conn_report(conn, TLSRPT_VALIDATION_FAILURE, "the policy does not name the host");
	else if (ssl == NULL)
		relay_conn_report(conn, TLSRPT_STARTTLS_NOT_SUPPORTED, "");
	else if (demand->testing ? relay_tls_passes_test(demand, ssl) : demand->tls != RELAY_TLS_VERIFY || relay_tls_is_verified(demand, ssl))
		relay_conn_report(conn, TLSRPT_SUCCESS, "");
	else if (error != X509_V_OK)
		relay_conn_report(conn, tlsrpt_result_of(error), X509_verify_cert_error_string(error));
	else
		relay_conn_report(conn, TLSRPT_VALIDATION_FAILURE, "the policy does not name the host");
}

/* What a host was found to do is remembered from one connection to the next. */
static void
note_habit(struct relay_conn *conn, struct relay_habit found)
{
	relay_habits_note(conn->role->habits, conn->host, found, (int64_t)time(NULL));
}

void
relay_conn_use_habit(struct relay_conn *conn)
{
	struct relay_habit habit = relay_habits_find(conn->role->habits, conn->host, (int64_t)time(NULL));

	conn->state.unchunked = habit.unchunked;
	conn->state.rcpt_max = habit.rcpt_max;
	conn->was_silent = habit.silent || habit.silent_tls;
	conn->state.hurries_tls = habit.silent_tls && conn->demand->tls < RELAY_TLS_ENCRYPT && !relay_mail_insists_on_tls(&conn->job->mail);
}

/* The next transaction has so many, and so has the next message. */
static void
learn_rcpt_max(struct relay_conn *conn)
{
	log_info("too-many-recipients", log_str("queue", conn->job->queue_id), log_str("host", conn->host), log_u64("taken", conn->state.took));
	note_habit(conn, (struct relay_habit){ .rcpt_max = conn->state.took });
	conn->state.rcpt_max = conn->state.took;
	conn->state.took = 0;
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
	relay_conn_set_timer(conn, IDLE_SECONDS);
}

/* What is left of the job has another connection, to the same address where the job has looked for it. */
void
relay_conn_open_again(struct relay_conn *conn)
{
	struct relay_job *job = conn->job;

	conn->job = NULL;
	if (conn->role->proc->stopping)
		relay_job_done(job);
	else if (job->demand != NULL)
		relay_conn_open(job, conn->name, &conn->address, conn->port);
	else /* it took over a connection that stood */
		relay_job_stale(job);
	relay_conn_forget(conn);
}

/* The host takes no more transactions on this connection. */
static void
go_on_elsewhere(struct relay_conn *conn)
{
	struct buf out = BUF_INIT(64);

	relay_state_quit(&conn->state, &out);
	(void)stream_write(conn->stream, buf_get(&out));
	buf_free(&out);
	stream_finish(conn->stream);
	conn->stream = NULL;
	conn->job->ready_by = 0; /* it was, and has taken something */
	relay_conn_open_again(conn);
}

void
relay_conn_ready(struct relay_conn *conn)
{
	struct relay_job *job = conn->job;

	log_session(conn);
	report_state(conn);
	if (job != NULL && conn->state.took != 0)
		learn_rcpt_max(conn);
	if (job == NULL) {
		rest(conn);
	} else if (job->settled < job->mail.count && !conn->role->proc->stopping) {
		/* Replies that nobody asked for would be taken for those to come. */
		if (stream_input(conn->stream).len != 0)
			relay_conn_fail(conn, "4.5.0", "The host speaks out of turn");
		else if (conn->state.offer.mail_max != 0 && conn->messages >= conn->state.offer.mail_max)
			go_on_elsewhere(conn);
		else
			relay_message_begin(conn);
	} else {
		conn->job = NULL;
		rest(conn);
		relay_job_done(job);
	}
}

void
relay_conn_start_tls(struct relay_conn *conn)
{
	const struct dane *dane = &conn->demand->dane;
	int r = stream_start_tls_client(conn->stream, conn->role->tls, dane->base[0] != '\0' ? dane->base : conn->name);

	if (r < 0) {
		/* Bytes behind the reply to STARTTLS: somebody is in between. */
		relay_conn_fail(conn, "4.7.5", "The host sent bytes before TLS that it should not have sent");
		return;
	}
	conn->state.tls = relay_tls_prepare(conn->demand, stream_tls_settings(conn->stream));
	relay_conn_set_timeout(conn);
}

/* CHUNKING was offered and is not known after all, as behind something that adds to what a host offers: the message goes by DATA. */
static void
without_chunks(struct relay_conn *conn)
{
	log_warning("chunking-failed", log_str("queue", conn->job->queue_id), log_str("host", conn->host), log_str("error", conn->state.host.text));
	note_habit(conn, (struct relay_habit){ .unchunked = true });
	conn->job->ready_by = 0; /* it was, and is not asked this way again */
	relay_conn_open_again(conn);
}

/* The connection may be gone afterwards. */
void
relay_conn_act(struct relay_conn *conn, enum relay_action action, struct buf *out)
{
	struct relay_job *job = conn->job;
	struct relay_result result;

	if (out->len != 0)
		(void)stream_write(conn->stream, buf_get(out));
	switch (action) {
	case RELAY_WAIT:
		relay_conn_set_timeout(conn);
		break;
	case RELAY_START_TLS:
		relay_conn_start_tls(conn);
		break;
	case RELAY_READY:
		relay_conn_ready(conn);
		break;
	case RELAY_SEND_MESSAGE:
		relay_conn_set_timeout(conn);
		relay_message_go_on(conn);
		break;
	case RELAY_HOST_FAILED:
		result = conn->state.host;
		if (conn->state.refused_tls)
			report_state(conn);
		if (conn->state.refused_chunks) {
			without_chunks(conn);
			break;
		}
		if (out->len != 0) { /* a goodbye */
			stream_finish(conn->stream);
			conn->stream = NULL;
		}
		fail(conn, &result);
		break;
	case RELAY_CLOSE:
		conn->job = NULL;
		relay_conn_forget(conn);
		if (job != NULL)
			relay_job_done(job);
		break;
	}
}

/* --- another job --- */

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
	relay_conn_use_habit(conn);
	relay_message_begin(conn);
	return true;
}
