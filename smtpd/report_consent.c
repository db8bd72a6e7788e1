/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Steps 5 to 8 of RFC 7489 section 7.1. */
#include "smtpd/report_consent.h"

#include <string.h>

#include "smtpd/dmarc_parse.h"

/* As A-labels. */
static bool
is_at_host_of(const struct report_address *one, const struct report_address *other)
{
	struct buf a = BUF_INIT(DNS_NAME_MAX), b = BUF_INIT(DNS_NAME_MAX);
	bool same = address_domain_canonical(span_of(strrchr(one->text, '@') + 1), &a) == 0 &&
	    address_domain_canonical(span_of(strrchr(other->text, '@') + 1), &b) == 0 && span_eq(buf_get(&a), buf_get(&b));

	buf_free(&a);
	buf_free(&b);
	return same;
}

enum report_consent
report_consent(const struct dns_answer *answer, const struct report_address *address,
    struct report_address ret_addresses[static REPORT_ADDRESSES_MAX], size_t *ret_count)
{
	enum report_consent consent = REPORT_REFUSED;
	struct span reports;
	bool replaced = false;

	ret_addresses[0] = *address;
	*ret_count = 1;
	if (answer->status == DNS_FAILED || answer->status == DNS_BOGUS)
		return REPORT_UNKNOWN;
	for (size_t i = 0; answer->status == DNS_FOUND && i < answer->count && !replaced; i++) {
		if (dmarc_consent_parse(answer->records[i].data, &reports) < 0)
			continue;
		consent = REPORT_TAKEN;
		replaced = reports.ptr != NULL;
	}
	if (!replaced)
		return consent;
	*ret_count = report_addresses_parse(reports, false, ret_addresses);
	/* The host that it points to has not been asked. */
	for (size_t i = 0; i < *ret_count; i++)
		if (!is_at_host_of(&ret_addresses[i], address))
			consent = REPORT_ELSEWHERE;
	return consent;
}
