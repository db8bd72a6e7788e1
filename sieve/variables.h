/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Variables (RFC 5229): names in any case and their values. */
#ifndef SIEVE_VARIABLES_H
#define SIEVE_VARIABLES_H

#include "common/buf.h"

struct variable {
	struct span name, value; /* both owned */
};

struct variables {
	struct variable *items;
	size_t count;
	size_t bytes; /* that all of this holds */
};

void variables_free(struct variables *variables);
/* The value, borrowed until it is set again, or NULL. */
const struct span *variables_get(const struct variables *variables, struct span name);
/* Copies both; a value past SIEVE_STRING_MAX is cut at a character. 0, or -EMSGSIZE: there are too many variables. */
int variables_set(struct variables *variables, struct span name, struct span value);

/* The modifiers of set (RFC 5229 section 4.1, RFC 5435 section 6): bits of enum sieve_tag. Appends what becomes of the value. */
void variables_modify(uint64_t tags, struct span value, struct buf *out);

#endif
