/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The worse of two words. */
#include "smtpd/spam_percent.h"

#include "common/header.h"
#include "smtpd/defence_score.h"
#include "smtpd/filter_word_parse.h"

/* -1: it has none. */
static int
score_of(struct span block)
{
	struct header_field field;
	struct score score;
	int junk, percent;

	if (!header_find(block, SPAN(SCORE_FIELD), &field) || score_parse(field.value, &score, &junk) < 0)
		return -1;
	percent = score_percent(score.total, junk);
	score_free(&score);
	return percent;
}

int
spam_percent(struct span block)
{
	int word = filter_word_spam(block), score = score_of(block);

	return word > score ? word : score;
}
