/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* SASL PLAIN and LOGIN over strict base64: credentials have one spelling. */
#include "frame/sasl_parse.h"

#include "common/base64.h"

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

/* One name or password: UTF-8 without NUL (RFC 4616 section 2: 1*SAFE), within max. */
static enum sasl_result
take(struct buf *into, struct span text, size_t max)
{
	if (text.len == 0 || span_chr(text, '\0') >= 0 || !span_is_utf8(text))
		return SASL_MALFORMED;
	buf_clear(into);
	return text.len > max || buf_span(into, text) != 0 ? SASL_TOO_LONG : SASL_DONE;
}

/* [authzid] NUL authcid NUL passwd. Nobody acts for somebody else here: an authzid must be the
 * authcid. */
static enum sasl_result
plain(struct span message, struct buf *user, struct buf *password)
{
	ptrdiff_t first = span_chr(message, '\0'), second;
	struct span authzid, authcid;
	enum sasl_result result;

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
		return SASL_FORBIDDEN;
	result = take(user, authcid, SASL_USER_MAX);
	return result == SASL_DONE ? take(password, message, SASL_PASSWORD_MAX) : result;
}

static enum sasl_result
response(struct sasl *sasl, struct span text, struct buf *user, struct buf *password)
{
	struct buf message = BUF_INIT(SASL_LINE_MAX);
	enum sasl_result result = SASL_MALFORMED;

	if (text.len > SASL_LINE_MAX) {
		result = SASL_TOO_LONG;
	} else if (base64_decode(text, &message) == 0) {
		if (sasl->mechanism == SASL_PLAIN)
			result = plain(buf_get(&message), user, password);
		else if (sasl->step < 2)
			result = sasl->step == 0 ? take(user, buf_get(&message), SASL_USER_MAX) : take(password, buf_get(&message), SASL_PASSWORD_MAX);
		/* LOGIN: the name alone is not all. */
		if (sasl->mechanism == SASL_LOGIN && sasl->step == 0 && result == SASL_DONE)
			result = SASL_CONTINUE;
		sasl->step++;
	}
	buf_wipe(&message);
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
