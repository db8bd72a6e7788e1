/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Passwords. A hash takes ten milliseconds and more by intent, so one is computed in a turn of the
 * loop, and lookups pass in between. An unknown account costs the same hash as a known one: neither
 * the answer nor its time tells which there are. */
#include "frame/verifier.h"

#include <arpa/inet.h>
#include <crypt.h>
#include <errno.h>
#include <event2/event.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "common/xalloc.h"
#include "frame/account_name.h"
#include "frame/address_table.h"
#include "frame/auth_cache.h"
#include "frame/rate.h"
#include "frame/sasl_parse.h"

/* Late answers that are kept; more are given at once. */
#define DELAYED_MAX 4096

/* A request, first in the queue, then maybe among the delayed. */
struct request {
	struct request *next;
	uint8_t role;
	uint32_t id;
	uint64_t address_key, account_key; /* of the failure counter */
	struct buf account; /* empty: what was given can be no account */
	struct buf password;
	struct buf hash;    /* that it is compared with */
	enum auth_result result;
	struct verifier *verifier;
	struct event *timer;
};

struct verifier {
	struct event_base *base;
	const struct verifier_limits *limits;
	const struct verifier_ops *ops;
	void *context;
	struct request *first, **last;
	size_t queued;
	struct event *turn;
	struct request *delayed;
	size_t delayed_count;
	struct rate *failures;
	struct auth_cache *cache;
	char *dummy_hash;
	struct crypt_data *crypt;
};

static int64_t
now_seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
	return now.tv_sec;
}

static void
request_free(struct request *request)
{
	if (request->timer != NULL)
		event_free(request->timer);
	buf_free(&request->account);
	buf_wipe(&request->password);
	buf_wipe(&request->hash);
	free(request);
}

static void
answer(struct request *request)
{
	struct verifier *verifier = request->verifier;
	bool right = request->result == AUTH_OK;

	verifier->ops->done(verifier->context, request->role, request->id, request->result,
	    right ? buf_get(&request->account) : SPAN_NULL, right ? buf_get(&request->hash) : SPAN_NULL);
	request_free(request);
}

/* --- late answers --- */

static void
on_late(evutil_socket_t fd, short what, void *context)
{
	struct request *request = context, **at = &request->verifier->delayed;

	(void)fd, (void)what;
	while (*at != request)
		at = &(*at)->next;
	*at = request->next;
	request->verifier->delayed_count--;
	answer(request);
}

static void
answer_late(struct request *request, enum auth_result result)
{
	struct verifier *verifier = request->verifier;
	struct timeval delay = { verifier->limits->failure_delay, 0 };

	buf_wipe(&request->password);
	buf_wipe(&request->hash);
	request->result = result;
	if (verifier->delayed_count < DELAYED_MAX) {
		request->timer = event_new(verifier->base, -1, 0, on_late, request);
		if (request->timer == NULL)
			abort();
		request->next = verifier->delayed;
		verifier->delayed = request;
		verifier->delayed_count++;
		(void)event_add(request->timer, &delay);
		return;
	}
	answer(request);
}

/* --- the check --- */

static bool
over_limit(const struct verifier *verifier, uint64_t key, int64_t now)
{
	return rate_count(verifier->failures, key, now, verifier->limits->failure_window) >=
	    verifier->limits->failures_max;
}

static bool
hash_matches(struct verifier *verifier, const char *password, const char *hash)
{
	const char *made = crypt_r(password, hash, verifier->crypt);
	bool same = made != NULL && made[0] != '*' && strlen(made) == strlen(hash) &&
	    CRYPTO_memcmp(made, hash, strlen(hash)) == 0;

	explicit_bzero(verifier->crypt, sizeof(*verifier->crypt));
	return same;
}

static void
check(struct verifier *verifier, struct request *request)
{
	struct buf *hash = &request->hash;
	int64_t now = now_seconds();
	int found;
	bool known, right;

	buf_clear(hash); /* it may be another than when the request came */
	found = request->account.len != 0 ? verifier->ops->find_hash(verifier->context, buf_get(&request->account), hash) : 1;
	known = found == 0 && hash->len != 0;

	if (found < 0) {
		request->result = AUTH_TEMPFAIL;
		answer(request);
	} else if (over_limit(verifier, request->address_key, now) ||
	    over_limit(verifier, request->account_key, now)) {
		answer_late(request, AUTH_LIMITED); /* others were wrong while this one waited */
	} else {
		right = hash_matches(verifier, buf_cstr(&request->password),
			    known ? buf_cstr(hash) : verifier->dummy_hash) &&
		    known;
		if (right) {
			auth_cache_add(verifier->cache, buf_get(&request->account), buf_get(hash),
			    buf_get(&request->password), now);
			request->result = AUTH_OK;
			answer(request);
		} else {
			(void)rate_add(verifier->failures, request->address_key, now,
			    verifier->limits->failure_window);
			(void)rate_add(verifier->failures, request->account_key, now,
			    verifier->limits->failure_window);
			answer_late(request, AUTH_BAD);
		}
	}
}

static void
on_turn(evutil_socket_t fd, short what, void *context)
{
	static const struct timeval soon = { 0, 0 };
	struct verifier *verifier = context;
	struct request *request = verifier->first;

	(void)fd, (void)what;
	if (request == NULL)
		return;
	verifier->first = request->next;
	if (verifier->first == NULL)
		verifier->last = &verifier->first;
	verifier->queued--;
	check(verifier, request);
	/* As a timer, so that messages are read in between. */
	if (verifier->first != NULL)
		(void)event_add(verifier->turn, &soon);
}

/* True when this very password was right a moment ago. */
static bool
is_cached(struct verifier *verifier, struct request *request, int64_t now)
{
	return request->account.len != 0 &&
	    verifier->ops->find_hash(verifier->context, buf_get(&request->account), &request->hash) == 0 &&
	    auth_cache_has(verifier->cache, buf_get(&request->account), buf_get(&request->hash),
		buf_get(&request->password), now);
}

static uint64_t
key_of_address(const struct verifier *verifier, struct span text)
{
	uint8_t bytes[16];
	char copy[64] = "";
	uint64_t key = 0;

	if (text.len < sizeof(copy)) {
		memcpy(copy, text.ptr, text.len);
		if (inet_pton(AF_INET, copy, bytes) == 1)
			key = address_key(bytes, 4);
		else if (inet_pton(AF_INET6, copy, bytes) == 1)
			key = address_key(bytes, 16);
	}
	return rate_key(verifier->failures, 'a', span_make(&key, sizeof(key)));
}

void
verifier_add(struct verifier *verifier, uint8_t role, uint32_t id, struct span user,
    struct span password, struct span client_address)
{
	static const struct timeval soon = { 0, 0 };
	struct request *request = xcalloc(1, sizeof(*request));
	int64_t now = now_seconds();

	request->verifier = verifier;
	request->role = role;
	request->id = id;
	buf_init(&request->account, ACCOUNT_NAME_MAX);
	buf_init(&request->password, SASL_PASSWORD_MAX);
	buf_init(&request->hash, VERIFIER_HASH_MAX);
	/* crypt(3) stops at NUL: what differs behind it must not be taken for the same. */
	if (!verifier->ops->account_of(verifier->context, user, &request->account) ||
	    span_chr(password, '\0') >= 0)
		buf_clear(&request->account);
	if (buf_span(&request->password, password) < 0)
		buf_clear(&request->account);
	request->address_key = key_of_address(verifier, client_address);
	request->account_key = rate_key(verifier->failures, 'u',
	    request->account.len != 0 ? buf_get(&request->account) : user);
	/* A password known to be right passes although others guess at the account: guessing must
	 * not lock its owner out. */
	if (over_limit(verifier, request->address_key, now)) {
		answer_late(request, AUTH_LIMITED);
	} else if (is_cached(verifier, request, now)) {
		request->result = AUTH_OK;
		answer(request);
	} else if (over_limit(verifier, request->account_key, now) ||
	    verifier->queued >= VERIFIER_QUEUE_MAX) {
		answer_late(request, AUTH_LIMITED);
	} else {
		*verifier->last = request;
		verifier->last = &request->next;
		if (verifier->queued++ == 0)
			(void)event_add(verifier->turn, &soon);
	}
}

/* Takes the requests of that role (or all, ROLE_MAX) out of a list. */
static size_t
drop_requests(struct request **at, uint8_t role)
{
	size_t dropped = 0;

	while (*at != NULL) {
		struct request *request = *at;

		if (role != ROLE_MAX && request->role != role) {
			at = &request->next;
			continue;
		}
		*at = request->next;
		request_free(request);
		dropped++;
	}
	return dropped;
}

void
verifier_forget(struct verifier *verifier, uint8_t role)
{
	verifier->queued -= drop_requests(&verifier->first, role);
	verifier->delayed_count -= drop_requests(&verifier->delayed, role);
	verifier->last = &verifier->first;
	while (*verifier->last != NULL)
		verifier->last = &(*verifier->last)->next;
}

/* --- making it --- */

/* The hash that unknown accounts are checked against: of a random password, at the cost that new
 * passwords have. */
static char *
make_dummy(struct crypt_data *data)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE], secret[33];
	uint8_t random[16];
	const char *made;

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		abort(); /* cannot fail for so few bytes once the system is up */
	for (size_t i = 0; i < sizeof(random); i++) {
		secret[2 * i] = (char)('a' + (random[i] >> 4));
		secret[2 * i + 1] = (char)('a' + (random[i] & 15));
	}
	secret[32] = '\0';
	if (crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof(setting)) == NULL)
		return NULL;
	made = crypt_r(secret, setting, data);
	explicit_bzero(secret, sizeof(secret));
	return made != NULL && made[0] != '*' ? xstrdup(made) : NULL;
}

struct verifier *
verifier_new(struct event_base *base, const struct verifier_limits *limits,
    const struct verifier_ops *ops, void *context)
{
	struct verifier *verifier = xcalloc(1, sizeof(*verifier));
	struct {
		uint64_t seed;
		uint8_t key[AUTH_CACHE_KEY];
	} random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		abort(); /* cannot fail for so few bytes once the system is up */
	verifier->base = base;
	verifier->limits = limits;
	verifier->ops = ops;
	verifier->context = context;
	verifier->last = &verifier->first;
	verifier->turn = event_new(base, -1, 0, on_turn, verifier);
	verifier->failures = rate_new(random.seed);
	verifier->cache = auth_cache_new(random.key);
	verifier->crypt = xcalloc(1, sizeof(*verifier->crypt));
	verifier->dummy_hash = make_dummy(verifier->crypt);
	explicit_bzero(&random, sizeof(random));
	if (verifier->turn == NULL)
		abort();
	return verifier->dummy_hash != NULL ? verifier : verifier_free(verifier);
}

struct verifier *
verifier_free(struct verifier *verifier)
{
	if (verifier == NULL)
		return NULL;
	(void)drop_requests(&verifier->first, ROLE_MAX);
	(void)drop_requests(&verifier->delayed, ROLE_MAX);
	event_free(verifier->turn);
	verifier->failures = rate_free(verifier->failures);
	verifier->cache = auth_cache_free(verifier->cache);
	free(verifier->dummy_hash);
	free(verifier->crypt);
	free(verifier);
	return NULL;
}
