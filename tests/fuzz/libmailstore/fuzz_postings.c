/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Postings as the index may hold them: refused, or the same again. */
#include <stdlib.h>

#include "libmailstore/ms_postings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t map[MS_POSTINGS_BYTES] = { 0 }, again[MS_POSTINGS_BYTES] = { 0 };
	struct buf bytes = BUF_INIT(MS_POSTINGS_BYTES + 1);

	if (ms_postings_get(span_make(data, size), map) != 0)
		return 0;
	ms_postings_put(map, &bytes);
	if (ms_postings_get(buf_get(&bytes), again) != 0 || memcmp(map, again, sizeof(map)) != 0)
		abort();
	buf_free(&bytes);
	return 0;
}
