/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
#include "smtpd/tls_policy.h"

#include <errno.h>

#include "common/address.h"
#include "smtpd/route_parse.h"
#include "smtpd/sts_parse.h"

static const char *const levels[] = {
	[TLS_LEVEL_AUTO] = "auto", [TLS_LEVEL_NONE] = "none", [TLS_LEVEL_MAY] = "may", [TLS_LEVEL_ENCRYPT] = "encrypt", [TLS_LEVEL_VERIFY] = "verify",
	[TLS_LEVEL_DANE] = "dane", [TLS_LEVEL_FINGERPRINT] = "fingerprint",
};

const char *
tls_level_name(enum tls_level level)
{
	return levels[level];
}

static int
fault(const char **ret_fault, const char *text)
{
	*ret_fault = text;
	return -EINVAL;
}

static bool
take_level(struct span word, enum tls_level *ret_level)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++)
		if (span_eq(word, span_of(levels[i]))) {
			*ret_level = (enum tls_level)i;
			return true;
		}
	return false;
}

/* Pairs of hexadecimal digits, with colons between them as openssl(1) writes them, or without. */
static bool
read_fingerprint(struct span word, uint8_t digest[static TLS_FINGERPRINT_SIZE])
{
	bool colons = word.len == 3 * TLS_FINGERPRINT_SIZE - 1;
	size_t step = colons ? 3 : 2;

	if (!colons && word.len != 2 * TLS_FINGERPRINT_SIZE)
		return false;
	for (size_t i = 0; i < TLS_FINGERPRINT_SIZE; i++) {
		const char *at = word.ptr + i * step;
		int high = ascii_hex(at[0]), low = ascii_hex(at[1]);

		if (high < 0 || low < 0 || (colons && i != 0 && at[-1] != ':'))
			return false;
		digest[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

bool
tls_policy_fingerprint(struct span *rest, uint8_t ret_digest[static TLS_FINGERPRINT_SIZE])
{
	struct span word = route_take_word(rest);

	return word.len != 0 && read_fingerprint(word, ret_digest);
}

static int
take_fingerprints(struct span text, struct tls_policy *ret_policy, const char **ret_fault)
{
	uint8_t digest[TLS_FINGERPRINT_SIZE];
	struct span rest = text, word;
	size_t count = 0;

	ret_policy->fingerprints = text;
	while ((word = route_take_word(&rest)).len != 0)
		if (!read_fingerprint(word, digest) || ++count > TLS_FINGERPRINTS_MAX)
			break;
	return count != 0 && word.len == 0 ? 0 : fault(ret_fault, "behind fingerprint stand 1 to 8 SHA-256 digests in hexadecimal");
}

int
tls_policy_parse(struct span text, struct span *ret_whom, struct tls_policy *ret_policy, const char **ret_fault)
{
	struct span word, rest;

	*ret_policy = (struct tls_policy){ .level = TLS_LEVEL_AUTO };
	*ret_whom = route_take_word(&text);
	if (!route_is_domain(*ret_whom))
		return fault(ret_fault, "the first word of a policy is a domain, *.domain or *");
	if (!take_level(route_take_word(&text), &ret_policy->level))
		return fault(ret_fault, "the second word of a policy is auto, none, may, encrypt, verify, dane or fingerprint");
	if (ret_policy->level == TLS_LEVEL_FINGERPRINT)
		return take_fingerprints(span_trim(text), ret_policy, ret_fault);
	rest = ret_policy->names = span_trim(text);
	if (rest.len != 0 && ret_policy->level != TLS_LEVEL_VERIFY)
		return fault(ret_fault, "names of hosts stand behind verify alone");
	while ((word = route_take_word(&rest)).len != 0)
		if (!sts_is_pattern(word))
			return fault(ret_fault, "behind verify stand names of hosts, or *.domain");
	return 0;
}

static struct tls_policy
find(const struct conf_list *policies, struct span domain)
{
	struct tls_policy policy;
	const char *why;
	struct span whom;

	for (size_t i = 0; i < policies->count; i++)
		if (tls_policy_parse(span_of(policies->item[i]), &whom, &policy, &why) == 0 && route_fits_domain(whom, domain))
			return policy;
	return (struct tls_policy){ .level = TLS_LEVEL_AUTO };
}

struct tls_policy
tls_policy_find(const struct conf_list *policies, struct span domain)
{
	struct buf canonical = BUF_INIT(ADDRESS_DOMAIN_MAX);
	bool other = !span_is_ascii(domain) && address_domain_canonical(domain, &canonical) == 0;
	struct tls_policy policy = find(policies, other ? buf_get(&canonical) : domain);

	buf_free(&canonical);
	return policy;
}

bool
tls_policy_names(const struct tls_policy *policy, struct span domain, struct span host)
{
	struct span rest = policy->names, word;

	if (rest.len == 0)
		return span_ieq(host, domain) ||
		    (host.len > domain.len && span_iends(host, domain) && host.ptr[host.len - domain.len - 1] == '.');
	while ((word = route_take_word(&rest)).len != 0)
		if (sts_pattern_fits(word, host))
			return true;
	return false;
}
