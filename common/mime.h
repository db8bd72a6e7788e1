/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The MIME parser: a whole message, given as bytes (mapped, up to 4 GB, CRLF or LF), becomes a
 * flat array of parts with exact offsets in one pass. Pure, bounded, never fails: whatever the
 * bytes are, there is a part 0.
 *
 * Order is that of the message: a part stands before its children, these before its next
 * sibling. A message/rfc822 (or message/global) part that is not encoded has one child, the root
 * of the inner message; a multipart has any number, 0 too. The line end before a boundary
 * belongs to the boundary. */
#ifndef COMMON_MIME_H
#define COMMON_MIME_H

#include "common/buf.h"
#include "common/header.h"

/* What is nested or numbered beyond these is not divided any further: it stays one part of type
 * application/octet-stream. */
#define MIME_PARTS_MAX 10000
#define MIME_DEPTH_MAX 100
#define MIME_BOUNDARY_MAX 8192 /* RFC 2046 allows 70 */
#define MIME_NONE UINT32_MAX

enum mime_kind {
	MIME_LEAF,
	MIME_MULTIPART,
	MIME_MESSAGE, /* one child: the inner message */
};

/* Content-Transfer-Encoding, RFC 2045 section 6. */
enum mime_encoding {
	MIME_7BIT, MIME_8BIT, MIME_BINARY, MIME_QUOTED_PRINTABLE, MIME_BASE64, MIME_UNKNOWN_ENCODING,
};

/* Raw values (`*_value`) are borrowed from the message, with folds and comments as they came,
 * and NULL when the field is absent. */
struct mime_part {
	uint64_t header_at, header_len; /* with the empty line that ends the block */
	uint64_t body_at, body_len;
	uint64_t header_bare, body_bare; /* LFs without CR: with CRLF a range has len + bare octets */
	uint64_t body_lines;            /* LFs in the body */
	struct span type, subtype;      /* as written, or the default's ("text", "plain"); never empty */
	struct span type_value, disposition_value, encoding_value, id_value;
	struct span description_value, language_value, location_value, md5_value;
	struct span disposition;        /* the token, or NULL */
	enum mime_kind kind;
	enum mime_encoding encoding;
	bool typed;                     /* the type comes from a Content-Type field */
	uint32_t parent;                /* MIME_NONE for part 0 */
	uint32_t children;
	uint32_t number;                /* 1, 2, ... among the children of its parent; 1 for roots */
	uint32_t next;                  /* the next sibling, or MIME_NONE */
	uint16_t depth;                 /* 0 for part 0 */
};

struct mime_message {
	struct span bytes;
	struct mime_part *parts; /* parts[0] is the message */
	uint32_t count;
	bool cut;                /* a limit was passed */
};

/* Parses. The bytes stay the caller's and must outlive the result. Never NULL. */
struct mime_message *mime_parse(struct span bytes);
/* Frees the parts, not the bytes. Takes NULL; returns NULL. */
struct mime_message *mime_free(struct mime_message *message);

/* Borrowed from the message. */
struct span mime_header(const struct mime_message *message, const struct mime_part *part);
struct span mime_body(const struct mime_message *message, const struct mime_part *part);
/* The first child, or MIME_NONE. */
uint32_t mime_first_child(const struct mime_message *message, uint32_t index);
/* Compares type and subtype with words in any case; subtype SPAN_NULL is any. */
bool mime_is(const struct mime_part *part, struct span type, struct span subtype);
/* Appends the decoded value of a parameter of Content-Type / Content-Disposition (given in lower
 * case). True when it is there. */
bool mime_type_parameter(const struct mime_part *part, struct span name, struct buf *out);
bool mime_disposition_parameter(const struct mime_part *part, struct span name, struct buf *out);
/* Appends the file name: disposition's filename, else the type's name, UTF-8, without any folder
 * before it. True when there is one. */
bool mime_filename(const struct mime_part *part, struct buf *out);

/* IMAP's part numbers (RFC 3501 section 6.4.5). */

enum mime_section { MIME_SECTION_ALL, MIME_SECTION_HEADER, MIME_SECTION_TEXT, MIME_SECTION_MIME };
/* The part that the numbers name; no numbers: part 0. Its index, or MIME_NONE. */
uint32_t mime_find(const struct mime_message *message, const uint32_t *numbers, size_t depth);
/* The bytes of a section of it: HEADER and TEXT without numbers, or of the message inside a
 * message/rfc822 part; MIME the part's own header; ALL without numbers the whole message, else
 * the part's body. False when there is no such section. */
bool mime_section(const struct mime_message *message, const uint32_t *numbers, size_t depth, enum mime_section section,
    struct span *ret_bytes);
/* Appends the numbers of a part as "1.2.3": what mime_find leads back to it with (JMAP's
 * partId). The root of a message that is no multipart is "1" of it; nothing is added for the
 * root of a multipart message. 0, or -EMSGSIZE. */
int mime_number(const struct mime_message *message, uint32_t index, struct buf *out);
/* The way back: the index, or MIME_NONE. */
uint32_t mime_find_number(const struct mime_message *message, struct span number);

#endif
