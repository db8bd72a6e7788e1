/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What is demanded of TLS with one host, and whether a connection has it. */
#ifndef SMTPD_RELAY_TLS_H
#define SMTPD_RELAY_TLS_H

#include "smtpd/dane.h"
#include "smtpd/relay_state.h"

struct ssl_st;

enum relay_tls_by { RELAY_TLS_BY_NOBODY, RELAY_TLS_BY_ROUTE, RELAY_TLS_BY_DANE, RELAY_TLS_BY_STS, RELAY_TLS_BY_POLICY };

/* Shared by the job and the connections that were opened under it. */
struct relay_demand {
	unsigned holders;
	enum relay_tls tls;
	enum relay_tls_by by;
	bool trusted_name;         /* the host certainly is one for the destination: a certificate of its name proves something */
	bool relaxed;              /* by a message that may go without: others must not go the same way */
	bool testing;              /* a policy of MTA-STS would demand more, were it not a test */
	bool named;                /* the host is one that that policy names */
	struct dane dane;          /* counts where `by` says so; records of tls_policies' fingerprints, too */
	char *domains[2];          /* DANE-TA: names beside the base domain that a certificate may be of (RFC 7672 section 3.2.2), or NULL */
};

/* The caller holds it. */
struct relay_demand *relay_demand_new(enum relay_tls tls, enum relay_tls_by by, bool trusted_name);
struct relay_demand *relay_demand_hold(struct relay_demand *demand);
/* NULL is allowed. Returns NULL. */
struct relay_demand *relay_demand_release(struct relay_demand *demand);
/* Who demands, to begin a sentence with. */
const char *relay_demand_whose(const struct relay_demand *demand);

/* Before the handshake: what the certificate is held against. What may be demanded of this connection: less than demand->tls when
 * OpenSSL can use none of the TLSA records after all. */
enum relay_tls relay_tls_prepare(const struct relay_demand *demand, struct ssl_st *ssl);
/* After it: is it that very host, by its certificate and by a name that can be trusted, or by its TLSA records? */
bool relay_tls_is_verified(const struct relay_demand *demand, struct ssl_st *ssl);
/* Would the policy under test let the connection have mail, were it enforced? It alone says which hosts are the domain's (RFC 8461 section
 * 5): that DNSSEC, or the domain's own name, vouches for this one does not count. NULL: without TLS. */
bool relay_tls_passes_test(const struct relay_demand *demand, struct ssl_st *ssl);
/* "TLSv1.3 TLS_AES_256_GCM_SHA384 dane": version, cipher, and by what it was verified: dane, sts, route, policy, certificate (which nobody had
 * demanded), nothing. "none" for NULL. */
void relay_tls_describe(const struct relay_demand *demand, struct ssl_st *ssl, char text[VERDICT_TLS_MAX]);

#endif
