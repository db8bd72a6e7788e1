/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Which of 4096 documents have something, as bytes. Pure. */
#ifndef LIBMAILSTORE_MS_POSTINGS_H
#define LIBMAILSTORE_MS_POSTINGS_H

#include "common/buf.h"

#define MS_POSTINGS_EACH 4096u
#define MS_POSTINGS_BYTES (MS_POSTINGS_EACH / 8)
#define MS_POSTINGS_REST_MAX 12u

/* Appends the shorter form, at most MS_POSTINGS_BYTES + 1: u8 0 and gaps, or u8 1 and the bitmap. Gaps are bits, the highest of a byte first:
 * four tell how many bits of each are its rest; then of each, less 1 (the first counts from -1), what is above the rest as so many ones and
 * a zero, and the rest; ones fill the last byte. */
void ms_postings_put(const uint8_t map[MS_POSTINGS_BYTES], struct buf *out);
/* The first byte where gaps follow. */
#define MS_POSTINGS_GAPS 0
/* Gaps alone: sets the bits in the map, and leaves the others. 0, or MS_E_CORRUPT (some may be set). */
int ms_postings_get_gaps(struct span gaps, uint8_t map[MS_POSTINGS_BYTES]);
/* Sets the bits in the map, and leaves the others. 0, or MS_E_CORRUPT (some may be set). */
int ms_postings_get(struct span bytes, uint8_t map[MS_POSTINGS_BYTES]);

#endif
