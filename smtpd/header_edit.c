/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Fields added to a header block, changed and removed. */
#include "smtpd/header_edit.h"

#include <errno.h>

#include "common/header.h"

/* Puts bytes in the place of others. */
static int
splice(struct buf *block, size_t at, size_t len, struct span bytes)
{
	struct buf made = BUF_INIT(block->max);
	int r = buf_put(&made, block->data, at);

	if (r == 0)
		r = buf_span(&made, bytes);
	if (r == 0)
		r = buf_span(&made, span_skip(buf_get(block), at + len));
	if (r == 0) {
		buf_clear(block);
		r = buf_span(block, buf_get(&made));
	}
	buf_free(&made);
	return r;
}

static int
put_field(struct buf *block, size_t at, size_t len, struct span name, struct span value)
{
	struct buf field = BUF_INIT(block->max);
	int r = header_append(&field, name, span_trim(value));

	if (r == 0)
		r = splice(block, at, len, buf_get(&field));
	buf_free(&field);
	return r;
}

/* Where the fields end. */
static size_t
fields_end(const struct buf *block)
{
	struct span bytes = buf_get(block);

	return span_ends(bytes, SPAN("\r\n\r\n")) || span_eq(bytes, SPAN("\r\n")) ? bytes.len - 2 : bytes.len;
}

int
header_edit_add(struct buf *block, struct span name, struct span value)
{
	return put_field(block, fields_end(block), 0, name, value);
}

int
header_edit_insert(struct buf *block, size_t index, struct span name, struct span value)
{
	struct header_field field;
	struct header_iter iter;

	header_begin(&iter, buf_get(block));
	while (header_next(&iter, &field))
		if (index-- == 0)
			return put_field(block, field.at, 0, name, value);
	return header_edit_add(block, name, value);
}

int
header_edit_change(struct buf *block, size_t index, struct span name, struct span value)
{
	struct header_field field;
	struct header_iter iter;

	header_begin(&iter, buf_get(block));
	while (header_next(&iter, &field)) {
		if (!span_ieq(field.name, name) || (index > 1 && index-- != 0))
			continue;
		return value.len == 0 ? splice(block, field.at, field.whole.len, SPAN_NULL) :
					put_field(block, field.at, field.whole.len, name, value);
	}
	return value.len == 0 ? 0 : header_edit_add(block, name, value);
}
