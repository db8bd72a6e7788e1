/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Heads of responses: every field that protects the client is set here, in one place, for every response. */
#include <jansson.h>
#include <stdlib.h>
#include <time.h>

#include "webmaild/http.h"

#define FIELDS_MAX 16384

/* The client's own page runs its own scripts and nothing else; strings never become HTML (Trusted Types). */
#define CSP_SHELL \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; " \
	"frame-src 'self' blob:; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " \
	"require-trusted-types-for 'script'; trusted-types webmail dompurify"
/* Without allow-same-origin the document has an origin of its own: it can neither read the client's data nor run scripts. */
#define CSP_RENDER(images) \
	"sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; " \
	"img-src data: 'self'" images "; font-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
#define CSP_CONTENT \
	"sandbox; default-src 'none'; img-src data: 'self'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; " \
	"frame-ancestors 'self'"
#define CSP_API "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static const char *const policies[] = {
	[HTTP_POLICY_API] = CSP_API,
	[HTTP_POLICY_SHELL] = CSP_SHELL,
	[HTTP_POLICY_CONTENT] = CSP_CONTENT,
	[HTTP_POLICY_RENDER] = CSP_RENDER(""),
	[HTTP_POLICY_RENDER_IMAGES] = CSP_RENDER(" https:"),
};

/* For every response alike. */
static const char *const common_fields[][2] = {
	{ "strict-transport-security", "max-age=31536000" },
	{ "x-content-type-options", "nosniff" },
	{ "referrer-policy", "no-referrer" },
	{ "cross-origin-opener-policy", "same-origin" },
	{ "cross-origin-resource-policy", "same-origin" },
	{ "x-dns-prefetch-control", "off" },
	{ "permissions-policy",
	    "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), fullscreen=(self), geolocation=(), "
	    "gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), usb=(), xr-spatial-tracking=()" },
};

static const struct {
	unsigned status;
	const char *reason;
} reasons[] = {
	{ 200, "OK" }, { 201, "Created" }, { 204, "No Content" }, { 206, "Partial Content" }, { 301, "Moved Permanently" },
	{ 304, "Not Modified" }, { 400, "Bad Request" }, { 401, "Unauthorized" }, { 403, "Forbidden" }, { 404, "Not Found" },
	{ 405, "Method Not Allowed" }, { 408, "Request Timeout" }, { 411, "Length Required" }, { 413, "Content Too Large" },
	{ 414, "URI Too Long" }, { 415, "Unsupported Media Type" }, { 417, "Expectation Failed" }, { 421, "Misdirected Request" },
	{ 429, "Too Many Requests" }, { 431, "Request Header Fields Too Large" }, { 500, "Internal Server Error" },
	{ 501, "Not Implemented" }, { 502, "Bad Gateway" }, { 503, "Service Unavailable" }, { 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" }, { 507, "Insufficient Storage" },
};

const char *
http_reason(unsigned status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

void
http_response_field(struct http_response *response, const char *name, struct span value)
{
	(void)buf_str(&response->fields, name);
	(void)buf_str(&response->fields, ": ");
	(void)buf_span(&response->fields, value);
	(void)buf_str(&response->fields, "\r\n");
}

static void
date_field(struct http_response *response)
{
	char date[64];
	time_t now = time(NULL);
	struct tm tm;

	if (gmtime_r(&now, &tm) != NULL && strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0)
		http_response_field(response, "date", span_of(date));
}

void
http_response_init(struct http_response *response, unsigned status, enum http_policy policy)
{
	*response = (struct http_response){ .status = status, .length = 0, .fields = BUF_INIT(FIELDS_MAX) };
	date_field(response);
	http_response_field(response, "content-security-policy", span_of(policies[policy]));
	for (size_t i = 0; i < sizeof(common_fields) / sizeof(common_fields[0]); i++)
		http_response_field(response, common_fields[i][0], span_of(common_fields[i][1]));
	/* What is not the client's own file is somebody's mail: it stays in no cache. */
	if (policy != HTTP_POLICY_SHELL)
		http_response_field(response, "cache-control", SPAN("no-store"));
}

void
http_response_free(struct http_response *response)
{
	buf_free(&response->fields);
}

void
http_answer(struct exchange *exchange, struct http_response *response, struct span body)
{
	response->length = (int64_t)body.len;
	exchange->transport->respond(exchange, response);
	http_response_free(response);
	if (!exchange->over && body.len > 0 && !exchange->head) {
		exchange->transport->write(exchange, body);
		exchange->transport->end(exchange);
	}
}

void
http_problem_field(struct exchange *exchange, unsigned status, const char *detail, const char *name, struct span value)
{
	struct http_response response;
	json_t *problem = json_pack("{s:s, s:i, s:s, s:s}", "type", "about:blank", "status", (int)status, "title",
	    http_reason(status), "detail", detail);
	char *text = json_dumps(problem, JSON_COMPACT);

	http_response_init(&response, status, HTTP_POLICY_API);
	http_response_field(&response, "content-type", SPAN("application/problem+json"));
	if (name != NULL)
		http_response_field(&response, name, value);
	http_answer(exchange, &response, span_of(text));
	free(text);
	json_decref(problem);
}

void
http_problem(struct exchange *exchange, unsigned status, const char *detail)
{
	http_problem_field(exchange, status, detail, NULL, SPAN_NULL);
}
