/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Header fields in a block of bytes. */
#include "common/header.h"

#include <errno.h>

#include "common/encoded_word.h"

#define LINE_SOFT 78  /* RFC 5322 section 2.1.1 */
#define LINE_HARD 998

static bool
is_wsp(char c)
{
	return c == ' ' || c == '\t';
}

/* The line at the front of text with its end. */
static struct span
first_line(struct span text)
{
	ptrdiff_t newline = span_chr(text, '\n');

	return newline >= 0 ? span_make(text.ptr, (size_t)newline + 1) : text;
}

static bool
is_empty_line(struct span line)
{
	return span_eq(line, SPAN("\n")) || span_eq(line, SPAN("\r\n"));
}

size_t
header_block_size(struct span message)
{
	struct span rest = message;

	while (rest.len != 0) {
		struct span line = first_line(rest);

		rest = span_skip(rest, line.len);
		if (is_empty_line(line))
			return message.len - rest.len;
	}
	return header_fields_size(message);
}

void
header_begin(struct header_iter *iter, struct span block)
{
	if (block.len > HEADER_BLOCK_MAX)
		block.len = HEADER_BLOCK_MAX;
	*iter = (struct header_iter){ block, 0, 0 };
}

static struct span
without_line_end(struct span text)
{
	if (text.len != 0 && text.ptr[text.len - 1] == '\n')
		text.len--;
	if (text.len != 0 && text.ptr[text.len - 1] == '\r')
		text.len--;
	return text;
}

/* RFC 5322 section 3.6.8; white space before the colon is obsolete (section 4.5) but heard. */
static void
split_field(struct header_field *field)
{
	struct span text = without_line_end(field->whole);
	size_t name = 0, colon;

	while (name < text.len && text.ptr[name] > 32 && text.ptr[name] < 127 && text.ptr[name] != ':')
		name++;
	for (colon = name; colon < text.len && is_wsp(text.ptr[colon]);)
		colon++;
	if (name == 0 || colon == text.len || text.ptr[colon] != ':') {
		field->name = SPAN_NULL;
		field->value = text;
		return;
	}
	field->name = span_make(text.ptr, name);
	field->value = span_skip(text, colon + 1);
}

bool
header_next(struct header_iter *iter, struct header_field *ret_field)
{
	struct span rest = span_skip(iter->block, iter->at), line = first_line(rest);
	size_t len = line.len;

	if (iter->fields == HEADER_FIELDS_MAX || rest.len == 0 || is_empty_line(line))
		return false;
	iter->fields++;
	while (len < rest.len && is_wsp(rest.ptr[len]))
		len += first_line(span_skip(rest, len)).len;
	ret_field->whole = span_make(rest.ptr, len);
	ret_field->at = iter->at;
	split_field(ret_field);
	iter->at += len;
	return true;
}

size_t
header_fields_size(struct span block)
{
	struct header_iter iter;
	struct header_field field;

	header_begin(&iter, block);
	while (header_next(&iter, &field))
		if (field.name.len == 0)
			return field.at;
	/* Past the limits nothing is looked at, so nothing there is found to be bad. */
	return block.len;
}

bool
header_find(struct span block, struct span name, struct header_field *ret_field)
{
	struct header_iter iter;
	struct header_field field;

	header_begin(&iter, block);
	while (header_next(&iter, &field)) {
		if (name.len != 0 && span_ieq(field.name, name)) {
			*ret_field = field;
			return true;
		}
	}
	return false;
}

bool
header_find_last(struct span block, struct span name, struct header_field *ret_field)
{
	struct header_iter iter;
	struct header_field field;
	bool found = false;

	header_begin(&iter, block);
	while (header_next(&iter, &field)) {
		if (name.len != 0 && span_ieq(field.name, name)) {
			*ret_field = field;
			found = true;
		}
	}
	return found;
}

int
header_unfold(struct span value, struct buf *out)
{
	char *room;
	size_t len = 0;

	value = span_trim(value);
	room = buf_reserve(out, value.len);
	if (room == NULL)
		return -EMSGSIZE;
	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];

		if (c == '\n' || (c == '\r' && i + 1 < value.len && value.ptr[i + 1] == '\n'))
			continue;
		room[len++] = c == '\r' || c == '\0' ? ' ' : c;
	}
	buf_added(out, len);
	return 0;
}

bool
header_name_is_valid(struct span name)
{
	if (name.len == 0 || name.len > LINE_SOFT - 2)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] <= 32 || name.ptr[i] >= 127 || name.ptr[i] == ':')
			return false;
	return true;
}

/* White space before a word. *ret_fold: it holds a line end, and what follows that is kept alone. False when it holds two, or a bare CR. */
static bool
take_space(struct span *value, struct span *ret_space, bool *ret_fold)
{
	size_t len = 0, after = 0;

	*ret_fold = false;
	while (len < value->len && (is_wsp(value->ptr[len]) || value->ptr[len] == '\r' || value->ptr[len] == '\n')) {
		char c = value->ptr[len++];

		if (is_wsp(c))
			continue;
		if (c == '\r' && (len == value->len || value->ptr[len++] != '\n'))
			return false;
		if (*ret_fold || len == value->len || !is_wsp(value->ptr[len]))
			return false;
		*ret_fold = true;
		after = len;
	}
	*ret_space = span_make(value->ptr + after, len - after);
	*value = span_skip(*value, len);
	return true;
}

static int
append_folded(struct buf *out, struct span value, size_t column)
{
	while (value.len != 0) {
		struct span space, word;
		size_t len = 0;
		bool fold;

		if (!take_space(&value, &space, &fold))
			return -EINVAL;
		while (len < value.len && !is_wsp(value.ptr[len]) && value.ptr[len] != '\r' && value.ptr[len] != '\n') {
			if (value.ptr[len] == '\0')
				return -EINVAL;
			len++;
		}
		word = span_take(&value, len);
		/* The word after the colon stays there: a line of white space alone would end the header for some. */
		if (space.len != 0 && !fold && column > 1 && column + space.len + word.len > LINE_SOFT)
			fold = true;
		if (fold) {
			(void)buf_str(out, "\r\n");
			column = 0;
		}
		column += space.len + word.len;
		if (column > LINE_HARD)
			return -EINVAL;
		(void)buf_span(out, space);
		if (buf_span(out, word) != 0)
			return -EMSGSIZE;
	}
	return 0;
}

int
header_append(struct buf *out, struct span name, struct span value)
{
	size_t before = out->len;
	int r;

	if (!header_name_is_valid(name))
		return -EINVAL;
	value = span_trim(value);
	(void)buf_span(out, name);
	(void)buf_str(out, ": ");
	r = append_folded(out, value, name.len + 2);
	if (r == 0)
		r = buf_str(out, "\r\n");
	if (r != 0)
		buf_truncate(out, before);
	return r;
}

int
header_append_text(struct buf *out, struct span name, struct span text)
{
	size_t before = out->len, column = name.len + 2;
	int r;

	if (!header_name_is_valid(name))
		return -EINVAL;
	(void)buf_span(out, name);
	(void)buf_str(out, ": ");
	r = encoded_word_encode(text, ENCODED_WORD_TEXT, &column, out);
	if (r == 0)
		r = buf_str(out, "\r\n");
	if (r != 0)
		buf_truncate(out, before);
	return r;
}

/* Comments may nest: counted, not recursed. */
void
header_skip_cfws(struct span *text)
{
	unsigned depth = 0;
	size_t i = 0;

	for (; i < text->len; i++) {
		char c = text->ptr[i];

		if (c == '(')
			depth++;
		else if (c == ')' && depth > 0)
			depth--;
		else if (c == '\\' && depth > 0)
			i++;
		else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n')
			break;
	}
	*text = span_skip(*text, i);
}
