/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What records of the index consist of. */
#include "libmailstore/ms_fields.h"

#include <endian.h>

void
ms_key_u32(uint8_t at[4], uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (24 - 8 * i));
}

void
ms_key_u64(uint8_t at[8], uint64_t value)
{
	for (unsigned i = 0; i < 8; i++)
		at[i] = (uint8_t)(value >> (56 - 8 * i));
}

uint32_t
ms_key_get_u32(const uint8_t at[4])
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

uint64_t
ms_key_get_u64(const uint8_t at[8])
{
	return (uint64_t)ms_key_get_u32(at) << 32 | ms_key_get_u32(at + 4);
}

void
ms_put_u32(struct buf *out, uint32_t value)
{
	uint8_t bytes[4];

	ms_key_u32(bytes, value);
	(void)buf_put(out, bytes, sizeof(bytes));
}

void
ms_put_u64(struct buf *out, uint64_t value)
{
	uint8_t bytes[8];

	ms_key_u64(bytes, value);
	(void)buf_put(out, bytes, sizeof(bytes));
}

void
ms_put_text(struct buf *out, struct span text)
{
	ms_put_u32(out, (uint32_t)text.len);
	(void)buf_span(out, text);
}

struct span
ms_get_bytes(struct ms_reader *reader, size_t len)
{
	static const char zeros[8];

	if (reader->bad || reader->rest.len < len) {
		reader->bad = true;
		return len <= sizeof(zeros) ? span_make(zeros, len) : SPAN_NULL;
	}
	return span_take(&reader->rest, len);
}

uint32_t
ms_get_u32(struct ms_reader *reader)
{
	return ms_key_get_u32((const uint8_t *)ms_get_bytes(reader, 4).ptr);
}

uint64_t
ms_get_u64(struct ms_reader *reader)
{
	return ms_key_get_u64((const uint8_t *)ms_get_bytes(reader, 8).ptr);
}

struct span
ms_get_text(struct ms_reader *reader, size_t max)
{
	uint32_t len = ms_get_u32(reader);

	if (len > max)
		reader->bad = true;
	return reader->bad ? SPAN_NULL : ms_get_bytes(reader, len);
}

/* FNV-1a over words of eight bytes, its halves folded: against flipped bytes, not against malice; whoever writes the index can write the
 * Maildir. It is computed for every record that is read: byte by byte it took longer than all the rest. */
static uint32_t
checksum(struct span bytes)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325), word;
	size_t at;

	for (at = 0; bytes.len - at >= sizeof(word); at += sizeof(word)) {
		memcpy(&word, bytes.ptr + at, sizeof(word));
		sum = (sum ^ be64toh(word)) * UINT64_C(0x100000001b3);
	}
	if (at < bytes.len) {
		word = 0;
		memcpy(&word, bytes.ptr + at, bytes.len - at);
		sum = (sum ^ be64toh(word)) * UINT64_C(0x100000001b3);
	}
	return (uint32_t)(sum ^ sum >> 32);
}

void
ms_seal(struct buf *out, size_t from)
{
	ms_put_u32(out, checksum(span_skip(buf_get(out), from)));
}

bool
ms_unseal(struct span bytes, struct ms_reader *ret)
{
	struct span sum;

	if (bytes.len < 5)
		return false;
	ret->rest = span_make(bytes.ptr, bytes.len - 4);
	ret->bad = false;
	sum = span_skip(bytes, bytes.len - 4);
	if (ms_key_get_u32((const uint8_t *)sum.ptr) != checksum(ret->rest))
		return false;
	return ms_get_bytes(ret, 1).ptr[0] == MS_VERSION_BYTE;
}

/* Seven bits in a byte, the lowest first; the last has its top bit clear. */
void
ms_put_number(struct buf *out, uint64_t value)
{
	uint8_t bytes[10];
	size_t len = 0;

	do {
		bytes[len++] = (uint8_t)(value | 0x80);
		value >>= 7;
	} while (value != 0);
	bytes[len - 1] &= 0x7f;
	(void)buf_put(out, bytes, len);
}

/* Near zero on either side. */
void
ms_put_signed(struct buf *out, int64_t value)
{
	ms_put_number(out, (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0));
}

int64_t
ms_get_signed(struct ms_reader *reader)
{
	uint64_t value = ms_get_number(reader);

	return (int64_t)(value >> 1 ^ ((value & 1) != 0 ? UINT64_MAX : 0));
}
