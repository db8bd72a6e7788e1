/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Records of the index as bytes. Numbers are big-endian; the last four bytes are a checksum of all before them. */
#include "libmailstore/ms_record.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

#define VERSION_BYTE 2

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

/* --- fields --- */

struct reader {
	struct span rest;
	bool bad;
};

static void
put_u32(struct buf *out, uint32_t value)
{
	uint8_t bytes[4];

	ms_key_u32(bytes, value);
	(void)buf_put(out, bytes, sizeof(bytes));
}

static void
put_u64(struct buf *out, uint64_t value)
{
	uint8_t bytes[8];

	ms_key_u64(bytes, value);
	(void)buf_put(out, bytes, sizeof(bytes));
}

static void
put_text(struct buf *out, struct span text)
{
	put_u32(out, (uint32_t)text.len);
	(void)buf_span(out, text);
}

static struct span
get(struct reader *reader, size_t len)
{
	static const char zeros[8];

	if (reader->bad || reader->rest.len < len) {
		reader->bad = true;
		return len <= sizeof(zeros) ? span_make(zeros, len) : SPAN_NULL;
	}
	return span_take(&reader->rest, len);
}

static uint32_t
get_u32(struct reader *reader)
{
	return ms_key_get_u32((const uint8_t *)get(reader, 4).ptr);
}

static uint64_t
get_u64(struct reader *reader)
{
	return ms_key_get_u64((const uint8_t *)get(reader, 8).ptr);
}

static struct span
get_text(struct reader *reader, size_t max)
{
	uint32_t len = get_u32(reader);

	if (len > max)
		reader->bad = true;
	return reader->bad ? SPAN_NULL : get(reader, len);
}

/* FNV-1a over words of eight bytes, its halves folded: against flipped bytes, not against malice; whoever writes the index can write the
 * Maildir. It is computed for every record that is read: byte by byte it took longer than all the rest. */
static uint32_t
checksum(struct span bytes)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325), word;

	for (; bytes.len != 0; bytes = span_skip(bytes, bytes.len < 8 ? bytes.len : 8)) {
		word = 0;
		memcpy(&word, bytes.ptr, bytes.len < 8 ? bytes.len : 8);
		sum = (sum ^ be64toh(word)) * UINT64_C(0x100000001b3);
	}
	return (uint32_t)(sum ^ sum >> 32);
}

static void
seal(struct buf *out, size_t from)
{
	put_u32(out, checksum(span_skip(buf_get(out), from)));
}

static bool
unseal(struct span bytes, struct reader *ret)
{
	struct span sum;

	if (bytes.len < 5)
		return false;
	ret->rest = span_make(bytes.ptr, bytes.len - 4);
	ret->bad = false;
	sum = span_skip(bytes, bytes.len - 4);
	if (ms_key_get_u32((const uint8_t *)sum.ptr) != checksum(ret->rest))
		return false;
	return get(ret, 1).ptr[0] == VERSION_BYTE;
}

/* --- records --- */

void
ms_mailbox_record_clear(struct ms_mailbox_record *record)
{
	free(record->name);
	record->name = NULL;
	ms_folder_clear(&record->folder);
}

static void
put_time(struct buf *out, const struct ms_time *time)
{
	put_u64(out, (uint64_t)time->seconds);
	put_u32(out, time->nanoseconds);
}

static struct ms_time
get_time(struct reader *reader)
{
	int64_t seconds = (int64_t)get_u64(reader);

	return (struct ms_time){ seconds, get_u32(reader) };
}

void
ms_mailbox_record_put(const struct ms_mailbox_record *record, struct buf *out)
{
	size_t from = out->len;

	(void)buf_char(out, VERSION_BYTE);
	put_text(out, span_of(record->name));
	put_u64(out, record->folder.id);
	put_u32(out, record->folder.uidvalidity);
	put_u32(out, record->folder.uid_limit);
	put_u32(out, record->folder.use);
	put_u32(out, record->uidnext);
	put_u32(out, record->messages);
	put_u32(out, record->unseen);
	put_u32(out, record->deleted);
	put_u64(out, record->modseq);
	put_u64(out, record->size);
	put_time(out, &record->new_time);
	put_time(out, &record->cur_time);
	put_u32(out, record->folder.keyword_count);
	for (unsigned i = 0; i < record->folder.keyword_count; i++)
		put_text(out, span_of(record->folder.keywords[i]));
	seal(out, from);
}

int
ms_mailbox_record_get(struct span bytes, struct ms_mailbox_record *ret)
{
	struct reader reader;
	uint32_t use, keywords;

	*ret = (struct ms_mailbox_record){ .name = NULL };
	if (!unseal(bytes, &reader))
		return MS_E_CORRUPT;
	ret->name = span_dup(get_text(&reader, MS_MAILBOX_NAME_MAX));
	ret->folder.id = get_u64(&reader);
	ret->folder.uidvalidity = get_u32(&reader);
	ret->folder.uid_limit = get_u32(&reader);
	use = get_u32(&reader);
	ret->uidnext = get_u32(&reader);
	ret->messages = get_u32(&reader);
	ret->unseen = get_u32(&reader);
	ret->deleted = get_u32(&reader);
	ret->modseq = get_u64(&reader);
	ret->size = get_u64(&reader);
	ret->new_time = get_time(&reader);
	ret->cur_time = get_time(&reader);
	keywords = get_u32(&reader);
	for (uint32_t i = 0; i < keywords && i < MS_KEYWORDS_MAX && !reader.bad; i++) {
		struct span keyword = get_text(&reader, MS_KEYWORD_LEN_MAX);

		if (!reader.bad)
			ret->folder.keywords[ret->folder.keyword_count++] = span_dup(keyword);
	}
	if (reader.bad || reader.rest.len != 0 || use > MS_USE_ARCHIVE || keywords > MS_KEYWORDS_MAX) {
		ms_mailbox_record_clear(ret);
		return MS_E_CORRUPT;
	}
	ret->folder.use = (enum ms_use)use;
	return 0;
}

void
ms_message_record_put(const struct ms_message_record *record, struct buf *out)
{
	const struct ms_message *message = &record->message;
	size_t from = out->len;

	(void)buf_char(out, VERSION_BYTE);
	put_u32(out, message->flags);
	put_u64(out, message->keywords);
	put_u64(out, message->modseq);
	put_u64(out, message->size);
	put_u64(out, (uint64_t)message->internal_date);
	put_u64(out, (uint64_t)message->save_date);
	put_u64(out, message->email_id);
	put_u64(out, message->thread_id);
	put_u64(out, record->bytes);
	put_u32(out, (message->has_attachment ? 1u : 0) | (record->in_cur ? 2u : 0));
	put_text(out, span_of(record->name));
	seal(out, from);
}

int
ms_message_record_get(struct span bytes, uint32_t uid, struct ms_message_record *ret)
{
	struct ms_message *message = &ret->message;
	struct reader reader;
	struct span name;
	uint32_t bits;

	if (!unseal(bytes, &reader))
		return MS_E_CORRUPT;
	message->uid = uid;
	message->flags = get_u32(&reader);
	message->keywords = get_u64(&reader);
	message->modseq = get_u64(&reader);
	message->size = get_u64(&reader);
	message->internal_date = (int64_t)get_u64(&reader);
	message->save_date = (int64_t)get_u64(&reader);
	message->email_id = get_u64(&reader);
	message->thread_id = get_u64(&reader);
	ret->bytes = get_u64(&reader);
	bits = get_u32(&reader);
	name = get_text(&reader, MS_NAME_MAX);
	if (reader.bad || reader.rest.len != 0 || name.len == 0 || span_chr(name, '/') >= 0 || span_chr(name, '\0') >= 0)
		return MS_E_CORRUPT;
	message->has_attachment = (bits & 1) != 0;
	ret->in_cur = (bits & 2) != 0;
	memcpy(ret->name, name.ptr, name.len);
	ret->name[name.len] = '\0';
	return 0;
}

void
ms_uids_record_put(const uint8_t map[MS_UIDS_BYTES], struct buf *out)
{
	size_t from = out->len;

	(void)buf_char(out, VERSION_BYTE);
	(void)buf_put(out, map, MS_UIDS_BYTES);
	seal(out, from);
}

int
ms_uids_record_get(struct span bytes, uint8_t ret[MS_UIDS_BYTES])
{
	struct reader reader;

	if (!unseal(bytes, &reader) || reader.rest.len != MS_UIDS_BYTES)
		return MS_E_CORRUPT;
	memcpy(ret, reader.rest.ptr, MS_UIDS_BYTES);
	return 0;
}
