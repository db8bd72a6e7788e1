/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Body parts as JMAP objects. */
#include "webmaild/jmap_part.h"

#include <stdlib.h>

#include "common/encoded_word.h"
#include "common/header.h"
#include "common/message_id.h"
#include "common/mime_text.h"
#include "common/xalloc.h"
#include "webmaild/jmap_header.h"
#include "webmaild/jmap_json.h"

#define NAME_MAX_LEN 4096
#define SIZE_STEP 65536

/* --- text, HTML, attachments --- */

static void
push(struct jmap_parts *parts, uint32_t index)
{
	if (parts->count == parts->room) {
		parts->room = parts->room != 0 ? parts->room * 2 : 8;
		parts->items = xreallocarray(parts->items, parts->room, sizeof(*parts->items));
	}
	parts->items[parts->count++] = index;
}

static bool
is_media(const struct mime_part *part)
{
	return mime_is(part, SPAN("image"), SPAN_NULL) || mime_is(part, SPAN("audio"), SPAN_NULL) || mime_is(part, SPAN("video"), SPAN_NULL);
}

static bool
has_name(const struct mime_part *part)
{
	struct buf name = BUF_INIT(NAME_MAX_LEN);
	bool has = mime_filename(part, &name);

	buf_free(&name);
	return has;
}

static bool
is_inline(const struct mime_part *part, bool first, bool related)
{
	if (span_ieq(part->disposition, SPAN("attachment")))
		return false;
	if (!mime_is(part, SPAN("text"), SPAN("plain")) && !mime_is(part, SPAN("text"), SPAN("html")) && !is_media(part))
		return false;
	return first || (!related && (is_media(part) || !has_name(part)));
}

/* text or html NULL: none of these are wanted any more on this branch. The names are those of the RFC's algorithm. */
static void
sort_part(const struct mime_message *message, uint32_t index, const struct mime_part *multipart, bool first, bool in_alternative,
    struct jmap_parts **html, struct jmap_parts **text, struct jmap_parts *attachments);

static void
sort_children(const struct mime_message *message, uint32_t parent, bool in_alternative, struct jmap_parts *html, struct jmap_parts *text,
    struct jmap_parts *attachments)
{
	const struct mime_part *multipart = &message->parts[parent];
	bool alternative = mime_is(multipart, SPAN("multipart"), SPAN("alternative")), first = true;
	size_t text_count = text != NULL ? text->count : 0, html_count = html != NULL ? html->count : 0;

	for (uint32_t i = mime_first_child(message, parent); i != MIME_NONE; i = message->parts[i].next) {
		sort_part(message, i, multipart, first, in_alternative, &html, &text, attachments);
		first = false;
	}
	if (!alternative || text == NULL || html == NULL)
		return;
	if (text_count == text->count && html_count != html->count)
		for (size_t i = html_count; i < html->count; i++)
			push(text, html->items[i]);
	else if (html_count == html->count && text_count != text->count)
		for (size_t i = text_count; i < text->count; i++)
			push(html, text->items[i]);
}

static void
sort_part(const struct mime_message *message, uint32_t index, const struct mime_part *multipart, bool first, bool in_alternative,
    struct jmap_parts **html, struct jmap_parts **text, struct jmap_parts *attachments)
{
	const struct mime_part *part = &message->parts[index];
	bool plain = mime_is(part, SPAN("text"), SPAN("plain")), rich = mime_is(part, SPAN("text"), SPAN("html"));

	if (part->kind == MIME_MULTIPART) {
		sort_children(message, index, in_alternative || mime_is(part, SPAN("multipart"), SPAN("alternative")), *html, *text, attachments);
		return;
	}
	if (!is_inline(part, first, multipart != NULL && mime_is(multipart, SPAN("multipart"), SPAN("related")))) {
		push(attachments, index);
		return;
	}
	if (multipart != NULL && mime_is(multipart, SPAN("multipart"), SPAN("alternative"))) {
		struct jmap_parts *list = plain ? *text : rich ? *html : attachments;

		if (list != NULL)
			push(list, index);
		return;
	}
	if (in_alternative && plain)
		*html = NULL;
	if (in_alternative && rich)
		*text = NULL;
	if (*text != NULL)
		push(*text, index);
	if (*html != NULL)
		push(*html, index);
	if ((*text == NULL || *html == NULL) && is_media(part))
		push(attachments, index);
}

void
jmap_body_sort(const struct mime_message *message, struct jmap_body *ret_body)
{
	struct jmap_parts *html = &ret_body->html, *text = &ret_body->text;

	memset(ret_body, 0, sizeof(*ret_body));
	sort_part(message, 0, NULL, true, false, &html, &text, &ret_body->attachments);
}

void
jmap_body_free(struct jmap_body *body)
{
	free(body->text.items);
	free(body->html.items);
	free(body->attachments.items);
}

bool
jmap_body_has_attachment(const struct mime_message *message, const struct jmap_body *body)
{
	for (size_t i = 0; i < body->attachments.count; i++)
		if (!span_ieq(message->parts[body->attachments.items[i]].disposition, SPAN("inline")))
			return true;
	return false;
}

/* --- properties --- */

static const char *const default_properties[] = {
	"partId", "blobId", "size", "name", "type", "charset", "disposition", "cid", "language", "location",
};

bool
jmap_part_is_property(const char *name)
{
	struct jmap_header_property header;

	for (size_t i = 0; i < sizeof(default_properties) / sizeof(default_properties[0]); i++)
		if (strcmp(default_properties[i], name) == 0)
			return true;
	return strcmp(name, "headers") == 0 || strcmp(name, "subParts") == 0 || jmap_header_property(name, &header);
}

void
jmap_part_type(const struct mime_part *part, struct buf *out)
{
	for (size_t i = 0; i < part->type.len; i++)
		(void)buf_char(out, ascii_lower(part->type.ptr[i]));
	(void)buf_char(out, '/');
	for (size_t i = 0; i < part->subtype.len; i++)
		(void)buf_char(out, ascii_lower(part->subtype.ptr[i]));
}

void
jmap_part_blob(const struct mime_message *message, uint32_t index, struct span blob, struct buf *out)
{
	size_t at;

	(void)buf_span(out, blob);
	(void)buf_char(out, '-');
	at = out->len;
	(void)mime_number(message, index, out);
	for (; at < out->len; at++)
		if (out->data[at] == '.')
			out->data[at] = '_';
}

bool
jmap_part_cid(const struct mime_part *part, struct buf *out)
{
	struct span value = part->id_value;

	if (value.ptr == NULL)
		return false;
	if (message_id_next(&value, out))
		return true;
	/* Some leave the brackets out. */
	(void)buf_span(out, span_trim(part->id_value));
	return out->len > 0;
}

/* The size of the decoded body. */
static json_t *
size_of(const struct mime_message *message, uint32_t index)
{
	const struct mime_part *part = &message->parts[index];
	struct mime_decoder decoder;
	struct buf piece = BUF_INIT(2 * SIZE_STEP);
	uint64_t size = 0;
	size_t len;

	if (part->encoding != MIME_BASE64 && part->encoding != MIME_QUOTED_PRINTABLE)
		return json_integer((json_int_t)part->body_len);
	mime_decoder_init(&decoder, message, index);
	while ((len = mime_decoder_take(&decoder, SIZE_STEP, &piece)) > 0) {
		size += len;
		buf_clear(&piece);
	}
	buf_free(&piece);
	return json_integer((json_int_t)size);
}

static json_t *
charset_of(const struct mime_part *part)
{
	struct buf charset = BUF_INIT(256);
	json_t *value;

	if (!mime_is(part, SPAN("text"), SPAN_NULL))
		return json_null();
	if (!mime_type_parameter(part, SPAN("charset"), &charset))
		(void)buf_str(&charset, "us-ascii");
	value = jmap_text(buf_get(&charset));
	buf_free(&charset);
	return value;
}

static json_t *
languages_of(const struct mime_part *part)
{
	struct span rest = part->language_value, tag;
	json_t *list;

	if (rest.ptr == NULL)
		return json_null();
	list = json_array();
	while (span_split(&rest, ',', &tag))
		if (span_trim(tag).len > 0)
			(void)json_array_append_new(list, jmap_text(span_trim(tag)));
	return list;
}

/* A string made by one of the functions above it, or null. */
static json_t *
optional_text(bool there, struct buf *text)
{
	json_t *value = there ? jmap_text(buf_get(text)) : json_null();

	buf_free(text);
	return value;
}

static json_t *
lower_text(struct span text)
{
	struct buf lower = BUF_INIT(NAME_MAX_LEN);

	for (size_t i = 0; i < text.len; i++)
		(void)buf_char(&lower, ascii_lower(text.ptr[i]));
	return optional_text(text.ptr != NULL, &lower);
}

static json_t *
property_of(const struct mime_message *message, uint32_t index, const char *name, struct span blob)
{
	const struct mime_part *part = &message->parts[index];
	bool leaf = part->kind != MIME_MULTIPART;
	struct buf text = BUF_INIT(NAME_MAX_LEN);
	struct jmap_header_property header;

	if (strcmp(name, "partId") == 0) {
		if (leaf)
			(void)mime_number(message, index, &text);
		return optional_text(leaf, &text);
	}
	if (strcmp(name, "blobId") == 0) {
		if (leaf)
			jmap_part_blob(message, index, blob, &text);
		return optional_text(leaf, &text);
	}
	if (strcmp(name, "type") == 0) {
		jmap_part_type(part, &text);
		return optional_text(true, &text);
	}
	if (strcmp(name, "name") == 0) {
		bool there = mime_filename(part, &text);

		return optional_text(there, &text);
	}
	if (strcmp(name, "cid") == 0) {
		bool there = jmap_part_cid(part, &text);

		return optional_text(there, &text);
	}
	if (strcmp(name, "location") == 0) {
		(void)header_unfold(part->location_value, &text);
		return optional_text(part->location_value.ptr != NULL, &text);
	}
	if (strcmp(name, "size") == 0)
		return leaf ? size_of(message, index) : json_integer(0);
	if (strcmp(name, "charset") == 0)
		return charset_of(part);
	if (strcmp(name, "disposition") == 0)
		return lower_text(part->disposition);
	if (strcmp(name, "language") == 0)
		return languages_of(part);
	if (strcmp(name, "headers") == 0)
		return jmap_header_list(mime_header(message, part));
	if (jmap_header_property(name, &header))
		return jmap_header_value(mime_header(message, part), &header);
	return NULL; /* subParts: the caller's */
}

json_t *
jmap_part_object(const struct mime_message *message, uint32_t index, const json_t *properties, struct span blob, bool with_children)
{
	size_t count = properties != NULL ? json_array_size(properties) : sizeof(default_properties) / sizeof(default_properties[0]);
	json_t *object = json_object();

	for (size_t i = 0; i < count; i++) {
		const char *name = properties != NULL ? json_string_value(json_array_get(properties, i)) : default_properties[i];
		json_t *value = property_of(message, index, name, blob);

		if (value != NULL)
			(void)json_object_set_new(object, name, value);
	}
	/* The depth is bounded by MIME_DEPTH_MAX. */
	if (with_children && message->parts[index].kind == MIME_MULTIPART) {
		json_t *children = json_array();

		for (uint32_t i = mime_first_child(message, index); i != MIME_NONE; i = message->parts[i].next)
			(void)json_array_append_new(children, jmap_part_object(message, i, properties, blob, true));
		(void)json_object_set_new(object, "subParts", children);
	}
	return object;
}

json_t *
jmap_part_list(const struct mime_message *message, const struct jmap_parts *parts, const json_t *properties, struct span blob)
{
	json_t *list = json_array();

	for (size_t i = 0; i < parts->count; i++)
		(void)json_array_append_new(list, jmap_part_object(message, parts->items[i], properties, blob, false));
	return list;
}
