/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Match types and comparators (RFC 5228 section 2.7, RFC 4790, RFC 5231). Pure, and bounded by steps of some 20 ns (SIEVE_STEPS_MAX): to
 * look at an octet is a small part of one, but a pattern of m octets may look at each of n octets m times. */
#ifndef SIEVE_MATCH_H
#define SIEVE_MATCH_H

#include "common/buf.h"

enum match_type { MATCH_IS, MATCH_CONTAINS, MATCH_MATCHES, MATCH_VALUE, MATCH_COUNT };
enum match_comparator { MATCH_ASCII_CASEMAP, MATCH_OCTET, MATCH_ASCII_NUMERIC, MATCH_UNICODE_CASEMAP };
enum match_relation { RELATION_GT, RELATION_GE, RELATION_LT, RELATION_LE, RELATION_EQ, RELATION_NE };

struct match {
	enum match_type type;
	enum match_comparator comparator;
	enum match_relation relation; /* of VALUE and COUNT */
};

/* What the wildcards of a pattern stood for: ${1} and so on; ${0} is the whole value. */
#define CAPTURES_MAX 32
struct captures {
	struct span items[CAPTURES_MAX]; /* borrowed from the value */
	size_t count;
};

bool match_relation_parse(struct span word, enum match_relation *ret);
bool match_comparator_parse(struct span name, enum match_comparator *ret);

/* Whether the value matches one of the keys. captures (may be NULL) is set by MATCHES alone, when it matches: each wildcard stands for as
 * little as it can, the first ones first (RFC 5229 section 3.2). *steps is lowered by what it took; at 0 the answer is false. */
bool match_value(const struct match *match, struct span value, const struct span *keys, size_t key_count, uint64_t *steps, struct captures *captures);

#endif
