/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* BODY and BODYSTRUCTURE: the flat array is walked in its order; what closes a part is written when the walk leaves it. */
#include "common/imap_bodystructure.h"

#include <errno.h>
#include <inttypes.h>

#include "common/header.h"
#include "common/imap_envelope.h"
#include "common/parameter.h"

struct writer {
	struct buf *out;
	const struct mime_message *message;
	bool extended;
	unsigned flags;
};

static void
put_string(struct writer *writer, struct span text)
{
	(void)imap_string_append(writer->out, text, writer->flags);
}

static void
put_word(struct writer *writer, const char *word)
{
	(void)buf_str(writer->out, word);
}

/* A whole field value, unfolded, or NIL. */
static void
put_value(struct writer *writer, struct span value)
{
	struct buf text = BUF_INIT(value.len);

	if (value.ptr == NULL) {
		put_word(writer, "NIL");
		return;
	}
	(void)header_unfold(value, &text);
	put_string(writer, span_make(buf_cstr(&text), text.len));
	buf_free(&text);
}

/* Names and values as the field has them; NIL when there is none. */
static void
put_parameters(struct writer *writer, struct span value)
{
	struct parameter_list list;

	parameter_list_parse(value, PARAMETER_RAW, &list);
	if (list.count == 0)
		put_word(writer, "NIL");
	for (size_t i = 0; i < list.count; i++) {
		put_word(writer, i == 0 ? "(" : " ");
		put_string(writer, list.items[i].name);
		put_word(writer, " ");
		put_string(writer, list.items[i].value);
	}
	if (list.count != 0)
		put_word(writer, ")");
	parameter_list_free(&list);
}

static void
put_disposition(struct writer *writer, const struct mime_part *part)
{
	if (part->disposition.ptr == NULL) {
		put_word(writer, "NIL");
		return;
	}
	put_word(writer, "(");
	put_string(writer, part->disposition);
	put_word(writer, " ");
	put_parameters(writer, part->disposition_value);
	put_word(writer, ")");
}

/* RFC 3282: tags between commas; one is a string, several are a list. */
static void
put_languages(struct writer *writer, struct span value)
{
	struct span tag, rest = value, tags[16];
	size_t count = 0;

	while (count < 16 && span_split(&rest, ',', &tag)) {
		tags[count] = span_trim(tag);
		count += tags[count].len != 0;
	}
	if (count == 0)
		put_word(writer, "NIL");
	for (size_t i = 0; i < count; i++) {
		put_word(writer, i != 0 ? " " : count > 1 ? "(" : "");
		put_value(writer, tags[i]);
	}
	put_word(writer, count > 1 ? ")" : "");
}

/* disposition, language, location: what all extension data ends with. */
static void
put_extension_end(struct writer *writer, const struct mime_part *part)
{
	put_word(writer, " ");
	put_disposition(writer, part);
	put_word(writer, " ");
	put_languages(writer, part->language_value);
	put_word(writer, " ");
	put_value(writer, part->location_value);
}

static void
put_encoding(struct writer *writer, const struct mime_part *part)
{
	static const char *const names[] = {
		[MIME_7BIT] = "7bit", [MIME_8BIT] = "8bit", [MIME_BINARY] = "binary",
		[MIME_QUOTED_PRINTABLE] = "quoted-printable", [MIME_BASE64] = "base64",
	};

	if (part->encoding == MIME_UNKNOWN_ENCODING)
		put_value(writer, part->encoding_value);
	else
		put_string(writer, span_of(names[part->encoding]));
}

/* type, parameters, id, description, encoding, size: RFC 3501 section 9, body-fields after media. */
static void
put_fields(struct writer *writer, const struct mime_part *part)
{
	put_word(writer, " ");
	if (part->type_value.ptr == NULL && mime_is(part, SPAN("text"), SPAN("plain")))
		put_word(writer, "(\"charset\" \"us-ascii\")");
	else
		put_parameters(writer, part->type_value);
	put_word(writer, " ");
	put_value(writer, part->id_value);
	put_word(writer, " ");
	put_value(writer, part->description_value);
	put_word(writer, " ");
	put_encoding(writer, part);
	(void)buf_fmt(writer->out, " %" PRIu64, part->body_len + part->body_bare);
}

/* The front of a part: all of a leaf but its end. */
static void
enter(struct writer *writer, const struct mime_part *part)
{
	put_word(writer, "(");
	if (part->kind == MIME_MULTIPART) {
		/* The grammar wants one part at least. */
		if (part->children == 0)
			put_word(writer, writer->extended ?
			    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)" :
			    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0)");
		return;
	}
	if (part->kind == MIME_LEAF &&
	    (mime_is(part, SPAN("message"), SPAN("rfc822")) || mime_is(part, SPAN("message"), SPAN("global")))) {
		put_word(writer, "\"application\" \"octet-stream\"");
	} else {
		put_string(writer, part->type);
		put_word(writer, " ");
		put_string(writer, part->subtype);
	}
	put_fields(writer, part);
	if (part->kind == MIME_MESSAGE) {
		put_word(writer, " ");
		(void)imap_envelope_append(writer->out,
		    mime_header(writer->message, &writer->message->parts[part - writer->message->parts + 1]), writer->flags);
		put_word(writer, " ");
	}
}

static void
leave(struct writer *writer, const struct mime_part *part)
{
	if (part->kind == MIME_MULTIPART) {
		put_word(writer, " ");
		put_string(writer, part->subtype);
		if (writer->extended) {
			put_word(writer, " ");
			put_parameters(writer, part->type_value);
			put_extension_end(writer, part);
		}
		put_word(writer, ")");
		return;
	}
	if (part->kind == MIME_MESSAGE || mime_is(part, SPAN("text"), SPAN_NULL))
		(void)buf_fmt(writer->out, " %" PRIu64, part->body_lines);
	if (writer->extended) {
		put_word(writer, " ");
		put_value(writer, part->md5_value);
		put_extension_end(writer, part);
	}
	put_word(writer, ")");
}

int
imap_bodystructure_append(struct buf *out, const struct mime_message *message, bool extended, unsigned flags)
{
	struct writer writer = { out, message, extended, flags };
	uint32_t open = MIME_NONE; /* the part that the walk is inside of */

	for (uint32_t i = 0; i < message->count && !out->overflow; i++) {
		for (; open != message->parts[i].parent; open = message->parts[open].parent)
			leave(&writer, &message->parts[open]);
		enter(&writer, &message->parts[i]);
		open = i;
	}
	for (; open != MIME_NONE && !out->overflow; open = message->parts[open].parent)
		leave(&writer, &message->parts[open]);
	return out->overflow ? -EMSGSIZE : 0;
}
