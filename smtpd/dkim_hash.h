/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The two hashes of a signature (RFC 6376 section 3.7): of a body that streams by, and of chosen header fields. Pure. */
#ifndef SMTPD_DKIM_HASH_H
#define SMTPD_DKIM_HASH_H

#include "common/header.h"
#include "smtpd/dkim_canon.h"

/* --- header --- */

struct dkim_fields {
	struct header_field *items; /* borrowed from the block */
	const struct header_field **by_name; /* the same by their names without case, and of one name as they stand */
	size_t count;
	size_t block_size;
};

/* Finds the fields of a header block, which must stay. Freed with dkim_fields_free. */
void dkim_fields_parse(struct span block, struct dkim_fields *ret_fields);
void dkim_fields_free(struct dkim_fields *fields);

/* Collects a header block out of a message that comes in pieces: takes bytes off the front up to and with the empty line, appends them
 * without that line, and returns how many were taken. *ret_whole: the block has ended. */
size_t dkim_header_take(struct buf *block, struct span bytes, bool *ret_whole);

/* What is signed of the header: the fields that `names` lists, each from the last of its name upwards (section 5.4.2), then the
 * signature's own field without the bytes `raw` (within it; the value of b=) and without its CRLF. */
void dkim_header_digest(const struct dkim_fields *fields, struct span names, enum dkim_canon canon, struct span own, struct span raw,
    uint8_t ret_digest[static DKIM_DIGEST_SIZE]);
/* Appends one field in canonical form without the bytes `raw` within it. */
void dkim_canon_without(enum dkim_canon canon, struct span field, struct span raw, struct buf *out);
void dkim_digest(struct span bytes, uint8_t ret_digest[static DKIM_DIGEST_SIZE]);

/* --- body --- */

struct dkim_body_hash;

/* limit: of l=, or UINT64_MAX. */
struct dkim_body_hash *dkim_body_hash_new(enum dkim_canon canon, uint64_t limit);
void dkim_body_hash_feed(struct dkim_body_hash *hash, struct span bytes);
/* The end. Returns the length of the whole canonical body, and frees the hash. */
uint64_t dkim_body_hash_finish(struct dkim_body_hash *hash, uint8_t ret_digest[static DKIM_DIGEST_SIZE]);
/* Frees one that is not finished. NULL is allowed. */
void dkim_body_hash_free(struct dkim_body_hash *hash);

#endif
