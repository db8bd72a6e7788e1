/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Connections as domains want to be told of them (TLSRPT, RFC 8460): each counts for the policy that it was judged by, once its domain says
 * that it takes reports. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "common/address.h"
#include "common/xalloc.h"
#include "smtpd/relay.h"
#include "smtpd/report_day.h"

#define PREFIX "_smtp._tls."
/* What of a row there is room for in a message. */
#define ROW_MAX 4096
/* What of a policy there is room for in a row, where some octets take three: of a longer one its first lines are told. */
#define POLICY_MAX 2048

struct counted {
	struct relay_role *role;
	char *domain;
	struct buf row;
};

/* --- the policy's strings (RFC 8460 section 4.5) --- */

static void
put_records(const struct dane *dane, struct buf *out)
{
	for (size_t i = 0; i < dane->count; i++) {
		const struct dane_record *record = &dane->records[i];

		(void)buf_fmt(out, "%u %u %u ", record->usage, record->selector, record->matching);
		for (size_t b = 0; b < record->data.len; b++)
			(void)buf_fmt(out, "%02X", (unsigned)(unsigned char)record->data.ptr[b]);
		(void)buf_char(out, '\n');
	}
}

static void
put_policy(const struct relay_sts *sts, struct buf *out)
{
	struct span text = sts != NULL && sts->text != NULL ? span_of(sts->text) : SPAN_NULL, line;

	while (span_split(&text, '\n', &line) && out->len + line.len < POLICY_MAX)
		if (!span_starts(line, SPAN("fourpost_"))) {
			(void)buf_span(out, line);
			(void)buf_char(out, '\n');
		}
}

/* --- counting --- */

static void
on_record(void *context, const struct dns_answer *answer)
{
	struct counted *counted = context;
	struct span addresses = SPAN_NULL, found;
	size_t records = 0;
	struct msg_writer body;

	for (size_t i = 0; i < answer->count; i++)
		switch (tlsrpt_record_parse(answer->records[i].data, &found)) {
		case 0:
			addresses = found;
			records++;
			break;
		case -ENOENT:
			break;
		default:
			records++;
		}
	/* Another number than one is as none (section 3). */
	if (records == 1 && addresses.len != 0) {
		msg_writer_init(&body);
		msg_put_u8(&body, REPORT_TLS);
		msg_put_span(&body, span_of(counted->domain));
		msg_put_span(&body, addresses);
		msg_put_span(&body, SPAN("-"));
		msg_put_span(&body, buf_get(&counted->row));
		/* When the report role is gone, some connections are not counted. */
		(void)proc_send(counted->role->proc, ROLE_REPORT, MSG_REPORT_COUNT, 0, &body, -1);
	}
	buf_free(&counted->row);
	free(counted->domain);
	free(counted);
}

static void
count(const struct relay_job *job, const struct tlsrpt_session *session)
{
	struct relay_role *role = job->role;
	struct span domain = relay_demand_domain(job);
	struct buf name = BUF_INIT(512), canonical = BUF_INIT(DNS_NAME_MAX);
	struct counted *counted;

	/* A message that may go without TLS is none to count, whatever the domain demands: so goes a report itself, which would make the next
	 * day's, and that another (RFC 8460 section 3). */
	if (!smtpd_conf(role->proc)->tls_reports || domain.len == 0 || address_domain_canonical(domain, &canonical) < 0 || relay_demand_is_relaxed(job)) {
		buf_free(&canonical);
		return;
	}
	counted = xcalloc(1, sizeof(*counted));
	counted->role = role;
	counted->domain = span_dup(buf_get(&canonical));
	buf_init(&counted->row, ROW_MAX);
	(void)buf_fmt(&name, PREFIX "%s", counted->domain);
	if (tlsrpt_row_put(session, &counted->row) == 0 && dns_is_name(buf_get(&name))) {
		(void)dns_ask(role->dns, buf_get(&name), DNS_TXT, on_record, counted);
	} else {
		buf_free(&counted->row);
		free(counted->domain);
		free(counted);
	}
	buf_free(&name);
	buf_free(&canonical);
}

void
relay_report_session(const struct relay_job *job, const struct relay_demand *demand, const char *host, const struct resolve_address *address,
    enum tlsrpt_result result, const char *reason)
{
	char digits[INET6_ADDRSTRLEN] = "";
	struct buf policy = BUF_INIT(ROW_MAX);
	struct tlsrpt_session session = { .result = result, .host = span_of(host), .reason = span_of(reason) };

	/* The operator's own demands are nobody else's. */
	if (demand->by == RELAY_TLS_BY_ROUTE || demand->by == RELAY_TLS_BY_POLICY || demand->tls == RELAY_TLS_NEVER)
		return;
	(void)inet_ntop(address->len == 16 ? AF_INET6 : AF_INET, address->bytes, digits, sizeof(digits));
	session.address = span_of(digits);
	/* A test is judged beside TLSA records that cannot be used, too: where it is none they leave the word to it. */
	session.policy = demand->by == RELAY_TLS_BY_STS || demand->testing ? TLSRPT_STS : demand->by == RELAY_TLS_BY_DANE ? TLSRPT_TLSA : TLSRPT_NO_POLICY;
	if (session.policy == TLSRPT_TLSA)
		put_records(&demand->dane, &policy);
	else if (session.policy == TLSRPT_STS)
		put_policy(job->sts, &policy);
	session.policy_text = buf_get(&policy);
	count(job, &session);
	buf_free(&policy);
}

void
relay_report_unfit(const struct relay_job *job, enum tlsrpt_policy kind, enum tlsrpt_result result, const char *reason)
{
	struct buf policy = BUF_INIT(ROW_MAX);
	struct tlsrpt_session session = { .policy = kind, .result = result, .reason = span_of(reason) };

	if (job->hosts.count > job->host)
		session.host = span_of(job->hosts.hosts[job->host].name);
	if (kind == TLSRPT_STS)
		put_policy(job->sts, &policy);
	session.policy_text = buf_get(&policy);
	count(job, &session);
	buf_free(&policy);
}
