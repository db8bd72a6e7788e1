/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Strings in IMAP answers (RFC 3501 section 4.3, RFC 9051 section 4.3). Pure. */
#ifndef COMMON_IMAP_STRING_H
#define COMMON_IMAP_STRING_H

#include "common/buf.h"

enum imap_string_flag {
	IMAP_STRING_UTF8 = 1, /* the client has enabled UTF8=ACCEPT or IMAP4rev2: UTF-8 may stand in quoted strings */
};

/* Appends a quoted string, or a literal where a quoted string cannot hold the bytes (CR, LF,
 * NUL, 8-bit without IMAP_STRING_UTF8, not UTF-8) or would be mostly backslashes. NUL, which no
 * literal holds, becomes "?"; white space and line ends of folds are the caller's. 0, or
 * -EMSGSIZE (nothing added). */
int imap_string_append(struct buf *out, struct span text, unsigned flags);
/* The same, and NIL when text.ptr is NULL. */
int imap_nstring_append(struct buf *out, struct span text, unsigned flags);

#endif
