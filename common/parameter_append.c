/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Parameters of Content-Type and Content-Disposition, written (RFC 2231 where ASCII does not do). */
#include <errno.h>
#include <stdio.h>

#include "common/charset.h"
#include "common/parameter.h"

#define LINE_MAX_LEN 78
#define CHARSET "utf-8''"

static bool
is_token_char(char c)
{
	return c > ' ' && c < 127 && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

static bool
is_attribute_char(char c)
{
	return is_token_char(c) && strchr("*'%", c) == NULL;
}

static bool
is_token(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!is_token_char(text.ptr[i]))
			return false;
	return text.len != 0;
}

static bool
is_printable(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] < ' ' || text.ptr[i] == 127)
			return false;
	return true;
}

static size_t
cost_of(char c, bool extended)
{
	if (extended)
		return is_attribute_char(c) ? 1 : 3;
	return c == '"' || c == '\\' ? 2 : 1;
}

static int
put_char(struct buf *out, char c, bool extended)
{
	static const char hex[] = "0123456789ABCDEF";

	if (extended && !is_attribute_char(c))
		return buf_put(out, (const char[]){ '%', hex[(unsigned char)c >> 4], hex[(unsigned char)c & 15] }, 3);
	if (!extended && (c == '"' || c == '\\'))
		(void)buf_char(out, '\\');
	return buf_char(out, c);
}

/* The front of text that takes at most room characters; at least one byte. RFC 2231 lets a character be cut in two, yet some cannot
 * read it: UTF-8 is kept whole. */
static struct span
take_fitting(struct span *text, bool extended, size_t room)
{
	size_t len = 0, cost = 0;

	while (len < text->len && cost + cost_of(text->ptr[len], extended) <= room)
		cost += cost_of(text->ptr[len++], extended);
	if (len < text->len) {
		size_t whole = len;

		while (whole > 0 && ((unsigned char)text->ptr[whole] & 0xc0) == 0x80)
			whole--;
		len = whole != 0 ? whole : len;
	}
	return span_take(text, len != 0 ? len : 1);
}

/* "; " or ";" and a new line when the next `len` characters do not fit. */
static int
separate(struct buf *out, size_t len, size_t *column)
{
	bool fold = *column + 2 + len > LINE_MAX_LEN;

	*column = fold ? 1 : *column + 2;
	return buf_str(out, fold ? ";\r\n " : "; ");
}

static int
put_section(struct buf *out, struct span name, const char *middle, bool extended, struct span part)
{
	(void)buf_span(out, name);
	(void)buf_str(out, middle);
	for (size_t i = 0; i < part.len; i++)
		(void)put_char(out, part.ptr[i], extended);
	return buf_str(out, extended ? "" : "\"");
}

static int
append_continued(struct buf *out, struct span name, struct span value, bool extended, size_t *column)
{
	for (unsigned section = 0; value.len != 0; section++) {
		char middle[48];
		size_t before;
		struct span part;

		(void)snprintf(middle, sizeof(middle), extended ? "*%u*=%s" : "*%u=\"%s", section, extended && section == 0 ? CHARSET : "");
		/* The ";" and a space stand on each line as well. */
		before = name.len + strlen(middle) + 3;
		part = take_fitting(&value, extended, before < LINE_MAX_LEN - 12 ? LINE_MAX_LEN - before : 12);
		if (separate(out, LINE_MAX_LEN, column) != 0)
			return -EMSGSIZE;
		before = out->len;
		if (put_section(out, name, middle, extended, part) != 0)
			return -EMSGSIZE;
		*column += out->len - before;
	}
	return 0;
}

static int
append(struct buf *out, struct span name, struct span value, size_t *column)
{
	bool extended = !span_is_ascii(value) || !is_printable(value);
	size_t size = name.len + 1, before;

	if (is_token(value)) {
		size += value.len;
	} else {
		size += extended ? 1 + strlen(CHARSET) : 2;
		for (size_t i = 0; i < value.len; i++)
			size += cost_of(value.ptr[i], extended);
	}
	if (size > LINE_MAX_LEN - 2)
		return append_continued(out, name, value, extended, column);
	if (separate(out, size, column) != 0)
		return -EMSGSIZE;
	before = out->len;
	if (is_token(value)) {
		(void)buf_span(out, name);
		(void)buf_char(out, '=');
		(void)buf_span(out, value);
	} else {
		(void)put_section(out, name, extended ? "*=" CHARSET : "=\"", extended, value);
	}
	*column += out->len - before;
	return out->overflow ? -EMSGSIZE : 0;
}

int
parameter_append(struct buf *out, struct span name, struct span value, size_t *column)
{
	struct buf clean = BUF_INIT(value.len <= SIZE_MAX / 4 ? value.len * 3 : 0);
	int r = charset_repair(value, &clean);

	if (r == 0)
		r = append(out, name, buf_get(&clean), column);
	buf_free(&clean);
	return r;
}
