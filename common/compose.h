/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Making messages: what JMAP, delivery reports and tools need beyond header.h, parameter.h and
 * address_list.h. Pure. */
#ifndef COMMON_COMPOSE_H
#define COMMON_COMPOSE_H

#include "common/address_list.h"
#include "common/buf.h"
#include "common/mime.h"

/* Each appends and returns 0, or -EMSGSIZE (a part may have been added), or -EINVAL where said.
 * Line ends are CRLF. Begin a field with compose_field_begin, add to it, end it with
 * compose_field_end; or write it whole. */

/* `name:` and *ret_column for the functions that fold. -EINVAL: no field name. */
int compose_field_begin(struct buf *out, struct span name, size_t *ret_column);
/* One msg-id in its brackets, or one word, with a space before it, folded where the line would
 * pass 78. -EINVAL: controls or spaces in it. */
int compose_field_word(struct buf *out, struct span word, size_t *column);
int compose_field_end(struct buf *out);

/* Content-Type with charset, boundary or name (UTF-8; SPAN_NULL: none). -EINVAL: type is not
 * "type/subtype". */
int compose_content_type(struct buf *out, struct span type, struct span charset, struct span boundary, struct span name);
/* Content-Disposition (inline, attachment) with filename (UTF-8; SPAN_NULL: none). */
int compose_content_disposition(struct buf *out, struct span disposition, struct span filename);
/* Content-Transfer-Encoding and the empty line are the caller's; these choose the encoding for a
 * text (7bit where it may stand as it is; 8bit when allowed; else quoted-printable or base64, the
 * shorter), give its name, and write a body in it. 7bit, 8bit and quoted-printable are for texts:
 * their line ends become CRLF. Base64 and binary keep the bytes. */
enum mime_encoding compose_text_encoding(struct span text, bool allow_8bit);
const char *compose_encoding_name(enum mime_encoding encoding);
int compose_body(struct buf *out, struct span bytes, enum mime_encoding encoding);

#define COMPOSE_BOUNDARY_SIZE 48
/* A boundary that no quoted-printable or base64 line can hold ("=_" inside), from 16 random
 * bytes. Returns the text in `text`. */
struct span compose_boundary(const uint8_t random[static 16], char text[static COMPOSE_BOUNDARY_SIZE]);
/* CRLF "--" boundary CRLF, or with "--" at its end. The CRLF before belongs to it: write bodies
 * without caring. */
int compose_delimiter(struct buf *out, struct span boundary, bool last);

#endif
