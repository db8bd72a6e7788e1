/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Parameters of Content-Type and Content-Disposition, read. */
#include "common/parameter.h"

#include <stdlib.h>

#include "common/charset.h"
#include "common/encoded_word.h"
#include "common/header.h"
#include "common/xalloc.h"

#define SECTION_NONE UINT32_MAX

/* One parameter as the field has it; offsets in `text` while that may still move. */
struct raw {
	size_t name, name_len, value, value_len;
};

struct raw_list {
	struct raw *items;
	size_t count, room;
	struct buf text;
};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* To the first ";" that stands in no comment and no quoted-string. */
static void
skip_to_semicolon(struct span *text)
{
	bool quoted = false;
	unsigned depth = 0;
	size_t i = 0;

	for (; i < text->len; i++) {
		char c = text->ptr[i];

		if (c == '\\' && (quoted || depth > 0))
			i++;
		else if (c == '"' && depth == 0)
			quoted = !quoted;
		else if (c == '(' && !quoted)
			depth++;
		else if (c == ')' && !quoted && depth > 0)
			depth--;
		else if (c == ';' && !quoted && depth == 0)
			break;
	}
	*text = span_skip(*text, i);
}

static void
put(struct buf *out, char c)
{
	if (c != '\0' && c != '\r' && c != '\n')
		(void)buf_char(out, c);
}

/* After the quote; up to the closing one, or the end. */
static void
take_quoted(struct span *text, struct buf *out)
{
	size_t i = 0;

	for (; i < text->len && text->ptr[i] != '"'; i++) {
		if (text->ptr[i] == '\\' && i + 1 < text->len)
			i++;
		put(out, text->ptr[i]);
	}
	*text = span_skip(*text, i + 1);
}

/* What should be a token: all up to ";" or a comment after white space, for many write file names with spaces and brackets bare. */
static void
take_bare(struct span *text, struct buf *out)
{
	size_t i = 0;
	struct span value;

	while (i < text->len && text->ptr[i] != ';' && !(text->ptr[i] == '(' && i > 0 && is_space(text->ptr[i - 1])))
		i++;
	value = span_trim(span_take(text, i));
	for (i = 0; i < value.len; i++)
		put(out, value.ptr[i]);
}

static bool
is_name_char(char c)
{
	return c > ' ' && c < 127 && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

/* One `name=value`. False when there is none at the front; text then stands at what is not understood. */
static bool
take_parameter(struct span *text, struct raw_list *list)
{
	struct raw *raw;
	struct buf *out = &list->text;
	struct span rest = *text, name;
	size_t len = 0;

	while (len < rest.len && is_name_char(rest.ptr[len]))
		len++;
	name = span_take(&rest, len);
	header_skip_cfws(&rest);
	if (name.len == 0 || rest.len == 0 || rest.ptr[0] != '=')
		return false;
	rest = span_skip(rest, 1);
	header_skip_cfws(&rest);
	if (list->count == list->room) {
		list->room = list->room == 0 ? 8 : 2 * list->room;
		list->items = xreallocarray(list->items, list->room, sizeof(list->items[0]));
	}
	raw = &list->items[list->count];
	raw->name = out->len;
	(void)buf_span(out, name);
	raw->name_len = out->len - raw->name;
	raw->value = out->len;
	if (rest.len != 0 && rest.ptr[0] == '"') {
		rest = span_skip(rest, 1);
		take_quoted(&rest, out);
	} else {
		take_bare(&rest, out);
	}
	raw->value_len = out->len - raw->value;
	list->count += !out->overflow;
	*text = rest;
	return true;
}

static void
parse_raw(struct span value, struct raw_list *list)
{
	*list = (struct raw_list){ .text = BUF_INIT(PARAMETER_TEXT_MAX) };
	if (value.len > PARAMETER_TEXT_MAX)
		value.len = PARAMETER_TEXT_MAX;
	skip_to_semicolon(&value);
	while (value.len != 0 && list->count < PARAMETER_PIECES_MAX && !list->text.overflow) {
		if (value.ptr[0] == ';') {
			value = span_skip(value, 1);
			header_skip_cfws(&value);
			continue;
		}
		/* Some forget the ";" after a quoted-string: a name may follow at once. */
		if (!take_parameter(&value, list))
			skip_to_semicolon(&value);
		header_skip_cfws(&value);
	}
}

/* --- RFC 2231 --- */

/* "name", "name*", "name*3", "name*3*" taken apart. */
struct segment {
	struct span base, value;
	uint32_t section; /* SECTION_NONE: not continued */
	bool extended;
	bool first;       /* of this name */
};

struct segments {
	struct segment *items;   /* as the field has them */
	struct segment **sorted; /* by name, section, place in the field */
	size_t count;
};

static struct segment
segment_of(const struct raw_list *list, const struct raw *raw)
{
	struct segment segment = { .section = SECTION_NONE };
	struct span name = span_make(list->text.data + raw->name, raw->name_len), number;
	uint64_t section;
	ptrdiff_t star;

	segment.value = span_make(list->text.data + raw->value, raw->value_len);
	segment.base = name;
	star = span_chr(name, '*');
	if (star <= 0)
		return segment;
	number = span_skip(name, (size_t)star + 1);
	if (number.len == 0 || span_ends(number, SPAN("*"))) {
		segment.extended = true;
		number.len -= number.len != 0;
	}
	if (number.len != 0) {
		if (span_to_u64(number, PARAMETER_PIECES_MAX, &section) != 0 || (number.len > 1 && number.ptr[0] == '0')) {
			segment.extended = false;
			return segment;
		}
		segment.section = (uint32_t)section;
	}
	segment.base.len = (size_t)star;
	return segment;
}

static void
percent_decode(struct span text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == '%' && text.len - i > 2 && ascii_hex(text.ptr[i + 1]) >= 0 && ascii_hex(text.ptr[i + 2]) >= 0) {
			c = (char)(ascii_hex(text.ptr[i + 1]) << 4 | ascii_hex(text.ptr[i + 2]));
			i += 2;
		}
		(void)buf_char(out, c);
	}
}

/* charset'language' at the front of the first extended value. */
static struct span
take_charset(struct span *value)
{
	struct span rest = *value, charset;
	ptrdiff_t quote = span_chr(rest, '\'');

	if (quote < 0)
		return SPAN_NULL;
	charset = span_take(&rest, (size_t)quote);
	rest = span_skip(rest, 1);
	quote = span_chr(rest, '\'');
	if (quote < 0)
		return SPAN_NULL;
	*value = span_skip(rest, (size_t)quote + 1);
	return charset;
}

static int
compare_places(struct span base, uint32_t section, const struct segment *b)
{
	size_t len = base.len < b->base.len ? base.len : b->base.len;
	int r = strncasecmp(base.ptr, b->base.ptr, len);

	if (r == 0)
		r = (base.len > b->base.len) - (base.len < b->base.len);
	return r != 0 ? r : (section > b->section) - (section < b->section);
}

static int
compare_segments(const void *a, const void *b)
{
	const struct segment *x = *(const struct segment *const *)a, *y = *(const struct segment *const *)b;
	int r = compare_places(x->base, x->section, y);

	return r != 0 ? r : (x > y) - (x < y);
}

static void
sort_segments(struct segments *list)
{
	struct segment *first = NULL;

	for (size_t i = 0; i < list->count; i++)
		list->sorted[i] = &list->items[i];
	if (list->count > 1)
		qsort(list->sorted, list->count, sizeof(list->sorted[0]), compare_segments);
	for (size_t i = 0; i < list->count; i++) {
		if (i == 0 || !span_ieq(list->sorted[i]->base, list->sorted[i - 1]->base)) {
			if (first != NULL)
				first->first = true;
			first = list->sorted[i];
		} else if (list->sorted[i] < first) {
			first = list->sorted[i];
		}
	}
	if (first != NULL)
		first->first = true;
}

/* The first segment of this parameter in the field, or NULL. extended < 0: either form. */
static const struct segment *
find_segment(const struct segments *list, struct span base, uint32_t section, int extended)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_places(base, section, list->sorted[middle]) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < list->count && compare_places(base, section, list->sorted[low]) == 0; low++)
		if (extended < 0 || list->sorted[low]->extended == (extended != 0))
			return list->sorted[low];
	return NULL;
}

static void
decode_continued(const struct segments *list, struct span base, struct buf *out)
{
	struct buf bytes = BUF_INIT(PARAMETER_TEXT_MAX);
	struct span charset = SPAN_NULL;

	for (uint32_t section = 0;; section++) {
		const struct segment *found = find_segment(list, base, section, -1);
		struct segment segment;

		if (found == NULL)
			break;
		segment = *found;
		if (section == 0 && segment.extended)
			charset = take_charset(&segment.value);
		if (segment.extended)
			percent_decode(segment.value, &bytes);
		else
			(void)buf_span(&bytes, segment.value);
	}
	(void)charset_to_utf8(charset, buf_get(&bytes), out);
	buf_free(&bytes);
}

static void
decode_extended(struct span value, struct buf *out)
{
	struct buf bytes = BUF_INIT(PARAMETER_TEXT_MAX);
	struct span charset = take_charset(&value);

	percent_decode(value, &bytes);
	(void)charset_to_utf8(charset, buf_get(&bytes), out);
	buf_free(&bytes);
}

/* The best form of the parameter: RFC 2231 before plain, as RFC 6266 section 4.3 has it. */
static void
decode_value(const struct segments *list, struct span base, struct buf *out)
{
	const struct segment *extended = find_segment(list, base, SECTION_NONE, 1), *plain;
	struct span value;

	if (extended != NULL) {
		decode_extended(extended->value, out);
	} else if (find_segment(list, base, 0, -1) != NULL) {
		decode_continued(list, base, out);
	} else if ((plain = find_segment(list, base, SECTION_NONE, 0)) != NULL) {
		value = plain->value;
		if (span_find(value, SPAN("=?")) >= 0)
			(void)encoded_word_decode(value, out);
		else
			(void)charset_repair(value, out);
	}
}

static void
decode_list(const struct raw_list *raw, struct parameter_list *list)
{
	struct raw places[PARAMETER_COUNT_MAX];
	struct segments segments = { xcalloc(raw->count + 1, sizeof(segments.items[0])), xcalloc(raw->count + 1, sizeof(segments.sorted[0])), raw->count };

	for (size_t i = 0; i < raw->count; i++)
		segments.items[i] = segment_of(raw, &raw->items[i]);
	sort_segments(&segments);
	/* Repairing a byte makes it three. */
	list->text = BUF_INIT(4 * PARAMETER_TEXT_MAX);
	for (size_t i = 0; i < raw->count && list->count < PARAMETER_COUNT_MAX; i++) {
		struct raw *place = &places[list->count];
		struct span base = segments.items[i].base;

		if (!segments.items[i].first)
			continue;
		place->name = list->text.len;
		for (size_t k = 0; k < base.len; k++)
			(void)buf_char(&list->text, ascii_lower(base.ptr[k]));
		place->name_len = list->text.len - place->name;
		place->value = list->text.len;
		decode_value(&segments, base, &list->text);
		place->value_len = list->text.len - place->value;
		list->count += !list->text.overflow;
	}
	free(segments.items);
	free(segments.sorted);
	if (list->count != 0)
		list->items = xcalloc(list->count, sizeof(*list->items));
	for (size_t i = 0; i < list->count; i++) {
		list->items[i].name = span_make(list->text.data + places[i].name, places[i].name_len);
		list->items[i].value = span_make(list->text.data + places[i].value, places[i].value_len);
	}
}

void
parameter_list_parse(struct span value, enum parameter_mode mode, struct parameter_list *ret_list)
{
	struct raw_list raw;

	*ret_list = (struct parameter_list){ 0 };
	parse_raw(value, &raw);
	if (mode == PARAMETER_DECODED) {
		decode_list(&raw, ret_list);
		buf_free(&raw.text);
		free(raw.items);
		return;
	}
	if (raw.count != 0)
		ret_list->items = xcalloc(raw.count, sizeof(*ret_list->items));
	for (size_t i = 0; i < raw.count; i++) {
		ret_list->items[i].name = span_make(raw.text.data + raw.items[i].name, raw.items[i].name_len);
		ret_list->items[i].value = span_make(raw.text.data + raw.items[i].value, raw.items[i].value_len);
	}
	ret_list->count = raw.count;
	ret_list->text = raw.text;
	free(raw.items);
}

void
parameter_list_free(struct parameter_list *list)
{
	free(list->items);
	buf_free(&list->text);
	*list = (struct parameter_list){ 0 };
}

struct span
parameter_get(const struct parameter_list *list, struct span name)
{
	for (size_t i = 0; i < list->count; i++)
		if (span_eq(list->items[i].name, name))
			return list->items[i].value;
	return SPAN_NULL;
}
