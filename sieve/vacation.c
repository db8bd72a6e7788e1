/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Who is answered, and how. */
#include "sieve/vacation.h"

#include <errno.h>

#include "common/address.h"
#include "common/address_list.h"
#include "common/compose.h"
#include "common/date.h"
#include "common/encoded_word.h"
#include "common/header.h"
#include "common/message_id.h"
#include "sieve/answer.h"

#define SUBJECT_MAX 2000
#define REFERENCES_MAX 20 /* the first and so many of the last */

static struct span
header_of(const struct sieve_host *host)
{
	return span_make(host->message.ptr, header_block_size(host->message));
}

/* As the script left it, or as it came. */
static struct span
edited_header(const struct sieve_host *host, struct span edited)
{
	return edited.len != 0 ? edited : header_of(host);
}

/* --- may it be answered --- */

/* Senders behind which nobody sits (RFC 5230 section 4.6, RFC 3834 section 2). */
static bool
is_machine(struct span mailbox)
{
	static const struct span names[] = {
		SPAN("mailer-daemon"), SPAN("listserv"), SPAN("majordomo"), SPAN("mailman"), SPAN("noreply"), SPAN("no-reply"), SPAN("donotreply"),
		SPAN("do-not-reply"), SPAN("bounce"), SPAN("bounces"), SPAN("root"), SPAN("daemon"),
	};
	ptrdiff_t at = span_rchr(mailbox, '@');
	struct span local = at >= 0 ? span_make(mailbox.ptr, (size_t)at) : mailbox;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (span_ieq(local, names[i]))
			return true;
	return span_istarts(local, SPAN("owner-")) || span_iends(local, SPAN("-owner")) || span_iends(local, SPAN("-request")) ||
	    span_iends(local, SPAN("-bounces")) || span_istarts(local, SPAN("bounce-")) || span_istarts(local, SPAN("bounces+")) ||
	    span_istarts(local, SPAN("srs0=")) || span_istarts(local, SPAN("srs1="));
}

/* Fields that only lists and machines write. */
static const char *
forbidden_by_field(struct span block)
{
	struct header_iter iter;
	struct header_field field;

	header_begin(&iter, block);
	while (header_next(&iter, &field)) {
		struct span value = field.value;

		header_skip_cfws(&value);
		if (span_istarts(field.name, SPAN("List-")))
			return "it came through a mailing list";
		if (span_ieq(field.name, SPAN("Precedence")) &&
		    (span_istarts(value, SPAN("bulk")) || span_istarts(value, SPAN("list")) || span_istarts(value, SPAN("junk"))))
			return "it is bulk mail";
		if (span_ieq(field.name, SPAN("X-Auto-Response-Suppress")) &&
		    (span_ifind(value, SPAN("OOF")) >= 0 || span_ifind(value, SPAN("All")) >= 0 || span_ifind(value, SPAN("AutoReply")) >= 0))
			return "it asks for no automatic answer";
	}
	return answer_is_automatic(block) ? "it was made by a machine" : NULL;
}

/* Addresses are compared in any case (RFC 5230 section 4.5 leaves it open; people write them so). What others get too is the user's only
 * when he says so: else each of them would answer. */
static bool
is_own(const struct sieve_action *action, const struct sieve_host *host, struct span owner, struct span address)
{
	for (size_t i = 0; i < action->list_count; i++)
		if (address_equal(address, span_trim(action->list[i])))
			return true;
	return answer_own(host, owner, address) == SIEVE_OWN;
}

static bool
has_own(const struct sieve_action *action, const struct sieve_host *host, struct span owner, struct span value)
{
	struct address_list list;
	bool found = false;

	address_list_parse(value, &list);
	for (size_t i = 0; i < list.count && !found; i++) {
		struct buf spec = BUF_INIT(2 * ADDRESS_MAX);

		if (list.entries[i].kind == ADDRESS_KIND_MAILBOX &&
		    address_spec_append(&spec, list.entries[i].local, list.entries[i].domain) == 0)
			found = is_own(action, host, owner, buf_get(&spec));
		buf_free(&spec);
	}
	address_list_free(&list);
	return found;
}

/* RFC 5230 section 4.5. */
static bool
is_addressed(const struct sieve_action *action, const struct sieve_host *host, struct span block, struct span owner)
{
	static const struct span names[] = { SPAN("To"), SPAN("Cc"), SPAN("Bcc"), SPAN("Resent-To"), SPAN("Resent-Cc"), SPAN("Resent-Bcc") };
	struct header_iter iter;
	struct header_field field;

	header_begin(&iter, block);
	while (header_next(&iter, &field))
		for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
			if (span_ieq(field.name, names[i]) && has_own(action, host, owner, field.value))
				return true;
	return false;
}

const char *
vacation_forbidden(const struct sieve_action *action, const struct sieve_host *host, struct span edited, struct span owner)
{
	struct address address;
	const char *reason;
	bool addressed;

	if (host->sender.len == 0)
		return "it has no sender";
	if (address_parse_mailbox(host->sender, ADDRESS_SMTPUTF8, &address) != ADDRESS_OK)
		return "its sender is no address";
	if (is_machine(host->sender))
		return "its sender is a machine";
	if (is_own(action, host, owner, host->sender))
		return "it is the user's own";
	/* Its sender is most likely another. */
	if (host->spam >= 100)
		return "it is spam";
	reason = forbidden_by_field(header_of(host));
	if (reason == NULL)
		reason = forbidden_by_field(edited);
	if (reason != NULL)
		return reason;
	/* Both are looked through, so that host->own is asked about all of their addresses. */
	addressed = is_addressed(action, host, header_of(host), owner);
	if (edited.len != 0)
		addressed &= is_addressed(action, host, edited, owner);
	return addressed ? NULL : "it does not name the user as a recipient";
}

/* --- the answer --- */

static void
put_subject(struct buf *out, const struct sieve_action *action, struct span block)
{
	struct buf subject = BUF_INIT(SUBJECT_MAX);
	struct header_field field;

	/* RFC 5230 section 5.4, RFC 3834 section 3.1.5. */
	if (action->subject.len != 0) {
		(void)buf_span(&subject, span_utf8_cut(action->subject, SUBJECT_MAX));
	} else {
		bool named = header_find(block, SPAN("Subject"), &field);

		(void)buf_str(&subject, named ? "Auto: " : "Automated reply");
		if (named && encoded_word_decode(field.value, &subject) != 0)
			subject.overflow = false;
	}
	(void)header_append_text(out, SPAN("Subject"), buf_get(&subject));
	buf_free(&subject);
}

/* Of others' fields no more than what any host takes. */
static bool
is_plain(struct span id)
{
	for (size_t i = 0; i < id.len; i++)
		if (id.ptr[i] <= ' ' || id.ptr[i] > '~')
			return false;
	return true;
}

/* In-Reply-To and References (RFC 5230 section 5.8, RFC 5322 section 3.6.4). */
static void
put_thread(struct buf *out, struct span block)
{
	struct header_field field;
	struct message_id_list ids, references = { .count = 0 };
	size_t column;

	if (!header_find(block, SPAN("Message-ID"), &field))
		return;
	message_id_list_parse(field.value, &ids);
	if (header_find(block, SPAN("References"), &field))
		message_id_list_parse(field.value, &references);
	if (ids.count != 0 && is_plain(ids.ids[0])) {
		(void)buf_fmt(out, "In-Reply-To: <%.*s>\r\n", (int)ids.ids[0].len, ids.ids[0].ptr);
		(void)compose_field_begin(out, SPAN("References"), &column);
		for (size_t i = 0; i <= references.count; i++) {
			struct span id = i < references.count ? references.ids[i] : ids.ids[0];
			struct buf word = BUF_INIT(MESSAGE_ID_MAX + 2);

			if (!is_plain(id) || (i != 0 && i + REFERENCES_MAX < references.count))
				continue;
			(void)buf_fmt(&word, "<%.*s>", (int)id.len, id.ptr);
			(void)compose_field_word(out, buf_get(&word), &column);
			buf_free(&word);
		}
		(void)compose_field_end(out);
	}
	message_id_list_free(&ids);
	message_id_list_free(&references);
}

/* A MIME entity: of its header only what tells of its content comes through, and that its body is 8-bit text is told where it is not (RFC 2045
 * section 6.1). */
static int
put_entity(struct buf *out, struct span entity)
{
	struct span block = span_make(entity.ptr, header_block_size(entity)), body = span_skip(entity, block.len);
	struct header_iter iter;
	struct header_field field;

	header_begin(&iter, block);
	while (header_next(&iter, &field))
		if (span_istarts(field.name, SPAN("Content-")) && header_append(out, field.name, field.value) != 0)
			return -EINVAL;
	if (!span_is_ascii(body) && !header_find(block, SPAN("Content-Transfer-Encoding"), &field))
		(void)buf_str(out, "Content-Transfer-Encoding: 8bit\r\n");
	(void)buf_str(out, "\r\n");
	return compose_body(out, body, MIME_8BIT);
}

static int
put_body(struct buf *out, const struct sieve_action *action)
{
	enum mime_encoding encoding;

	(void)buf_str(out, "MIME-Version: 1.0\r\n");
	if (!action->mime) {
		encoding = compose_text_encoding(action->text, false);
		(void)compose_content_type(out, SPAN("text/plain"), span_is_ascii(action->text) ? SPAN("us-ascii") : SPAN("utf-8"), SPAN_NULL,
		    SPAN_NULL);
		(void)buf_fmt(out, "Content-Transfer-Encoding: %s\r\n\r\n", compose_encoding_name(encoding));
		return compose_body(out, action->text, encoding);
	}
	return put_entity(out, action->text);
}

int
vacation_compose(const struct sieve_action *action, const struct sieve_host *host, struct span edited, struct span owner, struct span host_name,
    const uint8_t random[static 16], struct buf *out)
{
	struct span block = edited_header(host, edited);
	char date[DATE_SIZE];
	size_t column;
	int r = answer_put_from(out, action, host, owner);

	if (r == 0)
		r = header_append(out, SPAN("To"), host->sender);
	if (r != 0)
		return r;
	put_subject(out, action, block);
	(void)header_append(out, SPAN("Date"), date_format((struct date){ .utc = host->now, .zone = host->zone }, date));
	(void)compose_field_begin(out, SPAN("Message-ID"), &column);
	(void)buf_char(out, ' ');
	(void)message_id_append(out, host->now, random, host_name);
	(void)compose_field_end(out);
	put_thread(out, block);
	(void)buf_str(out, "Auto-Submitted: auto-replied (vacation)\r\nX-Auto-Response-Suppress: All\r\n");
	r = put_body(out, action);
	if (!span_ends(buf_get(out), SPAN("\r\n")))
		(void)buf_str(out, "\r\n");
	return out->overflow ? -EMSGSIZE : r;
}
