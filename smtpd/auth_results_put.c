/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Authentication-Results, a method on each line (RFC 8601 section 2.2, RFC 7489 section 11.1, RFC 8617 section 10). */
#include "smtpd/auth_results_put.h"

#include <errno.h>

/* Keeps each line below 998 octets. */
#define VALUE_MAX 120
/* So much of b= tells signatures apart (RFC 6008). */
#define SIGNATURE_START 8

static bool
is_token(struct span value)
{
	for (size_t i = 0; i < value.len; i++)
		if (!ascii_is_alnum(value.ptr[i]) && span_chr(SPAN(".-_+@"), value.ptr[i]) < 0)
			return false;
	return value.len != 0;
}

static void
put_property(struct buf *out, const char *name, struct span value)
{
	value = span_take(&value, VALUE_MAX);
	(void)buf_fmt(out, " %s=", name);
	if (is_token(value)) {
		(void)buf_span(out, value);
		return;
	}
	(void)buf_char(out, '"');
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] == '"' || value.ptr[i] == '\\')
			(void)buf_char(out, '\\');
		(void)buf_char(out, value.ptr[i] < ' ' || value.ptr[i] > '~' ? '?' : value.ptr[i]);
	}
	(void)buf_char(out, '"');
}

static void
put_spf(const struct spf_outcome *spf, const char *sender, struct buf *out)
{
	(void)buf_fmt(out, ";\r\n\tspf=%s", spf_result_name(spf->result));
	if (spf->identity == SPF_MAILFROM)
		put_property(out, "smtp.mailfrom", span_of(sender));
	else
		put_property(out, "smtp.helo", span_of(spf->domain));
}

static void
put_signature(const struct dkim_check *check, struct buf *out)
{
	const struct dkim_signature *signature = &check->signature;

	(void)buf_fmt(out, ";\r\n\tdkim=%s", dkim_result_name(check->result));
	if (check->reason != NULL)
		(void)buf_fmt(out, " (%s)", check->reason);
	if (signature->domain.len != 0)
		put_property(out, "header.d", signature->domain);
	if (signature->selector.len != 0)
		put_property(out, "header.s", signature->selector);
	if (signature->encoded.len > SIGNATURE_START)
		put_property(out, "header.b", span_make(signature->encoded.ptr, SIGNATURE_START));
}

static void
put_dmarc(const struct dmarc_outcome *dmarc, bool vouched_for, struct buf *out)
{
	(void)buf_fmt(out, ";\r\n\tdmarc=%s", dmarc_result_name(dmarc->result));
	if (dmarc->reason != NULL)
		(void)buf_fmt(out, " (%s)", dmarc->reason);
	else if (vouched_for && dmarc->result == DMARC_FAIL)
		(void)buf_str(out, " (a trusted sealer of ARC has seen it pass)");
	if (dmarc->from[0] != '\0')
		put_property(out, "header.from", span_of(dmarc->from));
	if (dmarc->domain[0] != '\0')
		put_property(out, "policy.dmarc", span_of(dmarc_policy_name(dmarc->policy)));
}

static void
put_arc(const struct arc_chain *chain, struct buf *out)
{
	(void)buf_fmt(out, ";\r\n\tarc=%s", arc_status_name(chain->status));
	if (chain->status == ARC_FAIL && chain->reason != NULL)
		(void)buf_fmt(out, " (%s)", chain->reason);
	else if (chain->count != 0)
		put_property(out, "header.d", chain->sets[chain->count - 1].check.signature.domain);
}

int
auth_results_put(const struct verification *verification, const char *hostname, const char *sender, struct buf *out)
{
	struct buf field = BUF_INIT(AUTH_RESULTS_FIELD_MAX);
	const struct arc_chain *chain = verify_chain(verification);
	size_t count;
	const struct dkim_check *checks = verify_checks(verification, &count);
	int r;

	(void)buf_fmt(&field, "Authentication-Results: %s", hostname);
	put_spf(verify_spf(verification), sender, &field);
	for (size_t i = 0; i < count && i < AUTH_RESULTS_SIGNATURES_MAX; i++)
		put_signature(&checks[i], &field);
	if (count == 0)
		(void)buf_str(&field, ";\r\n\tdkim=none");
	put_dmarc(verify_dmarc(verification), verify_is_vouched_for(verification), &field);
	if (chain->highest != 0)
		put_arc(chain, &field);
	(void)buf_str(&field, "\r\n");
	r = field.overflow ? -EMSGSIZE : buf_span(out, buf_get(&field));
	buf_free(&field);
	return r;
}
