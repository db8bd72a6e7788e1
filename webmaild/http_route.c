/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Where a request goes. Each route is a row: methods, who may ask, what protects it, who answers. */
#include "webmaild/http.h"
#include "webmaild/http_fields.h"

enum method { METHOD_GET = 1, METHOD_POST = 2, METHOD_OTHER = 4 };

enum route_need {
	NEED_NOTHING,
	NEED_COOKIE,          /* a browser that is signed in */
	NEED_COOKIE_OR_BASIC, /* or another JMAP client with its password */
};

struct route {
	const char *prefix;
	bool exact;
	unsigned methods;
	enum route_need need;
	enum request_kind kind;
	void (*answer)(struct exchange *exchange); /* NULL: the account's session answers, by kind */
};

static void
answer_well_known(struct exchange *exchange)
{
	http_problem_field(exchange, 301, "The JMAP session is elsewhere.", "location", SPAN("/jmap/session"));
}

/* The first row that fits is taken. */
static const struct route routes[] = {
	{ "/auth/login", true, METHOD_POST, NEED_NOTHING, 0, http_auth_login },
	{ "/auth/session", true, METHOD_GET, NEED_NOTHING, 0, http_auth_session },
	{ "/auth/logout", true, METHOD_POST, NEED_COOKIE, 0, http_auth_logout },
	{ "/.well-known/jmap", true, METHOD_GET, NEED_NOTHING, 0, answer_well_known },
	{ "/jmap/session", true, METHOD_GET, NEED_COOKIE_OR_BASIC, REQUEST_SESSION, NULL },
	{ "/jmap/api", true, METHOD_POST, NEED_COOKIE_OR_BASIC, REQUEST_API, NULL },
	{ "/jmap/eventsource", true, METHOD_GET, NEED_COOKIE_OR_BASIC, REQUEST_EVENTSOURCE, NULL },
	{ "/jmap/upload/", false, METHOD_POST, NEED_COOKIE_OR_BASIC, REQUEST_UPLOAD, NULL },
	{ "/jmap/download/", false, METHOD_GET, NEED_COOKIE_OR_BASIC, REQUEST_DOWNLOAD, NULL },
	{ "/render/", false, METHOD_GET, NEED_COOKIE, REQUEST_RENDER, NULL },
};

static unsigned
method_of(struct span method)
{
	if (span_eq(method, SPAN("GET")) || span_eq(method, SPAN("HEAD")))
		return METHOD_GET;
	return span_eq(method, SPAN("POST")) ? METHOD_POST : METHOD_OTHER;
}

static const struct route *
find_route(struct span path)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		struct span prefix = span_of(routes[i].prefix);

		if (routes[i].exact ? span_eq(path, prefix) : span_starts(path, prefix))
			return &routes[i];
	}
	return NULL;
}

static void
answer_not_allowed(struct exchange *exchange, unsigned methods)
{
	http_problem_field(exchange, 405, "This method is not for this resource.", "allow",
	    methods == METHOD_POST ? SPAN("POST") : SPAN("GET, HEAD"));
}

static void
set_body_max(struct exchange *exchange, const struct route *route)
{
	const struct webmaild_conf *conf = exchange->http->proc->conf;

	if (route->answer != NULL)
		exchange->body_max = HTTP_SMALL_BODY_MAX;
	else if (route->kind == REQUEST_API)
		exchange->body_max = JMAP_REQUEST_MAX;
	else if (route->kind == REQUEST_UPLOAD)
		exchange->body_max = (uint64_t)conf->upload_size_max;
}

/* The exchange has its login. */
static void
go(struct exchange *exchange)
{
	struct span path = exchange->request->path;
	const struct route *route = find_route(path);
	enum request_kind kind;

	if (route->answer != NULL) {
		route->answer(exchange);
		return;
	}
	kind = route->kind;
	set_body_max(exchange, route);
	if (kind == REQUEST_RENDER && span_ends(path, SPAN("/info"))) {
		kind = REQUEST_RENDER_INFO;
		path.len -= 5;
	}
	http_proxy(exchange, kind, span_skip(path, span_of(route->prefix).len));
}

/* A browser sends the cookie along with whatever page's request: only our page knows the token. */
static bool
is_forged(const struct exchange *exchange)
{
	struct span token = http_field(exchange->request, "x-csrf");
	const char *csrf = exchange->login->csrf;
	unsigned char difference = 0;

	if (!http_same_origin(exchange->request) || token.len != strlen(csrf))
		return true;
	for (size_t i = 0; i < token.len; i++)
		difference |= (unsigned char)(token.ptr[i] ^ csrf[i]);
	return difference != 0;
}

/* A cookie's GET from a page of another site: SameSite=Strict should have kept it away; older browsers are told here. */
static bool
is_cross_site(const struct http_request *request)
{
	struct span site = http_field(request, "sec-fetch-site");

	return site.len > 0 && !span_eq(site, SPAN("same-origin")) && !span_eq(site, SPAN("none"));
}

/* What somebody has sent is shown or saved, and never part of a page: the client's own policy trusts this host for scripts and styles. */
static bool
is_for_a_part(const struct http_request *request)
{
	static const char *const others[] = { "empty", "document", "iframe", "image" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (span_eq(http_field(request, "sec-fetch-dest"), span_of(others[i])))
			return false;
	return http_field_count(request, "sec-fetch-dest") > 0;
}

static void
route_protected(struct exchange *exchange, const struct route *route)
{
	const struct http_request *request = exchange->request;
	struct login *login;

	if (is_for_a_part(request)) {
		http_problem(exchange, 403, "This is no part of a page.");
		return;
	}
	if (route->need == NEED_COOKIE_OR_BASIC && http_field_count(request, "authorization") > 0) {
		/* The body waits while the password is verified. */
		set_body_max(exchange, route);
		http_auth_basic(exchange, go);
		return;
	}
	login = logins_by_cookie(exchange->http->logins, request);
	if (login == NULL) {
		/* Browsers, which tell where a request comes from, are not challenged: their users have a page to sign in. */
		if (route->need == NEED_COOKIE_OR_BASIC && http_field_count(request, "sec-fetch-site") == 0)
			http_auth_challenge(exchange);
		else
			http_problem(exchange, 401, "Sign in first.");
		return;
	}
	exchange->login = login;
	login_hold(login);
	if (method_of(request->method) == METHOD_POST ? is_forged(exchange) : is_cross_site(request)) {
		http_problem(exchange, 403, "This request did not come from the signed-in page.");
		return;
	}
	go(exchange);
}

void
http_route(struct exchange *exchange)
{
	const struct http_request *request = exchange->request;
	const struct route *route = find_route(request->path);
	unsigned method = method_of(request->method);

	if (route == NULL) {
		if (method != METHOD_GET)
			answer_not_allowed(exchange, METHOD_GET);
		else if (!http_files_answer(exchange))
			http_problem(exchange, 404, "There is nothing here.");
		return;
	}
	if ((route->methods & method) == 0) {
		answer_not_allowed(exchange, route->methods);
		return;
	}
	if (route->need == NEED_NOTHING)
		route->answer(exchange);
	else
		route_protected(exchange, route);
}
