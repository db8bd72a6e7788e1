/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* TLS contexts by OpenSSL. A server's private key is not here: signatures are asked of a function
 * (the key role's). */
#ifndef COMMON_TLS_H
#define COMMON_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

struct ssl_ctx_st;

/* The longest signature: RSA of 8192 bits. */
#define TLS_SIGNATURE_MAX 1024

enum tls_sign_kind {
	TLS_SIGN_RSA_PKCS1, TLS_SIGN_RSA_RAW, TLS_SIGN_ECDSA,
};

/* Asks whoever holds the private key to sign (RSA: the private-key operation with that padding;
 * ECDSA: DER signature over the digest). Blocks until the answer is there. Returns 0 and the
 * signature in out, or -errno. */
typedef int (*tls_sign_fn)(void *context, enum tls_sign_kind kind, struct span input,
    struct buf *out);

/* A server context for this certificate chain (PEM text). TLS 1.2 and 1.3, no renegotiation, no
 * compression, tickets with a key of this process. alpn: the protocols that are spoken ("h2,http/1.1"),
 * the best first; a client that names only others is refused (RFC 9325 section 3.8: it may have been
 * led here to take an answer of ours for one of another protocol), one that names none is served.
 * Or NULL. Returns NULL and a sentence in error when it cannot be made. */
struct ssl_ctx_st *tls_server_new(struct span certificate_pem, tls_sign_fn sign, void *context,
    const char *alpn, struct buf *error);
/* A client context that encrypts and trusts anybody. */
struct ssl_ctx_st *tls_client_new(void);
/* One that verifies against these roots (PEM text). NULL and a sentence in error when there are none. */
struct ssl_ctx_st *tls_client_new_trusting(struct span roots_pem, struct buf *error);
/* Where the system's roots are, or should be: SSL_CERT_FILE, where OpenSSL or Debian has them. Belongs to the process. */
const char *tls_roots_path(void);
void tls_context_free(struct ssl_ctx_st *context);

/* The key role's half: loads a PEM private key; signs. */
struct tls_key;
struct tls_key *tls_key_load(struct span pem, struct buf *error);
int tls_key_sign(struct tls_key *key, enum tls_sign_kind kind, struct span input, struct buf *out);
/* Seconds from now until the server context's certificate is no longer valid: negative when it is past, INT64_MIN when that cannot be told. */
int64_t tls_seconds_left(const struct ssl_ctx_st *context);
/* Whether the key is that of the server context's certificate. */
bool tls_key_fits(const struct tls_key *key, const struct ssl_ctx_st *context);
struct tls_key *tls_key_free(struct tls_key *key);

#endif
