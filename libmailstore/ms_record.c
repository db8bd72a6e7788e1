/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Records of the index as bytes. Numbers are big-endian; the last four bytes are a checksum of all before them. */
#include "libmailstore/ms_record.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "libmailstore/ms_pending.h"

#define VERSION_BYTE 8

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
	put_u64(out, record->created);
	put_u64(out, record->named);
	put_u64(out, record->size);
	put_u64(out, record->deleted_size);
	put_u64(out, record->pending);
	put_u64(out, record->folder.quota.bytes);
	put_u64(out, record->folder.quota.messages);
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
	ret->created = get_u64(&reader);
	ret->named = get_u64(&reader);
	ret->size = get_u64(&reader);
	ret->deleted_size = get_u64(&reader);
	ret->pending = get_u64(&reader);
	ret->folder.quota.bytes = get_u64(&reader);
	ret->folder.quota.messages = get_u64(&reader);
	ret->new_time = get_time(&reader);
	ret->cur_time = get_time(&reader);
	keywords = get_u32(&reader);
	for (uint32_t i = 0; i < keywords && i < MS_KEYWORDS_MAX && !reader.bad; i++) {
		struct span keyword = get_text(&reader, MS_KEYWORD_LEN_MAX);

		if (!reader.bad)
			(void)ms_folder_add_keyword(&ret->folder, keyword);
	}
	if (reader.bad || reader.rest.len != 0 || use > MS_USE_ARCHIVE || keywords > MS_KEYWORDS_MAX) {
		ms_mailbox_record_clear(ret);
		return MS_E_CORRUPT;
	}
	ret->folder.use = (enum ms_use)use;
	return 0;
}

/* --- messages --- */

#define HAS_ATTACHMENT 1u
#define IN_CUR 2u
#define MORE_KEYWORDS 8u /* a list of them follows the bits of the first 64 */
#define UNIQUE_NAME 4u /* of the name only the unique part stands here: the rest follows from the record */

/* Seven bits in a byte, the lowest first; the last has its top bit clear. */
static void
put_number(struct buf *out, uint64_t value)
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
static void
put_signed(struct buf *out, int64_t value)
{
	put_number(out, (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0));
}

static uint64_t
get_number(struct reader *reader)
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

static int64_t
get_signed(struct reader *reader)
{
	uint64_t value = get_number(reader);

	return (int64_t)(value >> 1 ^ ((value & 1) != 0 ? UINT64_MAX : 0));
}

static void
put_keywords(struct buf *out, const struct ms_keywords *set)
{
	put_number(out, set->first);
	if (set->more_count != 0)
		put_number(out, set->more_count);
	for (unsigned i = 0; i < set->more_count; i++)
		put_number(out, set->more[i]);
}

static void
get_keywords(struct reader *reader, bool more, struct ms_keywords *ret)
{
	uint64_t count, n;

	ret->first = get_number(reader);
	ret->more_count = 0;
	count = more ? get_number(reader) : 0;
	for (uint64_t i = 0; i < count && !reader->bad; i++) {
		n = get_number(reader);
		if (n >= MS_KEYWORDS_MAX || ms_keywords_add(ret, (unsigned)n) != 0)
			reader->bad = true;
	}
}

/* The name that follows from the record and the unique part. */
static int
derive_name(const struct ms_message_record *record, uint32_t mailbox, struct span unique, struct buf *out)
{
	const struct ms_message *message = &record->message;
	struct ms_name name = {
		.unique = unique, .bytes = record->bytes, .size = message->size, .uid = message->uid, .folder = ms_name_folder(mailbox),
		.flags = message->flags,
	};
	struct buf digits = BUF_INIT(MS_NAME_MAX);
	int r;

	ms_keywords_to_name(&message->keywords, &name, &digits);
	r = digits.overflow ? -EMSGSIZE : ms_name_format(&name, record->in_cur, out);
	buf_free(&digits);
	return r;
}

void
ms_message_record_put(const struct ms_message_record *record, uint32_t mailbox, struct buf *out)
{
	const struct ms_message *message = &record->message;
	unsigned bits = (message->has_attachment ? HAS_ATTACHMENT : 0) | (record->in_cur ? IN_CUR : 0) |
	    (message->keywords.more_count != 0 ? MORE_KEYWORDS : 0);
	struct span name = span_of(record->name);
	struct buf derived = BUF_INIT(MS_NAME_MAX);
	size_t from = out->len;
	struct ms_name parsed;

	if (ms_name_parse(name, &parsed) && derive_name(record, mailbox, parsed.unique, &derived) == 0 && span_eq(buf_get(&derived), name)) {
		bits |= UNIQUE_NAME;
		name = parsed.unique;
	}
	buf_free(&derived);
	(void)buf_char(out, VERSION_BYTE);
	put_number(out, bits);
	put_number(out, message->flags);
	put_keywords(out, &message->keywords);
	put_number(out, message->modseq);
	put_number(out, record->bytes);
	put_signed(out, (int64_t)(message->size - record->bytes));
	put_signed(out, message->internal_date);
	put_signed(out, (int64_t)((uint64_t)message->save_date - (uint64_t)message->internal_date));
	put_u64(out, message->thread_id);
	put_u64(out, message->email_id);
	(void)buf_span(out, name);
	seal(out, from);
}

/* All but the name, of which *ret_name is what stands there. */
static int
get_message(struct span bytes, uint32_t uid, struct ms_message *message, uint64_t *ret_bytes, unsigned *ret_bits, struct span *ret_name)
{
	struct reader reader;

	if (!unseal(bytes, &reader))
		return MS_E_CORRUPT;
	*ret_bits = (unsigned)get_number(&reader);
	message->uid = uid;
	message->flags = (uint32_t)get_number(&reader);
	get_keywords(&reader, (*ret_bits & MORE_KEYWORDS) != 0, &message->keywords);
	message->modseq = get_number(&reader);
	*ret_bytes = get_number(&reader);
	message->size = *ret_bytes + (uint64_t)get_signed(&reader);
	message->internal_date = get_signed(&reader);
	message->save_date = (int64_t)((uint64_t)message->internal_date + (uint64_t)get_signed(&reader));
	message->thread_id = get_u64(&reader);
	message->email_id = get_u64(&reader);
	message->has_attachment = (*ret_bits & HAS_ATTACHMENT) != 0;
	*ret_name = reader.rest;
	if (reader.bad || reader.rest.len == 0 || reader.rest.len > MS_NAME_MAX)
		return MS_E_CORRUPT;
	return 0;
}

int
ms_message_record_get_message(struct span bytes, uint32_t uid, struct ms_message *ret)
{
	struct span name;
	uint64_t size;
	unsigned bits;

	return get_message(bytes, uid, ret, &size, &bits, &name);
}

int
ms_message_record_get(struct span bytes, uint32_t mailbox, uint32_t uid, struct ms_message_record *ret)
{
	struct buf derived = BUF_INIT(MS_NAME_MAX);
	struct span name;
	unsigned bits;
	int r = get_message(bytes, uid, &ret->message, &ret->bytes, &bits, &name);

	if (r != 0)
		return r;
	ret->noted = ret->message.modseq;
	ret->in_cur = (bits & IN_CUR) != 0;
	if ((bits & UNIQUE_NAME) != 0) {
		r = derive_name(ret, mailbox, name, &derived) != 0 ? MS_E_CORRUPT : 0;
		name = buf_get(&derived);
	}
	if (r == 0 && (span_chr(name, '/') >= 0 || span_chr(name, '\0') >= 0))
		r = MS_E_CORRUPT;
	if (r == 0) {
		memcpy(ret->name, name.ptr, name.len);
		ret->name[name.len] = '\0';
	}
	buf_free(&derived);
	return r;
}

/* --- the list of UIDs --- */

/* Most bitmaps of a large mailbox: nothing needs to be said of them, so that opening it reads a tenth of the pages. */
static const uint8_t all_uids[MS_UIDS_BYTES] = { [0 ... MS_UIDS_BYTES - 1] = 0xff };

void
ms_uids_record_put(const uint8_t map[MS_UIDS_BYTES], struct buf *out)
{
	size_t from = out->len;

	(void)buf_char(out, VERSION_BYTE);
	if (memcmp(map, all_uids, MS_UIDS_BYTES) != 0)
		(void)buf_put(out, map, MS_UIDS_BYTES);
	seal(out, from);
}

int
ms_uids_record_get(struct span bytes, uint8_t ret[MS_UIDS_BYTES])
{
	struct reader reader;

	if (!unseal(bytes, &reader) || (reader.rest.len != MS_UIDS_BYTES && reader.rest.len != 0))
		return MS_E_CORRUPT;
	memcpy(ret, reader.rest.len != 0 ? (const uint8_t *)reader.rest.ptr : all_uids, MS_UIDS_BYTES);
	return 0;
}

/* --- flags that names do not tell yet --- */

void
ms_pending_record_put(const struct ms_pending *pending, struct buf *out)
{
	size_t from = out->len;

	(void)buf_char(out, VERSION_BYTE);
	put_u32(out, pending->op);
	put_u32(out, pending->flags);
	put_u32(out, pending->letters);
	(void)buf_put(out, pending->map, MS_UIDS_BYTES);
	seal(out, from);
}

int
ms_pending_record_get(struct span bytes, struct ms_pending *ret)
{
	struct reader reader;
	uint32_t op;

	if (!unseal(bytes, &reader) || reader.rest.len != 12 + MS_UIDS_BYTES)
		return MS_E_CORRUPT;
	op = get_u32(&reader);
	ret->flags = get_u32(&reader);
	ret->letters = get_u32(&reader);
	memcpy(ret->map, reader.rest.ptr, MS_UIDS_BYTES);
	if (op > MS_FLAGS_REMOVE)
		return MS_E_CORRUPT;
	ret->op = (enum ms_store_op)op;
	return 0;
}
