/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* SEARCH keys that need the message itself. */
#include "imapd/search_content.h"

#include "common/date.h"
#include "common/encoded_word.h"
#include "common/mime.h"
#include "common/mime_text.h"
#include "common/text_fold.h"

/* Of one field, and of one part, as far as they are searched. */
#define FIELD_MAX (1 << 20)
#define TEXT_MAX (32 << 20)

static const struct {
	enum imap_search_kind kind;
	const char *field;
} fields[] = {
	{ IMAP_SEARCH_BCC, "Bcc" },
	{ IMAP_SEARCH_CC, "Cc" },
	{ IMAP_SEARCH_FROM, "From" },
	{ IMAP_SEARCH_SUBJECT, "Subject" },
	{ IMAP_SEARCH_TO, "To" },
};

static bool
contains(struct span text, struct span folded_needle)
{
	struct buf folded = BUF_INIT(2 * TEXT_MAX);
	bool found;

	text_fold(text, &folded);
	found = span_find(buf_get(&folded), folded_needle) >= 0;
	buf_free(&folded);
	return found;
}

static bool
field_contains(const struct header_field *field, struct span needle)
{
	struct buf text = BUF_INIT(FIELD_MAX);
	bool found;

	(void)encoded_word_decode(field->value, &text);
	found = contains(buf_get(&text), needle);
	buf_free(&text);
	return found;
}

/* Any field of that name; with a NULL name any field at all, its name being part of the text. */
static bool
header_contains(struct span header, struct span name, struct span needle)
{
	struct header_field field;
	struct header_iter iter;

	header_begin(&iter, header);
	while (header_next(&iter, &field)) {
		if (name.ptr != NULL && !span_ieq(field.name, name))
			continue;
		if (needle.len == 0 || field_contains(&field, needle) || (name.ptr == NULL && contains(field.name, needle)))
			return true;
	}
	return false;
}

static bool
part_contains(const struct mime_message *message, uint32_t index, struct span needle)
{
	const struct mime_part *part = &message->parts[index];
	struct buf text = BUF_INIT(TEXT_MAX), plain = BUF_INIT(TEXT_MAX);
	bool found;

	(void)mime_text_decode(message, index, &text);
	found = contains(buf_get(&text), needle);
	if (!found && mime_is(part, SPAN("text"), SPAN("html"))) {
		/* Words that tags divide are found in what a reader sees. */
		(void)mime_html_to_text(buf_get(&text), &plain);
		found = contains(buf_get(&plain), needle);
	}
	buf_free(&text);
	buf_free(&plain);
	return found;
}

/* RFC 3501: the body is everything but the message's own header; text is what of it is text, and the headers of messages
 * inside. */
static bool
body_contains(struct fetch_message *message, struct span needle)
{
	const struct mime_part *part;
	uint32_t index;

	if (message->parts == NULL)
		message->parts = mime_parse(message->bytes);
	for (index = 0; index < message->parts->count; index++) {
		part = &message->parts->parts[index];
		if (index > 0 && header_contains(mime_header(message->parts, part), SPAN_NULL, needle))
			return true;
		if (part->kind == MIME_LEAF && mime_is(part, SPAN("text"), SPAN_NULL) &&
		    part_contains(message->parts, index, needle))
			return true;
	}
	return false;
}

static bool
sent_matches(const struct imap_search *key, struct span header)
{
	struct header_field field;
	struct date date;
	int64_t day;

	if (!header_find(header, SPAN("Date"), &field) || !date_parse(field.value, &date))
		return false;
	day = date_local_day(date);
	if (key->kind == IMAP_SEARCH_SENTBEFORE)
		return day < key->day;
	if (key->kind == IMAP_SEARCH_SENTSINCE)
		return day >= key->day;
	return day == key->day;
}

static bool
text_matches(const struct imap_search *key, struct fetch_message *message, struct span header, struct span needle)
{
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (key->kind == fields[i].kind)
			return header_contains(header, span_of(fields[i].field), needle);
	if (key->kind == IMAP_SEARCH_HEADER)
		return header_contains(header, key->field, needle);
	if (key->kind == IMAP_SEARCH_TEXT && header_contains(header, SPAN_NULL, needle))
		return true;
	return body_contains(message, needle);
}

bool
search_content_matches(const struct imap_search *key, struct fetch_message *message)
{
	struct span header = span_make(message->bytes.ptr, header_block_size(message->bytes));
	struct buf needle = BUF_INIT(1 << 20);
	bool found;

	switch (key->kind) {
	case IMAP_SEARCH_SENTBEFORE:
	case IMAP_SEARCH_SENTON:
	case IMAP_SEARCH_SENTSINCE:
		return sent_matches(key, header);
	default:
		break;
	}
	text_fold(key->text, &needle);
	found = text_matches(key, message, header, buf_get(&needle));
	buf_free(&needle);
	return found;
}
