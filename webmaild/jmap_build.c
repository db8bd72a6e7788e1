/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Messages from Email objects. The first thing that is wrong is kept in builder.error; everything after does nothing. */
#include "webmaild/jmap_build.h"

#include <errno.h>
#include <stdlib.h>

#include "common/compose.h"
#include "common/date.h"
#include "common/header.h"
#include "common/message_id.h"
#include "common/parameter.h"
#include "webmaild/jmap.h"
#include "webmaild/jmap_header.h"

#define PARTS_MAX 1000
#define DEPTH_MAX 20

struct builder {
	const struct build *build;
	const json_t *email, *values;
	struct buf *out;
	unsigned parts;
	json_t *error;
	json_t *missing; /* blobs that are not there */
};

static void
fail_property(struct builder *b, const char *property, const char *why)
{
	if (b->error == NULL)
		b->error = jmap_set_error_property("invalidProperties", why, property);
}

/* After a writer's result. */
static void
check(struct builder *b, int r, const char *property)
{
	if (r == -EMSGSIZE && b->error == NULL)
		b->error = jmap_set_error("tooLarge", NULL);
	else if (r < 0)
		fail_property(b, property, NULL);
}

/* --- header fields --- */

static bool
is_same_field(const struct jmap_header_property *a, const struct jmap_header_property *b)
{
	return span_ieq(a->name, b->name);
}

static bool
field_of(const char *key, struct jmap_header_property *ret_header)
{
	return jmap_header_short(key, ret_header) || jmap_header_property(key, ret_header);
}

/* RFC 8621 4.6: one field may not be given under two names. */
static void
check_twice(struct builder *b, const json_t *object, const char *key, const struct jmap_header_property *header)
{
	const char *other;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, other, value) {
		struct jmap_header_property second;

		if (strcmp(other, key) != 0 && field_of(other, &second) && is_same_field(header, &second))
			fail_property(b, key, "This field is given twice.");
	}
}

/* The order in which people expect to see fields; others follow. */
static const char *const first_fields[] = { "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Subject", "Date", "Message-ID", "In-Reply-To", "References" };

static bool
is_first_field(struct span name)
{
	for (size_t i = 0; i < sizeof(first_fields) / sizeof(first_fields[0]); i++)
		if (span_ieq(span_of(first_fields[i]), name))
			return true;
	return false;
}

static bool
write_field(struct builder *b, const char *name)
{
	const char *key;
	json_t *value;
	bool written = false;

	json_object_foreach((json_t *)(uintptr_t)b->email, key, value) {
		struct jmap_header_property header;
		size_t before = b->out->len;

		if (!field_of(key, &header) || !span_ieq(header.name, span_of(name)))
			continue;
		check(b, jmap_header_write(b->out, &header, value), key);
		written = written || b->out->len > before;
	}
	return written;
}

static void
write_made_date(struct builder *b)
{
	char text[DATE_SIZE];
	struct date now = { b->build->now, 0 };

	check(b, header_append(b->out, SPAN("Date"), date_format(now, text)), "sentAt");
}

static void
write_made_id(struct builder *b)
{
	struct buf id = BUF_INIT(MESSAGE_ID_MAX);
	uint8_t random[16];

	b->build->random(random);
	check(b, message_id_append(&id, b->build->now, random, b->build->host), "messageId");
	check(b, header_append(b->out, SPAN("Message-ID"), buf_get(&id)), "messageId");
	buf_free(&id);
}

static void
write_header(struct builder *b)
{
	const char *key;
	json_t *value;

	for (size_t i = 0; i < sizeof(first_fields) / sizeof(first_fields[0]); i++) {
		if (write_field(b, first_fields[i]))
			continue;
		if (strcmp(first_fields[i], "Date") == 0)
			write_made_date(b);
		if (strcmp(first_fields[i], "Message-ID") == 0)
			write_made_id(b);
	}
	json_object_foreach((json_t *)(uintptr_t)b->email, key, value) {
		struct jmap_header_property header;

		if (!field_of(key, &header))
			continue;
		check_twice(b, b->email, key, &header);
		if (span_istarts(header.name, SPAN("Content-")) || span_ieq(header.name, SPAN("MIME-Version")))
			fail_property(b, key, "The server writes this field.");
		else if (!is_first_field(header.name))
			check(b, jmap_header_write(b->out, &header, value), key);
	}
	check(b, header_append(b->out, SPAN("MIME-Version"), SPAN("1.0")), "headers");
}

/* --- parts --- */

static struct span
text_of(struct builder *b, const json_t *part, const char *name)
{
	const json_t *value = json_object_get(part, name);

	if (value != NULL && !json_is_null(value) && !json_is_string(value))
		fail_property(b, name, "It must be a string.");
	return jmap_span(value);
}

/* Content-ID, -Language, -Location and what else the part was given. */
static void
write_part_fields(struct builder *b, const json_t *part)
{
	struct span cid = text_of(b, part, "cid"), location = text_of(b, part, "location");
	const json_t *languages = json_object_get(part, "language");
	struct buf text = BUF_INIT(4096);
	const char *key;
	json_t *value;

	if (cid.len > 0) {
		(void)buf_char(&text, '<');
		(void)buf_span(&text, cid);
		(void)buf_char(&text, '>');
		check(b, span_chr(cid, '<') >= 0 || span_chr(cid, '>') >= 0 || span_chr(cid, ' ') >= 0 ? -EINVAL
		    : header_append(b->out, SPAN("Content-ID"), buf_get(&text)), "cid");
		buf_clear(&text);
	}
	for (size_t i = 0; i < json_array_size(languages); i++) {
		(void)buf_str(&text, i > 0 ? ", " : "");
		(void)buf_span(&text, jmap_span(json_array_get(languages, i)));
	}
	if (text.len > 0)
		check(b, header_append(b->out, SPAN("Content-Language"), buf_get(&text)), "language");
	buf_free(&text);
	if (location.len > 0)
		check(b, header_append(b->out, SPAN("Content-Location"), location), "location");
	json_object_foreach((json_t *)(uintptr_t)part, key, value) {
		static const char *const own[] = { "Content-Type", "Content-Disposition", "Content-ID", "Content-Transfer-Encoding", "MIME-Version" };
		struct jmap_header_property header;

		if (!jmap_header_property(key, &header))
			continue;
		for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
			if (span_ieq(span_of(own[i]), header.name))
				fail_property(b, key, "The server writes this field.");
		check(b, jmap_header_write(b->out, &header, value), key);
	}
}

static void
write_disposition(struct builder *b, const json_t *part)
{
	struct span disposition = text_of(b, part, "disposition"), name = text_of(b, part, "name");

	if (disposition.len == 0 && name.len > 0)
		disposition = SPAN("attachment");
	if (disposition.len > 0)
		check(b, compose_content_disposition(b->out, disposition, name), "disposition");
}

static void
end_part_header(struct builder *b, const json_t *part, enum mime_encoding encoding)
{
	write_disposition(b, part);
	write_part_fields(b, part);
	(void)buf_fmt(b->out, "Content-Transfer-Encoding: %s\r\n\r\n", compose_encoding_name(encoding));
}

/* A part whose text stands in bodyValues. */
static void
write_value(struct builder *b, const json_t *part, struct span type)
{
	const json_t *value = json_object_get(b->values, json_string_value(json_object_get(part, "partId")));
	const json_t *text = json_object_get(value, "value");
	enum mime_encoding encoding;

	if (!json_is_string(text) || json_is_true(json_object_get(value, "isEncodingProblem")) || json_is_true(json_object_get(value, "isTruncated"))) {
		fail_property(b, "bodyValues", "A part has no usable value.");
		return;
	}
	if (json_object_get(part, "charset") != NULL && !json_is_null(json_object_get(part, "charset"))) {
		fail_property(b, "charset", "The server chooses it.");
		return;
	}
	if (!span_istarts(type, SPAN("text/"))) {
		fail_property(b, "type", "A value is text.");
		return;
	}
	encoding = compose_text_encoding(jmap_span(text), false);
	check(b, compose_content_type(b->out, type, SPAN("utf-8"), SPAN_NULL, text_of(b, part, "name")), "type");
	end_part_header(b, part, encoding);
	check(b, compose_body(b->out, jmap_span(text), encoding), "bodyValues");
}

static void
write_blob(struct builder *b, const json_t *part, struct span type)
{
	struct span id = jmap_span(json_object_get(part, "blobId"));
	struct buf bytes = BUF_INIT(b->out->max), own_type = BUF_INIT(256);
	int r = b->build->blob(b->build->context, id, &bytes, &own_type);
	enum mime_encoding encoding;

	if (r == -EMSGSIZE) {
		check(b, r, "blobId");
	} else if (r != 0) {
		(void)json_array_append_new(b->missing, jmap_text(id));
	} else {
		if (type.len == 0)
			type = own_type.len > 0 ? buf_get(&own_type) : SPAN("application/octet-stream");
		/* RFC 2046 5.2.1: a message may not be encoded. */
		encoding = span_ieq(type, SPAN("message/rfc822")) || span_ieq(type, SPAN("message/global")) ? MIME_8BIT : MIME_BASE64;
		check(b, compose_content_type(b->out, type, text_of(b, part, "charset"), SPAN_NULL, text_of(b, part, "name")), "type");
		end_part_header(b, part, encoding);
		check(b, compose_body(b->out, buf_get(&bytes), encoding), "blobId");
	}
	buf_free(&own_type);
	buf_free(&bytes);
}

static void write_part(struct builder *b, const json_t *part, unsigned depth);

static void
write_multipart(struct builder *b, const json_t *part, struct span type, unsigned depth)
{
	const json_t *children = json_object_get(part, "subParts");
	char room[COMPOSE_BOUNDARY_SIZE];
	uint8_t random[16];
	struct span boundary;

	if (!json_is_array(children) || json_array_size(children) == 0) {
		fail_property(b, "subParts", "A multipart needs parts.");
		return;
	}
	b->build->random(random);
	boundary = compose_boundary(random, room);
	check(b, compose_content_type(b->out, type, SPAN_NULL, boundary, SPAN_NULL), "type");
	write_disposition(b, part);
	write_part_fields(b, part);
	(void)buf_str(b->out, "\r\n");
	for (size_t i = 0; b->error == NULL && i < json_array_size(children); i++) {
		check(b, compose_delimiter(b->out, boundary, false), "subParts");
		write_part(b, json_array_get(children, i), depth + 1);
	}
	check(b, compose_delimiter(b->out, boundary, true), "subParts");
}

static void
write_part(struct builder *b, const json_t *part, unsigned depth)
{
	struct span type = text_of(b, part, "type");
	bool value = json_is_string(json_object_get(part, "partId")), blob = json_is_string(json_object_get(part, "blobId"));

	if (!json_is_object(part) || depth > DEPTH_MAX || ++b->parts > PARTS_MAX)
		fail_property(b, "bodyStructure", "There are too many parts, or a part is no object.");
	if (b->error != NULL)
		return;
	if (span_istarts(type, SPAN("multipart/"))) {
		if (value || blob)
			fail_property(b, "bodyStructure", "A multipart has parts, not content.");
		else
			write_multipart(b, part, type, depth);
	} else if (value == blob) {
		fail_property(b, "bodyStructure", "A part needs either partId or blobId.");
	} else if (value) {
		write_value(b, part, type.len > 0 ? type : SPAN("text/plain"));
	} else {
		write_blob(b, part, type);
	}
}

/* --- the structure of textBody, htmlBody and attachments --- */

/* type around the parts; a single part stays as it is. Takes parts over. */
static json_t *
around(const char *type, json_t *parts)
{
	json_t *only;

	if (json_array_size(parts) != 1)
		return json_pack("{s:s, s:o}", "type", type, "subParts", parts);
	only = json_incref(json_array_get(parts, 0));
	json_decref(parts);
	return only;
}

/* The one part of textBody or htmlBody, of that type. NULL when there is none. A new reference. */
static json_t *
only_part(struct builder *b, const char *property, const char *type)
{
	const json_t *list = json_object_get(b->email, property);
	struct span own;
	json_t *part;

	if (list == NULL || json_is_null(list) || (json_is_array(list) && json_array_size(list) == 0))
		return NULL;
	if (!json_is_array(list) || json_array_size(list) > 1 || !json_is_object(json_array_get(list, 0))) {
		fail_property(b, property, "It must have one part.");
		return NULL;
	}
	own = jmap_span(json_object_get(json_array_get(list, 0), "type"));
	if (own.len > 0 && !span_ieq(own, span_of(type))) {
		fail_property(b, property, "Its part has the wrong type.");
		return NULL;
	}
	part = json_copy(json_array_get(list, 0));
	(void)json_object_set_new(part, "type", json_string(type));
	return part;
}

/* What the HTML refers to by cid: stands beside it in multipart/related (RFC 2387). */
static bool
is_related(const json_t *part)
{
	return json_is_string(json_object_get(part, "cid")) && span_ieq(jmap_span(json_object_get(part, "disposition")), SPAN("inline"));
}

static json_t *
structure_of_lists(struct builder *b)
{
	const json_t *attachments = json_object_get(b->email, "attachments");
	json_t *text = only_part(b, "textBody", "text/plain"), *html = only_part(b, "htmlBody", "text/html");
	json_t *alternative = json_array(), *related = json_array(), *mixed = json_array();

	if (attachments != NULL && !json_is_null(attachments) && !json_is_array(attachments))
		fail_property(b, "attachments", "It must be a list.");
	if (text != NULL)
		(void)json_array_append_new(alternative, text);
	if (html != NULL)
		(void)json_array_append_new(alternative, html);
	if (json_array_size(alternative) > 0)
		(void)json_array_append_new(related, around("multipart/alternative", json_incref(alternative)));
	for (size_t i = 0; i < json_array_size(attachments); i++)
		if (html != NULL && is_related(json_array_get(attachments, i)))
			(void)json_array_append(related, json_array_get(attachments, i));
	if (json_array_size(related) > 0)
		(void)json_array_append_new(mixed, around("multipart/related", json_incref(related)));
	for (size_t i = 0; i < json_array_size(attachments); i++)
		if (html == NULL || !is_related(json_array_get(attachments, i)))
			(void)json_array_append(mixed, json_array_get(attachments, i));
	json_decref(alternative);
	json_decref(related);
	if (json_array_size(mixed) > 0)
		return around("multipart/mixed", mixed);
	json_decref(mixed);
	return NULL;
}

static void
write_body(struct builder *b)
{
	const json_t *structure = json_object_get(b->email, "bodyStructure");
	static const char *const lists[] = { "textBody", "htmlBody", "attachments" };
	json_t *made;

	if (structure != NULL && !json_is_null(structure)) {
		for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
			if (json_object_get(b->email, lists[i]) != NULL)
				fail_property(b, lists[i], "bodyStructure is given already.");
		write_part(b, structure, 0);
		return;
	}
	made = structure_of_lists(b);
	if (made != NULL) {
		write_part(b, made, 0);
		json_decref(made);
	} else {
		/* A draft that has no text yet. */
		(void)buf_str(b->out, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n");
	}
}

/* --- the whole --- */

/* What an Email to be created may have beside header fields. */
static const char *const known[] = {
	"mailboxIds", "keywords", "receivedAt", "bodyStructure", "bodyValues", "textBody", "htmlBody", "attachments",
};

static void
check_properties(struct builder *b)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)b->email, key, value) {
		struct jmap_header_property header;
		bool is_known = field_of(key, &header);

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && !is_known; i++)
			is_known = strcmp(known[i], key) == 0;
		if (!is_known)
			fail_property(b, key, "It cannot be given when an email is created.");
	}
	b->values = json_object_get(b->email, "bodyValues");
	if (b->values != NULL && !json_is_object(b->values) && !json_is_null(b->values))
		fail_property(b, "bodyValues", "It must be an object.");
}

json_t *
jmap_build(const struct build *build, const json_t *email, struct buf *out)
{
	struct builder b = { .build = build, .email = email, .out = out, .missing = json_array() };

	check_properties(&b);
	if (b.error == NULL)
		write_header(&b);
	if (b.error == NULL)
		write_body(&b);
	if (b.error == NULL && out->overflow)
		b.error = jmap_set_error("tooLarge", NULL);
	if (b.error == NULL && json_array_size(b.missing) > 0)
		b.error = json_pack("{s:s, s:O}", "type", "blobNotFound", "notFound", b.missing);
	json_decref(b.missing);
	return b.error;
}
