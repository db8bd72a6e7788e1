/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Neighbours came one after another, under like names: what is told as a difference is small. */
#include "libmailstore/ms_row.h"

#include <errno.h>

#include "libmailstore/mailstore.h"

#define HAS_ATTACHMENT 1u
#define IN_CUR 2u
#define UNIQUE_NAME 4u
#define MORE_KEYWORDS 8u    /* a list of them follows the bits of the first 64 */
#define CHANGED 16u         /* since it came: when that was follows */
#define EMAIL_OF_NAME 32u   /* the email id follows from the name */
#define THREAD_OF_EMAIL 64u /* the thread id is the email id */
#define LOST 128u
#define BITS 8

static void
put_keywords(struct buf *out, const struct ms_keywords *set)
{
	if (set->more_count != 0)
		ms_put_number(out, set->more_count);
	for (unsigned i = 0; i < set->more_count; i++)
		ms_put_number(out, set->more[i]);
}

static void
get_keywords(struct ms_reader *reader, bool more, struct ms_keywords *ret)
{
	uint64_t count, n;

	ret->more_count = 0;
	count = more ? ms_get_number(reader) : 0;
	for (uint64_t i = 0; i < count && !reader->bad; i++) {
		n = ms_get_number(reader);
		if (n >= MS_KEYWORDS_MAX || ms_keywords_add(ret, (unsigned)n) != 0)
			reader->bad = true;
	}
}

/* The name that follows from the record and the unique part. */
static int
derive_name(const struct ms_message *message, uint64_t bytes, bool in_cur, uint32_t mailbox, struct span unique, struct buf *out)
{
	struct ms_name name = {
		.unique = unique, .bytes = bytes, .size = message->size, .uid = message->uid, .folder = ms_name_folder(mailbox),
		.flags = message->flags,
	};
	struct buf digits = BUF_INIT(MS_NAME_MAX);
	int r;

	ms_keywords_to_name(&message->keywords, &name, &digits);
	r = digits.overflow ? -EMSGSIZE : ms_name_format(&name, in_cur, out);
	buf_free(&digits);
	return r;
}

void
ms_entry_set(const struct ms_message_record *record, uint32_t mailbox, struct ms_entry *ret)
{
	struct span name = span_of(record->name);
	struct buf derived = BUF_INIT(MS_NAME_MAX);
	struct ms_name parsed;

	ret->message = record->message;
	ret->came = record->came;
	ret->bytes = record->bytes;
	ret->in_cur = record->in_cur;
	ret->lost = false;
	ret->unique = ms_name_parse(name, &parsed) && derive_name(&record->message, record->bytes, record->in_cur, mailbox, parsed.unique, &derived) == 0 &&
	    span_eq(buf_get(&derived), name);
	if (ret->unique)
		name = parsed.unique;
	ret->name_len = (uint8_t)name.len;
	memcpy(ret->name, name.ptr, name.len);
	buf_free(&derived);
}

int
ms_entry_get(const struct ms_entry *entry, uint32_t mailbox, struct ms_message_record *ret)
{
	struct span name = span_make(entry->name, entry->name_len);
	struct buf derived = BUF_INIT(MS_NAME_MAX);
	int r = 0;

	ret->message = entry->message;
	ret->noted = entry->message.modseq;
	ret->came = entry->came;
	ret->bytes = entry->bytes;
	ret->in_cur = entry->in_cur;
	if (entry->unique) {
		r = derive_name(&entry->message, entry->bytes, entry->in_cur, mailbox, name, &derived) != 0 ? MS_E_CORRUPT : 0;
		name = buf_get(&derived);
	}
	if (r == 0) {
		memcpy(ret->name, name.ptr, name.len);
		ret->name[name.len] = '\0';
	}
	buf_free(&derived);
	return r;
}

/* --- names --- */

static unsigned
common_start(const struct ms_entry *a, const struct ms_entry *b)
{
	unsigned len = 0;

	while (len < a->name_len && len < b->name_len && a->name[len] == b->name[len])
		len++;
	return len;
}

static unsigned
common_end(const struct ms_entry *a, const struct ms_entry *b, unsigned start)
{
	unsigned len = 0;

	while (start + len < a->name_len && start + len < b->name_len && a->name[a->name_len - len - 1] == b->name[b->name_len - len - 1])
		len++;
	return len;
}

static void
put_name(struct buf *out, const struct ms_entry *entry, const struct ms_entry *last)
{
	unsigned start = common_start(entry, last), end = common_end(entry, last, start);

	ms_put_number(out, start);
	ms_put_number(out, end);
	ms_put_number(out, entry->name_len - start - end);
	(void)buf_put(out, entry->name + start, entry->name_len - start - end);
}

static void
get_name(struct ms_reader *reader, const struct ms_entry *last, struct ms_entry *ret)
{
	uint64_t start = ms_get_number(reader), end = ms_get_number(reader), len = ms_get_number(reader);
	struct span middle;

	if (start > last->name_len || end > last->name_len || len > MS_NAME_MAX || start + end + len > MS_NAME_MAX || start + end + len == 0)
		reader->bad = true;
	middle = reader->bad ? SPAN_NULL : ms_get_bytes(reader, len);
	if (reader->bad)
		return;
	memcpy(ret->name, last->name, start);
	if (len > 0)
		memcpy(ret->name + start, middle.ptr, len);
	memcpy(ret->name + start + len, last->name + last->name_len - end, end);
	ret->name_len = (uint8_t)(start + len + end);
	if (memchr(ret->name, '/', ret->name_len) != NULL || memchr(ret->name, '\0', ret->name_len) != NULL)
		reader->bad = true;
}

/* --- messages --- */

static const struct ms_entry nothing;

static unsigned
bits_of(const struct ms_entry *entry)
{
	const struct ms_message *message = &entry->message;

	if (entry->lost)
		return LOST;
	return (message->has_attachment ? HAS_ATTACHMENT : 0) | (entry->in_cur ? IN_CUR : 0) | (entry->unique ? UNIQUE_NAME : 0) |
	    (message->keywords.more_count != 0 ? MORE_KEYWORDS : 0) | (entry->came != message->modseq ? CHANGED : 0) |
	    (ms_name_email_id(span_make(entry->name, entry->name_len)) == message->email_id ? EMAIL_OF_NAME : 0) |
	    (message->thread_id == message->email_id ? THREAD_OF_EMAIL : 0);
}

static void
put_entry(struct buf *out, const struct ms_entry *entry, unsigned bits, const struct ms_entry *last)
{
	const struct ms_message *message = &entry->message;

	put_name(out, entry, last);
	ms_put_number(out, message->flags << 1 | (message->keywords.first != 0));
	if (message->keywords.first != 0)
		ms_put_number(out, message->keywords.first);
	put_keywords(out, &message->keywords);
	ms_put_signed(out, (int64_t)(message->modseq - last->message.modseq));
	if ((bits & CHANGED) != 0)
		ms_put_number(out, message->modseq - entry->came);
	ms_put_number(out, entry->bytes);
	ms_put_signed(out, (int64_t)(message->size - entry->bytes));
	ms_put_signed(out, (int64_t)((uint64_t)message->internal_date - (message->email_id >> 32)));
	ms_put_signed(out, (int64_t)((uint64_t)message->save_date - (uint64_t)message->internal_date));
	if ((bits & EMAIL_OF_NAME) == 0)
		ms_put_u64(out, message->email_id);
	if ((bits & THREAD_OF_EMAIL) == 0)
		ms_put_number(out, message->thread_id);
}

static void
get_entry(struct ms_reader *reader, unsigned bits, const struct ms_entry *last, struct ms_entry *ret)
{
	struct ms_message *message = &ret->message;
	int64_t internal_date, save_date;
	uint64_t flags;

	get_name(reader, last, ret);
	flags = ms_get_number(reader);
	message->flags = (uint32_t)(flags >> 1);
	message->keywords.first = (flags & 1) != 0 ? ms_get_number(reader) : 0;
	get_keywords(reader, (bits & MORE_KEYWORDS) != 0, &message->keywords);
	message->modseq = ret->came = last->message.modseq + (uint64_t)ms_get_signed(reader);
	if ((bits & CHANGED) != 0)
		ret->came -= ms_get_number(reader);
	ret->bytes = ms_get_number(reader);
	message->size = ret->bytes + (uint64_t)ms_get_signed(reader);
	internal_date = ms_get_signed(reader);
	save_date = ms_get_signed(reader);
	if (reader->bad || ret->came > message->modseq) {
		reader->bad = true;
		return;
	}
	message->email_id = (bits & EMAIL_OF_NAME) != 0 ? ms_name_email_id(span_make(ret->name, ret->name_len)) : ms_get_u64(reader);
	message->thread_id = (bits & THREAD_OF_EMAIL) != 0 ? message->email_id : ms_get_number(reader);
	message->internal_date = (int64_t)((message->email_id >> 32) + (uint64_t)internal_date);
	message->save_date = (int64_t)((uint64_t)message->internal_date + (uint64_t)save_date);
	message->has_attachment = (bits & HAS_ATTACHMENT) != 0;
	ret->in_cur = (bits & IN_CUR) != 0;
	ret->unique = (bits & UNIQUE_NAME) != 0;
	ret->lost = false;
}

void
ms_row_put(const struct ms_row *row, uint32_t n, struct buf *out)
{
	const struct ms_entry *last = &nothing;
	uint32_t next = n * MS_ROW_EACH;
	size_t from = out->len;

	(void)buf_char(out, MS_VERSION_BYTE);
	for (unsigned i = 0; i < row->count; i++) {
		const struct ms_entry *entry = &row->list[i];
		unsigned bits = bits_of(entry);

		ms_put_number(out, (entry->message.uid - next) << BITS | bits);
		next = entry->message.uid + 1;
		if (entry->lost)
			continue;
		put_entry(out, entry, bits, last);
		last = entry;
	}
	ms_seal(out, from);
}

int
ms_row_get(struct span bytes, uint32_t n, struct ms_row *ret)
{
	const struct ms_entry *last = &nothing;
	uint32_t next = 0; /* of the run */
	struct ms_reader reader;

	ret->count = 0;
	if (n > UINT32_MAX / MS_ROW_EACH || !ms_unseal(bytes, &reader))
		return MS_E_CORRUPT;
	while (reader.rest.len > 0 && !reader.bad) {
		uint64_t head = ms_get_number(&reader), at = next + (head >> BITS);
		struct ms_entry *entry;

		if (at >= MS_ROW_EACH || reader.bad || (n == 0 && at == 0))
			return MS_E_CORRUPT;
		next = (uint32_t)at + 1;
		entry = &ret->list[ret->count++];
		entry->message.uid = n * MS_ROW_EACH + (uint32_t)at;
		entry->lost = (head & LOST) != 0;
		if (entry->lost)
			continue;
		get_entry(&reader, (unsigned)(head & (LOST - 1)), last, entry);
		last = entry;
	}
	return reader.bad || ret->count == 0 ? MS_E_CORRUPT : 0;
}
