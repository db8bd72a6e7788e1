/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Parts of a parsed message: their bytes, parameters and numbers. */
#include <errno.h>

#include "common/mime.h"
#include "common/parameter.h"

#define NUMBERS_MAX (MIME_DEPTH_MAX + 2)

/* An empty message may have no memory. */
static const char *
at(const struct mime_message *message, uint64_t offset)
{
	return message->bytes.len != 0 ? message->bytes.ptr + offset : "";
}

struct span
mime_header(const struct mime_message *message, const struct mime_part *part)
{
	return span_make(at(message, part->header_at), (size_t)part->header_len);
}

struct span
mime_body(const struct mime_message *message, const struct mime_part *part)
{
	return span_make(at(message, part->body_at), (size_t)part->body_len);
}

uint32_t
mime_first_child(const struct mime_message *message, uint32_t index)
{
	return message->parts[index].children != 0 ? index + 1 : MIME_NONE;
}

bool
mime_is(const struct mime_part *part, struct span type, struct span subtype)
{
	return span_ieq(part->type, type) && (subtype.ptr == NULL || span_ieq(part->subtype, subtype));
}

static bool
append_parameter(struct span value, struct span name, struct buf *out)
{
	struct parameter_list list;
	struct span found;

	if (value.ptr == NULL)
		return false;
	parameter_list_parse(value, PARAMETER_DECODED, &list);
	found = parameter_get(&list, name);
	if (found.ptr != NULL)
		(void)buf_span(out, found);
	parameter_list_free(&list);
	return found.ptr != NULL;
}

bool
mime_type_parameter(const struct mime_part *part, struct span name, struct buf *out)
{
	return append_parameter(part->type_value, name, out);
}

bool
mime_disposition_parameter(const struct mime_part *part, struct span name, struct buf *out)
{
	return append_parameter(part->disposition_value, name, out);
}

bool
mime_filename(const struct mime_part *part, struct buf *out)
{
	struct buf name = BUF_INIT(4 * PARAMETER_TEXT_MAX);
	ptrdiff_t slash, backslash;
	struct span text;
	bool there;

	if (!mime_disposition_parameter(part, SPAN("filename"), &name))
		(void)mime_type_parameter(part, SPAN("name"), &name);
	text = span_trim(buf_get(&name));
	slash = span_rchr(text, '/');
	backslash = span_rchr(text, '\\');
	text = span_skip(text, (size_t)((slash > backslash ? slash : backslash) + 1));
	there = text.len != 0 && !span_eq(text, SPAN(".")) && !span_eq(text, SPAN(".."));
	for (size_t i = 0; there && i < text.len; i++)
		(void)buf_char(out, (unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 127 ? '_' : text.ptr[i]);
	buf_free(&name);
	return there;
}

static uint32_t
nth_child(const struct mime_message *message, uint32_t index, uint32_t number)
{
	uint32_t child = mime_first_child(message, index);

	while (child != MIME_NONE && message->parts[child].number != number)
		child = message->parts[child].next;
	return child;
}

uint32_t
mime_find(const struct mime_message *message, const uint32_t *numbers, size_t depth)
{
	uint32_t index = 0;
	bool root = true; /* index is a message that no number has entered yet */

	for (size_t i = 0; i < depth; i++) {
		if (!root && message->parts[index].kind == MIME_MESSAGE) {
			index = mime_first_child(message, index);
			root = true;
		}
		if (message->parts[index].kind == MIME_MULTIPART)
			index = nth_child(message, index, numbers[i]);
		else if (!root || numbers[i] != 1)
			index = MIME_NONE;
		if (index == MIME_NONE)
			return MIME_NONE;
		root = false;
	}
	return index;
}

bool
mime_section(const struct mime_message *message, const uint32_t *numbers, size_t depth, enum mime_section section,
    struct span *ret_bytes)
{
	uint32_t index = mime_find(message, numbers, depth);
	const struct mime_part *part;

	if (index == MIME_NONE)
		return false;
	part = &message->parts[index];
	if (section == MIME_SECTION_MIME || section == MIME_SECTION_ALL) {
		if (depth == 0 && section == MIME_SECTION_MIME)
			return false;
		if (section == MIME_SECTION_MIME)
			*ret_bytes = mime_header(message, part);
		else
			*ret_bytes = depth == 0 ? message->bytes : mime_body(message, part);
		return true;
	}
	if (depth != 0) {
		if (part->kind != MIME_MESSAGE)
			return false;
		part = &message->parts[mime_first_child(message, index)];
	}
	*ret_bytes = section == MIME_SECTION_HEADER ? mime_header(message, part) : mime_body(message, part);
	return true;
}

int
mime_number(const struct mime_message *message, uint32_t index, struct buf *out)
{
	uint32_t numbers[NUMBERS_MAX];
	size_t depth = 0;
	int r = 0;

	for (; index != MIME_NONE && depth < NUMBERS_MAX; index = message->parts[index].parent) {
		const struct mime_part *part = &message->parts[index];

		if (part->parent != MIME_NONE && message->parts[part->parent].kind == MIME_MULTIPART)
			numbers[depth++] = part->number;
		else if (part->kind != MIME_MULTIPART)
			numbers[depth++] = 1;
	}
	for (bool first = true; depth > 0 && r == 0; first = false)
		r = buf_fmt(out, first ? "%u" : ".%u", numbers[--depth]);
	return r;
}

uint32_t
mime_find_number(const struct mime_message *message, struct span number)
{
	uint32_t numbers[NUMBERS_MAX];
	size_t depth = 0;
	struct span part;

	if (span_ends(number, SPAN(".")))
		return MIME_NONE;
	while (span_split(&number, '.', &part)) {
		uint64_t value;

		if (depth == NUMBERS_MAX || span_to_u64(part, MIME_PARTS_MAX, &value) != 0)
			return MIME_NONE;
		numbers[depth++] = (uint32_t)value;
	}
	return mime_find(message, numbers, depth);
}
