/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Parameters of Content-Type and Content-Disposition (RFC 2045 section 5.1, RFC 2231). Pure. */
#ifndef COMMON_PARAMETER_H
#define COMMON_PARAMETER_H

#include "common/buf.h"

/* What stands beyond these is not looked at. */
#define PARAMETER_COUNT_MAX 200           /* decoded parameters */
#define PARAMETER_PIECES_MAX 4096         /* raw ones: a long value comes in many (RFC 2231 section 3) */
#define PARAMETER_TEXT_MAX (64u << 10) /* names and values of one field together */

struct parameter {
	struct span name;  /* decoded: lower case, without "*0*"; raw: as written */
	struct span value; /* decoded: UTF-8; raw: the octets after unquoting */
};

struct parameter_list {
	struct parameter *items;
	size_t count;
	struct buf text; /* what the spans point into */
};

enum parameter_mode {
	/* RFC 2231 continuations joined, percent decoded, charset to UTF-8; RFC 2047 words decoded too. */
	PARAMETER_DECODED,
	/* Each as the field has it ("filename*0*" is a name), as IMAP's BODYSTRUCTURE shows them. */
	PARAMETER_RAW,
};

/* Reads what follows the first ";" of a raw field value (comments and folding allowed). Never
 * fails: what cannot be read is skipped. Of two decoded parameters with one name the first
 * counts. Freed with parameter_list_free. */
void parameter_list_parse(struct span value, enum parameter_mode mode, struct parameter_list *ret_list);
void parameter_list_free(struct parameter_list *list);
/* The value (borrowed from the list), or SPAN_NULL. The name is given in lower case. */
struct span parameter_get(const struct parameter_list *list, struct span name);

/* Appends `; name=value` to a field, folded (CRLF SP) before it where the line would pass 78:
 * token or quoted-string for ASCII, else RFC 2231 with utf-8 and continuations. *column as in
 * encoded_word_encode. 0, or -EMSGSIZE (a part may have been added). */
int parameter_append(struct buf *out, struct span name, struct span value, size_t *column);

#endif
