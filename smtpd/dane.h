/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What a host's TLSA records demand of a connection to it (RFC 7672, 7671, 6698): which questions the DNS is asked, and what comes of
 * the answers. Pure. */
#ifndef SMTPD_DANE_H
#define SMTPD_DANE_H

#include "smtpd/dns.h"

/* Records that are kept of one host: those beyond are left out. */
#define DANE_RECORDS_MAX 32

enum dane_result {
	DANE_NONE,    /* it promises nothing */
	DANE_ENCRYPT, /* TLS, with anybody: it has records, none of which can be used here */
	DANE_VERIFY,  /* TLS with whom the records name */
	DANE_FAILED,  /* the DNS does not tell: the host must not be used now (RFC 7672 section 2.1.2) */
};

struct dane_record {
	uint8_t usage, selector, matching;
	struct span data; /* into dane.data */
};

struct dane {
	enum dane_result result;
	char base[DNS_NAME_MAX + 1]; /* the TLSA base domain: the first name that a certificate may be of */
	char reason[DNS_REASON_MAX + 1]; /* of DANE_FAILED, for the log */
	bool bogus;       /* DANE_FAILED: an answer was not signed as it should be */
	size_t count;     /* of DANE_VERIFY: the records that can be used */
	struct dane_record records[DANE_RECORDS_MAX];
	struct buf data;
};

/* The questions about one host, one after another. */
struct dane_search {
	struct dane *dane;
	const char *names[2]; /* candidates for the base domain; the caller's */
	uint16_t port;
	size_t at;            /* among names */
	bool asks_alias;      /* first: whether an alias is signed whose addresses are not */
};

/* Can the record be used for SMTP (RFC 7672 section 3.1, RFC 6698 section 2.1)? */
bool dane_is_usable(const struct dns_record *record);

/* Begins. name: the host's; alias_of: whose its addresses are, if name is an alias, or empty; secure: the addresses were validated.
 * *dane is initialised here; dane_free is due. */
void dane_search(struct dane_search *search, struct dane *dane, const char *name, const char *alias_of, bool secure, uint16_t port);
/* The next question: true with its name (appended) and type; false when none is left, and dane->result stands. */
bool dane_next(const struct dane_search *search, struct buf *name, enum dns_type *ret_type);
/* Its answer. */
void dane_answer(struct dane_search *search, const struct dns_answer *answer);

void dane_free(struct dane *dane);

#endif
