/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The header of the PROXY protocol. */
#include "smtpd/proxy_parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/network.h"

#define V1 SPAN("PROXY ")
#define V1_MAX 107
#define V2 SPAN("\r\n\r\n\0\r\nQUIT\n")
#define V2_FIXED 16

/* The beginning of one may be all that has come. */
static bool
may_become(struct span input, struct span signature)
{
	if (input.len < signature.len)
		signature.len = input.len;
	return span_starts(input, signature);
}

/* --- version 1: a line --- */

static bool
take_digits(struct span digits, int family, char ret_text[PROXY_ADDRESS_MAX + 1])
{
	unsigned char bytes[sizeof(struct in6_addr)];
	char text[PROXY_ADDRESS_MAX + 1];

	if (digits.len == 0 || digits.len >= sizeof(text))
		return false;
	(void)snprintf(text, sizeof(text), "%.*s", (int)digits.len, digits.ptr);
	return inet_pton(family, text, bytes) == 1 &&
	    inet_ntop(family, bytes, ret_text, PROXY_ADDRESS_MAX + 1) != NULL;
}

/* No zeros stand before it, which others might take for a sign of octal. */
static bool
is_port(struct span word)
{
	uint64_t port;

	return span_to_u64(word, UINT16_MAX, &port) == 0 && (word.len == 1 || word.ptr[0] != '0');
}

/* "TCP4 192.0.2.1 192.0.2.2 56324 25" */
static bool
read_line(struct span line, struct proxy_header *header)
{
	struct span word[5];
	char destination[PROXY_ADDRESS_MAX + 1];
	int family;

	for (size_t i = 0; i < 5; i++) {
		(void)span_split(&line, ' ', &word[i]);
		/* What stands behind it is left aside. */
		if (i == 0 && span_eq(word[0], SPAN("UNKNOWN")))
			return true;
	}
	family = span_eq(word[0], SPAN("TCP6")) ? AF_INET6 : AF_INET;
	return (family == AF_INET6 || span_eq(word[0], SPAN("TCP4"))) && line.len == 0 &&
	    take_digits(word[1], family, header->address) &&
	    take_digits(word[2], family, destination) &&
	    is_port(word[3]) && is_port(word[4]);
}

static int
parse_v1(struct span input, struct proxy_header *header, size_t *ret_len)
{
	ptrdiff_t lf = span_chr(input, '\n');
	struct span line = span_make(input.ptr, lf < 0 ? input.len : (size_t)lf + 1);

	if (line.len > V1_MAX)
		return -EBADMSG;
	if (lf < 0)
		return 1;
	if (!span_ends(line, SPAN("\r\n")))
		return -EBADMSG;
	*ret_len = line.len;
	line.len -= 2;
	return read_line(span_skip(line, V1.len), header) ? 0 : -EBADMSG;
}

/* --- version 2: bytes --- */

static int
parse_v2(struct span input, struct proxy_header *header, size_t *ret_len)
{
	/* The high nibble is the version. */
	enum { LOCAL = 0x20, PROXY = 0x21 };
	enum { UNSPEC = 0, TCP4 = 0x11, TCP6 = 0x21 };
	const unsigned char *bytes = (const unsigned char *)input.ptr;
	size_t len;

	if (input.len < V2_FIXED)
		return 1;
	len = (size_t)bytes[14] << 8 | bytes[15];
	if ((bytes[12] != LOCAL && bytes[12] != PROXY) || V2_FIXED + len > PROXY_HEADER_MAX)
		return -EBADMSG;
	if (input.len < V2_FIXED + len)
		return 1;
	*ret_len = V2_FIXED + len;
	/* What the proxy cannot tell, as UNKNOWN of version 1. */
	if (bytes[12] == LOCAL || bytes[13] == UNSPEC)
		return 0;
	/* Two addresses and two ports; what else comes (TLVs) is left aside. */
	if (bytes[13] == TCP4 && len >= 12)
		(void)inet_ntop(AF_INET, bytes + V2_FIXED, header->address, sizeof(header->address));
	else if (bytes[13] == TCP6 && len >= 36)
		(void)inet_ntop(AF_INET6, bytes + V2_FIXED, header->address, sizeof(header->address));
	else
		return -EBADMSG;
	return 0;
}

static int
parse(struct span input, struct proxy_header *ret_header, size_t *ret_len)
{
	if (input.len == 0)
		return 1;
	if (may_become(input, V1))
		return input.len < V1.len ? 1 : parse_v1(input, ret_header, ret_len);
	if (may_become(input, V2))
		return input.len < V2.len ? 1 : parse_v2(input, ret_header, ret_len);
	return -EBADMSG;
}

int
proxy_parse(struct span input, struct proxy_header *ret_header, size_t *ret_len)
{
	const char *plain;
	int r;

	*ret_header = (struct proxy_header){ .address = "" };
	*ret_len = 0;
	r = parse(input, ret_header, ret_len);
	/* Proxies with one socket for both have IPv4 clients there as mapped ones. */
	plain = network_plain(ret_header->address);
	if (plain != ret_header->address)
		memmove(ret_header->address, plain, strlen(plain) + 1);
	return r;
}
