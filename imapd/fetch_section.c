/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* BODY[section]. */
#include "imapd/fetch_section.h"

#include "common/imap_string.h"
#include "common/mime.h"

static const struct {
	const char *name;
	enum mime_section section;
} kinds[] = {
	[IMAP_SECTION_ALL] = { "", MIME_SECTION_ALL },
	[IMAP_SECTION_HEADER] = { "HEADER", MIME_SECTION_HEADER },
	[IMAP_SECTION_FIELDS] = { "HEADER.FIELDS", MIME_SECTION_HEADER },
	[IMAP_SECTION_FIELDS_NOT] = { "HEADER.FIELDS.NOT", MIME_SECTION_HEADER },
	[IMAP_SECTION_TEXT] = { "TEXT", MIME_SECTION_TEXT },
	[IMAP_SECTION_MIME] = { "MIME", MIME_SECTION_MIME },
};

static bool
is_listed(const struct imap_text *fields, struct span name)
{
	for (; fields != NULL; fields = fields->next)
		if (span_ieq(fields->text, name))
			return true;
	return false;
}

/* RFC 3501: the fields as they stand, and the empty line that ends a header. */
static void
pick_fields(struct span header, const struct imap_section *section, struct buf *out)
{
	bool wanted = section->kind == IMAP_SECTION_FIELDS;
	struct header_field field;
	struct header_iter iter;

	header_begin(&iter, header);
	while (header_next(&iter, &field))
		if (field.name.len > 0 && is_listed(section->fields, field.name) == wanted)
			(void)buf_span(out, field.whole);
	(void)buf_str(out, "\r\n");
}

/* A message without parts needs no parser: most sections asked for are of the whole message. */
static bool
find_bytes(struct fetch_message *message, const struct imap_section *section, struct span *ret_text)
{
	size_t header;

	if (section->depth == 0 && message->parts == NULL) {
		header = section->kind == IMAP_SECTION_ALL ? 0 : header_block_size(message->bytes);
		if (kinds[section->kind].section == MIME_SECTION_HEADER)
			*ret_text = span_make(message->bytes.ptr, header);
		else
			*ret_text = span_skip(message->bytes, header);
		return true;
	}
	if (message->parts == NULL)
		message->parts = mime_parse(message->bytes);
	return mime_section(message->parts, section->part, section->depth, kinds[section->kind].section, ret_text);
}

bool
fetch_section_find(struct fetch_message *message, const struct imap_section *section, struct buf *fields,
    struct span *ret_text)
{
	if (!find_bytes(message, section, ret_text))
		return false;
	if (section->kind == IMAP_SECTION_FIELDS || section->kind == IMAP_SECTION_FIELDS_NOT) {
		pick_fields(*ret_text, section, fields);
		*ret_text = buf_get(fields);
	}
	return true;
}

void
fetch_message_clear(struct fetch_message *message)
{
	message->parts = mime_free(message->parts);
	message->bytes = SPAN_NULL;
}

/* A field's name stands as an atom where it can. */
static void
put_field_name(struct buf *out, struct span name)
{
	size_t i;

	for (i = 0; i < name.len; i++)
		if (!ascii_is_alnum(name.ptr[i]) && strchr("-_.!#$&'+/:;<=>?@^`|~", name.ptr[i]) == NULL)
			break;
	if (i == name.len && name.len > 0)
		(void)buf_span(out, name);
	else
		(void)imap_string_append(out, name, 0);
}

void
fetch_section_name(const struct imap_fetch_item *item, struct buf *out)
{
	const struct imap_section *section = &item->section;
	const struct imap_text *field;
	size_t i;

	if (item->name != NULL) {
		(void)buf_str(out, item->name);
		return;
	}
	(void)buf_str(out, "BODY[");
	for (i = 0; i < section->depth; i++)
		(void)buf_fmt(out, "%s%u", i > 0 ? "." : "", (unsigned)section->part[i]);
	(void)buf_fmt(out, "%s%s", section->depth > 0 && section->kind != IMAP_SECTION_ALL ? "." : "", kinds[section->kind].name);
	if (section->fields != NULL) {
		(void)buf_str(out, " (");
		for (field = section->fields; field != NULL; field = field->next) {
			put_field_name(out, field->text);
			(void)buf_str(out, field->next != NULL ? " " : ")");
		}
	}
	(void)buf_char(out, ']');
	if (item->partial)
		(void)buf_fmt(out, "<%u>", (unsigned)item->first);
}
