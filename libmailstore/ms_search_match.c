/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A compiled search. Each text that is looked for is a needle; the message's texts pass by once, and every needle that is still
 * looked for is searched in each of them that is its own. */
#include "libmailstore/ms_search_match.h"

#include <stdlib.h>

#include "common/date.h"
#include "common/header.h"
#include "common/text_fold.h"
#include "common/xalloc.h"
#include "libmailstore/ms_text_walk.h"

#define NEEDLE_MAX (TEXT_FOLD_GROWTH * (1u << 20))
/* So much is gathered before needles are searched in it, and at least so many times the longest of them: the work stays linear. */
#define WINDOW 16384
#define WINDOW_NEEDLES 4

struct needle {
	const struct ms_search_key *key;
	struct buf folded;
	bool found;  /* in this message */
	bool active; /* looked for in the text at hand */
};

struct ms_match {
	const struct ms_search_key *keys;
	struct needle *needles; /* in the order of the keys */
	size_t needle_count;
	unsigned *keywords; /* their numbers, of the keyword keys in their order */
	size_t keyword_count;
	size_t longest;
	unsigned kinds;         /* enum ms_text_kind that some needle asks for */

	/* the message at hand */
	const struct ms_message *record;
	struct span bytes;      /* NULL pointer: not to be asked */
	bool walked;            /* all needles are decided */
	size_t next_needle, next_keyword;
	struct buf window;
	size_t searched;        /* of the window, by all needles */
	bool any_found;
};

/* --- compiling --- */

static unsigned
kinds_of(unsigned where)
{
	return ((where & MS_IN_FIELD) != 0 ? MS_TEXT_VALUE : 0u) | ((where & MS_IN_HEADER) != 0 ? MS_TEXT_FIELD : 0u) |
	    ((where & MS_IN_BODY) != 0 ? MS_TEXT_INNER | MS_TEXT_PLAIN | MS_TEXT_MARKUP | MS_TEXT_READ : 0u) |
	    ((where & MS_IN_READ) != 0 ? MS_TEXT_PLAIN | MS_TEXT_READ : 0u);
}

static void
count_keys(struct ms_match *match, const struct ms_search_key *key)
{
	for (; key != NULL; key = key->next) {
		match->needle_count += key->kind == MS_SEARCH_TEXT;
		match->keyword_count += key->kind == MS_SEARCH_KEYWORD;
		count_keys(match, key->children);
	}
}

static void
take_needles(struct ms_match *match, const struct ms_search_key *key)
{
	for (; key != NULL; key = key->next) {
		if (key->kind == MS_SEARCH_TEXT) {
			struct needle *needle = &match->needles[match->next_needle++];

			*needle = (struct needle){ .key = key, .folded = BUF_INIT(NEEDLE_MAX) };
			text_fold(span_make(key->text, key->text_len), &needle->folded);
			if (needle->folded.len > match->longest)
				match->longest = needle->folded.len;
			match->kinds |= kinds_of(key->where);
		}
		take_needles(match, key->children);
	}
}

struct ms_match *
ms_match_new(const struct ms_search_key *keys)
{
	struct ms_match *match = xcalloc(1, sizeof(*match));
	size_t window;

	match->keys = keys;
	count_keys(match, keys);
	match->needles = xcalloc(match->needle_count + 1, sizeof(match->needles[0]));
	match->keywords = xcalloc(match->keyword_count + 1, sizeof(match->keywords[0]));
	take_needles(match, keys);
	window = WINDOW + WINDOW_NEEDLES * match->longest;
	match->window = BUF_INIT(2 * window + TEXT_FOLD_GROWTH * (256u << 10));
	return match;
}

void
ms_match_free(struct ms_match *match)
{
	if (match == NULL)
		return;
	for (size_t i = 0; i < match->needle_count; i++)
		buf_free(&match->needles[i].folded);
	free(match->needles);
	free(match->keywords);
	buf_free(&match->window);
	free(match);
}

static void
take_keywords(struct ms_match *match, const struct ms_search_key *key, const char *(*name_of)(void *, unsigned), void *context)
{
	const char *name;

	for (; key != NULL; key = key->next) {
		if (key->kind == MS_SEARCH_KEYWORD) {
			unsigned n = 0;

			while ((name = name_of(context, n)) != NULL && !span_ieq(span_make(key->text, key->text_len), span_of(name)))
				n++;
			match->keywords[match->next_keyword++] = name != NULL ? n : MS_KEYWORD_NONE;
		}
		take_keywords(match, key->children, name_of, context);
	}
}

void
ms_match_keywords(struct ms_match *match, const char *(*name_of)(void *context, unsigned n), void *context)
{
	match->next_keyword = 0;
	take_keywords(match, match->keys, name_of, context);
}

/* --- texts --- */

static bool
wants(const struct needle *needle, enum ms_text_kind kind, struct span name)
{
	unsigned where = needle->key->where;

	return (kinds_of(where) & (unsigned)kind) != 0 &&
	    (kind != MS_TEXT_VALUE || span_ieq(name, span_make(needle->key->field, needle->key->field_len)));
}

static void
found(struct ms_match *match, struct needle *needle)
{
	needle->found = match->any_found = true;
	needle->active = false;
}

static bool
on_begin(void *context, enum ms_text_kind kind, struct span name)
{
	struct ms_match *match = context;
	bool any = false;

	buf_clear(&match->window);
	match->searched = 0;
	for (size_t i = 0; i < match->needle_count; i++) {
		struct needle *needle = &match->needles[i];

		needle->active = !needle->found && wants(needle, kind, name);
		if (needle->active && needle->folded.len == 0)
			found(match, needle);
		any = any || needle->active;
	}
	return any || match->any_found;
}

/* Searches what came since the last time, and what a needle may have begun in before. */
static bool
search_window(struct ms_match *match)
{
	struct span window = buf_get(&match->window);
	size_t keep = match->longest > 0 ? match->longest - 1 : 0;
	bool any = false;

	for (size_t i = 0; i < match->needle_count; i++) {
		struct needle *needle = &match->needles[i];
		size_t from;

		if (!needle->active)
			continue;
		from = match->searched > needle->folded.len - 1 ? match->searched - (needle->folded.len - 1) : 0;
		if (window.len - from >= needle->folded.len &&
		    memmem(window.ptr + from, window.len - from, needle->folded.data, needle->folded.len) != NULL)
			found(match, needle);
		any = any || needle->active;
	}
	if (window.len > keep)
		buf_drop(&match->window, window.len - keep);
	match->searched = match->window.len;
	return any;
}

static bool
on_piece(void *context, struct span folded)
{
	struct ms_match *match = context;

	(void)buf_span(&match->window, folded);
	return match->window.len < WINDOW + WINDOW_NEEDLES * match->longest || search_window(match);
}

static enum ms_verdict evaluate_list(struct ms_match *match, const struct ms_search_key *key, bool all);

static enum ms_verdict
verdict(struct ms_match *match)
{
	match->next_needle = match->next_keyword = 0;
	return evaluate_list(match, match->keys, true);
}

/* Nothing more is read once the message is decided. */
static bool
on_end(void *context)
{
	struct ms_match *match = context;

	if (match->window.len > match->searched)
		(void)search_window(match);
	if (!match->any_found)
		return true;
	match->any_found = false;
	return verdict(match) == MS_OPEN;
}

/* --- one key --- */

static bool
in_uids(const struct ms_search_key *key, uint32_t uid)
{
	size_t low = 0, high = key->uid_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (key->uids[middle].last < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < key->uid_count && key->uids[low].first <= uid;
}

static enum ms_verdict
is_sent(const struct ms_match *match, const struct ms_search_key *key)
{
	struct span header;
	struct header_field field;
	struct date date;
	int64_t day;

	if (match->bytes.ptr == NULL)
		return MS_OPEN;
	header = span_make(match->bytes.ptr, header_block_size(match->bytes));
	if (!header_find(header, SPAN("Date"), &field) || !date_parse(field.value, &date))
		return MS_NO;
	day = date_local_day(date);
	return day >= key->from && day < key->to ? MS_YES : MS_NO;
}

static bool
is_between(uint64_t number, const struct ms_search_key *key)
{
	return number >= key->low && number <= key->high;
}

static enum ms_verdict
has_text(struct ms_match *match, const struct needle *needle)
{
	if (needle->folded.len == 0 && (needle->key->where & ~(unsigned)MS_IN_FIELD) != 0)
		return MS_YES;
	return needle->found ? MS_YES : match->walked ? MS_NO : MS_OPEN;
}

/* What it has of needles and keywords is counted off in the order of the keys, whatever is decided: so all keys are looked at. */
static enum ms_verdict
evaluate(struct ms_match *match, const struct ms_search_key *key)
{
	const struct ms_message *record = match->record;
	enum ms_verdict one;

	switch (key->kind) {
	case MS_SEARCH_AND:
	case MS_SEARCH_OR:
		return evaluate_list(match, key->children, key->kind == MS_SEARCH_AND);
	case MS_SEARCH_NOT:
		one = evaluate_list(match, key->children, false);
		return one == MS_OPEN ? MS_OPEN : one == MS_YES ? MS_NO : MS_YES;
	case MS_SEARCH_UIDS:
		return in_uids(key, record->uid) ? MS_YES : MS_NO;
	case MS_SEARCH_FLAGS:
		return (record->flags & key->flags) != 0 ? MS_YES : MS_NO;
	case MS_SEARCH_KEYWORD:
		return ms_keywords_have(&record->keywords, match->keywords[match->next_keyword++]) ? MS_YES : MS_NO;
	case MS_SEARCH_RECEIVED:
		return record->internal_date >= key->from && record->internal_date < key->to ? MS_YES : MS_NO;
	case MS_SEARCH_SAVED:
		return record->save_date >= key->from && record->save_date < key->to ? MS_YES : MS_NO;
	case MS_SEARCH_SENT:
		return is_sent(match, key);
	case MS_SEARCH_SIZE:
		return is_between(record->size, key) ? MS_YES : MS_NO;
	case MS_SEARCH_MODSEQ:
		return is_between(record->modseq, key) ? MS_YES : MS_NO;
	case MS_SEARCH_EMAIL:
		return is_between(record->email_id, key) ? MS_YES : MS_NO;
	case MS_SEARCH_THREAD:
		return is_between(record->thread_id, key) ? MS_YES : MS_NO;
	case MS_SEARCH_TEXT:
		break;
	}
	return has_text(match, &match->needles[match->next_needle++]);
}

/* All of them, or one of them. */
static enum ms_verdict
evaluate_list(struct ms_match *match, const struct ms_search_key *key, bool all)
{
	enum ms_verdict end = all ? MS_NO : MS_YES, result = all ? MS_YES : MS_NO;

	for (; key != NULL; key = key->next) {
		enum ms_verdict one = evaluate(match, key);

		if (one == end || (one == MS_OPEN && result != end))
			result = one;
	}
	return result;
}

enum ms_verdict
ms_match_record(struct ms_match *match, const struct ms_message *record)
{
	match->record = record;
	match->bytes = SPAN_NULL;
	match->walked = false;
	for (size_t i = 0; i < match->needle_count; i++)
		match->needles[i].found = false;
	return verdict(match);
}

bool
ms_match_bytes(struct ms_match *match, const struct ms_message *record, struct span bytes)
{
	const struct ms_text_sink sink = { match, on_begin, on_piece, on_end };
	enum ms_verdict result = ms_match_record(match, record);

	match->bytes = bytes.ptr != NULL ? bytes : SPAN("");
	match->any_found = false;
	if (result == MS_OPEN)
		result = verdict(match); /* the date may be all that was open */
	if (result == MS_OPEN)
		ms_text_walk(match->bytes, match->kinds, &sink);
	match->walked = true;
	return verdict(match) == MS_YES;
}

/* --- what an index may say --- */

static void *candidates_of(const struct ms_match *match, const struct ms_search_key *key, size_t *needle, bool all,
    const struct ms_match_sets *sets);

static void
count_needles(const struct ms_search_key *key, size_t *needle)
{
	for (; key != NULL; key = key->next) {
		*needle += key->kind == MS_SEARCH_TEXT;
		count_needles(key->children, needle);
	}
}

static void *
candidates_of_key(const struct ms_match *match, const struct ms_search_key *key, size_t *needle, const struct ms_match_sets *sets)
{
	if (key->kind == MS_SEARCH_TEXT)
		return sets->of_text(sets->context, buf_get(&match->needles[(*needle)++].folded));
	if (key->kind == MS_SEARCH_AND || key->kind == MS_SEARCH_OR)
		return candidates_of(match, key->children, needle, key->kind == MS_SEARCH_AND, sets);
	count_needles(key->children, needle);
	return NULL;
}

static void *
candidates_of(const struct ms_match *match, const struct ms_search_key *key, size_t *needle, bool all, const struct ms_match_sets *sets)
{
	void *result = NULL;
	bool first = true, everybody = false;

	for (; key != NULL; key = key->next, first = false) {
		void *one = candidates_of_key(match, key, needle, sets);

		if (all && one != NULL && result != NULL) {
			result = sets->both(sets->context, result, one);
		} else if (all) {
			result = result != NULL ? result : one;
		} else if (one == NULL || everybody) {
			everybody = true;
			if (one != NULL)
				sets->free(sets->context, one);
			if (result != NULL)
				sets->free(sets->context, result);
			result = NULL;
		} else {
			result = first ? one : sets->either(sets->context, result, one);
		}
	}
	return result;
}

void *
ms_match_candidates(const struct ms_match *match, const struct ms_match_sets *sets)
{
	size_t needle = 0;

	return candidates_of(match, match->keys, &needle, true, sets);
}
