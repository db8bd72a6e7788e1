/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The record in which a domain says what is to become of mail that carries its name (RFC 7489 section 6.3). Pure. */
#ifndef SMTPD_DMARC_PARSE_H
#define SMTPD_DMARC_PARSE_H

#include "common/span.h"

enum dmarc_policy { DMARC_POLICY_NONE, DMARC_POLICY_QUARANTINE, DMARC_POLICY_REJECT };

struct dmarc_record {
	enum dmarc_policy policy;            /* p= */
	enum dmarc_policy subdomain_policy;  /* sp=, or p= */
	bool strict_dkim, strict_spf;        /* adkim=s, aspf=s */
	uint8_t percent;                     /* pct= */
	struct span reports;                 /* rua=, borrowed; empty without */
	uint8_t failures;                    /* fo=: DMARC_FO_ bits; without ruf= it does not count */
};

/* In the order of dmarc_failures_put. */
enum { DMARC_FO_0 = 1 << 0, DMARC_FO_1 = 1 << 1, DMARC_FO_D = 1 << 2, DMARC_FO_S = 1 << 3 };
#define DMARC_FAILURES_SIZE 8

/* True for a text that claims to be such a record, well-formed or not: others at the same name do not count (section 6.6.3). */
bool dmarc_is_record(struct span text);
/* Reads one. 0, or -EINVAL: it cannot be used. What else it has wrong counts as absent (section 6.3), and without a usable p= it asks
 * for nothing but reports (section 6.6.3). */
int dmarc_record_parse(struct span text, struct dmarc_record *ret_record);
/* Reads the one by which a host says that it takes another domain's reports (section 7.1). 0, and its rua=, borrowed, SPAN_NULL without;
 * or -EINVAL. */
int dmarc_consent_parse(struct span text, struct span *ret_reports);
/* fo= as a record has it: "0", "1:d:s". */
void dmarc_failures_put(uint8_t failures, char out[static DMARC_FAILURES_SIZE]);
/* "none", "quarantine", "reject". */
const char *dmarc_policy_name(enum dmarc_policy policy);
bool dmarc_policy_parse(struct span name, enum dmarc_policy *ret_policy);

#endif
