/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* URLs of messages: read as a browser reads them, kept only when their scheme is on a short list. Pure. */
#include "webmaild/html_sanitize.h"

#include <stdlib.h>

/* Appends without what the URL standard removes (C0 and spaces at the ends, tab and line ends anywhere); other control
 * characters and spaces are percent-encoded. */
static bool
collect(struct span url, struct buf *out)
{
	static const char digits[] = "0123456789ABCDEF";

	while (url.len > 0 && (unsigned char)url.ptr[0] <= 0x20)
		url = span_skip(url, 1);
	while (url.len > 0 && (unsigned char)url.ptr[url.len - 1] <= 0x20)
		url.len--;
	for (size_t i = 0; i < url.len; i++) {
		unsigned char c = (unsigned char)url.ptr[i];

		if (c == '\t' || c == '\r' || c == '\n')
			continue;
		if (c <= 0x20 || c == 0x7f || c == '"' || c == '<' || c == '>' || c == '\'' || c == '\\' || c == '`') {
			char code[3] = { '%', digits[c >> 4], digits[c & 15] };

			(void)buf_put(out, code, sizeof(code));
		} else {
			(void)buf_char(out, (char)c);
		}
	}
	return !out->overflow && out->len > 0;
}

/* The scheme with its colon, or empty: ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ) ":" */
static struct span
scheme_of(struct span url)
{
	for (size_t i = 0; i < url.len; i++) {
		char c = url.ptr[i];

		if (c == ':')
			return span_make(url.ptr, i > 0 ? i + 1 : 0);
		if (!ascii_is_alpha(c) && (i == 0 || (!ascii_is_digit(c) && c != '+' && c != '-' && c != '.')))
			break;
	}
	return SPAN_NULL;
}

/* data:image/<png|...>;base64,<base64 characters> */
static bool
is_data_image(struct span url)
{
	static const char *const types[] = { "png", "gif", "jpeg", "jpg", "webp", "bmp", "avif" };
	struct span rest;
	bool known = false;

	if (!span_istarts(url, SPAN("data:image/")))
		return false;
	rest = span_skip(url, sizeof("data:image/") - 1);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]) && !known; i++) {
		struct span type = span_of(types[i]);

		if (span_istarts(rest, type) && span_istarts(span_skip(rest, type.len), SPAN(";base64,"))) {
			known = true;
			rest = span_skip(rest, type.len + sizeof(";base64,") - 1);
		}
	}
	for (size_t i = 0; known && i < rest.len; i++)
		if (!ascii_is_alnum(rest.ptr[i]) && strchr("+/=", rest.ptr[i]) == NULL)
			return false;
	return known && rest.len > 0;
}

static bool
has_authority(struct span rest)
{
	return span_starts(rest, SPAN("//")) && rest.len > 2 && rest.ptr[2] != '/';
}

static enum html_url_kind
judge_link(struct span url, struct buf *out)
{
	struct span scheme = scheme_of(url), rest = span_skip(url, scheme.len);

	if (url.ptr[0] == '#') {
		struct buf fragment = BUF_INIT(HTML_URL_MAX + 16);

		(void)buf_str(&fragment, "#" HTML_NAME_PREFIX);
		(void)buf_span(&fragment, span_skip(url, 1));
		buf_clear(out);
		(void)buf_span(out, buf_get(&fragment));
		buf_free(&fragment);
		return out->overflow ? HTML_URL_REFUSED : HTML_URL_SAFE;
	}
	if (span_ieq(scheme, SPAN("http:")) || span_ieq(scheme, SPAN("https:")))
		return has_authority(rest) ? HTML_URL_SAFE : HTML_URL_REFUSED;
	if (span_ieq(scheme, SPAN("mailto:")) || span_ieq(scheme, SPAN("tel:")))
		return rest.len > 0 ? HTML_URL_SAFE : HTML_URL_REFUSED;
	return HTML_URL_REFUSED;
}

/* Replaces the URL's first `len` bytes. */
static void
replace_front(struct buf *out, size_t len, const char *front)
{
	char *copy = span_dup(span_skip(buf_get(out), len));

	buf_clear(out);
	(void)buf_str(out, front);
	(void)buf_str(out, copy);
	free(copy);
}

static enum html_url_kind
judge_image(struct span url, struct buf *out)
{
	struct span scheme = scheme_of(url), rest = span_skip(url, scheme.len);

	if (is_data_image(url))
		return HTML_URL_SAFE;
	if (span_ieq(scheme, SPAN("cid:")) && rest.len > 0 && rest.len <= 512) {
		buf_drop(out, scheme.len);
		return HTML_URL_CID;
	}
	if (span_ieq(scheme, SPAN("https:")) && has_authority(rest))
		return HTML_URL_REMOTE;
	if (span_ieq(scheme, SPAN("http:")) && has_authority(rest)) {
		/* The document's policy admits https only; most hosts serve both. */
		replace_front(out, scheme.len, "https:");
		return out->overflow ? HTML_URL_REFUSED : HTML_URL_REMOTE;
	}
	if (has_authority(url)) {
		replace_front(out, 0, "https:");
		return out->overflow ? HTML_URL_REFUSED : HTML_URL_REMOTE;
	}
	return HTML_URL_REFUSED;
}

enum html_url_kind
html_url_clean(struct span url, enum html_url use, struct buf *out)
{
	enum html_url_kind kind = HTML_URL_REFUSED;
	bool data = use == HTML_URL_IMAGE && span_istarts(span_trim(url), SPAN("data:"));

	buf_clear(out);
	if (url.len <= (data ? HTML_DATA_URL_MAX : HTML_URL_MAX) && collect(url, out))
		kind = use == HTML_URL_LINK ? judge_link(buf_get(out), out) : judge_image(buf_get(out), out);
	if (kind == HTML_URL_REFUSED)
		buf_clear(out);
	return kind;
}
