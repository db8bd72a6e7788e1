/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* ENVELOPE. */
#include "common/imap_envelope.h"

#include <errno.h>

#include "common/address_list.h"
#include "common/header.h"

enum field { DATE, SUBJECT, FROM, SENDER, REPLY_TO, TO, CC, BCC, IN_REPLY_TO, MESSAGE_ID, FIELDS };

static const struct span names[FIELDS] = {
	[DATE] = { "Date", 4 }, [SUBJECT] = { "Subject", 7 }, [FROM] = { "From", 4 }, [SENDER] = { "Sender", 6 },
	[REPLY_TO] = { "Reply-To", 8 }, [TO] = { "To", 2 }, [CC] = { "Cc", 2 }, [BCC] = { "Bcc", 3 },
	[IN_REPLY_TO] = { "In-Reply-To", 11 }, [MESSAGE_ID] = { "Message-ID", 10 },
};

static bool
is_addresses(enum field field)
{
	return field >= FROM && field <= BCC;
}

/* The first field of each name counts; ptr NULL: absent. */
static void
find_fields(struct span block, struct span values[static FIELDS])
{
	struct header_iter iter;
	struct header_field field;

	header_begin(&iter, block);
	while (header_next(&iter, &field))
		for (enum field i = 0; i < FIELDS; i++)
			if (values[i].ptr == NULL && span_ieq(field.name, names[i]))
				values[i] = field.value;
}

static int
append_text(struct buf *out, struct span value, unsigned flags)
{
	struct buf text = BUF_INIT(value.len);
	int r;

	if (value.ptr == NULL)
		return buf_str(out, "NIL");
	(void)header_unfold(value, &text);
	r = imap_string_append(out, span_make(buf_cstr(&text), text.len), flags);
	buf_free(&text);
	return r;
}

/* RFC 3501 section 7.4.2: (name route mailbox host); a NIL host speaks of groups, so an address that lacks one has an empty one. */
static int
append_entry(struct buf *out, const struct address_entry *entry, unsigned flags)
{
	if (entry->kind == ADDRESS_KIND_GROUP_END)
		return buf_str(out, "(NIL NIL NIL NIL)");
	if (entry->kind == ADDRESS_KIND_GROUP) {
		(void)buf_str(out, "(NIL NIL ");
		(void)imap_string_append(out, entry->name, flags);
		return buf_str(out, " NIL)");
	}
	(void)buf_char(out, '(');
	(void)imap_nstring_append(out, entry->name, flags);
	(void)buf_char(out, ' ');
	(void)imap_nstring_append(out, entry->route, flags);
	(void)buf_char(out, ' ');
	(void)imap_string_append(out, entry->local, flags);
	(void)buf_char(out, ' ');
	(void)imap_string_append(out, entry->domain, flags);
	return buf_char(out, ')');
}

/* NIL for a field without an address in it. */
static int
append_list(struct buf *out, const struct address_list *list, unsigned flags)
{
	if (list->count == 0)
		return buf_str(out, "NIL");
	(void)buf_char(out, '(');
	for (size_t i = 0; i < list->count; i++)
		if (append_entry(out, &list->entries[i], flags) != 0)
			return -EMSGSIZE;
	return buf_char(out, ')');
}

int
imap_envelope_append(struct buf *out, struct span header_block, unsigned flags)
{
	struct span values[FIELDS] = { SPAN_NULL };
	struct address_list from = { 0 };
	int r = buf_char(out, '(');

	find_fields(header_block, values);
	if (values[FROM].ptr != NULL)
		address_list_parse(values[FROM], &from);
	for (enum field i = 0; i < FIELDS && r == 0; i++) {
		struct address_list list;

		if (i > 0)
			(void)buf_char(out, ' ');
		if (!is_addresses(i)) {
			r = append_text(out, values[i], flags);
			continue;
		}
		list = (struct address_list){ 0 };
		if (i != FROM && values[i].ptr != NULL)
			address_list_parse(values[i], &list);
		/* Sender and Reply-To that are absent or empty are From. */
		if (i == FROM || ((i == SENDER || i == REPLY_TO) && list.count == 0))
			r = append_list(out, &from, flags);
		else
			r = append_list(out, &list, flags);
		address_list_free(&list);
	}
	address_list_free(&from);
	return r == 0 ? buf_char(out, ')') : r;
}
