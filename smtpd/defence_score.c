/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Items of a verdict, and the field they are told by. */
#include "smtpd/defence_score.h"

#include <errno.h>
#include <stdlib.h>

#include "common/xalloc.h"

/* A line of the field is folded before it gets longer (RFC 5322 section 2.1.1). */
#define COLUMN_MAX 76

void
score_free(struct score *score)
{
	free(score->items);
	*score = (struct score){ 0 };
}

bool
score_has(const struct score *score, struct span name)
{
	for (size_t i = 0; i < score->count; i++)
		if (span_ieq(span_of(score->items[i].name), name))
			return true;
	return false;
}

void
score_add(struct score *score, struct span name, int weight)
{
	struct score_item item = { .weight = weight };

	for (size_t i = 0; i < name.len && i < SCORE_NAME_MAX; i++) {
		char c = name.ptr[i];

		item.name[i] = c > ' ' && c <= '~' && c != ';' && c != '=' ? c : '?';
	}
	if (weight == 0 || score->count >= SCORE_ITEMS_MAX || score_has(score, span_of(item.name)))
		return;
	score->items = xreallocarray(score->items, score->count + 1, sizeof(*score->items));
	score->items[score->count++] = item;
	score->total += weight;
}

void
score_add_all(struct score *score, const struct score *more)
{
	for (size_t i = 0; i < more->count; i++)
		score_add(score, span_of(more->items[i].name), more->items[i].weight);
}

void
score_put_items(const struct score *score, struct buf *out)
{
	for (size_t i = 0; i < score->count; i++)
		(void)buf_fmt(out, "%s%s=%d", i != 0 ? " " : "", score->items[i].name, score->items[i].weight);
}

int
score_put_field(const struct score *score, int junk, struct buf *out)
{
	struct buf field = BUF_INIT(SCORE_FIELD_MAX), item = BUF_INIT(SCORE_NAME_MAX + 16);
	size_t column;
	int r;

	(void)buf_fmt(&field, SCORE_FIELD ": %d/%d", score->total, junk);
	column = field.len;
	for (size_t i = 0; i < score->count; i++) {
		buf_clear(&item);
		(void)buf_fmt(&item, "%s=%d", score->items[i].name, score->items[i].weight);
		if (column + item.len + 3 > COLUMN_MAX) {
			(void)buf_str(&field, ";\r\n\t");
			column = 8;
		} else {
			(void)buf_str(&field, "; ");
			column += 2;
		}
		(void)buf_span(&field, buf_get(&item));
		column += item.len;
	}
	r = buf_put(&field, "\r\n", 2);
	if (r == 0)
		r = buf_span(out, buf_get(&field));
	buf_free(&item);
	buf_free(&field);
	return r;
}

static int
parse_number(struct span text, uint64_t max, int *ret_number)
{
	bool negative = span_starts(text, SPAN("-"));
	uint64_t value;

	if (span_to_u64(negative ? span_skip(text, 1) : text, max, &value) < 0)
		return -EINVAL;
	*ret_number = negative ? -(int)value : (int)value;
	return 0;
}

int
score_weight_parse(struct span text, int *ret_weight)
{
	return parse_number(text, SCORE_WEIGHT_MAX, ret_weight);
}

/* One "name=weight". */
static int
parse_item(struct span text, struct score *score)
{
	struct span name;
	int weight;

	if (!span_split(&text, '=', &name) || name.len == 0 || score_weight_parse(text, &weight) < 0)
		return -EINVAL;
	score_add(score, name, weight);
	return 0;
}

int
score_parse(struct span value, struct score *ret_score, int *ret_junk)
{
	struct score score = { 0 };
	struct span part, total;
	int r = 0, sum, junk = 0;

	if (value.len > SCORE_FIELD_MAX)
		return -EINVAL;
	(void)span_split(&value, ';', &part);
	part = span_trim(part);
	(void)span_split(&part, '/', &total);
	if (score_weight_parse(part, &junk) < 0 || junk < 0 || parse_number(total, SCORE_ITEMS_MAX * SCORE_WEIGHT_MAX, &sum) < 0)
		r = -EINVAL;
	while (r == 0 && span_split(&value, ';', &part))
		r = parse_item(span_trim(part), &score);
	if (r < 0) {
		score_free(&score);
		return r;
	}
	score.total = sum;
	*ret_score = score;
	*ret_junk = junk;
	return 0;
}

int
score_percent(int total, int junk)
{
	if (junk <= 0 || total <= 0)
		return 0;
	return total >= junk ? 100 : total * 100 / junk;
}
