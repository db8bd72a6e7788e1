/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Mending messages of local programs: what RFC 6409 section 8 lets a submission server do. */
#include "cli/submit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sysexits.h>
#include <time.h>

#include "common/address.h"
#include "common/address_list.h"
#include "common/cleanup.h"
#include "common/date.h"
#include "common/header.h"
#include "common/message_id.h"
#include "common/text_set.h"
#include "common/xalloc.h"
#include "frame/account_name.h"
#include "smtpd/smtp_binary.h"

/* What the fields that are added need at most. */
#define ADDED_MAX 8192

void
submit_init(struct submit *submit, const struct smtpd_conf *conf, int folder)
{
	*submit = (struct submit){ .conf = conf, .folder = folder, .user = "" };
	buf_init(&submit->header, SUBMIT_HEADER_MAX);
	submit->seen = text_set_new(0);
	submit->parts = smtp_binary_new(SMTP_BINARY_LINES);
	envelope_init(&submit->envelope, SPAN_NULL, (int64_t)time(NULL));
	/* Whether it is so is found out where a host cannot take it. */
	submit->envelope.body = ENVELOPE_8BITMIME;
}

void
submit_free(struct submit *submit)
{
	drop_abandon(submit->drop);
	submit->drop = NULL;
	submit->parts = smtp_binary_free(submit->parts);
	submit->seen = text_set_free(submit->seen);
	buf_free(&submit->header);
	envelope_free(&submit->envelope);
}

/* --- addresses --- */

static int
complain(struct submit *submit, struct span about)
{
	size_t len = 0;

	for (size_t i = 0; i < about.len && len < sizeof(submit->complaint) - 1; i++)
		submit->complaint[len++] = about.ptr[i] < ' ' || about.ptr[i] == 0x7f ? '?' : about.ptr[i];
	submit->complaint[len] = '\0';
	return -EBADMSG;
}

/* Bare names are users of the first domain. */
static int
put_address(struct submit *submit, const struct address_entry *entry, struct buf *out)
{
	const struct fourpost_conf *conf = &submit->conf->common;
	struct span domain = entry->domain.ptr != NULL ? entry->domain : span_of(conf->domains.count != 0 ? conf->domains.item[0] : conf->hostname);
	struct address address;

	/* Words without "@" are no name of a user. */
	if (entry->domain.ptr == NULL && span_chr(entry->local, ' ') >= 0)
		return complain(submit, entry->local);
	if (address_spec_append(out, entry->local, domain) < 0 ||
	    address_parse_mailbox(buf_get(out), ADDRESS_SMTPUTF8, &address) != ADDRESS_OK)
		return complain(submit, entry->local);
	submit->envelope.smtputf8 |= !span_is_ascii(buf_get(out));
	return 0;
}

/* True when more was wrong with the text than bare names: spaces within a name stand in quotes. */
static bool
is_guessed(const struct address_list *list, struct span text)
{
	bool bare = false, quoted = span_chr(text, '"') >= 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct address_entry *entry = &list->entries[i];

		if (span_chr(entry->local, ' ') >= 0 && !quoted)
			return true;
		bare |= entry->kind == ADDRESS_KIND_MAILBOX && entry->domain.ptr == NULL;
	}
	return list->bad && !bare;
}

int
submit_sender(struct submit *submit, struct span text, char **ret_address)
{
	struct buf address = BUF_INIT(ENVELOPE_ADDRESS_MAX);
	struct address_list list;
	int r = 0;

	text = span_trim(text);
	if (text.len == 0 || span_eq(text, SPAN("<>"))) {
		*ret_address = xstrdup("");
		return 0;
	}
	address_list_parse(text, &list);
	if (list.count != 1 || list.entries[0].kind != ADDRESS_KIND_MAILBOX || is_guessed(&list, text))
		r = complain(submit, text);
	else
		r = put_address(submit, &list.entries[0], &address);
	if (r == 0)
		*ret_address = buf_take(&address);
	buf_free(&address);
	address_list_free(&list);
	return r;
}

static int
add_recipient(struct submit *submit, struct span address)
{
	struct envelope *envelope = &submit->envelope;
	struct buf key = BUF_INIT(ENVELOPE_ADDRESS_MAX + ACCOUNT_NAME_MAX);
	bool is_new;

	account_name_key(address, &submit->conf->common.domains, &key);
	is_new = text_set_add(submit->seen, buf_get(&key));
	buf_free(&key);
	if (!is_new)
		return 0;
	if (envelope->count >= (size_t)submit->conf->recipients_max)
		return -EMSGSIZE;
	return envelope_add(envelope, address, SPAN_NULL, submit->notify) == 0 ? 0 : complain(submit, address);
}

int
submit_recipients(struct submit *submit, struct span text, bool strict)
{
	struct buf address = BUF_INIT(ENVELOPE_ADDRESS_MAX);
	struct address_list list;
	int r = 0;

	address_list_parse(text, &list);
	if (list.cut)
		r = -EMSGSIZE;
	else if (!strict && list.lost)
		r = -EILSEQ; /* better no mail than mail to some of those it is for */
	else if (strict && (list.count == 0 || is_guessed(&list, text)))
		r = complain(submit, span_trim(text));
	for (size_t i = 0; r == 0 && i < list.count; i++) {
		if (list.entries[i].kind != ADDRESS_KIND_MAILBOX)
			continue;
		buf_clear(&address);
		r = put_address(submit, &list.entries[i], &address);
		if (r == 0)
			r = add_recipient(submit, buf_get(&address));
	}
	buf_free(&address);
	address_list_free(&list);
	return r;
}

/* --- the header --- */

static bool
is_one_of(struct span name, const char *const *names)
{
	for (; *names != NULL; names++)
		if (span_ieq(name, span_of(*names)))
			return true;
	return false;
}

/* A message that is resent goes to those it is resent to (RFC 5322 section 3.6.6). */
static int
take_recipients(struct submit *submit, struct span header)
{
	static const char *const original[] = { "To", "Cc", "Bcc", NULL }, *const resent[] = { "Resent-To", "Resent-Cc", "Resent-Bcc", NULL };
	const char *const *names = original;
	struct header_iter iter;
	struct header_field field;
	int r = 0;

	header_begin(&iter, header);
	while (header_next(&iter, &field))
		if (is_one_of(field.name, resent))
			names = resent;
	header_begin(&iter, header);
	while (r == 0 && header_next(&iter, &field))
		if (is_one_of(field.name, names))
			r = submit_recipients(submit, field.value, false);
	return r;
}

static void
add_from(const struct submit *submit, struct buf *out)
{
	const char *sender = submit->envelope.sender[0] != '\0' ? submit->envelope.sender : submit->user;
	struct address_list list;
	size_t column = sizeof("From: ") - 1, start = out->len;

	address_list_parse(span_of(sender), &list);
	if (list.count != 1 || buf_str(out, "From: ") < 0 ||
	    address_append(out, submit->name, list.entries[0].local, list.entries[0].domain, &column) < 0 ||
	    buf_str(out, "\r\n") < 0)
		buf_truncate(out, start);
	address_list_free(&list);
}

static void
add_date(struct buf *out)
{
	char text[DATE_SIZE];

	(void)header_append(out, SPAN("Date"), date_format(date_local((int64_t)time(NULL)), text));
}

static void
add_message_id(const struct submit *submit, struct buf *out)
{
	struct buf id = BUF_INIT(MESSAGE_ID_MAX);
	uint8_t random[16];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		abort(); /* cannot fail for so few bytes once the system is up */
	if (message_id_append(&id, (int64_t)time(NULL), random, span_of(submit->conf->common.hostname)) == 0)
		(void)header_append(out, SPAN("Message-ID"), buf_get(&id));
	buf_free(&id);
}

/* Return-Path is the deliverer's (RFC 5321 section 4.4); Bcc is nobody else's business. */
static int
mend(const struct submit *submit, struct span header, struct buf *out)
{
	static const char *const bcc[] = { "Bcc", "Resent-Bcc", NULL };
	bool from = false, date = false, message_id = false;
	struct header_iter iter;
	struct header_field field;
	unsigned hops = 0;

	header_begin(&iter, header);
	while (header_next(&iter, &field)) {
		if (span_ieq(field.name, SPAN("Return-Path")) ||
		    (submit->recipients_in_header && is_one_of(field.name, bcc)))
			continue;
		from |= span_ieq(field.name, SPAN("From"));
		date |= span_ieq(field.name, SPAN("Date"));
		message_id |= span_ieq(field.name, SPAN("Message-ID"));
		hops += span_ieq(field.name, SPAN("Received"));
		(void)buf_span(out, field.whole);
	}
	/* The last field may be the end of the input. */
	if (out->len != 0 && out->data[out->len - 1] != '\n')
		(void)buf_str(out, "\r\n");
	if (!from)
		add_from(submit, out);
	if (!date)
		add_date(out);
	if (!message_id)
		add_message_id(submit, out);
	if (out->overflow)
		return -E2BIG;
	return hops > submit->conf->hops_max ? -ELOOP : 0;
}

/* --- writing --- */

int
submit_open(struct submit *submit)
{
	if (submit->envelope.count == 0)
		return -EDESTADDRREQ;
	submit->envelope.smtputf8_open = true; /* it depends on what is in the parts */
	return submit->drop != NULL ? 0 : drop_begin(submit->folder, &submit->envelope, &submit->drop);
}

/* RFC 6532, RFC 6531 section 3.2: other hosts are asked whether they take UTF-8 in the header of the message, or in that of a part. What the
 * reader of parts makes of the text is not wanted. */
static void
look_at_parts(struct submit *submit, struct span bytes)
{
	struct buf lines = BUF_INIT(SMTP_BINARY_ROOM(bytes.len));

	(void)smtp_binary_put(submit->parts, bytes, &lines);
	buf_free(&lines);
}

static int
note_parts(struct submit *submit)
{
	struct buf lines = BUF_INIT(SMTP_BINARY_ROOM(0));

	smtp_binary_end(submit->parts, &lines);
	buf_free(&lines);
	return smtp_binary_needs_utf8(submit->parts) ? drop_needs_smtputf8(submit->drop) : 0;
}

static int
put_out(struct submit *submit, struct span bytes)
{
	submit->size += bytes.len;
	if (submit->size > (uint64_t)submit->conf->message_size_max)
		return -EFBIG;
	look_at_parts(submit, bytes);
	return drop_write(submit->drop, bytes);
}

/* The header is complete: `header`, and what follows it so far. */
static int
begin_body(struct submit *submit, struct span header, struct span rest)
{
	struct buf mended = BUF_INIT(SUBMIT_HEADER_MAX + ADDED_MAX);
	int r = submit->recipients_in_header ? take_recipients(submit, header) : 0;

	submit->in_body = true;
	if (r == 0)
		r = mend(submit, header, &mended);
	if (r == 0)
		r = submit_open(submit);
	/* The line that ends the header, where the message has none. */
	if (r == 0 && !span_starts(rest, SPAN("\r\n")) && buf_str(&mended, "\r\n") < 0)
		r = -E2BIG;
	if (r == 0)
		r = put_out(submit, buf_get(&mended));
	if (r == 0)
		r = put_out(submit, rest);
	buf_free(&mended);
	buf_free(&submit->header);
	return r;
}

/* "From sender date" before the header is how mailbox files begin a message. */
static struct span
without_mbox_line(struct span text)
{
	struct span line;

	if (span_starts(text, SPAN("From ")))
		(void)span_split(&text, '\n', &line);
	return text;
}

/* Where the header ends: before an empty line, or a line that is no field; the whole text when there
 * is neither. 0, or -E2BIG when it has too many fields. */
static int
header_size(struct span text, size_t *ret_size)
{
	struct header_iter iter;
	struct header_field field;

	header_begin(&iter, text);
	while (header_next(&iter, &field))
		if (field.name.len == 0) {
			*ret_size = field.at;
			return 0;
		}
	*ret_size = iter.at;
	return iter.fields == HEADER_FIELDS_MAX ? -E2BIG : 0;
}

/* Lines as they will be written (drop_write), where a CR alone ends one too: what is looked at must be what is written. */
static void
add_lines(struct submit *submit, struct span bytes, struct buf *out)
{
	for (size_t i = 0; i < bytes.len; i++) {
		char byte = bytes.ptr[i];

		if (byte != '\r' && byte != '\n')
			(void)buf_char(out, byte);
		else if (byte == '\r' || !submit->after_cr)
			(void)buf_put(out, "\r\n", 2);
		submit->after_cr = byte == '\r';
	}
}

static int
put_lines(struct submit *submit, struct span bytes)
{
	struct span text, lines;
	size_t size;
	int r;

	if (submit->in_body)
		return put_out(submit, bytes);
	if (buf_span(&submit->header, bytes) < 0)
		return -E2BIG;
	lines = buf_get(&submit->header);
	lines.len = (size_t)(span_rchr(lines, '\n') + 1);
	text = without_mbox_line(lines);
	r = header_size(text, &size);
	if (r < 0 || size == text.len)
		return r; /* fields so far */
	text.len += submit->header.len - lines.len;
	return begin_body(submit, span_make(text.ptr, size), span_skip(text, size));
}

int
submit_put(struct submit *submit, struct span bytes)
{
	struct buf lines = BUF_INIT(2 * bytes.len);
	int r;

	add_lines(submit, bytes, &lines);
	r = put_lines(submit, buf_get(&lines));
	buf_free(&lines);
	return r;
}

int
submit_commit(struct submit *submit)
{
	int r = 0;

	if (!submit->in_body) {
		/* It ends within the header, or with a first line that never ended. */
		struct span text = without_mbox_line(buf_get(&submit->header));
		size_t size;

		r = header_size(text, &size);
		if (r == 0)
			r = begin_body(submit, span_make(text.ptr, size), span_skip(text, size));
	}
	if (r == 0)
		r = note_parts(submit);
	return r == 0 ? drop_commit(TAKE_PTR(submit->drop), NULL) : r;
}

/* --- errors --- */

const char *
submit_explain(const struct submit *submit, int error, int *ret_status)
{
	static const struct {
		int error, status;
		const char *text;
	} rows[] = {
		{ -EDESTADDRREQ, EX_USAGE, "no recipients: name them, or use -t for those in the header" },
		{ -EMSGSIZE, EX_UNAVAILABLE, "too many recipients" },
		{ -EINVAL, EX_DATAERR, "the message holds a NUL byte" },
		{ -E2BIG, EX_DATAERR, "the header of the message is too big" },
		{ -EFBIG, EX_UNAVAILABLE, "the message is too big" },
		{ -ELOOP, EX_UNAVAILABLE, "too many Received fields: the message goes round in circles" },
		{ -ENOSPC, EX_TEMPFAIL, "no space left in the spool" },
		{ -EDQUOT, EX_TEMPFAIL, "your quota in the spool is used up" },
		{ -EBADMSG, EX_DATAERR, NULL },
		{ -EILSEQ, EX_DATAERR, "a field of recipients has a comment or quotes without end, or an address behind \"<...>\"" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].error == error) {
			*ret_status = rows[i].status;
			return rows[i].text != NULL ? rows[i].text : submit->complaint;
		}
	*ret_status = error == -EACCES || error == -EROFS || error == -EPERM ? EX_CANTCREAT : EX_TEMPFAIL;
	return strerror(-error);
}
