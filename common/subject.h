/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The base subject (RFC 5256 section 2.1). Pure. */
#ifndef COMMON_SUBJECT_H
#define COMMON_SUBJECT_H

#include "common/buf.h"

#define SUBJECT_MAX 8192 /* bytes of the decoded subject that are looked at */

/* Appends the base subject, in UTF-8 and the case it has, of a raw Subject value. *ret_reply
 * (may be NULL): a "Re:", "Fwd:" or "(fwd)" was removed. 0, or -EMSGSIZE (nothing added). */
int subject_base(struct span value, struct buf *out, bool *ret_reply);

#endif
