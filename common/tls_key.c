/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The private half: a key in the key role's memory, and the operations the front may ask of it. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "common/tls.h"
#include "common/tls_internal.h"
#include "common/xalloc.h"

struct tls_key {
	EVP_PKEY *key;
	bool rsa;
};

/* A daemon has nobody to ask for a passphrase: without this, OpenSSL would try the terminal. */
static int
no_passphrase(char *out, int room, int writing, void *context)
{
	(void)out, (void)room, (void)writing, (void)context;
	return -1;
}

struct tls_key *
tls_key_load(struct span pem, struct buf *error)
{
	BIO *bio = pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
	EVP_PKEY *pkey =
	    bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
	struct tls_key *key;
	int kind;

	BIO_free(bio);
	if (pkey == NULL) {
		tls_explain(error, "the key file holds no private key in PEM without a passphrase");
		return NULL;
	}
	kind = EVP_PKEY_get_base_id(pkey);
	if (kind != EVP_PKEY_RSA && kind != EVP_PKEY_EC) {
		EVP_PKEY_free(pkey);
		tls_explain(error, "the private key is neither RSA nor elliptic-curve (ECDSA)");
		return NULL;
	}
	key = xcalloc(1, sizeof(*key));
	key->key = pkey;
	key->rsa = kind == EVP_PKEY_RSA;
	return key;
}

int
tls_key_sign(struct tls_key *key, enum tls_sign_kind kind, struct span input, struct buf *out)
{
	EVP_PKEY_CTX *operation;
	size_t len = (size_t)EVP_PKEY_get_size(key->key);
	char *room;
	int r = -EINVAL;

	if (key->rsa != (kind == TLS_SIGN_RSA_PKCS1 || kind == TLS_SIGN_RSA_RAW) ||
	    input.len == 0 || input.len > len)
		return -EINVAL;
	room = buf_reserve(out, len);
	if (room == NULL)
		return -EMSGSIZE;
	operation = EVP_PKEY_CTX_new(key->key, NULL);
	if (operation == NULL)
		abort();
	/* The digest (PKCS1: the DigestInfo) is ready-made: EVP_PKEY_sign without a digest of its
	 * own takes it as it is. */
	if (EVP_PKEY_sign_init(operation) == 1 &&
	    (!key->rsa ||
		EVP_PKEY_CTX_set_rsa_padding(operation,
		    kind == TLS_SIGN_RSA_PKCS1 ? RSA_PKCS1_PADDING : RSA_NO_PADDING) == 1) &&
	    EVP_PKEY_sign(operation, (unsigned char *)room, &len, (const unsigned char *)input.ptr,
		input.len) == 1) {
		buf_added(out, len);
		r = 0;
	}
	EVP_PKEY_CTX_free(operation);
	ERR_clear_error();
	return r;
}

int64_t
tls_seconds_left(const struct ssl_ctx_st *context)
{
	const X509 *certificate = SSL_CTX_get0_certificate(context);
	int days, seconds;

	if (certificate == NULL || ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)) != 1)
		return INT64_MIN;
	return (int64_t)days * 86400 + seconds;
}

bool
tls_key_fits(const struct tls_key *key, const struct ssl_ctx_st *context)
{
	const X509 *certificate = SSL_CTX_get0_certificate(context);
	EVP_PKEY *public_key = certificate != NULL ? X509_get0_pubkey(certificate) : NULL;

	return public_key != NULL && EVP_PKEY_eq(key->key, public_key) == 1;
}

struct tls_key *
tls_key_free(struct tls_key *key)
{
	if (key == NULL)
		return NULL;
	EVP_PKEY_free(key->key); /* OpenSSL overwrites the private numbers */
	free(key);
	return NULL;
}
