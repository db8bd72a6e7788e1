/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Documents as gaps in a Rice code, which takes little more than there is to tell of documents that lie at random, or as a bitmap. */
#include "libmailstore/ms_postings.h"

#include <endian.h>

#include "libmailstore/mailstore.h"

enum { GAPS = MS_POSTINGS_GAPS, BITMAP };

/* --- writing --- */

struct bits {
	uint8_t bytes[MS_POSTINGS_BYTES];
	size_t count;
};

static void
add_bits(struct bits *bits, unsigned value, unsigned count)
{
	while (count-- != 0) {
		bits->bytes[bits->count / 8] |= (uint8_t)((value >> count & 1) << (7 - bits->count % 8));
		bits->count++;
	}
}

/* What each gap is above the least. */
static size_t
gaps_of(const uint8_t map[MS_POSTINGS_BYTES], uint16_t gaps[MS_POSTINGS_EACH])
{
	unsigned next = 0;
	size_t count = 0;

	for (unsigned at = 0; at < MS_POSTINGS_EACH; at += 64) {
		uint64_t left;

		memcpy(&left, map + at / 8, sizeof(left));
		for (left = le64toh(left); left != 0; left &= left - 1) {
			unsigned i = at + (unsigned)__builtin_ctzll(left);

			gaps[count++] = (uint16_t)(i - next);
			next = i + 1;
		}
	}
	return count;
}

static size_t
size_of(const uint16_t *gaps, size_t count, unsigned rest)
{
	size_t size = 4 + count * (rest + 1);

	for (size_t i = 0; i < count; i++)
		size += gaps[i] >> rest;
	return size;
}

/* How many low bits of a gap are told as they are: those of the mean, about. *ret_size: in bits. */
static unsigned
best_rest(const uint16_t *gaps, size_t count, size_t *ret_size)
{
	unsigned rest = 0;

	*ret_size = size_of(gaps, count, 0);
	while (rest < MS_POSTINGS_REST_MAX) {
		size_t size = size_of(gaps, count, rest + 1);

		if (size > *ret_size)
			break;
		*ret_size = size;
		rest++;
	}
	return rest;
}

void
ms_postings_put(const uint8_t map[MS_POSTINGS_BYTES], struct buf *out)
{
	struct bits bits = { .count = 0 };
	uint16_t gaps[MS_POSTINGS_EACH];
	size_t count = gaps_of(map, gaps), size;
	unsigned rest = best_rest(gaps, count, &size);

	if (size > sizeof(bits.bytes) * 8 - 8) {
		(void)buf_char(out, BITMAP);
		(void)buf_put(out, map, MS_POSTINGS_BYTES);
		return;
	}
	add_bits(&bits, rest, 4);
	for (size_t i = 0; i < count; i++) {
		for (unsigned more = gaps[i] >> rest; more != 0; more--)
			add_bits(&bits, 1, 1);
		add_bits(&bits, gaps[i] & ((1u << rest) - 1), rest + 1); /* the 0 that ends the ones, and the rest */
	}
	/* No gap ends so. */
	while (bits.count % 8 != 0)
		add_bits(&bits, 1, 1);
	(void)buf_char(out, GAPS);
	(void)buf_put(out, bits.bytes, bits.count / 8);
}

/* --- reading --- */

struct reader {
	struct span bytes;
	size_t at; /* bits */
};

static size_t
left_of(const struct reader *reader)
{
	return reader->bytes.len * 8 - reader->at;
}

static unsigned
get_bits(struct reader *reader, unsigned count)
{
	unsigned value = 0;

	while (count-- != 0) {
		value = value << 1 | ((unsigned char)reader->bytes.ptr[reader->at / 8] >> (7 - reader->at % 8) & 1u);
		reader->at++;
	}
	return value;
}

int
ms_postings_get_gaps(struct span gaps, uint8_t map[MS_POSTINGS_BYTES])
{
	struct reader reader = { .bytes = gaps };
	unsigned next = 0, rest;

	if (gaps.len == 0)
		return MS_E_CORRUPT;
	rest = get_bits(&reader, 4);
	if (rest > MS_POSTINGS_REST_MAX)
		return MS_E_CORRUPT;
	for (;;) {
		unsigned more = 0, gap;
		bool stopped = false;

		while (!stopped && left_of(&reader) != 0) {
			stopped = get_bits(&reader, 1) == 0;
			more += !stopped;
		}
		if (!stopped) /* nothing but what fills the last byte */
			return more < 8 ? 0 : MS_E_CORRUPT;
		if (left_of(&reader) < rest || more >= MS_POSTINGS_EACH)
			return MS_E_CORRUPT;
		gap = (more << rest | get_bits(&reader, rest)) + 1;
		if (gap > MS_POSTINGS_EACH - next)
			return MS_E_CORRUPT;
		next += gap;
		map[(next - 1) / 8] |= (uint8_t)(1u << ((next - 1) % 8));
	}
}

int
ms_postings_get(struct span bytes, uint8_t map[MS_POSTINGS_BYTES])
{
	if (bytes.len == 0)
		return MS_E_CORRUPT;
	if (bytes.ptr[0] == GAPS)
		return ms_postings_get_gaps(span_skip(bytes, 1), map);
	if (bytes.ptr[0] != BITMAP || bytes.len != MS_POSTINGS_BYTES + 1)
		return MS_E_CORRUPT;
	for (size_t i = 0; i < MS_POSTINGS_BYTES; i++)
		map[i] |= (uint8_t)bytes.ptr[1 + i];
	return 0;
}
