/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What a MIME part's header block says of it (RFC 2045). */
#include "common/header.h"
#include "common/mime_internal.h"
#include "common/parameter.h"

/* RFC 2045 section 5.1. */
static struct span
take_token(struct span *text)
{
	size_t len = 0;

	header_skip_cfws(text);
	while (len < text->len && text->ptr[len] > ' ' && text->ptr[len] < 127 &&
	    strchr("()<>@,;:\\\"/[]?=", text->ptr[len]) == NULL)
		len++;
	return span_take(text, len);
}

static bool
read_type(struct span value, struct mime_part *part)
{
	struct span type = take_token(&value), subtype;

	header_skip_cfws(&value);
	if (type.len == 0 || value.len == 0 || value.ptr[0] != '/')
		return false;
	value = span_skip(value, 1);
	subtype = take_token(&value);
	if (subtype.len == 0)
		return false;
	part->type = type;
	part->subtype = subtype;
	return true;
}

static enum mime_encoding
read_encoding(struct span value)
{
	static const struct {
		struct span name;
		enum mime_encoding encoding;
	} encodings[] = {
		{ { "7bit", 4 }, MIME_7BIT }, { { "8bit", 4 }, MIME_8BIT }, { { "binary", 6 }, MIME_BINARY },
		{ { "quoted-printable", 16 }, MIME_QUOTED_PRINTABLE }, { { "base64", 6 }, MIME_BASE64 },
	};
	struct span token = take_token(&value);

	if (token.len == 0)
		return MIME_7BIT;
	for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++)
		if (span_ieq(token, encodings[i].name))
			return encodings[i].encoding;
	return MIME_UNKNOWN_ENCODING;
}

/* The octets as they stand, white space at the end too where somebody put it; RFC 2231 pieces where it is cut. */
static void
read_boundary(struct span value, struct buf *boundary)
{
	struct parameter_list list;
	struct span found = SPAN_NULL;

	parameter_list_parse(value, PARAMETER_RAW, &list);
	for (size_t i = 0; i < list.count && found.ptr == NULL; i++)
		if (span_ieq(list.items[i].name, SPAN("boundary")))
			found = list.items[i].value;
	if (found.ptr == NULL) {
		parameter_list_free(&list);
		parameter_list_parse(value, PARAMETER_DECODED, &list);
		found = parameter_get(&list, SPAN("boundary"));
	}
	(void)buf_span(boundary, found); /* one past the limit is none */
	parameter_list_free(&list);
}

/* Of several fields with one name the first counts. */
static void
note(struct span *place, struct span value)
{
	if (place->ptr == NULL)
		*place = value;
}

static void
read_fields(struct mime_part *part, struct span header)
{
	struct header_iter iter;
	struct header_field field;

	header_begin(&iter, header);
	while (header_next(&iter, &field)) {
		if (!span_istarts(field.name, SPAN("Content-")))
			continue;
		field.name = span_skip(field.name, strlen("Content-"));
		if (span_ieq(field.name, SPAN("Type")))
			note(&part->type_value, field.value);
		else if (span_ieq(field.name, SPAN("Disposition")))
			note(&part->disposition_value, field.value);
		else if (span_ieq(field.name, SPAN("Transfer-Encoding")))
			note(&part->encoding_value, field.value);
		else if (span_ieq(field.name, SPAN("ID")))
			note(&part->id_value, field.value);
		else if (span_ieq(field.name, SPAN("Description")))
			note(&part->description_value, field.value);
		else if (span_ieq(field.name, SPAN("Language")))
			note(&part->language_value, field.value);
		else if (span_ieq(field.name, SPAN("Location")))
			note(&part->location_value, field.value);
		else if (span_ieq(field.name, SPAN("MD5")))
			note(&part->md5_value, field.value);
	}
}

void
mime_set_undivided(struct mime_part *part)
{
	part->kind = MIME_LEAF;
	part->type = SPAN("application");
	part->subtype = SPAN("octet-stream");
	part->typed = false;
}

void
mime_read_header(struct mime_part *part, struct span header, bool in_digest, struct buf *boundary)
{
	read_fields(part, header);
	part->typed = part->type_value.ptr != NULL && read_type(part->type_value, part);
	if (!part->typed) {
		/* RFC 2046 section 5.1.5, and RFC 2045 section 5.2: also for a type that cannot be read. */
		part->type = in_digest && part->type_value.ptr == NULL ? SPAN("message") : SPAN("text");
		part->subtype = in_digest && part->type_value.ptr == NULL ? SPAN("rfc822") : SPAN("plain");
	}
	if (part->disposition_value.ptr != NULL) {
		struct span value = part->disposition_value;

		part->disposition = take_token(&value);
		if (part->disposition.len == 0)
			part->disposition = SPAN_NULL;
	}
	part->encoding = read_encoding(part->encoding_value);
	part->kind = MIME_LEAF;
	if (mime_is(part, SPAN("multipart"), SPAN_NULL)) {
		read_boundary(part->type_value, boundary);
		if (boundary->len != 0) {
			part->kind = MIME_MULTIPART;
			/* RFC 2045 section 6.4: no other encoding may be, and those who name one have not done it. */
			if (part->encoding > MIME_BINARY)
				part->encoding = MIME_7BIT;
			return;
		}
		/* A type without the parameter that it must have cannot be read either. */
		part->type = SPAN("text");
		part->subtype = SPAN("plain");
		part->typed = false;
	} else if ((mime_is(part, SPAN("message"), SPAN("rfc822")) || mime_is(part, SPAN("message"), SPAN("global"))) &&
	    part->encoding <= MIME_BINARY) {
		part->kind = MIME_MESSAGE;
	}
}
