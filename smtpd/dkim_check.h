/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One signature of a message and what is known of it: its header hash is there from the beginning; the body's and the key come in any
 * order. Pure. */
#ifndef SMTPD_DKIM_CHECK_H
#define SMTPD_DKIM_CHECK_H

#include "smtpd/dkim_hash.h"
#include "smtpd/dkim_key.h"
#include "smtpd/dns.h"

/* The words of RFC 8601 section 2.7.1. */
enum dkim_result {
	DKIM_NONE, /* not known yet */
	DKIM_PASS,
	DKIM_FAIL,      /* the signature does not fit the message */
	DKIM_POLICY,    /* it fits, but is not good enough */
	DKIM_TEMPERROR, /* the key could not be had now */
	DKIM_PERMERROR, /* it cannot be checked, ever */
};

/* Its word: "pass"; DKIM_NONE is "none". */
const char *dkim_result_name(enum dkim_result result);

struct dkim_check {
	struct dkim_signature signature; /* borrowed from the header block */
	enum dkim_result result;
	const char *reason; /* of any result but a plain pass: for people */
	bool testing;       /* the key is marked as one under test */
	bool unanswered;    /* it would hold with a fitting key, and the DNS gave none, perhaps for want of our own room */
	struct buf key_name; /* what to ask the DNS for (TXT) */

	/* Within. */
	uint8_t digest[DKIM_DIGEST_SIZE]; /* of the header */
	bool has_body, has_key, key_fits;
};

/* Reads the field and hashes the header. A result that is settled at once stands in check->result; otherwise the owner gives the key
 * and, unless it is a seal, the body. Of a seal the owner sets `digest` before the key. now: seconds since 1970. */
void dkim_check_begin(struct dkim_check *check, enum dkim_kind kind, const struct dkim_fields *fields,
    const struct header_field *field, int64_t now);
void dkim_check_free(struct dkim_check *check);
/* The canonical body's hash up to l= and its whole length. */
void dkim_check_body(struct dkim_check *check, const uint8_t digest[static DKIM_DIGEST_SIZE], uint64_t total);
/* What the DNS says to key_name. known: as dkim_key_check has it. */
void dkim_check_key(struct dkim_check *check, struct dkim_known *known, const struct dns_answer *answer);

#endif
