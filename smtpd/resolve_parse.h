/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The answer section of a DNS message (RFC 1035 section 4), as far as mail needs it: MX, A and AAAA. Pure. */
#ifndef SMTPD_RESOLVE_PARSE_H
#define SMTPD_RESOLVE_PARSE_H

#include <stdint.h>

#include "common/span.h"
#include "smtpd/resolve.h"

enum resolve_type { RESOLVE_A = 1, RESOLVE_MX = 15, RESOLVE_AAAA = 28 };

/* Records of an answer that are looked at; others are passed over. */
#define RESOLVE_RECORDS_MAX 256

struct resolve_record {
	uint16_t preference;                 /* of MX */
	char name[RESOLVE_NAME_MAX + 1];     /* of MX: lower case, without the final dot; empty for the root */
	struct resolve_address address;      /* of A and AAAA */
};

/* Calls each for every record of that type, whoever owns it (the resolver has followed aliases). Records that hold no usable host
 * name are left out. The response code (0 NOERROR, 2 SERVFAIL, 3 NXDOMAIN, ...), or -EBADMSG. */
typedef void (*resolve_each)(void *context, const struct resolve_record *record);
int resolve_parse(struct span packet, enum resolve_type type, resolve_each each, void *context);

#endif
