/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The words of filters. A sender may have written any of them himself: the worse counts. */
#include "smtpd/filter_word_parse.h"

#include <stdint.h>

#include "common/header.h"

#define WHOLE_MAX 100000
/* What they call spam, in percent, and infected (RFC 5235). */
#define SPAM 100
#define INFECTED 5

/* "-3.25" in hundredths. False when no number stands there; what is too large for a score is none. */
static bool
take_hundredths(struct span text, int64_t *ret)
{
	struct span digits = text;
	int64_t number = 0;
	size_t decimals = 0;
	bool negative = span_starts(text, SPAN("-")), any = false, point = false;

	if (negative)
		digits = span_skip(text, 1);
	for (size_t i = 0; i < digits.len && decimals < 2; i++) {
		char c = digits.ptr[i];

		if (c == '.' && !point) {
			point = true;
			continue;
		}
		if (c < '0' || c > '9')
			break;
		number = number * 10 + (c - '0');
		decimals += point;
		any = true;
		if (number > WHOLE_MAX * 100)
			return false;
	}
	for (; decimals < 2; decimals++)
		number *= 10;
	*ret = negative ? -number : number;
	return any;
}

/* What stands behind that word. */
static bool
take_behind(struct span text, struct span word, int64_t *ret)
{
	ptrdiff_t at = span_find(text, word);

	return at >= 0 && take_hundredths(span_trim(span_skip(text, (size_t)at + word.len)), ret);
}

/* Short of what makes it spam, which only the filter's own word says. */
static int
percent_of(int64_t score, int64_t required)
{
	if (score <= 0 || required <= 0)
		return 0;
	return score >= required ? 99 : (int)(score * 100 / required);
}

/* "Yes, score=7.9 required=5.0 tests=...", "NO", "Yes". */
static int
read_status(struct span value)
{
	int64_t score, required;

	if (span_istarts(value, SPAN("yes")))
		return SPAM;
	return take_behind(value, SPAN("score="), &score) && take_behind(value, SPAN("required="), &required) ? percent_of(score, required) : 0;
}

/* rspamd: "default: False [3.20 / 15.00]; ...". */
static int
read_result(struct span value)
{
	ptrdiff_t colon = span_chr(value, ':');
	int64_t score, required;

	if (colon < 0 || !take_behind(value, SPAN("["), &score) || !take_behind(value, SPAN("/"), &required))
		return -1;
	return span_istarts(span_trim(span_skip(value, (size_t)colon + 1)), SPAN("true")) ? SPAM : percent_of(score, required);
}

static int
read_virus(struct span value)
{
	return span_istarts(value, SPAN("infected")) ? INFECTED : span_istarts(value, SPAN("clean")) ? 1 : 0;
}

/* rspamd names what it has found, and says nothing else. */
static int
read_found(struct span value)
{
	return value.len != 0 ? INFECTED : 0;
}

struct word {
	struct span field;
	int (*read)(struct span value);
};

static int
worst(struct span block, const struct word *words, size_t count, int none)
{
	struct header_field field;
	struct header_iter iter;
	int found = none;

	header_begin(&iter, block);
	while (header_next(&iter, &field))
		for (size_t i = 0; i < count; i++) {
			int said = span_ieq(field.name, words[i].field) ? words[i].read(span_trim(field.value)) : none;

			if (said > found)
				found = said;
		}
	return found;
}

static const struct word spam_words[] = {
	{ SPAN("X-Spam-Flag"), read_status }, { SPAN("X-Spam-Status"), read_status }, { SPAN("X-Spam"), read_status }, { SPAN("X-Spamd-Result"), read_result },
};
static const struct word virus_words[] = { { SPAN("X-Virus-Status"), read_virus }, { SPAN("X-Virus"), read_found } };
#define COUNT(words) (sizeof(words) / sizeof(*(words)))

static bool
is_word(struct span name, const struct word *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (span_ieq(name, words[i].field))
			return true;
	return false;
}

bool
filter_word_is(struct span name)
{
	return is_word(name, spam_words, COUNT(spam_words)) || is_word(name, virus_words, COUNT(virus_words));
}

bool
filter_word_is_against(struct span field)
{
	return filter_word_spam(field) >= SPAM || filter_word_virus(field) >= INFECTED;
}

int
filter_word_spam(struct span block)
{
	return worst(block, spam_words, COUNT(spam_words), -1);
}

int
filter_word_virus(struct span block)
{
	return worst(block, virus_words, COUNT(virus_words), 0);
}
