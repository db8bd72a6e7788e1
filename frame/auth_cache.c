/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A direct-mapped table of HMACs: the digest says its slot itself, and pushes out whatever was
 * there. */
#include "frame/auth_cache.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/xalloc.h"

#define SLOTS 512
#define DIGEST 32
#define INPUT_MAX 8192

struct slot {
	uint8_t digest[DIGEST];
	int64_t until; /* 0: free */
};

struct auth_cache {
	uint8_t key[AUTH_CACHE_KEY];
	struct slot slots[SLOTS];
};

struct auth_cache *
auth_cache_new(const uint8_t key[AUTH_CACHE_KEY])
{
	struct auth_cache *cache = xcalloc(1, sizeof(*cache));

	memcpy(cache->key, key, AUTH_CACHE_KEY);
	return cache;
}

struct auth_cache *
auth_cache_free(struct auth_cache *cache)
{
	if (cache != NULL)
		explicit_bzero(cache, sizeof(*cache));
	free(cache);
	return NULL;
}

/* False when the fields are longer than any that are right. Each field is preceded by its length:
 * no two triples give the same bytes. */
static bool
digest(const struct auth_cache *cache, struct span account, struct span stored,
    struct span password, uint8_t out[DIGEST])
{
	const struct span fields[] = { account, stored, password };
	struct buf input = BUF_INIT(INPUT_MAX);
	unsigned len = 0;
	bool good = false;

	for (size_t i = 0; i < 3; i++) {
		(void)buf_put(&input, &fields[i].len, sizeof(fields[i].len));
		(void)buf_span(&input, fields[i]);
	}
	if (!input.overflow)
		good = HMAC(EVP_sha256(), cache->key, AUTH_CACHE_KEY,
			   (const unsigned char *)input.data, input.len, out, &len) != NULL &&
		    len == DIGEST;
	buf_wipe(&input);
	return good;
}

static size_t
slot_of(const uint8_t sum[DIGEST])
{
	return ((size_t)sum[0] << 8 | sum[1]) % SLOTS;
}

void
auth_cache_add(struct auth_cache *cache, struct span account, struct span stored,
    struct span password, int64_t now)
{
	uint8_t sum[DIGEST];

	if (!digest(cache, account, stored, password, sum))
		return;
	memcpy(cache->slots[slot_of(sum)].digest, sum, DIGEST);
	cache->slots[slot_of(sum)].until = now + AUTH_CACHE_SECONDS;
}

bool
auth_cache_has(const struct auth_cache *cache, struct span account, struct span stored,
    struct span password, int64_t now)
{
	uint8_t sum[DIGEST];
	const struct slot *slot;

	if (!digest(cache, account, stored, password, sum))
		return false;
	slot = &cache->slots[slot_of(sum)];
	return now < slot->until && CRYPTO_memcmp(slot->digest, sum, DIGEST) == 0;
}
