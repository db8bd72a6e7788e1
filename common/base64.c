/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Base64, strict and forgiving. */
#include "common/base64.h"

#include <errno.h>

#define LINE_BYTES 57 /* 76 characters */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Of each byte the value and one more; 0: none of the alphabet. */
static const uint8_t values[256] = {
	['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
	['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52,
	['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, ['+'] = 63, ['/'] = 64,
};

static int
value_of(char c)
{
	return values[(unsigned char)c] - 1;
}

static void
encode_to(const unsigned char *bytes, size_t len, char *room)
{
	size_t i = 0;

	for (; i + 3 <= len; i += 3, room += 4) {
		room[0] = alphabet[bytes[i] >> 2];
		room[1] = alphabet[(bytes[i] & 3) << 4 | bytes[i + 1] >> 4];
		room[2] = alphabet[(bytes[i + 1] & 15) << 2 | bytes[i + 2] >> 6];
		room[3] = alphabet[bytes[i + 2] & 63];
	}
	if (i == len)
		return;
	room[0] = alphabet[bytes[i] >> 2];
	room[3] = '=';
	if (len - i == 1) {
		room[1] = alphabet[(bytes[i] & 3) << 4];
		room[2] = '=';
	} else {
		room[1] = alphabet[(bytes[i] & 3) << 4 | bytes[i + 1] >> 4];
		room[2] = alphabet[(bytes[i + 1] & 15) << 2];
	}
}

int
base64_encode(struct span bytes, struct buf *out)
{
	char *room = bytes.len <= SIZE_MAX / 2 ? buf_reserve(out, BASE64_SIZE(bytes.len)) : NULL;

	if (room == NULL)
		return -EMSGSIZE;
	encode_to((const unsigned char *)bytes.ptr, bytes.len, room);
	buf_added(out, BASE64_SIZE(bytes.len));
	return 0;
}

int
base64_encode_body(struct span bytes, struct buf *out)
{
	while (bytes.len != 0)
		if (base64_encode(span_take(&bytes, LINE_BYTES), out) != 0 || buf_str(out, "\r\n") != 0)
			return -EMSGSIZE;
	return 0;
}

/* The last group, after its padding is cut: 2 or 3 characters whose spare bits are zero (RFC 4648 section 3.5). */
static bool
decode_tail(struct span tail, char *room, size_t *ret_len)
{
	int a = value_of(tail.ptr[0]), b = value_of(tail.ptr[1]);
	int c = tail.len == 3 ? value_of(tail.ptr[2]) : 0;

	if (a < 0 || b < 0 || c < 0 || (tail.len == 2 ? (b & 15) != 0 : (c & 3) != 0))
		return false;
	room[0] = (char)(a << 2 | b >> 4);
	if (tail.len == 3)
		room[1] = (char)((b & 15) << 4 | c >> 2);
	*ret_len = tail.len - 1;
	return true;
}

int
base64_decode(struct span text, struct buf *out)
{
	size_t size = text.len / 4 * 3, len = 0, tail_len = 0;
	char *room;

	if (text.len % 4 != 0)
		return -EINVAL;
	if (span_ends(text, SPAN("=="))) {
		text.len -= 2;
		size -= 2;
	} else if (span_ends(text, SPAN("="))) {
		text.len--;
		size--;
	}
	room = buf_reserve(out, size);
	if (room == NULL)
		return -EMSGSIZE;
	for (; text.len >= 4; text = span_skip(text, 4), len += 3) {
		int a = value_of(text.ptr[0]), b = value_of(text.ptr[1]), c = value_of(text.ptr[2]), d = value_of(text.ptr[3]);

		if (a < 0 || b < 0 || c < 0 || d < 0)
			return -EINVAL;
		room[len] = (char)(a << 2 | b >> 4);
		room[len + 1] = (char)((b & 15) << 4 | c >> 2);
		room[len + 2] = (char)((c & 3) << 6 | d);
	}
	if (text.len != 0 && !decode_tail(text, room + len, &tail_len))
		return -EINVAL;
	buf_added(out, len + tail_len);
	return 0;
}

int
base64_decoder_feed(struct base64_decoder *decoder, struct span piece, struct buf *out)
{
	/* The characters held from the piece before may give two bytes more than there are characters now. */
	while (piece.len != 0) {
		struct span part = span_take(&piece, 4096);
		char bytes[4096 + 2];
		size_t len = 0;

		for (size_t i = 0; i < part.len; i++) {
			int value = value_of(part.ptr[i]);

			if (value >= 0) {
				decoder->bits = decoder->bits << 6 | (uint32_t)value;
				if (++decoder->count < 4)
					continue;
				bytes[len++] = (char)(decoder->bits >> 16);
				bytes[len++] = (char)(decoder->bits >> 8);
				bytes[len++] = (char)decoder->bits;
				*decoder = BASE64_DECODER_INIT;
			} else if (part.ptr[i] == '=' && decoder->count != 0) {
				if (decoder->count >= 2)
					bytes[len++] = (char)(decoder->bits >> (decoder->count * 6 - 8));
				if (decoder->count == 3)
					bytes[len++] = (char)(decoder->bits >> 2);
				*decoder = BASE64_DECODER_INIT;
			}
		}
		if (len > out->max - out->len) {
			(void)buf_put(out, bytes, out->max - out->len);
			out->overflow = true;
			return -EMSGSIZE;
		}
		if (buf_put(out, bytes, len) != 0)
			return -EMSGSIZE;
	}
	return 0;
}

int
base64_decoder_finish(struct base64_decoder *decoder, struct buf *out)
{
	return base64_decoder_feed(decoder, SPAN("="), out);
}
