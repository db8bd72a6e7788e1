/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Networks of addresses. */
#include "common/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int
network_parse(struct span text, struct network *ret_network)
{
	struct network network = { .len = 4 };
	char digits[INET6_ADDRSTRLEN];
	struct span address;
	uint64_t prefix;
	bool whole = span_chr(text, '/') < 0;

	(void)span_split(&text, '/', &address);
	if (address.len == 0 || address.len >= sizeof(digits))
		return -EINVAL;
	(void)snprintf(digits, sizeof(digits), "%.*s", (int)address.len, address.ptr);
	if (inet_pton(AF_INET, digits, network.bytes) != 1) {
		network.len = 16;
		if (inet_pton(AF_INET6, digits, network.bytes) != 1)
			return -EINVAL;
	}
	prefix = network.len * 8;
	if (!whole && span_to_u64(text, prefix, &prefix) < 0)
		return -EINVAL;
	network.prefix = (uint8_t)prefix;
	*ret_network = network;
	return 0;
}

bool
network_holds(const struct network *network, struct span address)
{
	struct network one;
	size_t bytes = network->prefix / 8;
	unsigned bits = network->prefix % 8;

	if (network_parse(address, &one) < 0 || one.len != network->len || one.prefix != one.len * 8)
		return false;
	if (memcmp(one.bytes, network->bytes, bytes) != 0)
		return false;
	return bits == 0 || ((one.bytes[bytes] ^ network->bytes[bytes]) >> (8 - bits)) == 0;
}

const char *
network_plain(const char *digits)
{
	static const struct span mapped = SPAN("::ffff:");

	return span_starts(span_of(digits), mapped) && strchr(digits, '.') != NULL ? digits + mapped.len : digits;
}
