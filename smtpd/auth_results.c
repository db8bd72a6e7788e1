/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Fields of Authentication-Results, as far as whose they are. */
#include "smtpd/auth_results.h"

#include <errno.h>

#include "common/address.h"

/* authserv-id is a value of RFC 2045: a token or a quoted-string. Nobody needs quoted-pairs for one, but to have it read otherwise by others. */
static bool
take_value(struct span *text, struct span *ret_value)
{
	size_t len = 0;

	if (span_starts(*text, SPAN("\""))) {
		ptrdiff_t end = span_chr(span_skip(*text, 1), '"');

		if (end < 0 || span_chr(span_make(text->ptr, (size_t)end + 1), '\\') >= 0)
			return false;
		*ret_value = span_make(text->ptr + 1, (size_t)end);
		*text = span_skip(*text, (size_t)end + 2);
		return true;
	}
	while (len < text->len && span_chr(SPAN(" \t\r\n()<>@,;:\\\"/[]?="), text->ptr[len]) < 0)
		len++;
	*ret_value = span_take(text, len);
	return len != 0;
}

bool
auth_results_split(struct span value, struct span *ret_authserv, struct span *ret_rest)
{
	ptrdiff_t semicolon;

	header_skip_cfws(&value);
	if (!take_value(&value, ret_authserv))
		return false;
	semicolon = span_chr(value, ';');
	*ret_rest = semicolon < 0 ? SPAN_NULL : span_trim(span_skip(value, (size_t)semicolon + 1));
	return true;
}

/* In any spelling that others might take for it: with the dot of the root, or in U-labels (RFC 8616 section 4). */
static bool
is_name_of(struct span name, struct span hostname)
{
	struct buf form = BUF_INIT(ADDRESS_DOMAIN_MAX + 1);
	bool same;

	while (span_ends(name, SPAN(".")))
		name.len--;
	same = span_ieq(name, hostname) || (address_domain_canonical(name, &form) == 0 && span_ieq(buf_get(&form), hostname));
	buf_free(&form);
	return same;
}

bool
auth_results_is_claimed(struct span value, struct span hostname)
{
	struct span authserv, rest;

	return !auth_results_split(value, &authserv, &rest) || is_name_of(authserv, hostname);
}

/* What stands before the next ";" that is in no comment and no quoted-string. */
static struct span
take_result(struct span *text)
{
	unsigned depth = 0;
	bool quoted = false;
	size_t i = 0;
	struct span result;

	for (; i < text->len && (quoted || depth != 0 || text->ptr[i] != ';'); i++) {
		char c = text->ptr[i];

		if (c == '\\')
			i++;
		else if (c == '"' && depth == 0)
			quoted = !quoted;
		else if (c == '(' && !quoted)
			depth++;
		else if (c == ')' && depth != 0)
			depth--;
	}
	result = span_take(text, i);
	*text = span_skip(*text, text->len != 0);
	return result;
}

bool
auth_results_has(struct span payload, struct span method, struct span result)
{
	struct span word;

	(void)take_result(&payload); /* whose they are */
	while (payload.len != 0) {
		struct span text = take_result(&payload);

		header_skip_cfws(&text);
		if (!span_istarts(text, method))
			continue;
		text = span_skip(text, method.len);
		header_skip_cfws(&text);
		if (!span_starts(text, SPAN("=")))
			continue;
		text = span_skip(text, 1);
		header_skip_cfws(&text);
		if (take_value(&text, &word) && span_ieq(word, result))
			return true;
	}
	return false;
}

int
auth_results_combine(const struct dkim_fields *fields, struct span hostname, struct buf *out)
{
	struct span authserv, rest;
	bool found = false;

	(void)buf_span(out, hostname);
	for (size_t i = 0; i < fields->count; i++) {
		const struct header_field *field = &fields->items[i];

		if (!span_ieq(field->name, SPAN("Authentication-Results")) || !auth_results_split(field->value, &authserv, &rest) ||
		    !span_ieq(authserv, hostname))
			continue;
		found = true;
		(void)buf_str(out, ";\r\n\t");
		(void)buf_span(out, rest);
	}
	return out->overflow ? -EMSGSIZE : found ? 0 : -ENOENT;
}
