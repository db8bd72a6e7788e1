/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What the index has of many messages, read ahead in one go: a FETCH of a whole mailbox asks the store once for a thousand. */
#ifndef IMAPD_FETCH_BATCH_H
#define IMAPD_FETCH_BATCH_H

#include "common/buf.h"
#include "libmailstore/mailstore.h"

/* Messages read ahead. */
#define FETCH_BATCH 1000

struct fetch_batch {
	uint32_t first, last; /* the UIDs it was read for */
	struct ms_message *records;
	size_t count, at;
	unsigned wanted;      /* bit n: text n of enum ms_cached */
	bool flags_only;      /* records have UID, flags and keywords alone */
	struct buf texts;
	struct fetch_batch_text {
		uint32_t uid;
		unsigned missing; /* bit n: text n is not kept */
		size_t offset[MS_CACHED_COUNT], len[MS_CACHED_COUNT];
	} *kept;
	size_t kept_count, kept_at;
};

/* wanted: bit n for text n of enum ms_cached. flags_only: of records, UID, flags and keywords are enough. */
void fetch_batch_init(struct fetch_batch *batch, unsigned wanted, bool flags_only);
void fetch_batch_free(struct fetch_batch *batch);
/* Reads what the index has of these UIDs, at most FETCH_BATCH messages, instead of what it had. Of the texts so many that they fill a
 * buffer. 0, or the store's result: the batch is empty then. */
int fetch_batch_read(struct fetch_batch *batch, struct ms_mailbox *mailbox, uint32_t first, uint32_t last);
/* True when that message is among those it was read for. */
bool fetch_batch_covers(const struct fetch_batch *batch, uint32_t uid);
/* The record of a message; UIDs are asked for in ascending order. NULL when the store had none. Borrowed until the next read. */
const struct ms_message *fetch_batch_record(struct fetch_batch *batch, uint32_t uid);
/* A text of the message whose record was asked for last; false when it was not kept. Borrowed until the next read. */
bool fetch_batch_text(struct fetch_batch *batch, uint32_t uid, enum ms_cached what, struct span *ret);

#endif
