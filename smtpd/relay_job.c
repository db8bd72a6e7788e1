/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A message for the recipients of one destination: where to, in which order, and what becomes of each. Every recipient is answered
 * for once. */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "common/address.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/envelope_msg.h"
#include "smtpd/relay.h"
#include "smtpd/relay_habits.h"
#include "smtpd/smtp_parse.h"

#define JOBS_MAX 1200
/* How long all of them together may take to be ready for mail: who has many addresses that take connections and say nothing would hold one
 * of the places that there are for all destinations as long as he pleases. Half of it, which a host may take that others stand behind, is what
 * a greeting may take (RFC 5321 section 4.5.3.2.1). */
#define READY_SECONDS 600
#define SMTP_PORT 25
#define RECIPIENTS_MAX 1000
#define ADDRESSES_MAX (MSG_MAX * 4)

/* How long a host that has all of a message may still take to say that it has taken it, when the daemon stops. */
#define STOP_SECONDS 5

static void next_host(struct relay_job *job);
static void set_out(struct relay_job *job);

/* --- the end --- */

static void
on_stopped(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	proc_exit(context, EX_OK);
}

static void
stop_within(struct relay_role *role, struct timeval time)
{
	if (event_base_once(role->proc->base, -1, EV_TIMEOUT, on_stopped, role->proc, &time) < 0)
		proc_exit(role->proc, EX_OK);
}

static void
forget(struct relay_job *job)
{
	*job->at = job->next;
	if (job->next != NULL)
		job->next->at = job->at;
	job->role->job_count--;
	relay_demand_forget(job);
	relay_sts_forget(job);
	if (job->fd >= 0)
		(void)close(job->fd);
	buf_free(&job->addresses);
	free(job->mail.recipients);
	free(job->destination);
	free(job->queue_id);
	free(job->body);
	if (job->role->proc->stopping && job->role->jobs == NULL)
		stop_within(job->role, (struct timeval){ 0, 50000 }); /* what the queue is told is under way */
	free(job);
}

void
relay_job_settled(void *context, size_t recipient, const struct relay_result *result)
{
	struct relay_job *job = context;
	char tls[VERDICT_TLS_MAX] = "";
	struct msg_writer body;

	if (job->conn != NULL)
		relay_conn_describe_tls(job->conn, tls);
	msg_writer_init(&body);
	msg_put_u16(&body, (uint16_t)recipient);
	msg_put_u8(&body, (uint8_t)result->verdict);
	msg_put_u16(&body, result->code);
	msg_put_u8(&body, (uint8_t)((result->dsn ? TAKES_DSN : 0) | (result->by ? TAKES_BY : 0)));
	msg_put_u8(&body, (uint8_t)result->reach);
	msg_put_span(&body, span_of(result->status));
	msg_put_span(&body, span_of(result->text));
	msg_put_span(&body, span_of(job->conn != NULL ? relay_conn_host(job->conn) : job->failed_host));
	msg_put_span(&body, span_of(tls));
	/* When the queue is gone it tries the message anew. */
	(void)proc_send(job->role->proc, ROLE_QUEUE, MSG_RELAYED, job->id, &body, -1);
	job->settled++;
}

/* The same for all that are open, and the end of the job. */
static void
give_up(struct relay_job *job, const struct relay_result *result)
{
	relay_settle_all(&job->mail, relay_job_settled, job, result);
	forget(job);
}

static void
give_up_saying(struct relay_job *job, enum verdict verdict, const char *status, const char *text)
{
	struct relay_result result;

	relay_result_set(&result, verdict, status, text);
	give_up(job, &result);
}

void
relay_job_done(struct relay_job *job)
{
	job->conn = NULL;
	if (job->settled < job->mail.count && !job->role->proc->stopping)
		give_up_saying(job, VERDICT_TEMPFAIL, "4.3.0", "The recipient was left over");
	else
		forget(job);
}

void
relay_job_failed(struct relay_job *job, const char *host, const struct relay_result *result)
{
	job->conn = NULL;
	/* When one host says never and another not now, the message waits. */
	if (!job->failed_for_now || result->verdict == VERDICT_TEMPFAIL) {
		job->failure = *result;
		(void)snprintf(job->failed_host, sizeof(job->failed_host), "%s", host);
	}
	job->failed_for_now |= result->verdict == VERDICT_TEMPFAIL;
	job->reached |= result->reach != RELAY_UNREACHED;
	if (job->settled == job->mail.count || job->role->proc->stopping)
		forget(job);
	else if (job->hosts.count == 0) /* the connection stood already: no other host has been looked for */
		set_out(job);
	else
		next_host(job);
}

/* --- the way --- */

/* When some host is to be ready. */
static int64_t
any_ready_by(struct relay_job *job)
{
	if (job->ready_by == 0)
		job->ready_by = relay_conn_seconds() + READY_SECONDS;
	return job->ready_by;
}

int64_t
relay_job_ready_by(struct relay_job *job)
{
	int64_t now = relay_conn_seconds();

	return now + relay_order_share(&job->order, &job->hosts, job->host, any_ready_by(job) - now);
}

void
relay_job_no_way(struct relay_job *job)
{
	relay_order_no_way(&job->order, job->host);
}

void
relay_job_silent(struct relay_job *job)
{
	job->order.silent[job->host] = true;
}

static bool
is_known_as_silent(const void *context, const struct resolve_host *host, size_t address)
{
	const struct relay_job *job = context;
	struct relay_habit habit;
	char text[VERDICT_HOST_MAX];

	relay_conn_put_host(text, host->name, &host->addresses[address], job->port);
	habit = relay_habits_find(job->role->habits, text, (int64_t)time(NULL));
	/* One that is silent under TLS costs its ten seconds, which is no reason to leave the order of preferences (RFC 5321 section 5.1). */
	return habit.silent;
}

static void
next_host(struct relay_job *job)
{
	const struct resolve_host *host;
	size_t next, address;

	if (!relay_order_next(&job->order, &job->hosts, is_known_as_silent, job, &next, &address) || relay_conn_seconds() >= any_ready_by(job)) {
		job->failure.reach = job->reached ? RELAY_BROKE_OFF : RELAY_UNREACHED;
		give_up(job, &job->failure);
		return;
	}
	if (next != job->host)
		relay_demand_forget(job);
	job->host = next;
	if (job->demand == NULL && !relay_demand_find(job))
		return;
	relay_order_tried(&job->order, next, address);
	host = &job->hosts.hosts[next];
	relay_conn_open(job, host->name, &host->addresses[address], job->port);
}

void
relay_job_go(struct relay_job *job)
{
	next_host(job);
}

void
relay_job_demanded(struct relay_job *job)
{
	next_host(job);
}

void
relay_job_unfit(struct relay_job *job, const struct relay_result *result)
{
	const struct resolve_host *host = &job->hosts.hosts[job->host];
	struct relay_result unreached = *result;
	char name[VERDICT_HOST_MAX];

	unreached.reach = RELAY_UNREACHED;
	(void)snprintf(name, sizeof(name), "%s", host->name);
	for (char *end = unreached.text; (end = strchr(end, '\n')) != NULL;)
		*end = ' ';
	log_info("host-unfit", log_str("queue", job->queue_id), log_str("host", name), log_str("status", result->status), log_str("text", unreached.text));
	relay_order_drop(&job->order, job->host);
	relay_job_failed(job, name, &unreached);
}

/* "192.0.2.1" or "2001:db8::1". */
static bool
read_address(struct span text, struct resolve_address *ret_address)
{
	char digits[INET6_ADDRSTRLEN];

	if (text.len == 0 || text.len >= sizeof(digits))
		return false;
	memcpy(digits, text.ptr, text.len);
	digits[text.len] = '\0';
	if (inet_pton(AF_INET, digits, ret_address->bytes) == 1)
		ret_address->len = 4;
	else if (inet_pton(AF_INET6, digits, ret_address->bytes) == 1)
		ret_address->len = 16;
	else
		return false;
	return true;
}

static void
go_to_address(struct relay_job *job, struct span digits, const struct resolve_address *address)
{
	struct resolve_host *host = &job->hosts.hosts[0];

	memcpy(host->name, digits.ptr, digits.len); /* fits: it was read as an address */
	host->name[digits.len] = '\0';
	host->count = 1;
	host->addresses[0] = *address;
	job->hosts.count = 1;
	next_host(job);
}

static void
ask(struct relay_job *job, enum resolve_what what, struct span name)
{
	struct relay_role *role = job->role;
	struct msg_writer body;

	if (++role->last_question == 0)
		role->last_question = 1;
	job->question = role->last_question;
	msg_writer_init(&body);
	msg_put_u8(&body, (uint8_t)what);
	msg_put_span(&body, name);
	/* When resolve is gone it will be back, and the job is asked for then: a moment, or this whole
	 * daemon ends. */
	if (proc_send(role->proc, ROLE_RESOLVE, MSG_RESOLVE, job->question, &body, -1) < 0) {
		job->question = 0;
		job->asks_again = true;
	}
}

/* "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 section 4.1.3). */
static void
go_to_literal(struct relay_job *job, struct span host)
{
	struct resolve_address address;

	job->named = true;
	if (span_istarts(host, SPAN("IPv6:")))
		host = span_skip(host, 5);
	if (read_address(host, &address))
		go_to_address(job, host, &address);
	else
		give_up_saying(job, VERDICT_PERMFAIL, "5.1.3", "The address literal is of no kind that is known here");
}

/* The host that a route names, or the exchangers of the domain that it names. */
static void
go_to_hop(struct relay_job *job)
{
	const struct next_hop *hop = &job->hop;
	struct credentials credentials;
	struct resolve_address address;
	const char *fault = NULL;

	if (next_hop_parse(span_of(job->destination), &job->hop, &fault) == 0 && hop->label.len != 0 &&
	    !relay_secrets_find(buf_get(&job->role->secrets), hop->label, &credentials))
		fault = "The file of relay_secrets has no credentials for that next hop";
	if (fault != NULL) { /* the operator's to mend: mail waits for him */
		relay_result_set(&job->failure, VERDICT_TEMPFAIL, "4.3.5", fault);
		job->failure.reach = RELAY_UNREACHED;
		give_up(job, &job->failure);
		return;
	}
	job->port = hop->port;
	job->named = !hop->exchangers;
	if (hop->exchangers)
		ask(job, RESOLVE_MAIL, hop->host);
	else if (read_address(hop->host, &address))
		go_to_address(job, hop->host, &address);
	else
		ask(job, RESOLVE_HOST, hop->host);
}

/* The destination is a domain, an address literal, or a next hop. */
static void
set_out(struct relay_job *job)
{
	struct span destination = span_of(job->destination);

	job->port = SMTP_PORT;
	job->hop = (struct next_hop){ .tls = HOP_TLS_MAY };
	if (next_hop_is(destination))
		go_to_hop(job);
	else if (destination.len > 2 && destination.ptr[0] == '[' && span_ends(destination, SPAN("]")))
		go_to_literal(job, span_make(destination.ptr + 1, destination.len - 2));
	else
		ask(job, RESOLVE_MAIL, destination);
}

void
relay_job_stale(struct relay_job *job)
{
	job->conn = NULL;
	relay_demand_forget(job);
	job->host = 0;
	job->order = (struct relay_order){ 0 };
	job->ready_by = 0;
	set_out(job);
}

/* --- answers of the DNS --- */

static const struct {
	enum verdict verdict;
	const char *status, *text;
} refusals[] = {
	[RESOLVE_NOT_FOUND] = { VERDICT_PERMFAIL, "5.1.2", "There is no such domain" },
	[RESOLVE_NO_ADDRESS] = { VERDICT_PERMFAIL, "5.1.2", "No host takes mail for that domain" },
	[RESOLVE_NULL_MX] = { VERDICT_PERMFAIL, "5.1.10", "The domain says that it takes no mail" }, /* RFC 7505 section 4.2 */
	[RESOLVE_LOOP] = { VERDICT_PERMFAIL, "5.4.6", "The domain's mail comes to this very host, which has no account of that domain" },
	[RESOLVE_BAD_NAME] = { VERDICT_PERMFAIL, "5.1.2", "That is no domain name" },
	[RESOLVE_FAILED] = { VERDICT_TEMPFAIL, "4.4.3", NULL },
};

/* Mail comes back for what its recipient's domain says; for a next hop, which the operator has named, it waits. */
static void
not_found(struct relay_job *job, const struct resolve_answer *answer)
{
	const char *text = refusals[answer->result].text != NULL ? refusals[answer->result].text : answer->text;
	struct relay_result result;
	char *hop;

	if (next_hop_is(span_of(job->destination)) && refusals[answer->result].verdict == VERDICT_PERMFAIL) {
		hop = xasprintf("The next hop %s is not found: %s", job->destination, text);
		relay_result_set(&result, VERDICT_TEMPFAIL, "4.3.5", hop);
		free(hop);
	} else {
		relay_result_set(&result, refusals[answer->result].verdict, refusals[answer->result].status, text);
	}
	result.reach = RELAY_UNREACHED;
	give_up(job, &result);
}

int
relay_job_resolved(struct relay_role *role, const struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	struct relay_job *job = role->jobs;
	static struct resolve_answer answer;
	int r = resolve_get(&body, &answer);

	if (r < 0)
		return r;
	while (job != NULL && job->question != msg->id)
		job = job->next;
	if (job == NULL || msg->id == 0)
		return 0; /* the queue went, and the job with it */
	job->question = 0;
	if (answer.result == RESOLVE_OK) {
		job->hosts = answer;
		if (!relay_demand_asks_sts(job) || !relay_sts_ask(job, relay_demand_domain(job)))
			next_host(job);
	} else {
		not_found(job, &answer);
	}
	return 0;
}

void
relay_job_resolve_gone(struct relay_role *role)
{
	for (struct relay_job *job = role->jobs; job != NULL; job = job->next)
		if (job->question != 0) {
			job->question = 0;
			job->asks_again = true;
		}
}

void
relay_job_policy_gone(struct relay_role *role)
{
	for (struct relay_job *job = role->jobs; job != NULL; job = job->next)
		if (job->asked_policy != 0) {
			job->asked_policy = 0;
			job->asks_again = true;
		}
}

void
relay_job_asked_here(struct relay_role *role)
{
	struct relay_job *next;

	for (struct relay_job *job = role->jobs; job != NULL; job = next) {
		next = job->next;
		if (job->asks_again) {
			job->asks_again = false;
			set_out(job);
		}
	}
}

void
relay_job_drop_all(struct relay_role *role)
{
	while (role->jobs != NULL) {
		struct relay_job *job = role->jobs;

		if (job->conn != NULL)
			relay_conn_abort(job->conn);
		forget(job);
	}
}

void
relay_job_stop(struct relay_role *role)
{
	struct relay_job *next;

	if (role->jobs == NULL) {
		proc_exit(role->proc, EX_OK);
		return;
	}
	stop_within(role, (struct timeval){ STOP_SECONDS, 0 });
	/* Nobody has any of the others: the next life sends them. */
	for (struct relay_job *job = role->jobs; job != NULL; job = next) {
		next = job->next;
		if (job->conn != NULL && relay_conn_awaits_verdict(job->conn))
			continue;
		if (job->conn != NULL)
			relay_conn_abort(job->conn);
		forget(job);
	}
}

/* --- a job comes --- */

/* The address as it may be sent: checked, its domain in ASCII where its local-part is. False when it is none. */
static bool
fit_address(struct relay_job *job, struct span *text)
{
	struct address address;
	size_t start = job->addresses.len;

	if (address_parse_mailbox(*text, ADDRESS_SMTPUTF8, &address) != ADDRESS_OK)
		return false;
	*text = address.mailbox;
	if (span_is_ascii(address.mailbox) || !span_is_ascii(address.local))
		return true;
	/* Spans into it stay right: it never moves. */
	if (job->addresses.data == NULL)
		(void)buf_reserve(&job->addresses, ADDRESSES_MAX);
	if (buf_span(&job->addresses, address.local) < 0 || buf_char(&job->addresses, '@') < 0 ||
	    address_domain_canonical(address.domain, &job->addresses) < 0)
		return false;
	*text = span_make(job->addresses.data + start, job->addresses.len - start);
	return true;
}

/* Envelopes come from files that local users wrote: what would not be one word of a command is not sent. */
static void
check_addresses(struct relay_job *job)
{
	struct relay_mail *mail = &job->mail;
	struct relay_result result;

	if (mail->envid.len != 0 && !smtp_is_xtext(mail->envid, ENVELOPE_XTEXT_MAX))
		mail->envid = SPAN_NULL;
	if (mail->sender.len != 0 && !fit_address(job, &mail->sender)) {
		relay_result_set(&result, VERDICT_PERMFAIL, "5.1.7", "The sender's address is not valid");
		relay_settle_all(mail, relay_job_settled, job, &result);
	}
	relay_result_set(&result, VERDICT_PERMFAIL, "5.1.3", "The address is not valid");
	for (size_t i = 0; i < mail->count; i++) {
		struct relay_recipient *recipient = &mail->recipients[i];

		if (recipient->orcpt.len != 0 && !smtp_is_orcpt(recipient->orcpt))
			recipient->orcpt = SPAN_NULL;
		if (!recipient->settled && !fit_address(job, &recipient->address)) {
			recipient->settled = true;
			relay_job_settled(job, i, &result);
		}
	}
}

/* Reads the message between roles into the job, whose spans point into job->body. */
static int
read_job(struct relay_job *job)
{
	struct msg_reader body = msg_read_span(span_make(job->body, job->length));
	struct relay_mail *mail = &job->mail;
	struct span queue_id, destination;
	struct envelope asked = { .uid = -1 };
	uint8_t sign_as;

	job->offset = msg_get_u64(&body);
	job->length = mail->size = msg_get_u64(&body);
	if (!envelope_get_options(&body, &asked))
		return -EBADMSG;
	sign_as = msg_get_u8(&body);
	job->sign_domain = msg_get_span(&body);
	queue_id = msg_get_span(&body);
	destination = msg_get_span(&body);
	mail->sender = msg_get_span(&body);
	mail->envid = msg_get_span(&body);
	mail->count = msg_get_u16(&body);
	if (body.bad || mail->count == 0 || mail->count > RECIPIENTS_MAX || sign_as > SIGN_FORWARDER)
		return -EBADMSG;
	job->sign_as = (enum sign_as)sign_as;
	mail->body = asked.body;
	mail->smtputf8 = asked.smtputf8;
	mail->ret = asked.ret;
	mail->priority = asked.priority;
	mail->requiretls = asked.requiretls;
	mail->by = asked.by;
	mail->by_trace = asked.by_trace;
	job->deliver_by = asked.deliver_by;
	mail->recipients = xcalloc(mail->count, sizeof(*mail->recipients));
	for (size_t i = 0; i < mail->count; i++) {
		mail->recipients[i].notify = msg_get_u8(&body);
		mail->recipients[i].orcpt = msg_get_span(&body);
		mail->recipients[i].address = msg_get_span(&body);
	}
	job->queue_id = span_dup(queue_id);
	job->destination = span_dup(destination);
	return msg_done(&body) && destination.len != 0 && job->offset <= INT64_MAX / 2 && job->length <= INT64_MAX / 2 ? 0 : -EBADMSG;
}

int
relay_job_message(struct relay_role *role, struct msg *msg)
{
	struct relay_job *job;
	int r;

	if (role->proc->stopping)
		return 0; /* the queue keeps it */
	job = xcalloc(1, sizeof(*job));
	job->role = role;
	job->id = msg->id;
	job->fd = msg_take_fd(msg);
	job->body = xmemdup(msg->body.ptr, msg->body.len);
	job->length = msg->body.len;
	buf_init(&job->addresses, ADDRESSES_MAX);
	job->at = &role->jobs;
	job->next = role->jobs;
	if (job->next != NULL)
		job->next->at = &job->next;
	role->jobs = job;
	role->job_count++;
	relay_result_set(&job->failure, VERDICT_TEMPFAIL, "4.4.1", "No host was reached");
	r = read_job(job);
	if (r < 0) {
		forget(job);
		return r;
	}
	check_addresses(job);
	if (job->settled == job->mail.count)
		forget(job);
	else if (role->job_count > JOBS_MAX)
		give_up_saying(job, VERDICT_TEMPFAIL, "4.3.2", "Too many messages are going out");
	else if (!relay_conn_reuse(job))
		set_out(job);
	return 0;
}

ssize_t
relay_job_read(const struct relay_job *job, uint64_t at, void *bytes, size_t len)
{
	ssize_t got;

	if (at >= job->length)
		return 0;
	if (len > job->length - at)
		len = (size_t)(job->length - at);
	got = pread(job->fd, bytes, len, (off_t)(job->offset + at));
	if (got < 0)
		return -errno;
	return got == 0 ? -EIO : got; /* the file is shorter than the queue said */
}
