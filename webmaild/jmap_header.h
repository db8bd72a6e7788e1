/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Header fields as JMAP properties (RFC 8621 section 4.1.2 and 4.1.3): read from a header block, and written into one. Pure. */
#ifndef WEBMAILD_JMAP_HEADER_H
#define WEBMAILD_JMAP_HEADER_H

#include <jansson.h>

#include "common/buf.h"

enum jmap_form {
	JMAP_RAW = 1, JMAP_TEXT = 2, JMAP_ADDRESSES = 4, JMAP_GROUPED_ADDRESSES = 8, JMAP_MESSAGE_IDS = 16, JMAP_DATE = 32, JMAP_URLS = 64,
};

/* "header:Name:asForm:all" taken apart. */
struct jmap_header_property {
	struct span name; /* borrowed from the property */
	enum jmap_form form;
	bool all;
};

/* False: no such property, or a form that this field may not have. */
bool jmap_header_property(const char *property, struct jmap_header_property *ret_property);
/* The short names: "from" is header:From:asAddresses. False when it is none of them. */
bool jmap_header_short(const char *property, struct jmap_header_property *ret_property);

/* The value in a header block: null (or, with all, an empty list) when there is no such field. A new reference. */
json_t *jmap_header_value(struct span block, const struct jmap_header_property *property);
/* Every field: [{"name", "value"}] with raw values. */
json_t *jmap_header_list(struct span block);

/* Appends the field(s) that make this property's value; nothing for null. 0, -EINVAL (the value has the wrong type or cannot be a
 * field), -EMSGSIZE. */
int jmap_header_write(struct buf *out, const struct jmap_header_property *property, const json_t *value);

/* One address of an EmailAddress list, for envelopes: the email of each entry in order into list (strings). */
json_t *jmap_header_emails(struct span block, const char *name);

#endif
