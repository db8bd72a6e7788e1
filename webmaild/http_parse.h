/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* HTTP/1.1 requests from bytes (RFC 9110, RFC 9112). Pure. Strict wherever two readers of one message could disagree. */
#ifndef WEBMAILD_HTTP_PARSE_H
#define WEBMAILD_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

#define HTTP_REQUEST_LINE_MAX 8192
#define HTTP_HEAD_MAX (HTTP_REQUEST_LINE_MAX + 32768)
#define HTTP_FIELDS_MAX 100
/* Chunk extensions and trailers of one body. */
#define HTTP_CHUNK_EXTRA_MAX 16384

struct http_field {
	struct span name, value; /* the value without white space around it */
};

/* Every span points into the bytes the head was parsed from. */
struct http_request {
	struct span method;
	struct span path;      /* begins with '/', as sent (percent-encoded); "*" for OPTIONS * */
	struct span query;     /* behind '?', may be empty */
	struct span host;      /* the authority: Host, or of an absolute-form target; empty only in HTTP/1.0 */
	struct http_field fields[HTTP_FIELDS_MAX];
	size_t field_count;
	bool chunked;
	bool has_length;
	uint64_t length;       /* of the body, when has_length */
	bool keep_alive;       /* the connection may carry another request */
	bool expect_continue;  /* RFC 9110 10.1.1: 100 before the body */
	bool version_1_0;
};

#define HTTP_PARSE_MORE 1

/* Parses a request's head at the front of input. Returns 0 with *ret_used (the bytes up to the body); HTTP_PARSE_MORE when the
 * head is not complete; or the status to refuse it with, a number of 400 or more: 400, 414 (request line), 431 (fields),
 * 501 (a transfer coding other than chunked), 505. The connection is then closed: where the next request begins is not known. */
int http_parse_head(struct span input, struct http_request *ret_request, size_t *ret_used);

/* Splits a request target into path and query, checking each byte and each percent-triplet. Used for HTTP/2's :path as well.
 * 0 or 400. */
int http_parse_target(struct span target, struct http_request *request);
bool http_is_token(struct span text);
/* Bytes a field value may have (RFC 9110 5.5). */
bool http_is_field_value(struct span text);

/* The one field of this name (letters folded); the empty span with ptr NULL when it is absent or there are several. */
struct span http_field(const struct http_request *request, const char *name);
size_t http_field_count(const struct http_request *request, const char *name);

/* A chunked body (RFC 9112 7.1), read piece by piece. Zero it first. */
struct http_chunked {
	unsigned state;
	uint64_t left;    /* of the current chunk */
	unsigned digits;  /* of the size being read */
	size_t extra;     /* bytes of extensions and trailers so far */
	bool line_empty;
};

enum http_chunk { HTTP_CHUNK_MORE, HTTP_CHUNK_DATA, HTTP_CHUNK_END };

/* Takes what it can off the front of input; *ret_used says how much. HTTP_CHUNK_DATA: *ret_data (never empty, within input) is
 * body, call again; HTTP_CHUNK_END: the body is complete; HTTP_CHUNK_MORE: all of input was taken. 400 when it is malformed. */
int http_chunked_read(struct http_chunked *chunked, struct span input, size_t *ret_used, struct span *ret_data);

#endif
