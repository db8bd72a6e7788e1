/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Borrowed bytes and bounded scanners over them. */
#include "common/span.h"

#include <errno.h>

#include "common/xalloc.h"

int
span_compare(struct span a, struct span b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len != 0 ? memcmp(a.ptr, b.ptr, len) : 0;

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

bool
span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool
span_ieq(struct span a, struct span b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
			return false;
	return true;
}

bool
span_starts(struct span text, struct span prefix)
{
	return text.len >= prefix.len && span_eq(span_make(text.ptr, prefix.len), prefix);
}

bool
span_istarts(struct span text, struct span prefix)
{
	return text.len >= prefix.len && span_ieq(span_make(text.ptr, prefix.len), prefix);
}

bool
span_ends(struct span text, struct span suffix)
{
	return text.len >= suffix.len && span_eq(span_skip(text, text.len - suffix.len), suffix);
}

bool
span_iends(struct span text, struct span suffix)
{
	return text.len >= suffix.len && span_ieq(span_skip(text, text.len - suffix.len), suffix);
}

ptrdiff_t
span_chr(struct span text, char byte)
{
	const char *at = text.len != 0 ? memchr(text.ptr, byte, text.len) : NULL;

	return at != NULL ? at - text.ptr : -1;
}

ptrdiff_t
span_rchr(struct span text, char byte)
{
	const char *at = text.len != 0 ? memrchr(text.ptr, byte, text.len) : NULL;

	return at != NULL ? at - text.ptr : -1;
}

ptrdiff_t
span_find(struct span text, struct span needle)
{
	const char *at;

	if (needle.len == 0)
		return 0;
	if (text.len < needle.len)
		return -1;
	at = memmem(text.ptr, text.len, needle.ptr, needle.len);
	return at != NULL ? at - text.ptr : -1;
}

ptrdiff_t
span_ifind(struct span text, struct span needle)
{
	if (needle.len == 0)
		return 0;
	for (size_t i = 0; i + needle.len <= text.len; i++)
		if (span_ieq(span_make(text.ptr + i, needle.len), needle))
			return (ptrdiff_t)i;
	return -1;
}

struct span
span_take(struct span *text, size_t count)
{
	struct span part = { text->ptr, count < text->len ? count : text->len };

	*text = span_skip(*text, part.len);
	return part;
}

struct span
span_skip(struct span text, size_t count)
{
	if (count > text.len)
		count = text.len;
	return count == 0 ? text : (struct span){ text.ptr + count, text.len - count };
}

bool
span_split(struct span *text, char byte, struct span *ret_part)
{
	ptrdiff_t at;

	*ret_part = SPAN_NULL;
	if (text->len == 0)
		return false;
	at = span_chr(*text, byte);
	*ret_part = span_take(text, at >= 0 ? (size_t)at : text->len);
	if (at >= 0)
		*text = span_skip(*text, 1);
	return true;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span
span_trim(struct span text)
{
	while (text.len != 0 && is_blank(text.ptr[0]))
		text = span_skip(text, 1);
	while (text.len != 0 && is_blank(text.ptr[text.len - 1]))
		text.len--;
	return text;
}

int
span_take_u64(struct span *text, uint64_t max, uint64_t *ret_value)
{
	uint64_t value = 0;
	size_t i;

	for (i = 0; i < text->len && ascii_is_digit(text->ptr[i]); i++) {
		unsigned digit = (unsigned)(text->ptr[i] - '0');

		if (value > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		value = value * 10 + digit;
		if (value > max)
			return -ERANGE;
	}
	if (i == 0)
		return -EINVAL;
	*text = span_skip(*text, i);
	*ret_value = value;
	return 0;
}

int
span_to_u64(struct span text, uint64_t max, uint64_t *ret_value)
{
	uint64_t value;
	int r = span_take_u64(&text, max, &value);

	if (r < 0)
		return r;
	if (text.len != 0)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

char *
span_dup(struct span text)
{
	char *copy = xmalloc(text.len + 1);

	if (text.len != 0)
		memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	return copy;
}

size_t
span_ascii(struct span text)
{
	size_t len = 0;
	uint64_t eight;

	for (; text.len - len >= sizeof(eight); len += sizeof(eight)) {
		memcpy(&eight, text.ptr + len, sizeof(eight));
		if ((eight & 0x8080808080808080) != 0)
			break;
	}
	while (len < text.len && (unsigned char)text.ptr[len] < 0x80)
		len++;
	return len;
}

bool
span_is_ascii(struct span text)
{
	return span_ascii(text) == text.len;
}

#define FNV_PRIME UINT64_C(0x100000001b3)

uint64_t
span_hash(uint64_t start, struct span bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		start = (start ^ (unsigned char)bytes.ptr[i]) * FNV_PRIME;
	return start;
}

uint64_t
span_ihash(uint64_t start, struct span bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		start = (start ^ (unsigned char)ascii_lower(bytes.ptr[i])) * FNV_PRIME;
	return start;
}

struct span
span_utf8_cut(struct span text, size_t max)
{
	if (text.len <= max)
		return text;
	while (max > 0 && ((unsigned char)text.ptr[max] & 0xc0) == 0x80)
		max--;
	return span_make(text.ptr, max);
}

bool
span_is_utf8(struct span text)
{
	const unsigned char *p = (const unsigned char *)text.ptr;
	size_t i = 0;

	while (i < text.len) {
		unsigned char lead = p[i];
		size_t more;
		uint32_t point, least;
		uint64_t eight;

		/* Most of it is ASCII. */
		if (text.len - i >= sizeof(eight)) {
			memcpy(&eight, p + i, sizeof(eight));
			if ((eight & UINT64_C(0x8080808080808080)) == 0) {
				i += sizeof(eight);
				continue;
			}
		}
		if (lead < 0x80) {
			i++;
			continue;
		}
		if (lead >= 0xc2 && lead <= 0xdf)
			more = 1, point = lead & 0x1f, least = 0x80;
		else if (lead >= 0xe0 && lead <= 0xef)
			more = 2, point = lead & 0x0f, least = 0x800;
		else if (lead >= 0xf0 && lead <= 0xf4)
			more = 3, point = lead & 0x07, least = 0x10000;
		else
			return false;
		if (text.len - i <= more)
			return false;
		for (size_t k = 1; k <= more; k++) {
			if ((p[i + k] & 0xc0) != 0x80)
				return false;
			point = point << 6 | (p[i + k] & 0x3f);
		}
		if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
			return false;
		i += more + 1;
	}
	return true;
}
