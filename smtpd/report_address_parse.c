/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* "mailto:reports@example.com!10m, mailto:second@example.net". */
#include "smtpd/report_address_parse.h"

#include <string.h>

#include "smtpd/https_uri_parse.h"

#define HTTPS "https://"

/* "10m" behind the last "!": units are powers of 1024. False when it is no size. */
static bool
take_size(struct span text, uint64_t *ret_size)
{
	static const char units[] = "kmgt";
	const uint64_t most = UINT64_C(1) << 20;
	ptrdiff_t unit = text.len != 0 ? span_chr(SPAN("kmgt"), ascii_lower(text.ptr[text.len - 1])) : -1;

	if (unit >= 0 && (size_t)unit < sizeof(units) - 1)
		text.len--;
	if (span_to_u64(text, most, ret_size) < 0)
		return false;
	*ret_size <<= 10 * (unit + 1);
	return true;
}

/* Percent-encoding taken out (RFC 3986 section 2.1). False for what is none. */
static bool
decode(struct span text, struct buf *out)
{
	while (text.len != 0) {
		int high, low;

		if (text.ptr[0] != '%') {
			(void)buf_span(out, span_take(&text, 1));
			continue;
		}
		if (text.len < 3 || (high = ascii_hex(text.ptr[1])) < 0 || (low = ascii_hex(text.ptr[2])) < 0)
			return false;
		(void)buf_char(out, (char)(high << 4 | low));
		text = span_skip(text, 3);
	}
	return !out->overflow;
}

bool
report_address_split(const struct report_address *address, struct span *ret_host, uint16_t *ret_port, struct span *ret_path)
{
	struct span rest = span_skip(span_of(address->text), strlen(HTTPS));
	ptrdiff_t slash = span_chr(rest, '/');
	struct span authority = span_take(&rest, slash >= 0 ? (size_t)slash : rest.len);

	*ret_path = rest.len != 0 ? rest : SPAN("/");
	return https_authority_parse(authority, ret_host, ret_port) && https_is_path(*ret_path);
}

/* RFC 8460 section 3; a "!" may stand in a path. */
static bool
take_https(struct span uri, struct report_address *ret_address)
{
	struct span host, path;
	uint16_t port;

	if (!span_istarts(uri, SPAN(HTTPS)) || uri.len > ADDRESS_MAX)
		return false;
	*ret_address = (struct report_address){ .https = true };
	memcpy(ret_address->text, uri.ptr, uri.len);
	return report_address_split(ret_address, &host, &port, &path);
}

static bool
take_uri(struct span uri, bool https, struct report_address *ret_address)
{
	struct buf text = BUF_INIT(ADDRESS_MAX);
	struct address address;
	ptrdiff_t mark = span_rchr(uri, '!');
	bool good;

	if (https && take_https(uri, ret_address))
		return true;
	*ret_address = (struct report_address){ .size_max = 0 };
	if (!span_istarts(uri, SPAN("mailto:")))
		return false;
	if (mark >= 0) {
		if (!take_size(span_skip(uri, (size_t)mark + 1), &ret_address->size_max))
			return false;
		uri.len = (size_t)mark;
	}
	good = decode(span_skip(uri, strlen("mailto:")), &text) && address_parse_mailbox(buf_get(&text), 0, &address) == ADDRESS_OK &&
	    !address.literal && !address.quoted;
	if (good)
		memcpy(ret_address->text, text.data, text.len + 1);
	buf_free(&text);
	return good;
}

size_t
report_addresses_parse(struct span text, bool https, struct report_address ret_addresses[static REPORT_ADDRESSES_MAX])
{
	struct span uri;
	size_t count = 0;

	while (count < REPORT_ADDRESSES_MAX && span_split(&text, ',', &uri))
		count += take_uri(span_trim(uri), https, &ret_addresses[count]);
	return count;
}
