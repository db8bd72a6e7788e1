/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Postings, of one gram and of a group of them, as the index may hold them: refused, or the same again. */
#include <stdlib.h>

#include "libmailstore/ms_text_group.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_group(struct span bytes)
{
	struct ms_text_gram gram, same;
	int last = -1;

	while (ms_text_group_next(&bytes, last, &gram) == 0) {
		uint8_t map[MS_POSTINGS_BYTES] = { 0 }, again[MS_POSTINGS_BYTES] = { 0 };

		last = (int)gram.place;
		if (gram.how == MS_TEXT_OWN || ms_text_gram_get(&gram, map) != 0)
			continue;
		if (ms_text_gram_set(&same, map) && (ms_text_gram_get(&same, again) != 0 || memcmp(map, again, sizeof(map)) != 0))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t map[MS_POSTINGS_BYTES] = { 0 }, again[MS_POSTINGS_BYTES] = { 0 };
	struct buf bytes = BUF_INIT(MS_POSTINGS_BYTES + 1);

	try_group(span_make((const char *)data, size));
	if (ms_postings_get(span_make((const char *)data, size), map) != 0)
		return 0;
	ms_postings_put(map, &bytes);
	if (ms_postings_get(buf_get(&bytes), again) != 0 || memcmp(map, again, sizeof(map)) != 0)
		abort();
	buf_free(&bytes);
	return 0;
}
