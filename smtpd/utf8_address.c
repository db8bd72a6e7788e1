/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Addresses of type utf-8 in both their forms. */
#include "smtpd/utf8_address.h"

#include <stdint.h>

/* Takes one code point off well-formed UTF-8. */
static uint32_t
take_code_point(struct span *text)
{
	unsigned char first = (unsigned char)text->ptr[0];
	size_t len = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	struct span bytes = span_take(text, len);
	uint32_t point = len == 1 ? first : first & (0x7fu >> len);

	for (size_t i = 1; i < bytes.len; i++)
		point = point << 6 | ((unsigned char)bytes.ptr[i] & 63);
	return point;
}

/* "\x{HEXPOINT}" taken off the front: its code point, or 0 when there is none that may stand in a field. */
static uint32_t
take_embedded(struct span *text)
{
	struct span rest = *text;
	uint32_t point = 0;
	ptrdiff_t end;

	if (!span_starts(rest, SPAN("\\x{")))
		return 0;
	rest = span_skip(rest, 3);
	end = span_chr(rest, '}');
	if (end < 2 || end > 6)
		return 0;
	for (ptrdiff_t i = 0; i < end; i++) {
		if (ascii_hex(rest.ptr[i]) < 0)
			return 0;
		point = point << 4 | (uint32_t)ascii_hex(rest.ptr[i]);
	}
	if (point < 0x20 || point == 0x7f || (point >= 0xd800 && point <= 0xdfff) || point > 0x10ffff)
		return 0;
	*text = span_skip(rest, (size_t)end + 1);
	return point;
}

static void
put_utf8(struct buf *out, uint32_t point)
{
	if (point < 0x80)
		(void)buf_char(out, point < 0x20 || point == 0x7f ? '?' : (char)point);
	else if (point < 0x800)
		(void)buf_fmt(out, "%c%c", (int)(0xc0 | point >> 6), (int)(0x80 | (point & 63)));
	else if (point < 0x10000)
		(void)buf_fmt(out, "%c%c%c", (int)(0xe0 | point >> 12), (int)(0x80 | (point >> 6 & 63)), (int)(0x80 | (point & 63)));
	else
		(void)buf_fmt(out, "%c%c%c%c", (int)(0xf0 | point >> 18), (int)(0x80 | (point >> 12 & 63)), (int)(0x80 | (point >> 6 & 63)),
		    (int)(0x80 | (point & 63)));
}

/* QCHAR stands for itself, all else for its code point. */
static void
put_ascii(struct buf *out, uint32_t point)
{
	if (point < 0x20 || point == 0x7f)
		(void)buf_char(out, '?');
	else if (point > 0x7f || point == ' ' || point == '+' || point == '=' || point == '\\')
		(void)buf_fmt(out, "\\x{%X}", point);
	else
		(void)buf_char(out, (char)point);
}

void
utf8_address_put(struct span address, bool utf8, struct buf *out)
{
	bool good = span_is_utf8(address);

	while (address.len != 0) {
		uint32_t point = take_embedded(&address);

		if (point == 0 && !good && (unsigned char)address.ptr[0] >= 0x80) {
			(void)span_take(&address, 1);
			point = '?';
		} else if (point == 0) {
			point = take_code_point(&address);
		}
		if (utf8 && good)
			put_utf8(out, point);
		else
			put_ascii(out, point);
	}
}
