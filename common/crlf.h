/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Stored text (CRLF or LF, as it came) as the protocols show it, with CRLF: counted, and copied
 * piece by piece from any octet on. Pure. */
#ifndef COMMON_CRLF_H
#define COMMON_CRLF_H

#include "common/buf.h"

/* What is left to show. A LF that has no CR before it becomes CRLF; a CRLF stays one. */
struct crlf {
	struct span rest;
	uint64_t left;  /* octets to show at most */
	bool after_cr;  /* the byte before rest is a CR, or one was just shown for the LF at its beginning */
};

/* Octets that the text has when shown. */
uint64_t crlf_size(struct span text);
/* Begins at octet `first`, for at most count octets. Reads the text up to there. */
void crlf_begin(struct crlf *crlf, struct span text, uint64_t first, uint64_t count);
/* Appends at most max octets to out (which must have room for them); the number appended, 0 when
 * nothing is left. */
size_t crlf_take(struct crlf *crlf, size_t max, struct buf *out);

#endif
