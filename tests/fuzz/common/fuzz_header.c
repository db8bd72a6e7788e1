/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Header blocks: the fields are the block, in order; an unfolded value that can be written reads the same. */
#include <stdlib.h>

#include "common/header.h"
#include "common/message_id.h"
#include "common/subject.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_value(struct span value)
{
	struct buf text = BUF_INIT(1 << 20), field = BUF_INIT(1 << 20), again = BUF_INIT(1 << 20);
	struct header_field parsed;
	struct message_id_list ids;

	if (header_unfold(value, &text) != 0)
		abort();
	if (header_append(&field, SPAN("X"), buf_get(&text)) == 0) {
		if (!header_find(buf_get(&field), SPAN("x"), &parsed) || parsed.whole.len != field.len)
			abort();
		(void)header_unfold(parsed.value, &again);
		if (!span_eq(span_trim(buf_get(&again)), span_trim(buf_get(&text))))
			abort();
	}
	buf_clear(&again);
	(void)subject_base(value, &again, NULL);
	if (!span_is_utf8(buf_get(&again)))
		abort();
	message_id_list_parse(value, &ids);
	message_id_list_free(&ids);
	buf_free(&text);
	buf_free(&field);
	buf_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span block = span_make(data, size);
	struct header_iter iter;
	struct header_field field;
	size_t at = 0;

	if (header_block_size(block) > size || header_fields_size(block) > size)
		abort();
	header_begin(&iter, block);
	while (header_next(&iter, &field)) {
		if (field.at != at || field.whole.ptr != block.ptr + at || field.value.ptr < field.whole.ptr ||
		    field.value.ptr + field.value.len > field.whole.ptr + field.whole.len)
			abort();
		at += field.whole.len;
		check_value(field.value);
	}
	return 0;
}
