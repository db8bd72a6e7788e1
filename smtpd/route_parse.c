/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Routes and next hops. */
#include "smtpd/route_parse.h"

#include <errno.h>
#include <stdlib.h>

#include "common/address.h"
#include "common/domain_list.h"

#define SMTP_PORT 25
#define SMTPS_PORT 465
#define LABEL_MAX 64
#define HOP_MAX 255 /* of a message between roles */

static const struct {
	struct span name;
	enum hop_tls tls;
	bool exchangers;
	uint16_t port;
} schemes[] = {
	{ SPAN("smtp://"), HOP_TLS_MAY, false, SMTP_PORT },
	{ SPAN("smtp+tls://"), HOP_TLS_MUST, false, SMTP_PORT },
	{ SPAN("smtp+notls://"), HOP_TLS_NEVER, false, SMTP_PORT },
	{ SPAN("smtps://"), HOP_TLS_FIRST, false, SMTPS_PORT },
	{ SPAN("mx://"), HOP_TLS_MAY, true, SMTP_PORT },
};

static int
fault(const char **ret_fault, const char *text)
{
	*ret_fault = text;
	return -EINVAL;
}

bool
next_hop_is(struct span text)
{
	bool literal = text.len != 0 && text.ptr[0] == '[' && span_ends(text, SPAN("]"));

	return !literal && span_chr(text, ':') >= 0;
}

static bool
is_label(struct span label)
{
	for (size_t i = 0; i < label.len; i++)
		if (!ascii_is_alnum(label.ptr[i]) && label.ptr[i] != '-' && label.ptr[i] != '_' && label.ptr[i] != '.')
			return false;
	return label.len != 0 && label.len <= LABEL_MAX;
}

/* "host", "host:port", "[2001:db8::1]", "[2001:db8::1]:port". A name in brackets is that host, too, as other servers want it written. */
static int
take_host(struct span text, struct next_hop *hop)
{
	struct span rest = text;
	bool bracket = text.len != 0 && text.ptr[0] == '[';
	uint64_t port;

	if (bracket && span_chr(text, ']') < 0)
		return -EINVAL;
	if (bracket) {
		rest = span_skip(text, 1);
		(void)span_split(&rest, ']', &hop->host);
	} else {
		(void)span_split(&rest, ':', &hop->host);
		rest = span_skip(text, hop->host.len);
	}
	if (hop->host.len == 0 || hop->host.len > 253)
		return -EINVAL;
	for (size_t i = 0; i < hop->host.len; i++)
		if (!ascii_is_alnum(hop->host.ptr[i]) && span_chr(bracket ? SPAN(":.-_") : SPAN(".-_"), hop->host.ptr[i]) < 0)
			return -EINVAL;
	if (rest.len == 0)
		return 0;
	if (rest.ptr[0] != ':' || span_to_u64(span_skip(rest, 1), UINT16_MAX, &port) < 0 || port == 0)
		return -EINVAL;
	hop->port = (uint16_t)port;
	return 0;
}

int
next_hop_parse(struct span text, struct next_hop *ret_hop, const char **ret_fault)
{
	struct span rest = text;
	ptrdiff_t at;
	bool known = false;

	*ret_hop = (struct next_hop){ .port = 0 };
	if (text.len > HOP_MAX)
		return fault(ret_fault, "the next hop is too long");
	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes) && !known; i++)
		if (span_istarts(text, schemes[i].name)) {
			ret_hop->tls = schemes[i].tls;
			ret_hop->exchangers = schemes[i].exchangers;
			ret_hop->port = schemes[i].port;
			rest = span_skip(text, schemes[i].name.len);
			known = true;
		}
	if (!known && span_find(text, SPAN("://")) >= 0)
		return fault(ret_fault, "a next hop begins with smtp://, smtp+tls://, smtp+notls://, smtps:// or mx://");
	at = known ? span_chr(rest, '@') : -1;
	if (at >= 0) {
		ret_hop->label = span_make(rest.ptr, (size_t)at);
		rest = span_skip(rest, (size_t)at + 1);
		if (!is_label(ret_hop->label))
			return fault(ret_fault, "a label is made of letters, digits, dots, hyphens and underscores");
		if (ret_hop->tls != HOP_TLS_MUST && ret_hop->tls != HOP_TLS_FIRST)
			return fault(ret_fault, "credentials want smtp+tls:// or smtps://");
	}
	if (take_host(rest, ret_hop) < 0 || ret_hop->port == 0)
		return fault(ret_fault, known ? "the next hop names no host" : "the next hop is not host:port");
	return 0;
}

/* --- routes --- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct span
route_take_word(struct span *text)
{
	size_t len = 0;

	while (text->len != 0 && is_blank(text->ptr[0]))
		*text = span_skip(*text, 1);
	while (len < text->len && !is_blank(text->ptr[len]))
		len++;
	return span_take(text, len);
}

#define FROM SPAN("from:")
#define BELOW SPAN("*.")
#define DIRECT SPAN("direct")

bool
route_is_domain(struct span whom)
{
	if (span_eq(whom, SPAN("*")))
		return true;
	if (span_starts(whom, BELOW))
		whom = span_skip(whom, BELOW.len);
	return domain_list_may_have(whom);
}

bool
route_fits_domain(struct span whom, struct span domain)
{
	if (span_starts(whom, BELOW))
		return domain.len >= whom.len && span_iends(domain, span_skip(whom, 1));
	return span_eq(whom, SPAN("*")) || span_ieq(whom, domain);
}

static bool
is_whom(struct span whom)
{
	struct address address;
	bool sender = span_istarts(whom, FROM);

	if (sender)
		whom = span_skip(whom, FROM.len);
	if (sender && span_chr(whom, '@') >= 0)
		return address_parse_mailbox(whom, ADDRESS_SMTPUTF8, &address) == ADDRESS_OK;
	return route_is_domain(whom);
}

int
route_parse(struct span text, struct span *ret_whom, struct span *ret_hop, const char **ret_fault)
{
	struct next_hop hop;

	*ret_whom = route_take_word(&text);
	*ret_hop = route_take_word(&text);
	if (ret_hop->len == 0 || route_take_word(&text).len != 0)
		return fault(ret_fault, "a route has two words");
	if (!is_whom(*ret_whom))
		return fault(ret_fault, "the first word of a route is a domain, *.domain, *, or from: before one of these or before an address");
	return span_ieq(*ret_hop, DIRECT) ? 0 : next_hop_parse(*ret_hop, &hop, ret_fault);
}

/* What stands before a domain in the first word. */
static size_t
before_domain(struct span whom)
{
	size_t from = span_istarts(whom, FROM) ? FROM.len : 0;
	struct span rest = span_skip(whom, from);
	ptrdiff_t at = span_rchr(rest, '@');

	return from + (at >= 0 ? (size_t)at + 1 : span_starts(rest, BELOW) ? BELOW.len : 0);
}

void
route_canonicalise(struct conf_list *routes)
{
	for (size_t i = 0; i < routes->count; i++) {
		struct span rest = span_of(routes->item[i]), whom = route_take_word(&rest);
		struct buf item = BUF_INIT(whom.len + rest.len + ADDRESS_DOMAIN_MAX);
		size_t before = before_domain(whom);

		(void)buf_span(&item, span_make(whom.ptr, before));
		if (address_domain_canonical(span_skip(whom, before), &item) == 0 && buf_span(&item, rest) == 0) {
			free(routes->item[i]);
			routes->item[i] = span_dup(buf_get(&item));
		}
		buf_free(&item);
	}
}

static bool
fits(struct span whom, struct span sender, struct span recipient)
{
	struct span address = recipient;
	ptrdiff_t at;

	if (span_istarts(whom, FROM)) {
		whom = span_skip(whom, FROM.len);
		address = sender;
	}
	if (span_chr(whom, '@') >= 0)
		return span_ieq(whom, address);
	at = span_rchr(address, '@');
	if (at < 0)
		return false; /* the null reverse-path is nobody's */
	return route_fits_domain(whom, span_skip(address, (size_t)at + 1));
}

/* With the domain as the routes have it. */
static struct span
canonical(struct span address, struct buf *room)
{
	return !span_is_ascii(address) && address_with_domain(address, room) == 0 ? buf_get(room) : address;
}

static struct span
find(const struct conf_list *routes, struct span sender, struct span recipient, bool *ret_found)
{
	*ret_found = false;
	for (size_t i = 0; i < routes->count; i++) {
		struct span rest = span_of(routes->item[i]), whom = route_take_word(&rest), hop = route_take_word(&rest);

		if (!fits(whom, sender, recipient))
			continue;
		*ret_found = true;
		return span_ieq(hop, DIRECT) ? SPAN_NULL : hop;
	}
	return SPAN_NULL;
}

struct span
route_find(const struct conf_list *routes, struct span sender, struct span recipient, bool *ret_found)
{
	struct buf from = BUF_INIT(sender.len + ADDRESS_DOMAIN_MAX), to = BUF_INIT(recipient.len + ADDRESS_DOMAIN_MAX);
	struct span hop = find(routes, canonical(sender, &from), canonical(recipient, &to), ret_found);

	buf_free(&from);
	buf_free(&to);
	return hop;
}
