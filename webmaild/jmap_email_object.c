/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Email objects from bytes. */
#include "webmaild/jmap_email_object.h"

#include <stdlib.h>

#include "common/mime_text.h"
#include "webmaild/jmap_header.h"

/* Of all body values in one answer: what is beyond is cut, and says so. */
#define VALUES_MAX (32u << 20)
#define VALUE_MAX (4u << 20)

const char *const jmap_email_properties[] = {
	"id", "blobId", "threadId", "mailboxIds", "keywords", "size", "receivedAt", "messageId", "inReplyTo", "references", "sender", "from", "to", "cc",
	"bcc", "replyTo", "subject", "sentAt", "hasAttachment", "preview", "bodyValues", "textBody", "htmlBody", "attachments", "headers",
	"bodyStructure", NULL,
};

bool
jmap_email_is_more(const char *name)
{
	struct jmap_header_property header;

	return jmap_header_property(name, &header);
}

bool
jmap_body_args(struct jmap_call *call, struct jmap_body_args *ret_args)
{
	const json_t *properties = json_object_get(call->args, "bodyProperties");

	memset(ret_args, 0, sizeof(*ret_args));
	ret_args->budget = VALUES_MAX;
	if (!jmap_arg_bool(call, "fetchTextBodyValues", false, &ret_args->fetch_text) ||
	    !jmap_arg_bool(call, "fetchHTMLBodyValues", false, &ret_args->fetch_html) ||
	    !jmap_arg_bool(call, "fetchAllBodyValues", false, &ret_args->fetch_all) ||
	    !jmap_arg_unsigned(call, "maxBodyValueBytes", 0, &ret_args->value_max))
		return false;
	if (properties == NULL || json_is_null(properties))
		return true;
	ret_args->properties = properties;
	for (size_t i = 0; jmap_is_string_list(properties) && i < json_array_size(properties); i++) {
		if (jmap_part_is_property(json_string_value(json_array_get(properties, i))))
			continue;
		jmap_error(call, "invalidArguments", "bodyProperties has a name that is none.");
		return false;
	}
	if (jmap_is_string_list(properties))
		return true;
	jmap_error(call, "invalidArguments", "bodyProperties must be a list of names.");
	return false;
}

/* --- what is needed --- */

static enum jmap_need
need_of(const char *name)
{
	static const char *const body[] = { "bodyValues", "textBody", "htmlBody", "attachments", "bodyStructure" };
	struct jmap_header_property header;

	for (size_t i = 0; i < sizeof(body) / sizeof(body[0]); i++)
		if (strcmp(body[i], name) == 0)
			return JMAP_NEEDS_BODY;
	if (strcmp(name, "headers") == 0 || jmap_header_short(name, &header) || jmap_header_property(name, &header))
		return JMAP_NEEDS_HEADER;
	return JMAP_NEEDS_NOTHING;
}

enum jmap_need
jmap_email_need(const struct jmap_get_args *args)
{
	enum jmap_need need = JMAP_NEEDS_NOTHING;

	if (args->properties == NULL)
		return JMAP_NEEDS_BODY;
	for (size_t i = 0; i < json_array_size(args->properties); i++) {
		enum jmap_need one = need_of(json_string_value(json_array_get(args->properties, i)));

		if (one > need)
			need = one;
	}
	return need;
}

/* --- from the header --- */

static void
put_header_property(json_t *object, const char *name, struct span block)
{
	struct jmap_header_property header;

	if (strcmp(name, "headers") == 0)
		(void)json_object_set_new(object, name, jmap_header_list(block));
	else if (jmap_header_short(name, &header) || jmap_header_property(name, &header))
		(void)json_object_set_new(object, name, jmap_header_value(block, &header));
}

void
jmap_email_put_header(json_t *object, const struct jmap_get_args *args, struct span block)
{
	static const char *const preset[] = {
		"messageId", "inReplyTo", "references", "sender", "from", "to", "cc", "bcc", "replyTo", "subject", "sentAt",
	};

	if (args->properties == NULL)
		for (size_t i = 0; i < sizeof(preset) / sizeof(preset[0]); i++)
			put_header_property(object, preset[i], block);
	for (size_t i = 0; i < json_array_size(args->properties); i++)
		put_header_property(object, json_string_value(json_array_get(args->properties, i)), block);
}

/* --- from the body --- */

static void
put_value(json_t *values, struct jmap_body_args *args, const struct mime_message *message, uint32_t index)
{
	size_t max = args->value_max != 0 && args->value_max < VALUE_MAX ? (size_t)args->value_max : VALUE_MAX;
	struct buf id = BUF_INIT(1024), text;
	int r;

	if (max > args->budget)
		max = args->budget;
	(void)mime_number(message, index, &id);
	if (json_object_get(values, buf_cstr(&id)) == NULL) {
		buf_init(&text, max);
		r = mime_text_decode(message, index, &text);
		args->budget -= text.len;
		(void)json_object_set_new(values, buf_cstr(&id), json_pack("{s:o, s:b, s:b}", "value", jmap_text(buf_get(&text)),
		    "isEncodingProblem", r == 1, "isTruncated", r < 0));
		buf_free(&text);
	}
	buf_free(&id);
}

static void
put_values(json_t *values, struct jmap_body_args *args, const struct mime_message *message, const struct jmap_parts *parts)
{
	for (size_t i = 0; i < parts->count; i++)
		if (mime_is(&message->parts[parts->items[i]], SPAN("text"), SPAN_NULL))
			put_value(values, args, message, parts->items[i]);
}

static json_t *
values_of(struct jmap_body_args *args, const struct mime_message *message, const struct jmap_body *body)
{
	json_t *values = json_object();

	if (args->fetch_text || args->fetch_all)
		put_values(values, args, message, &body->text);
	if (args->fetch_html || args->fetch_all)
		put_values(values, args, message, &body->html);
	for (uint32_t i = 0; args->fetch_all && i < message->count; i++) {
		const struct mime_part *part = &message->parts[i];
		bool inner = false;

		/* What lies within an attached message has ids of that message, not of this one. */
		for (uint32_t up = part->parent; up != MIME_NONE; up = message->parts[up].parent)
			inner = inner || message->parts[up].kind == MIME_MESSAGE;
		if (part->kind == MIME_LEAF && !inner && mime_is(part, SPAN("text"), SPAN_NULL))
			put_value(values, args, message, i);
	}
	return values;
}

void
jmap_email_put_body(json_t *object, const struct jmap_get_args *args, struct jmap_body_args *body_args, const struct mime_message *message,
    struct span blob)
{
	struct jmap_body body;

	jmap_body_sort(message, &body);
	if (jmap_wants(args, "textBody"))
		(void)json_object_set_new(object, "textBody", jmap_part_list(message, &body.text, body_args->properties, blob));
	if (jmap_wants(args, "htmlBody"))
		(void)json_object_set_new(object, "htmlBody", jmap_part_list(message, &body.html, body_args->properties, blob));
	if (jmap_wants(args, "attachments"))
		(void)json_object_set_new(object, "attachments", jmap_part_list(message, &body.attachments, body_args->properties, blob));
	if (jmap_wants(args, "bodyValues"))
		(void)json_object_set_new(object, "bodyValues", values_of(body_args, message, &body));
	if (args->properties != NULL && jmap_wants(args, "bodyStructure"))
		(void)json_object_set_new(object, "bodyStructure", jmap_part_object(message, 0, body_args->properties, blob, true));
	jmap_body_free(&body);
}
