/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The HTTP/1.1 request parser. What RFC 9112 lets a recipient repair (bare LF, obs-fold, space before the colon, repeated
 * Content-Length) is refused instead: repairs are what request smuggling is made of. */
#include "webmaild/http_parse.h"

static bool
is_tchar(char c)
{
	if (ascii_is_alnum(c))
		return true;
	return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

bool
http_is_token(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!is_tchar(text.ptr[i]))
			return false;
	return text.len > 0;
}

bool
http_is_field_value(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/* Takes a line off the front: 0 and the line without CRLF, HTTP_PARSE_MORE, or 400 for a CR or LF that stands alone. */
static int
take_line(struct span *rest, struct span *ret_line)
{
	for (size_t i = 0; i < rest->len; i++) {
		char c = rest->ptr[i];

		if (c == '\n')
			return 400;
		if (c != '\r')
			continue;
		if (i + 1 == rest->len)
			return HTTP_PARSE_MORE;
		if (rest->ptr[i + 1] != '\n')
			return 400;
		*ret_line = span_make(rest->ptr, i);
		*rest = span_skip(*rest, i + 2);
		return 0;
	}
	return HTTP_PARSE_MORE;
}

static bool
is_target_byte(char c)
{
	/* RFC 3986's characters; the quotes and brackets that some clients leave bare are refused. */
	return ascii_is_alnum(c) || (c != '\0' && strchr("-._~!$&'()*+,;=:@/?%", c) != NULL);
}

int
http_parse_target(struct span target, struct http_request *request)
{
	ptrdiff_t mark;

	if (target.len == 0 || target.ptr[0] != '/')
		return 400;
	for (size_t i = 0; i < target.len; i++) {
		if (!is_target_byte(target.ptr[i]))
			return 400;
		if (target.ptr[i] != '%')
			continue;
		if (target.len - i < 3 || ascii_hex(target.ptr[i + 1]) < 0 || ascii_hex(target.ptr[i + 2]) < 0)
			return 400;
	}
	mark = span_chr(target, '?');
	request->path = mark < 0 ? target : span_make(target.ptr, (size_t)mark);
	request->query = mark < 0 ? SPAN_NULL : span_skip(target, (size_t)mark + 1);
	return 0;
}

static bool
is_authority(struct span host)
{
	for (size_t i = 0; i < host.len; i++) {
		char c = host.ptr[i];

		if (!ascii_is_alnum(c) && (c == '\0' || strchr("-._~!$&'()*+,;=:[]%", c) == NULL))
			return false;
	}
	return host.len <= 261;
}

/* RFC 9112 3.2: origin-form, absolute-form (a server must take it) and "*" for OPTIONS. */
static int
parse_request_target(struct span target, struct http_request *request)
{
	if (span_eq(target, SPAN("*"))) {
		if (!span_eq(request->method, SPAN("OPTIONS")))
			return 400;
		request->path = target;
		return 0;
	}
	if (span_istarts(target, SPAN("https://")) || span_istarts(target, SPAN("http://"))) {
		struct span rest = span_skip(target, (size_t)span_find(target, SPAN("//")) + 2);
		ptrdiff_t slash = span_chr(rest, '/');

		if (slash <= 0)
			return 400;
		request->host = span_make(rest.ptr, (size_t)slash);
		if (!is_authority(request->host))
			return 400;
		target = span_skip(rest, (size_t)slash);
	}
	return http_parse_target(target, request);
}

static int
parse_request_line(struct span line, struct http_request *request)
{
	struct span version, target;
	ptrdiff_t first = span_chr(line, ' '), last = span_rchr(line, ' ');

	if (first <= 0 || last == first)
		return 400;
	request->method = span_make(line.ptr, (size_t)first);
	target = span_make(line.ptr + first + 1, (size_t)(last - first - 1));
	version = span_skip(line, (size_t)last + 1);
	if (!http_is_token(request->method) || request->method.len > 32)
		return 400;
	if (version.len != 8 || !span_starts(version, SPAN("HTTP/")) || !ascii_is_digit(version.ptr[5]) ||
	    version.ptr[6] != '.' || !ascii_is_digit(version.ptr[7]))
		return 400;
	if (version.ptr[5] != '1')
		return 505;
	request->version_1_0 = version.ptr[7] == '0';
	return parse_request_target(target, request);
}

static int
parse_field(struct span line, struct http_request *request)
{
	ptrdiff_t colon = span_chr(line, ':');
	struct http_field *field;

	/* A line that begins with white space is obs-fold (RFC 9112 5.2): no name, so refused here. */
	if (colon <= 0)
		return 400;
	if (request->field_count == HTTP_FIELDS_MAX)
		return 431;
	field = &request->fields[request->field_count];
	field->name = span_make(line.ptr, (size_t)colon);
	field->value = span_trim(span_skip(line, (size_t)colon + 1));
	if (!http_is_token(field->name) || !http_is_field_value(field->value))
		return 400;
	request->field_count++;
	return 0;
}

size_t
http_field_count(const struct http_request *request, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < request->field_count; i++)
		count += span_ieq(request->fields[i].name, span_of(name));
	return count;
}

struct span
http_field(const struct http_request *request, const char *name)
{
	struct span found = SPAN_NULL;

	for (size_t i = 0; i < request->field_count; i++) {
		if (!span_ieq(request->fields[i].name, span_of(name)))
			continue;
		if (found.ptr != NULL)
			return SPAN_NULL;
		found = request->fields[i].value;
	}
	return found;
}

/* True when the comma-separated values of this field have the word. */
static bool
field_has(const struct http_request *request, const char *name, struct span word)
{
	for (size_t i = 0; i < request->field_count; i++) {
		struct span rest = request->fields[i].value, part;

		if (!span_ieq(request->fields[i].name, span_of(name)))
			continue;
		while (span_split(&rest, ',', &part))
			if (span_ieq(span_trim(part), word))
				return true;
	}
	return false;
}

/* RFC 9112 6.3: how long the body is. */
static int
parse_framing(struct http_request *request)
{
	size_t lengths = http_field_count(request, "content-length");
	size_t codings = http_field_count(request, "transfer-encoding");

	if (lengths > 1 || (lengths > 0 && codings > 0))
		return 400;
	if (codings > 0) {
		if (request->version_1_0 || codings > 1)
			return 400;
		if (!span_ieq(http_field(request, "transfer-encoding"), SPAN("chunked")))
			return 501;
		request->chunked = true;
	}
	if (lengths > 0) {
		if (span_to_u64(http_field(request, "content-length"), INT64_MAX, &request->length) != 0)
			return 400;
		request->has_length = true;
	}
	return 0;
}

static int
parse_connection(struct http_request *request)
{
	size_t hosts = http_field_count(request, "host");

	if (hosts > 1 || (hosts == 0 && !request->version_1_0))
		return 400;
	if (hosts == 1) {
		struct span host = http_field(request, "host");

		if (!is_authority(host))
			return 400;
		/* The authority of an absolute-form target goes before Host (RFC 9112 3.2.2). */
		if (request->host.len == 0)
			request->host = host;
	}
	request->keep_alive = request->version_1_0 ? field_has(request, "connection", SPAN("keep-alive"))
	                                           : !field_has(request, "connection", SPAN("close"));
	if (http_field_count(request, "expect") > 0) {
		if (!span_ieq(http_field(request, "expect"), SPAN("100-continue")))
			return 417;
		request->expect_continue = !request->version_1_0;
	}
	return 0;
}

static int
parse_fields(struct span *rest, struct http_request *request)
{
	size_t before = rest->len;

	for (;;) {
		struct span line;
		int r = take_line(rest, &line);

		if (before - rest->len > HTTP_HEAD_MAX - HTTP_REQUEST_LINE_MAX ||
		    (r == HTTP_PARSE_MORE && before > HTTP_HEAD_MAX - HTTP_REQUEST_LINE_MAX))
			return 431;
		if (r != 0)
			return r;
		if (line.len == 0)
			return 0;
		r = parse_field(line, request);
		if (r != 0)
			return r;
	}
}

int
http_parse_head(struct span input, struct http_request *ret_request, size_t *ret_used)
{
	struct http_request *request = ret_request;
	struct span rest = input, line;
	int r;

	memset(request, 0, sizeof(*request));
	*ret_used = 0;
	/* RFC 9112 2.2: an empty line that an old client sent behind its last body. */
	if (span_starts(rest, SPAN("\r\n")))
		rest = span_skip(rest, 2);
	r = take_line(&rest, &line);
	if (r == HTTP_PARSE_MORE)
		return rest.len > HTTP_REQUEST_LINE_MAX ? 414 : r;
	if (r != 0)
		return r;
	if (line.len > HTTP_REQUEST_LINE_MAX)
		return 414;
	r = parse_request_line(line, request);
	if (r == 0)
		r = parse_fields(&rest, request);
	if (r == 0)
		r = parse_framing(request);
	if (r == 0)
		r = parse_connection(request);
	if (r == 0)
		*ret_used = input.len - rest.len;
	return r;
}

enum chunk_state {
	CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_SIZE_LF, CHUNK_DATA, CHUNK_DATA_CR, CHUNK_DATA_LF, CHUNK_TRAILER, CHUNK_TRAILER_LF,
	CHUNK_DONE,
};

/* One byte that is not data. 0 or 400. */
static int
chunk_byte(struct http_chunked *c, char byte)
{
	int digit;

	switch (c->state) {
	case CHUNK_SIZE:
		digit = ascii_hex(byte);
		if (digit >= 0) {
			if (++c->digits > 12)
				return 400;
			c->left = c->left * 16 + (unsigned)digit;
			return 0;
		}
		if (c->digits == 0 || (byte != '\r' && byte != ';'))
			return 400;
		c->state = byte == '\r' ? CHUNK_SIZE_LF : CHUNK_EXTENSION;
		return 0;
	case CHUNK_EXTENSION:
		if (++c->extra > HTTP_CHUNK_EXTRA_MAX || !http_is_field_value(span_make(&byte, byte == '\r' ? 0 : 1)))
			return 400;
		if (byte == '\r')
			c->state = CHUNK_SIZE_LF;
		return 0;
	case CHUNK_SIZE_LF:
		c->state = c->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
		c->line_empty = true;
		return byte == '\n' ? 0 : 400;
	case CHUNK_DATA_CR:
		c->state = CHUNK_DATA_LF;
		return byte == '\r' ? 0 : 400;
	case CHUNK_DATA_LF:
		c->state = CHUNK_SIZE;
		c->digits = 0;
		return byte == '\n' ? 0 : 400;
	case CHUNK_TRAILER:
		if (byte == '\r') {
			c->state = CHUNK_TRAILER_LF;
			return 0;
		}
		c->line_empty = false;
		return ++c->extra <= HTTP_CHUNK_EXTRA_MAX && http_is_field_value(span_make(&byte, 1)) ? 0 : 400;
	case CHUNK_TRAILER_LF:
		c->state = c->line_empty ? CHUNK_DONE : CHUNK_TRAILER;
		c->line_empty = true;
		return byte == '\n' ? 0 : 400;
	default:
		return 400;
	}
}

int
http_chunked_read(struct http_chunked *chunked, struct span input, size_t *ret_used, struct span *ret_data)
{
	size_t at = 0;

	*ret_data = SPAN_NULL;
	while (chunked->state != CHUNK_DONE && at < input.len) {
		if (chunked->state == CHUNK_DATA) {
			size_t len = input.len - at;

			if (len > chunked->left)
				len = (size_t)chunked->left;
			chunked->left -= len;
			if (chunked->left == 0)
				chunked->state = CHUNK_DATA_CR;
			*ret_data = span_make(input.ptr + at, len);
			*ret_used = at + len;
			return HTTP_CHUNK_DATA;
		}
		if (chunk_byte(chunked, input.ptr[at]) != 0)
			return 400;
		at++;
	}
	*ret_used = at;
	return chunked->state == CHUNK_DONE ? HTTP_CHUNK_END : HTTP_CHUNK_MORE;
}
