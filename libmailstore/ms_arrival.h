/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A message that has arrived in a mailbox and is not in the index yet: as it stands in the file index/arrivals. Pure. */
#ifndef LIBMAILSTORE_MS_ARRIVAL_H
#define LIBMAILSTORE_MS_ARRIVAL_H

#include "libmailstore/ms_record.h"

/* Ids that tell its conversation. */
#define MS_IDS_MAX 32

struct ms_arrival {
	uint32_t mailbox, uidvalidity;
	struct ms_message_record record; /* without modification sequence, thread and keywords: it gets them when it is taken in */
	struct ms_time new_time, cur_time; /* of the folder when it was there; 0: others may have changed it too */
	uint64_t ids[MS_IDS_MAX];
	unsigned id_count;
	struct span texts; /* as in ms_cache.h; got: borrowed from the bytes */
};

/* Its bytes without the texts, at most. */
#define MS_ARRIVAL_ROOM (MS_NAME_MAX + 8 * MS_IDS_MAX + 256)

/* Appends its bytes. */
void ms_arrival_put(const struct ms_arrival *arrival, struct buf *out);
/* Takes the first off. 0 or MS_E_CORRUPT. */
int ms_arrival_get(struct span *bytes, struct ms_arrival *ret);

#endif
