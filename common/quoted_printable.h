/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Quoted-printable (RFC 2045 section 6.7). Pure. */
#ifndef COMMON_QUOTED_PRINTABLE_H
#define COMMON_QUOTED_PRINTABLE_H

#include "common/buf.h"

/* Appends the encoding of a text: CRLF and LF are line ends and come out as CRLF, every other
 * byte survives exactly, no line is longer than 76. "From " and "." at the start of a line are
 * encoded too, so that nothing on the way changes the text. 0, or -EMSGSIZE (a part may have
 * been added). */
int quoted_printable_encode(struct span text, struct buf *out);

/* Strict: every rule of section 6.7 but the length of a line. Appends; line ends stay as they
 * are. 0, -EINVAL, or -EMSGSIZE; on error nothing is added. */
int quoted_printable_decode(struct span text, struct buf *out);

/* A body that comes in pieces: what is no encoding stays as it is, white space at the end of a
 * line goes. */
struct quoted_printable_decoder {
	/* White space, or "=", "=4", "= ": the next bytes decide. A longer run of white space is text. */
	char held[1000];
	size_t held_len;
};

void quoted_printable_decoder_init(struct quoted_printable_decoder *decoder);
/* Appends what the piece decodes to. 0, or -EMSGSIZE: out is filled to its maximum. */
int quoted_printable_decoder_feed(struct quoted_printable_decoder *decoder, struct span piece, struct buf *out);
int quoted_printable_decoder_finish(struct quoted_printable_decoder *decoder, struct buf *out);

#endif
