/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Flags that many messages of a mailbox got at once, and that the names of their files do not tell yet: what is to be done to which UIDs,
 * in the index and in the folder's file "fourpost-flags". Pure. */
#ifndef LIBMAILSTORE_MS_PENDING_H
#define LIBMAILSTORE_MS_PENDING_H

#include "common/buf.h"
#include "libmailstore/mailstore.h"
#include "libmailstore/ms_record.h"

#define MS_PENDING_FILE "fourpost-flags"
#define MS_PENDING_TEXT_MAX (16 << 20)

/* One change, of UIDs from MS_UIDS_EACH * n on: a larger one is several. */
struct ms_pending {
	uint32_t n;
	uint64_t modseq; /* not in the file */
	enum ms_store_op op;
	uint32_t flags, letters; /* letters: of the mailbox's first MS_LETTERS keywords */
	uint8_t map[MS_UIDS_BYTES];
};

/* Several, by n, those of the same n in the order in which they happened. */
struct ms_pending_list {
	struct ms_pending *list;
	size_t count, room;
};

/* A new last one; *ret is not initialised. */
struct ms_pending *ms_pending_add(struct ms_pending_list *list);
void ms_pending_clear(struct ms_pending_list *list);
/* The first one with that n; all after it have it, up to the first that has not. */
size_t ms_pending_find(const struct ms_pending_list *list, uint32_t n);
/* Makes of the message, as its name has it, what it is: flags, keywords, modification sequence. Whether anything is pending for it. */
bool ms_pending_apply(const struct ms_pending_list *list, struct ms_message *message);
/* A bit of a map. */
bool ms_pending_has(const uint8_t map[MS_UIDS_BYTES], uint32_t uid);
bool ms_pending_map_empty(const uint8_t map[MS_UIDS_BYTES]);

/* The file. A line that makes no sense is passed over. Another UIDVALIDITY: there is nothing in it. */
void ms_pending_format(const struct ms_pending_list *list, uint32_t uidvalidity, struct buf *out);
void ms_pending_parse(struct span text, uint32_t uidvalidity, struct ms_pending_list *ret);

/* The record in the index, without n and modseq, which are in its key. 0, or MS_E_CORRUPT. */
void ms_pending_record_put(const struct ms_pending *pending, struct buf *out);
int ms_pending_record_get(struct span bytes, struct ms_pending *ret);

#endif
