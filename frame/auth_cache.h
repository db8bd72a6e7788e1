/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Passwords that were right a moment ago, so that a client that logs in every few seconds costs one
 * slow hash a minute. Only keyed digests are kept, under a key that never leaves this process.
 * Pure. */
#ifndef FRAME_AUTH_CACHE_H
#define FRAME_AUTH_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

#define AUTH_CACHE_KEY 32
#define AUTH_CACHE_SECONDS 60

struct auth_cache;

/* key: AUTH_CACHE_KEY random bytes, copied. */
struct auth_cache *auth_cache_new(const uint8_t key[AUTH_CACHE_KEY]);
struct auth_cache *auth_cache_free(struct auth_cache *cache);

/* Remembers that this password is right for this account and this stored hash; a new stored hash
 * makes the entry worthless. */
void auth_cache_add(struct auth_cache *cache, struct span account, struct span stored,
    struct span password, int64_t now);
bool auth_cache_has(const struct auth_cache *cache, struct span account, struct span stored,
    struct span password, int64_t now);

#endif
