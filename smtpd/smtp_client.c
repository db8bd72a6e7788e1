/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One client: input is taken from the stream only as fast as answers are given and replies are
 * read, so a client costs bounded memory whatever it does. */
#include "smtpd/smtp_client_inside.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/date.h"
#include "common/domain_list.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "frame/account_name.h"
#include "smtpd/proxy_parse.h"
#include "smtpd/smtpd_conf.h"

/* Replies that a client has not read: no more input is taken until they are gone. */
#define UNREAD_MAX 65536
/* What must come within the timeout for a client to count as alive: a command, or this much of a
 * message. */
#define PROGRESS_BYTES 1024
/* No client waits for an answer of ours longer than ten minutes (RFC 5321 section 4.5.3.2.6). Whoever still stands there after half an hour
 * is gone, unseen while nothing is read from it, and its place is another's. */
#define STUCK_SECONDS (30 * 60)
/* Of header that is put before a message. */
#define FIELDS_MAX (SMTP_CHECK_FIELDS_MAX + SCORE_FIELD_MAX + RULES_FIELDS_MAX + 64)

#define TOO_MANY "Too many connections: try again later"

/* --- the end --- */

static void
log_client(const struct smtp_client *client, const char *end)
{
	const struct smtp *smtp = &client->smtp;

	log_info("client", log_str("client", client->smtp.client),
	    log_str("listener", client->front->listener->name), log_str("helo", smtp->helo),
	    log_str("tls", smtp->tls), log_str("account", smtp->account),
	    log_u64("messages", client->messages), log_u64("errors", smtp->errors),
	    log_str("end", end));
}

void
smtp_client_leave(struct smtp_client *client, const char *end)
{
	struct smtp_role *role = client->role;

	log_client(client, end);
	if (client->request != 0)
		auth_cancel(front_auth(role->front), client->request);
	client->check = smtp_check_free(client->check);
	handin_abort(client->handin);
	smtp_client_forget_question(client);
	client->guard = guard_free(client->guard);
	if (client->greeter != NULL)
		event_free(client->greeter);
	smtp_client_leave_tarpit(client);
	buf_free(&client->fields);
	buf_free(&client->whose);
	event_free(client->watch);
	stream_finish(client->stream);
	front_leave(client->front);
	smtp_free(&client->smtp);
	*client->at = client->next;
	if (client->next != NULL)
		client->next->at = client->at;
	free(client);
	if (role->clients == NULL && role->empty != NULL)
		role->empty(role);
}

/* --- what the machine puts out --- */

static void
log_refusal(const struct smtp_client *client)
{
	const struct smtp *smtp = &client->smtp;
	struct span reply = span_skip(buf_get(&smtp->out), smtp->refused_at), line;

	(void)span_split(&reply, '\r', &line);
	log_info("refused", log_str("client", client->smtp.client), log_str("helo", smtp->helo),
	    log_str("account", smtp->account), log_str("id", smtp->refused_mail.id), log_str("from", smtp->refused_mail.sender),
	    log_str("to", smtp->refused_mail.recipient),
	    log_str("command", smtp->line), log_span("reply", line));
}

static void
put_message(struct smtp_client *client)
{
	struct smtp *smtp = &client->smtp;
	int r = client->handin != NULL ? handin_write(client->handin, buf_get(&smtp->message)) : -EPIPE;

	client->growing = r > 0;
	if (client->growing)
		return; /* `grown` writes it */
	/* Signatures are of what came, not of what is stored of it. */
	if (client->check != NULL)
		smtp_check_feed(client->check, smtp_original(smtp));
	smtp->trace_len = 0;
	if (r < 0) {
		log_error("not-written", log_str("client", smtp->client), log_str("id", smtp->queue_id), log_errno("error", r));
		smtp_write_failed(smtp, r == -ENOSPC || r == -EDQUOT);
	}
	/* A client that waits in the middle of its message takes no more than any other. */
	buf_free(&smtp->message);
	buf_free(&smtp->original);
}

void
smtp_client_put_out(struct smtp_client *client)
{
	struct smtp *smtp = &client->smtp;

	if ((smtp->message.len != 0 || smtp->original.len != 0) && !client->growing)
		put_message(client);
	if (smtp->out.len == 0)
		return;
	if (smtp->refused)
		log_refusal(client);
	smtp->refused = false;
	smtp_forget_note(smtp);
	/* Only a broken connection refuses: UNREAD_MAX keeps room for any reply. Its end is told by
	 * itself. */
	(void)stream_write(client->stream, buf_get(&smtp->out));
	buf_clear(&smtp->out);
}

/* --- answers --- */

/* Mail for that domain is taken for another host. */
static bool
is_relay_domain(const struct smtp_client *client)
{
	return domain_list_find_address(&smtpd_conf(front_proc(client->role->front))->relay_domains, client->smtp.asked) != NULL;
}

static enum smtp_looked_up
relayed(const struct smtp_client *client)
{
	const struct smtpd_conf *conf = smtpd_conf(front_proc(client->role->front));
	const struct relay_recipients *recipients = client->role->relay_recipients;

	return recipients == NULL ||
		relay_recipients_have(recipients, client->smtp.asked, &conf->relay_domains, conf->common.recipient_delimiter[0]) ?
	    SMTP_IS_RELAYED : SMTP_IS_UNKNOWN;
}

static void
looked_up(void *context, enum lookup_result result, struct span account)
{
	static const enum smtp_looked_up results[] = {
		[LOOKUP_LOCAL] = SMTP_IS_LOCAL,
		[LOOKUP_ALIAS] = SMTP_IS_LOCAL,
		[LOOKUP_UNKNOWN] = SMTP_IS_UNKNOWN,
		[LOOKUP_NOT_OURS] = SMTP_IS_NOT_OURS,
		[LOOKUP_TEMPFAIL] = SMTP_LOOKUP_FAILED,
		[LOOKUP_LOOP] = SMTP_IS_CIRCLE,
	};
	struct smtp_client *client = context;
	uint64_t edition = auth_edition(front_auth(client->role->front));

	client->request = 0;
	buf_clear(&client->whose);
	(void)buf_span(&client->whose, account);
	if (client->smtp.envelope.count == 0)
		client->edition = edition;
	else if (client->edition != edition)
		client->edition = 0;
	if (result == LOOKUP_NOT_OURS && is_relay_domain(client))
		smtp_looked_up(&client->smtp, relayed(client), account);
	else
		smtp_looked_up(&client->smtp, results[result], account);
	smtp_client_pump(client);
}

static void
authenticated(void *context, enum auth_result result, uint64_t grant, struct span account)
{
	static const enum smtp_authenticated results[] = {
		[AUTH_OK] = SMTP_AUTH_OK,
		[AUTH_BAD] = SMTP_AUTH_BAD,
		[AUTH_LIMITED] = SMTP_AUTH_LIMITED,
		[AUTH_TEMPFAIL] = SMTP_AUTH_FAILED,
	};
	struct smtp_client *client = context;

	client->request = 0;
	/* A grant is for workers; who hands in mail needs none. */
	auth_drop_grant(front_auth(client->role->front), grant);
	if (result == AUTH_OK)
		log_info("login", log_str("client", client->smtp.client),
		    log_span("account", account), log_str("tls", client->smtp.tls));
	smtp_authenticated(&client->smtp, results[result], account);
	smtp_client_pump(client);
}

/* What is known of the message before milters have their say: how it is taken, and what it is told by. */
static void
judge_message(struct smtp_client *client, enum smtp_fault fault)
{
	const struct verification *verification = client->check != NULL ? smtp_check_verification(client->check) : NULL;

	struct rules_outcome outcome;
	bool ruled;

	buf_clear(&client->fields);
	if (smtp_client_is_tested(client) && fault == SMTP_FAULT_NONE) {
		ruled = smtp_rules_apply(client->role->rules, client->handin, &outcome);
		fault = smtp_score_message(guard_defence(client->guard), verification, ruled ? &outcome : NULL, !client->smtp.has_choosy, client->smtp.queue_id,
		    &client->fields);
		client->held = ruled && outcome.held && fault == SMTP_FAULT_NONE;
		if (ruled)
			rules_outcome_free(&outcome);
	}
	if (client->check != NULL)
		(void)buf_span(&client->fields, smtp_check_fields(client->check));
	smtp_checked(&client->smtp, fault);
}

static void
checked(void *context, enum smtp_fault fault)
{
	struct smtp_client *client = context;

	judge_message(client, fault);
	smtp_client_pump(client);
}

static void
begin_check(struct smtp_client *client)
{
	const struct smtp *smtp = &client->smtp;
	const struct verify_envelope envelope = {
		.client = smtp->client, .helo = smtp->helo, .sender = smtp->envelope.sender
	};

	client->check = smtp_check_new(front_proc(client->role->front), client->role->dns, &client->role->verify, &envelope,
	    smtp->queue_id, checked, client);
}

static void
opened(void *context, enum smtp_stored result, struct span queue_id)
{
	struct smtp_client *client = context;
	char date[DATE_SIZE];

	(void)date_format(date_local((int64_t)time(NULL)), date);
	if (result != SMTP_STORED)
		client->handin = NULL;
	smtp_opened(&client->smtp, result, queue_id, date);
	if (client->smtp.verifies && client->smtp.queue_id != NULL)
		begin_check(client);
	smtp_client_pump(client);
}

static void
log_received(const struct smtp_client *client)
{
	const struct smtp *smtp = &client->smtp;

	log_info("received", log_str("id", smtp->queue_id),
	    log_str("client", client->smtp.client), log_str("helo", smtp->helo),
	    log_str("account", smtp->account), log_str("from", smtp->envelope.sender),
	    log_str("to", smtp->envelope.recipients[0].address),
	    log_u64("recipients", smtp->envelope.count), log_u64("size", smtp->data.size),
	    log_i64("priority", smtp->envelope.priority)); /* RFC 6710 section 4.1 */
}

static void
committed(void *context, enum smtp_stored result, const struct smtp_verdict *verdicts, size_t count)
{
	struct smtp_client *client = context;

	client->handin = NULL;
	smtp_client_forget_question(client);
	if (result == SMTP_STORED || smtp_any_taken(verdicts, count)) {
		client->messages++;
		log_received(client);
		if (client->held)
			smtp_client_log_held(client, SPAN("a rule of this site"));
	}
	smtp_committed(&client->smtp, result, verdicts, count);
	if (front_proc(client->role->front)->stopping && client->smtp.action == SMTP_NOTHING)
		smtp_hang_up(&client->smtp, "4.3.2", "The server is stopping");
	smtp_client_pump(client);
}

static void
lost(void *context)
{
	struct smtp_client *client = context;

	client->handin = NULL;
	if (client->reading)
		smtp_client_unreadable(client); /* no filter has been asked */
	else
		smtp_write_failed(&client->smtp, false);
}

/* Its file has room for what waits. */
static void
grown(void *context, enum smtp_stored result)
{
	struct smtp_client *client = context;

	client->growing = false;
	if (result != SMTP_STORED) {
		client->handin = NULL;
		smtp_write_failed(&client->smtp, result == SMTP_NO_SPACE);
	}
	smtp_client_pump(client);
}

const struct handin_ops smtp_client_handin_ops = { opened, committed, lost, smtp_client_rewritten, grown, smtp_client_readable };

/* --- carrying out --- */

static void
open_message(struct smtp_client *client)
{
	struct smtp *smtp = &client->smtp;
	const struct smtpd_conf *conf = smtpd_conf(front_proc(client->role->front));

	/* Whom XCLIENT and PROXY speak for is known by now. */
	smtp->verifies = smtp->kind == SMTP_MX && !smtpd_lists(&conf->verify_not_from, smtp->client);
	client->held = false;
	smtp->checks = smtp->verifies || smtp_client_is_tested(client);
	client->handin = handin_open(client->role->handins, &smtp->envelope, client->edition,
	    smtp->checks ? FIELDS_MAX : 0, client->smtp.client, smtp->account, client);
	if (client->handin == NULL)
		smtp_opened(smtp, SMTP_NOT_STORED, SPAN_NULL, "");
}

/* False when the client is gone. */
static bool
start_tls(struct smtp_client *client)
{
	int r = front_start_tls(client->front);

	if (r == 0)
		return true;
	log_warning("starttls-with-bytes-behind", log_str("client", client->smtp.client),
	    log_errno("error", r));
	smtp_client_leave(client, "plaintext behind STARTTLS");
	return false;
}

/* Mail for accounts here is in its mailboxes before the client is told so. */
static enum message_first
first_of(const struct smtp_client *client)
{
	const struct smtp *smtp = &client->smtp;

	if (client->held)
		return FIRST_HOLD;
	if (smtp->has_remote)
		return FIRST_QUEUE;
	return smtp->kind == SMTP_LMTP ? FIRST_TRY_EACH : FIRST_TRY;
}

static bool
act(struct smtp_client *client)
{
	struct smtp *smtp = &client->smtp;
	struct auth_client *auth = front_auth(client->role->front);
	enum smtp_action action = smtp->action;

	smtp_acted(smtp);
	switch (action) {
	case SMTP_LOOKUP:
		client->request = auth_lookup(auth, smtp->asked, smtp_asker(smtp), looked_up, client);
		return true;
	case SMTP_AUTHENTICATE:
		client->request = auth_verify(auth, buf_get(&smtp->user), buf_get(&smtp->password),
		    span_of(client->smtp.client), authenticated, client);
		return true;
	case SMTP_START_TLS:
		return start_tls(client);
	case SMTP_OPEN:
		open_message(client);
		return true;
	case SMTP_JUDGE:
		smtp_client_judge(client);
		return true;
	case SMTP_TARPIT:
		smtp_client_tarpit(client);
		return true;
	case SMTP_CHECK:
		if (client->check != NULL)
			smtp_check_end(client->check);
		else
			judge_message(client, SMTP_FAULT_NONE);
		return true;
	case SMTP_FILTER:
		smtp_client_ask_filter(client);
		return true;
	case SMTP_COMMIT:
		handin_commit(client->handin, smtp->checks ? buf_get(&client->fields) : SPAN_NULL, first_of(client));
		client->check = smtp_check_free(client->check);
		return true;
	case SMTP_ABORT:
		client->check = smtp_check_free(client->check);
		smtp_client_forget_question(client);
		handin_abort(client->handin);
		client->handin = NULL;
		return true;
	case SMTP_CLOSE:
		smtp_client_leave(client, "closed");
		return false;
	case SMTP_NOTHING:
		break;
	}
	return true;
}

/* The header of the PROXY protocol. True when it has come; the client may be gone otherwise. */
static bool
take_proxy_header(struct smtp_client *client)
{
	struct smtp *smtp = &client->smtp;
	struct proxy_header header;
	size_t len;
	int r = proxy_parse(stream_input(client->stream), &header, &len);

	if (r < 0 || (r == 1 && client->eof)) {
		log_warning("no-proxy-header", log_str("client", smtp->client),
		    log_str("listener", client->front->listener->name));
		smtp_client_leave(client, "no PROXY header");
		return false;
	}
	if (r == 1) {
		stream_resume(client->stream);
		return false;
	}
	client->awaits_proxy = false;
	stream_consume(client->stream, len);
	if (header.address[0] != '\0')
		smtp_set_client(smtp, header.address);
	if (!smtp_client_count(client)) {
		if (!client->front->listener->tls) {
			smtp_hang_up(smtp, "4.3.2", TOO_MANY);
			return true;
		}
		smtp_client_leave(client, "too many connections"); /* before TLS there is no way to say so */
		return false;
	}
	if (!client->front->listener->tls) {
		smtp_client_greet(client);
		return true;
	}
	if (front_begin_tls(client->front) < 0)
		smtp_client_leave(client, "no certificate");
	return false;
}

void
smtp_client_pump(struct smtp_client *client)
{
	struct smtp *smtp = &client->smtp;
	size_t taken = 1;

	smtp->now = (int64_t)time(NULL);
	/* Before TLS there is nobody to tell why. */
	if (client->awaits_proxy && client->front->listener->tls && smtp->action != SMTP_NOTHING) {
		smtp_client_leave(client, "no PROXY header");
		return;
	}
	if (client->awaits_proxy && smtp->action == SMTP_NOTHING && !take_proxy_header(client))
		return;
	if (smtp_client_is_early(client))
		return;
	while (taken != 0) {
		smtp_client_put_out(client);
		if (client->growing) {
			stream_pause(client->stream);
			return;
		}
		if (smtp->action != SMTP_NOTHING) {
			if (!act(client))
				return;
			continue;
		}
		if (!smtp_is_ready(smtp) || stream_pending(client->stream) > UNREAD_MAX)
			break;
		taken = smtp_input(smtp, stream_input(client->stream));
		stream_consume(client->stream, taken);
		client->received += taken;
		if (!smtp->in_mail) /* RSET, or another EHLO: filters need not wait for the rest */
			smtp_client_forget_question(client);
		/* Both may fail behind XCLIENT. */
		if (!smtp_client_count(client)) {
			buf_clear(&smtp->out); /* which greets */
			smtp_hang_up(smtp, "4.3.2", TOO_MANY);
		} else if (!smtp_client_set_guard(client)) {
			buf_clear(&smtp->out);
			smtp_hang_up(smtp, "4.7.0", SMTP_CROWDED);
		}
	}
	smtp_client_put_out(client);
	if (taken == 0 && client->eof) {
		smtp_client_leave(client,
		    smtp->phase == SMTP_COMMANDS && !smtp->in_mail ? "gone" :
								     "gone within a message");
		return;
	}
	/* While an answer is awaited, or replies unread, the client's silence is not its fault, and
	 * its input may wait. */
	if (taken == 0)
		stream_resume(client->stream);
	else if (smtp->awaited != SMTP_START_TLS)
		stream_pause(client->stream);
}

/* --- the stream's word --- */

static void
on_readable(struct stream *stream, void *context)
{
	(void)stream;
	smtp_client_pump(context);
}

static void
on_secured(struct stream *stream, void *context)
{
	struct smtp_client *client = context;
	const SSL *ssl = stream_ssl(stream);
	bool first = client->smtp.first && client->smtp.awaited != SMTP_START_TLS;
	char text[sizeof(client->smtp.tls)];

	(void)snprintf(text, sizeof(text), "%s %s", SSL_get_version(ssl), SSL_get_cipher_name(ssl));
	smtp_secured(&client->smtp, text);
	if (first)
		smtp_client_greet(client);
	smtp_client_pump(client);
}

static void
on_ended(struct stream *stream, void *context, enum stream_end end)
{
	struct smtp_client *client = context;

	switch (end) {
	case STREAM_EOF:
		client->eof = true;
		smtp_client_pump(client);
		break;
	case STREAM_TIMEOUT:
		smtp_hang_up(&client->smtp, "4.4.2", "You were silent too long");
		smtp_client_pump(client);
		break;
	case STREAM_TLS_FAILED:
		log_info("tls-failed", log_str("client", client->smtp.client),
		    log_str("error", stream_tls_error(stream)));
		smtp_client_leave(client, "TLS failed");
		break;
	case STREAM_ERROR:
		smtp_client_leave(client, "broken");
		break;
	}
}

static const struct stream_ops stream_ops = {
	.readable = on_readable, .drained = on_readable, .secured = on_secured, .ended = on_ended
};

/* A client that sends a byte now and then keeps the stream awake; it must get somewhere too. */
static void
on_watch(evutil_socket_t fd, short what, void *context)
{
	struct smtp_client *client = context;
	const struct timeval again = { client->role->timeout, 0 };
	uint64_t progress =
	    client->smtp.commands + client->messages + client->received / PROGRESS_BYTES;

	(void)fd, (void)what;
	if (progress == client->progress_seen && client->smtp.awaited == SMTP_NOTHING) {
		smtp_hang_up(&client->smtp, "4.4.2", "You are too slow");
		smtp_client_pump(client);
		return;
	}
	client->stuck = progress == client->progress_seen ? client->stuck + (unsigned)again.tv_sec : 0;
	if (client->stuck > STUCK_SECONDS) {
		log_error("client-stuck", log_str("client", client->smtp.client), log_str("id", client->smtp.queue_id), log_u64("awaits", client->smtp.awaited),
		    log_str("hint", "what is to answer it never does: this is a fault of smtpd's or of a milter"));
		smtp_client_leave(client, "stuck");
		return;
	}
	client->progress_seen = progress;
	(void)event_add(client->watch, &again);
}

/* --- the beginning --- */

bool
smtp_client_awaits_proxy(const struct front_client *front_client, void *context)
{
	const struct smtp_role *role = context;

	return smtpd_lists(&smtpd_conf(front_proc(role->front))->proxy_header_from, front_client->address);
}

bool
smtp_client_is_proxy(const struct front_client *front_client, void *context)
{
	const struct smtp_role *role = context;

	return smtp_client_awaits_proxy(front_client, context) ||
	    smtpd_lists(&smtpd_conf(front_proc(role->front))->proxy_from, front_client->address);
}

void
smtp_client_new(struct smtp_role *role, struct front_client *front_client)
{
	struct smtp_client *client = xcalloc(1, sizeof(*client));
	const struct timeval timeout = { role->timeout, 0 };
	const struct smtpd_conf *conf = smtpd_conf(front_proc(role->front));

	client->role = role;
	client->filtered.fd = -1;
	client->fields = BUF_INIT(FIELDS_MAX);
	client->whose = BUF_INIT(ACCOUNT_NAME_MAX);
	client->front = front_client;
	client->stream = front_client->stream;
	front_client->context = client;
	smtp_init(&client->smtp, &role->settings, (enum smtp_kind)front_client->listener->kind,
	    front_client->address);
	client->smtp.is_proxy = smtpd_lists(&conf->proxy_from, front_client->address);
	(void)snprintf(client->counted, sizeof(client->counted), "%s", front_client->address);
	client->awaits_proxy = smtp_client_awaits_proxy(front_client, role);
	client->next = role->clients;
	if (client->next != NULL)
		client->next->at = &client->next;
	client->at = &role->clients;
	role->clients = client;
	client->watch = event_new(front_proc(role->front)->base, -1, 0, on_watch, client);
	if (client->watch == NULL)
		abort();
	(void)event_add(client->watch, &timeout);
	stream_set_owner(client->stream, &stream_ops, client);
	smtp_clients_crowd(role);
	if (!front_client->listener->tls && !client->awaits_proxy) {
		smtp_client_greet(client);
		smtp_client_put_out(client);
	}
}

void
smtp_clients_stop(struct smtp_role *role)
{
	struct smtp_client *client, *next;

	for (client = role->clients; client != NULL; client = next) {
		next = client->next;
		if (client->smtp.awaited == SMTP_COMMIT)
			continue;
		smtp_hang_up(&client->smtp, "4.3.2", "The server is stopping");
		smtp_client_pump(client);
	}
}
