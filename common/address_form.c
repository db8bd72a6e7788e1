/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The forms of an address: the one that tables use, the one that people read, quoted and not. */
#include <errno.h>
#include <idn2.h>

#include "common/address.h"

static int
append_lower(struct span text, struct buf *out)
{
	char *room = buf_reserve(out, text.len);

	if (room == NULL)
		return -EMSGSIZE;
	for (size_t i = 0; i < text.len; i++)
		room[i] = ascii_lower(text.ptr[i]);
	buf_added(out, text.len);
	return 0;
}

int
address_domain_canonical(struct span domain, struct buf *out)
{
	char name[ADDRESS_DOMAIN_MAX + 1];
	uint8_t *ascii = NULL;
	bool literal;
	int r;

	if (span_is_ascii(domain))
		return append_lower(domain, out);
	if (domain.len >= sizeof(name) || span_chr(domain, '\0') >= 0)
		return -EINVAL;
	memcpy(name, domain.ptr, domain.len);
	name[domain.len] = '\0';
	r = idn2_lookup_u8((const uint8_t *)name, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (r != IDN2_OK)
		return -EINVAL;
	/* Unicode has forms of "@", "/", brackets, spaces too, which become those here: no domain, whatever it looked like. */
	if (address_parse_domain(span_of((const char *)ascii), 0, &literal) != ADDRESS_OK || literal)
		r = -EINVAL;
	else
		r = append_lower(span_of((const char *)ascii), out);
	idn2_free(ascii);
	return r;
}

int
address_domain_display(struct span domain, struct buf *out)
{
	struct buf back = BUF_INIT(ADDRESS_DOMAIN_MAX * 4);
	char name[ADDRESS_DOMAIN_MAX + 1];
	char *text = NULL;
	int r;

	if (domain.len >= sizeof(name) || !span_is_ascii(domain) || span_ifind(domain, SPAN("xn--")) < 0 || span_chr(domain, '\0') >= 0)
		return buf_span(out, domain);
	memcpy(name, domain.ptr, domain.len);
	name[domain.len] = '\0';
	if (idn2_to_unicode_8z8z(name, &text, 0) != IDN2_OK)
		return buf_span(out, domain);
	/* What is no A-label comes back as something else, or as nothing. */
	if (address_domain_canonical(span_of(text), &back) == 0 && span_ieq(buf_get(&back), domain))
		r = buf_str(out, text);
	else
		r = buf_span(out, domain);
	idn2_free(text);
	buf_free(&back);
	return r;
}

bool
address_domain_equal(struct span a, struct span b)
{
	struct buf first = BUF_INIT(ADDRESS_DOMAIN_MAX * 4), second = BUF_INIT(ADDRESS_DOMAIN_MAX * 4);
	bool equal = span_ieq(a, b);

	if (!equal && (!span_is_ascii(a) || !span_is_ascii(b)))
		equal = address_domain_canonical(a, &first) == 0 && address_domain_canonical(b, &second) == 0 &&
		    span_eq(buf_get(&first), buf_get(&second));
	buf_free(&first);
	buf_free(&second);
	return equal;
}

int
address_with_domain(struct span address, struct buf *out)
{
	ptrdiff_t at = span_rchr(address, '@');
	size_t before = out->len;
	int r = at < 0 ? -EINVAL : buf_span(out, span_make(address.ptr, (size_t)at + 1));

	if (r == 0)
		r = address_domain_canonical(span_skip(address, (size_t)at + 1), out);
	if (r < 0)
		buf_truncate(out, before);
	return r;
}

bool
address_equal(struct span a, struct span b)
{
	ptrdiff_t at = span_rchr(a, '@'), other_at = span_rchr(b, '@');

	if (span_ieq(a, b))
		return true;
	return at >= 0 && other_at >= 0 && span_ieq(span_make(a.ptr, (size_t)at), span_make(b.ptr, (size_t)other_at)) &&
	    address_domain_equal(span_skip(a, (size_t)at + 1), span_skip(b, (size_t)other_at + 1));
}

int
address_local_unquote(struct span local, struct buf *out)
{
	size_t before = out->len;

	if (local.len < 2 || local.ptr[0] != '"')
		return buf_span(out, local);
	for (size_t i = 1; i + 1 < local.len; i++) {
		if (local.ptr[i] == '\\' && i + 2 < local.len)
			i++;
		if (buf_char(out, local.ptr[i]) != 0) {
			buf_truncate(out, before);
			return -EMSGSIZE;
		}
	}
	return 0;
}

/* RFC 5321 section 4.1.2, Dot-string; RFC 6531 section 3.3 adds UTF-8. */
static bool
is_dot_string(struct span text)
{
	bool dot = true;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == '.' ? dot : !ascii_is_alnum(c) && ((unsigned char)c & 0x80) == 0 &&
		    (c == '\0' || strchr("!#$%&'*+-/=?^_`{|}~", c) == NULL))
			return false;
		dot = c == '.';
	}
	return !dot;
}

int
address_local_quote(struct span content, struct buf *out)
{
	size_t before = out->len;

	for (size_t i = 0; i < content.len; i++)
		if ((unsigned char)content.ptr[i] < ' ' || content.ptr[i] == 127)
			return -EINVAL;
	if (is_dot_string(content))
		return buf_span(out, content);
	(void)buf_char(out, '"');
	for (size_t i = 0; i < content.len; i++) {
		if (content.ptr[i] == '"' || content.ptr[i] == '\\')
			(void)buf_char(out, '\\');
		(void)buf_char(out, content.ptr[i]);
	}
	if (buf_char(out, '"') == 0)
		return 0;
	buf_truncate(out, before);
	return -EMSGSIZE;
}

int
address_canonical(const struct address *address, struct buf *out)
{
	struct buf content = BUF_INIT(address->local.len);
	size_t before = out->len;
	int r = address_local_unquote(address->local, &content);

	if (r == 0)
		r = address_local_quote(buf_get(&content), out);
	if (r == 0 && address->domain.len != 0) {
		r = buf_char(out, '@');
		if (r == 0)
			r = address_domain_canonical(address->domain, out);
	}
	/* <> has the empty form, not the quoted one of an empty local-part. */
	if (r != 0 || address->mailbox.len == 0)
		buf_truncate(out, before);
	buf_free(&content);
	return r;
}
