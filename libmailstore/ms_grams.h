/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Three characters in a row, and two of the scripts that write words with few, as numbers. Pure. */
#ifndef LIBMAILSTORE_MS_GRAMS_H
#define LIBMAILSTORE_MS_GRAMS_H

#include "common/buf.h"

/* Different ones may have the same number: what is found by them is a candidate. */
#define MS_GRAMS (1u << 18)

/* Zeroed at the beginning of each text. */
struct ms_grams {
	uint32_t before[2];
	unsigned count;
};
/* Calls each for the grams that end in the next piece of a folded text, given in whole characters. */
typedef void (*ms_gram_fn)(void *context, uint32_t gram);
void ms_grams_feed(struct ms_grams *grams, struct span folded, ms_gram_fn each, void *context);

#endif
