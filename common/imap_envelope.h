/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* ENVELOPE of a FETCH answer (RFC 3501 section 7.4.2), from a header block. Pure. */
#ifndef COMMON_IMAP_ENVELOPE_H
#define COMMON_IMAP_ENVELOPE_H

#include "common/imap_string.h"

/* Appends "(date subject from sender reply-to to cc bcc in-reply-to message-id)". Values are
 * unfolded and otherwise as the fields have them (encoded words stay). flags: enum
 * imap_string_flag. 0, or -EMSGSIZE (a part may have been added). */
int imap_envelope_append(struct buf *out, struct span header_block, unsigned flags);

#endif
