/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Header fields (RFC 5322 section 2.2) in a block of bytes, CRLF or LF: found, unfolded,
 * written. Pure. */
#ifndef COMMON_HEADER_H
#define COMMON_HEADER_H

#include "common/buf.h"

/* Bytes and fields beyond these are not looked at. */
#define HEADER_BLOCK_MAX (10u << 20)
#define HEADER_FIELDS_MAX 10000

/* All spans are borrowed from the block. */
struct header_field {
	struct span name;  /* before ":", without white space at its end; empty for a line that is no field */
	struct span value; /* after ":", with inner folds, without the last line end; a bad line as a whole */
	struct span whole; /* with the last line end */
	size_t at;         /* offset of whole in the block */
};

struct header_iter {
	struct span block;
	size_t at;
	unsigned fields;
};

/* Length of the header block at the start of a message or part, with the empty line that ends
 * it. Lines that are no fields are part of it; only where no empty line comes at all does the
 * first of them begin the body. */
size_t header_block_size(struct span message);
/* Length of the lines before the first one that is no field: the second rule alone. */
size_t header_fields_size(struct span block);

/* Walks a block (what follows its empty line is not looked at). header_next gives one field
 * after another, then false. */
void header_begin(struct header_iter *iter, struct span block);
bool header_next(struct header_iter *iter, struct header_field *ret_field);
/* The first field of that name (any case) / the last. False, and nothing set, when there is
 * none. */
bool header_find(struct span block, struct span name, struct header_field *ret_field);
bool header_find_last(struct span block, struct span name, struct header_field *ret_field);

/* Appends the value without its folds (RFC 5322 section 2.2.3: line ends go, the white space
 * stays) and without white space at both ends. Bare CR and NUL become spaces. 0, or -EMSGSIZE
 * (nothing added). */
int header_unfold(struct span value, struct buf *out);

/* Takes white space, line ends and comments (RFC 5322 section 3.2.2) off the front. A comment that
 * is never closed takes all. */
void header_skip_cfws(struct span *text);

/* True for a field name (RFC 5322 section 3.6.8), at most 76 long. */
bool header_name_is_valid(struct span name);

/* Appends `name: value` CRLF. The value is ASCII or UTF-8 text ready for a header (structured,
 * or already encoded), on one line or with folds; lines past 78 are folded at white space. 0,
 * -EINVAL (the name; a CR, LF or NUL that is no fold; a fold that leaves an empty line; a line
 * past 998 that cannot be folded), or -EMSGSIZE; on error nothing is added. */
int header_append(struct buf *out, struct span name, struct span value);
/* The same for unstructured text in UTF-8: what is not ASCII becomes encoded words. */
int header_append_text(struct buf *out, struct span name, struct span text);

#endif
