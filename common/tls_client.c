/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Client contexts, and what both kinds of context share. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/tls.h"
#include "common/tls_internal.h"

/* Where Debian's ca-certificates keeps all roots in one file; OpenSSL's own default is a folder
 * that is read during a handshake, which no jail allows. */
#define SYSTEM_ROOTS "/etc/ssl/certs/ca-certificates.crt"

void
tls_explain(struct buf *error, const char *sentence)
{
	unsigned long code = ERR_peek_error();
	const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

	(void)buf_str(error, sentence);
	if (reason != NULL)
		(void)buf_fmt(error, ": %s", reason);
	ERR_clear_error();
}

void
tls_context_basics(SSL_CTX *context)
{
	if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(context,
		"ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:ECDHE+AES:!aNULL:!eNULL:!PSK:!SRP:!DSS") !=
		1)
		abort(); /* constants of ours */
	(void)SSL_CTX_set_options(context,
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_SSLv3);
	(void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
}

static SSL_CTX *
client_new(int mode)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (context == NULL)
		abort();
	tls_context_basics(context);
	SSL_CTX_set_verify(context, mode, NULL);
	return context;
}

struct ssl_ctx_st *
tls_client_new(void)
{
	return client_new(SSL_VERIFY_NONE);
}

/* How many of the file's certificates the store takes; lists of revoked ones are taken, too, as OpenSSL does with such a file. */
static unsigned
add_roots(X509_STORE *store, struct span pem)
{
	BIO *bio = pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
	STACK_OF(X509_INFO) *items = bio != NULL ? PEM_X509_INFO_read_bio(bio, NULL, NULL, NULL) : NULL;
	unsigned count = 0;

	for (int i = 0; items != NULL && i < sk_X509_INFO_num(items); i++) {
		const X509_INFO *item = sk_X509_INFO_value(items, i);

		count += item->x509 != NULL && X509_STORE_add_cert(store, item->x509) == 1;
		if (item->crl != NULL)
			(void)X509_STORE_add_crl(store, item->crl);
	}
	sk_X509_INFO_pop_free(items, X509_INFO_free);
	(void)BIO_free(bio);
	return count;
}

struct ssl_ctx_st *
tls_client_new_trusting(struct span roots_pem, struct buf *error)
{
	SSL_CTX *context;

	ERR_clear_error();
	context = client_new(SSL_VERIFY_PEER);
	if (add_roots(SSL_CTX_get_cert_store(context), roots_pem) == 0) {
		tls_explain(error, "there are no root certificates to be read");
		SSL_CTX_free(context);
		return NULL;
	}
	ERR_clear_error();
	return context;
}

const char *
tls_roots_path(void)
{
	const char *path = getenv(X509_get_default_cert_file_env());

	if (path != NULL)
		return path;
	return access(X509_get_default_cert_file(), R_OK) == 0 ? X509_get_default_cert_file() : SYSTEM_ROOTS;
}

void
tls_context_free(struct ssl_ctx_st *context)
{
	SSL_CTX_free(context);
}
