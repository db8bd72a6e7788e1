/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Between the files of the MIME parser only. */
#ifndef COMMON_MIME_INTERNAL_H
#define COMMON_MIME_INTERNAL_H

#include "common/mime.h"

/* Sets everything of the part that its header block tells, kind included; appends the boundary of a multipart. in_digest: the parent is a
 * multipart/digest. */
void mime_read_header(struct mime_part *part, struct span header, bool in_digest, struct buf *boundary);
/* A part that would have parts but may not, because of a limit. */
void mime_set_undivided(struct mime_part *part);

#endif
