/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* SPF records, term by term, and their macros. */
#include "smtpd/spf_parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

/* --- macros (section 7.1) --- */

struct macro {
	enum { LITERAL, VALUE } kind;
	char literal[4];    /* what stands for itself, "%%", "%_", "%-" */
	char letter;        /* in lower case */
	bool escaped;       /* it was written in upper case */
	bool reversed;
	uint64_t parts;     /* how many at the right end; UINT64_MAX: all */
	struct span delimiters;
};

static bool
is_delimiter(char c)
{
	return c != '\0' && strchr(".-+,/_=", c) != NULL;
}

static bool
take_value(struct span *text, struct macro *macro)
{
	struct span inner;

	if (span_chr(*text, '}') < 1)
		return false;
	(void)span_split(text, '}', &inner);
	*macro = (struct macro){ .kind = VALUE, .letter = ascii_lower(inner.ptr[0]), .escaped = ascii_lower(inner.ptr[0]) != inner.ptr[0],
		.parts = UINT64_MAX };
	if (macro->letter == '\0' || strchr("slodiphcrtv", macro->letter) == NULL)
		return false;
	inner = span_skip(inner, 1);
	if (inner.len != 0 && ascii_is_digit(inner.ptr[0]) && (span_take_u64(&inner, UINT32_MAX, &macro->parts) < 0 || macro->parts == 0))
		return false;
	if (inner.len != 0 && ascii_lower(inner.ptr[0]) == 'r') {
		macro->reversed = true;
		inner = span_skip(inner, 1);
	}
	for (size_t i = 0; i < inner.len; i++)
		if (!is_delimiter(inner.ptr[i]))
			return false;
	macro->delimiters = inner.len != 0 ? inner : SPAN(".");
	return true;
}

/* The next piece of a macro-string off its front. False for what is none. */
static bool
take_macro(struct span *text, bool explanation, struct macro *macro)
{
	static const char *const specials[] = { "%%", "_ ", "-%20" };
	char c = text->ptr[0];

	*macro = (struct macro){ .kind = LITERAL, .literal = { c } };
	*text = span_skip(*text, 1);
	if (c != '%')
		return (c > ' ' && c <= '~') || (explanation && c == ' ');
	if (text->len == 0)
		return false;
	c = text->ptr[0];
	*text = span_skip(*text, 1);
	if (c == '{')
		return take_value(text, macro) && (explanation || strchr("crt", macro->letter) == NULL);
	for (size_t i = 0; i < sizeof(specials) / sizeof(*specials); i++)
		if (specials[i][0] == c) {
			(void)snprintf(macro->literal, sizeof(macro->literal), "%s", specials[i] + 1);
			return true;
		}
	return false;
}

bool
spf_uses_macro(struct span text, char letter)
{
	struct macro macro;

	while (text.len != 0 && take_macro(&text, true, &macro))
		if (macro.kind == VALUE && macro.letter == letter)
			return true;
	return false;
}

static bool
is_macro_string(struct span text)
{
	struct macro macro;

	while (text.len != 0)
		if (!take_macro(&text, false, &macro))
			return false;
	return true;
}

/* toplabel: letters, digits, hyphens within, and not digits alone. */
static bool
is_toplabel(struct span label)
{
	bool digits = true;

	if (label.len == 0 || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++) {
		if (!ascii_is_alnum(label.ptr[i]) && label.ptr[i] != '-')
			return false;
		digits = digits && ascii_is_digit(label.ptr[i]);
	}
	return !digits;
}

/* domain-spec: it ends with a macro, or with "." and a label that can be the last of a name. */
static bool
is_domain_spec(struct span text)
{
	struct span rest = text, tail = text;
	bool ends_with_macro = false;
	struct macro macro;
	ptrdiff_t dot;

	while (rest.len != 0) {
		bool percent = rest.ptr[0] == '%';

		if (!take_macro(&rest, false, &macro))
			return false;
		ends_with_macro = percent;
		if (percent)
			tail = rest;
	}
	if (ends_with_macro)
		return true;
	if (tail.len != 0 && tail.ptr[tail.len - 1] == '.')
		tail.len--;
	dot = span_rchr(tail, '.');
	return dot >= 0 && is_toplabel(span_skip(tail, (size_t)dot + 1));
}

static void
put_address(const struct spf_macros *macros, bool readable, struct buf *out)
{
	char text[INET6_ADDRSTRLEN];

	if (macros->address_len == 4 || readable) {
		(void)inet_ntop(macros->address_len == 4 ? AF_INET : AF_INET6, macros->address, text, sizeof(text));
		(void)buf_str(out, text);
		return;
	}
	for (size_t i = 0; i < macros->address_len; i++)
		(void)buf_fmt(out, "%s%X.%X", i != 0 ? "." : "", (unsigned)macros->address[i] >> 4, macros->address[i] & 15u);
}

static void
put_raw(char letter, const struct spf_macros *macros, struct buf *out)
{
	switch (letter) {
	case 's':
		(void)buf_span(out, macros->local);
		(void)buf_char(out, '@');
		(void)buf_span(out, macros->sender_domain);
		break;
	case 'l': (void)buf_span(out, macros->local); break;
	case 'o': (void)buf_span(out, macros->sender_domain); break;
	case 'd': (void)buf_span(out, macros->domain); break;
	case 'i': put_address(macros, false, out); break;
	case 'p': (void)buf_span(out, macros->validated.len != 0 ? macros->validated : SPAN("unknown")); break;
	case 'h': (void)buf_span(out, macros->helo); break;
	case 'c': put_address(macros, true, out); break;
	case 'r': (void)buf_span(out, macros->receiver.len != 0 ? macros->receiver : SPAN("unknown")); break;
	case 't': (void)buf_u64(out, macros->now); break;
	case 'v': (void)buf_str(out, macros->address_len == 4 ? "in-addr" : "ip6"); break;
	default: break;
	}
}

static void
put_escaped(struct span text, bool escaped, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++)
		if (!escaped || ascii_is_alnum(text.ptr[i]) || strchr("-._~", text.ptr[i]) != NULL)
			(void)buf_char(out, text.ptr[i]);
		else
			(void)buf_fmt(out, "%%%02X", (unsigned)(unsigned char)text.ptr[i]);
}

/* A local-part has 64 octets, a domain 255: no value has more parts. */
#define PARTS_MAX 512

static void
put_value(const struct macro *macro, const struct spf_macros *macros, struct buf *out)
{
	struct buf raw = BUF_INIT(PARTS_MAX - 1);
	struct span parts[PARTS_MAX], value;
	size_t count = 0, start = 0, first;

	put_raw(macro->letter, macros, &raw);
	value = buf_get(&raw);
	for (size_t i = 0; i <= value.len; i++)
		if (i == value.len || span_chr(macro->delimiters, value.ptr[i]) >= 0) {
			parts[count++] = span_make(value.ptr + start, i - start);
			start = i + 1;
		}
	first = macro->parts < count ? count - (size_t)macro->parts : 0;
	for (size_t i = first; i < count; i++) {
		/* Reversed, the right end is what stood left. */
		put_escaped(macro->reversed ? parts[count - 1 - i] : parts[i], macro->escaped, out);
		if (i + 1 < count)
			(void)buf_char(out, '.');
	}
	buf_free(&raw);
}

int
spf_expand(struct span text, const struct spf_macros *macros, bool explanation, struct buf *out)
{
	struct macro macro;

	while (text.len != 0) {
		if (!take_macro(&text, explanation, &macro))
			return -EINVAL;
		if (macro.kind == VALUE)
			put_value(&macro, macros, out);
		else
			(void)buf_put(out, macro.literal, strnlen(macro.literal, sizeof(macro.literal)));
	}
	return out->overflow ? -EMSGSIZE : 0;
}

/* --- terms --- */

static const struct {
	struct span name;
	enum spf_mechanism mechanism;
	bool may_have_domain, needs_domain, has_prefixes;
} mechanisms[] = {
	{ SPAN("all"), SPF_ALL, false, false, false },
	{ SPAN("include"), SPF_INCLUDE, true, true, false },
	{ SPAN("a"), SPF_A, true, false, true },
	{ SPAN("mx"), SPF_MX, true, false, true },
	{ SPAN("ptr"), SPF_PTR, true, false, false },
	{ SPAN("ip4"), SPF_IP4, true, true, false },
	{ SPAN("ip6"), SPF_IP6, true, true, false },
	{ SPAN("exists"), SPF_EXISTS, true, true, false },
};

/* Digits without a zero before them. */
static bool
read_prefix(struct span digits, uint64_t max, uint8_t *ret_prefix)
{
	uint64_t value;

	if (span_to_u64(digits, max, &value) < 0 || (digits.len > 1 && digits.ptr[0] == '0'))
		return false;
	*ret_prefix = (uint8_t)value;
	return true;
}

/* What follows the last slash, if it is digits alone; a slash may belong to a name or to a macro as well. */
static bool
take_digits(struct span *text, struct span *ret_digits)
{
	ptrdiff_t slash = span_rchr(*text, '/');
	struct span digits = span_skip(*text, (size_t)(slash + 1));

	for (size_t i = 0; i < digits.len; i++)
		if (!ascii_is_digit(digits.ptr[i]))
			return false;
	if (slash < 0 || digits.len == 0)
		return false;
	text->len = (size_t)slash;
	*ret_digits = digits;
	return true;
}

/* Takes [ "/" ip4 ] [ "//" ip6 ] off the end. */
static bool
take_prefixes(struct span *text, struct spf_directive *directive)
{
	struct span digits;

	if (!take_digits(text, &digits))
		return true;
	if (text->len == 0 || text->ptr[text->len - 1] != '/')
		return read_prefix(digits, 32, &directive->prefix4);
	text->len--;
	return read_prefix(digits, 128, &directive->prefix6) && (!take_digits(text, &digits) || read_prefix(digits, 32, &directive->prefix4));
}

static bool
read_network(struct span text, bool six, struct spf_directive *directive)
{
	char address[INET6_ADDRSTRLEN];
	struct span digits;

	(void)span_split(&text, '/', &digits);
	if (digits.len == 0 || digits.len >= sizeof(address))
		return false;
	/* A slash with nothing behind it is none of a prefix. */
	if (digits.ptr + digits.len != text.ptr + text.len &&
	    !read_prefix(text, six ? 128 : 32, six ? &directive->prefix6 : &directive->prefix4))
		return false;
	memcpy(address, digits.ptr, digits.len);
	address[digits.len] = '\0';
	return inet_pton(six ? AF_INET6 : AF_INET, address, directive->address) == 1;
}

static size_t
name_length(struct span term)
{
	size_t len = 0;

	while (len < term.len && (ascii_is_alnum(term.ptr[len]) || (len != 0 && (term.ptr[len] == '-' || term.ptr[len] == '_' || term.ptr[len] == '.'))))
		len++;
	return len;
}

static bool
read_directive(struct span term, struct spf_directive *directive)
{
	static const char qualifiers[] = "+-~?";
	static const enum spf_result results[] = { SPF_PASS, SPF_FAIL, SPF_SOFTFAIL, SPF_NEUTRAL };
	const char *qualifier = term.ptr[0] != '\0' ? strchr(qualifiers, term.ptr[0]) : NULL;
	struct span rest;
	size_t len, i = 0;

	*directive = (struct spf_directive){ .text = term, .prefix4 = 32, .prefix6 = 128 };
	directive->result = qualifier != NULL ? results[qualifier - qualifiers] : SPF_PASS;
	if (qualifier != NULL)
		term = span_skip(term, 1);
	len = name_length(term);
	rest = span_skip(term, len);
	while (i < sizeof(mechanisms) / sizeof(*mechanisms) && !span_ieq(mechanisms[i].name, span_make(term.ptr, len)))
		i++;
	if (i == sizeof(mechanisms) / sizeof(*mechanisms))
		return false;
	directive->mechanism = mechanisms[i].mechanism;
	if (directive->mechanism == SPF_IP4 || directive->mechanism == SPF_IP6)
		return rest.len != 0 && rest.ptr[0] == ':' && read_network(span_skip(rest, 1), directive->mechanism == SPF_IP6, directive);
	if (mechanisms[i].has_prefixes && !take_prefixes(&rest, directive))
		return false;
	if (rest.len == 0)
		return !mechanisms[i].needs_domain;
	directive->domain = span_skip(rest, 1);
	return mechanisms[i].may_have_domain && rest.ptr[0] == ':' && is_domain_spec(directive->domain);
}

/* name "=" value. */
static bool
is_modifier(struct span term, struct span *ret_name, struct span *ret_value)
{
	size_t len = name_length(term);

	if (len == 0 || len == term.len || term.ptr[len] != '=' || !ascii_is_alpha(term.ptr[0]))
		return false;
	*ret_name = span_make(term.ptr, len);
	*ret_value = span_skip(term, len + 1);
	return true;
}

static bool
read_modifier(struct span name, struct span value, struct spf_record *record)
{
	struct span *place = span_ieq(name, SPAN("redirect")) ? &record->redirect : span_ieq(name, SPAN("exp")) ? &record->exp : NULL;

	if (place == NULL)
		return is_macro_string(value); /* section 6: others are ignored */
	if (place->len != 0 || !is_domain_spec(value))
		return false;
	*place = value;
	return true;
}

#define SPF_VERSION SPAN("v=spf1")

bool
spf_is_record(struct span text)
{
	return span_istarts(text, SPF_VERSION) && (text.len == SPF_VERSION.len || text.ptr[SPF_VERSION.len] == ' ');
}

int
spf_parse_record(struct span text, struct spf_record *ret_record)
{
	struct span rest = span_skip(text, SPF_VERSION.len), term, name, value;
	struct spf_directive directive;

	*ret_record = (struct spf_record){ .terms = rest };
	while (span_split(&rest, ' ', &term))
		if (term.len != 0 &&
		    (is_modifier(term, &name, &value) ? !read_modifier(name, value, ret_record) : !read_directive(term, &directive)))
			return -EINVAL;
	return 0;
}

bool
spf_next_directive(struct span *terms, struct spf_directive *ret_directive)
{
	struct span term, name, value;

	while (span_split(terms, ' ', &term))
		if (term.len != 0 && !is_modifier(term, &name, &value))
			return read_directive(term, ret_directive);
	return false;
}
