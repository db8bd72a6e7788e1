/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Encoded words, both ways. */
#include "common/encoded_word.h"

#include <errno.h>

#include "common/base64.h"
#include "common/charset.h"

#define WORD_MAX 75 /* RFC 2047 section 2 */
#define LINE_MAX_LEN 78
#define LABEL_MAX 64
#define PLAIN_WORD_MAX 200 /* an ASCII word longer than this is encoded, so that it can be folded */
#define PLAIN_BLANK_MAX 30 /* and so are more blanks than these, which would fold into a line of white space alone */
#define PREFIX_Q "=?utf-8?Q?"
#define PREFIX_B "=?utf-8?B?"
#define FRAME (sizeof(PREFIX_Q) - 1 + 2)

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A well-formed encoded word. */
struct word {
	struct span charset, text;
	bool base64;
	size_t len;
};

/* RFC 2047 section 2 at the front of text. *no_end: no "?=" follows anywhere, which saves looking again. */
static bool
read_word(struct span text, bool *no_end, struct word *ret_word)
{
	struct span rest = span_skip(text, 2);
	size_t label = 0;
	ptrdiff_t end, star;

	if (*no_end || !span_starts(text, SPAN("=?")))
		return false;
	while (label < rest.len && label <= LABEL_MAX && rest.ptr[label] > ' ' && rest.ptr[label] < 127 && rest.ptr[label] != '?')
		label++;
	if (label == 0 || label + 3 > rest.len || rest.ptr[label] != '?' || rest.ptr[label + 2] != '?')
		return false;
	ret_word->charset = span_take(&rest, label);
	/* RFC 2231 section 5: a language after "*". */
	star = span_chr(ret_word->charset, '*');
	if (star >= 0)
		ret_word->charset.len = (size_t)star;
	if (ascii_lower(rest.ptr[1]) != 'b' && ascii_lower(rest.ptr[1]) != 'q')
		return false;
	ret_word->base64 = ascii_lower(rest.ptr[1]) == 'b';
	rest = span_skip(rest, 3);
	end = span_find(rest, SPAN("?="));
	if (end < 0) {
		*no_end = true;
		return false;
	}
	ret_word->text = span_take(&rest, (size_t)end);
	ret_word->len = text.len - rest.len + 2;
	return true;
}

static void
decode_q(struct span text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == '_') {
			c = ' ';
		} else if (c == '=' && text.len - i > 2 && ascii_hex(text.ptr[i + 1]) >= 0 && ascii_hex(text.ptr[i + 2]) >= 0) {
			c = (char)(ascii_hex(text.ptr[i + 1]) << 4 | ascii_hex(text.ptr[i + 2]));
			i += 2;
		}
		(void)buf_char(out, c);
	}
}

/* Bytes of encoded words side by side: converted together, for many senders cut characters in two. */
struct pending {
	struct span charset;
	struct buf bytes;
};

static void
decode_bytes(const struct word *word, struct buf *bytes)
{
	struct base64_decoder decoder = BASE64_DECODER_INIT;

	if (!word->base64) {
		decode_q(word->text, bytes);
		return;
	}
	(void)base64_decoder_feed(&decoder, word->text, bytes);
	(void)base64_decoder_finish(&decoder, bytes);
}

static void
spaces_for_controls(struct buf *out, size_t from)
{
	for (size_t i = from; i < out->len; i++)
		if ((unsigned char)out->data[i] < ' ' || out->data[i] == 127)
			out->data[i] = ' ';
}

static int
flush(struct pending *pending, struct buf *out)
{
	size_t before = out->len;
	int r = charset_to_utf8(pending->charset, buf_get(&pending->bytes), out);

	spaces_for_controls(out, before);
	buf_clear(&pending->bytes);
	return r < 0 ? r : 0;
}

/* Text between encoded words: unfolded, repaired. */
static int
put_plain(struct span text, struct buf *out)
{
	int r = 0;

	while (text.len != 0 && r == 0) {
		size_t len = 0, before = out->len;

		while (len < text.len && text.ptr[len] != '\n' && !(text.ptr[len] == '\r' && len + 1 < text.len && text.ptr[len + 1] == '\n'))
			len++;
		r = charset_repair(span_take(&text, len), out);
		spaces_for_controls(out, before);
		if (text.len != 0)
			text = span_skip(text, text.ptr[0] == '\r' ? 2 : 1);
	}
	return r;
}

static bool
is_blank(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!is_space(text.ptr[i]))
			return false;
	return true;
}

int
encoded_word_decode(struct span text, struct buf *out)
{
	struct pending pending = { .bytes = BUF_INIT(text.len) };
	size_t at = 0, plain = 0; /* plain: where the text that is no encoded word began */
	bool no_end = false, after_word = false;
	int r = 0;

	text = span_trim(text);
	while (at < text.len && r == 0) {
		struct word word;

		if (text.ptr[at] != '=' || !read_word(span_skip(text, at), &no_end, &word)) {
			at++;
			continue;
		}
		/* RFC 2047 section 6.2: white space between two encoded words is not shown. */
		if (!after_word || !is_blank(span_make(text.ptr + plain, at - plain))) {
			r = flush(&pending, out);
			if (r == 0)
				r = put_plain(span_make(text.ptr + plain, at - plain), out);
		} else if (!span_ieq(pending.charset, word.charset)) {
			r = flush(&pending, out);
		}
		pending.charset = word.charset;
		decode_bytes(&word, &pending.bytes);
		at += word.len;
		plain = at;
		after_word = true;
	}
	if (r == 0)
		r = flush(&pending, out);
	if (r == 0)
		r = put_plain(span_skip(text, plain), out);
	buf_free(&pending.bytes);
	return r;
}

/* --- encoding --- */

static bool
q_is_literal(char c)
{
	/* RFC 2047 section 5 (3): what a phrase allows is good everywhere. */
	return ascii_is_alnum(c) || (c != '\0' && strchr("!*+-/", c) != NULL);
}

static size_t
q_cost(char c)
{
	return q_is_literal(c) || c == ' ' ? 1 : 3;
}

static size_t
character_length(struct span text)
{
	unsigned char c = (unsigned char)text.ptr[0];

	return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

static int
put_q(struct span text, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (q_is_literal(text.ptr[i]))
			(void)buf_char(out, text.ptr[i]);
		else if (c == ' ')
			(void)buf_char(out, '_');
		else
			(void)buf_put(out, (const char[]){ '=', hex[c >> 4], hex[c & 15] }, 3);
	}
	return buf_str(out, "?=");
}

/* As many whole characters as fit into `room` characters of encoded text. */
static struct span
take_fitting(struct span *text, bool base64, size_t room)
{
	size_t len = 0, cost = 0;

	while (len < text->len) {
		size_t next = character_length(span_skip(*text, len)), more = 0;

		for (size_t i = 0; i < next && !base64; i++)
			more += q_cost(text->ptr[len + i]);
		if (base64 ? BASE64_SIZE(len + next) > room : cost + more > room)
			break;
		len += next;
		cost += more;
	}
	return span_take(text, len);
}

static int
fold(struct buf *out, size_t *column)
{
	*column = 1;
	return buf_str(out, "\r\n ");
}

/* A run of text that must be encoded, as one encoded word or several on lines of their own. */
static int
encode_run(struct span run, size_t *column, struct buf *out)
{
	size_t cost = 0;
	bool base64, first = true;

	for (size_t i = 0; i < run.len; i++)
		cost += q_cost(run.ptr[i]);
	base64 = BASE64_SIZE(run.len) < cost;
	while (run.len != 0) {
		size_t room = LINE_MAX_LEN - FRAME, before = out->len;
		struct span part;

		/* At least one character of four bytes must fit. */
		if (!first || *column + FRAME + 12 > LINE_MAX_LEN) {
			if (fold(out, column) != 0)
				return -EMSGSIZE;
			before = out->len;
		}
		room -= *column;
		if (room > WORD_MAX - FRAME)
			room = WORD_MAX - FRAME;
		part = take_fitting(&run, base64, room);
		(void)buf_str(out, base64 ? PREFIX_B : PREFIX_Q);
		if (base64 ? base64_encode(part, out) != 0 || buf_str(out, "?=") != 0 : put_q(part, out) != 0)
			return -EMSGSIZE;
		*column += out->len - before;
		first = false;
	}
	return 0;
}

static bool
needs_encoding(struct span word)
{
	return !span_is_ascii(word) || span_find(word, SPAN("=?")) >= 0 || word.len > PLAIN_WORD_MAX;
}

static struct span
take_blank(struct span *text)
{
	size_t len = 0;

	while (len < text->len && text->ptr[len] == ' ')
		len++;
	return span_take(text, len);
}

static struct span
take_word(struct span *text)
{
	ptrdiff_t len = span_chr(*text, ' ');

	return span_take(text, len >= 0 ? (size_t)len : text->len);
}

/* Takes the words that follow each other and need encoding, with the blanks before and between them: white space between two encoded words
 * would not be shown. One after many blanks needs it too. forced: the first in any case. */
static struct span
take_run(struct span *text, bool forced)
{
	struct span rest = *text;
	size_t len = 0;

	for (;;) {
		struct span blank = take_blank(&rest), word = take_word(&rest);

		if (word.len == 0 || !(forced || blank.len > PLAIN_BLANK_MAX || needs_encoding(word)))
			break;
		len = text->len - rest.len;
		forced = false;
	}
	return span_take(text, len);
}

static int
encode(struct span text, enum encoded_word_place place, size_t *column, struct buf *out)
{
	bool first = true;

	if (place == ENCODED_WORD_PHRASE)
		return encode_run(text, column, out);
	while (text.len != 0) {
		struct span rest = text, blank = take_blank(&text), run, word;
		bool many = blank.len > PLAIN_BLANK_MAX;
		size_t want;

		if (many) {
			blank.len = 1;
			text = span_skip(rest, 1);
		}
		run = take_run(&text, many);
		word = run.len == 0 ? take_word(&text) : SPAN_NULL;
		want = run.len != 0 ? FRAME + 12 : word.len;
		/* Blanks at the end and before the first word make no line of their own. */
		if (blank.len != 0 && want != 0 && !first && *column + blank.len + want > LINE_MAX_LEN) {
			if (buf_str(out, "\r\n") != 0)
				return -EMSGSIZE;
			*column = 0;
		}
		if (buf_span(out, blank) != 0)
			return -EMSGSIZE;
		*column += blank.len + word.len;
		if (run.len != 0 ? encode_run(run, column, out) != 0 : buf_span(out, word) != 0)
			return -EMSGSIZE;
		first = false;
	}
	return 0;
}

int
encoded_word_encode(struct span text, enum encoded_word_place place, size_t *column, struct buf *out)
{
	struct buf clean = BUF_INIT(text.len <= SIZE_MAX / 4 ? text.len * 3 : 0);
	int r = charset_repair(span_trim(text), &clean);

	if (r == 0) {
		spaces_for_controls(&clean, 0);
		r = encode(span_trim(buf_get(&clean)), place, column, out);
	}
	buf_free(&clean);
	return r;
}
