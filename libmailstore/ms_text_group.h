/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Which documents of a block have each of some grams that follow each other, as bytes: most grams are in few documents, and a record for each
 * of them would be larger than all else. Those that are in many have a record of their own. Pure. */
#ifndef LIBMAILSTORE_MS_TEXT_GROUP_H
#define LIBMAILSTORE_MS_TEXT_GROUP_H

#include "libmailstore/ms_postings.h"

/* At most 64. */
#define MS_TEXT_GROUP_EACH 64u
/* The longest gaps within: with two bytes before them, and for each of the grams, they are a fourth of a page. */
#define MS_TEXT_GAPS_MAX 13u

/* How a gram's documents are told: one of the first 256, by a byte; another one, by two, the higher first; several, by gaps (ms_postings.h); or by
 * a record of its own. */
enum ms_text_how { MS_TEXT_NEAR, MS_TEXT_FAR, MS_TEXT_SOME, MS_TEXT_OWN };

struct ms_text_gram {
	unsigned place; /* among those of the group */
	enum ms_text_how how;
	uint8_t len, bytes[MS_TEXT_GAPS_MAX];
};

/* What tells the documents of a map (of one at least) within a group. False: they take too much. */
bool ms_text_gram_set(struct ms_text_gram *gram, const uint8_t map[MS_POSTINGS_BYTES]);
/* Sets them in the map, and leaves the others; of one without a record of its own. 0, or MS_E_CORRUPT. */
int ms_text_gram_get(const struct ms_text_gram *gram, uint8_t map[MS_POSTINGS_BYTES]);

/* Appends the next gram of a group; they are given in the order of their places. */
void ms_text_group_put(const struct ms_text_gram *gram, struct buf *out);
/* Takes the next gram off: 0, MS_E_NOTFOUND (that was all) or MS_E_CORRUPT. Its place is above `last` (-1: at the beginning). */
int ms_text_group_next(struct span *bytes, int last, struct ms_text_gram *ret_gram);

#endif
