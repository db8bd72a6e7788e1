/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Grams of a text. */
#include "libmailstore/ms_grams.h"

#include "common/text_fold.h"

/* Hangul (in its parts, as it is folded), and from the CJK radicals on. */
static bool
is_dense(uint32_t c)
{
	return (c >= 0x1100 && c < 0x1200) || (c >= 0x2e80 && c < 0x110000);
}

static uint32_t
number(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t all = (a << 42 | b << 21 | c) * 0x9e3779b97f4a7c15u;

	return (uint32_t)((all ^ all >> 29) * 0xbf58476d1ce4e5b9u >> 46);
}

/* Text that is no UTF-8 counts byte by byte, apart from all characters. */
static uint32_t
take_character(struct span *text)
{
	size_t len = text_character(*text);
	const unsigned char *byte = (const unsigned char *)text->ptr;
	uint32_t c = len > 1 ? byte[0] & (0xffu >> (len + 1)) : byte[0] < 0x80 ? byte[0] : 0x110000u + byte[0];

	for (size_t i = 1; i < len; i++)
		c = c << 6 | (byte[i] & 0x3f);
	*text = span_skip(*text, len);
	return c;
}

/* All but the ASCII that stands between words. */
static bool
is_word(uint32_t c)
{
	return c >= 0x80 || ascii_is_alnum((char)c);
}

#define WIDE 7
/* Of the latest seven: the fourth is between words, and the fifth is not. */
#define WIDE_MASK 0x0cu
#define WIDE_BITS 0x04u

static uint32_t
wide_number(const struct ms_grams *grams)
{
	uint64_t all = 0;

	for (size_t i = grams->count - WIDE; i != grams->count; i++)
		all = (all ^ grams->last[i % 8]) * 0x9e3779b97f4a7c15u;
	return MS_GRAMS_WIDE + (uint32_t)((all ^ all >> 29) * 0xbf58476d1ce4e5b9u >> 49);
}

void
ms_grams_feed(struct ms_grams *grams, struct span folded, ms_gram_fn each, void *context)
{
	while (folded.len != 0) {
		uint32_t c = take_character(&folded), before = grams->last[(grams->count + 7) % 8];

		if (grams->count >= 1 && is_dense(before) && is_dense(c))
			each(context, number(0x1fffff, before, c));
		else if (grams->count >= 2)
			each(context, number(grams->last[(grams->count + 6) % 8], before, c));
		grams->last[grams->count++ % 8] = c;
		grams->words = (uint8_t)(grams->words << 1 | is_word(c));
		if (grams->count >= WIDE && (grams->words & WIDE_MASK) == WIDE_BITS)
			each(context, wide_number(grams));
	}
}
