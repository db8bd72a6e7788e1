/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What of an https URI may stand in a request of ours. Pure. */
#ifndef SMTPD_HTTPS_URI_PARSE_H
#define SMTPD_HTTPS_URI_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

#define HTTPS_PORT 443

/* "host" or "host:port" (RFC 3986 section 3.2): false when the host is none of https_is_host, or the port no number of one. */
bool https_authority_parse(struct span authority, struct span *ret_host, uint16_t *ret_port);
/* A host's name of letters, digits and hyphens, with a dot: no port, no user, no address. */
bool https_is_host(struct span name);
/* Absolute, with a query perhaps; visible ASCII without "#". */
bool https_is_path(struct span path);

#endif
