/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Body parts as JMAP objects (RFC 8621 section 4.1.4), and which of them are text, HTML and attachments. Pure. */
#ifndef WEBMAILD_JMAP_PART_H
#define WEBMAILD_JMAP_PART_H

#include <jansson.h>

#include "common/mime.h"

/* Indices of parts. */
struct jmap_parts {
	uint32_t *items;
	size_t count, room;
};

struct jmap_body {
	struct jmap_parts text, html, attachments;
};
/* The algorithm of RFC 8621 section 4.1.4. */
void jmap_body_sort(const struct mime_message *message, struct jmap_body *ret_body);
void jmap_body_free(struct jmap_body *body);
/* RFC 8621 4.1.4: an attachment that is not inline. */
bool jmap_body_has_attachment(const struct mime_message *message, const struct jmap_body *body);

/* True for a name that bodyProperties may have. */
bool jmap_part_is_property(const char *name);
/* One part with these properties (a list of names, or NULL: the default ones). blob: the message's blobId. with_children: subParts, all
 * the way down. */
json_t *jmap_part_object(const struct mime_message *message, uint32_t index, const json_t *properties, struct span blob, bool with_children);
json_t *jmap_part_list(const struct mime_message *message, const struct jmap_parts *parts, const json_t *properties, struct span blob);

/* The media type in lower case: "text/plain". */
void jmap_part_type(const struct mime_part *part, struct buf *out);
/* The part's id within the message's blob: "<blob>-1_2". */
void jmap_part_blob(const struct mime_message *message, uint32_t index, struct span blob, struct buf *out);
/* Content-ID without brackets; false when there is none. */
bool jmap_part_cid(const struct mime_part *part, struct buf *out);

#endif
