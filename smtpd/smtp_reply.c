/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What the server says, with enhanced status codes (RFC 2034, RFC 3463), and the trace field. */
#include <stdarg.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "smtpd/smtp_cmds.h"

void
smtp_note_mail(struct smtp *smtp)
{
	const struct envelope *envelope = &smtp->envelope;
	const char *recipient = smtp->rcpt.address;

	if (!smtp->in_mail || smtp->refused_mail.sender != NULL)
		return;
	if (recipient == NULL && envelope->count != 0)
		recipient = envelope->recipients[0].address;
	smtp->refused_mail.id = smtp->queue_id != NULL ? xstrdup(smtp->queue_id) : NULL;
	smtp->refused_mail.sender = xstrdup(envelope->sender);
	smtp->refused_mail.recipient = recipient != NULL ? xstrdup(recipient) : NULL;
}

void
smtp_forget_note(struct smtp *smtp)
{
	free(smtp->refused_mail.id);
	free(smtp->refused_mail.sender);
	free(smtp->refused_mail.recipient);
	smtp->refused_mail.id = smtp->refused_mail.sender = smtp->refused_mail.recipient = NULL;
}

static void
note(struct smtp *smtp, unsigned code)
{
	smtp->refused = code >= 400;
	smtp->refused_at = smtp->out.len;
	if (smtp->refused)
		smtp_note_mail(smtp);
}

void
smtp_reply(struct smtp *smtp, unsigned code, const char *status, const char *format, ...)
{
	va_list args;

	note(smtp, code);
	(void)buf_fmt(&smtp->out, "%u ", code);
	if (status != NULL)
		(void)buf_fmt(&smtp->out, "%s ", status);
	va_start(args, format);
	(void)buf_vfmt(&smtp->out, format, args);
	va_end(args);
	(void)buf_put(&smtp->out, "\r\n", 2);
}

void
smtp_reply_lines(struct smtp *smtp, unsigned code, struct span status, struct span text)
{
	struct span line = SPAN_NULL;

	note(smtp, code);
	do {
		(void)span_split(&text, '\n', &line);
		(void)buf_fmt(&smtp->out, "%u%c%.*s ", code, text.len != 0 ? '-' : ' ', (int)status.len, status.ptr);
		(void)buf_span(&smtp->out, line);
		(void)buf_put(&smtp->out, "\r\n", 2);
	} while (text.len != 0);
}

void
smtp_error(struct smtp *smtp, unsigned code, const char *status, const char *text)
{
	smtp_reply(smtp, code, status, "%s", text);
	/* LMTP clients are programs of this site's. */
	if (smtp->kind != SMTP_LMTP && ++smtp->errors > smtp->settings->errors_max)
		smtp_hang_up(smtp, "4.7.0", "Too many errors");
}

void
smtp_count_junk(struct smtp *smtp)
{
	if (smtp->kind == SMTP_LMTP || ++smtp->junk <= smtp->settings->junk_max)
		return;
	if (++smtp->errors > smtp->settings->errors_max)
		smtp_hang_up(smtp, "4.7.0", "Too many commands that lead to no mail");
	else if (smtp->action == SMTP_NOTHING)
		smtp->action = SMTP_TARPIT;
}

void
smtp_hang_up(struct smtp *smtp, const char *status, const char *text)
{
	smtp_reply(smtp, 421, status, "%s %s", smtp->settings->hostname, text);
	smtp->phase = SMTP_ENDED;
	smtp->action = SMTP_CLOSE;
}

void
smtp_reply_fault(struct smtp *smtp, enum smtp_fault fault)
{
	static const struct {
		unsigned code;
		const char *status, *text;
	} replies[] = {
		[SMTP_FAULT_BARE] = { 550, "5.6.0",
		    "Bare CR or LF in the message: lines end with CRLF (RFC 5321 section 2.3.8)" },
		[SMTP_FAULT_NUL] = { 550, "5.6.0", "NUL in the message (RFC 5321 section 2.3.8)" },
		[SMTP_FAULT_LONG_LINE] = { 554, "5.6.0",
		    "A line of the message is too long (RFC 5321 section 4.5.3.1.6)" },
		[SMTP_FAULT_HEADER] = { 552, "5.3.4", "The header of the message is too big" },
		[SMTP_FAULT_HOPS] = { 554, "5.4.6",
		    "Too many Received fields: this message goes round in circles" },
		[SMTP_FAULT_NO_FROM] = { 550, "5.6.0",
		    "The header must have one From field, with addresses that cannot be read in two ways (RFC 5322 section 3.6)" },
		[SMTP_FAULT_8BIT_HEADER] = { 550, "5.6.9",
		    "8-bit text in a header wants SMTPUTF8 (RFC 6531)" },
		[SMTP_FAULT_AUTHOR] = { 550, "5.7.1",
		    "From or Sender names an address that does not belong to the account that has logged in" },
		[SMTP_FAULT_NO_LOOKUP] = { 451, "4.3.0",
		    "Accounts cannot be looked up now: try again later" },
		[SMTP_FAULT_SIZE] = { 552, "5.3.4", "The message is too big" },
		[SMTP_FAULT_DMARC] = { 550, "5.7.1",
		    "The domain in From wants mail refused that neither SPF nor DKIM shows to be its own (DMARC)" },
		[SMTP_FAULT_NO_DNS] = { 451, "4.7.0",
		    "The message cannot be verified now, for the DNS does not answer: try again later" },
		[SMTP_FAULT_SCORE] = { 550, "5.7.1", "Too much speaks for this message being spam" },
		[SMTP_FAULT_NULL_MX] = { 550, "5.7.27", "The sender's domain says that it takes no mail, so that nobody could answer (RFC 7505)" },
		[SMTP_FAULT_RULE] = { 550, "5.7.1", "A rule of this site refuses such messages" },
		[SMTP_FAULT_LIMIT] = { 451, "4.7.1", "This account has sent enough mail for now: try again later" },
		[SMTP_FAULT_EXCEEDS] = { 550, "5.5.3", "This account may not send to so many recipients at once: send to fewer, several times" },
		[SMTP_FAULT_NO_SPACE] = { 452, "4.3.1",
		    "No space left to store the message: try again later" },
		[SMTP_FAULT_WRITE] = { 451, "4.3.0",
		    "The message could not be stored: try again later" },
	};

	smtp_reply(smtp, replies[fault].code, replies[fault].status, "%s", replies[fault].text);
}

/* ESMTPSA and the like (RFC 3848, RFC 6531 section 4.3). */
static void
put_protocol(const struct smtp *smtp, struct buf *out)
{
	(void)buf_str(out,
	    smtp->envelope.smtputf8                       ? "UTF8" :
		smtp->extended && smtp->kind != SMTP_LMTP ? "E" :
							    "");
	(void)buf_str(out, smtp->kind == SMTP_LMTP ? "LMTP" : "SMTP");
	/* "SMTP" alone has no variants. */
	if (smtp->extended && smtp->tls[0] != '\0')
		(void)buf_char(out, 'S');
	if (smtp->extended && smtp->account != NULL)
		(void)buf_char(out, 'A');
}

void
smtp_put_trace(struct smtp *smtp, const char *date)
{
	struct buf *out = &smtp->message;
	bool v6 = span_chr(span_of(smtp->client), ':') >= 0;

	(void)buf_fmt(out, "Received: from %s", smtp->helo);
	if (smtp->client[0] != '\0') /* a Unix socket has no address */
		(void)buf_fmt(out, " ([%s%s])", v6 ? "IPv6:" : "", smtp->client);
	(void)buf_str(out, "\r\n");
	(void)buf_fmt(out, "\tby %s (Fourpost) with ", smtp->settings->hostname);
	put_protocol(smtp, out);
	(void)buf_fmt(out, " id %s", smtp->queue_id);
	if (smtp->tls[0] != '\0')
		(void)buf_fmt(out, "\r\n\t(%s)", smtp->tls);
	/* With several recipients "for" would tell one of the others. */
	if (smtp->envelope.count == 1)
		(void)buf_fmt(out, "\r\n\tfor <%s>", smtp->envelope.recipients[0].address);
	if (smtp->envelope.priority != 0) /* RFC 6710 section 7 */
		(void)buf_fmt(out, "\r\n\tPRIORITY %d", smtp->envelope.priority);
	(void)buf_fmt(out, ";\r\n\t%s\r\n", date);
	smtp->trace_len = out->len;
}
