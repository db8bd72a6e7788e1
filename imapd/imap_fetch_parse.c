/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* FETCH's items and sections (RFC 3501 section 6.4.5; RFC 7162, 8474, 8514, 8970). Pure. */
#include "imapd/imap_parse.h"

/* No client asks for more; each item costs a pass over the message. */
#define ITEMS_MAX 128

static const struct {
	const char *word;
	enum imap_fetch_kind kind;
} simple_items[] = {
	{ "ENVELOPE", IMAP_FETCH_ENVELOPE },
	{ "FLAGS", IMAP_FETCH_FLAGS },
	{ "INTERNALDATE", IMAP_FETCH_INTERNALDATE },
	{ "UID", IMAP_FETCH_UID },
	{ "RFC822.SIZE", IMAP_FETCH_RFC822_SIZE },
	{ "BODYSTRUCTURE", IMAP_FETCH_BODYSTRUCTURE },
	{ "MODSEQ", IMAP_FETCH_MODSEQ },
	{ "EMAILID", IMAP_FETCH_EMAILID },
	{ "THREADID", IMAP_FETCH_THREADID },
	{ "SAVEDATE", IMAP_FETCH_SAVEDATE },
};

/* RFC 3501: "Functionally equivalent to BODY[...]", but named differently in the answer. */
static const struct {
	const char *word;
	enum imap_section_kind section;
	bool peek;
} old_items[] = {
	{ "RFC822.HEADER", IMAP_SECTION_HEADER, true },
	{ "RFC822.TEXT", IMAP_SECTION_TEXT, false },
	{ "RFC822", IMAP_SECTION_ALL, false },
};

static bool
parse_field_list(struct imap_parser *parser, struct imap_text **ret_fields)
{
	struct imap_text **tail = ret_fields;
	struct span field;

	if (!imap_parse_space(parser) || !imap_parse_char(parser, '('))
		return false;
	do {
		if (!imap_parse_astring(parser, &field) || !imap_text_add(parser, &tail, field))
			return false;
	} while (imap_take_char(parser, ' '));
	return imap_parse_char(parser, ')');
}

static bool
parse_section_part(struct imap_parser *parser, struct imap_section *section)
{
	uint32_t parts[IMAP_PART_DEPTH_MAX];

	while (parser->at < parser->end && ascii_is_digit(*parser->at)) {
		if (section->depth == IMAP_PART_DEPTH_MAX)
			return imap_fail(parser, "The section is too deep");
		if (!imap_parse_nz_number(parser, &parts[section->depth++]))
			return false;
		if (!imap_take_char(parser, '.'))
			break;
		if (parser->at == parser->end || *parser->at == ']')
			return imap_fail(parser, "A section must not end with a dot");
	}
	if (section->depth == 0)
		return true;
	section->part = imap_arena_get(parser->arena, section->depth, sizeof(section->part[0]));
	if (section->part == NULL)
		return imap_fail(parser, "The command is too complex");
	memcpy(section->part, parts, section->depth * sizeof(parts[0]));
	return true;
}

static bool
parse_section(struct imap_parser *parser, struct imap_section *section)
{
	bool after_dot;

	if (!parse_section_part(parser, section))
		return false;
	after_dot = section->depth > 0 && parser->at[-1] == '.';
	if (section->depth > 0 && !after_dot)
		return imap_parse_char(parser, ']');
	if (imap_take_word(parser, "HEADER.FIELDS.NOT"))
		section->kind = IMAP_SECTION_FIELDS_NOT;
	else if (imap_take_word(parser, "HEADER.FIELDS"))
		section->kind = IMAP_SECTION_FIELDS;
	else if (imap_take_word(parser, "HEADER"))
		section->kind = IMAP_SECTION_HEADER;
	else if (imap_take_word(parser, "TEXT"))
		section->kind = IMAP_SECTION_TEXT;
	else if (section->depth > 0 && imap_take_word(parser, "MIME"))
		section->kind = IMAP_SECTION_MIME;
	else if (section->depth > 0)
		return imap_fail(parser, "There is no such section");
	if ((section->kind == IMAP_SECTION_FIELDS || section->kind == IMAP_SECTION_FIELDS_NOT) &&
	    !parse_field_list(parser, &section->fields))
		return false;
	return imap_take_char(parser, ']') || imap_fail(parser, "There is no such section");
}

static bool
parse_partial(struct imap_parser *parser, struct imap_fetch_item *item)
{
	uint64_t first, count;

	if (!imap_take_char(parser, '<'))
		return true;
	if (!imap_parse_number(parser, UINT32_MAX, &first) || !imap_parse_char(parser, '.') ||
	    !imap_parse_number(parser, UINT32_MAX, &count) || !imap_parse_char(parser, '>'))
		return false;
	if (count == 0)
		return imap_fail(parser, "A partial fetch needs a count other than 0");
	item->partial = true;
	item->first = (uint32_t)first;
	item->count = (uint32_t)count;
	return true;
}

static bool
parse_item(struct imap_parser *parser, struct imap_fetch_item *item)
{
	size_t i;

	for (i = 0; i < sizeof(simple_items) / sizeof(simple_items[0]); i++)
		if (imap_take_word(parser, simple_items[i].word)) {
			item->kind = simple_items[i].kind;
			return true;
		}
	for (i = 0; i < sizeof(old_items) / sizeof(old_items[0]); i++)
		if (imap_take_word(parser, old_items[i].word)) {
			item->kind = IMAP_FETCH_SECTION;
			item->name = old_items[i].word;
			item->section.kind = old_items[i].section;
			item->peek = old_items[i].peek;
			return true;
		}
	if (imap_take_word(parser, "PREVIEW")) {
		/* RFC 8970: "(LAZY)" allows an answer of NIL; ours are ready. */
		item->kind = IMAP_FETCH_PREVIEW;
		if (parser->end - parser->at >= 2 && parser->at[0] == ' ' && parser->at[1] == '(') {
			parser->at += 2;
			if (!imap_take_word(parser, "LAZY"))
				return imap_fail(parser, "There is no such preview modifier");
			return imap_parse_char(parser, ')');
		}
		return true;
	}
	item->peek = imap_take_word(parser, "BODY.PEEK");
	if (!item->peek && !imap_take_word(parser, "BODY"))
		return imap_fail(parser, "There is no such message data item");
	if (!imap_take_char(parser, '[')) {
		item->kind = IMAP_FETCH_BODY;
		return !item->peek || imap_fail(parser, "BODY.PEEK needs a section");
	}
	item->kind = IMAP_FETCH_SECTION;
	return parse_section(parser, &item->section) && parse_partial(parser, item);
}

static bool
add_item(struct imap_parser *parser, struct imap_fetch_item ***tail, struct imap_fetch_item **ret_item)
{
	*ret_item = imap_arena_get(parser->arena, 1, sizeof(**ret_item));
	if (*ret_item == NULL)
		return imap_fail(parser, "The command is too complex");
	**tail = *ret_item;
	*tail = &(*ret_item)->next;
	return true;
}

/* RFC 3501 section 6.4.5: a macro stands alone. */
static bool
take_macro(struct imap_parser *parser, struct imap_fetch_item ***tail)
{
	static const enum imap_fetch_kind items[] = {
		IMAP_FETCH_FLAGS, IMAP_FETCH_INTERNALDATE, IMAP_FETCH_RFC822_SIZE, IMAP_FETCH_ENVELOPE, IMAP_FETCH_BODY,
	};
	struct imap_fetch_item *item;
	size_t count, i;

	if (imap_take_word(parser, "ALL"))
		count = 4;
	else if (imap_take_word(parser, "FAST"))
		count = 3;
	else if (imap_take_word(parser, "FULL"))
		count = 5;
	else
		return false;
	for (i = 0; i < count; i++) {
		if (!add_item(parser, tail, &item))
			return true;
		item->kind = items[i];
	}
	return true;
}

bool
imap_parse_fetch_items(struct imap_parser *parser, struct imap_fetch_item **ret_items)
{
	struct imap_fetch_item **tail = ret_items, *item;
	unsigned items = 0;

	*ret_items = NULL;
	if (take_macro(parser, &tail))
		return parser->error == NULL;
	if (!imap_take_char(parser, '('))
		return add_item(parser, &tail, &item) && parse_item(parser, item);
	do {
		if (items++ == ITEMS_MAX)
			return imap_fail(parser, "Too many message data items");
		if (!add_item(parser, &tail, &item) || !parse_item(parser, item))
			return false;
	} while (imap_take_char(parser, ' '));
	return imap_parse_char(parser, ')');
}
