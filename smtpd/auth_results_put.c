/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Authentication-Results, a method on each line (RFC 8601 section 2.2, RFC 7489 section 11.1, RFC 8617 section 10). */
#include "smtpd/auth_results_put.h"

#include <errno.h>

/* Any address or domain: cut, it could be taken for another one's. Quoted it is twice as long at most, so that a line of its own stays below
 * 998 octets. */
#define VALUE_MAX 320
/* What is longer has one. */
#define SHORT_MAX 60
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
	(void)buf_fmt(out, "%s%s=", value.len > SHORT_MAX ? "\r\n\t " : " ", name);
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

/* With so many of the signatures. */
static void
put_field(const struct verification *verification, const char *hostname, const char *sender, size_t signatures, struct buf *out)
{
	const struct arc_chain *chain = verify_chain(verification);
	size_t count;
	const struct dkim_check *checks = verify_checks(verification, &count);

	(void)buf_fmt(out, "Authentication-Results: %s", hostname);
	put_spf(verify_spf(verification), sender, out);
	for (size_t i = 0; i < signatures; i++)
		put_signature(&checks[i], out);
	if (count == 0)
		(void)buf_str(out, ";\r\n\tdkim=none");
	put_dmarc(verify_dmarc(verification), verify_is_vouched_for(verification), out);
	if (chain->highest != 0)
		put_arc(chain, out);
	(void)buf_str(out, "\r\n");
}

int
auth_results_put(const struct verification *verification, const char *hostname, const char *sender, struct buf *out)
{
	struct buf field = BUF_INIT(AUTH_RESULTS_FIELD_MAX);
	size_t signatures;
	int r;

	(void)verify_checks(verification, &signatures);
	if (signatures > AUTH_RESULTS_SIGNATURES_MAX)
		signatures = AUTH_RESULTS_SIGNATURES_MAX;
	put_field(verification, hostname, sender, signatures, &field);
	/* Whoever signs in long names does not do away with the field. */
	while (field.overflow && signatures != 0) {
		buf_clear(&field);
		put_field(verification, hostname, sender, --signatures, &field);
	}
	r = field.overflow ? -EMSGSIZE : buf_span(out, buf_get(&field));
	buf_free(&field);
	return r;
}
