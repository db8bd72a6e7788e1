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

#endif
