/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Which of 4096 documents have something, as bytes. Pure. */
#ifndef LIBMAILSTORE_MS_POSTINGS_H
#define LIBMAILSTORE_MS_POSTINGS_H

#include "common/buf.h"

#define MS_POSTINGS_EACH 4096u
#define MS_POSTINGS_BYTES (MS_POSTINGS_EACH / 8)

/* Appends the shorter form, at most MS_POSTINGS_BYTES + 1: u8 0 and the gaps (each at least 1; the first counts from -1) in bytes of 7
 * bits, low ones first, the top bit set in all but the last; or u8 1 and the bitmap. */
void ms_postings_put(const uint8_t map[MS_POSTINGS_BYTES], struct buf *out);
/* Sets the bits in the map, and leaves the others. 0, or MS_E_CORRUPT (some may be set). */
int ms_postings_get(struct span bytes, uint8_t map[MS_POSTINGS_BYTES]);

#endif
