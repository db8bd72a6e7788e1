/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Delivery status notifications: a multipart/report (RFC 6522) of a text for people, a delivery-status part (RFC 3464, or RFC 6533
 * where an address wants it), and the message or its header.
 *
 * Nothing that comes from outside (addresses, other hosts' words, encoded parameters) reaches a line of the notification before
 * control characters are taken out of it: a notification cannot be made to say what its fields do not. */
#include "smtpd/dsn.h"

#include <errno.h>

#include "common/date.h"
#include "common/header.h"
#include "smtpd/smtp_binary.h"
#include "smtpd/utf8_address.h"

#define WRAP_AT 72
#define PIECE 65536
#define WORD_MAX 400 /* a longer one is cut: lines stay below 998 */

/* --- text from outside --- */

/* Appends text on one line: what is no character of it becomes "?". */
static void
put_clean(struct buf *out, struct span text, bool utf8)
{
	bool keep = utf8 && span_is_utf8(text);

	for (size_t i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.ptr[i];

		if (byte == '\t')
			byte = ' ';
		(void)buf_char(out, byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !keep) ? '?' : (char)byte);
	}
}

static void
put_line(struct buf *out, const char *text)
{
	(void)buf_str(out, text);
	(void)buf_str(out, "\r\n");
}

/* Appends words with lines of about WRAP_AT, each begun by the indent. */
static void
put_wrapped(struct buf *out, const char *indent, struct span text)
{
	size_t column = 0;
	struct span word;

	while (span_split(&text, ' ', &word)) {
		if (word.len == 0)
			continue;
		if (column != 0 && column + 1 + word.len > WRAP_AT) {
			(void)buf_str(out, "\r\n");
			column = 0;
		}
		if (column == 0)
			(void)buf_str(out, indent);
		else
			(void)buf_char(out, ' ');
		column += (column == 0 ? strlen(indent) : 1) + word.len;
		while (word.len > WORD_MAX) {
			(void)buf_span(out, span_take(&word, span_utf8_cut(word, WORD_MAX).len)); /* put_clean has left UTF-8 */
			(void)buf_str(out, "\r\n");
			(void)buf_str(out, indent);
			column = strlen(indent) + word.len;
		}
		(void)buf_span(out, word);
	}
	if (column != 0)
		(void)buf_str(out, "\r\n");
}

static void
put_date(struct buf *out, int64_t seconds)
{
	char text[DATE_SIZE];

	(void)buf_span(out, date_format((struct date){ .utc = seconds }, text));
}

/* --- what it is about --- */

static bool
any(const struct dsn *dsn, enum dsn_action action)
{
	for (size_t i = 0; i < dsn->count; i++)
		if (dsn->recipients[i].action == action)
			return true;
	return false;
}

/* RFC 6533 forms: where they are allowed and something would be lost without. */
static bool
wants_utf8(const struct dsn *dsn)
{
	bool wants = false;

	for (size_t i = 0; i < dsn->count; i++)
		wants |= !span_is_ascii(dsn->recipients[i].address) || span_istarts(dsn->recipients[i].orcpt, SPAN("utf-8;"));
	return wants && dsn->smtputf8;
}

/* --- the text for people --- */

static const struct {
	const char *subject, *said; /* the subject field; what happened to those named below */
} actions[] = {
	[DSN_FAILED] = { "Mail could not be delivered", "Your message could NOT be delivered to:" },
	[DSN_DELAYED] = { "Mail is late, delivery goes on", "Your message has not reached these yet; delivery is still tried:" },
	[DSN_DELIVERED] = { "Mail was delivered", "Your message was delivered to:" },
	[DSN_RELAYED] = { "Mail was handed on", "Your message was handed on, and what becomes of it there is not reported, for:" },
	[DSN_EXPANDED] = { "Mail was handed on", "Your message was handed on to the addresses that stand behind:" },
};

/* What the sender can do about an enhanced status code (RFC 3463): the longest prefix of it that is here. */
static const struct {
	struct span status;
	const char *advice;
} advices[] = {
	{ SPAN("1.8"), "That host does not accept your own address: ask your postmaster." },
	{ SPAN("1."), "Check the address for mistakes, ask the recipient for the right one, and send the message again." },
	{ SPAN("2.2"), "The mailbox is full: send the message again in a few days, or reach the recipient in another way." },
	{ SPAN("2.3"), "The message is too large for that mailbox: send it without attachments, or in parts." },
	{ SPAN("2."), "The mailbox does not take mail now: reach the recipient in another way." },
	{ SPAN("3.4"), "The message is too large for that host: send it without attachments, or in parts." },
	{ SPAN("4.6"), "The message went round in a circle: tell the postmaster of the recipient's domain." },
	{ SPAN("4."), "That host was not reached in all this time: check the part of the address behind the @, or try again later." },
	{ SPAN("6."), "That host cannot take a message of this kind: send it as plain text, or as an attachment." },
	{ SPAN("7."), "That host refused the message by its own rules: ask the recipient or the postmaster there." },
	{ SPAN(""), "If the reason above does not help you, ask your postmaster, and send this report along." },
};

static void
put_advice(struct buf *out, struct span status)
{
	struct span rest = status.len > 2 && status.ptr[1] == '.' ? span_skip(status, 2) : SPAN_NULL;
	size_t i = 0;

	while (!span_starts(rest, advices[i].status))
		i++;
	put_wrapped(out, "        ", span_of(advices[i].advice));
}

static void
put_reason(struct buf *out, const struct dsn_recipient *recipient)
{
	struct buf text = BUF_INIT(8192);

	if (recipient->code != 0 && recipient->remote.len != 0) {
		(void)buf_str(&text, "The host ");
		put_clean(&text, recipient->remote, true);
		(void)buf_str(&text, " said: ");
	} else if (recipient->remote.len != 0) {
		put_clean(&text, recipient->remote, true);
		(void)buf_str(&text, ": ");
	}
	if (recipient->code != 0)
		(void)buf_fmt(&text, "%u ", recipient->code);
	put_clean(&text, recipient->text, true);
	put_wrapped(out, "        ", buf_get(&text));
	buf_free(&text);
}

static void
put_people_recipient(struct buf *out, const struct dsn_recipient *recipient)
{
	(void)buf_str(out, "    <");
	put_clean(out, recipient->address, true);
	(void)buf_str(out, ">\r\n");
	if (recipient->action != DSN_DELIVERED && recipient->action != DSN_EXPANDED)
		put_reason(out, recipient);
	if (recipient->action == DSN_FAILED)
		put_advice(out, recipient->status);
	(void)buf_str(out, "\r\n");
}

static void
put_people(struct buf *out, const struct dsn *dsn)
{
	struct buf text = BUF_INIT(4096);

	(void)buf_str(&text, "This is the mail server ");
	put_clean(&text, dsn->hostname, false);
	(void)buf_str(&text, dsn->postmaster ? ". A notification could not be delivered, and there is no sender to tell: it came on " :
	    ". It reports on a message that it took from you on ");
	put_date(&text, dsn->arrived);
	(void)buf_str(&text, dsn->postmaster ? ". You are told as postmaster." : ".");
	put_wrapped(out, "", buf_get(&text));
	(void)buf_str(out, "\r\n");
	for (size_t a = 0; a < sizeof(actions) / sizeof(*actions); a++) {
		if (!any(dsn, (enum dsn_action)a))
			continue;
		put_line(out, actions[a].said);
		(void)buf_str(out, "\r\n");
		for (size_t i = 0; i < dsn->count; i++)
			if (dsn->recipients[i].action == a)
				put_people_recipient(out, &dsn->recipients[i]);
	}
	if (any(dsn, DSN_DELAYED)) {
		buf_clear(&text);
		(void)buf_str(&text, "You need not do anything, and not send the message again.");
		if (dsn->gives_up != 0) {
			(void)buf_str(&text, " Delivery is tried until ");
			put_date(&text, dsn->gives_up);
			(void)buf_str(&text, ".");
		}
		put_wrapped(out, "", buf_get(&text));
		(void)buf_str(out, "\r\n");
	}
	buf_clear(&text);
	(void)buf_str(&text, dsn->full ? "Below stands the report for programs, and your message." :
	    "Below stands the report for programs, and the header of your message.");
	(void)buf_str(&text, " The server knew it by the id ");
	put_clean(&text, dsn->queue_id, false);
	(void)buf_str(&text, ".");
	put_wrapped(out, "", buf_get(&text));
	buf_free(&text);
}

/* --- the report for programs --- */

/* xtext undone (RFC 3461 section 4), when what it stands for can stand in a field; otherwise as it came. */
static void
put_xtext(struct buf *out, struct span xtext, bool utf8)
{
	struct buf plain = BUF_INIT(1024);
	bool good = true;

	for (size_t i = 0; i < xtext.len; i++) {
		int high = i + 2 < xtext.len ? ascii_hex(xtext.ptr[i + 1]) : -1, low = i + 2 < xtext.len ? ascii_hex(xtext.ptr[i + 2]) : -1;

		if (xtext.ptr[i] != '+') {
			(void)buf_char(&plain, xtext.ptr[i]);
			continue;
		}
		if (high < 2 || low < 0 || (high == 7 && low == 15) || high > 7) {
			good = false;
			break;
		}
		(void)buf_char(&plain, (char)(high << 4 | low));
		i += 2;
	}
	put_clean(out, good && !plain.overflow ? buf_get(&plain) : xtext, utf8);
	buf_free(&plain);
}

/* A line may have 998 octets. */
static void
put_said(struct buf *out, struct span text, bool utf8)
{
	put_clean(out, span_utf8_cut(text, 900), utf8);
	(void)buf_str(out, "\r\n");
}

/* RFC 3461 section 9.2: as it was said, line by line, those behind the first with a space before them. */
static void
put_diagnostic(struct buf *out, const struct dsn_recipient *recipient, bool utf8)
{
	struct span text = recipient->text;
	size_t at = 0;

	if (recipient->code == 0) {
		(void)buf_str(out, "Diagnostic-Code: x-fourpost; ");
		put_said(out, text, utf8);
		return;
	}
	(void)buf_str(out, "Diagnostic-Code: smtp; ");
	for (size_t i = 0; i < recipient->break_count && recipient->breaks[i] > at && recipient->breaks[i] < text.len; i++) {
		(void)buf_fmt(out, "%u-", recipient->code);
		put_said(out, span_make(text.ptr + at, recipient->breaks[i] - 1u - at), utf8);
		(void)buf_char(out, ' ');
		at = recipient->breaks[i];
	}
	(void)buf_fmt(out, "%u ", recipient->code);
	put_said(out, span_skip(text, at), utf8);
}

static void
put_status_recipient(struct buf *out, const struct dsn *dsn, const struct dsn_recipient *recipient, bool utf8)
{
	static const char *const names[] = {
		[DSN_FAILED] = "failed", [DSN_DELAYED] = "delayed", [DSN_DELIVERED] = "delivered", [DSN_RELAYED] = "relayed",
		[DSN_EXPANDED] = "expanded",
	};
	struct span orcpt = recipient->orcpt, type, remote = recipient->remote;
	ptrdiff_t bracket = span_chr(remote, '[');

	(void)buf_str(out, "\r\n");
	if (span_chr(orcpt, ';') > 0) {
		(void)span_split(&orcpt, ';', &type);
		(void)buf_str(out, "Original-Recipient: ");
		put_clean(out, type, false);
		(void)buf_str(out, "; ");
		if (span_ieq(type, SPAN("utf-8")))
			utf8_address_put(orcpt, utf8, out);
		else
			put_xtext(out, orcpt, utf8);
		(void)buf_str(out, "\r\n");
	}
	if (span_is_ascii(recipient->address)) {
		(void)buf_str(out, "Final-Recipient: rfc822; ");
		put_clean(out, recipient->address, false);
	} else {
		(void)buf_str(out, "Final-Recipient: utf-8; ");
		utf8_address_put(recipient->address, utf8, out);
	}
	(void)buf_fmt(out, "\r\nAction: %s\r\nStatus: ", names[recipient->action]);
	put_clean(out, recipient->status, false);
	(void)buf_str(out, "\r\n");
	/* "name[address]:port" where the log has more than RFC 3464 section 2.3.5 asks for, which is a name or an address in brackets. */
	if (bracket > 0)
		remote.len = (size_t)bracket;
	else if (bracket == 0 && span_chr(remote, ']') > 0)
		remote.len = (size_t)span_chr(remote, ']') + 1;
	if (remote.len != 0) {
		(void)buf_str(out, "Remote-MTA: dns; ");
		put_clean(out, remote, false);
		(void)buf_str(out, "\r\n");
	}
	if (recipient->code != 0 || recipient->text.len != 0)
		put_diagnostic(out, recipient, utf8);
	if (recipient->action == DSN_FAILED || recipient->action == DSN_DELAYED) {
		(void)buf_str(out, "Last-Attempt-Date: ");
		put_date(out, dsn->now);
		(void)buf_str(out, "\r\n");
	}
	if (recipient->action == DSN_DELAYED && dsn->gives_up != 0) {
		(void)buf_str(out, "Will-Retry-Until: ");
		put_date(out, dsn->gives_up);
		(void)buf_str(out, "\r\n");
	}
}

/* RFC 4865 section 5.1.2. */
static void
put_hold(struct buf *out, const struct dsn *dsn)
{
	char text[DATE_SIZE];

	if (dsn->hold == ENVELOPE_HOLD_UNTIL && dsn->release != 0) {
		struct span date = date_format_rfc3339((struct date){ .utc = dsn->release }, text);

		(void)buf_fmt(out, "\r\nFuture-Release-Request: until;%.*s", (int)date.len, date.ptr);
	} else if (dsn->hold > 0) {
		(void)buf_fmt(out, "\r\nFuture-Release-Request: for;%lld", (long long)dsn->hold);
	}
}

static void
put_status(struct buf *out, const struct dsn *dsn, bool utf8)
{
	(void)buf_str(out, "Reporting-MTA: dns; ");
	put_clean(out, dsn->hostname, false);
	(void)buf_str(out, "\r\n");
	if (dsn->envid.len != 0) {
		(void)buf_str(out, "Original-Envelope-Id: ");
		put_xtext(out, dsn->envid, false);
		(void)buf_str(out, "\r\n");
	}
	(void)buf_str(out, "Arrival-Date: ");
	put_date(out, dsn->arrived);
	if (dsn->deliver_by != 0) {
		(void)buf_str(out, "\r\nDeliver-By-Date: ");
		put_date(out, dsn->deliver_by);
	}
	put_hold(out, dsn);
	(void)buf_str(out, "\r\nX-Fourpost-Queue-Id: ");
	put_clean(out, dsn->queue_id, false);
	(void)buf_str(out, "\r\n");
	for (size_t i = 0; i < dsn->count; i++)
		put_status_recipient(out, dsn, &dsn->recipients[i], utf8);
}

/* --- the whole --- */

/* Begins a part; a body that is not ASCII is told to be 8bit. */
static void
begin_part(struct buf *out, struct span boundary, const char *type, bool ascii)
{
	(void)buf_fmt(out, "\r\n--%.*s\r\nContent-Type: %s\r\n%s\r\n", (int)boundary.len, boundary.ptr, type,
	    ascii ? "" : "Content-Transfer-Encoding: 8bit\r\n");
}

static void
put_header(struct buf *out, const struct dsn *dsn, bool ascii)
{
	enum dsn_action worst = DSN_FAILED;

	while (worst < DSN_EXPANDED && !any(dsn, worst))
		worst++;
	(void)buf_str(out, "From: Mail Delivery System <MAILER-DAEMON@");
	put_clean(out, dsn->hostname, false);
	(void)buf_str(out, ">\r\nTo: <");
	put_clean(out, dsn->sender, true);
	(void)buf_fmt(out, ">\r\nSubject: %s\r\nDate: ", actions[worst].subject);
	put_date(out, dsn->now);
	(void)buf_str(out, "\r\nMessage-ID: <");
	put_clean(out, dsn->boundary, false);
	(void)buf_str(out, "@");
	put_clean(out, dsn->hostname, false);
	(void)buf_fmt(out, ">\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"%.*s\"\r\n%s\r\n"
	    "This is a report on the delivery of a message, in MIME format (RFC 6522).\r\n",
	    (int)dsn->boundary.len, dsn->boundary.ptr, ascii ? "" : "Content-Transfer-Encoding: 8bit\r\n");
}

/* No host that wants ASCII could have the message with its parts encoded: one of its headers is UTF-8, its own or a part's (RFC 6532 section 3.7),
 * or text does not say that it is, or is signed. As message/global it is encoded as a whole, which is up to the relay (RFC 6533 section 4.5). */
static bool
stays_utf8(struct span message)
{
	struct smtp_binary *parts = smtp_binary_new(SMTP_BINARY_SEVEN_BIT);
	struct buf passed = BUF_INIT(SMTP_BINARY_ROOM(PIECE));
	bool ascii = true;

	while (ascii && message.len != 0) {
		ascii = smtp_binary_put(parts, span_take(&message, PIECE), &passed) == 0 && span_is_ascii(buf_get(&passed));
		buf_clear(&passed);
	}
	smtp_binary_end(parts, &passed);
	ascii = ascii && span_is_ascii(buf_get(&passed));
	buf_free(&passed);
	(void)smtp_binary_free(parts);
	return !ascii;
}

static void
put_original(struct buf *out, const struct dsn *dsn)
{
	struct span header = dsn->original;
	bool global;

	header.len = header_block_size(dsn->original);
	global = dsn->smtputf8 && (!span_is_ascii(header) || (dsn->full && stays_utf8(dsn->original)));
	if (dsn->full)
		begin_part(out, dsn->boundary, global ? "message/global" : "message/rfc822", span_is_ascii(dsn->original));
	else
		begin_part(out, dsn->boundary, global ? "message/global-headers" : "text/rfc822-headers", span_is_ascii(header));
	(void)buf_span(out, dsn->full ? dsn->original : header);
	if (dsn->original.len != 0 && dsn->original.ptr[dsn->original.len - 1] != '\n')
		(void)buf_str(out, "\r\n");
}

/* A notification must reach hosts of 7-bit text too, and nobody may encode a message/rfc822 (RFC 2046 section 5.2.1): one that could not be made 7-bit
 * text by its parts goes back as its header, which can (RFC 6522 section 3). */
static struct dsn
as_it_can_be_sent(const struct dsn *dsn)
{
	struct dsn sent = *dsn;

	if (sent.full && !sent.smtputf8 && stays_utf8(sent.original)) {
		sent.full = false;
		sent.original.len = header_block_size(sent.original);
	}
	return sent;
}

int
dsn_build(const struct dsn *wanted, struct buf *out)
{
	struct buf people = BUF_INIT(out->max), status = BUF_INIT(out->max);
	const struct dsn sent = as_it_can_be_sent(wanted), *dsn = &sent;
	bool utf8 = wants_utf8(dsn), people_ascii, status_ascii;

	put_people(&people, dsn);
	put_status(&status, dsn, utf8);
	people_ascii = span_is_ascii(buf_get(&people));
	status_ascii = span_is_ascii(buf_get(&status));
	put_header(out, dsn, people_ascii && status_ascii && span_is_ascii(dsn->original));
	begin_part(out, dsn->boundary, people_ascii ? "text/plain; charset=us-ascii" : "text/plain; charset=utf-8", people_ascii);
	(void)buf_span(out, buf_get(&people));
	begin_part(out, dsn->boundary, status_ascii ? "message/delivery-status" : "message/global-delivery-status", status_ascii);
	(void)buf_span(out, buf_get(&status));
	put_original(out, dsn);
	(void)buf_fmt(out, "\r\n--%.*s--\r\n", (int)dsn->boundary.len, dsn->boundary.ptr);
	out->overflow |= people.overflow || status.overflow;
	buf_free(&people);
	buf_free(&status);
	return out->overflow ? -EMSGSIZE : 0;
}
