/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What strings of a script may be, where only some may: for the compiler, which knows constant ones, and the interpreter. Pure. */
#ifndef SIEVE_RUN_PARTS_H
#define SIEVE_RUN_PARTS_H

#include "common/span.h"
#include "sieve/match.h"

/* A field that holds addresses (RFC 5228 section 5.1). */
bool run_is_address_field(struct span name);
bool run_is_date_part(struct span name);
/* "+0100": minutes east of UTC. */
bool run_parse_zone(struct span text, int *ret_minutes);
/* One address, with or without a name before it (RFC 5228 section 2.4.2.3). */
bool run_is_address(struct span text);
/* A list of them (RFC 5230: vacation's :from). */
bool run_is_address_list(struct span text);
/* A flag of IMAP that can be set. */
bool run_is_flag(struct span flag);

#endif
