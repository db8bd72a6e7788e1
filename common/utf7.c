/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Modified UTF-7. */
#include "common/utf7.h"

#include <errno.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int
value_of(char c)
{
	const char *at = c != '\0' ? strchr(alphabet, c) : NULL;

	return at != NULL ? (int)(at - alphabet) : -1;
}

static bool
is_direct(uint32_t c)
{
	return c >= 0x20 && c <= 0x7e;
}

static int
put_utf8(struct buf *out, uint32_t c)
{
	char bytes[4];
	size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	if (len == 1) {
		bytes[0] = (char)c;
		return buf_put(out, bytes, 1);
	}
	for (size_t i = len - 1; i > 0; i--, c >>= 6)
		bytes[i] = (char)(0x80 | (c & 0x3f));
	bytes[0] = (char)((0xf00 >> len) | c);
	return buf_put(out, bytes, len);
}

/* What stands between "&" and "-": UTF-16 in base64, whole units, no spare bits, nothing that could stand for itself. */
static int
decode_shifted(struct span text, struct buf *out)
{
	uint32_t bits = 0, high = 0;
	unsigned count = 0;

	for (size_t i = 0; i < text.len; i++) {
		int value = value_of(text.ptr[i]);
		uint32_t unit;
		int r;

		if (value < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)value;
		count += 6;
		if (count < 16)
			continue;
		count -= 16;
		unit = bits >> count & 0xffff;
		bits &= (1u << count) - 1;
		if (high != 0) {
			if (unit < 0xdc00 || unit > 0xdfff)
				return -EINVAL;
			r = put_utf8(out, 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00));
			high = 0;
		} else if (unit >= 0xd800 && unit <= 0xdbff) {
			high = unit;
			continue;
		} else if (unit < 0xa0 || (unit >= 0xdc00 && unit <= 0xdfff)) { /* ASCII, controls, half a pair */
			return -EINVAL;
		} else {
			r = put_utf8(out, unit);
		}
		if (r != 0)
			return r;
	}
	return high != 0 || count >= 6 || bits != 0 ? -EINVAL : 0;
}

static int
decode(struct span name, struct buf *out)
{
	bool after_shift = false;

	while (name.len != 0) {
		char c = span_take(&name, 1).ptr[0];
		ptrdiff_t end;
		int r;

		if (!is_direct((unsigned char)c))
			return -EINVAL;
		if (c != '&' || span_starts(name, SPAN("-"))) {
			r = buf_char(out, c);
			if (c == '&')
				name = span_skip(name, 1);
			after_shift = false;
		} else {
			end = span_chr(name, '-');
			/* Two runs side by side would be one if written properly. */
			if (end <= 0 || after_shift)
				return -EINVAL;
			r = decode_shifted(span_take(&name, (size_t)end), out);
			name = span_skip(name, 1);
			after_shift = true;
		}
		if (r != 0)
			return r;
	}
	return 0;
}

int
utf7_decode(struct span name, struct buf *out)
{
	size_t before = out->len;
	int r = decode(name, out);

	if (r != 0)
		buf_truncate(out, before);
	return r;
}

/* Takes one character off text that is known to be UTF-8. */
static uint32_t
take_character(struct span *text)
{
	unsigned char first = (unsigned char)text->ptr[0];
	size_t len = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	uint32_t c = len == 1 ? first : first & (0x7fu >> len);

	for (size_t i = 1; i < len; i++)
		c = c << 6 | ((unsigned char)text->ptr[i] & 0x3f);
	*text = span_skip(*text, len);
	return c;
}

struct shift {
	uint32_t bits;
	unsigned count;
};

static int
put_unit(struct shift *shift, uint32_t unit, struct buf *out)
{
	int r = 0;

	shift->bits = shift->bits << 16 | unit;
	shift->count += 16;
	while (shift->count >= 6 && r == 0) {
		shift->count -= 6;
		r = buf_char(out, alphabet[shift->bits >> shift->count & 63]);
	}
	shift->bits &= (1u << shift->count) - 1;
	return r;
}

/* The run of characters that cannot stand for themselves. */
static int
encode_shifted(struct span *name, struct buf *out)
{
	struct shift shift = { 0, 0 };
	int r = buf_char(out, '&');

	while (r == 0 && name->len != 0 && !is_direct((unsigned char)name->ptr[0])) {
		uint32_t c = take_character(name);

		if (c < 0xa0) /* a control */
			return -EINVAL;
		if (c >= 0x10000) {
			r = put_unit(&shift, 0xd800 + ((c - 0x10000) >> 10), out);
			c = 0xdc00 + ((c - 0x10000) & 0x3ff);
		}
		if (r == 0)
			r = put_unit(&shift, c, out);
	}
	if (r == 0 && shift.count != 0)
		r = buf_char(out, alphabet[shift.bits << (6 - shift.count) & 63]);
	return r == 0 ? buf_char(out, '-') : r;
}

int
utf7_encode(struct span name, struct buf *out)
{
	size_t before = out->len;
	int r = 0;

	if (!span_is_utf8(name))
		return -EINVAL;
	while (name.len != 0 && r == 0) {
		if (!is_direct((unsigned char)name.ptr[0])) {
			r = encode_shifted(&name, out);
			continue;
		}
		r = buf_char(out, name.ptr[0]);
		if (r == 0 && name.ptr[0] == '&')
			r = buf_char(out, '-');
		name = span_skip(name, 1);
	}
	if (r != 0)
		buf_truncate(out, before);
	return r;
}
