/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What the index has of many messages, read ahead. */
#include "imapd/fetch_batch.h"

#include <stdlib.h>

#include "common/xalloc.h"

/* Texts read ahead: what is beyond is read with the next batch. */
#define TEXTS_MAX (2 * 1024 * 1024)

void
fetch_batch_init(struct fetch_batch *batch, unsigned wanted, bool flags_only)
{
	*batch = (struct fetch_batch){ .wanted = wanted, .flags_only = flags_only };
	buf_init(&batch->texts, TEXTS_MAX);
}

void
fetch_batch_free(struct fetch_batch *batch)
{
	free(batch->records);
	free(batch->kept);
	buf_free(&batch->texts);
	*batch = (struct fetch_batch){ 0 };
}

static int
take_record(void *context, const struct ms_message *message)
{
	struct fetch_batch *batch = context;

	if (batch->count == FETCH_BATCH)
		return 1;
	batch->records[batch->count++] = *message;
	return 0;
}

static int
take_texts(void *context, uint32_t uid, const struct ms_text texts[MS_CACHED_COUNT])
{
	struct fetch_batch *batch = context;
	struct fetch_batch_text *kept = &batch->kept[batch->kept_count];

	*kept = (struct fetch_batch_text){ .uid = uid };
	for (unsigned i = 0; i < MS_CACHED_COUNT; i++) {
		if ((batch->wanted >> i & 1) == 0)
			continue;
		kept->missing |= texts[i].ptr == NULL ? 1u << i : 0;
		kept->offset[i] = batch->texts.len;
		kept->len[i] = texts[i].len;
		if (buf_span(&batch->texts, span_make(texts[i].ptr, texts[i].len)) != 0)
			return 1;
	}
	return ++batch->kept_count == FETCH_BATCH;
}

int
fetch_batch_read(struct fetch_batch *batch, struct ms_mailbox *mailbox, uint32_t first, uint32_t last)
{
	int rc;

	if (batch->records == NULL)
		batch->records = xcalloc(FETCH_BATCH, sizeof(batch->records[0]));
	if (batch->kept == NULL && batch->wanted != 0)
		batch->kept = xcalloc(FETCH_BATCH, sizeof(batch->kept[0]));
	batch->first = first;
	batch->last = last;
	batch->count = batch->at = batch->kept_count = batch->kept_at = 0;
	buf_clear(&batch->texts);
	rc = (batch->flags_only ? ms_messages_flags : ms_messages)(mailbox, first, last, take_record, batch);
	if (rc == 0 && batch->count == FETCH_BATCH)
		batch->last = batch->records[FETCH_BATCH - 1].uid;
	if (rc == 0 && batch->wanted != 0)
		rc = ms_messages_cached(mailbox, first, batch->last, take_texts, batch);
	if (rc != 0)
		batch->first = batch->last = 0;
	/* Their room was not enough: the rest comes with the next batch. */
	if (batch->texts.overflow && batch->kept_count > 0)
		batch->last = batch->kept[batch->kept_count - 1].uid;
	return rc;
}

bool
fetch_batch_covers(const struct fetch_batch *batch, uint32_t uid)
{
	return uid >= batch->first && uid <= batch->last;
}

const struct ms_message *
fetch_batch_record(struct fetch_batch *batch, uint32_t uid)
{
	while (batch->at < batch->count && batch->records[batch->at].uid < uid)
		batch->at++;
	return batch->at < batch->count && batch->records[batch->at].uid == uid ? &batch->records[batch->at] : NULL;
}

bool
fetch_batch_text(struct fetch_batch *batch, uint32_t uid, enum ms_cached what, struct span *ret)
{
	const struct fetch_batch_text *kept;

	while (batch->kept_at < batch->kept_count && batch->kept[batch->kept_at].uid < uid)
		batch->kept_at++;
	if (batch->kept_at == batch->kept_count || (batch->wanted >> what & 1) == 0)
		return false;
	kept = &batch->kept[batch->kept_at];
	if (kept->uid != uid || (kept->missing >> what & 1) != 0)
		return false;
	*ret = kept->len[what] != 0 ? span_make(batch->texts.data + kept->offset[what], kept->len[what]) : SPAN("");
	return true;
}
