/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A row is words with spaces between, "-" where there is none: policy type, result type, host, address, reason, policy. Within a word a
 * space stands as "+", the end of one of the policy's strings as ";". */
#include "smtpd/tlsrpt.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/x509_vfy.h>

#include "common/date.h"
#include "common/xalloc.h"

static const char *const policy_names[] = { [TLSRPT_NO_POLICY] = "no-policy-found", [TLSRPT_TLSA] = "tlsa", [TLSRPT_STS] = "sts" };

static const char *const result_names[] = {
	[TLSRPT_SUCCESS] = "success",
	[TLSRPT_STARTTLS_NOT_SUPPORTED] = "starttls-not-supported", [TLSRPT_HOST_MISMATCH] = "certificate-host-mismatch",
	[TLSRPT_EXPIRED] = "certificate-expired", [TLSRPT_NOT_TRUSTED] = "certificate-not-trusted", [TLSRPT_VALIDATION_FAILURE] = "validation-failure",
	[TLSRPT_TLSA_INVALID] = "tlsa-invalid", [TLSRPT_DNSSEC_INVALID] = "dnssec-invalid", [TLSRPT_DANE_REQUIRED] = "dane-required",
	[TLSRPT_STS_FETCH_ERROR] = "sts-policy-fetch-error", [TLSRPT_STS_INVALID] = "sts-policy-invalid", [TLSRPT_STS_WEBPKI_INVALID] = "sts-webpki-invalid",
};

/* --- the record (section 3) --- */

int
tlsrpt_record_parse(struct span text, struct span *ret_addresses)
{
	struct span field;

	(void)span_split(&text, ';', &field);
	if (!span_eq(span_trim(field), SPAN("v=TLSRPTv1")))
		return -ENOENT;
	*ret_addresses = SPAN_NULL;
	while (span_split(&text, ';', &field)) {
		field = span_trim(field);
		if (span_starts(field, SPAN("rua=")) && ret_addresses->len == 0)
			*ret_addresses = span_trim(span_skip(field, 4));
	}
	return ret_addresses->len != 0 ? 0 : -EINVAL;
}

enum tlsrpt_result
tlsrpt_result_of(long verify_error)
{
	switch (verify_error) {
	case X509_V_OK:
		return TLSRPT_SUCCESS;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return TLSRPT_HOST_MISMATCH;
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return TLSRPT_EXPIRED;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_CERT_UNTRUSTED:
	case X509_V_ERR_CERT_REVOKED:
		return TLSRPT_NOT_TRUSTED;
	default: /* of DANE, too: what fits no record */
		return TLSRPT_VALIDATION_FAILURE;
	}
}

/* --- rows --- */

static void
put_word(struct buf *out, struct span word)
{
	(void)buf_char(out, ' ');
	if (word.len == 0)
		(void)buf_char(out, '-');
	for (size_t i = 0; i < word.len; i++)
		(void)buf_char(out, word.ptr[i] == ' ' ? '+' : word.ptr[i] == '\n' ? ';' : word.ptr[i] < ' ' || word.ptr[i] > '~' ? '?' : word.ptr[i]);
}

int
tlsrpt_row_put(const struct tlsrpt_session *session, struct buf *out)
{
	bool good = session->result == TLSRPT_SUCCESS;

	(void)buf_fmt(out, "%s %s", policy_names[session->policy], result_names[session->result]);
	/* Successes are not told apart. */
	put_word(out, good ? SPAN_NULL : session->host);
	put_word(out, good ? SPAN_NULL : session->address);
	put_word(out, good ? SPAN_NULL : session->reason);
	put_word(out, session->policy_text);
	return out->overflow ? -EMSGSIZE : 0;
}

struct words {
	struct span policy, result, host, address, reason, policy_text;
};

static bool
is_one_of(struct span word, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (span_eq(word, span_of(names[i])))
			return true;
	return false;
}

static bool
read_row(struct span text, struct words *words)
{
	struct span *places[] = { &words->policy, &words->result, &words->host, &words->address, &words->reason, &words->policy_text };

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		if (!span_split(&text, ' ', places[i]))
			return false;
		if (span_eq(*places[i], SPAN("-")))
			*places[i] = SPAN_NULL;
	}
	return text.len == 0 && is_one_of(words->policy, policy_names, sizeof(policy_names) / sizeof(*policy_names)) &&
	    is_one_of(words->result, result_names, sizeof(result_names) / sizeof(*result_names));
}

static bool
is_success(const struct words *words)
{
	return span_eq(words->result, span_of(result_names[TLSRPT_SUCCESS]));
}

static bool
is_same_policy(const struct words *a, const struct words *b)
{
	return span_eq(a->policy, b->policy) && span_eq(a->policy_text, b->policy_text);
}

/* --- JSON (section 4.4) --- */

static void
put_string(struct buf *out, struct span text)
{
	(void)buf_char(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == '"' || c == '\\')
			(void)buf_char(out, '\\');
		(void)buf_char(out, c < ' ' || c > '~' ? '?' : c == '+' ? ' ' : c);
	}
	(void)buf_char(out, '"');
}

static void
put_member(struct buf *out, const char *name, struct span text)
{
	if (text.len == 0)
		return;
	(void)buf_fmt(out, "\"%s\":", name);
	put_string(out, text);
	(void)buf_char(out, ',');
}

/* The policy's strings; of them alone those that begin so, without that. */
static void
put_strings(struct buf *out, const char *name, struct span text, struct span prefix)
{
	struct span line;
	bool any = false;

	while (span_split(&text, ';', &line)) {
		if (!span_starts(line, prefix))
			continue;
		if (any)
			(void)buf_char(out, ',');
		else
			(void)buf_fmt(out, ",\"%s\":[", name);
		put_string(out, span_skip(line, prefix.len));
		any = true;
	}
	if (any)
		(void)buf_char(out, ']');
}

static void
put_time(struct buf *out, const char *name, int64_t when)
{
	int64_t year, days = when / 86400, seconds = when % 86400;
	unsigned month, day;

	date_civil(days, &year, &month, &day);
	(void)buf_fmt(out, "\"%s\":\"%04" PRId64 "-%02u-%02uT%02" PRId64 ":%02" PRId64 ":%02" PRId64 "Z\"", name, year, month, day, seconds / 3600, seconds / 60 % 60,
	    seconds % 60);
}

struct all {
	struct words *words; /* of each row; policy is empty where it could not be read */
	const struct tlsrpt_row *rows;
	size_t count;
};

static void
put_failures(struct buf *out, const struct all *all, const struct words *policy)
{
	bool any = false;

	for (size_t i = 0; i < all->count; i++) {
		const struct words *words = &all->words[i];

		if (words->policy.len == 0 || is_success(words) || !is_same_policy(words, policy))
			continue;
		(void)buf_str(out, any ? ",{" : ",\"failure-details\":[{");
		put_member(out, "result-type", words->result);
		put_member(out, "receiving-mx-hostname", words->host);
		put_member(out, "receiving-ip", words->address);
		put_member(out, "failure-reason-code", words->reason);
		(void)buf_fmt(out, "\"failed-session-count\":%" PRIu64 "}", all->rows[i].count);
		any = true;
	}
	if (any)
		(void)buf_char(out, ']');
}

static void
put_policy(struct buf *out, const struct all *all, const struct words *policy, struct span domain)
{
	uint64_t good = 0, bad = 0;

	for (size_t i = 0; i < all->count; i++)
		if (all->words[i].policy.len != 0 && is_same_policy(&all->words[i], policy))
			*(is_success(&all->words[i]) ? &good : &bad) += all->rows[i].count;
	(void)buf_str(out, "{\"policy\":{\"policy-type\":");
	put_string(out, policy->policy);
	(void)buf_str(out, ",\"policy-domain\":");
	put_string(out, domain);
	put_strings(out, "policy-string", policy->policy_text, SPAN_NULL);
	if (span_eq(policy->policy, span_of(policy_names[TLSRPT_STS])))
		put_strings(out, "mx-host", policy->policy_text, SPAN("mx:+"));
	(void)buf_fmt(out, "},\"summary\":{\"total-successful-session-count\":%" PRIu64 ",\"total-failure-session-count\":%" PRIu64 "}", good, bad);
	put_failures(out, all, policy);
	(void)buf_char(out, '}');
}

/* Is it the first row of its policy? */
static bool
is_first(const struct all *all, size_t row)
{
	for (size_t i = 0; i < row; i++)
		if (all->words[i].policy.len != 0 && is_same_policy(&all->words[i], &all->words[row]))
			return false;
	return all->words[row].policy.len != 0;
}

int
tlsrpt_compose(const struct tlsrpt_head *head, struct span domain, const struct tlsrpt_row *rows, size_t count, struct buf *out)
{
	struct all all = { xcalloc(count + 1, sizeof(struct words)), rows, count };
	bool any = false;

	for (size_t i = 0; i < count; i++)
		if (!read_row(rows[i].text, &all.words[i]))
			all.words[i] = (struct words){ .policy = SPAN_NULL };
	(void)buf_char(out, '{');
	put_member(out, "organization-name", head->organization);
	(void)buf_str(out, "\"date-range\":{");
	put_time(out, "start-datetime", head->begin);
	(void)buf_char(out, ',');
	put_time(out, "end-datetime", head->end);
	(void)buf_str(out, "},");
	put_member(out, "contact-info", head->contact);
	put_member(out, "report-id", head->id);
	(void)buf_str(out, "\"policies\":[");
	for (size_t i = 0; i < count; i++)
		if (is_first(&all, i)) {
			if (any)
				(void)buf_char(out, ',');
			put_policy(out, &all, &all.words[i], domain);
			any = true;
		}
	free(all.words);
	return buf_str(out, "]}\n") < 0 || out->overflow ? -EMSGSIZE : !any;
}
