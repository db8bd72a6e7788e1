/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A message that has arrived, as bytes: their number, and a record as those of the index are. */
#include "libmailstore/ms_arrival.h"

#include "libmailstore/ms_cache.h"

#define HAS_ATTACHMENT 1u

void
ms_arrival_put(const struct ms_arrival *arrival, struct buf *out)
{
	const struct ms_message *message = &arrival->record.message;
	size_t head = out->len, from;

	ms_put_u32(out, 0);
	from = out->len;
	(void)buf_char(out, MS_VERSION_BYTE);
	ms_put_u32(out, arrival->mailbox);
	ms_put_u32(out, arrival->uidvalidity);
	ms_put_u32(out, message->uid);
	ms_put_u32(out, message->has_attachment ? HAS_ATTACHMENT : 0);
	ms_put_u64(out, message->size);
	ms_put_u64(out, (uint64_t)message->internal_date);
	ms_put_u64(out, (uint64_t)message->save_date);
	ms_put_u64(out, message->email_id);
	ms_put_u64(out, arrival->record.bytes);
	ms_put_text(out, span_of(arrival->record.name));
	ms_put_time(out, &arrival->new_time);
	ms_put_time(out, &arrival->cur_time);
	ms_put_u32(out, arrival->id_count);
	for (unsigned i = 0; i < arrival->id_count; i++)
		ms_put_u64(out, arrival->ids[i]);
	ms_put_text(out, arrival->texts);
	ms_seal(out, from);
	if (!out->overflow)
		ms_key_u32((uint8_t *)out->data + head, (uint32_t)(out->len - from));
}

static void
get_name(struct ms_reader *reader, struct ms_message_record *ret)
{
	struct span name = ms_get_text(reader, MS_NAME_MAX);

	if (reader->bad || name.len == 0 || span_chr(name, '/') >= 0 || span_chr(name, '\0') >= 0) {
		reader->bad = true;
		return;
	}
	memcpy(ret->name, name.ptr, name.len);
	ret->name[name.len] = '\0';
}

int
ms_arrival_get(struct span *bytes, struct ms_arrival *ret)
{
	struct ms_message *message = &ret->record.message;
	struct ms_reader reader;
	uint32_t len, bits;

	*ret = (struct ms_arrival){ .mailbox = 0 };
	if (bytes->len < 4)
		return MS_E_CORRUPT;
	len = ms_key_get_u32((const uint8_t *)span_take(bytes, 4).ptr);
	if (len > bytes->len || !ms_unseal(span_take(bytes, len), &reader))
		return MS_E_CORRUPT;
	ret->mailbox = ms_get_u32(&reader);
	ret->uidvalidity = ms_get_u32(&reader);
	message->uid = ms_get_u32(&reader);
	bits = ms_get_u32(&reader);
	message->has_attachment = (bits & HAS_ATTACHMENT) != 0;
	message->size = ms_get_u64(&reader);
	message->internal_date = (int64_t)ms_get_u64(&reader);
	message->save_date = (int64_t)ms_get_u64(&reader);
	message->email_id = ms_get_u64(&reader);
	ret->record.bytes = ms_get_u64(&reader);
	get_name(&reader, &ret->record);
	ret->new_time = ms_get_time(&reader);
	ret->cur_time = ms_get_time(&reader);
	ret->id_count = ms_get_u32(&reader);
	if (ret->id_count > MS_IDS_MAX)
		return MS_E_CORRUPT;
	for (unsigned i = 0; i < ret->id_count; i++)
		ret->ids[i] = ms_get_u64(&reader);
	ret->texts = ms_get_text(&reader, MS_CACHE_TEXTS_MAX);
	return reader.bad || reader.rest.len != 0 || message->uid == 0 || bits > HAS_ATTACHMENT ? MS_E_CORRUPT : 0;
}
