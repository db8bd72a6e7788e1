/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Records of the index as bytes. */
#include "libmailstore/ms_record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "libmailstore/ms_fields.h"
#include "libmailstore/ms_pending.h"

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
	ms_put_u64(out, (uint64_t)time->seconds);
	ms_put_u32(out, time->nanoseconds);
}

static struct ms_time
get_time(struct ms_reader *reader)
{
	int64_t seconds = (int64_t)ms_get_u64(reader);

	return (struct ms_time){ seconds, ms_get_u32(reader) };
}

void
ms_mailbox_record_put(const struct ms_mailbox_record *record, struct buf *out)
{
	size_t from = out->len;

	(void)buf_char(out, MS_VERSION_BYTE);
	ms_put_text(out, span_of(record->name));
	ms_put_u64(out, record->folder.id);
	ms_put_u32(out, record->folder.uidvalidity);
	ms_put_u32(out, record->folder.uid_limit);
	ms_put_u32(out, record->folder.use);
	ms_put_u32(out, record->uidnext);
	ms_put_u32(out, record->messages);
	ms_put_u32(out, record->unseen);
	ms_put_u32(out, record->deleted);
	ms_put_u64(out, record->modseq);
	ms_put_u64(out, record->created);
	ms_put_u64(out, record->named);
	ms_put_u64(out, record->size);
	ms_put_u64(out, record->deleted_size);
	ms_put_u64(out, record->pending);
	ms_put_u64(out, record->folder.quota.bytes);
	ms_put_u64(out, record->folder.quota.messages);
	put_time(out, &record->new_time);
	put_time(out, &record->cur_time);
	ms_put_u32(out, record->folder.keyword_count);
	for (unsigned i = 0; i < record->folder.keyword_count; i++)
		ms_put_text(out, span_of(record->folder.keywords[i]));
	ms_seal(out, from);
}

int
ms_mailbox_record_get(struct span bytes, struct ms_mailbox_record *ret)
{
	struct ms_reader reader;
	uint32_t use, keywords;

	*ret = (struct ms_mailbox_record){ .name = NULL };
	if (!ms_unseal(bytes, &reader))
		return MS_E_CORRUPT;
	ret->name = span_dup(ms_get_text(&reader, MS_MAILBOX_NAME_MAX));
	ret->folder.id = ms_get_u64(&reader);
	ret->folder.uidvalidity = ms_get_u32(&reader);
	ret->folder.uid_limit = ms_get_u32(&reader);
	use = ms_get_u32(&reader);
	ret->uidnext = ms_get_u32(&reader);
	ret->messages = ms_get_u32(&reader);
	ret->unseen = ms_get_u32(&reader);
	ret->deleted = ms_get_u32(&reader);
	ret->modseq = ms_get_u64(&reader);
	ret->created = ms_get_u64(&reader);
	ret->named = ms_get_u64(&reader);
	ret->size = ms_get_u64(&reader);
	ret->deleted_size = ms_get_u64(&reader);
	ret->pending = ms_get_u64(&reader);
	ret->folder.quota.bytes = ms_get_u64(&reader);
	ret->folder.quota.messages = ms_get_u64(&reader);
	ret->new_time = get_time(&reader);
	ret->cur_time = get_time(&reader);
	keywords = ms_get_u32(&reader);
	for (uint32_t i = 0; i < keywords && i < MS_KEYWORDS_MAX && !reader.bad; i++) {
		struct span keyword = ms_get_text(&reader, MS_KEYWORD_LEN_MAX);

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
#define CHANGED 16u /* since it came: when that was follows */
#define EMAIL_OF_NAME 32u /* the email id follows from the unique part of the name */
#define THREAD_OF_EMAIL 64u /* the thread id is the email id */
#define UNIQUE_NAME 4u /* of the name only the unique part stands here: the rest follows from the record */

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
	    (message->keywords.more_count != 0 ? MORE_KEYWORDS : 0) | (record->came != message->modseq ? CHANGED : 0);
	struct span name = span_of(record->name);
	struct buf derived = BUF_INIT(MS_NAME_MAX);
	size_t from = out->len;
	struct ms_name parsed;

	if (ms_name_parse(name, &parsed) && derive_name(record, mailbox, parsed.unique, &derived) == 0 && span_eq(buf_get(&derived), name)) {
		bits |= UNIQUE_NAME;
		name = parsed.unique;
		if (ms_name_email_id(name) == message->email_id)
			bits |= EMAIL_OF_NAME;
	}
	if (message->thread_id == message->email_id)
		bits |= THREAD_OF_EMAIL;
	buf_free(&derived);
	(void)buf_char(out, MS_VERSION_BYTE);
	ms_put_number(out, bits);
	ms_put_number(out, message->flags << 1 | (message->keywords.first != 0));
	if (message->keywords.first != 0)
		ms_put_number(out, message->keywords.first);
	put_keywords(out, &message->keywords);
	ms_put_number(out, message->modseq);
	if ((bits & CHANGED) != 0)
		ms_put_number(out, message->modseq - record->came);
	ms_put_number(out, record->bytes);
	ms_put_signed(out, (int64_t)(message->size - record->bytes));
	ms_put_signed(out, (int64_t)((uint64_t)message->internal_date - (message->email_id >> 32)));
	ms_put_signed(out, (int64_t)((uint64_t)message->save_date - (uint64_t)message->internal_date));
	if ((bits & THREAD_OF_EMAIL) == 0)
		ms_put_number(out, message->thread_id);
	if ((bits & EMAIL_OF_NAME) == 0)
		ms_put_u64(out, message->email_id);
	(void)buf_span(out, name);
	ms_seal(out, from);
}

/* All but the name, of which *ret_name is what stands there. */
static int
get_message(struct span bytes, uint32_t uid, struct ms_message *message, uint64_t *ret_came, uint64_t *ret_bytes, unsigned *ret_bits, struct span *ret_name)
{
	int64_t since_name;
	struct ms_reader reader;
	uint64_t flags;

	if (!ms_unseal(bytes, &reader))
		return MS_E_CORRUPT;
	*ret_bits = (unsigned)ms_get_number(&reader);
	message->uid = uid;
	flags = ms_get_number(&reader);
	message->flags = (uint32_t)(flags >> 1);
	message->keywords.first = (flags & 1) != 0 ? ms_get_number(&reader) : 0;
	get_keywords(&reader, (*ret_bits & MORE_KEYWORDS) != 0, &message->keywords);
	message->modseq = *ret_came = ms_get_number(&reader);
	if ((*ret_bits & CHANGED) != 0)
		*ret_came -= ms_get_number(&reader);
	*ret_bytes = ms_get_number(&reader);
	message->size = *ret_bytes + (uint64_t)ms_get_signed(&reader);
	since_name = ms_get_signed(&reader);
	message->save_date = ms_get_signed(&reader);
	message->thread_id = (*ret_bits & THREAD_OF_EMAIL) != 0 ? 0 : ms_get_number(&reader);
	message->email_id = (*ret_bits & EMAIL_OF_NAME) != 0 ? ms_name_email_id(reader.rest) : ms_get_u64(&reader);
	if ((*ret_bits & THREAD_OF_EMAIL) != 0)
		message->thread_id = message->email_id;
	message->internal_date = (int64_t)((message->email_id >> 32) + (uint64_t)since_name);
	message->save_date = (int64_t)((uint64_t)message->internal_date + (uint64_t)message->save_date);
	message->has_attachment = (*ret_bits & HAS_ATTACHMENT) != 0;
	*ret_name = reader.rest;
	if (reader.bad || *ret_came > message->modseq || reader.rest.len == 0 || reader.rest.len > MS_NAME_MAX)
		return MS_E_CORRUPT;
	return 0;
}

int
ms_message_record_get_message(struct span bytes, uint32_t uid, struct ms_message *ret, uint64_t *ret_came)
{
	uint64_t size, came;
	struct span name;
	unsigned bits;
	int r = get_message(bytes, uid, ret, &came, &size, &bits, &name);

	if (ret_came != NULL)
		*ret_came = came;
	return r;
}

int
ms_message_record_get(struct span bytes, uint32_t mailbox, uint32_t uid, struct ms_message_record *ret)
{
	struct buf derived = BUF_INIT(MS_NAME_MAX);
	struct span name;
	unsigned bits;
	int r = get_message(bytes, uid, &ret->message, &ret->came, &ret->bytes, &bits, &name);

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

	(void)buf_char(out, MS_VERSION_BYTE);
	if (memcmp(map, all_uids, MS_UIDS_BYTES) != 0)
		(void)buf_put(out, map, MS_UIDS_BYTES);
	ms_seal(out, from);
}

int
ms_uids_record_get(struct span bytes, uint8_t ret[MS_UIDS_BYTES])
{
	struct ms_reader reader;

	if (!ms_unseal(bytes, &reader) || (reader.rest.len != MS_UIDS_BYTES && reader.rest.len != 0))
		return MS_E_CORRUPT;
	memcpy(ret, reader.rest.len != 0 ? (const uint8_t *)reader.rest.ptr : all_uids, MS_UIDS_BYTES);
	return 0;
}

/* --- flags that names do not tell yet --- */

void
ms_pending_record_put(const struct ms_pending *pending, struct buf *out)
{
	size_t from = out->len;

	(void)buf_char(out, MS_VERSION_BYTE);
	ms_put_u32(out, pending->op);
	ms_put_u32(out, pending->flags);
	ms_put_u32(out, pending->letters);
	(void)buf_put(out, pending->map, MS_UIDS_BYTES);
	ms_seal(out, from);
}

int
ms_pending_record_get(struct span bytes, struct ms_pending *ret)
{
	struct ms_reader reader;
	uint32_t op;

	if (!ms_unseal(bytes, &reader) || reader.rest.len != 12 + MS_UIDS_BYTES)
		return MS_E_CORRUPT;
	op = ms_get_u32(&reader);
	ret->flags = ms_get_u32(&reader);
	ret->letters = ms_get_u32(&reader);
	memcpy(ret->map, reader.rest.ptr, MS_UIDS_BYTES);
	if (op > MS_FLAGS_REMOVE)
		return MS_E_CORRUPT;
	ret->op = (enum ms_store_op)op;
	return 0;
}
