/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Single fields of a request. */
#include "webmaild/http_fields.h"

#include <errno.h>

#include "common/base64.h"

struct span
http_cookie(const struct http_request *request, struct span name)
{
	struct span found = SPAN_NULL;

	for (size_t i = 0; i < request->field_count; i++) {
		struct span rest = request->fields[i].value, pair;

		if (!span_ieq(request->fields[i].name, SPAN("cookie")))
			continue;
		while (span_split(&rest, ';', &pair)) {
			struct span key;

			pair = span_trim(pair);
			if (span_chr(pair, '=') < 0 || !span_split(&pair, '=', &key) || !span_eq(span_trim(key), name))
				continue;
			if (found.ptr != NULL && !span_eq(found, span_trim(pair)))
				return SPAN_NULL;
			found = span_trim(pair);
		}
	}
	return found;
}

int
http_basic(const struct http_request *request, struct buf *user, struct buf *password)
{
	struct span value = http_field(request, "authorization"), name, secret;
	struct buf plain = BUF_INIT(2048);
	int r;

	if (!span_istarts(value, SPAN("Basic ")))
		return 1;
	r = base64_decode(span_trim(span_skip(value, 6)), &plain);
	if (r == 0) {
		ptrdiff_t colon = span_chr(buf_get(&plain), ':');

		if (colon <= 0 || span_chr(buf_get(&plain), '\0') >= 0) {
			r = -EINVAL;
		} else {
			name = span_make(plain.data, (size_t)colon);
			secret = span_skip(buf_get(&plain), (size_t)colon + 1);
			(void)buf_span(user, name);
			(void)buf_span(password, secret);
			r = user->overflow || password->overflow ? -EINVAL : 0;
		}
	}
	buf_wipe(&plain);
	return r == 0 ? 0 : -EINVAL;
}

int
http_percent_decode(struct span text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == '%') {
			int high, low;

			if (text.len - i < 3)
				return -EINVAL;
			high = ascii_hex(text.ptr[i + 1]);
			low = ascii_hex(text.ptr[i + 2]);
			if (high < 0 || low < 0)
				return -EINVAL;
			c = (char)(high * 16 + low);
			i += 2;
		}
		if (c == '\0')
			return -EINVAL;
		(void)buf_char(out, c);
	}
	return out->overflow ? -EMSGSIZE : 0;
}

int
http_percent_encode(struct span text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (ascii_is_alnum(c) || (c != '\0' && strchr("-._~", c) != NULL))
			(void)buf_char(out, c);
		else
			(void)buf_fmt(out, "%%%02X", (unsigned char)c);
	}
	return out->overflow ? -EMSGSIZE : 0;
}

int
http_parameter(struct span query, struct span name, struct buf *out)
{
	struct span pair;

	buf_clear(out);
	while (span_split(&query, '&', &pair)) {
		struct span key;

		if (span_split(&pair, '=', &key) && span_eq(key, name))
			return http_percent_decode(pair, out);
	}
	return 1;
}

bool
http_if_none_match(const struct http_request *request, struct span etag)
{
	struct span value = http_field(request, "if-none-match"), part;

	while (span_split(&value, ',', &part)) {
		part = span_trim(part);
		if (span_starts(part, SPAN("W/")))
			part = span_skip(part, 2);
		if (span_eq(part, SPAN("*")) || span_eq(part, etag))
			return true;
	}
	return false;
}

bool
http_accepts_gzip(const struct http_request *request)
{
	struct span value = http_field(request, "accept-encoding"), part;

	while (span_split(&value, ',', &part)) {
		struct span coding;

		if (!span_split(&part, ';', &coding) || !span_ieq(span_trim(coding), SPAN("gzip")))
			continue;
		part = span_trim(part);
		/* q=0, q=0.0, ...: refused; any other weight admits it. */
		part = span_trim(part);
		if (!span_istarts(part, SPAN("q=")))
			return true;
		for (size_t i = 2; i < part.len; i++)
			if (part.ptr[i] >= '1' && part.ptr[i] <= '9')
				return true;
		return false;
	}
	return false;
}

bool
http_content_is(const struct http_request *request, struct span type)
{
	struct span value = http_field(request, "content-type"), media;

	return span_split(&value, ';', &media) && span_ieq(span_trim(media), type);
}

bool
http_same_origin(const struct http_request *request)
{
	struct span site = http_field(request, "sec-fetch-site"), origin = http_field(request, "origin");

	if (http_field_count(request, "sec-fetch-site") > 0)
		return span_eq(site, SPAN("same-origin")) || span_eq(site, SPAN("none"));
	if (!span_starts(origin, SPAN("https://")) || request->host.len == 0)
		return false;
	return span_ieq(span_skip(origin, 8), request->host);
}
