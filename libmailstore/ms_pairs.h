/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Pairs of numbers in order, as bytes: what a record of a set (ms_set.h) has. Pure. */
#ifndef LIBMAILSTORE_MS_PAIRS_H
#define LIBMAILSTORE_MS_PAIRS_H

#include "common/buf.h"

struct ms_pair {
	uint64_t a, b;
};
/* -1, 0, 1. */
int ms_pair_compare(const struct ms_pair *x, const struct ms_pair *y);

/* So many pairs a record has at most. */
#define MS_PAIRS_MAX 64
struct ms_pairs {
	struct ms_pair list[MS_PAIRS_MAX + 1]; /* one more, before it is divided */
	size_t count;
};
/* What b is near to: the b before it, or its own a. */
enum ms_pairs_near { MS_NEAR_LAST, MS_NEAR_OWN };

/* Appends the record. No pair is below the first, which its key has. */
void ms_pairs_put(const struct ms_pair *list, size_t count, const struct ms_pair *first, enum ms_pairs_near near, struct buf *out);
/* 0, or MS_E_CORRUPT. */
int ms_pairs_get(struct span record, const struct ms_pair *first, enum ms_pairs_near near, struct ms_pairs *ret);

#endif
