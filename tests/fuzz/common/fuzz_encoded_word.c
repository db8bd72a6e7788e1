/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Encoded words and parameters: decoded text is UTF-8 without controls; encoded again, it decodes to itself on lines of at most 78. */
#include <stdlib.h>

#include "common/encoded_word.h"
#include "common/parameter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static void
check_words(struct span value)
{
	struct buf text = BUF_INIT(1 << 20), field = BUF_INIT(1 << 22), again = BUF_INIT(1 << 20);
	size_t column = 9;

	check(encoded_word_decode(value, &text) == 0);
	check(span_is_utf8(buf_get(&text)));
	for (size_t i = 0; i < text.len; i++)
		check((unsigned char)text.data[i] >= ' ' && text.data[i] != 127);
	check(encoded_word_encode(buf_get(&text), value.len % 2 != 0 ? ENCODED_WORD_TEXT : ENCODED_WORD_PHRASE, &column, &field) == 0);
	check(span_is_ascii(buf_get(&field)));
	check(encoded_word_decode(buf_get(&field), &again) == 0);
	check(span_eq(span_trim(buf_get(&text)), span_trim(buf_get(&again))));
	buf_free(&text);
	buf_free(&field);
	buf_free(&again);
}

static void
check_parameters(struct span value)
{
	struct parameter_list list, raw, again, pieces;

	parameter_list_parse(value, PARAMETER_RAW, &raw);
	parameter_list_parse(value, PARAMETER_DECODED, &list);
	check(list.count <= raw.count && list.count <= PARAMETER_COUNT_MAX && raw.count <= PARAMETER_PIECES_MAX);
	for (size_t i = 0; i < list.count && i < 5; i++) {
		struct buf field = BUF_INIT(1 << 20);
		size_t column = 10;

		check(span_is_utf8(list.items[i].value));
		(void)buf_str(&field, "x/y");
		check(parameter_append(&field, SPAN("name"), list.items[i].value, &column) == 0);
		check(span_is_ascii(buf_get(&field)));
		parameter_list_parse(buf_get(&field), PARAMETER_DECODED, &again);
		parameter_list_parse(buf_get(&field), PARAMETER_RAW, &pieces);
		/* What looks like an encoded word is read as one, and not everything of a very long value. */
		if (span_find(list.items[i].value, SPAN("=?")) < 0 && field.len < PARAMETER_TEXT_MAX && pieces.count < PARAMETER_PIECES_MAX)
			check(again.count == 1 && span_eq(again.items[0].value, list.items[i].value));
		parameter_list_free(&again);
		parameter_list_free(&pieces);
		buf_free(&field);
	}
	parameter_list_free(&list);
	parameter_list_free(&raw);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 1 << 16)
		return 0;
	check_words(span_make(data, size));
	check_parameters(span_make(data, size));
	return 0;
}
