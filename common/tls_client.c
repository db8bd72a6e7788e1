/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Client contexts, and what both kinds of context share. */
#include <openssl/err.h>
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

struct ssl_ctx_st *
tls_client_new(int verify, struct buf *error)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	const char *roots = getenv(X509_get_default_cert_file_env());

	if (context == NULL)
		abort();
	tls_context_basics(context);
	if (verify == 0) {
		SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
		return context;
	}
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	if (roots == NULL)
		roots = access(X509_get_default_cert_file(), R_OK) == 0 ?
		    X509_get_default_cert_file() :
		    SYSTEM_ROOTS;
	if (SSL_CTX_load_verify_file(context, roots) != 1) {
		tls_explain(error, "the system's root certificates cannot be read");
		SSL_CTX_free(context);
		return NULL;
	}
	return context;
}

void
tls_context_free(struct ssl_ctx_st *context)
{
	SSL_CTX_free(context);
}
