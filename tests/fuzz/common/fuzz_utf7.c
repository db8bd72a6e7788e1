/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Mailbox names: each has one form, and it is the one that is read. */
#include <stdlib.h>

#include "common/utf7.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span name = span_make(data, size);
	struct buf utf8 = BUF_INIT(1 << 20), utf7 = BUF_INIT(1 << 20), again = BUF_INIT(1 << 20);

	if (utf7_decode(name, &utf8) == 0) {
		if (!span_is_utf8(buf_get(&utf8)) || utf7_encode(buf_get(&utf8), &utf7) != 0 || !span_eq(buf_get(&utf7), name))
			abort();
	}
	buf_clear(&utf7);
	if (utf7_encode(name, &utf7) == 0) {
		if (!span_is_ascii(buf_get(&utf7)) || utf7_decode(buf_get(&utf7), &again) != 0 || !span_eq(buf_get(&again), name))
			abort();
	}
	buf_free(&utf8);
	buf_free(&utf7);
	buf_free(&again);
	return 0;
}
