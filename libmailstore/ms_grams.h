/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What is characteristic of a text, as numbers: three characters in a row, two of the scripts that write words with few, and seven where
 * a word begins, for two words side by side say more than the letters of both. Pure. */
#ifndef LIBMAILSTORE_MS_GRAMS_H
#define LIBMAILSTORE_MS_GRAMS_H

#include "common/buf.h"

/* Different ones may have the same number: what is found by them is a candidate. Those of seven have the numbers from MS_GRAMS_WIDE on. */
#define MS_GRAMS_WIDE (1u << 18)
#define MS_GRAMS (MS_GRAMS_WIDE + (1u << 15))

/* Zeroed at the beginning of each text. */
struct ms_grams {
	uint32_t last[8]; /* the characters, the latest at count - 1, modulo 8 */
	size_t count;
	uint8_t words;    /* a bit for each, the latest lowest: it may be of a word */
};
/* Calls each for the grams that end in the next piece of a folded text, given in whole characters. A text has all grams of any text within it. */
typedef void (*ms_gram_fn)(void *context, uint32_t gram);
void ms_grams_feed(struct ms_grams *grams, struct span folded, ms_gram_fn each, void *context);

#endif
