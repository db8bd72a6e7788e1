/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Parts of an https URI (RFC 3986). */
#include "smtpd/https_uri_parse.h"

#include "smtpd/dns.h"

bool
https_is_host(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_alnum(name.ptr[i]) && name.ptr[i] != '-' && name.ptr[i] != '.')
			return false;
	return name.len <= DNS_NAME_MAX && dns_is_name(name) && span_chr(name, '.') > 0;
}

bool
https_authority_parse(struct span authority, struct span *ret_host, uint16_t *ret_port)
{
	ptrdiff_t colon = span_chr(authority, ':');
	struct span digits = colon >= 0 ? span_skip(authority, (size_t)colon + 1) : SPAN_NULL;
	uint64_t port = HTTPS_PORT;

	*ret_host = colon >= 0 ? span_take(&authority, (size_t)colon) : authority;
	/* A colon with nothing behind it is no port (section 3.2.3). */
	if (digits.len != 0 && (span_to_u64(digits, UINT16_MAX, &port) < 0 || port == 0))
		return false;
	*ret_port = (uint16_t)port;
	return https_is_host(*ret_host);
}

bool
https_is_path(struct span path)
{
	for (size_t i = 0; i < path.len; i++)
		if (path.ptr[i] <= ' ' || path.ptr[i] >= 0x7f || path.ptr[i] == '#')
			return false;
	return path.len != 0 && path.ptr[0] == '/';
}
