/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Reports on TLS with other hosts (RFC 8460): who wants them, what a connection counts for, and the JSON of a day. Pure. */
#ifndef SMTPD_TLSRPT_H
#define SMTPD_TLSRPT_H

#include "common/buf.h"

/* By which policy the connection was judged. */
enum tlsrpt_policy { TLSRPT_NO_POLICY, TLSRPT_TLSA, TLSRPT_STS };

/* What came of it: the result types of section 4.3. */
enum tlsrpt_result {
	TLSRPT_SUCCESS,
	TLSRPT_STARTTLS_NOT_SUPPORTED, TLSRPT_HOST_MISMATCH, TLSRPT_EXPIRED, TLSRPT_NOT_TRUSTED, TLSRPT_VALIDATION_FAILURE,
	TLSRPT_TLSA_INVALID, TLSRPT_DNSSEC_INVALID, TLSRPT_DANE_REQUIRED,
	TLSRPT_STS_FETCH_ERROR, TLSRPT_STS_INVALID, TLSRPT_STS_WEBPKI_INVALID,
};

struct tlsrpt_session {
	enum tlsrpt_policy policy;
	enum tlsrpt_result result;
	struct span host, address, reason; /* of the mail exchanger; of a failure, for people; any may be empty */
	struct span policy_text;           /* the strings of the policy (section 4.5), each ended by LF; empty for TLSRPT_NO_POLICY */
};

struct tlsrpt_row {
	struct span text;
	uint64_t count;
};

struct tlsrpt_head {
	struct span organization, contact, id; /* who reports, his address, the report's name */
	int64_t begin, end;                    /* seconds since 1970, both within */
};

/* The text of a TXT record of _smtp._tls.DOMAIN: 0 and where reports go, URIs with commas between; -ENOENT when it is something else;
 * -EINVAL. Borrowed. */
int tlsrpt_record_parse(struct span text, struct span *ret_addresses);
/* The result type of a certificate that was not accepted, by X509_V_ERR_* of OpenSSL. */
enum tlsrpt_result tlsrpt_result_of(long verify_error);

/* Appends the row that a session counts in: sessions that are alike have the same. 0 or -EMSGSIZE. */
int tlsrpt_row_put(const struct tlsrpt_session *session, struct buf *out);
/* Appends the report of one domain. Rows that cannot be read are left out. 0; 1 when none is left, and there is nothing to report; -EMSGSIZE. */
int tlsrpt_compose(const struct tlsrpt_head *head, struct span domain, const struct tlsrpt_row *rows, size_t count, struct buf *out);

#endif
