/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* SPF evaluated (RFC 7208, RFC 8616): check_host as a machine that asks one question of the DNS after another. Pure.
 *
 * The owner makes one, and as long as spf_question has a question it gives the answer to spf_answer. */
#ifndef SMTPD_SPF_STATE_H
#define SMTPD_SPF_STATE_H

#include "smtpd/dns.h"
#include "smtpd/spf_parse.h"

#define SPF_EXPLANATION_MAX 500
#define SPF_REASON_MAX 200

/* Whose word was checked (section 2.3, 2.4). */
enum spf_identity { SPF_MAILFROM, SPF_HELO };

/* For Authentication-Results, Received-SPF and DMARC. */
struct spf_outcome {
	enum spf_result result;
	enum spf_identity identity;
	char domain[DNS_NAME_MAX + 1];             /* the one that was checked, as A-labels in lower case */
	char explanation[SPF_EXPLANATION_MAX + 1]; /* of SPF_FAIL: the domain's own words, printable ASCII; or empty */
	bool no_such_domain;                       /* the DNS has no such name, of any type */
	char reason[SPF_REASON_MAX + 1];           /* the directive that matched, or what went wrong: printable ASCII */
};

struct spf;

/* address: 4 or 16 octets; of an IPv4-mapped one the IPv4 address is taken. sender: the reverse-path; when it is empty postmaster at
 * the HELO name is checked (section 2.4). receiver and now stand in explanations. Nothing is borrowed. */
struct spf *spf_new(const uint8_t *address, size_t address_len, struct span helo, struct span sender, struct span receiver, uint64_t now);
struct spf *spf_free(struct spf *spf);
/* The question that wants an answer; the name is borrowed until then. False when the outcome is there. */
bool spf_question(const struct spf *spf, struct span *ret_name, enum dns_type *ret_type);
void spf_answer(struct spf *spf, const struct dns_answer *answer);
/* Once there is no question. Borrowed. */
const struct spf_outcome *spf_outcome(const struct spf *spf);

/* "none", "neutral", "pass", ... (section 2.6). */
const char *spf_result_name(enum spf_result result);

#endif
