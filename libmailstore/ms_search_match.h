/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A compiled search: what a message's record decides first, then what its bytes say. Pure. */
#ifndef LIBMAILSTORE_MS_SEARCH_MATCH_H
#define LIBMAILSTORE_MS_SEARCH_MATCH_H

#include "common/buf.h"
#include "libmailstore/mailstore.h"

enum ms_verdict { MS_NO, MS_YES, MS_OPEN };

struct ms_match;
/* The keys are borrowed, see mailstore.h. Never NULL. */
struct ms_match *ms_match_new(const struct ms_search_key *keys);
void ms_match_free(struct ms_match *match);
/* Names of keywords become numbers: n is what name_of(context, n) says, NULL beyond the last. */
void ms_match_keywords(struct ms_match *match, const char *(*name_of)(void *context, unsigned n), void *context);
/* By the record alone; MS_OPEN: its bytes decide. */
enum ms_verdict ms_match_record(struct ms_match *match, const struct ms_message *record);
/* By record and bytes. */
bool ms_match_bytes(struct ms_match *match, const struct ms_message *record, struct span bytes);

/* What must be found somewhere in a message that matches, for an index to say where that may be. Calls `each` for all texts (folded)
 * and combines what it says. False: it did not help. */
struct ms_match_sets {
	void *context;
	/* A new set of those that may have the folded text; NULL: all may. */
	void *(*of_text)(void *context, struct span folded);
	/* The set of both, or of either, in the first; the second is freed. */
	void *(*both)(void *context, void *a, void *b);
	void *(*either)(void *context, void *a, void *b);
	void (*free)(void *context, void *set);
};
/* The set of messages that may match; NULL: all may. */
void *ms_match_candidates(const struct ms_match *match, const struct ms_match_sets *sets);

#endif
