/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Documents as gaps or as a bitmap. */
#include "libmailstore/ms_postings.h"

#include <endian.h>

#include "libmailstore/mailstore.h"

enum { GAPS, BITMAP };

void
ms_postings_put(const uint8_t map[MS_POSTINGS_BYTES], struct buf *out)
{
	uint8_t gaps[MS_POSTINGS_BYTES];
	size_t len = 0;
	unsigned next = 0;

	for (unsigned at = 0; at < MS_POSTINGS_EACH && len + 2 < sizeof(gaps); at += 64) {
		uint64_t bits;

		memcpy(&bits, map + at / 8, sizeof(bits));
		for (bits = le64toh(bits); bits != 0 && len + 2 < sizeof(gaps); bits &= bits - 1) {
			unsigned i = at + (unsigned)__builtin_ctzll(bits), gap = i - next + 1;

			if (gap >= 0x80)
				gaps[len++] = (uint8_t)(0x80 | (gap & 0x7f));
			gaps[len++] = (uint8_t)(gap >= 0x80 ? gap >> 7 : gap);
			next = i + 1;
		}
	}
	if (len + 2 < sizeof(gaps)) {
		(void)buf_char(out, GAPS);
		(void)buf_put(out, gaps, len);
	} else {
		(void)buf_char(out, BITMAP);
		(void)buf_put(out, map, MS_POSTINGS_BYTES);
	}
}

static int
get_gaps(struct span bytes, uint8_t map[MS_POSTINGS_BYTES])
{
	unsigned next = 0;

	while (bytes.len != 0) {
		unsigned gap = (unsigned char)bytes.ptr[0];
		size_t len = 1;

		if (gap >= 0x80) {
			if (bytes.len < 2 || (bytes.ptr[1] & 0x80) != 0)
				return MS_E_CORRUPT;
			gap = (gap & 0x7f) | (unsigned)(unsigned char)bytes.ptr[1] << 7;
			len = 2;
		}
		if (gap == 0 || gap > MS_POSTINGS_EACH - next)
			return MS_E_CORRUPT;
		next += gap;
		map[(next - 1) / 8] |= (uint8_t)(1u << ((next - 1) % 8));
		bytes = span_skip(bytes, len);
	}
	return 0;
}

int
ms_postings_get(struct span bytes, uint8_t map[MS_POSTINGS_BYTES])
{
	if (bytes.len == 0)
		return MS_E_CORRUPT;
	if (bytes.ptr[0] == GAPS)
		return get_gaps(span_skip(bytes, 1), map);
	if (bytes.ptr[0] != BITMAP || bytes.len != MS_POSTINGS_BYTES + 1)
		return MS_E_CORRUPT;
	for (size_t i = 0; i < MS_POSTINGS_BYTES; i++)
		map[i] |= (uint8_t)bytes.ptr[1 + i];
	return 0;
}
