/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What is demanded of TLS with the host that a job turns to: by the route, by the host's TLSA records (RFC 7672), or
 * by its domain's MTA-STS policy (RFC 8461);
 * or by the operator, instead of what the destination says. */
#include <stdio.h>
#include <stdlib.h>

#include "common/header.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/relay.h"
#include "smtpd/tls_policy.h"

/* Octets of a message in which its header is looked for. */
#define HEADER_MAX 65536

static const struct resolve_host *
host_of(const struct relay_job *job)
{
	return &job->hosts.hosts[job->host];
}

static bool
is_named_by_policy(const struct relay_job *job)
{
	return job->sts != NULL && job->sts->there && sts_policy_names(&job->sts->policy, span_of(host_of(job)->name));
}

/* RFC 8689 section 4.2.1: a name out of MX records counts when DNSSEC or MTA-STS vouches for them. */
static bool
is_name_trusted(const struct relay_job *job)
{
	return is_named_by_policy(job) || job->named || job->hosts.secure || span_ieq(span_of(host_of(job)->name), span_of(job->destination));
}

static bool
is_address(struct span host)
{
	for (size_t i = 0; i < host.len; i++)
		if (!ascii_is_digit(host.ptr[i]) && host.ptr[i] != '.')
			return span_chr(host, ':') >= 0;
	return true;
}

struct span
relay_demand_domain(const struct relay_job *job)
{
	if (job->named)
		return is_address(job->hop.host) ? SPAN_NULL : job->hop.host;
	return job->hop.exchangers ? job->hop.host : span_of(job->destination);
}

/* --- the decision --- */

/* What a host must have, or why it must not have the mail. */
struct decision {
	enum relay_tls tls;
	enum relay_tls_by by;
	bool trusted, testing;
	bool pinned; /* to fingerprints of tls_policies */
	const char *status, *refusal;
	enum tlsrpt_policy judge; /* of a refusal, and what it counts as */
	enum tlsrpt_result counts;
};

/* The operator's word on this destination: it counts where the route says nothing of TLS. */
static struct tls_policy
policy_of(const struct relay_job *job)
{
	struct span domain = relay_demand_domain(job);

	return tls_policy_find(&smtpd_conf(job->role->proc)->tls_policies, domain.len != 0 ? domain : job->hop.host);
}

/* The message wants a host that is certainly the right one, and who that is only the domain's policy could say, which is not known now. What
 * is certain some minutes later must not come back now. */
static bool
must_wait_for_policy(const struct relay_job *job)
{
	return relay_mail_insists_on_tls(&job->mail) && job->sts != NULL && job->sts->unsure && !is_name_trusted(job);
}

/* The operator's refusal: no report tells of it. */
static struct decision
refuse(const char *status, const char *refusal)
{
	return (struct decision){ .status = status, .refusal = refusal };
}

static struct decision
refuse_by(enum tlsrpt_policy judge, enum tlsrpt_result counts, const char *status, const char *refusal)
{
	return (struct decision){ .status = status, .refusal = refusal, .judge = judge, .counts = counts };
}

/* tls_policies wants certain names. */
static struct decision
decide_names(const struct relay_job *job, const struct tls_policy *policy)
{
	struct span domain = relay_demand_domain(job);

	if (!tls_policy_names(policy, domain, span_of(host_of(job)->name)) && !(policy->names.len == 0 && is_name_trusted(job)))
		return refuse("4.7.5", "The host is none of those that tls_policies names for the domain");
	return (struct decision){ .tls = RELAY_TLS_VERIFY, .by = RELAY_TLS_BY_POLICY, .trusted = true };
}

/* Nobody says whom the host is to be but, maybe, the domain's policy. */
static struct decision
decide_by_sts(const struct relay_job *job, bool encrypted)
{
	struct decision decision = { .tls = encrypted ? RELAY_TLS_ENCRYPT : RELAY_TLS_MAY, .by = encrypted ? RELAY_TLS_BY_DANE : RELAY_TLS_BY_NOBODY };

	if (job->sts == NULL || !job->sts->there)
		return decision;
	if (job->sts->policy.mode == STS_ENFORCE && !is_named_by_policy(job))
		return refuse_by(TLSRPT_STS, TLSRPT_VALIDATION_FAILURE, "4.7.5", "The host is none of those that the domain's MTA-STS policy names");
	if (job->sts->policy.mode == STS_ENFORCE)
		return (struct decision){ .tls = RELAY_TLS_VERIFY, .by = RELAY_TLS_BY_STS };
	decision.testing = true;
	return decision;
}

/* dane: what the host's records say; NULL when they were not asked for. */
static struct decision
decide(const struct relay_job *job, const struct dane *dane)
{
	struct tls_policy policy = policy_of(job);

	if (job->hop.tls == HOP_TLS_NEVER)
		return (struct decision){ .tls = RELAY_TLS_NEVER };
	if (job->hop.tls != HOP_TLS_MAY)
		return (struct decision){ .tls = RELAY_TLS_VERIFY, .by = RELAY_TLS_BY_ROUTE };
	if (dane != NULL && dane->result == DANE_FAILED)
		return refuse_by(TLSRPT_TLSA, TLSRPT_DNSSEC_INVALID, dane->bogus ? "4.7.5" : "4.4.3", dane->reason);
	if (dane != NULL && dane->result == DANE_VERIFY) /* it goes before MTA-STS (RFC 8461 section 2) */
		return (struct decision){ .tls = RELAY_TLS_VERIFY, .by = RELAY_TLS_BY_DANE };
	switch (policy.level) {
	case TLS_LEVEL_NONE:
		return (struct decision){ .tls = RELAY_TLS_NEVER };
	case TLS_LEVEL_MAY:
		return (struct decision){ .tls = RELAY_TLS_MAY };
	case TLS_LEVEL_ENCRYPT:
		return (struct decision){ .tls = RELAY_TLS_ENCRYPT, .by = RELAY_TLS_BY_POLICY };
	case TLS_LEVEL_VERIFY:
		return decide_names(job, &policy);
	case TLS_LEVEL_DANE:
		return refuse("4.7.5", "tls_policies demands DANE, and the host has no TLSA record that can be used");
	case TLS_LEVEL_FINGERPRINT:
		return (struct decision){ .tls = RELAY_TLS_VERIFY, .by = RELAY_TLS_BY_POLICY, .trusted = true, .pinned = true };
	case TLS_LEVEL_AUTO:
		break;
	}
	return decide_by_sts(job, dane != NULL && dane->result == DANE_ENCRYPT);
}

bool
relay_demand_is_relaxed(const struct relay_job *job)
{
	char *bytes;
	struct header_field field;
	ssize_t got;
	bool relaxed = false;

	if (job->mail.requiretls)
		return false;
	bytes = xmalloc(HEADER_MAX);
	got = relay_job_read(job, 0, bytes, HEADER_MAX);
	if (got > 0) {
		struct span head = span_make(bytes, (size_t)got);

		relaxed = header_find(span_make(bytes, header_block_size(head)), SPAN("TLS-Required"), &field) && span_ieq(span_trim(field.value), SPAN("No"));
	}
	free(bytes);
	return relaxed;
}

/* As TLSA records of the host's own (RFC 6698): each digest may be of its certificate or of its public key. */
static void
pin(struct dane *dane, const char *host, struct span fingerprints)
{
	uint8_t digest[TLS_FINGERPRINT_SIZE];

	buf_init(&dane->data, TLS_FINGERPRINTS_MAX * sizeof(digest) + 1);
	(void)snprintf(dane->base, sizeof(dane->base), "%s", host);
	while (tls_policy_fingerprint(&fingerprints, digest))
		(void)buf_put(&dane->data, digest, sizeof(digest));
	for (size_t at = 0; at + sizeof(digest) <= dane->data.len; at += sizeof(digest))
		for (uint8_t selector = 0; selector <= 1; selector++)
			dane->records[dane->count++] = (struct dane_record){ .usage = 3, .selector = selector, .matching = 1, .data = span_make(dane->data.data + at, sizeof(digest)) };
}

/* Acts on the decision. True: job->demand is set. False: the host is passed over, and the job has gone on. */
static bool
act(struct relay_job *job, struct decision decision)
{
	struct relay_result result;
	bool strict = decision.refusal != NULL || decision.tls >= RELAY_TLS_ENCRYPT;
	bool relaxed = strict && decision.by != RELAY_TLS_BY_ROUTE && policy_of(job).level == TLS_LEVEL_AUTO && relay_demand_is_relaxed(job);

	if (relaxed) {
		decision = (struct decision){ .tls = RELAY_TLS_MAY };
		log_info("tls-not-required", log_str("queue", job->queue_id), log_str("host", host_of(job)->name));
	}
	if (decision.refusal == NULL && !decision.trusted && must_wait_for_policy(job))
		decision = refuse("4.7.10", "The message requires TLS with a host that is certainly the right one, and the MTA-STS policy of the domain, which may say so, is not to be had now");
	if (decision.refusal != NULL) {
		relay_result_set(&result, VERDICT_TEMPFAIL, decision.status, decision.refusal);
		if (decision.counts != TLSRPT_SUCCESS)
			relay_report_unfit(job, decision.judge, decision.counts, decision.refusal);
		relay_job_unfit(job, &result);
		return false;
	}
	job->demand = relay_demand_new(decision.tls, decision.by, decision.trusted || is_name_trusted(job));
	job->demand->testing = decision.testing;
	job->demand->named = decision.testing && is_named_by_policy(job);
	job->demand->relaxed = relaxed;
	if (decision.pinned)
		pin(&job->demand->dane, host_of(job)->name, policy_of(job).fingerprints);
	return true;
}

/* --- DANE --- */

static void ask_next(struct relay_job *job);

static void
drop_search(struct relay_job *job)
{
	if (job->search.dane == NULL)
		return;
	dane_free(job->search.dane);
	free(job->search.dane);
	job->search.dane = NULL;
}

/* The records go with the demand that they make. */
static void
take_records(struct relay_job *job, struct dane *dane)
{
	struct span domain = relay_demand_domain(job);

	job->demand->dane = *dane;
	dane->data = (struct buf){ 0 };
	job->demand->domains[0] = domain.len != 0 ? span_dup(domain) : NULL;
	job->demand->domains[1] = job->hosts.alias_of[0] != '\0' ? xstrdup(job->hosts.alias_of) : NULL;
}

static void
take_result(struct relay_job *job)
{
	struct dane *dane = job->search.dane;
	bool goes;

	job->search.dane = NULL; /* for the job may turn to another host, or end */
	goes = act(job, decide(job, dane));
	if (goes && job->demand->by == RELAY_TLS_BY_DANE && job->demand->tls == RELAY_TLS_VERIFY)
		take_records(job, dane);
	dane_free(dane);
	free(dane);
	if (goes)
		relay_job_demanded(job);
}

static void
on_answer(void *context, const struct dns_answer *answer)
{
	struct relay_job *job = context;

	job->asked_dns = 0;
	dane_answer(&job->search, answer);
	ask_next(job);
}

static void
ask_next(struct relay_job *job)
{
	struct buf name = BUF_INIT(DNS_NAME_MAX + 16);
	enum dns_type type;
	bool asks = dane_next(&job->search, &name, &type);

	/* What is too long with the prefix is no name that could have records. */
	if (asks && !dns_is_name(buf_get(&name))) {
		struct dns_answer *none = xcalloc(1, sizeof(*none));

		none->status = DNS_NO_NAME;
		dane_answer(&job->search, none);
		free(none);
		buf_free(&name);
		ask_next(job); /* two names at most */
		return;
	}
	if (asks)
		job->asked_dns = dns_ask(job->role->dns, buf_get(&name), type, on_answer, job);
	buf_free(&name);
	if (!asks)
		take_result(job);
}

/* Is the host the destination's for certain, and signed enough to be asked for (RFC 7672 section 2.2)? */
static bool
may_have_dane(const struct relay_job *job)
{
	const struct resolve_host *host = host_of(job);

	return (job->named || job->hosts.secure) && (host->secure || host->alias_of[0] != '\0');
}

static bool
asks_for_dane(const struct relay_job *job)
{
	enum tls_level level = policy_of(job).level;

	return job->hop.tls == HOP_TLS_MAY && (level == TLS_LEVEL_AUTO || level == TLS_LEVEL_DANE) && may_have_dane(job);
}

bool
relay_demand_asks_sts(const struct relay_job *job)
{
	return job->hop.tls == HOP_TLS_MAY && relay_demand_domain(job).len != 0 && policy_of(job).level == TLS_LEVEL_AUTO;
}

bool
relay_demand_find(struct relay_job *job)
{
	const struct resolve_host *host = host_of(job);

	if (!asks_for_dane(job))
		return act(job, decide(job, NULL));
	dane_search(&job->search, xcalloc(1, sizeof(struct dane)), host->name, host->alias_of, host->secure, job->port);
	ask_next(job);
	return false;
}

void
relay_demand_forget(struct relay_job *job)
{
	if (job->asked_dns != 0)
		dns_cancel(job->role->dns, job->asked_dns);
	job->asked_dns = 0;
	drop_search(job);
	job->demand = relay_demand_release(job->demand);
}
