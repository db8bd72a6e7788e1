/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Certificates for tests. */
#ifndef TESTS_UNIT_COMMON_TLS_PAIR_H
#define TESTS_UNIT_COMMON_TLS_PAIR_H

#include <check.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "common/span.h"

static char *
take_bio(BIO *bio)
{
	char *bytes;
	long len = BIO_get_mem_data(bio, &bytes);
	char *copy = span_dup(span_make(bytes, (size_t)len));

	BIO_free(bio);
	return copy;
}

/* A self-signed certificate for "mail.example" and its key, as PEM. */
static void
make_pair(const char *kind, char **ret_certificate, char **ret_key)
{
	EVP_PKEY *key = kind[0] == 'R'       ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048) :
	    kind[0] == 'E' && kind[1] == 'C' ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256") :
					       EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	X509 *x = X509_new();
	BIO *out;

	ck_assert_ptr_nonnull(key);
	(void)X509_set_version(x, 2);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	(void)X509_gmtime_adj(X509_getm_notBefore(x), -60);
	(void)X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	(void)X509_set_pubkey(x, key);
	(void)X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
	    (const unsigned char *)"mail.example", -1, -1, 0);
	(void)X509_set_issuer_name(x, X509_get_subject_name(x));
	ck_assert_int_gt(X509_sign(x, key, kind[1] == 'D' ? NULL : EVP_sha256()), 0);
	out = BIO_new(BIO_s_mem());
	ck_assert_int_eq(PEM_write_bio_X509(out, x), 1);
	*ret_certificate = take_bio(out);
	out = BIO_new(BIO_s_mem());
	ck_assert_int_eq(PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
	*ret_key = take_bio(out);
	X509_free(x);
	EVP_PKEY_free(key);
}

#endif
