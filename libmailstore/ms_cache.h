/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The texts that are kept of messages (T_CACHE), as bytes: packed in a record, of one message or of several whose UIDs follow each
 * other; else one after another. Pure. */
#ifndef LIBMAILSTORE_MS_CACHE_H
#define LIBMAILSTORE_MS_CACHE_H

#include "common/buf.h"
#include "libmailstore/mailstore.h"

/* What is rendered beyond this is cut to nothing: IMAP then gets NIL. */
#define MS_CACHED_MAX (256 * 1024)
#define MS_CACHE_TEXTS_MAX (MS_CACHED_COUNT * (MS_CACHED_MAX + 4))
/* With UIDs: of one message, or of several that have not more. */
#define MS_CACHE_UNPACKED_MAX (MS_CACHE_TEXTS_MAX + 4)
/* Of a record: what cannot be packed may grow, by less than is allowed for. */
#define MS_CACHE_RECORD_MAX (MS_CACHE_TEXTS_MAX + MS_CACHE_TEXTS_MAX / 4)

/* Appends the next text of a message, in the order of enum ms_cached. NULL: it is not kept. */
void ms_cache_add(struct buf *texts, const struct buf *text);
/* One of the texts. 0, MS_E_NOTFOUND (not kept; empty, where it would stand) or MS_E_CORRUPT. Borrowed. */
int ms_cache_text(struct span texts, enum ms_cached what, struct span *ret);

struct ms_cache_member {
	uint32_t uid;
	struct span texts; /* all of them */
};
/* Appends a message to those that are unpacked. */
void ms_cache_add_member(struct buf *unpacked, const struct ms_cache_member *member);
/* Takes the first off, of what ms_cache_unpack or ms_cache_add_member made. false: there is none. Borrowed. */
bool ms_cache_next(struct span *unpacked, struct ms_cache_member *ret);
/* The texts of one of them. 0 or MS_E_NOTFOUND. Borrowed. */
int ms_cache_find(struct span unpacked, uint32_t uid, struct span *ret);

/* Appends the record of messages in order of their UIDs, less than 65536 from the first to the last, at least one. */
void ms_cache_pack(const struct ms_cache_member *members, size_t count, struct buf *out);
struct ms_cache_head {
	uint32_t first, count;
	uint32_t len; /* unpacked */
};
/* What a record says of itself; the last UID is in its key. 0 or MS_E_CORRUPT. */
int ms_cache_head(struct span record, uint32_t last, struct ms_cache_head *ret);
/* Appends the messages of a record to out; it needs room for one byte more. 0 or MS_E_CORRUPT. */
int ms_cache_unpack(struct span record, uint32_t last, struct buf *out);

#endif
