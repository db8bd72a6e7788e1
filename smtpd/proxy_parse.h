/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The header of the PROXY protocol, versions 1 and 2 (proxy-protocol.txt of HAProxy): the first bytes of
 * a connection, by which a trusted proxy tells whom it speaks for. Pure. */
#ifndef SMTPD_PROXY_PARSE_H
#define SMTPD_PROXY_PARSE_H

#include "common/span.h"

/* Of version 1: 107 octets. Of version 2: what is longer is taken for none. */
#define PROXY_HEADER_MAX 1024
#define PROXY_ADDRESS_MAX 45

struct proxy_header {
	char address[PROXY_ADDRESS_MAX + 1]; /* the client's, as network_plain has it; empty: the proxy
					        speaks for itself (LOCAL, UNKNOWN) */
};

/* 0, *ret_header and *ret_len, the header's length; 1 when more input is needed; -EBADMSG: it is none. */
int proxy_parse(struct span input, struct proxy_header *ret_header, size_t *ret_len);

#endif
