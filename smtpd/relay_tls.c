/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Demands on TLS, and OpenSSL's view of them. */
#include "smtpd/relay_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/xalloc.h"

static const struct {
	const char *whose, *word;
} by_rows[] = {
	[RELAY_TLS_BY_NOBODY] = { "Nobody", "certificate" },
	[RELAY_TLS_BY_ROUTE] = { "The route", "route" },
	[RELAY_TLS_BY_DANE] = { "The host's DANE record", "dane" },
	[RELAY_TLS_BY_STS] = { "The domain's MTA-STS policy", "sts" },
	[RELAY_TLS_BY_POLICY] = { "tls_policies", "policy" },
};

struct relay_demand *
relay_demand_new(enum relay_tls tls, enum relay_tls_by by, bool trusted_name)
{
	struct relay_demand *demand = xcalloc(1, sizeof(*demand));

	demand->holders = 1;
	demand->tls = tls;
	demand->by = by;
	demand->trusted_name = trusted_name;
	return demand;
}

struct relay_demand *
relay_demand_hold(struct relay_demand *demand)
{
	demand->holders++;
	return demand;
}

struct relay_demand *
relay_demand_release(struct relay_demand *demand)
{
	if (demand == NULL || --demand->holders != 0)
		return NULL;
	dane_free(&demand->dane);
	for (size_t i = 0; i < sizeof(demand->domains) / sizeof(*demand->domains); i++)
		free(demand->domains[i]);
	free(demand);
	return NULL;
}

const char *
relay_demand_whose(const struct relay_demand *demand)
{
	return by_rows[demand->by].whose;
}

/* TLSA records say who the host is: its own, or those that the operator's fingerprints make. */
static bool
has_records(const struct relay_demand *demand)
{
	return demand->tls == RELAY_TLS_VERIFY && (demand->by == RELAY_TLS_BY_DANE || (demand->by == RELAY_TLS_BY_POLICY && demand->dane.count != 0));
}

enum relay_tls
relay_tls_prepare(const struct relay_demand *demand, SSL *ssl)
{
	const struct dane *dane = &demand->dane;
	bool usable = false;

	/* "*.example.com" and nothing that is more of a pattern (RFC 7672 section 3.2.3, RFC 8461 section 4.1). */
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (!has_records(demand))
		return demand->tls;
	if (SSL_dane_enable(ssl, dane->base) != 1)
		abort(); /* the context allows it, and the name was one of the DNS */
	(void)SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS); /* RFC 7672 section 3.2.1 */
	for (size_t i = 0; i < sizeof(demand->domains) / sizeof(*demand->domains); i++)
		if (demand->domains[i] != NULL)
			(void)SSL_add1_host(ssl, demand->domains[i]);
	for (size_t i = 0; i < dane->count; i++) {
		const struct dane_record *record = &dane->records[i];

		if (SSL_dane_tlsa_add(ssl, record->usage, record->selector, record->matching, (const unsigned char *)record->data.ptr, record->data.len) == 1)
			usable = true;
	}
	ERR_clear_error();
	return usable || demand->by != RELAY_TLS_BY_DANE ? RELAY_TLS_VERIFY : RELAY_TLS_ENCRYPT;
}

bool
relay_tls_is_verified(const struct relay_demand *demand, SSL *ssl)
{
	if (SSL_get_verify_result(ssl) != X509_V_OK)
		return false;
	/* Without a record that could be used the result is that of the certificate. */
	if (has_records(demand) && SSL_get0_dane_authority(ssl, NULL, NULL) < 0)
		return false;
	return demand->trusted_name;
}

bool
relay_tls_passes_test(const struct relay_demand *demand, SSL *ssl)
{
	return demand->named && ssl != NULL && SSL_get_verify_result(ssl) == X509_V_OK;
}

void
relay_tls_describe(const struct relay_demand *demand, SSL *ssl, char text[VERDICT_TLS_MAX])
{
	if (ssl == NULL)
		(void)snprintf(text, VERDICT_TLS_MAX, "none");
	else
		(void)snprintf(text, VERDICT_TLS_MAX, "%s %s %s", SSL_get_version(ssl), SSL_get_cipher_name(ssl),
		    relay_tls_is_verified(demand, ssl) ? by_rows[demand->by].word : "unverified");
}
