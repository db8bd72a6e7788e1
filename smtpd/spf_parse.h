/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The syntax of SPF: records and macros (RFC 7208 sections 4.6, 5, 6, 7 and 12). Pure. */
#ifndef SMTPD_SPF_PARSE_H
#define SMTPD_SPF_PARSE_H

#include "common/buf.h"

/* What check_host says (section 2.6). */
enum spf_result { SPF_NONE, SPF_NEUTRAL, SPF_PASS, SPF_FAIL, SPF_SOFTFAIL, SPF_TEMPERROR, SPF_PERMERROR };

enum spf_mechanism { SPF_ALL, SPF_INCLUDE, SPF_A, SPF_MX, SPF_PTR, SPF_IP4, SPF_IP6, SPF_EXISTS };

struct spf_directive {
	enum spf_result result; /* when it matches: what its qualifier says */
	enum spf_mechanism mechanism;
	struct span text;       /* all of it, for the log */
	struct span domain;     /* domain-spec, with its macros; empty: the current domain */
	uint8_t address[16];    /* of ip4 (4 octets) and ip6 */
	uint8_t prefix4, prefix6;
};

struct spf_record {
	struct span terms;         /* what spf_next_directive takes from */
	struct span redirect, exp; /* domain-specs; empty: none */
};

/* True for a TXT record that is one of SPF version 1 (section 4.5). */
bool spf_is_record(struct span text);
/* Reads a whole record. 0, or -EINVAL for any error of syntax in any term (section 4.6: a permerror). Borrowed from text. */
int spf_parse_record(struct span text, struct spf_record *ret_record);
/* The next directive of a record that was read; modifiers are passed over. False at the end. */
bool spf_next_directive(struct span *terms, struct spf_directive *ret_directive);

/* What macros stand for (section 7.2). */
struct spf_macros {
	struct span local, sender_domain, domain, helo;
	const uint8_t *address;
	size_t address_len;     /* 4 or 16 */
	struct span validated;  /* of %{p}; empty: "unknown" */
	struct span receiver;   /* of %{r}: explanations alone */
	uint64_t now;           /* of %{t}: likewise */
};

/* True when the macro of that lower-case letter is used. */
bool spf_uses_macro(struct span text, char letter);
/* Appends the expansion (section 7.3). explanation: blanks, and %{c}, %{r}, %{t}, are allowed too. 0, -EINVAL (syntax), -EMSGSIZE. */
int spf_expand(struct span text, const struct spf_macros *macros, bool explanation, struct buf *out);

#endif
