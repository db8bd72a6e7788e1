/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A label, LF, bytes: the result is UTF-8 without NUL, and the same in pieces. */
#include <stdlib.h>

#include "common/charset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT(1 << 22), pieces = BUF_INIT(1 << 22), small = BUF_INIT(16);
	struct span bytes = span_make(data, size), label;
	struct charset_decoder decoder;
	int r;

	(void)span_split(&bytes, '\n', &label);
	r = charset_to_utf8(label, bytes, &whole);
	if (r < 0 || !span_is_utf8(buf_get(&whole)) || span_chr(buf_get(&whole), '\0') >= 0)
		abort();
	(void)charset_to_utf8(label, bytes, &small);
	if (!span_is_utf8(buf_get(&small)) || !span_starts(buf_get(&whole), buf_get(&small)))
		abort();
	if (charset_decoder_init(&decoder, label) != r)
		abort();
	while (bytes.len != 0)
		(void)charset_decoder_feed(&decoder, span_take(&bytes, 1 + size % 7), &pieces);
	(void)charset_decoder_finish(&decoder, &pieces);
	charset_decoder_free(&decoder);
	if (!span_eq(buf_get(&whole), buf_get(&pieces)))
		abort();
	buf_free(&whole);
	buf_free(&pieces);
	buf_free(&small);
	return 0;
}
