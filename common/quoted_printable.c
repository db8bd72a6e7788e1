/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Quoted-printable, strict and forgiving. */
#include "common/quoted_printable.h"

#include <errno.h>

#define LINE_MAX_LEN 76

static const char hex[] = "0123456789ABCDEF";

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_literal(char c)
{
	return (c >= 33 && c <= 126 && c != '=') || is_space(c);
}

/* Ends at a LF, with or without CR before it, or at the end of the text. */
static struct span
take_line(struct span *text, bool *ret_ended)
{
	ptrdiff_t newline = span_chr(*text, '\n');
	struct span line = span_take(text, newline >= 0 ? (size_t)newline : text->len);

	*ret_ended = newline >= 0;
	if (newline >= 0) {
		*text = span_skip(*text, 1);
		if (span_ends(line, SPAN("\r")))
			line.len--;
	}
	return line;
}

static int
encode_line(struct span line, struct buf *out)
{
	size_t column = 0;

	for (size_t i = 0; i < line.len; i++) {
		char c = line.ptr[i], text[3];
		bool first = column == 0;
		bool plain = is_literal(c) && !(is_space(c) && i + 1 == line.len) && !(first && c == '.') &&
		    !(first && c == 'F' && span_starts(span_skip(line, i), SPAN("From ")));
		size_t len = plain ? 1 : 3;

		/* The last character of a line needs no room for the "=" of a soft break. */
		if (column + len > LINE_MAX_LEN - (i + 1 < line.len)) {
			if (buf_str(out, "=\r\n") != 0)
				return -EMSGSIZE;
			column = 0;
			i--;
			continue;
		}
		text[0] = plain ? c : '=';
		text[1] = hex[(unsigned char)c >> 4];
		text[2] = hex[(unsigned char)c & 15];
		if (buf_put(out, text, len) != 0)
			return -EMSGSIZE;
		column += len;
	}
	return 0;
}

int
quoted_printable_encode(struct span text, struct buf *out)
{
	while (text.len != 0) {
		bool ended;
		struct span line = take_line(&text, &ended);

		if (encode_line(line, out) != 0 || (ended && buf_str(out, "\r\n") != 0))
			return -EMSGSIZE;
	}
	return 0;
}

/* One line of the strict form without its end; *ret_soft: it goes on in the next. */
static int
decode_line(struct span line, struct buf *out, bool *ret_soft)
{
	*ret_soft = span_ends(line, SPAN("="));
	if (*ret_soft)
		line.len--;
	else if (line.len != 0 && is_space(line.ptr[line.len - 1]))
		return -EINVAL;
	for (size_t i = 0; i < line.len; i++) {
		char c = line.ptr[i];

		if (c == '=') {
			if (line.len - i < 3 || ascii_hex(line.ptr[i + 1]) < 0 || ascii_hex(line.ptr[i + 2]) < 0)
				return -EINVAL;
			c = (char)(ascii_hex(line.ptr[i + 1]) << 4 | ascii_hex(line.ptr[i + 2]));
			i += 2;
		} else if (!is_literal(c)) {
			return -EINVAL;
		}
		if (buf_char(out, c) != 0)
			return -EMSGSIZE;
	}
	return 0;
}

int
quoted_printable_decode(struct span text, struct buf *out)
{
	size_t before = out->len;
	int r = 0;

	while (text.len != 0 && r == 0) {
		bool ended, soft;
		struct span line = take_line(&text, &ended);
		const char *end = line.len != 0 || ended ? line.ptr + line.len : NULL;

		r = decode_line(line, out, &soft);
		if (r == 0 && soft && !ended)
			r = -EINVAL;
		if (r == 0 && ended && !soft)
			r = buf_put(out, end, end[0] == '\r' ? 2 : 1);
	}
	if (r != 0)
		buf_truncate(out, before);
	return r;
}

void
quoted_printable_decoder_init(struct quoted_printable_decoder *decoder)
{
	decoder->held_len = 0;
}

/* True while held bytes, c included, may still become an encoded byte, a soft break or white space at the end of a line. */
static bool
may_hold(const struct quoted_printable_decoder *decoder, char c)
{
	const char *held = decoder->held;
	size_t len = decoder->held_len;

	if (len == sizeof(decoder->held))
		return false;
	if (len == 0)
		return c == '=' || is_space(c) || c == '\r';
	if (held[len - 1] == '\r')
		return false;
	if (held[0] != '=')
		return is_space(c) || c == '\r';
	if (len == 1)
		return ascii_hex(c) >= 0 || is_space(c) || c == '\r';
	return is_space(held[1]) && (is_space(c) || c == '\r');
}

static int
put(struct buf *out, const char *bytes, size_t len)
{
	size_t room = out->max - out->len;

	if (len <= room)
		return buf_put(out, bytes, len);
	(void)buf_put(out, bytes, room);
	out->overflow = true;
	return -EMSGSIZE;
}

/* c ends what is held, or nothing is held. */
static int
settle(struct quoted_printable_decoder *decoder, char c, struct buf *out)
{
	const char *held = decoder->held;
	size_t len = decoder->held_len;

	decoder->held_len = 0;
	if (len == 2 && held[0] == '=' && ascii_hex(held[1]) >= 0 && ascii_hex(c) >= 0) {
		char byte = (char)(ascii_hex(held[1]) << 4 | ascii_hex(c));

		return put(out, &byte, 1);
	}
	if (c == '\n' && len != 0 && (held[0] == '=' ? len == 1 || ascii_hex(held[1]) < 0 : true)) {
		if (held[0] == '=')
			return 0;
		return held[len - 1] == '\r' ? put(out, "\r\n", 2) : put(out, "\n", 1);
	}
	/* It meant nothing: text. c itself may begin something new. */
	if (len != 0 && put(out, held, len) != 0)
		return -EMSGSIZE;
	if (may_hold(decoder, c)) {
		decoder->held[decoder->held_len++] = c;
		return 0;
	}
	return put(out, &c, 1);
}

int
quoted_printable_decoder_feed(struct quoted_printable_decoder *decoder, struct span piece, struct buf *out)
{
	while (piece.len != 0) {
		size_t run = 0;

		while (decoder->held_len == 0 && run < piece.len && (unsigned char)piece.ptr[run] > ' ' && piece.ptr[run] != '=')
			run++;
		if (run != 0) {
			if (put(out, piece.ptr, run) != 0)
				return -EMSGSIZE;
			piece = span_skip(piece, run);
			continue;
		}
		if (may_hold(decoder, piece.ptr[0]))
			decoder->held[decoder->held_len++] = piece.ptr[0];
		else if (settle(decoder, piece.ptr[0], out) != 0)
			return -EMSGSIZE;
		piece = span_skip(piece, 1);
	}
	return 0;
}

int
quoted_printable_decoder_finish(struct quoted_printable_decoder *decoder, struct buf *out)
{
	const char *held = decoder->held;
	size_t len = decoder->held_len;

	decoder->held_len = 0;
	/* A soft break at the very end, white space there: nothing. */
	if (len == 0 || is_space(held[0]) || (held[0] == '=' && (len == 1 || ascii_hex(held[1]) < 0)))
		return 0;
	return put(out, held, len);
}
