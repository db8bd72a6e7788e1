/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* BODY and BODYSTRUCTURE of a FETCH answer (RFC 3501 section 7.4.2, RFC 9051), from a parsed
 * message. Pure. */
#ifndef COMMON_IMAP_BODYSTRUCTURE_H
#define COMMON_IMAP_BODYSTRUCTURE_H

#include "common/imap_string.h"
#include "common/mime.h"

/* Appends the structure: with extension data (BODYSTRUCTURE) or without (BODY). Parameters stand
 * as in the fields (RFC 2231 forms not joined). Sizes count CRLF for each line end. An encoded
 * message/rfc822 part shows as application/octet-stream, for it has no structure. flags: enum
 * imap_string_flag. 0, or -EMSGSIZE (a part may have been added). */
int imap_bodystructure_append(struct buf *out, const struct mime_message *message, bool extended, unsigned flags);

#endif
