/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Comparing strings. Comparators that fold fold both sides first; then octets are compared. */
#include "sieve/match.h"

#include "common/text_fold.h"
#include "sieve/sieve.h"

/* What a step pays for; measured, and such that the worst input takes no longer than a step may. */
#define OCTETS_FOLDED 24   /* of ASCII */
#define OCTETS_SEARCHED 64 /* for the first octet of a key */
#define BEGINNINGS 3       /* places where that octet stands, and the rest is compared */
#define OCTETS_COMPARED 1024
#define GLOB_TURNS 6
#define OCTETS_OF_UNICODE 3 /* folded: once for those that there are, once for those that they become */
#define MATCH_STEPS 2       /* of a value and a key, however short */
#define UNFOLD_STEPS 6      /* of an octet, for both ends of a capture */

bool
match_relation_parse(struct span word, enum match_relation *ret)
{
	static const struct span words[] = { SPAN("gt"), SPAN("ge"), SPAN("lt"), SPAN("le"), SPAN("eq"), SPAN("ne") };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (span_ieq(word, words[i])) {
			*ret = (enum match_relation)i;
			return true;
		}
	return false;
}

bool
match_comparator_parse(struct span name, enum match_comparator *ret)
{
	static const struct span names[] = { SPAN("i;ascii-casemap"), SPAN("i;octet"), SPAN("i;ascii-numeric"), SPAN("i;unicode-casemap") };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (span_eq(name, names[i])) {
			*ret = (enum match_comparator)i;
			return true;
		}
	return false;
}

static bool
spend(uint64_t *steps, uint64_t cost)
{
	if (*steps < cost) {
		*steps = 0;
		return false;
	}
	*steps -= cost;
	return true;
}

/* --- wildcards --- */

struct wild {
	struct span value, key;
	bool utf8; /* "?" is a character, not an octet */
	uint64_t *steps;
	unsigned turns; /* since the last step was taken */
	/* Where each wildcard of the key begins and ends in the value. */
	size_t from[CAPTURES_MAX], to[CAPTURES_MAX], count;
};

static size_t
character_len(const struct wild *wild, size_t at)
{
	struct span rest = span_skip(wild->value, at);
	size_t len = wild->utf8 ? text_character(rest) : 1;

	/* Folded text is decomposed: the marks U+0300 to U+036F belong to the letter before them. */
	while (wild->utf8 && len + 1 < rest.len && ((uint8_t)rest.ptr[len] == 0xcc || ((uint8_t)rest.ptr[len] == 0xcd && (uint8_t)rest.ptr[len + 1] < 0xb0)))
		len += 2;
	return len;
}

static void
note(struct wild *wild, size_t number, size_t from, size_t to)
{
	if (number < CAPTURES_MAX) {
		wild->from[number] = from;
		wild->to[number] = to;
	}
}

/* Goes on behind the last "*" alone: whatever stands before it matched as early as it could, and later would not help. So the work is
 * at most the product of both lengths, and the wildcards stand for as little as can be. */
static bool
glob(struct wild *wild)
{
	size_t at = 0, key = 0, number = 0;                        /* in the value, in the key, wildcards so far */
	size_t star_key = SIZE_MAX, star_at = 0, star_number = 0; /* the last "*" */

	for (;;) {
		bool escaped = key + 1 < wild->key.len && wild->key.ptr[key] == '\\';
		char c = key < wild->key.len ? wild->key.ptr[key + escaped] : '\0';

		if (++wild->turns % GLOB_TURNS == 0 && !spend(wild->steps, 1))
			return false;
		if (key == wild->key.len && at == wild->value.len)
			break;
		if (key < wild->key.len && c == '*' && !escaped) {
			star_key = ++key;
			star_at = at;
			star_number = number++;
			note(wild, star_number, at, at);
			continue;
		}
		if (key < wild->key.len && at < wild->value.len && c == '?' && !escaped) {
			size_t len = character_len(wild, at);

			note(wild, number++, at, at + len);
			at += len;
			key++;
			continue;
		}
		if (key < wild->key.len && at < wild->value.len && c == wild->value.ptr[at]) {
			at++;
			key += 1 + escaped;
			continue;
		}
		if (star_key == SIZE_MAX || star_at >= wild->value.len)
			return false;
		star_at += character_len(wild, star_at);
		if (star_number < CAPTURES_MAX)
			wild->to[star_number] = star_at;
		at = star_at;
		key = star_key;
		number = star_number + 1;
	}
	wild->count = number < CAPTURES_MAX ? number : CAPTURES_MAX;
	return true;
}

/* --- comparators --- */

/* Makes both sides such that octets can be compared. */
static struct span
fold(enum match_comparator comparator, struct span text, struct buf *out)
{
	char *room;

	/* To upper case, which orders "_" behind letters (RFC 4790 section 9.2.1, and RFC 5051 by its titlecase). */
	if (comparator == MATCH_UNICODE_CASEMAP) {
		/* A message may be large, or grow much; what does both is left out at its end. */
		buf_init(out, text.len + (text.len < SIEVE_MEMORY_MAX / TEXT_FOLD_GROWTH ? text.len * (TEXT_FOLD_GROWTH - 1) : SIEVE_MEMORY_MAX) + 1);
		text_fold(text, out);
		for (size_t i = 0; i < out->len; i++)
			out->data[i] = ascii_upper(out->data[i]);
		return buf_get(out);
	}
	buf_init(out, text.len + 1);
	room = buf_reserve(out, text.len);
	for (size_t i = 0; i < text.len; i++)
		room[i] = ascii_upper(text.ptr[i]);
	buf_added(out, text.len);
	return buf_get(out);
}

/* The place in the text whose folding is `folded` octets long, or the next one that is the front of a character. */
static size_t
unfold(struct span text, size_t folded)
{
	struct buf piece = BUF_INIT(64 * TEXT_FOLD_GROWTH);
	bool after_cr = false;
	size_t at = 0, len = 0;

	while (at < text.len && len < folded) {
		size_t character = text_character(span_skip(text, at));

		buf_clear(&piece);
		text_fold_piece(span_make(text.ptr + at, character), &after_cr, &piece);
		len += piece.len;
		at += character;
	}
	buf_free(&piece);
	return at;
}

static bool
matches(enum match_comparator comparator, struct span original, struct span value, struct span key, uint64_t *steps, struct captures *captures)
{
	struct wild wild = { .value = value, .key = key, .utf8 = comparator == MATCH_UNICODE_CASEMAP, .steps = steps };

	if (!glob(&wild))
		return false;
	if (captures == NULL)
		return true;
	captures->items[0] = original;
	captures->count = 1;
	for (size_t i = 0; i < wild.count && captures->count < CAPTURES_MAX; i++) {
		size_t from = wild.from[i], to = wild.to[i];

		if (comparator == MATCH_UNICODE_CASEMAP) {
			if (!spend(steps, UNFOLD_STEPS * original.len))
				return false;
			from = unfold(original, from);
			to = unfold(original, to);
		}
		captures->items[captures->count++] = span_make(original.ptr + from, to - from);
	}
	return true;
}

/* The number at the front of a text (RFC 4790 section 9.1); a text without one is beyond all numbers. */
static struct span
digits(struct span text)
{
	size_t len = 0;

	while (len < text.len && ascii_is_digit(text.ptr[len]))
		len++;
	text.len = len;
	while (text.len > 1 && text.ptr[0] == '0')
		text = span_skip(text, 1);
	return text;
}

static int
order(enum match_comparator comparator, struct span a, struct span b)
{
	if (comparator != MATCH_ASCII_NUMERIC)
		return span_compare(a, b);
	a = digits(a);
	b = digits(b);
	if (a.len == 0 || b.len == 0)
		return (b.len != 0) - (a.len != 0);
	return a.len != b.len ? (a.len > b.len) - (a.len < b.len) : span_compare(a, b);
}

static bool
holds(enum match_relation relation, int compared)
{
	switch (relation) {
	case RELATION_GT: return compared > 0;
	case RELATION_GE: return compared >= 0;
	case RELATION_LT: return compared < 0;
	case RELATION_LE: return compared <= 0;
	case RELATION_EQ: return compared == 0;
	case RELATION_NE: return compared != 0;
	}
	return false;
}

/* Counts the places that look like the key, for they, not octets, are what takes time: memmem(3) is as slow as they are many, and does not
 * say so. */
static bool
contains(struct span value, struct span key, uint64_t *steps)
{
	uint64_t cost = 1 + value.len / OCTETS_SEARCHED;
	unsigned beginnings = 0;

	if (key.len == 0)
		return true;
	while (value.len >= key.len && spend(steps, cost)) {
		ptrdiff_t at = span_chr(span_make(value.ptr, value.len - key.len + 1), key.ptr[0]);

		if (at < 0)
			return false;
		value = span_skip(value, (size_t)at);
		if (memcmp(value.ptr, key.ptr, key.len) == 0)
			return true;
		value = span_skip(value, 1);
		cost = (++beginnings % BEGINNINGS == 0) + key.len / OCTETS_COMPARED;
	}
	return false;
}

static bool
compare(const struct match *match, struct span original, struct span value, struct span key, uint64_t *steps, struct captures *captures)
{
	switch (match->type) {
	case MATCH_IS: return order(match->comparator, value, key) == 0;
	case MATCH_CONTAINS: return contains(value, key, steps);
	case MATCH_MATCHES: return matches(match->comparator, original, value, key, steps, captures);
	case MATCH_VALUE:
	case MATCH_COUNT: return holds(match->relation, order(match->comparator, value, key));
	}
	return false;
}

/* SPAN_NULL when there are no steps left. */
static struct span
fold_paid(enum match_comparator comparator, struct span text, uint64_t *steps, struct buf *out)
{
	bool unicode = comparator == MATCH_UNICODE_CASEMAP && !span_is_ascii(text);
	struct span folded = text;

	buf_init(out, 1);
	if (!spend(steps, text.len / (unicode ? OCTETS_OF_UNICODE : OCTETS_FOLDED)))
		return SPAN_NULL;
	if (comparator != MATCH_OCTET && comparator != MATCH_ASCII_NUMERIC)
		folded = fold(comparator, text, out);
	return !unicode || spend(steps, folded.len / OCTETS_OF_UNICODE) ? folded : SPAN_NULL;
}

bool
match_value(const struct match *match, struct span value, const struct span *keys, size_t key_count, uint64_t *steps, struct captures *captures)
{
	struct buf folded_value, folded_key;
	struct span left = fold_paid(match->comparator, value, steps, &folded_value), right;
	bool found = false;

	for (size_t i = 0; i < key_count && *steps != 0 && !found; i++) {
		right = fold_paid(match->comparator, keys[i], steps, &folded_key);
		found = spend(steps, MATCH_STEPS) && compare(match, value, left, right, steps, captures);
		buf_free(&folded_key);
	}
	buf_free(&folded_value);
	return found && *steps != 0;
}
