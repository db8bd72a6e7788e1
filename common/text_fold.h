/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Text as searches and orders compare it (after RFC 5051, i;unicode-casemap): letters without
 * case, characters decomposed, control characters as spaces. Two texts that fold to the same
 * bytes are the same text. Pure. */
#ifndef COMMON_TEXT_FOLD_H
#define COMMON_TEXT_FOLD_H

#include "common/buf.h"

/* Bytes that a text may grow by when it is folded: one character of three bytes becomes 33. */
#define TEXT_FOLD_GROWTH 11

/* Appends the text (UTF-8) folded. CRLF, CR and LF become one space, and so do tabs and other
 * control characters; bytes that are no UTF-8 stay as they are. What does not fit is left out,
 * in whole characters. */
void text_fold(struct span text, struct buf *out);

/* The same for a text that comes in pieces of whole characters: the first with *after_cr false. */
void text_fold_piece(struct span piece, bool *after_cr, struct buf *out);

/* Bytes of the character at the front of a text that is not empty: 1 where it is no UTF-8. */
size_t text_character(struct span text);

#endif
