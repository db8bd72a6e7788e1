/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What is demanded of TLS with the host that a job turns to: by the route, or by the host's TLSA records (RFC 7672). */
#include <stdlib.h>

#include "common/xalloc.h"
#include "smtpd/relay.h"

static const struct resolve_host *
host_of(const struct relay_job *job)
{
	return &job->hosts.hosts[job->host];
}

/* RFC 8689 section 4.2.1: a name out of MX records counts when DNSSEC vouches for them. */
static bool
is_name_trusted(const struct relay_job *job)
{
	return job->named || job->hosts.secure || span_ieq(span_of(host_of(job)->name), span_of(job->destination));
}

static void
demand(struct relay_job *job, enum relay_tls tls, enum relay_tls_by by)
{
	job->demand = relay_demand_new(tls, by, is_name_trusted(job));
}

/* --- DANE --- */

static void ask_next(struct relay_job *job);

/* The domain whose mail exchangers were asked for; empty where the operator named the host. */
static struct span
exchangers_of(const struct relay_job *job)
{
	if (job->named)
		return SPAN_NULL;
	return job->hop.exchangers ? job->hop.host : span_of(job->destination);
}

static void
take_result(struct relay_job *job)
{
	struct dane *dane = job->search.dane;
	struct span domain = exchangers_of(job);
	struct relay_result result;

	switch (dane->result) {
	case DANE_NONE:
		demand(job, RELAY_TLS_MAY, RELAY_TLS_BY_NOBODY);
		break;
	case DANE_ENCRYPT:
	case DANE_VERIFY:
		demand(job, dane->result == DANE_VERIFY ? RELAY_TLS_VERIFY : RELAY_TLS_ENCRYPT, RELAY_TLS_BY_DANE);
		job->demand->dane = *dane;
		job->demand->domains[0] = domain.len != 0 ? span_dup(domain) : NULL;
		job->demand->domains[1] = job->hosts.alias_of[0] != '\0' ? xstrdup(job->hosts.alias_of) : NULL;
		break;
	case DANE_FAILED:
		relay_result_set(&result, VERDICT_TEMPFAIL, dane->bogus ? "4.7.5" : "4.4.3", dane->reason);
		dane_free(dane);
		free(dane);
		job->search.dane = NULL;
		relay_job_unfit(job, &result);
		return;
	}
	free(dane);
	job->search.dane = NULL;
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

bool
relay_demand_find(struct relay_job *job)
{
	const struct resolve_host *host = host_of(job);

	if (job->hop.tls == HOP_TLS_NEVER) {
		demand(job, RELAY_TLS_NEVER, RELAY_TLS_BY_NOBODY);
	} else if (job->hop.tls == HOP_TLS_MUST || job->hop.tls == HOP_TLS_FIRST) {
		demand(job, RELAY_TLS_VERIFY, RELAY_TLS_BY_ROUTE);
	} else if (!may_have_dane(job)) {
		demand(job, RELAY_TLS_MAY, RELAY_TLS_BY_NOBODY);
	} else {
		dane_search(&job->search, xcalloc(1, sizeof(struct dane)), host->name, host->alias_of, host->secure, job->port);
		ask_next(job);
		return false;
	}
	return true;
}

void
relay_demand_forget(struct relay_job *job)
{
	if (job->asked_dns != 0)
		dns_cancel(job->role->dns, job->asked_dns);
	job->asked_dns = 0;
	if (job->search.dane != NULL) {
		dane_free(job->search.dane);
		free(job->search.dane);
		job->search.dane = NULL;
	}
	job->demand = relay_demand_release(job->demand);
}
