/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Request heads and chunked bodies: every part lies within the input, and reading in pieces gives the same as reading at once. */
#include <stdint.h>
#include <stdlib.h>

#include "webmaild/http_fields.h"
#include "webmaild/http_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(int fact)
{
	if (!fact)
		abort();
}

static void
check_head(struct span input)
{
	struct http_request request;
	struct buf a = BUF_INIT(512), b = BUF_INIT(512);
	size_t used = 0;
	int r = http_parse_head(input, &request, &used);

	require(r == 0 || r == HTTP_PARSE_MORE || (r >= 400 && r <= 505));
	if (r == 0) {
		require(used <= input.len && used > 0);
		require(!(request.chunked && request.has_length));
		for (size_t i = 0; i < request.field_count; i++) {
			require(http_is_token(request.fields[i].name) && http_is_field_value(request.fields[i].value));
			require(span_chr(request.fields[i].value, '\n') < 0 && span_chr(request.fields[i].value, '\r') < 0);
		}
		(void)http_cookie(&request, SPAN("c"));
		(void)http_basic(&request, &a, &b);
		(void)http_same_origin(&request);
		(void)http_accepts_gzip(&request);
		(void)http_parameter(request.query, SPAN("q"), &a);
		(void)http_parse_head(span_make(input.ptr, used - 1), &request, &used);
	}
	buf_free(&a);
	buf_free(&b);
}

static int
read_chunks(struct span input, size_t step, struct buf *out)
{
	struct http_chunked chunked = { 0 };

	while (input.len > 0) {
		struct span piece = span_make(input.ptr, input.len < step ? input.len : step), data;
		size_t used = 0;
		int r = http_chunked_read(&chunked, piece, &used, &data);

		if (r >= 400 || r == HTTP_CHUNK_END)
			return r;
		require(used <= piece.len && (used > 0 || r == HTTP_CHUNK_MORE));
		(void)buf_span(out, data);
		input = span_skip(input, used);
	}
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span input = span_make(data, size);
	struct buf whole = BUF_INIT(1 << 20), pieces = BUF_INIT(1 << 20);

	check_head(input);
	require(read_chunks(input, size, &whole) == read_chunks(input, 1, &pieces));
	require(span_eq(buf_get(&whole), buf_get(&pieces)));
	buf_free(&whole);
	buf_free(&pieces);
	return 0;
}
