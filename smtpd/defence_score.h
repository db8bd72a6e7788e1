/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What speaks against a client and its message, or for them: named items, each with its weight, and their sum. Pure. */
#ifndef SMTPD_DEFENCE_SCORE_H
#define SMTPD_DEFENCE_SCORE_H

#include "common/buf.h"

/* Items beyond these are left out; a longer name is cut. */
#define SCORE_ITEMS_MAX 32
#define SCORE_NAME_MAX 64
#define SCORE_WEIGHT_MAX 1000
/* Bytes of the field, at most. */
#define SCORE_FIELD_MAX 3072
#define SCORE_FIELD "X-Fourpost-Score"

struct score_item {
	char name[SCORE_NAME_MAX + 1];
	int weight;
};

/* All zero bytes make an empty one. */
struct score {
	struct score_item *items;
	size_t count;
	int total;
};

void score_free(struct score *score);
/* An item; nothing for weight 0, or when that name is there already. What is no printable ASCII, and what parts items, becomes "?". */
void score_add(struct score *score, struct span name, int weight);
void score_add_all(struct score *score, const struct score *more);
bool score_has(const struct score *score, struct span name);
/* Appends "name=weight name=weight". */
void score_put_items(const struct score *score, struct buf *out);
/* Appends the header field, folded: "X-Fourpost-Score: 7/6; early-talk=5; no-reverse-name=2", where 6 is what counts as spam (0:
 * nothing does). 0 or -EMSGSIZE. */
int score_put_field(const struct score *score, int junk, struct buf *out);
/* Reads the field's value. 0, or -EINVAL and nothing to free. */
int score_parse(struct span value, struct score *ret_score, int *ret_junk);
/* How much of what counts as spam it is: 0 to 100. */
int score_percent(int total, int junk);

/* A whole number with its sign, -SCORE_WEIGHT_MAX to SCORE_WEIGHT_MAX. 0 or -EINVAL. */
int score_weight_parse(struct span text, int *ret_weight);

#endif
