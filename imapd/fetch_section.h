/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* BODY[section]: where it stands in a message (RFC 3501 section 6.4.5). Pure. */
#ifndef IMAPD_FETCH_SECTION_H
#define IMAPD_FETCH_SECTION_H

#include "common/buf.h"
#include "imapd/imap_command.h"

struct mime_message;

/* A message's bytes and, once a section needed it, its parts. */
struct fetch_message {
	struct span bytes;
	struct mime_message *parts; /* NULL until needed */
};

/* Finds the section. True and the text, borrowed from the message or, for lists of fields, from `fields`; false when the
 * message has no such part. */
bool fetch_section_find(struct fetch_message *message, const struct imap_section *section, struct buf *fields,
    struct span *ret_text);
/* Frees the parts, not the bytes. */
void fetch_message_clear(struct fetch_message *message);

/* Appends the section as the answer names it: "BODY[1.HEADER.FIELDS (From)]<0>". */
void fetch_section_name(const struct imap_fetch_item *item, struct buf *out);

#endif
