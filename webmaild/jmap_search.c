/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Finding words in messages. */
#include "webmaild/jmap_search.h"

#include <stdlib.h>

#include "common/encoded_word.h"
#include "common/header.h"
#include "common/mime_text.h"
#include "webmaild/html_sanitize.h"
#include "webmaild/jmap_json.h"

#define FRONT 65536
#define QUERY_MAX 4096
#define BODY_MAX (2u << 20)
#define SNIPPET_MAX 255

/* --- letters --- */

/* A two-byte character's small form; the same when it has none. */
static unsigned
fold_letter(unsigned c)
{
	if ((c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9) || (c >= 0x410 && c <= 0x42f))
		return c + 32;
	if (c >= 0x400 && c <= 0x40f)
		return c + 80;
	if ((c >= 0x100 && c <= 0x137) || (c >= 0x14a && c <= 0x177) || (c >= 0x460 && c <= 0x481) || (c >= 0x48a && c <= 0x4bf))
		return c | 1;
	if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
		return c + (c & 1);
	return c;
}

void
search_fold(struct span text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c >= 0xc3 && c <= 0xd3 && i + 1 < text.len && ((unsigned char)text.ptr[i + 1] & 0xc0) == 0x80) {
			unsigned letter = fold_letter((c & 0x1fu) << 6 | ((unsigned char)text.ptr[i + 1] & 0x3fu));

			(void)buf_char(out, (char)(0xc0 | letter >> 6));
			(void)buf_char(out, (char)(0x80 | (letter & 0x3f)));
			i++;
		} else if (c == '\t' || c == '\r' || c == '\n') {
			(void)buf_char(out, ' ');
		} else {
			(void)buf_char(out, ascii_lower((char)c));
		}
	}
}

/* --- queries --- */

/* Takes a word or a "phrase" off the front; false at the end. */
static bool
take_word(struct span *rest, struct span *ret_word)
{
	*rest = span_trim(*rest);
	if (rest->len == 0)
		return false;
	if (rest->ptr[0] == '"' && rest->len > 1) {
		*rest = span_skip(*rest, 1);
		return span_split(rest, '"', ret_word);
	}
	return span_split(rest, ' ', ret_word);
}

void
search_init(struct search *search, struct span query)
{
	struct span rest, word;

	*search = (struct search){ .text = BUF_INIT(2 * QUERY_MAX) };
	search_fold(span_make(query.ptr, query.len < QUERY_MAX ? query.len : QUERY_MAX), &search->text);
	rest = buf_get(&search->text);
	while (search->count < SEARCH_WORDS_MAX && take_word(&rest, &word))
		if (word.len > 0)
			search->words[search->count++] = word;
}

void
search_free(struct search *search)
{
	buf_free(&search->text);
}

/* memmem(3) finds in linear time where a naive scan would not. */
static const char *
find(struct span text, struct span word)
{
	return text.len >= word.len ? memmem(text.ptr, text.len, word.ptr, word.len) : NULL;
}

/* --- messages --- */

void
search_message_init(struct search_message *message, struct jmap *jmap, const struct jmap_email *email)
{
	size_t max = (size_t)jmap->session->conf->message_size_max;

	*message = (struct search_message){ .jmap = jmap, .email = email, .front = BUF_INIT(FRONT), .whole = BUF_INIT(max) };
}

void
search_message_free(struct search_message *message)
{
	(void)mime_free(message->parsed);
	buf_free(&message->front);
	buf_free(&message->whole);
}

static struct mime_message *
parsed(struct search_message *message)
{
	if (!message->have_whole) {
		message->have_whole = true;
		/* What cannot be read (gone, too large) is empty: it matches nothing. */
		if (jmap_email_read(message->jmap, message->email, &message->whole) != 0)
			buf_clear(&message->whole);
		message->parsed = mime_parse(buf_get(&message->whole));
	}
	return message->parsed;
}

struct span
search_header(struct search_message *message)
{
	struct span block;

	if (!message->have_front) {
		message->have_front = true;
		if (jmap_email_read_front(message->jmap, message->email, FRONT, &message->front) != 0)
			buf_clear(&message->front);
	}
	block = span_make(buf_cstr(&message->front), header_block_size(buf_get(&message->front)));
	if (message->front.len < FRONT || block.len < message->front.len)
		return block;
	(void)parsed(message);
	return span_make(buf_cstr(&message->whole), header_block_size(buf_get(&message->whole)));
}

static void
part_text(const struct mime_message *message, uint32_t index, struct buf *out)
{
	struct buf text = BUF_INIT(BODY_MAX);

	(void)mime_text_decode(message, index, &text); /* what fits is searched */
	if (mime_is(&message->parts[index], SPAN("text"), SPAN("html")))
		(void)mime_html_to_text(buf_get(&text), out);
	else
		(void)buf_span(out, buf_get(&text));
	buf_free(&text);
}

/* --- snippets --- */

void
search_snippet_text(struct search_message *message, struct buf *out)
{
	const struct mime_message *mime = parsed(message);
	uint32_t index = mime_text_part(mime);

	if (index != MIME_NONE)
		part_text(mime, index, out);
}

/* The longest match that begins at this place of the folded text; 0: none. */
static size_t
match_at(const struct search *search, struct span folded, size_t at)
{
	size_t longest = 0;

	for (size_t i = 0; i < search->count; i++)
		if (search->words[i].len > longest && span_starts(span_skip(folded, at), search->words[i]))
			longest = search->words[i].len;
	return longest;
}

static size_t
first_match(const struct search *search, struct span folded)
{
	size_t first = SIZE_MAX;

	for (size_t i = 0; i < search->count; i++) {
		const char *at = find(folded, search->words[i]);

		if (at != NULL && (size_t)(at - folded.ptr) < first)
			first = (size_t)(at - folded.ptr);
	}
	return first;
}

static bool
is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Moves to the beginning of the next character. */
static size_t
character_at(struct span text, size_t at)
{
	while (at < text.len && is_continuation(text.ptr[at]))
		at++;
	return at < text.len ? at : text.len;
}

char *
search_mark(const struct search *search, struct span text, bool whole)
{
	struct buf folded = BUF_INIT(2 * BODY_MAX), out = BUF_INIT(16 * BODY_MAX);
	struct span shown;
	size_t first, from, to;

	/* Folding keeps every character's length, so places in the one are places in the other. */
	search_fold(text, &folded);
	shown = buf_get(&folded);
	first = first_match(search, shown);
	if (first == SIZE_MAX || folded.overflow) {
		buf_free(&folded);
		return NULL;
	}
	from = whole || first < 60 ? 0 : character_at(text, first - 60);
	to = whole || text.len - from <= SNIPPET_MAX ? text.len : character_at(text, from + SNIPPET_MAX);
	for (size_t at = from; at < to;) {
		size_t len = is_continuation(text.ptr[at]) ? 0 : match_at(search, shown, at), end;

		if (len > 0) {
			(void)buf_str(&out, "<mark>");
			(void)html_escape(&out, span_make(text.ptr + at, len));
			(void)buf_str(&out, "</mark>");
			at += len;
			continue;
		}
		end = character_at(text, at + 1);
		(void)html_escape(&out, span_make(text.ptr + at, end - at));
		at = end;
	}
	buf_free(&folded);
	return buf_take(&out);
}
