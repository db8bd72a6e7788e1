/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What stands in strings: encoded characters (RFC 5228 section 2.4.2.4) and references to variables (RFC 5229 section 3). Pure. */
#ifndef SIEVE_TEXT_H
#define SIEVE_TEXT_H

#include "common/buf.h"

/* Appends the text with "${hex:...}" and "${unicode:...}" replaced. 0, -EINVAL (a Unicode value that is no character), -EMSGSIZE. */
int sieve_decode_characters(struct span text, struct buf *out);

/* A reference in a string: "${name}", "${namespace.name}", "${1}". */
struct sieve_reference {
	struct span before;    /* text that stands before it */
	struct span name_space; /* empty: none */
	struct span name;      /* empty for a match variable */
	uint64_t number;       /* of the match variable */
};
/* Takes text with the next reference off the front. False, and nothing is taken, when there is none any more. */
bool sieve_reference_next(struct span *text, struct sieve_reference *ret);
/* True for a name of a variable. */
bool sieve_is_identifier(struct span name);

#endif
