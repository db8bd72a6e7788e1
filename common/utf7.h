/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Modified UTF-7 of IMAP mailbox names (RFC 3501 section 5.1.3). Pure. */
#ifndef COMMON_UTF7_H
#define COMMON_UTF7_H

#include "common/buf.h"

/* To UTF-8, appended. Strict: refuses 8-bit and control bytes, "&...-" that stands for printable
 * ASCII, useless shifts ("&A-&B-"), bits left over, lone surrogates, and U+0000. 0, -EINVAL, or
 * -EMSGSIZE; on error nothing is added. */
int utf7_decode(struct span name, struct buf *out);
/* From UTF-8, appended, in the one form that utf7_decode takes. 0, -EINVAL (not UTF-8, or a
 * control character), or -EMSGSIZE; on error nothing is added. */
int utf7_encode(struct span name, struct buf *out);

#endif
