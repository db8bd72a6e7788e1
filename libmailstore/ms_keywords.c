/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Sets of keywords. Nearly all messages have a few of the first 64: those are bits. The rest is a short list in ascending order. */
#include "libmailstore/ms_keywords.h"

#include "libmailstore/ms_folder.h"

static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
#define BASE (sizeof(alphabet) - 1)

_Static_assert(MS_KEYWORDS_MAX <= BASE * BASE, "two digits tell every keyword");

/* Where the number stands in the list, or would. */
static unsigned
find(const struct ms_keywords *set, unsigned n)
{
	unsigned i = 0;

	while (i < set->more_count && set->more[i] < n)
		i++;
	return i;
}

bool
ms_keywords_have(const struct ms_keywords *set, unsigned n)
{
	unsigned i;

	if (n < MS_KEYWORDS_FIRST)
		return (set->first >> n & 1) != 0;
	i = find(set, n);
	return i < set->more_count && set->more[i] == n;
}

unsigned
ms_keywords_next(const struct ms_keywords *set, unsigned from)
{
	unsigned i;

	if (from < MS_KEYWORDS_FIRST && set->first >> from != 0) {
		while ((set->first >> from & 1) == 0)
			from++;
		return from;
	}
	i = find(set, from);
	return i < set->more_count ? set->more[i] : MS_KEYWORD_NONE;
}

int
ms_keywords_add(struct ms_keywords *set, unsigned n)
{
	unsigned i;

	if (n < MS_KEYWORDS_FIRST) {
		set->first |= UINT64_C(1) << n;
		return 0;
	}
	i = find(set, n);
	if (i < set->more_count && set->more[i] == n)
		return 0;
	if (set->more_count == MS_KEYWORDS_MORE_MAX || n >= MS_KEYWORDS_MAX)
		return MS_E_LIMIT;
	memmove(&set->more[i + 1], &set->more[i], (set->more_count - i) * sizeof(set->more[0]));
	set->more[i] = (uint16_t)n;
	set->more_count++;
	return 0;
}

void
ms_keywords_remove(struct ms_keywords *set, unsigned n)
{
	unsigned i;

	if (n < MS_KEYWORDS_FIRST) {
		set->first &= ~(UINT64_C(1) << n);
		return;
	}
	i = find(set, n);
	if (i == set->more_count || set->more[i] != n)
		return;
	set->more_count--;
	memmove(&set->more[i], &set->more[i + 1], (set->more_count - i) * sizeof(set->more[0]));
}

bool
ms_keywords_equal(const struct ms_keywords *a, const struct ms_keywords *b)
{
	return a->first == b->first && a->more_count == b->more_count && memcmp(a->more, b->more, a->more_count * sizeof(a->more[0])) == 0;
}

bool
ms_keywords_none(const struct ms_keywords *set)
{
	return set->first == 0 && set->more_count == 0;
}

int
ms_keywords_combine(enum ms_store_op op, const struct ms_keywords *before, const struct ms_keywords *given, struct ms_keywords *ret)
{
	int r = 0;

	*ret = op == MS_FLAGS_SET ? *given : *before;
	if (op == MS_FLAGS_ADD) {
		ret->first |= given->first;
		for (unsigned i = 0; r == 0 && i < given->more_count; i++)
			r = ms_keywords_add(ret, given->more[i]);
	} else if (op == MS_FLAGS_REMOVE) {
		ret->first &= ~given->first;
		for (unsigned i = 0; i < given->more_count; i++)
			ms_keywords_remove(ret, given->more[i]);
	}
	return r;
}

/* --- names --- */

void
ms_keywords_to_name(const struct ms_keywords *set, struct ms_name *name, struct buf *text)
{
	name->letters = (uint32_t)(set->first & ((1u << MS_LETTERS) - 1));
	for (unsigned n = ms_keywords_next(set, MS_LETTERS); n != MS_KEYWORD_NONE; n = ms_keywords_next(set, n + 1)) {
		(void)buf_char(text, alphabet[n / BASE]);
		(void)buf_char(text, alphabet[n % BASE]);
	}
	name->beyond = buf_get(text);
}

static unsigned
number_of(const char *at)
{
	ptrdiff_t high = span_chr(span_make(alphabet, BASE), at[0]), low = span_chr(span_make(alphabet, BASE), at[1]);

	return high < 0 || low < 0 ? MS_KEYWORD_NONE : (unsigned)high * (unsigned)BASE + (unsigned)low;
}

void
ms_keywords_from_name(const struct ms_name *name, unsigned count, struct ms_keywords *ret)
{
	ret->first = name->letters & (count < MS_LETTERS ? (1u << count) - 1 : UINT32_MAX);
	ret->more_count = 0;
	for (size_t i = 0; i + 1 < name->beyond.len; i += 2) {
		unsigned n = number_of(name->beyond.ptr + i);

		if (n >= MS_LETTERS && n < count)
			(void)ms_keywords_add(ret, n); /* more than a set can hold no name has room for */
	}
}

bool
ms_keywords_name_exceeds(const struct ms_name *name, unsigned count)
{
	if (count < MS_LETTERS && name->letters >> count != 0)
		return true;
	for (size_t i = 0; i + 1 < name->beyond.len; i += 2) {
		unsigned n = number_of(name->beyond.ptr + i);

		if (n != MS_KEYWORD_NONE && n >= count)
			return true;
	}
	return false;
}
