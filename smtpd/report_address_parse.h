/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Where reports are to go: rua= of DMARC (RFC 7489 section 6.2) and of TLSRPT (RFC 8460 section 3). Pure. */
#ifndef SMTPD_REPORT_ADDRESS_PARSE_H
#define SMTPD_REPORT_ADDRESS_PARSE_H

#include "common/address.h"

/* RFC 7489 section 6.2 has receivers support two. */
#define REPORT_ADDRESSES_MAX 4

struct report_address {
	char text[ADDRESS_MAX + 1]; /* a mailbox; or https: "https://host:port/path" */
	bool https;
	uint64_t size_max; /* bytes of the report as it is sent; 0: any */
};

/* Reads the list of URIs; what is no mailto: of one plain address, nor https: (where that will do) of a host by its name, is left out. Returns their number. */
size_t report_addresses_parse(struct span text, bool https, struct report_address ret_addresses[static REPORT_ADDRESSES_MAX]);
/* Of one that is https: its host and the path, borrowed from it, and the port. False, which no address is that was read, when it has none. */
bool report_address_split(const struct report_address *address, struct span *ret_host, uint16_t *ret_port, struct span *ret_path);

#endif
