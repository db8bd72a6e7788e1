/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What a part says. */
#include "common/mime_text.h"

#include <errno.h>

#include "common/parameter.h"

#define CHUNK 8192
#define CHARSET_MAX 256

static void
begin(struct mime_decoder *decoder, struct span body, enum mime_encoding encoding)
{
	*decoder = (struct mime_decoder){ .rest = body, .encoding = encoding, .base64 = BASE64_DECODER_INIT };
	quoted_printable_decoder_init(&decoder->quoted_printable);
}

void
mime_decoder_init(struct mime_decoder *decoder, const struct mime_message *message, uint32_t index)
{
	const struct mime_part *part = &message->parts[index];

	begin(decoder, mime_body(message, part), part->kind == MIME_LEAF ? part->encoding : MIME_BINARY);
}

/* The next piece of at most `len` bytes, and the end after the last. */
static int
feed(struct mime_decoder *decoder, size_t len, struct buf *out)
{
	struct span piece = span_take(&decoder->rest, len);
	int r;

	decoder->finished = decoder->rest.len == 0;
	switch (decoder->encoding) {
	case MIME_BASE64:
		r = base64_decoder_feed(&decoder->base64, piece, out);
		return r == 0 && decoder->finished ? base64_decoder_finish(&decoder->base64, out) : r;
	case MIME_QUOTED_PRINTABLE:
		r = quoted_printable_decoder_feed(&decoder->quoted_printable, piece, out);
		return r == 0 && decoder->finished ? quoted_printable_decoder_finish(&decoder->quoted_printable, out) : r;
	default:
		if (piece.len <= out->max - out->len)
			return buf_span(out, piece);
		(void)buf_put(out, piece.ptr, out->max - out->len);
		out->overflow = true;
		return -EMSGSIZE;
	}
}

size_t
mime_decoder_take(struct mime_decoder *decoder, size_t max, struct buf *out)
{
	size_t before = out->len;
	/* What quoted-printable holds back may come on top. */
	size_t len = max - sizeof(decoder->quoted_printable.held);

	while (!decoder->finished && out->len == before)
		if (feed(decoder, len, out) != 0)
			break;
	return out->len - before;
}

int
mime_body_decode(const struct mime_message *message, uint32_t index, struct buf *out)
{
	struct mime_decoder decoder;
	int r = 0;

	mime_decoder_init(&decoder, message, index);
	while (!decoder.finished && r == 0)
		r = feed(&decoder, CHUNK, out);
	return r;
}

/* CRLF becomes LF, and a byte order mark at the beginning goes. */
static void
tidy(struct buf *out, size_t from)
{
	size_t len = from;

	if (out->len - from >= 3 && memcmp(out->data + from, "\xef\xbb\xbf", 3) == 0)
		from += 3;
	for (size_t i = from; i < out->len; i++)
		if (out->data[i] != '\r' || i + 1 == out->len || out->data[i + 1] != '\n')
			out->data[len++] = out->data[i];
	buf_truncate(out, len);
}

/* As many whole characters as fit. */
static int
put_whole(struct buf *out, struct span piece)
{
	size_t room = out->max - out->len;

	if (piece.len <= room)
		return buf_span(out, piece);
	while (room > 0 && ((unsigned char)piece.ptr[room] & 0xc0) == 0x80)
		room--;
	(void)buf_put(out, piece.ptr, room);
	out->overflow = true;
	return -EMSGSIZE;
}

/* --- text --- */

static void
begin_text(struct mime_text_decoder *decoder, const struct mime_message *message, uint32_t index, uint64_t limit)
{
	const struct mime_part *part = &message->parts[index];
	struct span body = mime_body(message, part);
	struct buf label = BUF_INIT(CHARSET_MAX);

	if (body.len > limit)
		body.len = (size_t)limit;
	begin(&decoder->body, body, part->kind == MIME_LEAF ? part->encoding : MIME_BINARY);
	(void)mime_type_parameter(part, SPAN("charset"), &label);
	decoder->unknown = charset_decoder_init(&decoder->charset, buf_get(&label)) != 0 || part->encoding == MIME_UNKNOWN_ENCODING;
	decoder->finished = false;
	decoder->bytes = BUF_INIT(2 * CHUNK); /* of a piece come at most CHUNK + 1000 bytes */
	decoder->text = BUF_INIT(16 * CHUNK); /* and of a byte at most four more and what was held back */
	buf_free(&label);
}

void
mime_text_decoder_init(struct mime_text_decoder *decoder, const struct mime_message *message, uint32_t index)
{
	begin_text(decoder, message, index, UINT64_MAX);
}

void
mime_text_decoder_free(struct mime_text_decoder *decoder)
{
	charset_decoder_free(&decoder->charset);
	buf_free(&decoder->bytes);
	buf_free(&decoder->text);
}

/* Most mail is this: the bytes are the text. */
static bool
is_plain(const struct mime_text_decoder *decoder, struct span piece)
{
	return charset_decoder_passes_ascii(&decoder->charset) && decoder->body.encoding != MIME_BASE64 &&
	    decoder->body.encoding != MIME_QUOTED_PRINTABLE && span_is_ascii(piece) && memchr(piece.ptr, '\0', piece.len) == NULL;
}

bool
mime_text_decoder_next(struct mime_text_decoder *decoder, struct span *ret_piece)
{
	buf_clear(&decoder->text);
	while (!decoder->body.finished && decoder->text.len == 0) {
		struct span piece = decoder->body.rest;

		if (piece.len > CHUNK)
			piece.len = CHUNK;
		if (piece.len != 0 && is_plain(decoder, piece)) {
			*ret_piece = span_take(&decoder->body.rest, piece.len);
			return true;
		}
		buf_clear(&decoder->bytes);
		(void)feed(&decoder->body, CHUNK, &decoder->bytes);
		(void)charset_decoder_feed(&decoder->charset, buf_get(&decoder->bytes), &decoder->text);
	}
	if (decoder->body.finished && !decoder->finished) {
		decoder->finished = true;
		(void)charset_decoder_finish(&decoder->charset, &decoder->text);
	}
	*ret_piece = buf_get(&decoder->text);
	return ret_piece->len != 0;
}

int
mime_text_decode_front(const struct mime_message *message, uint32_t index, uint64_t limit, struct buf *out)
{
	struct mime_text_decoder decoder;
	size_t before = out->len;
	struct span piece;
	int unknown, r = 0;

	begin_text(&decoder, message, index, limit);
	unknown = decoder.unknown;
	while (r == 0 && mime_text_decoder_next(&decoder, &piece))
		r = put_whole(out, piece);
	tidy(out, before);
	mime_text_decoder_free(&decoder);
	return r != 0 ? r : unknown;
}

int
mime_text_decode(const struct mime_message *message, uint32_t index, struct buf *out)
{
	return mime_text_decode_front(message, index, UINT64_MAX, out);
}

static bool
has_value(const struct parameter_list *list, struct span name, struct span value)
{
	return span_ieq(parameter_get(list, name), value);
}

struct flowed_format
mime_text_format(const struct mime_part *part)
{
	struct flowed_format format = { false, false };
	struct parameter_list list;

	if (!part->typed || !mime_is(part, SPAN("text"), SPAN("plain")))
		return format;
	parameter_list_parse(part->type_value, PARAMETER_DECODED, &list);
	format.flowed = has_value(&list, SPAN("format"), SPAN("flowed"));
	format.delsp = format.flowed && has_value(&list, SPAN("delsp"), SPAN("yes"));
	parameter_list_free(&list);
	return format;
}

uint32_t
mime_text_part(const struct mime_message *message)
{
	uint32_t other = MIME_NONE;
	uint16_t inside = UINT16_MAX; /* depth of the message that the walk is inside of */

	for (uint32_t i = 0; i < message->count; i++) {
		const struct mime_part *part = &message->parts[i];

		if (part->depth > inside)
			continue;
		inside = part->kind == MIME_MESSAGE ? part->depth : UINT16_MAX;
		if (part->kind != MIME_LEAF || !mime_is(part, SPAN("text"), SPAN_NULL) || span_ieq(part->disposition, SPAN("attachment")))
			continue;
		if (mime_is(part, SPAN("text"), SPAN("plain")) || mime_is(part, SPAN("text"), SPAN("html")))
			return i;
		if (other == MIME_NONE)
			other = i;
	}
	return other;
}
