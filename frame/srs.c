/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The Sender Rewriting Scheme. Hosts on the way back may change the case of letters: the hash is over lower case, and written in base32. */
#include "frame/srs.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#include "common/address.h"
#include "common/xalloc.h"

#define SECRET_MIN 16
#define HASH_LEN 6 /* 30 bits: each guess costs a transaction */
#define DAY_LEN 2
#define DAYS 1024  /* as many as two letters tell apart */
#define INPUT_MAX 1024

static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";

struct srs {
	char *text; /* what secrets point into */
	size_t len;
	struct span secrets[SRS_SECRETS_MAX];
	size_t count;
};

struct srs *
srs_new(struct span text, const char **ret_fault)
{
	struct srs *srs = xcalloc(1, sizeof(*srs));
	struct span rest, line;

	srs->text = span_dup(text);
	srs->len = text.len;
	rest = span_make(srs->text, text.len);
	*ret_fault = NULL;
	while (*ret_fault == NULL && span_split(&rest, '\n', &line)) {
		line = span_trim(line);
		if (line.len == 0 || line.ptr[0] == '#')
			continue;
		if (line.len < SECRET_MIN)
			*ret_fault = "a secret is shorter than 16 bytes";
		else if (srs->count == SRS_SECRETS_MAX)
			*ret_fault = "there are more than 8 secrets";
		else
			srs->secrets[srs->count++] = line;
	}
	if (*ret_fault == NULL && srs->count == 0)
		*ret_fault = "there is no secret";
	return *ret_fault == NULL ? srs : srs_free(srs);
}

struct srs *
srs_free(struct srs *srs)
{
	if (srs == NULL)
		return NULL;
	explicit_bzero(srs->text, srs->len);
	free(srs->text);
	free(srs);
	return NULL;
}

/* --- hashes --- */

static void
make_hash(struct span secret, struct span text, char ret[HASH_LEN])
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	char input[INPUT_MAX];
	unsigned len = 0;

	if (text.len > sizeof(input))
		text.len = sizeof(input);
	for (size_t i = 0; i < text.len; i++)
		input[i] = ascii_lower(text.ptr[i]);
	if (HMAC(EVP_sha256(), secret.ptr, (int)secret.len, (const unsigned char *)input, text.len, sum, &len) == NULL)
		abort(); /* cannot fail but for want of memory */
	for (size_t i = 0; i < HASH_LEN; i++)
		ret[i] = letters[sum[i] % 32];
}

static bool
is_hash(const struct srs *srs, struct span hash, struct span text)
{
	char ours[HASH_LEN], theirs[HASH_LEN];
	bool good = false;

	if (hash.len != HASH_LEN)
		return false;
	for (size_t i = 0; i < HASH_LEN; i++)
		theirs[i] = ascii_lower(hash.ptr[i]);
	for (size_t i = 0; i < srs->count; i++) {
		make_hash(srs->secrets[i], text, ours);
		good |= CRYPTO_memcmp(ours, theirs, HASH_LEN) == 0;
	}
	return good;
}

/* --- days --- */

static unsigned
day_of(int64_t now)
{
	return (unsigned)(now / 86400 % DAYS);
}

static int
letter_value(char c)
{
	const char *at = c != '\0' ? strchr(letters, ascii_lower(c)) : NULL;

	return at != NULL ? (int)(at - letters) : -1;
}

static bool
is_recent(struct span day, int64_t now)
{
	int high = letter_value(day.ptr[0]), low = letter_value(day.ptr[1]);

	/* Clocks of hosts that share a secret may differ: tomorrow is no fault. */
	return high >= 0 && low >= 0 && (day_of(now) + DAYS + 1 - (unsigned)(high * 32 + low)) % DAYS <= SRS_DAYS + 1;
}

/* --- there --- */

bool
srs_is(struct span local)
{
	return local.len > 5 && (span_istarts(local, SPAN("SRS0")) || span_istarts(local, SPAN("SRS1"))) && span_chr(SPAN("=+-"), local.ptr[4]) >= 0;
}

/* "SRS0=hash=" or "SRS1=hash=", and what was hashed. */
static int
put_address(const struct srs *srs, const char *tag, struct span hashed, struct span domain, struct buf *out)
{
	struct buf text = BUF_INIT(ADDRESS_LOCAL_MAX);
	char hash[HASH_LEN];
	int r;

	make_hash(srs->secrets[0], hashed, hash);
	(void)buf_fmt(&text, "%s=%.*s=", tag, HASH_LEN, hash);
	(void)buf_span(&text, hashed);
	r = text.overflow ? -EMSGSIZE : buf_span(out, buf_get(&text));
	if (r == 0)
		r = buf_char(out, '@');
	if (r == 0)
		r = buf_span(out, domain);
	buf_free(&text);
	return r;
}

int
srs_forward(const struct srs *srs, struct span sender, struct span domain, int64_t now, struct buf *out)
{
	struct buf hashed = BUF_INIT(INPUT_MAX);
	struct address address;
	const char *tag = "SRS0";
	struct span local, part;
	int r;

	/* What stands in quotes may have anything in it. */
	if (address_parse_mailbox(sender, ADDRESS_SMTPUTF8, &address) != ADDRESS_OK || address.quoted || address.literal)
		return -EINVAL;
	local = address.local;
	if (!srs_is(local)) {
		unsigned day = day_of(now);

		(void)buf_fmt(&hashed, "%c%c=", letters[day / 32], letters[day % 32]);
		(void)buf_span(&hashed, address.domain);
		(void)buf_char(&hashed, '=');
		(void)buf_span(&hashed, local);
	} else if (ascii_lower(local.ptr[3]) == '0') {
		/* The first host is told; what it wrote stays as it is, with the character behind its "SRS0". */
		tag = "SRS1";
		(void)buf_span(&hashed, address.domain);
		(void)buf_char(&hashed, '=');
		(void)buf_span(&hashed, span_skip(local, 4));
	} else {
		/* However many hosts there were, the way leads back to the first. */
		tag = "SRS1";
		local = span_skip(local, 5);
		if (!span_split(&local, '=', &part) || local.len == 0)
			return -EINVAL;
		(void)buf_span(&hashed, local);
	}
	r = hashed.overflow ? -EMSGSIZE : put_address(srs, tag, buf_get(&hashed), domain, out);
	buf_free(&hashed);
	return r;
}

/* --- and back --- */

int
srs_reverse(const struct srs *srs, struct span local, int64_t now, struct buf *out)
{
	bool first;
	struct span hash, rest, day = SPAN_NULL, domain;
	int r;

	if (!srs_is(local))
		return -EINVAL;
	first = local.ptr[3] == '0';
	rest = span_skip(local, 5);
	if (!span_split(&rest, '=', &hash) || !is_hash(srs, hash, rest))
		return -EINVAL;
	if (first && (!span_split(&rest, '=', &day) || day.len != DAY_LEN))
		return -EINVAL;
	if (!span_split(&rest, '=', &domain) || domain.len == 0 || rest.len == 0)
		return -EINVAL;
	if (first && !is_recent(day, now))
		return -ETIME;
	r = first ? 0 : buf_str(out, "SRS0");
	if (r == 0)
		r = buf_span(out, rest);
	if (r == 0)
		r = buf_char(out, '@');
	return r == 0 ? buf_span(out, domain) : r;
}
