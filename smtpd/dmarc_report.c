/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A row is words with spaces between, "-" where there is none: address, disposition, DKIM and SPF as DMARC sees them, why the policy was not
 * carried out, the domains of From and of the reverse-path, what SPF says (domain, scope, result), and of each signature domain, selector
 * and result. */
#include "smtpd/dmarc_report.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

/* Signatures that a row tells. */
#define SIGNATURES_MAX 4

static void
put_word(struct buf *out, struct span word)
{
	if (out->len != 0)
		(void)buf_char(out, ' ');
	if (word.len == 0)
		(void)buf_char(out, '-');
	for (size_t i = 0; i < word.len; i++)
		(void)buf_char(out, word.ptr[i] <= ' ' || word.ptr[i] > '~' ? '?' : word.ptr[i]);
}

/* --- counting --- */

static const char *
disposition_of(enum verify_verdict verdict)
{
	return verdict == VERIFY_REFUSE ? "reject" : verdict == VERIFY_QUARANTINE ? "quarantine" : "none";
}

/* Why less was done than the domain wants (section 7.2's PolicyOverrideType), or nothing. */
static const char *
override_of(const struct verification *verification, const char *disposition)
{
	const struct dmarc_outcome *dmarc = verify_dmarc(verification);

	if (dmarc->result != DMARC_FAIL || strcmp(disposition, dmarc_policy_name(dmarc->policy)) == 0)
		return "";
	if (verify_is_vouched_for(verification))
		return "trusted_forwarder";
	return dmarc->wanted != dmarc->policy ? "sampled_out" : "local_policy";
}

static void
put_row(const struct verification *verification, const struct verify_envelope *envelope, struct buf *row)
{
	const struct dmarc_outcome *dmarc = verify_dmarc(verification);
	const struct spf_outcome *spf = verify_spf(verification);
	const char *disposition = disposition_of(verify_verdict(verification));
	struct span sender = span_of(envelope->sender);
	ptrdiff_t at = span_rchr(sender, '@');
	size_t count;
	const struct dkim_check *checks = verify_checks(verification, &count);

	put_word(row, span_of(envelope->client));
	put_word(row, span_of(disposition));
	put_word(row, span_of(dmarc->dkim_aligned ? "pass" : "fail"));
	put_word(row, span_of(dmarc->spf_aligned ? "pass" : "fail"));
	put_word(row, span_of(override_of(verification, disposition)));
	put_word(row, span_of(dmarc->from));
	put_word(row, at >= 0 ? span_skip(sender, (size_t)at + 1) : SPAN_NULL);
	put_word(row, span_of(spf->domain));
	put_word(row, span_of(spf->identity == SPF_MAILFROM ? "mfrom" : "helo"));
	put_word(row, span_of(spf_result_name(spf->result)));
	for (size_t i = 0; i < count && i < SIGNATURES_MAX; i++) {
		put_word(row, checks[i].signature.domain);
		put_word(row, checks[i].signature.selector);
		put_word(row, span_of(dkim_result_name(checks[i].result)));
	}
}

bool
dmarc_report_line(const struct verification *verification, const struct verify_envelope *envelope, struct buf *policy, struct buf *row,
    struct report_line *ret_line)
{
	const struct dmarc_outcome *dmarc = verify_dmarc(verification);
	char failures[DMARC_FAILURES_SIZE];

	if ((dmarc->result != DMARC_PASS && dmarc->result != DMARC_FAIL) || dmarc->reports[0] == '\0' ||
	    verify_verdict(verification) == VERIFY_DEFER)
		return false;
	dmarc_failures_put(dmarc->record.failures, failures);
	(void)buf_fmt(policy, "%s %s %s %s %u %s", dmarc_policy_name(dmarc->record.policy), dmarc_policy_name(dmarc->record.subdomain_policy),
	    dmarc->record.strict_dkim ? "s" : "r", dmarc->record.strict_spf ? "s" : "r", dmarc->record.percent, failures);
	put_row(verification, envelope, row);
	*ret_line = (struct report_line){ span_of(dmarc->domain), span_of(dmarc->reports), buf_get(policy), buf_get(row), 1 };
	return !policy->overflow && !row->overflow;
}

/* --- the report (appendix C) --- */

static void
put_element(struct buf *out, const char *name, struct span text)
{
	(void)buf_fmt(out, "<%s>", name);
	(void)report_put_xml(out, text);
	(void)buf_fmt(out, "</%s>\n", name);
}

/* The next word; empty for "-" and at the end. */
static struct span
next_word(struct span *text)
{
	struct span word;

	(void)span_split(text, ' ', &word);
	return span_eq(word, SPAN("-")) ? SPAN_NULL : word;
}

static void
put_next(struct buf *out, const char *name, struct span *text)
{
	put_element(out, name, next_word(text));
}

static bool
is_one_of(struct span word, const char *const *names)
{
	while (*names != NULL && !span_eq(word, span_of(*names)))
		names++;
	return *names != NULL;
}

static bool
is_spf_result(struct span word)
{
	for (unsigned i = SPF_NONE; i <= SPF_PERMERROR; i++)
		if (span_eq(word, span_of(spf_result_name((enum spf_result)i))))
			return true;
	return false;
}

static bool
is_dkim_result(struct span word)
{
	for (unsigned i = DKIM_NONE; i <= DKIM_PERMERROR; i++)
		if (span_eq(word, span_of(dkim_result_name((enum dkim_result)i))))
			return true;
	return false;
}

/* Its family, and of IPv6 its octets; 0: it is none. */
static int
read_address(struct span address, struct in6_addr *ret_v6)
{
	char digits[INET6_ADDRSTRLEN] = "";

	if (address.len >= sizeof(digits))
		return 0;
	if (address.len != 0)
		memcpy(digits, address.ptr, address.len);
	if (inet_pton(AF_INET6, digits, ret_v6) == 1)
		return AF_INET6;
	return inet_pton(AF_INET, digits, ret_v6) == 1 ? AF_INET : 0;
}

/* Each word is one that the schema has there: the end of a line is missing where a power loss has torn it. */
static bool
is_whole(const struct report_row *row)
{
	static const char *const dispositions[] = { "none", "quarantine", "reject", NULL }, *const aligned[] = { "pass", "fail", NULL };
	static const char *const overrides[] = { "trusted_forwarder", "sampled_out", "local_policy", NULL }, *const scopes[] = { "mfrom", "helo", NULL };
	struct span text = span_of(row->text), override;
	struct in6_addr address;

	if (read_address(next_word(&text), &address) == 0 || !is_one_of(next_word(&text), dispositions) || !is_one_of(next_word(&text), aligned) ||
	    !is_one_of(next_word(&text), aligned))
		return false;
	override = next_word(&text);
	if (override.len != 0 && !is_one_of(override, overrides))
		return false;
	(void)next_word(&text); /* domains: of From, of the reverse-path, of SPF */
	(void)next_word(&text);
	(void)next_word(&text);
	if (!is_one_of(next_word(&text), scopes) || !is_spf_result(next_word(&text)))
		return false;
	while (text.len != 0) {
		(void)next_word(&text);
		(void)next_word(&text);
		if (!is_dkim_result(next_word(&text)))
			return false;
	}
	return true;
}

/* What the domain would else take for all that there was. */
static void
put_errors(struct buf *out, const struct dmarc_report_head *head, uint64_t left_out, uint64_t unreadable)
{
	if (left_out != 0)
		(void)buf_fmt(out, "<error>%llu messages are not in this report: they differ in more ways than it has records</error>\n", (unsigned long long)left_out);
	if (unreadable != 0)
		(void)buf_fmt(out, "<error>%llu messages are not in this report: what was noted of them cannot be read</error>\n", (unsigned long long)unreadable);
	if (head->cut)
		(void)buf_str(out, "<error>some messages late on this day were not counted: there were too many in all</error>\n");
}

static void
put_head(struct buf *out, const struct dmarc_report_head *head, uint64_t left_out, uint64_t unreadable)
{
	(void)buf_str(out, "<report_metadata>\n");
	put_element(out, "org_name", head->organization);
	put_element(out, "email", head->contact);
	put_element(out, "report_id", head->id);
	(void)buf_fmt(out, "<date_range><begin>%lld</begin><end>%lld</end></date_range>\n", (long long)head->begin, (long long)head->end);
	put_errors(out, head, left_out, unreadable);
	(void)buf_str(out, "</report_metadata>\n");
}

static void
put_policy(struct buf *out, const struct report_domain *domain)
{
	struct span text = span_of(domain->policy), p = next_word(&text), sp = next_word(&text), failures;

	(void)buf_str(out, "<policy_published>\n");
	put_element(out, "domain", span_of(domain->name));
	put_next(out, "adkim", &text);
	put_next(out, "aspf", &text);
	put_element(out, "p", p);
	put_element(out, "sp", sp);
	put_next(out, "pct", &text);
	failures = next_word(&text);
	put_element(out, "fo", failures.len != 0 ? failures : SPAN("0")); /* lines of former versions have none */
	(void)buf_str(out, "</policy_published>\n");
}

static void
put_signatures(struct buf *out, struct span text)
{
	while (text.len != 0) {
		struct span domain = next_word(&text), selector = next_word(&text), result = next_word(&text);

		(void)buf_str(out, "<dkim>\n");
		put_element(out, "domain", domain);
		put_element(out, "selector", selector);
		put_element(out, "result", result);
		(void)buf_str(out, "</dkim>\n");
	}
}

/* The schema's IPAddress knows no "::". */
static void
put_address(struct buf *out, struct span address)
{
	struct in6_addr bytes;

	if (read_address(address, &bytes) != AF_INET6) {
		put_element(out, "source_ip", address);
		return;
	}
	(void)buf_str(out, "<source_ip>");
	for (size_t i = 0; i < sizeof(bytes.s6_addr); i += 2)
		(void)buf_fmt(out, "%s%x", i != 0 ? ":" : "", (unsigned)(bytes.s6_addr[i] << 8 | bytes.s6_addr[i + 1]));
	(void)buf_str(out, "</source_ip>\n");
}

static void
put_record(struct buf *out, const struct report_row *row)
{
	struct span text = span_of(row->text), override, from, sender, spf_domain, scope, result;

	(void)buf_str(out, "<record>\n<row>\n");
	put_address(out, next_word(&text));
	(void)buf_fmt(out, "<count>%llu</count>\n<policy_evaluated>\n", (unsigned long long)row->count);
	put_next(out, "disposition", &text);
	put_next(out, "dkim", &text);
	put_next(out, "spf", &text);
	override = next_word(&text);
	if (override.len != 0) {
		(void)buf_str(out, "<reason>\n");
		put_element(out, "type", override);
		(void)buf_str(out, "</reason>\n");
	}
	from = next_word(&text);
	sender = next_word(&text);
	spf_domain = next_word(&text);
	scope = next_word(&text);
	result = next_word(&text);
	(void)buf_str(out, "</policy_evaluated>\n</row>\n<identifiers>\n");
	put_element(out, "envelope_from", sender);
	put_element(out, "header_from", from);
	(void)buf_str(out, "</identifiers>\n<auth_results>\n");
	put_signatures(out, text);
	(void)buf_str(out, "<spf>\n");
	put_element(out, "domain", spf_domain);
	put_element(out, "scope", scope);
	put_element(out, "result", result);
	(void)buf_str(out, "</spf>\n</auth_results>\n</record>\n");
}

int
dmarc_report_compose(const struct dmarc_report_head *head, const struct report_domain *domain, struct buf *out)
{
	uint64_t unreadable = 0;
	bool any = false;

	for (const struct report_row *row = domain->rows; row != NULL; row = row->next)
		if (is_whole(row))
			any = true;
		else
			unreadable += row->count;
	if (!any)
		return 1;
	(void)buf_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<feedback>\n<version>1.0</version>\n");
	put_head(out, head, domain->left_out, unreadable);
	put_policy(out, domain);
	for (const struct report_row *row = domain->rows; row != NULL; row = row->next)
		if (is_whole(row))
			put_record(out, row);
	return buf_str(out, "</feedback>\n") < 0 ? -EMSGSIZE : 0;
}
