/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Requests: what is taken, and every way of writing one that two readers could understand differently is refused. */
#include <check.h>
#include <stdlib.h>

#include "common/buf.h"
#include "webmaild/http_fields.h"
#include "webmaild/http_parse.h"

#define H "Host: mail.example.test\r\n"

static const struct {
	const char *text;
	int result;
} heads[] = {
	{ "GET / HTTP/1.1\r\n" H "\r\n", 0 },
	{ "\r\nGET / HTTP/1.1\r\n" H "\r\n", 0 },
	{ "GET / HTTP/1.0\r\n\r\n", 0 },
	{ "OPTIONS * HTTP/1.1\r\n" H "\r\n", 0 },
	{ "GET https://mail.example.test/x HTTP/1.1\r\n" H "\r\n", 0 },
	{ "POST /a HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\n", 0 },
	{ "POST /a HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", 0 },
	{ "GET / HTTP/1.1\r\n" H "X: a\tb \xc3\xa4\r\n\r\n", 0 },
	{ "GET / HTTP/1.1\r\n" H "X:\r\n\r\n", 0 },
	{ "GET /%41?q=%20 HTTP/1.1\r\n" H "\r\n", 0 },
	{ "", HTTP_PARSE_MORE },
	{ "GET / HTTP/1.1\r\n" H, HTTP_PARSE_MORE },
	{ "GET / HTTP/1.1\r\n" H "\r", HTTP_PARSE_MORE },
	/* Two lengths, or a length beside chunks: where the body ends depends on who reads. */
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\n", 400 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\n", 400 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\n", 400 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\n", 400 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", 400 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n", 501 },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n", 501 },
	{ "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
	/* Line ends and folding. */
	{ "GET / HTTP/1.1\n" H "\n", 400 },
	{ "GET / HTTP/1.1\r\n" H "X: a\nY: b\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n" H "X: a\rY: b\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n " H "\r\n", 400 },
	/* Names and values. */
	{ "GET / HTTP/1.1\r\n" H "X : a\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n" H ": a\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n" H "X\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n" H "X: \x01\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n" H "X: \x7f\r\n\r\n", 400 },
	/* The request line. */
	{ "GET  / HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET / HTTP/1.1 \r\n" H "\r\n", 400 },
	{ "GET /\r\n" H "\r\n", 400 },
	{ "G(T / HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET a HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET * HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET /a b HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET /% HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET /%4 HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET /#f HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET / HTTP/2.0\r\n" H "\r\n", 505 },
	{ "GET / http/1.1\r\n" H "\r\n", 400 },
	{ "GET / HTTP/1.11\r\n" H "\r\n", 400 },
	/* Host. */
	{ "GET / HTTP/1.1\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n" H H "\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n" H "Expect: tea\r\n\r\n", 417 },
};

START_TEST(heads_are_judged)
{
	struct span text = span_of(heads[_i].text);
	struct http_request request;
	size_t used = 0;

	ck_assert_msg(http_parse_head(text, &request, &used) == heads[_i].result, "%s", heads[_i].text);
	if (heads[_i].result == 0)
		ck_assert_uint_eq(used, text.len);
	/* Every prefix of a good head asks for more. */
	for (size_t len = 0; heads[_i].result == 0 && len < text.len; len++)
		ck_assert_int_eq(http_parse_head(span_make(text.ptr, len), &request, &used), HTTP_PARSE_MORE);
}
END_TEST

START_TEST(parts_are_found)
{
	struct span text = SPAN("POST https://h.test:443/p/%41?a=1&b=%20c HTTP/1.1\r\nhost: other\r\nContent-Length: 3\r\n"
	                        "Cookie: a=b; __Host-fourpost=tok\r\nExpect: 100-Continue\r\nConnection: x, Close\r\n\r\nabc");
	struct http_request request;
	struct buf value = BUF_INIT(64);
	size_t used;

	ck_assert_int_eq(http_parse_head(text, &request, &used), 0);
	ck_assert_uint_eq(used, text.len - 3);
	ck_assert(span_eq(request.method, SPAN("POST")));
	ck_assert(span_eq(request.path, SPAN("/p/%41")));
	ck_assert(span_eq(request.host, SPAN("h.test:443")));
	ck_assert(request.has_length && request.length == 3 && !request.chunked);
	ck_assert(request.expect_continue && !request.keep_alive);
	ck_assert(span_eq(http_cookie(&request, SPAN("__Host-fourpost")), SPAN("tok")));
	ck_assert_int_eq(http_parameter(request.query, SPAN("b"), &value), 0);
	ck_assert_str_eq(buf_cstr(&value), " c");
	ck_assert_int_eq(http_parameter(request.query, SPAN("c"), &value), 1);
	buf_free(&value);
}
END_TEST

/* A head with a request line, or fields, of this many bytes. */
static int
parse_sized(size_t line, size_t fields, size_t count)
{
	struct buf text = BUF_INIT(100000);
	struct http_request request;
	size_t used, before;
	int r;

	(void)buf_str(&text, "GET /");
	while (text.len < line - 9)
		(void)buf_char(&text, 'a');
	(void)buf_str(&text, " HTTP/1.1\r\n");
	before = text.len;
	(void)buf_str(&text, "Host: a\r\n");
	for (size_t i = 1; i < count; i++)
		(void)buf_str(&text, "x: y\r\n");
	if (text.len - before + 2 < fields) {
		(void)buf_str(&text, "z: ");
		while (text.len - before + 4 < fields)
			(void)buf_char(&text, 'z');
		(void)buf_str(&text, "\r\n");
	}
	(void)buf_str(&text, "\r\n");
	r = http_parse_head(buf_get(&text), &request, &used);
	buf_free(&text);
	return r;
}

START_TEST(bounds_hold)
{
	ck_assert_int_eq(parse_sized(HTTP_REQUEST_LINE_MAX, 0, 1), 0);
	ck_assert_int_eq(parse_sized(HTTP_REQUEST_LINE_MAX + 1, 0, 1), 414);
	ck_assert_int_eq(parse_sized(20, HTTP_HEAD_MAX - HTTP_REQUEST_LINE_MAX, 1), 0);
	ck_assert_int_eq(parse_sized(20, HTTP_HEAD_MAX - HTTP_REQUEST_LINE_MAX + 1, 1), 431);
	ck_assert_int_eq(parse_sized(20, 0, HTTP_FIELDS_MAX), 0);
	ck_assert_int_eq(parse_sized(20, 0, HTTP_FIELDS_MAX + 1), 431);
}
END_TEST

static const struct {
	const char *text, *body; /* body NULL: malformed */
	int end;                 /* HTTP_CHUNK_END or _MORE */
} bodies[] = {
	{ "5\r\nhello\r\n0\r\n\r\n", "hello", HTTP_CHUNK_END },
	{ "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: t\r\n\r\n", "hello world", HTTP_CHUNK_END },
	{ "A\r\n0123456789\r\n0\r\n\r\n", "0123456789", HTTP_CHUNK_END },
	{ "0\r\n\r\n", "", HTTP_CHUNK_END },
	{ "5\r\nhel", "hel", HTTP_CHUNK_MORE },
	{ "5\r\nhello\r\n0\r\n", "hello", HTTP_CHUNK_MORE },
	{ "\r\n", NULL, 0 },
	{ "5\nhello\r\n0\r\n\r\n", NULL, 0 },
	{ "5 \r\nhello\r\n0\r\n\r\n", NULL, 0 },
	{ "0x5\r\nhello\r\n0\r\n\r\n", NULL, 0 },
	{ "-1\r\n", NULL, 0 },
	{ "1234567890123\r\n", NULL, 0 },
	{ "5\r\nhelloX\r\n", NULL, 0 },
	{ "5\r\nhello\r\nx", NULL, 0 },
	{ "0\r\nA: b\n\r\n", NULL, 0 },
	{ "5;\x01\r\nhello\r\n", NULL, 0 },
};

/* Reads in pieces of `step` bytes. */
static int
read_chunks(struct span text, size_t step, struct buf *out)
{
	struct http_chunked chunked = { 0 };
	int r = HTTP_CHUNK_MORE;

	while (text.len > 0) {
		struct span piece = span_make(text.ptr, text.len < step ? text.len : step), data;
		size_t used = 0;

		r = http_chunked_read(&chunked, piece, &used, &data);
		if (r >= 400 || r == HTTP_CHUNK_END)
			return r;
		(void)buf_span(out, data);
		text = span_skip(text, used);
	}
	return r == HTTP_CHUNK_DATA ? HTTP_CHUNK_MORE : r;
}

START_TEST(chunks_are_joined)
{
	struct span text = span_of(bodies[_i].text);

	for (size_t step = 1; step <= text.len; step++) {
		struct buf out = BUF_INIT(1024);
		int r = read_chunks(text, step, &out);

		if (bodies[_i].body == NULL) {
			ck_assert_int_eq(r, 400);
		} else {
			ck_assert_int_eq(r, bodies[_i].end);
			ck_assert_str_eq(buf_cstr(&out), bodies[_i].body);
		}
		buf_free(&out);
	}
}
END_TEST

static const struct {
	const char *fields;
	bool same;
} origins[] = {
	{ "Sec-Fetch-Site: same-origin\r\n", true },
	{ "Sec-Fetch-Site: none\r\n", true },
	{ "Sec-Fetch-Site: cross-site\r\n", false },
	{ "Sec-Fetch-Site: same-site\r\n", false },
	{ "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site\r\n", false },
	{ "Sec-Fetch-Site: cross-site\r\nOrigin: https://mail.example.test\r\n", false },
	{ "Origin: https://mail.example.test\r\n", true },
	{ "Origin: https://mail.example.test.evil.test\r\n", false },
	{ "Origin: http://mail.example.test\r\n", false },
	{ "Origin: null\r\n", false },
	{ "", false },
};

START_TEST(origins_are_judged)
{
	struct buf text = BUF_INIT(1024);
	struct http_request request;
	size_t used;

	(void)buf_fmt(&text, "POST / HTTP/1.1\r\n" H "%s\r\n", origins[_i].fields);
	ck_assert_int_eq(http_parse_head(buf_get(&text), &request, &used), 0);
	ck_assert_msg(http_same_origin(&request) == origins[_i].same, "%s", origins[_i].fields);
	buf_free(&text);
}
END_TEST

static const struct {
	const char *value, *user, *password; /* user NULL: malformed */
} credentials[] = {
	{ "Basic YWxpY2U6ZGVtbw==", "alice", "demo" },
	{ "basic YTpiOmM=", "a", "b:c" },
	{ "Basic YTo=", "a", "" },
	{ "Basic OmI=", NULL, NULL },
	{ "Basic YWxpY2U=", NULL, NULL },
	{ "Basic YWxpY2U6ZGVtbw=", NULL, NULL },
	{ "Basic YWxp Y2U6ZGVtbw==", NULL, NULL },
	{ "Basic YToA", NULL, NULL },
	{ "Basic =A==", NULL, NULL },
};

START_TEST(basic_is_read)
{
	struct buf text = BUF_INIT(1024), user = BUF_INIT(64), password = BUF_INIT(64);
	struct http_request request;
	size_t used;
	int r;

	(void)buf_fmt(&text, "GET / HTTP/1.1\r\n" H "Authorization: %s\r\n\r\n", credentials[_i].value);
	ck_assert_int_eq(http_parse_head(buf_get(&text), &request, &used), 0);
	r = http_basic(&request, &user, &password);
	if (credentials[_i].user == NULL) {
		ck_assert_int_lt(r, 0);
	} else {
		ck_assert_int_eq(r, 0);
		ck_assert_str_eq(buf_cstr(&user), credentials[_i].user);
		ck_assert_str_eq(buf_cstr(&password), credentials[_i].password);
	}
	buf_free(&text);
	buf_free(&user);
	buf_free(&password);
}
END_TEST

static const struct {
	const char *value;
	bool gzip;
} encodings[] = {
	{ "gzip", true }, { "deflate, gzip;q=0.5", true }, { "GZIP", true }, { "gzip;q=0", false }, { "gzip;q=0.000", false },
	{ "br", false }, { "", false }, { "xgzip", false }, { "gzip; q=1", true },
};

START_TEST(encodings_are_judged)
{
	struct buf text = BUF_INIT(1024);
	struct http_request request;
	size_t used;

	(void)buf_fmt(&text, "GET / HTTP/1.1\r\n" H "Accept-Encoding: %s\r\n\r\n", encodings[_i].value);
	ck_assert_int_eq(http_parse_head(buf_get(&text), &request, &used), 0);
	ck_assert_msg(http_accepts_gzip(&request) == encodings[_i].gzip, "%s", encodings[_i].value);
	buf_free(&text);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

int
main(void)
{
	Suite *suite = suite_create("http_parse");
	TCase *tests = tcase_create("http_parse");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, heads_are_judged, 0, COUNT(heads));
	tcase_add_test(tests, parts_are_found);
	tcase_add_test(tests, bounds_hold);
	tcase_add_loop_test(tests, chunks_are_joined, 0, COUNT(bodies));
	tcase_add_loop_test(tests, origins_are_judged, 0, COUNT(origins));
	tcase_add_loop_test(tests, basic_is_read, 0, COUNT(credentials));
	tcase_add_loop_test(tests, encodings_are_judged, 0, COUNT(encodings));
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
