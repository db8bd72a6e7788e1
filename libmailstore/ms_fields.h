/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What records of the index consist of: a version byte, fields, and four bytes of a checksum of all before them. Pure. */
#ifndef LIBMAILSTORE_MS_FIELDS_H
#define LIBMAILSTORE_MS_FIELDS_H

#include "common/buf.h"

#define MS_VERSION_BYTE 8

/* Keys sort as their numbers do. */
void ms_key_u32(uint8_t at[4], uint32_t value);
void ms_key_u64(uint8_t at[8], uint64_t value);
uint32_t ms_key_get_u32(const uint8_t at[4]);
uint64_t ms_key_get_u64(const uint8_t at[8]);

/* Appends. A number takes a byte for each seven bits, the lowest first, of which all but the last have the top bit; signed, near zero
 * on either side, few bytes. */
void ms_put_u32(struct buf *out, uint32_t value);
void ms_put_u64(struct buf *out, uint64_t value);
void ms_put_text(struct buf *out, struct span text);
void ms_put_number(struct buf *out, uint64_t value);
void ms_put_signed(struct buf *out, int64_t value);
/* Appends the checksum of all from there on. */
void ms_seal(struct buf *out, size_t from);

struct ms_reader {
	struct span rest;
	bool bad; /* what was asked for is not there: all that is got since is zeros, or nothing */
};
/* false: the bytes are damaged, or of another version. */
bool ms_unseal(struct span bytes, struct ms_reader *ret);
struct span ms_get_bytes(struct ms_reader *reader, size_t len);
uint32_t ms_get_u32(struct ms_reader *reader);
uint64_t ms_get_u64(struct ms_reader *reader);
struct span ms_get_text(struct ms_reader *reader, size_t max);
/* Records of messages are made of these. */
static inline uint64_t
ms_get_number(struct ms_reader *reader)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte;

		if (reader->rest.len == 0)
			break;
		byte = (uint8_t)*reader->rest.ptr;
		reader->rest.ptr++;
		reader->rest.len--;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if ((byte & 0x80) == 0)
			return value;
	}
	reader->bad = true;
	return 0;
}
int64_t ms_get_signed(struct ms_reader *reader);

#endif
