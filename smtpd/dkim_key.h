/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Keys of DKIM and ARC: a signature checked with the public half out of the DNS, made with the private half, and new pairs. */
#ifndef SMTPD_DKIM_KEY_H
#define SMTPD_DKIM_KEY_H

#include "smtpd/dkim_parse.h"

/* RFC 8301 section 3.2 / what nobody uses and would only cost time. */
#define DKIM_RSA_BITS_MIN 1024
#define DKIM_RSA_BITS_MAX 8192
#define DKIM_RSA_EXPONENT_BITS_MAX 32
#define DKIM_RSA_BITS_NEW 2048

enum dkim_key_result {
	DKIM_KEY_FITS,      /* the signature is right */
	DKIM_KEY_DIFFERS,   /* it is not */
	DKIM_KEY_TOO_SHORT, /* fewer bits than RFC 8301 wants */
	DKIM_KEY_UNUSABLE,  /* no key of that algorithm */
};

/* The public keys that were read last. What a host signs next comes with the same key, and to read one, and to prepare what RSA
 * calculates with it, takes as long as it takes to verify. */
struct dkim_known;
struct dkim_known *dkim_known_new(void);
/* NULL is allowed. Returns NULL. */
struct dkim_known *dkim_known_free(struct dkim_known *known);

/* Checks a signature over a digest with the text of p= of a key record. known: NULL, or where that key may be, and is kept. */
enum dkim_key_result dkim_key_check(struct dkim_known *known, enum dkim_algorithm algorithm, struct span key,
    const uint8_t digest[static DKIM_DIGEST_SIZE], struct span signature);

/* A private key. */
struct dkim_private;

/* Reads RSA (at least 1024 bits) or Ed25519 from PEM. NULL, and a sentence appended to error. */
struct dkim_private *dkim_private_load(struct span pem, struct buf *error);
/* Makes one. */
struct dkim_private *dkim_private_make(enum dkim_algorithm algorithm);
/* Overwrites and frees it; NULL is allowed. Returns NULL. */
struct dkim_private *dkim_private_free(struct dkim_private *key);
enum dkim_algorithm dkim_private_algorithm(const struct dkim_private *key);
/* Appends the signature over a digest. 0, or -EIO. */
int dkim_private_sign(const struct dkim_private *key, const uint8_t digest[static DKIM_DIGEST_SIZE], struct buf *out);
/* Appends the key in PEM (PKCS #8). */
int dkim_private_pem(const struct dkim_private *key, struct buf *out);
/* Appends the key record for the DNS: "v=DKIM1; k=...; p=...". */
int dkim_private_record(const struct dkim_private *key, struct buf *out);
/* "rsa-sha256", "ed25519-sha256". */
const char *dkim_algorithm_name(enum dkim_algorithm algorithm);

#endif
