/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What a part says. */
#include "common/mime_text.h"

#include <errno.h>

#define CHUNK 8192
#define PREVIEW_READ (64u << 10)
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
	return decoder->charset.iconv == (iconv_t)-1 && decoder->charset.held_len == 0 && decoder->body.encoding != MIME_BASE64 &&
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

/* The text of at most `limit` bytes of the body. */
static int
decode_text(const struct mime_message *message, uint32_t index, uint64_t limit, struct buf *out)
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
	return decode_text(message, index, UINT64_MAX, out);
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

/* --- preview --- */

static size_t
character_length(const char *at, const char *end)
{
	unsigned char c = (unsigned char)*at;
	size_t len = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	return len <= (size_t)(end - at) ? len : 1;
}

/* What shows as nothing: newsletters pad their previews with it. */
static bool
is_invisible(struct span character)
{
	static const struct span list[] = {
		{ "\xc2\xad", 2 }, { "\xcd\x8f", 2 }, { "\xe2\x80\x8b", 3 }, { "\xe2\x80\x8c", 3 }, { "\xe2\x80\x8d", 3 },
		{ "\xe2\x80\x8e", 3 }, { "\xe2\x80\x8f", 3 }, { "\xe2\x81\xa0", 3 }, { "\xef\xbb\xbf", 3 },
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (span_eq(character, list[i]))
			return true;
	return false;
}

static bool
is_blank(struct span character)
{
	return (character.len == 1 && (unsigned char)character.ptr[0] <= ' ') || span_eq(character, SPAN("\x7f")) ||
	    span_eq(character, SPAN("\xc2\xa0")) || span_eq(character, SPAN("\xe3\x80\x80"));
}

struct preview {
	struct buf *out;
	unsigned characters;
	bool space, full;
};

static void
put_line(struct preview *preview, struct span line)
{
	const char *at = line.ptr, *end = at + line.len;

	while (at < end && preview->characters < MIME_PREVIEW_CHARACTERS && !preview->full) {
		struct span character = span_make(at, character_length(at, end));

		at += character.len;
		if (is_blank(character)) {
			preview->space = preview->characters != 0;
			continue;
		}
		if (is_invisible(character))
			continue;
		if (preview->space && preview->characters + 1 == MIME_PREVIEW_CHARACTERS)
			break;
		if (preview->space) {
			preview->characters++;
			preview->full |= buf_char(preview->out, ' ') != 0;
		}
		preview->space = false;
		preview->characters++;
		preview->full |= buf_span(preview->out, character) != 0;
	}
	preview->space = preview->characters != 0;
}

static void
put_lines(struct preview *preview, struct span text, bool quoted)
{
	struct span line;

	while (preview->characters < MIME_PREVIEW_CHARACTERS && !preview->full && span_split(&text, '\n', &line))
		if (quoted || !span_starts(line, SPAN(">")))
			put_line(preview, line);
}

static int
preview_part(const struct mime_message *message, uint32_t index, struct buf *out)
{
	struct buf text = BUF_INIT(4 * PREVIEW_READ), plain = BUF_INIT(4 * PREVIEW_READ);
	struct preview preview = { .out = out };

	(void)decode_text(message, index, PREVIEW_READ, &text);
	if (mime_is(&message->parts[index], SPAN("text"), SPAN("html")))
		(void)mime_html_to_text(buf_get(&text), &plain);
	else
		(void)buf_span(&plain, buf_get(&text));
	put_lines(&preview, buf_get(&plain), false);
	if (preview.characters == 0)
		put_lines(&preview, buf_get(&plain), true);
	buf_free(&text);
	buf_free(&plain);
	return preview.full ? -EMSGSIZE : 0;
}

/* An HTML sibling of an empty text/plain: some senders fill only one of the two. */
static uint32_t
html_after(const struct mime_message *message, uint32_t index)
{
	for (index = message->parts[index].next; index != MIME_NONE; index = message->parts[index].next)
		if (mime_is(&message->parts[index], SPAN("text"), SPAN("html")))
			break;
	return index;
}

int
mime_preview(const struct mime_message *message, struct buf *out)
{
	uint32_t index = mime_text_part(message);
	size_t before = out->len;
	int r;

	if (index == MIME_NONE)
		return 0;
	r = preview_part(message, index, out);
	if (r == 0 && out->len == before && (index = html_after(message, index)) != MIME_NONE)
		r = preview_part(message, index, out);
	return r;
}
