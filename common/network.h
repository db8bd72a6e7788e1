/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Networks of addresses in the configuration: "192.0.2.0/24", "2001:db8::/32", "192.0.2.1". Pure. */
#ifndef COMMON_NETWORK_H
#define COMMON_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

struct network {
	uint8_t bytes[16];
	uint8_t len;    /* 4 or 16 */
	uint8_t prefix; /* bits that count */
};

/* 0, or -EINVAL: neither an address nor a network. */
int network_parse(struct span text, struct network *ret_network);
/* The address (in digits) lies in it. */
bool network_holds(const struct network *network, struct span address);

/* An address as inet_ntop writes it; of an IPv4-mapped one of IPv6 (RFC 4291 section 2.5.5.2) the IPv4 address, which is the same host to
 * networks, lists and SPF. Borrowed from digits. */
const char *network_plain(const char *digits);

#endif
