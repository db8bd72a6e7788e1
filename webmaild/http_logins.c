/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Who is signed in. Cookies are kept as their SHA-256, credentials as a keyed hash: memory that leaks opens no account. */
#include <errno.h>
#include <event2/event.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "webmaild/http.h"
#include "webmaild/http_fields.h"

#define BUCKETS 4096
#define BASIC_LIFETIME 600 /* seconds that verified Basic credentials are believed */
#define SWEEP_SECONDS 15
/* A login that is used asks auth this often whether its account is still what it was. */
#define CHECK_SECONDS 10

struct logins {
	struct http *http;
	struct login *buckets[BUCKETS];
	size_t count;
	uint8_t secret[32]; /* of this process; keys the hash of credentials */
	struct event *sweep;
};

int64_t
http_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
	return now.tv_sec;
}

static void
random_bytes(void *out, size_t len)
{
	/* Up to 256 bytes come whole once the kernel's pool is ready. */
	if (getrandom(out, len, 0) != (ssize_t)len)
		abort();
}

static void
base64url(const uint8_t *bytes, size_t len, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned bits = 0, have = 0;

	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | bytes[i];
		have += 8;
		while (have >= 6) {
			have -= 6;
			*out++ = digits[bits >> have & 63];
		}
	}
	if (have > 0)
		*out++ = digits[bits << (6 - have) & 63];
	*out = '\0';
}

static size_t
bucket_of(const uint8_t *key)
{
	return (size_t)(key[0] | key[1] << 8) % BUCKETS;
}

static struct login *
find(struct logins *logins, const uint8_t *key)
{
	struct login *login = logins->buckets[bucket_of(key)];

	while (login != NULL && CRYPTO_memcmp(login->key, key, sizeof(login->key)) != 0)
		login = login->chain;
	return login;
}

static int64_t
lifetime(const struct logins *logins, bool basic)
{
	const struct webmaild_conf *conf = logins->http->proc->conf;

	return basic ? BASIC_LIFETIME : conf->session_lifetime;
}

static void
unlink_account(struct login *login)
{
	if (login->previous != NULL)
		login->previous->next = login->next;
	else
		login->account->logins = login->next;
	if (login->next != NULL)
		login->next->previous = login->previous;
	login->next = login->previous = NULL;
}

static void
link_account(struct login *login)
{
	login->next = login->account->logins;
	if (login->next != NULL)
		login->next->previous = login;
	login->account->logins = login;
}

static void
on_checked(void *context, bool over)
{
	struct login *login = context;

	login->checking = false;
	if (over && !login->revoked) {
		log_info("signed-out", log_str("account", login->account->address), log_str("reason", "another password, or no such account any more"));
		logins_remove(login->account->http->logins, login);
	}
	login_release(NULL, login);
}

/* The account may have got another password since, because somebody knows the former one; or it was shut, or removed. */
static void
check(struct logins *logins, struct login *login)
{
	int64_t now = http_now();

	if (login->checking || now - login->checked < CHECK_SECONDS)
		return;
	login->checked = now;
	login->checking = true;
	login_hold(login);
	(void)auth_check_grant(front_auth(logins->http->front), login->grant, on_checked, login);
}

static struct login *
use(struct logins *logins, struct login *login)
{
	if (login == NULL)
		return NULL;
	if (login->expires <= http_now()) {
		/* Credentials that are right again get it back, with what goes on under it. */
		if (!login->basic)
			logins_remove(logins, login);
		return NULL;
	}
	/* Basic credentials are verified again after a while, used or not. */
	if (!login->basic)
		login->expires = http_now() + lifetime(logins, false);
	unlink_account(login);
	link_account(login);
	check(logins, login);
	return login;
}

static void
free_login(struct login *login)
{
	OPENSSL_cleanse(login, sizeof(*login));
	free(login);
}

void
logins_remove(struct logins *logins, struct login *login)
{
	struct login **at = &logins->buckets[bucket_of(login->key)];
	struct account *account = login->account;

	if (login->revoked)
		return;
	login_hold(login);
	while (*at != NULL && *at != login)
		at = &(*at)->chain;
	if (*at == login)
		*at = login->chain;
	unlink_account(login);
	logins->count--;
	login->revoked = true;
	auth_drop_grant(front_auth(logins->http->front), login->grant);
	http_proxy_end_streams(login);
	login_release(logins, login);
	account->login_count--;
	account_check(account);
}

void
login_hold(struct login *login)
{
	login->holds++;
}

void
login_release(struct logins *logins, struct login *login)
{
	(void)logins;
	if (login == NULL)
		return;
	login->holds--;
	if (login->holds == 0 && login->revoked)
		free_login(login);
}

static void
on_sweep(evutil_socket_t fd, short what, void *context)
{
	struct logins *logins = context;
	int64_t now = http_now();

	(void)fd;
	(void)what;
	for (size_t i = 0; i < BUCKETS; i++) {
		struct login *login = logins->buckets[i], *next;

		for (; login != NULL; login = next) {
			next = login->chain;
			if (login->expires <= now && (!login->basic || login->holds == 0))
				logins_remove(logins, login);
			else if (login->holds != 0)
				check(logins, login); /* an event stream asks for nothing */
		}
	}
}

struct logins *
logins_new(struct http *http)
{
	struct logins *logins = xcalloc(1, sizeof(*logins));
	struct timeval interval = { SWEEP_SECONDS, 0 };

	logins->http = http;
	random_bytes(logins->secret, sizeof(logins->secret));
	logins->sweep = event_new(http->proc->base, -1, EV_PERSIST, on_sweep, logins);
	(void)event_add(logins->sweep, &interval);
	return logins;
}

static struct login *
oldest_of_all(struct logins *logins)
{
	struct login *oldest = NULL;

	for (size_t i = 0; i < BUCKETS; i++)
		for (struct login *login = logins->buckets[i]; login != NULL; login = login->chain)
			if (oldest == NULL || login->expires < oldest->expires)
				oldest = login;
	return oldest;
}

static struct login *
add(struct logins *logins, struct span address, uint64_t grant, const uint8_t *key, bool basic)
{
	struct login *login = xcalloc(1, sizeof(*login));
	uint8_t csrf[16];
	size_t bucket = bucket_of(key);

	login->account = account_get(logins->http, address);
	login->account->login_count++; /* from here on the account stays */
	if (logins->count >= LOGINS_MAX)
		logins_remove(logins, oldest_of_all(logins));
	if (login->account->login_count > LOGINS_PER_ACCOUNT_MAX) {
		struct login *last = login->account->logins;

		while (last->next != NULL)
			last = last->next;
		logins_remove(logins, last);
	}
	memcpy(login->key, key, sizeof(login->key));
	random_bytes(csrf, sizeof(csrf));
	for (size_t i = 0; i < sizeof(csrf); i++)
		(void)snprintf(login->csrf + 2 * i, 3, "%02x", csrf[i]);
	login->grant = grant;
	login->basic = basic;
	login->checked = http_now();
	login->expires = login->checked + lifetime(logins, basic);
	login->chain = logins->buckets[bucket];
	logins->buckets[bucket] = login;
	logins->count++;
	link_account(login);
	return login;
}

static void
hash_token(struct span token, uint8_t *ret_key)
{
	memset(ret_key, 0, 32);
	(void)EVP_Digest(token.ptr, token.len, ret_key, NULL, EVP_sha256(), NULL);
}

struct login *
logins_add(struct logins *logins, struct span account, uint64_t grant, char *ret_token)
{
	uint8_t bytes[32], key[32];

	random_bytes(bytes, sizeof(bytes));
	base64url(bytes, sizeof(bytes), ret_token);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	hash_token(span_make(ret_token, LOGIN_TOKEN_LEN), key);
	return add(logins, account, grant, key, false);
}

struct login *
logins_by_cookie(struct logins *logins, const struct http_request *request)
{
	struct span token = http_cookie(request, SPAN(LOGIN_COOKIE));
	struct login *login;
	uint8_t key[32];

	if (token.len != LOGIN_TOKEN_LEN)
		return NULL;
	hash_token(token, key);
	login = find(logins, key);
	return login != NULL && !login->basic ? use(logins, login) : NULL;
}

static void
hash_credentials(const struct logins *logins, struct span user, struct span password, uint8_t *ret_key)
{
	struct buf text = BUF_INIT(8192);
	unsigned len = 32;

	/* The user's name has no ':' (RFC 7617 2), so the pair is told apart. */
	(void)buf_span(&text, user);
	(void)buf_char(&text, ':');
	(void)buf_span(&text, password);
	memset(ret_key, 0, 32);
	(void)HMAC(EVP_sha256(), logins->secret, sizeof(logins->secret), (const unsigned char *)buf_cstr(&text), text.len, ret_key, &len);
	buf_wipe(&text);
}

struct login *
logins_by_basic(struct logins *logins, struct span user, struct span password)
{
	struct login *login;
	uint8_t key[32];

	hash_credentials(logins, user, password, key);
	login = find(logins, key);
	return login != NULL && login->basic ? use(logins, login) : NULL;
}

struct login *
logins_add_basic(struct logins *logins, struct span account, uint64_t grant, struct span user, struct span password)
{
	struct login *login;
	uint8_t key[32];

	hash_credentials(logins, user, password, key);
	login = find(logins, key);
	if (login != NULL && !span_eq(span_of(login->account->address), account)) {
		logins_remove(logins, login);
		login = NULL;
	}
	if (login == NULL)
		return add(logins, account, grant, key, true);
	auth_drop_grant(front_auth(logins->http->front), login->grant);
	login->grant = grant;
	login->checked = http_now();
	login->expires = login->checked + lifetime(logins, true);
	return login;
}
