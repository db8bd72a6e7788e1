/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Which hosts take mail for a domain, and in which order (RFC 5321 section 5.1, RFC 7505). Pure. */
#ifndef SMTPD_RESOLVE_MX_H
#define SMTPD_RESOLVE_MX_H

#include "smtpd/dns.h"
#include "smtpd/resolve.h"

struct resolve_mx {
	struct resolve_exchanger {
		uint16_t preference;
		char name[RESOLVE_NAME_MAX + 1];
	} records[DNS_RECORDS_MAX];
	size_t count;
};

/* One record of the answer to the question for MX; those that are there already are left out. */
void resolve_mx_add(struct resolve_mx *mx, const struct dns_record *record);

/* Puts the hosts (without addresses yet) into *answer, and its result: RESOLVE_OK, RESOLVE_NULL_MX, RESOLVE_LOOP. Without records
 * the domain itself is its exchanger. Where this host is among them, it and all that are not better than it are left out.
 * Hosts of equal preference are shuffled by `random`, any number. */
void resolve_mx_order(struct resolve_mx *mx, struct span domain, struct span own_name, uint64_t random, struct resolve_answer *answer);

/* All addresses are known or found missing: leaves out hosts without, and sets the result. failed: one of the questions had no
 * answer, for the reason in answer->text. */
void resolve_mx_finish(struct resolve_answer *answer, bool failed);

/* Adds the address of an A or AAAA record, if it is one of a host and there is room. */
void resolve_add_address(struct resolve_host *host, const struct dns_record *record);

#endif
