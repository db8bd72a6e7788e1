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

void
ms_grams_feed(struct ms_grams *grams, struct span folded, ms_gram_fn each, void *context)
{
	while (folded.len != 0) {
		uint32_t c = take_character(&folded);

		if (grams->count >= 2)
			each(context, number(grams->before[0], grams->before[1], c));
		if (grams->count >= 1 && is_dense(grams->before[1]) && is_dense(c))
			each(context, number(0x1fffff, grams->before[1], c));
		grams->before[0] = grams->before[1];
		grams->before[1] = c;
		if (grams->count < 2)
			grams->count++;
	}
}
