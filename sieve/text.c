/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* "${" in strings. What does not have one of the forms stays as it is. */
#include "sieve/text.h"

#include <errno.h>

#define NUMBER_MAX 1000000

/* --- encoded characters --- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void
skip_blank(struct span *text)
{
	while (text->len != 0 && is_blank(text->ptr[0]))
		(void)span_take(text, 1);
}

static int
put_utf8(uint32_t c, struct buf *out)
{
	if (c < 0x80)
		return buf_char(out, (char)c);
	if (c < 0x800)
		return buf_fmt(out, "%c%c", (int)(0xc0 | c >> 6), (int)(0x80 | (c & 63)));
	if (c < 0x10000)
		return buf_fmt(out, "%c%c%c", (int)(0xe0 | c >> 12), (int)(0x80 | (c >> 6 & 63)), (int)(0x80 | (c & 63)));
	return buf_fmt(out, "%c%c%c%c", (int)(0xf0 | c >> 18), (int)(0x80 | (c >> 12 & 63)), (int)(0x80 | (c >> 6 & 63)), (int)(0x80 | (c & 63)));
}

/* One number in hexadecimal; false when there is none, or it has more digits than may be. Beyond Unicode it stays there. */
static bool
take_hex(struct span *text, size_t digits_max, uint32_t *ret)
{
	size_t digits = 0;

	*ret = 0;
	while (text->len != 0 && ascii_hex(text->ptr[0]) >= 0 && digits < digits_max) {
		if (*ret <= 0x10ffff)
			*ret = *ret << 4 | (uint32_t)ascii_hex(span_take(text, 1).ptr[0]);
		else
			(void)span_take(text, 1);
		digits++;
	}
	return digits != 0 && (text->len == 0 || ascii_hex(text->ptr[0]) < 0);
}

/* The sequence at the front. 1: it is one, appended and taken off. 0: it is none. -EINVAL. */
static int
take_encoded(struct span *text, struct buf *out)
{
	bool hex = span_istarts(*text, SPAN("${hex:"));
	struct span rest = *text;
	size_t before = out->len;
	bool valid = true;
	uint32_t c;

	if (!hex && !span_istarts(*text, SPAN("${unicode:")))
		return 0;
	(void)span_take(&rest, hex ? sizeof("${hex:") - 1 : sizeof("${unicode:") - 1);
	skip_blank(&rest);
	do {
		size_t len;

		if (!take_hex(&rest, hex ? 2 : SIZE_MAX, &c)) {
			buf_truncate(out, before);
			return 0;
		}
		valid &= hex || (c <= 0x10ffff && (c < 0xd800 || c > 0xdfff));
		(void)(hex ? buf_char(out, (char)c) : valid ? put_utf8(c, out) : 0);
		len = rest.len;
		skip_blank(&rest);
		if (len == rest.len)
			break;
	} while (rest.len != 0 && rest.ptr[0] != '}');
	if (rest.len == 0 || rest.ptr[0] != '}') {
		buf_truncate(out, before);
		return 0;
	}
	*text = span_skip(rest, 1);
	return valid ? 1 : -EINVAL;
}

int
sieve_decode_characters(struct span text, struct buf *out)
{
	while (text.len != 0) {
		ptrdiff_t at = span_find(text, SPAN("${"));
		int r;

		(void)buf_span(out, span_take(&text, at < 0 ? text.len : (size_t)at));
		if (text.len == 0)
			break;
		r = take_encoded(&text, out);
		if (r < 0)
			return r;
		if (r == 0)
			(void)buf_span(out, span_take(&text, 2));
	}
	return out->overflow ? -EMSGSIZE : 0;
}

/* --- variables --- */

bool
sieve_is_identifier(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_alpha(name.ptr[i]) && name.ptr[i] != '_' && (i == 0 || !ascii_is_digit(name.ptr[i])))
			return false;
	return name.len != 0;
}

/* What stands between the braces. */
static bool
read_name(struct span text, struct sieve_reference *ret)
{
	struct span rest = text;
	ptrdiff_t dot = span_rchr(text, '.');

	ret->name_space = ret->name = SPAN_NULL;
	ret->number = 0;
	if (dot >= 0) {
		struct span name_space = span_make(text.ptr, (size_t)dot), part;

		ret->name_space = name_space;
		while (span_split(&name_space, '.', &part))
			if (!sieve_is_identifier(part))
				return false;
		rest = span_skip(text, (size_t)dot + 1);
		if (ret->name_space.len == 0)
			return false;
	}
	if (sieve_is_identifier(rest)) {
		ret->name = rest;
		return true;
	}
	/* Zeros in front do not count (RFC 5229 section 3.2), and a number beyond all is one, too. */
	for (size_t i = 0; i < rest.len; i++) {
		if (!ascii_is_digit(rest.ptr[i]))
			return false;
		if (ret->number <= NUMBER_MAX)
			ret->number = ret->number * 10 + (uint64_t)(rest.ptr[i] - '0');
	}
	return rest.len != 0;
}

bool
sieve_reference_next(struct span *text, struct sieve_reference *ret)
{
	size_t from = 0;

	for (;;) {
		struct span rest = span_skip(*text, from);
		ptrdiff_t at = span_find(rest, SPAN("${")), end;

		if (at < 0)
			return false;
		rest = span_skip(rest, (size_t)at + 2);
		/* Only letters, digits, "_" and "." may follow: the first other byte ends it. */
		for (end = 0; (size_t)end < rest.len && (ascii_is_alnum(rest.ptr[end]) || rest.ptr[end] == '_' || rest.ptr[end] == '.');)
			end++;
		if ((size_t)end < rest.len && rest.ptr[end] == '}' && read_name(span_make(rest.ptr, (size_t)end), ret)) {
			ret->before = span_make(text->ptr, from + (size_t)at);
			*text = span_skip(rest, (size_t)end + 1);
			return true;
		}
		from += (size_t)at + 1;
	}
}
