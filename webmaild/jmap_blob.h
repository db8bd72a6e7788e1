/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Blobs: whole messages ("B..."), uploads ("U..."), and the parts of either ("B...-1_2"). */
#ifndef WEBMAILD_JMAP_BLOB_H
#define WEBMAILD_JMAP_BLOB_H

#include "webmaild/jmap_store.h"

/* What is known of a blob beside its bytes; strings are owned. */
struct jmap_blob {
	struct buf type; /* media type; empty: not known (uploads) */
	struct buf name; /* file name, UTF-8, may be empty */
	bool is_message;
};

void jmap_blob_of_email(uint64_t id, char ret_text[JMAP_ID_LEN + 1]);
/* Appends the bytes: of a part decoded, of a message as it is stored. *ret_blob is set in any case (jmap_blob_free). 0; 1: there
 * is none; -EMSGSIZE; -errno; an enum ms_result. */
int jmap_blob_read(struct jmap *jmap, struct span id, struct buf *out, struct jmap_blob *ret_blob);
void jmap_blob_free(struct jmap_blob *blob);

#endif
