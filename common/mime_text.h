/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What a part says: transfer encoding and charset undone, HTML as plain text, the preview of a
 * message. Pure. */
#ifndef COMMON_MIME_TEXT_H
#define COMMON_MIME_TEXT_H

#include "common/base64.h"
#include "common/charset.h"
#include "common/flowed.h"
#include "common/mime.h"
#include "common/quoted_printable.h"

/* The body of a part, transfer encoding undone, piece by piece. Unknown encodings pass as they
 * are. */
struct mime_decoder {
	struct span rest;
	enum mime_encoding encoding;
	struct base64_decoder base64;
	struct quoted_printable_decoder quoted_printable;
	bool finished;
};

void mime_decoder_init(struct mime_decoder *decoder, const struct mime_message *message, uint32_t index);
/* Appends at most max bytes (at least 1024) to out, which must have room for them. The number
 * appended; 0 at the end. */
size_t mime_decoder_take(struct mime_decoder *decoder, size_t max, struct buf *out);

/* The text of a text part as UTF-8, piece by piece, each of whole characters; line ends as they
 * come. */
struct mime_text_decoder {
	struct mime_decoder body;
	struct charset_decoder charset;
	struct buf bytes, text;
	bool unknown;  /* charset or transfer encoding */
	bool finished;
};

void mime_text_decoder_init(struct mime_text_decoder *decoder, const struct mime_message *message, uint32_t index);
/* The next piece, not empty, borrowed until the next call; false at the end. */
bool mime_text_decoder_next(struct mime_text_decoder *decoder, struct span *ret_piece);
void mime_text_decoder_free(struct mime_text_decoder *decoder);

/* Appends the whole decoded body (bytes, no charset). 0, or -EMSGSIZE: out is filled to its
 * maximum. */
int mime_body_decode(const struct mime_message *message, uint32_t index, struct buf *out);
/* Appends the text of a text part as UTF-8 with LF line ends. 0; 1: charset or transfer encoding
 * unknown (JMAP isEncodingProblem; what could be read is there); -EMSGSIZE: out is filled up to
 * the last whole character. */
int mime_text_decode(const struct mime_message *message, uint32_t index, struct buf *out);
/* The same of at most `limit` bytes at the front of the body. */
int mime_text_decode_front(const struct mime_message *message, uint32_t index, uint64_t limit, struct buf *out);
/* How the lines of that text are meant: all of them hard but in text/plain with format=flowed. */
struct flowed_format mime_text_format(const struct mime_part *part);

/* Appends HTML (UTF-8) as plain text: tags, comments, style and script gone, entities decoded,
 * blocks on lines of their own, white space collapsed. Rough by design: for previews and search,
 * never shown as HTML. 0, or -EMSGSIZE: out holds whole characters. */
int mime_html_to_text(struct span html, struct buf *out);

/* The part that a preview or reader would take first: the first text/plain or text/html that is no
 * attachment and in no inner message; else the first other text; else MIME_NONE. */
uint32_t mime_text_part(const struct mime_message *message);

#define MIME_PREVIEW_CHARACTERS 256 /* RFC 8970 section 2; RFC 8621 section 4.1.4 */
#define MIME_PREVIEW_SIZE (4 * MIME_PREVIEW_CHARACTERS)
/* Appends the preview: UTF-8, one line, white space collapsed, format=flowed undone, quoted lines
 * (">") left out where others exist, no signature, at most 256 characters. Reads at most 64 KiB of the part. 0, or -EMSGSIZE when
 * out is smaller than MIME_PREVIEW_SIZE and the text did not fit. */
int mime_preview(const struct mime_message *message, struct buf *out);

#endif
