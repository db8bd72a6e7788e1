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
https_is_path(struct span path)
{
	for (size_t i = 0; i < path.len; i++)
		if (path.ptr[i] <= ' ' || path.ptr[i] >= 0x7f || path.ptr[i] == '#')
			return false;
	return path.len != 0 && path.ptr[0] == '/';
}
