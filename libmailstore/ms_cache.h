/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The texts that are kept of a message (T_CACHE), as bytes: packed in the record, else one after another. Pure. */
#ifndef LIBMAILSTORE_MS_CACHE_H
#define LIBMAILSTORE_MS_CACHE_H

#include "common/buf.h"
#include "libmailstore/mailstore.h"

/* What is rendered beyond this is cut to nothing: IMAP then gets NIL. */
#define MS_CACHED_MAX (256 * 1024)
#define MS_CACHE_TEXTS_MAX (MS_CACHED_COUNT * (MS_CACHED_MAX + 4))
/* Of a record: what cannot be packed may grow, by less than is allowed for. */
#define MS_CACHE_RECORD_MAX (MS_CACHE_TEXTS_MAX + MS_CACHE_TEXTS_MAX / 4)

/* Appends the next text, in the order of enum ms_cached. NULL: it is not kept. */
void ms_cache_add(struct buf *texts, const struct buf *text);
/* One of the texts. 0, MS_E_NOTFOUND (not kept; empty, where it would stand) or MS_E_CORRUPT. Borrowed. */
int ms_cache_text(struct span texts, enum ms_cached what, struct span *ret);
/* Appends the record of these texts. */
void ms_cache_pack(struct span texts, struct buf *out);
/* Appends the texts of a record to out; it needs room for one byte more. 0 or MS_E_CORRUPT. */
int ms_cache_unpack(struct span record, struct buf *out);

#endif
