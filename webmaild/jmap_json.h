/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* JSON as JMAP uses it (RFC 8620 sections 1 and 3): ids, pointers, result references, patches. Pure. */
#ifndef WEBMAILD_JMAP_JSON_H
#define WEBMAILD_JMAP_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/span.h"

#define JMAP_DEPTH_MAX 64
#define JMAP_REFERRED_MAX (10u << 20)
#define JMAP_CALLS_MAX 32
#define JMAP_GET_MAX 500
#define JMAP_SET_MAX 500

/* A string value of these bytes; what is not UTF-8 becomes U+FFFD, NUL is left out. Never NULL. */
json_t *jmap_text(struct span bytes);
/* null when the text is empty and null_when_empty is set. */
/* null instead of an empty map or list, which is released; else the value itself. */
json_t *jmap_or_null(json_t *value);
json_t *jmap_text_or_null(struct span bytes);
/* The bytes of a JSON string; the empty span for anything else. Borrowed. */
struct span jmap_span(const json_t *value);

/* RFC 8620 1.2: 1 to 255 of A-Z a-z 0-9 - _ */
bool jmap_is_id(struct span text);
/* RFC 8620 1.3. False when the value is no such number. */
bool jmap_is_unsigned(const json_t *value, uint64_t *ret_number);
/* Date and UTCDate (RFC 8620 1.4: RFC 3339) to seconds; false when it is none. */
bool jmap_parse_date(struct span text, int64_t *ret_seconds);
json_t *jmap_utc_date(int64_t seconds);
/* The local time with its offset in minutes: Date. */
json_t *jmap_date(int64_t seconds, int offset_minutes);

/* A request as it came: depth and syntax checked. NULL: it is not JSON (I-JSON: UTF-8, no name twice). */
json_t *jmap_parse(struct span text);
/* RFC 8620 3.3: {"using": [...], "methodCalls": [[name, args, id], ...]}. */
bool jmap_is_request(const json_t *request);

/* The value at a JSON pointer with "*" (RFC 8620 3.7). A new reference, or NULL when there is none. */
json_t *jmap_pointer(json_t *document, struct span path);
/* Replaces each "#name" of args by what it refers to in responses (a list of [name, args, id]). A new object; or NULL and the type of
 * the error: "invalidArguments" or "invalidResultReference". All that is referred to has, written out, JMAP_REFERRED_MAX at most. */
json_t *jmap_resolve(const json_t *args, const json_t *responses, const char **ret_error);

/* Applies a PatchObject (RFC 8620 5.3): paths to values, null removes. A new object, or NULL when the patch is invalid. */
json_t *jmap_patch(const json_t *object, const json_t *patch);

/* True when every item is a string (the list NULL: false). */
bool jmap_is_string_list(const json_t *list);

#endif
