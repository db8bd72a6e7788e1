/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The method mailto of notify. */
#include "sieve/notify.h"

#include <errno.h>

#include "common/address_list.h"
#include "common/compose.h"
#include "common/date.h"
#include "common/encoded_word.h"
#include "common/header.h"
#include "common/message_id.h"
#include "sieve/answer.h"
#include "sieve/protected.h"
#include "sieve/run_parts.h"

#define URI_MAX 8192
#define FIELD_MAX 4096

/* --- the URI --- */

static bool
percent_decode(struct span text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		int high = i + 2 < text.len ? ascii_hex(text.ptr[i + 1]) : -1, low = i + 2 < text.len ? ascii_hex(text.ptr[i + 2]) : -1;

		if (text.ptr[i] != '%') {
			(void)buf_char(out, text.ptr[i]);
			continue;
		}
		if (high < 0 || low < 0)
			return false;
		(void)buf_char(out, (char)(high << 4 | low));
		i += 2;
	}
	return !out->overflow;
}

/* Takes "mailto:" off and divides the rest at the question mark. */
static bool
split_uri(struct span uri, struct span *ret_to, struct span *ret_fields)
{
	if (uri.len > URI_MAX || !span_istarts(uri, SPAN("mailto:")))
		return false;
	*ret_fields = span_skip(uri, 7);
	if (!span_split(ret_fields, '?', ret_to))
		*ret_to = SPAN_NULL;
	return true;
}

/* The next "name=value" of the fields, decoded. */
static bool
next_field(struct span *fields, struct buf *name, struct buf *value)
{
	struct span part, word;

	buf_clear(name);
	buf_clear(value);
	if (!span_split(fields, '&', &part))
		return false;
	(void)span_split(&part, '=', &word);
	if (!percent_decode(word, name) || !percent_decode(part, value))
		buf_clear(name);
	return true;
}

/* All recipients: those of the path, and those of the fields "to" and "cc" (RFC 5436 section 2.7). */
static void
put_recipients(struct span to, struct span fields, struct buf *out)
{
	struct buf name = BUF_INIT(URI_MAX), value = BUF_INIT(URI_MAX);

	if (!percent_decode(to, out))
		buf_clear(out);
	while (next_field(&fields, &name, &value))
		if ((span_ieq(buf_get(&name), SPAN("to")) || span_ieq(buf_get(&name), SPAN("cc"))) && value.len != 0) {
			if (out->len != 0)
				(void)buf_char(out, ',');
			(void)buf_span(out, buf_get(&value));
		}
	buf_free(&name);
	buf_free(&value);
}

bool
notify_is_valid(struct span uri)
{
	struct buf recipients = BUF_INIT(2 * URI_MAX);
	struct address_list list;
	struct span to, fields;
	bool valid;

	if (!split_uri(uri, &to, &fields))
		return false;
	put_recipients(to, fields, &recipients);
	valid = recipients.len != 0 && run_is_address_list(buf_get(&recipients));
	address_list_parse(buf_get(&recipients), &list);
	valid &= list.count <= NOTIFY_RECIPIENTS_MAX;
	address_list_free(&list);
	buf_free(&recipients);
	return valid;
}

static bool
is_named_before(const struct address_list *list, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (span_eq(list->entries[i].local, list->entries[at].local) && span_ieq(list->entries[i].domain, list->entries[at].domain))
			return true;
	return false;
}

void
notify_recipients(struct span uri, void (*each)(void *context, struct span address), void *context)
{
	struct buf recipients = BUF_INIT(2 * URI_MAX);
	struct address_list list;
	struct span to, fields;

	if (!split_uri(uri, &to, &fields))
		return;
	put_recipients(to, fields, &recipients);
	address_list_parse(buf_get(&recipients), &list);
	for (size_t i = 0; i < list.count && i < NOTIFY_RECIPIENTS_MAX; i++) {
		struct buf spec = BUF_INIT(1024);

		if (!is_named_before(&list, i) && address_spec_append(&spec, list.entries[i].local, list.entries[i].domain) == 0)
			each(context, buf_get(&spec));
		buf_free(&spec);
	}
	address_list_free(&list);
	buf_free(&recipients);
}

/* --- the message --- */

const char *
notify_forbidden(const struct sieve_host *host)
{
	/* No script edits this field (protected.h). */
	return answer_is_automatic(span_make(host->message.ptr, header_block_size(host->message))) ? "the message was made by a machine" : NULL;
}

static void
put_subject(struct buf *out, const struct sieve_action *action, struct span block, struct span given)
{
	struct buf subject = BUF_INIT(FIELD_MAX);
	struct header_field field;

	/* RFC 5436 section 2.7: :message, else what the URI says, else the message's own. */
	if (action->message.len != 0)
		given = action->message;
	if (given.len != 0)
		(void)buf_span(&subject, span_utf8_cut(given, FIELD_MAX));
	else if (header_find(block, SPAN("Subject"), &field))
		(void)encoded_word_decode(field.value, &subject);
	if (subject.len == 0)
		(void)buf_str(&subject, "New mail");
	(void)header_append_text(out, SPAN("Subject"), buf_get(&subject));
	buf_free(&subject);
}

/* Fields of the URI that may be set: not those that say who sends, where it goes or what it is (section 2.3, RFC 6068 section 7). */
static bool
may_set(struct span name)
{
	static const struct span own[] = {
		SPAN("To"), SPAN("Cc"), SPAN("Bcc"), SPAN("Subject"), SPAN("Body"), SPAN("Date"), SPAN("Message-ID"), SPAN("Importance"),
		SPAN("X-Priority"),
	};

	if (!header_name_is_valid(name) || field_is_protected(name) || span_istarts(name, SPAN("Resent-")) ||
	    span_istarts(name, SPAN("MIME-")) || span_istarts(name, SPAN("List-")) || span_istarts(name, SPAN("DKIM-")))
		return false;
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (span_ieq(name, own[i]))
			return false;
	return true;
}

static void
put_uri_fields(struct buf *out, struct span fields, struct buf *subject, struct buf *body)
{
	struct buf name = BUF_INIT(URI_MAX), value = BUF_INIT(URI_MAX);

	while (next_field(&fields, &name, &value)) {
		if (span_ieq(buf_get(&name), SPAN("subject")))
			(void)buf_span(subject, buf_get(&value));
		else if (span_ieq(buf_get(&name), SPAN("body")))
			(void)buf_span(body, buf_get(&value));
		else if (may_set(buf_get(&name)))
			(void)header_append_text(out, buf_get(&name), buf_get(&value));
	}
	buf_free(&name);
	buf_free(&value);
}

int
notify_compose(const struct sieve_action *action, const struct sieve_host *host, struct span edited, struct span owner, struct span host_name,
    const uint8_t random[static 16], struct buf *out)
{
	struct buf subject = BUF_INIT(URI_MAX), body = BUF_INIT(URI_MAX), to = BUF_INIT(2 * URI_MAX);
	struct span path, fields;
	char date[DATE_SIZE];
	size_t column;
	int r;

	if (!split_uri(action->text, &path, &fields))
		return -EINVAL;
	put_recipients(path, fields, &to);
	r = answer_put_from(out, action, host, owner);
	if (r == 0)
		r = answer_put_addresses(out, SPAN("To"), buf_get(&to));
	put_uri_fields(out, fields, &subject, &body);
	put_subject(out, action, edited.len != 0 ? edited : span_make(host->message.ptr, header_block_size(host->message)), buf_get(&subject));
	(void)header_append(out, SPAN("Date"), date_format((struct date){ .utc = host->now, .zone = host->zone }, date));
	(void)compose_field_begin(out, SPAN("Message-ID"), &column);
	(void)buf_char(out, ' ');
	(void)message_id_append(out, host->now, random, host_name);
	(void)compose_field_end(out);
	/* RFC 5436 section 2.7.1. */
	(void)buf_fmt(out, "Auto-Submitted: auto-notified; owner-email=\"%.*s\"\r\n", (int)owner.len, owner.ptr);
	/* RFC 5435 section 3.4: 1 is the most important. */
	(void)buf_fmt(out, "Importance: %s\r\nX-Priority: %c\r\n", action->importance == '1' ? "high" : action->importance == '3' ? "low" : "normal",
	    action->importance == '1' ? '1' : action->importance == '3' ? '5' : '3');
	(void)buf_str(out, "MIME-Version: 1.0\r\n");
	(void)compose_content_type(out, SPAN("text/plain"), SPAN("utf-8"), SPAN_NULL, SPAN_NULL);
	(void)buf_str(out, "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
	(void)compose_body(out, buf_get(&body), MIME_QUOTED_PRINTABLE);
	if (!span_ends(buf_get(out), SPAN("\r\n")))
		(void)buf_str(out, "\r\n");
	buf_free(&subject);
	buf_free(&body);
	buf_free(&to);
	return out->overflow ? -EMSGSIZE : r;
}
