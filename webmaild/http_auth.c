/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Signing in and out, and whose request a request is. The auth role verifies; this role only carries passwords to it. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "webmaild/http.h"
#include "webmaild/http_fields.h"

#define USER_MAX 320
#define PASSWORD_MAX 1024
#define RETRY_AFTER "60"
#define CHALLENGE "Basic realm=\"Fourpost\", charset=\"UTF-8\""

/* A verification under way. */
struct signing {
	struct exchange *exchange;
	struct buf body, user, password;
	uint32_t request;     /* of the auth client; 0: none yet */
	http_auth_go go;      /* Basic: who waits; NULL: POST /auth/login */
	bool body_done;
};

static void
signing_free(struct signing *signing)
{
	if (signing->request != 0)
		auth_cancel(front_auth(signing->exchange->http->front), signing->request);
	buf_wipe(&signing->body);
	buf_wipe(&signing->user);
	buf_wipe(&signing->password);
	free(signing);
}

static struct signing *
signing_new(struct exchange *exchange, const struct exchange_handler *handler, http_auth_go go)
{
	struct signing *signing = xcalloc(1, sizeof(*signing));

	signing->exchange = exchange;
	signing->body = BUF_INIT(HTTP_SMALL_BODY_MAX);
	signing->user = BUF_INIT(USER_MAX);
	signing->password = BUF_INIT(PASSWORD_MAX);
	signing->go = go;
	exchange->handler = handler;
	exchange->context = signing;
	return signing;
}

static void
signing_gone(struct exchange *exchange)
{
	signing_free(exchange->context);
}

/* --- what auth said --- */

static void
refuse(struct exchange *exchange, enum auth_result result, bool basic)
{
	if (result == AUTH_LIMITED)
		http_problem_field(exchange, 429, "Too many failed attempts. Try again later.", "retry-after", SPAN(RETRY_AFTER));
	else if (result == AUTH_TEMPFAIL)
		http_problem_field(exchange, 503, "Passwords cannot be verified now.", "retry-after", SPAN("5"));
	else if (basic)
		http_problem_field(exchange, 401, "The user name or the password is wrong.", "www-authenticate", SPAN(CHALLENGE));
	else
		http_problem(exchange, 401, "The user name or the password is wrong.");
}

static void
answer_login(struct exchange *exchange, const struct login *login, const char *token)
{
	struct http_response response;
	struct buf cookie = BUF_INIT(256);
	json_t *body = json_pack("{s:s, s:s}", "csrf", login->csrf, "username", login->account->address);
	char *text = json_dumps(body, JSON_COMPACT);

	(void)buf_fmt(&cookie, LOGIN_COOKIE "=%s; Path=/; Secure; HttpOnly; SameSite=Strict", token);
	http_response_init(&response, 200, HTTP_POLICY_API);
	http_response_field(&response, "content-type", SPAN("application/json"));
	http_response_field(&response, "set-cookie", buf_get(&cookie));
	http_answer(exchange, &response, span_of(text));
	buf_wipe(&cookie);
	free(text);
	json_decref(body);
}

static void
login_verified(void *context, enum auth_result result, uint64_t grant, struct span account)
{
	struct signing *signing = context;
	struct exchange *exchange = signing->exchange;
	struct http *http = exchange->http;
	char token[LOGIN_TOKEN_LEN + 1];

	signing->request = 0;
	exchange->handler = NULL;
	signing_free(signing);
	if (result != AUTH_OK) {
		refuse(exchange, result, false);
		return;
	}
	log_info("signed-in", log_span("account", account), log_str("client", exchange->client_address));
	answer_login(exchange, logins_add(http->logins, account, grant, token), token);
	explicit_bzero(token, sizeof(token));
}

/* --- POST /auth/login --- */

static int
parse_credentials(struct signing *signing)
{
	json_t *body = json_loadb(buf_cstr(&signing->body), signing->body.len, JSON_REJECT_DUPLICATES, NULL);
	const char *user = NULL, *password = NULL;
	size_t user_len = 0, password_len = 0;
	int r = json_unpack(body, "{s:s%, s:s%}", "username", &user, &user_len, "password", &password, &password_len);

	if (r == 0) {
		(void)buf_put(&signing->user, user, user_len);
		(void)buf_put(&signing->password, password, password_len);
	}
	json_decref(body);
	return r == 0 && user_len > 0 && password_len > 0 && !signing->user.overflow && !signing->password.overflow ? 0 : -EINVAL;
}

static size_t
login_body(struct exchange *exchange, struct span bytes)
{
	struct signing *signing = exchange->context;

	(void)buf_span(&signing->body, bytes); /* body_max is its maximum */
	return bytes.len;
}

static void
login_body_end(struct exchange *exchange)
{
	struct signing *signing = exchange->context;

	if (parse_credentials(signing) < 0) {
		exchange->handler = NULL;
		signing_free(signing);
		http_problem(exchange, 400, "Send {\"username\", \"password\"} as JSON.");
		return;
	}
	signing->request = auth_verify(front_auth(exchange->http->front), buf_get(&signing->user), buf_get(&signing->password),
	    span_of(exchange->client_address), login_verified, signing);
	buf_wipe(&signing->password);
	buf_wipe(&signing->body);
}

static const struct exchange_handler login_handler = { login_body, login_body_end, NULL, signing_gone };

void
http_auth_login(struct exchange *exchange)
{
	if (!http_content_is(exchange->request, SPAN("application/json"))) {
		http_problem(exchange, 415, "Send JSON.");
		return;
	}
	if (!http_same_origin(exchange->request)) {
		http_problem(exchange, 403, "Signing in is for pages of this server.");
		return;
	}
	exchange->body_max = HTTP_SMALL_BODY_MAX;
	(void)signing_new(exchange, &login_handler, NULL);
}

/* --- GET /auth/session, POST /auth/logout --- */

void
http_auth_session(struct exchange *exchange)
{
	const struct login *login = logins_by_cookie(exchange->http->logins, exchange->request);
	struct http_response response;
	json_t *body;
	char *text;

	if (login == NULL) {
		http_problem(exchange, 401, "Nobody is signed in.");
		return;
	}
	body = json_pack("{s:s, s:s}", "csrf", login->csrf, "username", login->account->address);
	text = json_dumps(body, JSON_COMPACT);
	http_response_init(&response, 200, HTTP_POLICY_API);
	http_response_field(&response, "content-type", SPAN("application/json"));
	http_answer(exchange, &response, span_of(text));
	free(text);
	json_decref(body);
}

void
http_auth_logout(struct exchange *exchange)
{
	struct login *login = exchange->login;
	struct http_response response;

	log_info("signed-out", log_str("account", login->account->address), log_str("client", exchange->client_address));
	logins_remove(exchange->http->logins, login);
	http_response_init(&response, 204, HTTP_POLICY_API);
	http_response_field(&response, "set-cookie", SPAN(LOGIN_COOKIE "=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"));
	http_response_field(&response, "clear-site-data", SPAN("\"cache\", \"storage\""));
	http_answer(exchange, &response, SPAN_NULL);
}

/* --- Basic credentials --- */

/* While the password is being verified the body waits where it is. */
static size_t
basic_body(struct exchange *exchange, struct span bytes)
{
	(void)exchange;
	(void)bytes;
	return 0;
}

static void
basic_body_end(struct exchange *exchange)
{
	struct signing *signing = exchange->context;

	signing->body_done = true;
}

static const struct exchange_handler basic_handler = { basic_body, basic_body_end, NULL, signing_gone };

static void
basic_verified(void *context, enum auth_result result, uint64_t grant, struct span account)
{
	struct signing *signing = context;
	struct exchange *exchange = signing->exchange;
	http_auth_go go = signing->go;
	bool body_done = signing->body_done;

	signing->request = 0;
	exchange->handler = NULL;
	exchange->context = NULL;
	if (result != AUTH_OK) {
		signing_free(signing);
		refuse(exchange, result, true);
		return;
	}
	exchange->login = logins_add_basic(exchange->http->logins, account, grant, buf_get(&signing->user), buf_get(&signing->password));
	login_hold(exchange->login);
	signing_free(signing);
	go(exchange);
	if (exchange->over || exchange->handler == NULL)
		return;
	if (body_done)
		exchange->handler->body_end(exchange);
	else
		exchange->transport->more(exchange);
}

void
http_auth_challenge(struct exchange *exchange)
{
	http_problem_field(exchange, 401, "Sign in first.", "www-authenticate", SPAN(CHALLENGE));
}

void
http_auth_basic(struct exchange *exchange, http_auth_go go)
{
	struct signing *signing = signing_new(exchange, &basic_handler, go);
	struct logins *logins = exchange->http->logins;
	int r = http_basic(exchange->request, &signing->user, &signing->password);

	exchange->login = r == 0 ? logins_by_basic(logins, buf_get(&signing->user), buf_get(&signing->password)) : NULL;
	if (r == 0 && exchange->login == NULL) {
		signing->request = auth_verify(front_auth(exchange->http->front), buf_get(&signing->user), buf_get(&signing->password),
		    span_of(exchange->client_address), basic_verified, signing);
		return;
	}
	exchange->handler = NULL;
	exchange->context = NULL;
	signing_free(signing);
	if (r == 0) {
		login_hold(exchange->login);
		go(exchange);
	} else if (r == 1) {
		http_auth_challenge(exchange);
	} else {
		http_problem(exchange, 400, "The credentials are malformed.");
	}
}
