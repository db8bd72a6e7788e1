/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Encoded words (RFC 2047): header text to UTF-8 and back. Pure. */
#ifndef COMMON_ENCODED_WORD_H
#define COMMON_ENCODED_WORD_H

#include "common/buf.h"

/* Appends the text of a field value (or a phrase, or a piece of either) as UTF-8, for display
 * and search: unfolded, encoded words decoded, white space between two of them dropped, raw
 * bytes repaired; control characters become spaces. What is no well-formed encoded word stays as
 * it is. 0, or -EMSGSIZE: out holds what fits. */
int encoded_word_decode(struct span text, struct buf *out);

enum encoded_word_place {
	ENCODED_WORD_TEXT,   /* unstructured: Subject, Comments, X-... */
	ENCODED_WORD_PHRASE, /* a display name: all of it is encoded, "Q" limited to RFC 2047 section 5 (3); the caller writes what needs no encoding */
};

/* Appends text (UTF-8; repaired if not; CR, LF and controls become spaces) as a header holds it:
 * ASCII as it is, else encoded words of at most 75 characters; folded with CRLF SP where a line
 * would pass 78. *column is the length of the line so far ("Subject: " is 9) and is moved on. 0,
 * or -EMSGSIZE (a part may have been added). */
int encoded_word_encode(struct span text, enum encoded_word_place place, size_t *column, struct buf *out);

#endif
