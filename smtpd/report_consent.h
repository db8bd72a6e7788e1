/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Whether a host takes another domain's reports of DMARC, and at which of its addresses (RFC 7489 section 7.1). Pure. */
#ifndef SMTPD_REPORT_CONSENT_H
#define SMTPD_REPORT_CONSENT_H

#include "smtpd/dns.h"
#include "smtpd/report_address_parse.h"

enum report_consent {
	REPORT_UNKNOWN,   /* the DNS has no answer now */
	REPORT_REFUSED,   /* that host does not say that it takes them */
	REPORT_ELSEWHERE, /* it points to another host: nobody may have them */
	REPORT_TAKEN,
};

/* answer: the TXT records at DOMAIN._report._dmarc.HOST, HOST being that of the address, a mailbox. For REPORT_TAKEN also where they are to
 * go: to the address itself, or those at its host that it is replaced by, which may be none that can be used. */
enum report_consent report_consent(const struct dns_answer *answer, const struct report_address *address,
    struct report_address ret_addresses[static REPORT_ADDRESSES_MAX], size_t *ret_count);

#endif
