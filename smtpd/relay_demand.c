/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What is demanded of TLS with the host that a job turns to: by the route, by the host's TLSA records (RFC 7672), or
 * by its domain's MTA-STS policy (RFC 8461). */
#include <stdlib.h>

#include "common/xalloc.h"
#include "smtpd/relay.h"

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

static void
demand(struct relay_job *job, enum relay_tls tls, enum relay_tls_by by)
{
	job->demand = relay_demand_new(tls, by, is_name_trusted(job));
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

struct span
relay_demand_domain(const struct relay_job *job)
{
	if (job->named)
		return SPAN_NULL;
	return job->hop.exchangers ? job->hop.host : span_of(job->destination);
}

static bool
enforces_policy(const struct relay_job *job)
{
	return job->sts != NULL && job->sts->there && job->sts->policy.mode == STS_ENFORCE;
}

/* Where the host's records do not say whom it is to be. */
static void
demand_by_policy(struct relay_job *job, enum relay_tls otherwise, enum relay_tls_by by)
{
	if (enforces_policy(job)) {
		demand(job, RELAY_TLS_VERIFY, RELAY_TLS_BY_STS);
	} else {
		demand(job, otherwise, by);
		job->demand->testing = job->sts != NULL && job->sts->there;
	}
}

static bool
is_excluded_by_policy(const struct relay_job *job)
{
	return enforces_policy(job) && !is_named_by_policy(job);
}

static void
exclude(struct relay_job *job)
{
	struct relay_result result;

	relay_result_set(&result, VERDICT_TEMPFAIL, "4.7.5", "The host is none of those that the domain's MTA-STS policy names");
	relay_job_unfit(job, &result);
}

static void
take_result(struct relay_job *job)
{
	struct dane *dane = job->search.dane;
	struct span domain = relay_demand_domain(job);
	struct relay_result result;

	switch (dane->result) {
	case DANE_NONE:
	case DANE_ENCRYPT:
		if (is_excluded_by_policy(job)) {
			drop_search(job);
			exclude(job);
			return;
		}
		demand_by_policy(job, dane->result == DANE_ENCRYPT ? RELAY_TLS_ENCRYPT : RELAY_TLS_MAY,
		    dane->result == DANE_ENCRYPT ? RELAY_TLS_BY_DANE : RELAY_TLS_BY_NOBODY);
		break;
	case DANE_VERIFY: /* it goes before MTA-STS (RFC 8461 section 2) */
		demand(job, RELAY_TLS_VERIFY, RELAY_TLS_BY_DANE);
		job->demand->dane = *dane;
		dane->data = (struct buf){ 0 };
		job->demand->domains[0] = domain.len != 0 ? span_dup(domain) : NULL;
		job->demand->domains[1] = job->hosts.alias_of[0] != '\0' ? xstrdup(job->hosts.alias_of) : NULL;
		break;
	case DANE_FAILED:
		relay_result_set(&result, VERDICT_TEMPFAIL, dane->bogus ? "4.7.5" : "4.4.3", dane->reason);
		drop_search(job);
		relay_job_unfit(job, &result);
		return;
	}
	drop_search(job);
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
	} else if (!may_have_dane(job) && is_excluded_by_policy(job)) {
		exclude(job);
		return false;
	} else if (!may_have_dane(job)) {
		demand_by_policy(job, RELAY_TLS_MAY, RELAY_TLS_BY_NOBODY);
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
	drop_search(job);
	job->demand = relay_demand_release(job->demand);
}
