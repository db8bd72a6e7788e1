/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The table of aliases: whole keys by a hash, patterns in the order of the file. */
#include "frame/aliases.h"

#include <errno.h>
#include <regex.h>
#include <stdlib.h>

#include "common/address.h"
#include "common/address_fold.h"
#include "common/xalloc.h"

struct entry {
	struct alias alias;
	struct entry *next;
	regex_t *expression;
};

struct aliases {
	char *text; /* what targets point into */
	struct entry **table;
	size_t buckets, count;
	struct entry *patterns, **patterns_last;
	size_t pattern_count;
};

static size_t
bucket_of(const struct aliases *aliases, struct span key)
{
	uint32_t hash = 2166136261u;

	/* The keys are the operator's: nobody else makes them fall together. */
	for (size_t i = 0; i < key.len; i++)
		hash = (hash ^ (uint8_t)key.ptr[i]) * 16777619u;
	return (hash ^ hash >> 15) & (aliases->buckets - 1);
}

const struct alias *
aliases_find(const struct aliases *aliases, struct span key)
{
	const struct entry *entry = aliases->table[bucket_of(aliases, key)];

	while (entry != NULL && !span_eq(entry->alias.key, key))
		entry = entry->next;
	return entry != NULL ? &entry->alias : NULL;
}

/* "*" stands for any bytes but "@". What the last one stands for grows until the rest fits: an earlier one need never be looked at
 * again, so that the time is bounded by the product of both lengths. */
static bool
is_like(struct span pattern, struct span name, struct span *ret_star)
{
	size_t p = 0, n = 0, star = SIZE_MAX, from = 0, first = SIZE_MAX;

	*ret_star = SPAN_NULL;
	while (n < name.len || p < pattern.len) {
		if (p < pattern.len && pattern.ptr[p] == '*') {
			star = p++;
			from = n;
			if (first == SIZE_MAX)
				first = star;
		} else if (p < pattern.len && n < name.len && pattern.ptr[p] == name.ptr[n]) {
			p++;
			n++;
		} else if (star != SIZE_MAX && from < name.len && name.ptr[from] != '@') {
			n = ++from;
			p = star + 1;
		} else {
			return false;
		}
		if (star != SIZE_MAX && star == first)
			*ret_star = span_make(name.ptr + star, from - star); /* what stands before it is as long in both */
	}
	return true;
}

const struct alias *
aliases_match(const struct aliases *aliases, const char *name, struct span *ret_star)
{
	struct span whole = span_of(name), local = span_make(name, (size_t)span_rchr(whole, '@'));

	*ret_star = SPAN_NULL;
	for (const struct entry *entry = aliases->patterns; entry != NULL; entry = entry->next)
		if (entry->expression != NULL ? regexec(entry->expression, name, 0, NULL, 0) == 0 :
						is_like(entry->alias.key, span_chr(entry->alias.key, '@') < 0 ? local : whole, ret_star))
			return &entry->alias;
	return NULL;
}

void
aliases_each(const struct aliases *aliases, void (*each)(void *context, const struct alias *alias), void *context)
{
	for (size_t i = 0; i < aliases->buckets; i++)
		for (const struct entry *entry = aliases->table[i]; entry != NULL; entry = entry->next)
			each(context, &entry->alias);
	for (const struct entry *entry = aliases->patterns; entry != NULL; entry = entry->next)
		each(context, &entry->alias);
}

size_t
aliases_count(const struct aliases *aliases)
{
	return aliases->count + aliases->pattern_count;
}

/* --- making it --- */

static void
complain(struct buf *errors, const char *prefix, unsigned line, const char *fault)
{
	(void)buf_fmt(errors, "%s%u: %s\n", prefix, line, fault);
}

/* Without back-references an automaton decides, in time that grows with the name alone; repetitions in numbers would make large
 * ones. */
static const char *
compile(struct span text, regex_t **ret)
{
	char *pattern;
	regex_t *expression;
	int r;

	if (text.len > ALIASES_EXPRESSION_MAX)
		return "the regular expression is too long";
	if (span_chr(text, '{') >= 0)
		return "the regular expression has a { in it";
	for (size_t i = 0; i + 1 < text.len; i++)
		if (text.ptr[i] == '\\' && ascii_is_alnum(text.ptr[++i]))
			return "the regular expression has a \\ before a letter or digit in it";
	pattern = xasprintf("^(%.*s)$", (int)text.len, text.ptr);
	expression = xcalloc(1, sizeof(*expression));
	r = regcomp(expression, pattern, REG_EXTENDED | REG_ICASE | REG_NOSUB);
	free(pattern);
	if (r != 0) {
		free(expression);
		return "that is no regular expression";
	}
	*ret = expression;
	return NULL;
}

/* The domain of a pattern: label by label, for one with a "*" in it is as it stands. */
static void
fold_pattern_domain(struct span domain, struct buf *folded)
{
	struct span label;

	while (span_split(&domain, '.', &label)) {
		if (address_domain_canonical(label, folded) != 0)
			(void)buf_span(folded, label);
		if (domain.len != 0)
			(void)buf_char(folded, '.');
	}
}

/* A name as it is looked for. It was read as an address, which is UTF-8. */
static struct span
fold(struct span text, enum alias_kind kind)
{
	ptrdiff_t at = span_rchr(text, '@');
	struct buf folded = BUF_INIT(ADDRESS_FOLD_ROOM(text.len));
	struct span copy;

	if (kind == ALIAS_WILDCARD && at >= 0) {
		(void)address_fold(span_take(&text, (size_t)at), &folded);
		(void)buf_char(&folded, '@');
		fold_pattern_domain(span_skip(text, 1), &folded);
	} else {
		(void)address_fold(text, &folded);
	}
	copy = span_make(span_dup(buf_get(&folded)), folded.len);
	buf_free(&folded);
	return copy;
}

static void
free_entry(struct entry *entry)
{
	if (entry->expression != NULL)
		regfree(entry->expression);
	free(entry->expression);
	free((char *)(uintptr_t)entry->alias.key.ptr);
	free(entry);
}

static void
grow(struct aliases *aliases)
{
	struct entry **old = aliases->table;
	size_t count = aliases->buckets;

	aliases->buckets = count != 0 ? count * 2 : 64;
	aliases->table = xcalloc(aliases->buckets, sizeof(*aliases->table));
	for (size_t i = 0; i < count; i++)
		while (old[i] != NULL) {
			struct entry *entry = old[i];
			size_t bucket = bucket_of(aliases, entry->alias.key);

			old[i] = entry->next;
			entry->next = aliases->table[bucket];
			aliases->table[bucket] = entry;
		}
	free(old);
}

static const char *
add(struct aliases *aliases, struct entry *entry)
{
	bool is_pattern = entry->alias.kind == ALIAS_WILDCARD || entry->alias.kind == ALIAS_EXPRESSION;
	size_t bucket;

	if (is_pattern && aliases->pattern_count >= ALIASES_PATTERNS_MAX)
		return "there are too many patterns";
	if (entry->alias.kind == ALIAS_EXPRESSION) {
		const char *fault = compile(entry->alias.key, &entry->expression);

		if (fault != NULL)
			return fault;
	}
	if (is_pattern) {
		*aliases->patterns_last = entry;
		aliases->patterns_last = &entry->next;
		aliases->pattern_count++;
		return NULL;
	}
	if (aliases_find(aliases, entry->alias.key) != NULL)
		return "an alias of that name stands before it";
	if (aliases->count >= aliases->buckets)
		grow(aliases);
	bucket = bucket_of(aliases, entry->alias.key);
	entry->next = aliases->table[bucket];
	aliases->table[bucket] = entry;
	aliases->count++;
	return NULL;
}

struct aliases *
aliases_new(struct span text, const char *prefix, struct buf *errors)
{
	struct aliases *aliases = xcalloc(1, sizeof(*aliases));
	struct alias_reader reader = { .line = 0 };
	struct alias_row row;
	const char *fault;
	int r;

	aliases->text = span_dup(text);
	aliases->patterns_last = &aliases->patterns;
	grow(aliases);
	reader.rest = span_make(aliases->text, text.len);
	while ((r = alias_next(&reader, &row, &fault)) <= 0) {
		if (r == 0) {
			struct entry *entry = xcalloc(1, sizeof(*entry));

			entry->alias = (struct alias){ row.kind, row.line, row.kind == ALIAS_EXPRESSION ? span_make(span_dup(row.key), row.key.len) : fold(row.key, row.kind), row.targets };
			fault = add(aliases, entry);
			if (fault != NULL)
				free_entry(entry);
		}
		if (fault != NULL)
			complain(errors, prefix, row.line, fault);
	}
	return aliases;
}

static void
free_list(struct entry *entry)
{
	while (entry != NULL) {
		struct entry *next = entry->next;

		free_entry(entry);
		entry = next;
	}
}

struct aliases *
aliases_free(struct aliases *aliases)
{
	if (aliases == NULL)
		return NULL;
	for (size_t i = 0; i < aliases->buckets; i++)
		free_list(aliases->table[i]);
	free_list(aliases->patterns);
	free(aliases->table);
	free(aliases->text);
	free(aliases);
	return NULL;
}
