/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* DMARC (RFC 7489): whether what SPF and DKIM say is said of the author's domain, and what that domain wants done otherwise. Pure.
 *
 * The owner makes one from the header; as long as dmarc_question has a question it gives the answer to dmarc_answer; and when SPF and
 * DKIM are done, too, it concludes. */
#ifndef SMTPD_DMARC_STATE_H
#define SMTPD_DMARC_STATE_H

#include "smtpd/dkim_check.h"
#include "smtpd/dmarc_parse.h"
#include "smtpd/dns.h"
#include "smtpd/spf_state.h"

/* Bytes of rua= that are kept. */
#define DMARC_REPORTS_MAX 1000

/* The words of section 11.2. */
enum dmarc_result { DMARC_NONE, DMARC_PASS, DMARC_FAIL, DMARC_TEMPERROR, DMARC_PERMERROR };

struct dmarc_outcome {
	enum dmarc_result result;
	char from[DNS_NAME_MAX + 1];   /* the author's domain, as A-labels in lower case; empty when there is none, or several */
	char domain[DNS_NAME_MAX + 1]; /* whose record it is; empty without one */
	enum dmarc_policy policy;      /* what it says of this domain */
	enum dmarc_policy wanted;      /* of this message: less for the part that pct= leaves out; none unless it fails */
	bool spf_aligned, dkim_aligned; /* a pass that is said of the author's domain */
	bool wants_spf;                /* what SPF says is said of the author's domain */
	bool wants_key;                /* so would be what a signature says, whose key had no answer perhaps for want of our own room */
	const char *reason;            /* of an error; or NULL */
	struct dmarc_record record;    /* as it stands; without its addresses */
	char reports[DMARC_REPORTS_MAX + 1]; /* those: rua= */
};

struct dmarc {
	struct dmarc_outcome outcome;
	bool has_record, asked_organization, done;
	char name[DNS_NAME_MAX + 1]; /* of the question */
};

/* header: the block; nothing is borrowed. */
void dmarc_begin(struct dmarc *dmarc, struct span header);
/* The name of the TXT record that wants an answer; borrowed until then. False when there is no question any more. */
bool dmarc_question(const struct dmarc *dmarc, struct span *ret_name);
void dmarc_answer(struct dmarc *dmarc, const struct dns_answer *answer);
/* sample: a number below 100, chosen at random, for pct= (section 6.6.4). */
void dmarc_conclude(struct dmarc *dmarc, const struct spf_outcome *spf, const struct dkim_check *checks, size_t count, unsigned sample);

/* "none", "pass", ... */
const char *dmarc_result_name(enum dmarc_result result);

#endif
