/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What a message says, piece by piece. */
#include "libmailstore/ms_text_walk.h"

#include "common/charset.h"
#include "common/encoded_word.h"
#include "common/header.h"
#include "common/mime_text.h"
#include "common/text_fold.h"

/* Of one field, and of one HTML part, as far as they are searched. */
#define FIELD_MAX (1u << 20)
/* Of any value: so that no name is for its being cut. */
#define FIELD_TEXT_MAX (HEADER_BLOCK_MAX + 8 * FIELD_MAX)
#define HTML_MAX (32u << 20)
/* What is folded at once. */
#define PIECE 16384

struct walk {
	const struct ms_text_sink *sink;
	unsigned kinds;
	struct buf text, value, folded;
};

static bool
is_wanted(const struct walk *walk, enum ms_text_kind kind, struct span name)
{
	return (walk->kinds & kind) != 0 && walk->sink->begin(walk->sink->context, kind, name);
}

/* Hands a text on that is there as a whole. */
static void
hand_on(struct walk *walk, struct span text)
{
	bool after_cr = false, more = true;

	while (more && text.len != 0) {
		struct span piece = span_make(text.ptr, text.len < PIECE ? text.len : PIECE);

		while (piece.len < text.len && ((unsigned char)text.ptr[piece.len] & 0xc0) == 0x80 && piece.len < PIECE + 4)
			piece.len++;
		buf_clear(&walk->folded);
		text_fold_piece(piece, &after_cr, &walk->folded);
		more = walk->sink->piece(walk->sink->context, buf_get(&walk->folded));
		text = span_skip(text, piece.len);
	}
}

/* As it stands there, white space behind the colon included; decoded, as the value alone is. A line that is no field has no name. */
static struct span
field_text(struct walk *walk, const struct header_field *field, enum ms_text_kind kind)
{
	struct span value = field->value;

	buf_clear(&walk->value);
	(void)encoded_word_decode(value, &walk->value);
	if (kind == MS_TEXT_VALUE || field->name.len == 0)
		return buf_get(&walk->value);
	buf_clear(&walk->text);
	(void)charset_repair(span_make(field->name.ptr, field->name.len < FIELD_MAX ? field->name.len : FIELD_MAX), &walk->text);
	(void)buf_char(&walk->text, ':');
	/* Folds aside. */
	for (; value.len != 0 && span_chr(SPAN(" \t\r\n"), value.ptr[0]) >= 0; value = span_skip(value, 1))
		if (value.ptr[0] == ' ' || value.ptr[0] == '\t')
			(void)buf_char(&walk->text, value.ptr[0]);
	(void)buf_span(&walk->text, buf_get(&walk->value));
	return buf_get(&walk->text);
}

static bool
walk_header(struct walk *walk, struct span header, enum ms_text_kind kind)
{
	struct header_field field;
	struct header_iter iter;

	header_begin(&iter, header);
	while (header_next(&iter, &field)) {
		if (!is_wanted(walk, kind, field.name))
			continue;
		hand_on(walk, field_text(walk, &field, kind));
		if (!walk->sink->end(walk->sink->context))
			return false;
	}
	return true;
}

static bool
walk_html(struct walk *walk, struct span html)
{
	struct buf plain = BUF_INIT(HTML_MAX);

	if (!is_wanted(walk, MS_TEXT_READ, SPAN("")))
		return true;
	/* Words that tags divide are found in what a reader sees. */
	(void)mime_html_to_text(html, &plain);
	hand_on(walk, buf_get(&plain));
	buf_free(&plain);
	return walk->sink->end(walk->sink->context);
}

static bool
walk_text(struct walk *walk, const struct mime_message *message, uint32_t index)
{
	bool html = mime_is(&message->parts[index], SPAN("text"), SPAN("html")), after_cr = false, going;
	enum ms_text_kind kind = html ? MS_TEXT_MARKUP : MS_TEXT_PLAIN;
	struct buf markup = BUF_INIT(HTML_MAX);
	struct mime_text_decoder decoder;
	bool wanted = is_wanted(walk, kind, SPAN("")), read = html && (walk->kinds & MS_TEXT_READ) != 0;
	struct span piece;

	if (!wanted && !read)
		return true;
	mime_text_decoder_init(&decoder, message, index);
	for (bool more = wanted; (more || read) && mime_text_decoder_next(&decoder, &piece);) {
		if (read && buf_span(&markup, piece) != 0)
			read = more;
		if (!more)
			continue;
		buf_clear(&walk->folded);
		text_fold_piece(piece, &after_cr, &walk->folded);
		more = walk->sink->piece(walk->sink->context, buf_get(&walk->folded));
	}
	mime_text_decoder_free(&decoder);
	going = !wanted || walk->sink->end(walk->sink->context);
	if (going && html)
		going = walk_html(walk, buf_get(&markup));
	buf_free(&markup);
	return going;
}

static void
walk_parts(struct walk *walk, struct span bytes)
{
	struct mime_message *message = mime_parse(bytes);
	bool going = true;

	for (uint32_t index = 0; going && index < message->count; index++) {
		const struct mime_part *part = &message->parts[index];

		if (index > 0 && (walk->kinds & MS_TEXT_INNER) != 0)
			going = walk_header(walk, mime_header(message, part), MS_TEXT_INNER);
		if (going && part->kind == MIME_LEAF && mime_is(part, SPAN("text"), SPAN_NULL))
			going = walk_text(walk, message, index);
	}
	(void)mime_free(message);
}

void
ms_text_walk(struct span message, unsigned kinds, const struct ms_text_sink *sink)
{
	struct walk walk = { sink, kinds, BUF_INIT(FIELD_TEXT_MAX), BUF_INIT(FIELD_MAX), BUF_INIT(TEXT_FOLD_GROWTH * (256u << 10)) };
	const unsigned own = MS_TEXT_VALUE | MS_TEXT_FIELD;
	struct span header = (kinds & own) != 0 ? span_make(message.ptr, header_block_size(message)) : SPAN_NULL;
	bool going = true;

	if ((kinds & MS_TEXT_VALUE) != 0)
		going = walk_header(&walk, header, MS_TEXT_VALUE);
	if (going && (kinds & MS_TEXT_FIELD) != 0)
		going = walk_header(&walk, header, MS_TEXT_FIELD);
	if (going && (kinds & ~own) != 0)
		walk_parts(&walk, message);
	buf_free(&walk.text);
	buf_free(&walk.value);
	buf_free(&walk.folded);
}
