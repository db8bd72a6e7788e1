/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Header fields as JMAP properties. */
#include "webmaild/jmap_header.h"

#include <errno.h>
#include <stdlib.h>

#include "common/address_list.h"
#include "common/compose.h"
#include "common/date.h"
#include "common/encoded_word.h"
#include "common/header.h"
#include "common/message_id.h"
#include "webmaild/jmap_json.h"

#define TEXT_MAX (1u << 20)

/* --- properties --- */

#define ADDRESS_FORMS (JMAP_RAW | JMAP_ADDRESSES | JMAP_GROUPED_ADDRESSES)
#define ANY_FORM (JMAP_RAW | JMAP_TEXT | ADDRESS_FORMS | JMAP_MESSAGE_IDS | JMAP_DATE | JMAP_URLS)

/* The fields of RFC 5322 and RFC 2369 and the forms they may have; others may have any. */
static const struct {
	const char *name;
	unsigned forms;
} fields[] = {
	{ "Bcc", ADDRESS_FORMS }, { "Cc", ADDRESS_FORMS }, { "Comments", JMAP_RAW | JMAP_TEXT }, { "Date", JMAP_RAW | JMAP_DATE },
	{ "From", ADDRESS_FORMS }, { "In-Reply-To", JMAP_RAW | JMAP_MESSAGE_IDS }, { "Keywords", JMAP_RAW | JMAP_TEXT },
	{ "List-Archive", JMAP_RAW | JMAP_URLS }, { "List-Help", JMAP_RAW | JMAP_URLS }, { "List-Owner", JMAP_RAW | JMAP_URLS },
	{ "List-Post", JMAP_RAW | JMAP_URLS }, { "List-Subscribe", JMAP_RAW | JMAP_URLS }, { "List-Unsubscribe", JMAP_RAW | JMAP_URLS },
	{ "Message-ID", JMAP_RAW | JMAP_MESSAGE_IDS }, { "Received", JMAP_RAW }, { "References", JMAP_RAW | JMAP_MESSAGE_IDS },
	{ "Reply-To", ADDRESS_FORMS }, { "Resent-Bcc", ADDRESS_FORMS }, { "Resent-Cc", ADDRESS_FORMS }, { "Resent-Date", JMAP_RAW | JMAP_DATE },
	{ "Resent-From", ADDRESS_FORMS }, { "Resent-Message-ID", JMAP_RAW | JMAP_MESSAGE_IDS }, { "Resent-Reply-To", ADDRESS_FORMS },
	{ "Resent-Sender", ADDRESS_FORMS }, { "Resent-To", ADDRESS_FORMS }, { "Return-Path", JMAP_RAW }, { "Sender", ADDRESS_FORMS },
	{ "Subject", JMAP_RAW | JMAP_TEXT }, { "To", ADDRESS_FORMS },
};

static const struct {
	const char *name;
	enum jmap_form form;
} forms[] = {
	{ "asRaw", JMAP_RAW }, { "asText", JMAP_TEXT }, { "asAddresses", JMAP_ADDRESSES }, { "asGroupedAddresses", JMAP_GROUPED_ADDRESSES },
	{ "asMessageIds", JMAP_MESSAGE_IDS }, { "asDate", JMAP_DATE }, { "asURLs", JMAP_URLS },
};

static const struct {
	const char *property, *name;
	enum jmap_form form;
} short_names[] = {
	{ "messageId", "Message-ID", JMAP_MESSAGE_IDS }, { "inReplyTo", "In-Reply-To", JMAP_MESSAGE_IDS },
	{ "references", "References", JMAP_MESSAGE_IDS }, { "sender", "Sender", JMAP_ADDRESSES }, { "from", "From", JMAP_ADDRESSES },
	{ "to", "To", JMAP_ADDRESSES }, { "cc", "Cc", JMAP_ADDRESSES }, { "bcc", "Bcc", JMAP_ADDRESSES }, { "replyTo", "Reply-To", JMAP_ADDRESSES },
	{ "subject", "Subject", JMAP_TEXT }, { "sentAt", "Date", JMAP_DATE },
};

static unsigned
forms_of(struct span name)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (span_ieq(span_of(fields[i].name), name))
			return fields[i].forms;
	return ANY_FORM;
}

bool
jmap_header_property(const char *property, struct jmap_header_property *ret_property)
{
	struct span rest = span_of(property), part;

	*ret_property = (struct jmap_header_property){ .form = JMAP_RAW };
	if (!span_starts(rest, SPAN("header:")))
		return false;
	rest = span_skip(rest, sizeof("header:") - 1);
	if (!span_split(&rest, ':', &ret_property->name) || !header_name_is_valid(ret_property->name))
		return false;
	if (span_starts(rest, SPAN("as"))) {
		ret_property->form = 0;
		(void)span_split(&rest, ':', &part);
		for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
			if (span_eq(span_of(forms[i].name), part))
				ret_property->form = forms[i].form;
	}
	ret_property->all = span_eq(rest, SPAN("all"));
	return (rest.len == 0 || ret_property->all) && (forms_of(ret_property->name) & ret_property->form) != 0;
}

bool
jmap_header_short(const char *property, struct jmap_header_property *ret_property)
{
	for (size_t i = 0; i < sizeof(short_names) / sizeof(short_names[0]); i++) {
		if (strcmp(short_names[i].property, property) != 0)
			continue;
		*ret_property = (struct jmap_header_property){ span_of(short_names[i].name), short_names[i].form, false };
		return true;
	}
	return false;
}

/* --- reading --- */

static json_t *
read_text(struct span value)
{
	struct buf text = BUF_INIT(TEXT_MAX);
	json_t *result;

	(void)encoded_word_decode(value, &text);
	result = jmap_text(span_trim(buf_get(&text)));
	buf_free(&text);
	return result;
}

static json_t *
read_address(const struct address_entry *entry)
{
	struct buf email = BUF_INIT(4096);
	json_t *name = entry->name.len > 0 ? read_text(entry->name) : json_null(), *result;

	if (entry->domain.ptr == NULL || address_spec_append(&email, entry->local, entry->domain) < 0) {
		/* What is no addr-spec is shown as it stands. */
		buf_clear(&email);
		(void)buf_span(&email, entry->local);
		if (entry->domain.ptr != NULL) {
			(void)buf_char(&email, '@');
			(void)buf_span(&email, entry->domain);
		}
	}
	if (json_is_string(name) && json_string_length(name) == 0) {
		json_decref(name);
		name = json_null();
	}
	result = json_pack("{s:o, s:o}", "name", name, "email", jmap_text(buf_get(&email)));
	buf_free(&email);
	return result;
}

static json_t *
read_addresses(struct span value, bool grouped)
{
	struct address_list list;
	json_t *result = json_array(), *addresses = grouped ? NULL : json_incref(result);

	address_list_parse(value, &list);
	for (size_t i = 0; i < list.count; i++) {
		const struct address_entry *entry = &list.entries[i];

		if (entry->kind != ADDRESS_KIND_MAILBOX) {
			if (!grouped)
				continue;
			json_decref(addresses);
			addresses = NULL;
			if (entry->kind == ADDRESS_KIND_GROUP) {
				addresses = json_array();
				(void)json_array_append_new(result, json_pack("{s:o, s:O}", "name", read_text(entry->name), "addresses", addresses));
			}
			continue;
		}
		if (addresses == NULL) {
			addresses = json_array();
			(void)json_array_append_new(result, json_pack("{s:n, s:O}", "name", "addresses", addresses));
		}
		(void)json_array_append_new(addresses, read_address(entry));
	}
	json_decref(addresses);
	address_list_free(&list);
	return result;
}

static json_t *
read_message_ids(struct span value)
{
	struct message_id_list list;
	json_t *result;

	message_id_list_parse(value, &list);
	result = list.count > 0 ? json_array() : json_null();
	for (size_t i = 0; i < list.count; i++)
		(void)json_array_append_new(result, jmap_text(list.ids[i]));
	message_id_list_free(&list);
	return result;
}

static json_t *
read_date(struct span value)
{
	struct date date;
	struct buf text = BUF_INIT(TEXT_MAX);
	bool ok;

	(void)header_unfold(value, &text);
	ok = date_parse(buf_get(&text), &date);
	buf_free(&text);
	return ok ? jmap_date(date.utc, date.zone) : json_null();
}

/* RFC 2369 2: what stands in angle brackets, commas between. */
static json_t *
read_urls(struct span value)
{
	json_t *result = json_array();
	ptrdiff_t open, close;

	while ((open = span_chr(value, '<')) >= 0) {
		struct buf url = BUF_INIT(8192);

		value = span_skip(value, (size_t)open + 1);
		close = span_chr(value, '>');
		if (close < 0)
			break;
		/* White space within is folding. */
		for (ptrdiff_t i = 0; i < close; i++)
			if (strchr(" \t\r\n", value.ptr[i]) == NULL)
				(void)buf_char(&url, value.ptr[i]);
		if (url.len > 0)
			(void)json_array_append_new(result, jmap_text(buf_get(&url)));
		buf_free(&url);
		value = span_skip(value, (size_t)close + 1);
	}
	if (json_array_size(result) > 0)
		return result;
	json_decref(result);
	return json_null();
}

static json_t *
read_raw(struct span value)
{
	return jmap_text(value);
}

static json_t *
read_form(struct span value, enum jmap_form form)
{
	switch (form) {
	case JMAP_TEXT:
		return read_text(value);
	case JMAP_ADDRESSES:
		return read_addresses(value, false);
	case JMAP_GROUPED_ADDRESSES:
		return read_addresses(value, true);
	case JMAP_MESSAGE_IDS:
		return read_message_ids(value);
	case JMAP_DATE:
		return read_date(value);
	case JMAP_URLS:
		return read_urls(value);
	default:
		return read_raw(value);
	}
}

json_t *
jmap_header_value(struct span block, const struct jmap_header_property *property)
{
	struct header_iter iter;
	struct header_field field;
	json_t *all;

	/* One value is wanted: the last field's (RFC 8621 4.1.3). */
	if (!property->all)
		return header_find_last(block, property->name, &field) ? read_form(field.value, property->form) : json_null();
	all = json_array();
	header_begin(&iter, block);
	while (header_next(&iter, &field))
		if (span_ieq(field.name, property->name))
			(void)json_array_append_new(all, read_form(field.value, property->form));
	return all;
}

json_t *
jmap_header_list(struct span block)
{
	struct header_iter iter;
	struct header_field field;
	json_t *list = json_array();

	header_begin(&iter, block);
	while (header_next(&iter, &field))
		if (field.name.len > 0)
			(void)json_array_append_new(list, json_pack("{s:o, s:o}", "name", jmap_text(field.name), "value", read_raw(field.value)));
	return list;
}

json_t *
jmap_header_emails(struct span block, const char *name)
{
	struct jmap_header_property property = { span_of(name), JMAP_ADDRESSES, true };
	json_t *values = jmap_header_value(block, &property), *emails = json_array();

	for (size_t i = 0; i < json_array_size(values); i++)
		for (size_t j = 0; j < json_array_size(json_array_get(values, i)); j++)
			(void)json_array_append(emails, json_object_get(json_array_get(json_array_get(values, i), j), "email"));
	json_decref(values);
	return emails;
}

/* --- writing --- */

static int
write_address(struct buf *out, const json_t *address, size_t *column)
{
	struct span email = jmap_span(json_object_get(address, "email")), domain;
	ptrdiff_t at = span_rchr(email, '@');

	if (!json_is_object(address) || at <= 0)
		return -EINVAL;
	domain = span_skip(email, (size_t)at + 1);
	return address_append(out, jmap_span(json_object_get(address, "name")), span_make(email.ptr, (size_t)at), domain, column);
}

static int
write_addresses(struct buf *out, const json_t *list, size_t *column)
{
	int r = json_is_array(list) ? 0 : -EINVAL;

	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		if (i > 0) {
			(void)buf_char(out, ',');
			++*column;
		}
		(void)buf_char(out, ' ');
		++*column;
		r = write_address(out, json_array_get(list, i), column);
	}
	return r;
}

/* A group's members: name: a, b; */
static int
write_groups(struct buf *out, const json_t *groups, size_t *column)
{
	int r = json_is_array(groups) ? 0 : -EINVAL;

	for (size_t i = 0; r == 0 && i < json_array_size(groups); i++) {
		const json_t *group = json_array_get(groups, i);
		const json_t *name = json_object_get(group, "name");

		if (i > 0)
			(void)buf_char(out, ',');
		if (json_is_string(name)) {
			(void)buf_char(out, ' ');
			r = encoded_word_encode(jmap_span(name), ENCODED_WORD_PHRASE, column, out);
			(void)buf_char(out, ':');
		}
		if (r == 0)
			r = write_addresses(out, json_object_get(group, "addresses"), column);
		if (json_is_string(name))
			(void)buf_char(out, ';');
	}
	return r;
}

static int
write_words(struct buf *out, const json_t *list, const char *open, const char *close, const char *between, size_t *column)
{
	int r = jmap_is_string_list(list) ? 0 : -EINVAL;

	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		struct buf word = BUF_INIT(8192);

		(void)buf_str(&word, open);
		(void)buf_span(&word, jmap_span(json_array_get(list, i)));
		(void)buf_str(&word, close);
		if (i + 1 < json_array_size(list))
			(void)buf_str(&word, between);
		r = word.overflow ? -EINVAL : compose_field_word(out, buf_get(&word), column);
		buf_free(&word);
	}
	return r;
}

static int
write_date(struct buf *out, const json_t *value)
{
	char text[DATE_SIZE];
	struct date date;

	if (!date_parse_rfc3339(jmap_span(value), &date))
		return -EINVAL;
	(void)buf_char(out, ' ');
	return buf_span(out, date_format(date, text));
}

static int
write_structured(struct buf *out, const struct jmap_header_property *property, const json_t *value)
{
	size_t column = 0;
	int r = compose_field_begin(out, property->name, &column);

	if (r < 0)
		return r;
	switch (property->form) {
	case JMAP_ADDRESSES:
		r = write_addresses(out, value, &column);
		break;
	case JMAP_GROUPED_ADDRESSES:
		r = write_groups(out, value, &column);
		break;
	case JMAP_MESSAGE_IDS:
		r = write_words(out, value, "<", ">", "", &column);
		break;
	case JMAP_URLS:
		r = write_words(out, value, "<", ">", ",", &column);
		break;
	default:
		r = write_date(out, value);
		break;
	}
	return r == 0 ? compose_field_end(out) : r;
}

static int
write_one(struct buf *out, const struct jmap_header_property *property, const json_t *value)
{
	/* An empty list makes no field. */
	if (json_is_null(value) || (json_is_array(value) && json_array_size(value) == 0))
		return 0;
	if (property->form == JMAP_RAW || property->form == JMAP_TEXT) {
		struct span text = jmap_span(value);

		if (!json_is_string(value) || text.len > TEXT_MAX)
			return -EINVAL;
		return property->form == JMAP_RAW ? header_append(out, property->name, span_trim(text))
		                                  : header_append_text(out, property->name, text);
	}
	return write_structured(out, property, value);
}

int
jmap_header_write(struct buf *out, const struct jmap_header_property *property, const json_t *value)
{
	int r = 0;

	if (!property->all)
		return write_one(out, property, value);
	if (!json_is_array(value))
		return json_is_null(value) ? 0 : -EINVAL;
	for (size_t i = 0; r == 0 && i < json_array_size(value); i++)
		r = write_one(out, property, json_array_get(value, i));
	return r;
}
