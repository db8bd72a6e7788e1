/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
#include "smtpd/tls_policy.h"

#include <errno.h>

#include "smtpd/route_parse.h"
#include "smtpd/sts_parse.h"

static const char *const levels[] = {
	[TLS_LEVEL_AUTO] = "auto", [TLS_LEVEL_NONE] = "none", [TLS_LEVEL_MAY] = "may", [TLS_LEVEL_ENCRYPT] = "encrypt", [TLS_LEVEL_VERIFY] = "verify",
	[TLS_LEVEL_DANE] = "dane",
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

int
tls_policy_parse(struct span text, struct span *ret_whom, struct tls_policy *ret_policy, const char **ret_fault)
{
	struct span word, rest;

	*ret_policy = (struct tls_policy){ .level = TLS_LEVEL_AUTO };
	*ret_whom = route_take_word(&text);
	if (!route_is_domain(*ret_whom))
		return fault(ret_fault, "the first word of a policy is a domain, *.domain or *");
	if (!take_level(route_take_word(&text), &ret_policy->level))
		return fault(ret_fault, "the second word of a policy is auto, none, may, encrypt, verify or dane");
	rest = ret_policy->names = span_trim(text);
	if (rest.len != 0 && ret_policy->level != TLS_LEVEL_VERIFY)
		return fault(ret_fault, "names of hosts stand behind verify alone");
	while ((word = route_take_word(&rest)).len != 0)
		if (!sts_is_pattern(word))
			return fault(ret_fault, "behind verify stand names of hosts, or *.domain");
	return 0;
}

struct tls_policy
tls_policy_find(const struct conf_list *policies, struct span domain)
{
	struct tls_policy policy;
	const char *why;
	struct span whom;

	for (size_t i = 0; i < policies->count; i++)
		if (tls_policy_parse(span_of(policies->item[i]), &whom, &policy, &why) == 0 && route_fits_domain(whom, domain))
			return policy;
	return (struct tls_policy){ .level = TLS_LEVEL_AUTO };
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
