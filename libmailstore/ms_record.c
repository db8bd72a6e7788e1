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

void
ms_put_time(struct buf *out, const struct ms_time *time)
{
	ms_put_u64(out, (uint64_t)time->seconds);
	ms_put_u32(out, time->nanoseconds);
}

struct ms_time
ms_get_time(struct ms_reader *reader)
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
	ms_put_time(out, &record->new_time);
	ms_put_time(out, &record->cur_time);
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
	ret->new_time = ms_get_time(&reader);
	ret->cur_time = ms_get_time(&reader);
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
