/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Base64 (RFC 4648 section 4): strict for protocols, forgiving and piecewise for MIME bodies.
 * Pure. */
#ifndef COMMON_BASE64_H
#define COMMON_BASE64_H

#include "common/buf.h"

/* Bytes that `len` bytes take when encoded without line ends. */
#define BASE64_SIZE(len) (((len) + 2) / 3 * 4)

/* Appends the encoding, padded, on one line. 0, or -EMSGSIZE (nothing added). */
int base64_encode(struct span bytes, struct buf *out);
/* Appends the encoding in lines of 76 characters, each (the last too) ended by CRLF: a MIME body
 * (RFC 2045 section 6.8). Empty input adds nothing. 0, or -EMSGSIZE (a part may have been
 * added). */
int base64_encode_body(struct span bytes, struct buf *out);

/* Strict: canonical padding, no other character, no bits left over (AUTH, SASL). Appends to out.
 * 0, -EINVAL, or -EMSGSIZE; on error nothing is added. */
int base64_decode(struct span text, struct buf *out);

/* A body that comes in pieces: characters outside the alphabet are skipped; padding ends a
 * group, and what follows begins anew. */
struct base64_decoder {
	uint32_t bits;
	unsigned count; /* characters of the group so far, 0..3 */
};

#define BASE64_DECODER_INIT ((struct base64_decoder){ 0, 0 })
/* Appends what the piece decodes to. 0, or -EMSGSIZE: out is filled to its maximum. */
int base64_decoder_feed(struct base64_decoder *decoder, struct span piece, struct buf *out);
/* The end of the body: the bytes that an unfinished group still holds. The same results. */
int base64_decoder_finish(struct base64_decoder *decoder, struct buf *out);

#endif
