/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* From the header to the author's domain, from there to its record, and from all results to the policy. */
#include "smtpd/dmarc_state.h"

#include <stdio.h>
#include <string.h>

#include "common/address.h"
#include "common/address_list.h"
#include "common/header.h"
#include "smtpd/public_suffix.h"

#define PREFIX "_dmarc."

const char *
dmarc_result_name(enum dmarc_result result)
{
	static const char *const names[] = { "none", "pass", "fail", "temperror", "permerror" };

	return names[result];
}

static void
settle(struct dmarc *dmarc, enum dmarc_result result, const char *reason)
{
	dmarc->outcome.result = result;
	dmarc->outcome.reason = reason;
	dmarc->done = true;
}

/* Where a domain's record stands. False when it is too long to have one. */
static bool
put_name(const char *domain, char out[DNS_NAME_MAX + 1])
{
	struct buf name = BUF_INIT(DNS_NAME_MAX);
	bool good = buf_fmt(&name, PREFIX "%s", domain) == 0;

	if (good)
		memcpy(out, name.data, name.len + 1);
	buf_free(&name);
	return good;
}

/* --- the author's domain --- */

/* Letters, digits, hyphens and dots, and what some have beside them. */
static bool
is_domain(struct span domain)
{
	for (size_t i = 0; i < domain.len; i++)
		if (!ascii_is_alnum(domain.ptr[i]) && domain.ptr[i] != '-' && domain.ptr[i] != '.' && domain.ptr[i] != '_')
			return false;
	return domain.len != 0 && dns_is_name(domain);
}

/* As A-labels in lower case. False when it is no name that a domain of mail has. */
static bool
put_domain(struct span domain, char out[DNS_NAME_MAX + 1])
{
	struct buf text = BUF_INIT(DNS_NAME_MAX);
	bool good = address_domain_canonical(domain, &text) == 0 && is_domain(buf_get(&text));

	if (good)
		(void)snprintf(out, DNS_NAME_MAX + 1, "%s", buf_cstr(&text));
	buf_free(&text);
	return good;
}

/* What is wrong with the authors of one From field, or NULL. */
static const char *
take_authors(struct span value, char from[DNS_NAME_MAX + 1])
{
	const char *fault = NULL;
	char domain[DNS_NAME_MAX + 1];
	struct address_list list;

	address_list_parse(value, &list);
	if (list.cut || list.ambiguous)
		fault = "From can be read in two ways";
	for (size_t i = 0; i < list.count && fault == NULL; i++) {
		if (list.entries[i].kind != ADDRESS_KIND_MAILBOX)
			continue;
		if (!put_domain(list.entries[i].domain, domain))
			fault = "From has an address without a domain";
		else if (from[0] != '\0' && strcmp(from, domain) != 0)
			fault = "From has addresses in several domains";
		else
			memcpy(from, domain, sizeof(domain));
	}
	address_list_free(&list);
	return fault;
}

/* Section 6.6.1: a message whose author cannot be told is one that a reader may take for anybody's. */
void
dmarc_begin(struct dmarc *dmarc, struct span header)
{
	char *from = dmarc->outcome.from;
	const char *fault = NULL;
	struct header_field field;
	struct header_iter iter;
	unsigned fields = 0;

	*dmarc = (struct dmarc){ .done = false };
	header_begin(&iter, header);
	while (header_next(&iter, &field))
		if (span_ieq(field.name, SPAN("From")) && fields++ == 0)
			fault = take_authors(field.value, from);
	if (fault == NULL && (fields != 1 || from[0] == '\0'))
		fault = fields > 1 ? "there are several From fields" : "there is no author in From";
	if (fault == NULL && !put_name(from, dmarc->name))
		fault = "the domain in From is too long";
	if (fault == NULL)
		return;
	from[0] = '\0';
	settle(dmarc, DMARC_PERMERROR, fault);
}

/* --- the record --- */

bool
dmarc_question(const struct dmarc *dmarc, struct span *ret_name)
{
	*ret_name = span_of(dmarc->name);
	return !dmarc->done && !dmarc->has_record;
}

/* Section 6.6.3, steps 2 and 5: the one record, if there is just one. */
static bool
only_record(const struct dns_answer *answer, struct span *ret_text, size_t *ret_count)
{
	*ret_count = 0;
	for (size_t i = 0; answer->status == DNS_FOUND && i < answer->count; i++)
		if (dmarc_is_record(answer->records[i].data)) {
			*ret_text = answer->records[i].data;
			(*ret_count)++;
		}
	return *ret_count == 1;
}

/* The answer goes away. Whoever has more addresses than have room is not told. */
static void
keep_reports(struct dmarc_outcome *outcome)
{
	struct span reports = outcome->record.reports;

	if (reports.len != 0 && reports.len <= DMARC_REPORTS_MAX) {
		memcpy(outcome->reports, reports.ptr, reports.len);
		outcome->reports[reports.len] = '\0';
	}
	outcome->record.reports = SPAN_NULL;
}

void
dmarc_answer(struct dmarc *dmarc, const struct dns_answer *answer)
{
	struct dmarc_outcome *outcome = &dmarc->outcome;
	const char *organization = public_suffix_organization(outcome->from);
	struct span text;
	size_t count;

	if (answer->status == DNS_FAILED || answer->status == DNS_BOGUS) {
		settle(dmarc, DMARC_TEMPERROR, "the policy could not be looked up");
	} else if (only_record(answer, &text, &count)) {
		(void)snprintf(outcome->domain, sizeof(outcome->domain), "%s", dmarc->name + strlen(PREFIX));
		if (dmarc_record_parse(text, &dmarc->outcome.record) < 0) {
			settle(dmarc, DMARC_PERMERROR, "the policy cannot be read");
			return;
		}
		dmarc->has_record = true;
		keep_reports(outcome);
		outcome->policy = dmarc->asked_organization ? dmarc->outcome.record.subdomain_policy : dmarc->outcome.record.policy;
	} else if (count == 0 && !dmarc->asked_organization && strcmp(organization, outcome->from) != 0) {
		dmarc->asked_organization = true;
		(void)put_name(organization, dmarc->name); /* it is shorter */
	} else {
		settle(dmarc, DMARC_NONE, count > 1 ? "there are several policies" : NULL);
	}
}

/* --- the result --- */

/* Section 3.1. */
static bool
is_aligned(const struct dmarc *dmarc, const char *domain, bool strict)
{
	const char *from = dmarc->outcome.from;

	return strict ? strcmp(domain, from) == 0 :
			strcmp(public_suffix_organization(domain), public_suffix_organization(from)) == 0;
}

/* Section 6.6.4: who is left out gets the next milder policy. */
static enum dmarc_policy
sampled(const struct dmarc *dmarc, unsigned sample)
{
	enum dmarc_policy policy = dmarc->outcome.policy;

	return policy == DMARC_POLICY_NONE || sample < dmarc->outcome.record.percent ? policy : policy - 1;
}

void
dmarc_conclude(struct dmarc *dmarc, const struct spf_outcome *spf, const struct dkim_check *checks, size_t count, unsigned sample)
{
	struct dmarc_outcome *outcome = &dmarc->outcome;
	bool later = false;

	if (!dmarc->has_record)
		return;
	if (is_aligned(dmarc, spf->domain, dmarc->outcome.record.strict_spf)) {
		outcome->wants_spf = true;
		outcome->spf_aligned = spf->result == SPF_PASS;
		later = spf->result == SPF_TEMPERROR;
	}
	for (size_t i = 0; i < count; i++) {
		char domain[DNS_NAME_MAX + 1];

		if (!put_domain(checks[i].signature.domain, domain) || !is_aligned(dmarc, domain, dmarc->outcome.record.strict_dkim))
			continue;
		outcome->dkim_aligned |= checks[i].result == DKIM_PASS;
		outcome->wants_key |= checks[i].unanswered;
		later |= checks[i].result == DKIM_TEMPERROR;
	}
	if (outcome->spf_aligned || outcome->dkim_aligned) {
		settle(dmarc, DMARC_PASS, NULL);
	} else if (later) {
		/* What would have shown whose it is could not be looked up: that is no word against it. */
		settle(dmarc, DMARC_TEMPERROR, "what SPF or DKIM needs could not be looked up");
	} else {
		settle(dmarc, DMARC_FAIL, NULL);
		outcome->wanted = sampled(dmarc, sample);
	}
}
