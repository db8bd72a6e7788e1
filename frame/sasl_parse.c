/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* SASL PLAIN and LOGIN. The base64 here is strict (RFC 4648 section 3: padding demanded, no foreign
 * bytes, no bits left over): credentials have one spelling. */
#include "frame/sasl_parse.h"

#include <stdint.h>

bool
sasl_mechanism(struct span name, enum sasl_mechanism *ret_mechanism)
{
	if (span_ieq(name, SPAN("PLAIN")))
		*ret_mechanism = SASL_PLAIN;
	else if (span_ieq(name, SPAN("LOGIN")))
		*ret_mechanism = SASL_LOGIN;
	else
		return false;
	return true;
}

void
sasl_begin(struct sasl *sasl, enum sasl_mechanism mechanism)
{
	sasl->mechanism = mechanism;
	sasl->step = 0;
}

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ascii_is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes into out (room for text.len / 4 * 3 bytes). The length, or -1. */
static ptrdiff_t
decode(struct span text, char *out)
{
	size_t len = 0;

	if (text.len % 4 != 0)
		return -1;
	for (size_t i = 0; i < text.len; i += 4) {
		bool last = i + 4 == text.len;
		unsigned pad = last && text.ptr[i + 3] == '=' ? 1 + (text.ptr[i + 2] == '=') : 0;
		uint32_t bits = 0;

		for (size_t k = 0; k < 4; k++) {
			int value = k >= 4 - pad ? 0 : base64_value(text.ptr[i + k]);

			if (value < 0)
				return -1;
			bits = bits << 6 | (uint32_t)value;
		}
		if ((pad == 1 && (bits & 0xff) != 0) || (pad == 2 && (bits & 0xffff) != 0))
			return -1;
		out[len++] = (char)(bits >> 16);
		if (pad < 2)
			out[len++] = (char)(bits >> 8 & 0xff);
		if (pad < 1)
			out[len++] = (char)(bits & 0xff);
	}
	return (ptrdiff_t)len;
}

/* One name or password: UTF-8 without NUL (RFC 4616 section 2: 1*SAFE), within max. */
static bool
take(struct buf *into, struct span text, size_t max)
{
	if (text.len == 0 || text.len > max || span_chr(text, '\0') >= 0 || !span_is_utf8(text))
		return false;
	buf_clear(into);
	return buf_span(into, text) == 0;
}

/* [authzid] NUL authcid NUL passwd. Nobody acts for somebody else here: an authzid must be the
 * authcid. */
static enum sasl_result
plain(struct span message, struct buf *user, struct buf *password)
{
	ptrdiff_t first = span_chr(message, '\0'), second;
	struct span authzid, authcid;

	if (first < 0)
		return SASL_MALFORMED;
	authzid = span_take(&message, (size_t)first);
	message = span_skip(message, 1);
	second = span_chr(message, '\0');
	if (second < 0)
		return SASL_MALFORMED;
	authcid = span_take(&message, (size_t)second);
	message = span_skip(message, 1);
	if (authzid.len != 0 && !span_eq(authzid, authcid))
		return SASL_MALFORMED;
	return take(user, authcid, SASL_USER_MAX) && take(password, message, SASL_PASSWORD_MAX) ?
	    SASL_DONE :
	    SASL_MALFORMED;
}

static enum sasl_result
response(struct sasl *sasl, struct span text, struct buf *user, struct buf *password)
{
	char bytes[SASL_LINE_MAX / 4 * 3];
	ptrdiff_t len = text.len <= SASL_LINE_MAX ? decode(text, bytes) : -1;
	struct span message = span_make(bytes, len > 0 ? (size_t)len : 0);
	enum sasl_result result = SASL_MALFORMED;

	if (len >= 0) {
		if (sasl->mechanism == SASL_PLAIN)
			result = plain(message, user, password);
		else if (sasl->step == 0 && take(user, message, SASL_USER_MAX))
			result = SASL_CONTINUE;
		else if (sasl->step == 1 && take(password, message, SASL_PASSWORD_MAX))
			result = SASL_DONE;
		sasl->step++;
		explicit_bzero(bytes, (size_t)len);
	}
	return result;
}

enum sasl_result
sasl_initial(struct sasl *sasl, struct span text, struct buf *user, struct buf *password)
{
	return response(sasl, span_eq(text, SPAN("=")) ? SPAN_NULL : text, user, password);
}

enum sasl_result
sasl_line(struct sasl *sasl, struct span line, struct buf *user, struct buf *password)
{
	return span_eq(line, SPAN("*")) ? SASL_CANCELLED : response(sasl, line, user, password);
}

const char *
sasl_challenge(const struct sasl *sasl)
{
	if (sasl->mechanism == SASL_PLAIN)
		return "";
	return sasl->step == 0 ? "VXNlcm5hbWU6" : "UGFzc3dvcmQ6"; /* "Username:", "Password:" */
}
