/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* RSA (RFC 8017 section 8.2, over SHA-256) and Ed25519 (RFC 8032, over the 32 octets of the digest: RFC 8463 section 3). */
#include "smtpd/dkim_key.h"

#include <errno.h>
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "common/base64.h"
#include "common/xalloc.h"

#define ED25519_KEY_SIZE 32

/* Keys that are known; the text of one with 4096 bits has 740 bytes. */
#define KNOWN_COUNT 16
#define KNOWN_TEXT_MAX 1024

const char *
dkim_algorithm_name(enum dkim_algorithm algorithm)
{
	return algorithm == DKIM_ED25519_SHA256 ? "ed25519-sha256" : "rsa-sha256";
}

/* --- public --- */

/* Takes the head of a DER value off. Its contents, which must be all that is left, or SPAN_NULL. */
static struct span
der_contents(struct span value, int wanted)
{
	const unsigned char *at = (const unsigned char *)value.ptr;
	int tag, class;
	long len;

	if ((ASN1_get_object(&at, &len, &tag, &class, (long)value.len) & 0x81) != 0 || tag != wanted || class != V_ASN1_UNIVERSAL ||
	    (const char *)at + len != value.ptr + value.len)
		return SPAN_NULL;
	return span_make(at, (size_t)len);
}

/* The RSAPublicKey within a SubjectPublicKeyInfo, or SPAN_NULL when it is none as RFC 3279 section 2.3.1 has it. OpenSSL's reader of these
 * knows all kinds of keys, and takes six times as long as to verify a signature. */
static struct span
rsa_within(struct span info)
{
	static const char rsa_encryption[] = "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
	const struct span algorithm = span_make(rsa_encryption, sizeof(rsa_encryption) - 1);
	struct span contents = der_contents(info, V_ASN1_SEQUENCE), bits;

	if (!span_starts(contents, algorithm))
		return SPAN_NULL;
	bits = der_contents(span_skip(contents, algorithm.len), V_ASN1_BIT_STRING);
	/* No bit of the last octet is unused. */
	return span_starts(bits, span_make("", 1)) ? span_skip(bits, 1) : SPAN_NULL;
}

static EVP_PKEY *
read_rsa(struct span bytes)
{
	const unsigned char *at = (const unsigned char *)bytes.ptr;

	return bytes.len != 0 ? d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, (long)bytes.len) : NULL;
}

/* Everybody has 65537 there, or 3; with one as long as the modulus a signature takes 200 times as long, and a message may have sixty. */
static bool
has_small_exponent(EVP_PKEY *key)
{
	BIGNUM *exponent = NULL;
	bool small = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1 && BN_num_bits(exponent) <= DKIM_RSA_EXPONENT_BITS_MAX;

	BN_free(exponent);
	return small;
}

/* p= holds a SubjectPublicKeyInfo (RFC 6376 erratum 3017); some publish the RSAPublicKey within it. */
static EVP_PKEY *
read_public(enum dkim_algorithm algorithm, struct span bytes)
{
	const unsigned char *at = (const unsigned char *)bytes.ptr;
	EVP_PKEY *key;

	if (algorithm == DKIM_ED25519_SHA256)
		return bytes.len == ED25519_KEY_SIZE ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, at, bytes.len) : NULL;
	key = read_rsa(rsa_within(bytes));
	if (key == NULL)
		key = d2i_PUBKEY(NULL, &at, (long)bytes.len);
	if (key == NULL)
		key = read_rsa(bytes);
	if (key != NULL && (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA || !has_small_exponent(key))) {
		EVP_PKEY_free(key);
		return NULL;
	}
	return key;
}

static bool
verify(EVP_PKEY *key, enum dkim_algorithm algorithm, const uint8_t *digest, struct span signature)
{
	const unsigned char *bytes = (const unsigned char *)signature.ptr;
	bool right = false;

	if (algorithm == DKIM_ED25519_SHA256) {
		EVP_MD_CTX *operation = EVP_MD_CTX_new();

		right = operation != NULL && EVP_DigestVerifyInit(operation, NULL, NULL, NULL, key) == 1 &&
		    EVP_DigestVerify(operation, bytes, signature.len, digest, DKIM_DIGEST_SIZE) == 1;
		EVP_MD_CTX_free(operation);
	} else {
		EVP_PKEY_CTX *operation = EVP_PKEY_CTX_new(key, NULL);

		right = operation != NULL && EVP_PKEY_verify_init(operation) == 1 &&
		    EVP_PKEY_CTX_set_rsa_padding(operation, RSA_PKCS1_PADDING) == 1 &&
		    EVP_PKEY_CTX_set_signature_md(operation, EVP_sha256()) == 1 &&
		    EVP_PKEY_verify(operation, bytes, signature.len, digest, DKIM_DIGEST_SIZE) == 1;
		EVP_PKEY_CTX_free(operation);
	}
	return right;
}

struct known_key {
	enum dkim_algorithm algorithm;
	char *text;
	size_t len;
	EVP_PKEY *key;
};

struct dkim_known {
	struct known_key list[KNOWN_COUNT];
	unsigned next; /* the oldest */
};

struct dkim_known *
dkim_known_new(void)
{
	return xcalloc(1, sizeof(struct dkim_known));
}

struct dkim_known *
dkim_known_free(struct dkim_known *known)
{
	for (unsigned i = 0; known != NULL && i < KNOWN_COUNT; i++) {
		free(known->list[i].text);
		EVP_PKEY_free(known->list[i].key);
	}
	free(known);
	return NULL;
}

/* The key, a reference of the caller's; or NULL. */
static EVP_PKEY *
recall(const struct dkim_known *known, enum dkim_algorithm algorithm, struct span text)
{
	for (unsigned i = 0; known != NULL && i < KNOWN_COUNT; i++) {
		const struct known_key *one = &known->list[i];

		if (one->key != NULL && one->algorithm == algorithm && span_eq(span_make(one->text, one->len), text))
			return EVP_PKEY_up_ref(one->key) == 1 ? one->key : NULL;
	}
	return NULL;
}

static void
keep(struct dkim_known *known, enum dkim_algorithm algorithm, struct span text, EVP_PKEY *key)
{
	struct known_key *one;

	if (known == NULL || text.len > KNOWN_TEXT_MAX || EVP_PKEY_up_ref(key) != 1)
		return;
	one = &known->list[known->next++ % KNOWN_COUNT];
	free(one->text);
	EVP_PKEY_free(one->key);
	*one = (struct known_key){ .algorithm = algorithm, .text = span_dup(text), .len = text.len, .key = key };
}

enum dkim_key_result
dkim_key_check(struct dkim_known *known, enum dkim_algorithm algorithm, struct span text, const uint8_t digest[static DKIM_DIGEST_SIZE],
    struct span signature)
{
	struct buf bytes = BUF_INIT(DKIM_KEY_MAX);
	enum dkim_key_result result = DKIM_KEY_UNUSABLE;
	EVP_PKEY *key = recall(known, algorithm, text);

	if (key == NULL && dkim_base64(text, &bytes) == 0) {
		key = read_public(algorithm, buf_get(&bytes));
		if (key != NULL)
			keep(known, algorithm, text, key);
	}

	if (key != NULL) {
		int bits = EVP_PKEY_get_bits(key);

		if (algorithm == DKIM_RSA_SHA256 && bits < DKIM_RSA_BITS_MIN)
			result = DKIM_KEY_TOO_SHORT;
		else if (bits <= DKIM_RSA_BITS_MAX)
			result = verify(key, algorithm, digest, signature) ? DKIM_KEY_FITS : DKIM_KEY_DIFFERS;
	}
	EVP_PKEY_free(key);
	ERR_clear_error();
	buf_free(&bytes);
	return result;
}

/* --- private --- */

struct dkim_private {
	EVP_PKEY *key;
	enum dkim_algorithm algorithm;
};

/* A daemon has nobody to ask for a passphrase: without this, OpenSSL would try the terminal. */
static int
no_passphrase(char *out, int room, int writing, void *context)
{
	(void)out, (void)room, (void)writing, (void)context;
	return -1;
}

static struct dkim_private *
hold(EVP_PKEY *pkey, enum dkim_algorithm algorithm)
{
	struct dkim_private *key = xcalloc(1, sizeof(*key));

	key->key = pkey;
	key->algorithm = algorithm;
	return key;
}

struct dkim_private *
dkim_private_load(struct span pem, struct buf *error)
{
	BIO *bio = pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
	EVP_PKEY *pkey = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
	int kind = pkey != NULL ? EVP_PKEY_get_base_id(pkey) : EVP_PKEY_NONE;
	int bits = pkey != NULL ? EVP_PKEY_get_bits(pkey) : 0;

	BIO_free(bio);
	ERR_clear_error();
	if (kind == EVP_PKEY_ED25519)
		return hold(pkey, DKIM_ED25519_SHA256);
	if (kind == EVP_PKEY_RSA && bits >= DKIM_RSA_BITS_MIN && bits <= DKIM_RSA_BITS_MAX)
		return hold(pkey, DKIM_RSA_SHA256);
	(void)buf_str(error, pkey == NULL ? "the file holds no private key in PEM without a passphrase" :
		      kind == EVP_PKEY_RSA ? "the RSA key does not have between 1024 and 8192 bits" :
					     "the private key is neither RSA nor Ed25519");
	EVP_PKEY_free(pkey);
	return NULL;
}

struct dkim_private *
dkim_private_make(enum dkim_algorithm algorithm)
{
	EVP_PKEY *pkey = algorithm == DKIM_ED25519_SHA256 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") :
							    EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)DKIM_RSA_BITS_NEW);

	if (pkey == NULL)
		abort(); /* no memory, or no randomness */
	return hold(pkey, algorithm);
}

struct dkim_private *
dkim_private_free(struct dkim_private *key)
{
	if (key == NULL)
		return NULL;
	EVP_PKEY_free(key->key); /* OpenSSL overwrites the private numbers */
	free(key);
	return NULL;
}

enum dkim_algorithm
dkim_private_algorithm(const struct dkim_private *key)
{
	return key->algorithm;
}

static bool
sign(const struct dkim_private *key, const uint8_t *digest, unsigned char *out, size_t *len)
{
	bool done;

	if (key->algorithm == DKIM_ED25519_SHA256) {
		EVP_MD_CTX *operation = EVP_MD_CTX_new();

		done = operation != NULL && EVP_DigestSignInit(operation, NULL, NULL, NULL, key->key) == 1 &&
		    EVP_DigestSign(operation, out, len, digest, DKIM_DIGEST_SIZE) == 1;
		EVP_MD_CTX_free(operation);
	} else {
		EVP_PKEY_CTX *operation = EVP_PKEY_CTX_new(key->key, NULL);

		done = operation != NULL && EVP_PKEY_sign_init(operation) == 1 &&
		    EVP_PKEY_CTX_set_rsa_padding(operation, RSA_PKCS1_PADDING) == 1 &&
		    EVP_PKEY_CTX_set_signature_md(operation, EVP_sha256()) == 1 &&
		    EVP_PKEY_sign(operation, out, len, digest, DKIM_DIGEST_SIZE) == 1;
		EVP_PKEY_CTX_free(operation);
	}
	ERR_clear_error();
	return done;
}

int
dkim_private_sign(const struct dkim_private *key, const uint8_t digest[static DKIM_DIGEST_SIZE], struct buf *out)
{
	size_t len = (size_t)EVP_PKEY_get_size(key->key);
	char *room = buf_reserve(out, len);

	if (room == NULL || !sign(key, digest, (unsigned char *)room, &len))
		return -EIO;
	buf_added(out, len);
	return 0;
}

int
dkim_private_pem(const struct dkim_private *key, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char *text = NULL;
	long len;
	int r = -EIO;

	if (bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, key->key, NULL, NULL, 0, NULL, NULL) == 1) {
		len = BIO_get_mem_data(bio, &text);
		r = len > 0 ? buf_put(out, text, (size_t)len) : -EIO;
	}
	BIO_free(bio);
	return r;
}

int
dkim_private_record(const struct dkim_private *key, struct buf *out)
{
	unsigned char raw[ED25519_KEY_SIZE], *der = NULL;
	size_t raw_len = sizeof(raw);
	int r = -EIO, len;

	if (key->algorithm == DKIM_ED25519_SHA256) {
		if (EVP_PKEY_get_raw_public_key(key->key, raw, &raw_len) != 1)
			return -EIO;
		(void)buf_str(out, "v=DKIM1; k=ed25519; p=");
		return base64_encode(span_make(raw, raw_len), out);
	}
	len = i2d_PUBKEY(key->key, &der);
	if (len > 0) {
		(void)buf_str(out, "v=DKIM1; k=rsa; p=");
		r = base64_encode(span_make(der, (size_t)len), out);
	}
	OPENSSL_free(der);
	return r;
}
