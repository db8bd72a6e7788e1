/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Server contexts. The private key lives in the key role: the key that OpenSSL is given here has
 * the certificate's public half and methods whose private operation asks tls_sign_fn. */

/* RSA_METHOD and EC_KEY_METHOD are deprecated for a provider, which would need a key manager and a
 * signature implementation for each algorithm to carry one callback. They are kept through
 * OpenSSL 3.x. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "common/tls.h"
#include "common/tls_internal.h"
#include "common/xalloc.h"

/* What a server context owns beside OpenSSL's own. */
struct signer {
	tls_sign_fn sign;
	void *context;
	unsigned char *alpn; /* in wire form */
	size_t alpn_len;
};

static int rsa_index = -1, ec_index = -1, context_index = -1;
static RSA_METHOD *rsa_method;
static EC_KEY_METHOD *ec_method;

/* --- private operations --- */

static int
ask(const struct signer *signer, enum tls_sign_kind kind, const unsigned char *input, size_t len,
    unsigned char *out, size_t room)
{
	struct buf signature = BUF_INIT(TLS_SIGNATURE_MAX);
	int r = -1;

	if (signer->sign(signer->context, kind, span_make(input, len), &signature) == 0 &&
	    signature.len <= room) {
		memcpy(out, signature.data, signature.len);
		r = (int)signature.len;
	}
	buf_free(&signature);
	return r;
}

static int
rsa_private_encrypt(int len, const unsigned char *from, unsigned char *to, RSA *rsa, int padding)
{
	const struct signer *signer = RSA_get_ex_data(rsa, rsa_index);
	enum tls_sign_kind kind =
	    padding == RSA_PKCS1_PADDING ? TLS_SIGN_RSA_PKCS1 : TLS_SIGN_RSA_RAW;

	if (len < 0 || (padding != RSA_PKCS1_PADDING && padding != RSA_NO_PADDING))
		return -1;
	return ask(signer, kind, from, (size_t)len, to, (size_t)RSA_size(rsa));
}

/* Key exchange by RSA decryption is not offered. */
static int
rsa_private_decrypt(int len, const unsigned char *from, unsigned char *to, RSA *rsa, int padding)
{
	(void)len, (void)from, (void)to, (void)rsa, (void)padding;
	return -1;
}

static int
ec_sign(int type, const unsigned char *digest, int len, unsigned char *signature,
    unsigned int *ret_len, const BIGNUM *kinv, const BIGNUM *r, EC_KEY *key)
{
	const struct signer *signer = EC_KEY_get_ex_data(key, ec_index);
	int got;

	(void)type, (void)kinv, (void)r;
	if (len < 0)
		return 0;
	got = ask(signer, TLS_SIGN_ECDSA, digest, (size_t)len, signature, (size_t)ECDSA_size(key));
	if (got < 0)
		return 0;
	*ret_len = (unsigned)got;
	return 1;
}

static ECDSA_SIG *
ec_sign_sig(const unsigned char *digest, int len, const BIGNUM *kinv, const BIGNUM *r, EC_KEY *key)
{
	unsigned char der[TLS_SIGNATURE_MAX];
	const unsigned char *at = der;
	unsigned int der_len;

	if ((size_t)ECDSA_size(key) > sizeof(der) ||
	    ec_sign(0, digest, len, der, &der_len, kinv, r, key) != 1)
		return NULL;
	return d2i_ECDSA_SIG(NULL, &at, (long)der_len);
}

static void
free_signer(void *parent, void *value, CRYPTO_EX_DATA *data, int index, long argl, void *argp)
{
	struct signer *signer = value;

	(void)parent, (void)data, (void)index, (void)argl, (void)argp;
	if (signer == NULL)
		return;
	free(signer->alpn);
	free(signer);
}

static void
make_methods(void)
{
	const EC_KEY_METHOD *ec_default = EC_KEY_OpenSSL();
	int (*setup)(EC_KEY *, BN_CTX *, BIGNUM **, BIGNUM **);

	if (context_index >= 0)
		return;
	rsa_index = RSA_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	ec_index = EC_KEY_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	rsa_method = RSA_meth_dup(RSA_PKCS1_OpenSSL());
	ec_method = EC_KEY_METHOD_new(ec_default);
	context_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_signer);
	if (rsa_index < 0 || ec_index < 0 || context_index < 0 || rsa_method == NULL ||
	    ec_method == NULL)
		abort(); /* only for want of memory */
	(void)RSA_meth_set1_name(rsa_method, "key role");
	/* There are no private numbers that could be checked. */
	(void)RSA_meth_set_flags(rsa_method,
	    RSA_meth_get_flags(rsa_method) | RSA_METHOD_FLAG_NO_CHECK);
	(void)RSA_meth_set_priv_enc(rsa_method, rsa_private_encrypt);
	(void)RSA_meth_set_priv_dec(rsa_method, rsa_private_decrypt);
	EC_KEY_METHOD_get_sign(ec_default, NULL, &setup, NULL);
	EC_KEY_METHOD_set_sign(ec_method, ec_sign, setup, ec_sign_sig);
}

/* The certificate's public key with our methods; NULL when it is of another kind. */
static EVP_PKEY *
make_key(EVP_PKEY *public_key, struct signer *signer)
{
	EVP_PKEY *key = EVP_PKEY_new();
	bool good = false;

	if (key == NULL)
		abort();
	if (EVP_PKEY_get_base_id(public_key) == EVP_PKEY_RSA) {
		RSA *rsa = EVP_PKEY_get1_RSA(public_key);

		good = rsa != NULL && RSA_set_method(rsa, rsa_method) == 1 &&
		    RSA_set_ex_data(rsa, rsa_index, signer) == 1 &&
		    EVP_PKEY_set1_RSA(key, rsa) == 1;
		RSA_free(rsa);
	} else if (EVP_PKEY_get_base_id(public_key) == EVP_PKEY_EC) {
		EC_KEY *ec = EVP_PKEY_get1_EC_KEY(public_key);

		good = ec != NULL && EC_KEY_set_method(ec, ec_method) == 1 &&
		    EC_KEY_set_ex_data(ec, ec_index, signer) == 1 &&
		    EVP_PKEY_set1_EC_KEY(key, ec) == 1;
		EC_KEY_free(ec);
	}
	if (!good) {
		EVP_PKEY_free(key);
		return NULL;
	}
	return key;
}

/* --- the context --- */

static int
load_chain(SSL_CTX *context, struct span pem, struct signer *signer, struct buf *error)
{
	BIO *bio = pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
	X509 *certificate = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL, *issuer;
	EVP_PKEY *key = NULL;
	int r = -EINVAL;

	if (certificate == NULL) {
		tls_explain(error, "the certificate file holds no PEM certificate");
	} else if ((key = make_key(X509_get0_pubkey(certificate), signer)) == NULL) {
		tls_explain(error,
		    "the certificate's key is neither RSA nor elliptic-curve (ECDSA)");
	} else if (SSL_CTX_use_certificate(context, certificate) != 1) {
		tls_explain(error, "the certificate cannot be used");
	} else if (SSL_CTX_use_PrivateKey(context, key) != 1) {
		tls_explain(error, "the certificate's key cannot be used");
	} else {
		r = 0;
		while (r == 0 && (issuer = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
			if (SSL_CTX_add0_chain_cert(context, issuer) != 1) {
				X509_free(issuer);
				tls_explain(error, "a certificate of the chain cannot be used");
				r = -EINVAL;
			}
	}
	ERR_clear_error(); /* the end of the file is reported as an error, too */
	EVP_PKEY_free(key);
	X509_free(certificate);
	BIO_free(bio);
	return r;
}

/* RFC 7301: names of one length byte and the bytes, from "h2,http/1.1". */
static void
set_alpn(struct signer *signer, struct span names)
{
	struct span name;

	signer->alpn = xmalloc(names.len + 1);
	while (span_split(&names, ',', &name)) {
		if (name.len == 0 || name.len > 255)
			continue;
		signer->alpn[signer->alpn_len++] = (unsigned char)name.len;
		memcpy(signer->alpn + signer->alpn_len, name.ptr, name.len);
		signer->alpn_len += name.len;
	}
}

static int
choose_alpn(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_len,
    const unsigned char *offered, unsigned int offered_len, void *context)
{
	const struct signer *signer = context;
	unsigned char *chosen;

	(void)ssl;
	if (SSL_select_next_proto(&chosen, ret_len, signer->alpn, (unsigned)signer->alpn_len,
		offered, offered_len) != OPENSSL_NPN_NEGOTIATED)
		/* RFC 7301 section 3.2: no_application_protocol */
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*ret_name = chosen;
	return SSL_TLSEXT_ERR_OK;
}

struct ssl_ctx_st *
tls_server_new(struct span certificate_pem, tls_sign_fn sign, void *sign_context, const char *alpn,
    struct buf *error)
{
	struct signer *signer = xcalloc(1, sizeof(*signer));
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	if (context == NULL)
		abort();
	make_methods();
	signer->sign = sign;
	signer->context = sign_context;
	if (SSL_CTX_set_ex_data(context, context_index, signer) != 1)
		abort();
	tls_context_basics(context);
	(void)SSL_CTX_set_options(context,
	    SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	/* Sessions are resumed by tickets, under a key that OpenSSL makes with the context; a
	 * server-side cache would only hold memory. */
	(void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	if (alpn != NULL) {
		set_alpn(signer, span_of(alpn));
		SSL_CTX_set_alpn_select_cb(context, choose_alpn, signer);
	}
	if (load_chain(context, certificate_pem, signer, error) < 0) {
		SSL_CTX_free(context);
		return NULL;
	}
	return context;
}
