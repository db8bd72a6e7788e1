/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The first words of a message on one line. */
#include <errno.h>

#include "common/mime_text.h"

#define PREVIEW_READ (64u << 10)

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
put_text(struct preview *preview, struct span text)
{
	const char *at = text.ptr, *end = at + text.len;

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
}

static void
put_lines(struct preview *preview, struct span text, struct flowed_format format, bool quoted)
{
	struct flowed_line line;

	while (preview->characters < MIME_PREVIEW_CHARACTERS && !preview->full && flowed_take(&text, format, &line)) {
		if (line.signature && preview->characters != 0)
			break;
		if (line.depth != 0 && !quoted)
			continue;
		put_text(preview, line.text);
		preview->space |= !line.soft && preview->characters != 0;
	}
}

static int
preview_part(const struct mime_message *message, uint32_t index, struct buf *out)
{
	struct buf text = BUF_INIT(4 * PREVIEW_READ), plain = BUF_INIT(4 * PREVIEW_READ);
	struct flowed_format format = mime_text_format(&message->parts[index]);
	struct preview preview = { .out = out };

	(void)mime_text_decode_front(message, index, PREVIEW_READ, &text);
	if (mime_is(&message->parts[index], SPAN("text"), SPAN("html")))
		(void)mime_html_to_text(buf_get(&text), &plain);
	else
		(void)buf_span(&plain, buf_get(&text));
	put_lines(&preview, buf_get(&plain), format, false);
	if (preview.characters == 0)
		put_lines(&preview, buf_get(&plain), format, true);
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
