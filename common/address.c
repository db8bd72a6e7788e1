/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Mailboxes and paths of SMTP, strictly. */
#include "common/address.h"

#include <arpa/inet.h>

#define LABEL_MAX 63
#define LITERAL_MAX 64

static bool
is_atext(char c)
{
	return ascii_is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* A byte of a character beyond ASCII: that all of them together are UTF-8 is asked once, for the whole mailbox. */
static bool
is_utf8_byte(char c)
{
	return ((unsigned char)c & 0x80) != 0;
}

/* RFC 5321 section 4.1.2, Dot-string; the length of what is one at the front. */
static size_t
dot_string_length(struct span text)
{
	size_t len = 0;

	while (len < text.len) {
		if (!is_atext(text.ptr[len]) && !is_utf8_byte(text.ptr[len]))
			break;
		while (len < text.len && (is_atext(text.ptr[len]) || is_utf8_byte(text.ptr[len])))
			len++;
		if (len + 1 >= text.len || text.ptr[len] != '.' || (!is_atext(text.ptr[len + 1]) && !is_utf8_byte(text.ptr[len + 1])))
			break;
		len++;
	}
	return len;
}

/* Quoted-string with its quotes, or 0. */
static size_t
quoted_length(struct span text)
{
	for (size_t i = 1; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == '"')
			return i + 1;
		if (c == '\\' && (++i == text.len || is_utf8_byte(text.ptr[i])))
			return 0;
		c = text.ptr[i];
		if ((unsigned char)c < ' ' || c == 127)
			return 0;
	}
	return 0;
}

/* Length of a Domain at the front, or 0. Labels are Let-dig [Ldh-str] or hold UTF-8 (a U-label: IDNA judges it later). */
static size_t
domain_length(struct span text)
{
	size_t len = 0, label = 0;

	for (; len < text.len; len++) {
		char c = text.ptr[len];

		if (c == '.') {
			if (label == 0 || text.ptr[len - 1] == '-')
				return 0;
			label = 0;
		} else if (ascii_is_alnum(c) || is_utf8_byte(c) || (c == '-' && label != 0)) {
			label++;
		} else {
			break;
		}
	}
	return label == 0 || text.ptr[len - 1] == '-' ? 0 : len;
}

static bool
labels_fit(struct span domain)
{
	struct span label;

	while (span_split(&domain, '.', &label))
		if (label.len > LABEL_MAX && span_is_ascii(label))
			return false;
	return true;
}

/* "[192.0.2.1]" or "[IPv6:2001:db8::1]" at the front, or 0. */
static size_t
literal_length(struct span text)
{
	ptrdiff_t end = span_chr(text, ']');
	struct span inner;
	char address[LITERAL_MAX];
	unsigned char bytes[16];
	bool six;

	if (end < 0 || text.ptr[0] != '[')
		return 0;
	inner = span_make(text.ptr + 1, (size_t)end - 1);
	six = span_istarts(inner, SPAN("IPv6:"));
	if (six)
		inner = span_skip(inner, strlen("IPv6:"));
	if (inner.len >= sizeof(address))
		return 0;
	memcpy(address, inner.ptr, inner.len);
	address[inner.len] = '\0';
	/* A NUL inside would end it early. */
	if (strlen(address) != inner.len || inet_pton(six ? AF_INET6 : AF_INET, address, bytes) != 1)
		return 0;
	return (size_t)end + 1;
}

/* Takes Mailbox off the front. */
static enum address_result
take_mailbox(struct span *text, unsigned flags, struct address *address)
{
	struct span rest = *text;
	size_t len;

	address->quoted = span_starts(rest, SPAN("\""));
	len = address->quoted ? quoted_length(rest) : dot_string_length(rest);
	if (len == 0)
		return ADDRESS_SYNTAX;
	address->local = span_take(&rest, len);
	if (!span_starts(rest, SPAN("@")))
		return ADDRESS_SYNTAX;
	rest = span_skip(rest, 1);
	address->literal = span_starts(rest, SPAN("["));
	len = address->literal ? literal_length(rest) : domain_length(rest);
	if (len == 0)
		return ADDRESS_SYNTAX;
	address->domain = span_take(&rest, len);
	address->mailbox = span_make(text->ptr, text->len - rest.len);
	*text = rest;
	if (!span_is_ascii(address->mailbox)) {
		if (!span_is_utf8(address->mailbox))
			return ADDRESS_SYNTAX;
		if ((flags & ADDRESS_SMTPUTF8) == 0)
			return ADDRESS_NEEDS_UTF8;
	}
	if (address->domain.len > ADDRESS_DOMAIN_MAX || address->mailbox.len > ADDRESS_MAX ||
	    !labels_fit(address->domain))
		return ADDRESS_TOO_LONG;
	return ADDRESS_OK;
}

enum address_result
address_parse_mailbox(struct span text, unsigned flags, struct address *ret_address)
{
	struct address address = { 0 };
	enum address_result result = take_mailbox(&text, flags, &address);

	if (result == ADDRESS_SYNTAX || text.len != 0)
		return ADDRESS_SYNTAX;
	if (result == ADDRESS_OK)
		*ret_address = address;
	return result;
}

/* RFC 5321 appendix C, A-d-l with its colon: checked and ignored. False when it is malformed. */
static bool
skip_route(struct span *text)
{
	while (span_starts(*text, SPAN("@"))) {
		size_t len = domain_length(span_skip(*text, 1));

		*text = span_skip(*text, 1 + len);
		if (len == 0 || text->len < 2)
			return false;
		if (text->ptr[0] == ':') {
			*text = span_skip(*text, 1);
			return text->ptr[0] != '@';
		}
		if (text->ptr[0] != ',' || text->ptr[1] != '@')
			return false;
		*text = span_skip(*text, 1);
	}
	return true;
}

enum address_result
address_parse_path(struct span *text, unsigned flags, struct address *ret_address)
{
	const struct span postmaster = SPAN("postmaster>");
	struct address address = { 0 };
	struct span rest = *text;
	enum address_result result;

	if (!span_starts(rest, SPAN("<")))
		return ADDRESS_SYNTAX;
	rest = span_skip(rest, 1);
	if ((flags & ADDRESS_NULL) != 0 && span_starts(rest, SPAN(">"))) {
		*text = span_skip(rest, 1);
		*ret_address = (struct address){ .mailbox = SPAN(""), .local = SPAN(""), .domain = SPAN("") };
		return ADDRESS_OK;
	}
	if ((flags & ADDRESS_POSTMASTER) != 0 && span_istarts(rest, postmaster)) {
		address.local = address.mailbox = span_make(rest.ptr, postmaster.len - 1);
		address.domain = SPAN("");
		*ret_address = address;
		*text = span_skip(rest, postmaster.len);
		return ADDRESS_OK;
	}
	if (!skip_route(&rest))
		return ADDRESS_SYNTAX;
	result = take_mailbox(&rest, flags, &address);
	if (result == ADDRESS_SYNTAX || !span_starts(rest, SPAN(">")))
		return ADDRESS_SYNTAX;
	if (result != ADDRESS_OK)
		return result;
	*text = span_skip(rest, 1);
	*ret_address = address;
	return ADDRESS_OK;
}

enum address_result
address_parse_domain(struct span text, unsigned flags, bool *ret_literal)
{
	bool literal = span_starts(text, SPAN("["));

	if (text.len == 0 || (literal ? literal_length(text) : domain_length(text)) != text.len)
		return ADDRESS_SYNTAX;
	if (!span_is_ascii(text)) {
		if (!span_is_utf8(text))
			return ADDRESS_SYNTAX;
		if ((flags & ADDRESS_SMTPUTF8) == 0)
			return ADDRESS_NEEDS_UTF8;
	}
	if (text.len > ADDRESS_DOMAIN_MAX || !labels_fit(text))
		return ADDRESS_TOO_LONG;
	*ret_literal = literal;
	return ADDRESS_OK;
}
