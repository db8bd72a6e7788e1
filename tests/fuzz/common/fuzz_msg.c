/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The reader of message bodies: whatever the bytes, fields stay inside them. */
#include <stdint.h>
#include <stdlib.h>

#include "common/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* The first bytes choose the order in which fields are read; the rest is the body. */
	size_t steps = size < 8 ? size : 8;
	struct msg_reader reader = msg_read_span(span_make(data + steps, size - steps));

	for (size_t i = 0; i < steps; i++) {
		struct span text;

		switch (data[i] % 5) {
		case 0: (void)msg_get_u8(&reader); break;
		case 1: (void)msg_get_u16(&reader); break;
		case 2: (void)msg_get_u32(&reader); break;
		case 3: (void)msg_get_u64(&reader); break;
		default:
			text = msg_get_span(&reader);
			if (text.len > size || (text.len != 0 && (text.ptr < (const char *)data || text.ptr + text.len > (const char *)data + size)))
				abort();
		}
	}
	if (msg_done(&reader) && reader.rest.len != 0)
		abort();
	return 0;
}
