/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* MAIL and RCPT with their parameters: the tables say which extension each belongs to. */
#include <errno.h>
#include <stdlib.h>

#include "common/date.h"
#include "common/xalloc.h"
#include "smtpd/smtp_cmds.h"

/* --- parameters --- */

/* Each takes a value and returns false when it is not one. */
static bool
mail_size(struct smtp *smtp, struct span value)
{
	int r = span_to_u64(value, UINT64_MAX, &smtp->size_told);

	/* RFC 1870 section 3: up to 20 digits, some of which are more than a number holds, and too big for any limit. */
	for (size_t i = 0; i < value.len && r == -ERANGE; i++)
		if (!ascii_is_digit(value.ptr[i]))
			return false;
	if (r == -ERANGE)
		smtp->size_told = UINT64_MAX;
	return (r == 0 || r == -ERANGE) && value.len <= 20;
}

static bool
mail_body(struct smtp *smtp, struct span value)
{
	/* What is binary has become text when it is stored. */
	smtp->is_binary =
	    span_ieq(value, SPAN("BINARYMIME")) && smtp_offers(smtp, SMTP_EXT_BINARYMIME);
	smtp->envelope.body = smtp->is_binary || span_ieq(value, SPAN("8BITMIME")) ?
	    ENVELOPE_8BITMIME : ENVELOPE_7BIT;
	return smtp->envelope.body == ENVELOPE_8BITMIME || span_ieq(value, SPAN("7BIT"));
}

static bool
mail_smtputf8(struct smtp *smtp, struct span value)
{
	smtp->envelope.smtputf8 = true;
	return value.len == 0;
}

static bool
mail_ret(struct smtp *smtp, struct span value)
{
	smtp->envelope.ret = span_ieq(value, SPAN("FULL")) ? ENVELOPE_RET_FULL : ENVELOPE_RET_HDRS;
	return smtp->envelope.ret == ENVELOPE_RET_FULL || span_ieq(value, SPAN("HDRS"));
}

static bool
mail_envid(struct smtp *smtp, struct span value)
{
	/* RFC 3461 section 4.4: at most 100 characters; some senders' are longer. */
	return smtp_is_xtext(value, ENVELOPE_XTEXT_MAX) &&
	    envelope_set(&smtp->envelope.envid, value) == 0;
}

static bool
mail_requiretls(struct smtp *smtp, struct span value)
{
	smtp->envelope.requiretls = true;
	return value.len == 0;
}

static bool
mail_priority(struct smtp *smtp, struct span value)
{
	return smtp_parse_priority(value, &smtp->envelope.priority) == 0;
}

/* RFC 4865 section 4: the message is to wait for so many seconds, written without a 0 in front, or until a date. One of both. */
static bool
mail_hold_for(struct smtp *smtp, struct span value)
{
	uint64_t seconds;

	if (smtp->envelope.release != 0 || span_to_u64(value, SMTP_HOLD_MAX, &seconds) < 0 || value.ptr[0] == '0')
		return false;
	smtp->envelope.release = smtp->now + (int64_t)seconds;
	smtp->envelope.hold = (int64_t)seconds;
	return true;
}

static bool
mail_hold_until(struct smtp *smtp, struct span value)
{
	struct date date;

	if (smtp->envelope.release != 0 || !date_parse_rfc3339(value, &date) || date.utc <= 0 ||
	    date.utc > smtp->now + SMTP_HOLD_MAX)
		return false;
	smtp->envelope.release = date.utc;
	smtp->envelope.hold = ENVELOPE_HOLD_UNTIL;
	return true;
}

static bool
mail_by(struct smtp *smtp, struct span value)
{
	struct envelope *envelope = &smtp->envelope;
	int64_t seconds;

	if (smtp_parse_by(value, &seconds, &envelope->by, &envelope->by_trace) < 0)
		return false;
	envelope->deliver_by = smtp->now + seconds > 0 ? smtp->now + seconds : 0;
	return true;
}

static bool
mail_auth(struct smtp *smtp, struct span value)
{
	/* RFC 4954 section 5: nobody is trusted to speak for others, so it is checked and
	 * forgotten. */
	(void)smtp;
	return smtp_is_xtext(value, ENVELOPE_XTEXT_MAX);
}

static bool
rcpt_notify(struct smtp *smtp, struct span value)
{
	return smtp_parse_notify(value, &smtp->rcpt.notify) == 0;
}

static bool
rcpt_orcpt(struct smtp *smtp, struct span value)
{
	if (!smtp_is_orcpt(value))
		return false;
	free(smtp->rcpt.orcpt);
	smtp->rcpt.orcpt = span_dup(value);
	return true;
}

struct parameter {
	struct span key;
	enum smtp_extension extension;
	bool (*take)(struct smtp *smtp, struct span value);
};
static const struct parameter mail_parameters[] = {
	{ SPAN("SIZE"), SMTP_EXT_SIZE, mail_size },
	{ SPAN("BODY"), SMTP_EXT_8BITMIME, mail_body },
	{ SPAN("SMTPUTF8"), SMTP_EXT_SMTPUTF8, mail_smtputf8 },
	{ SPAN("RET"), SMTP_EXT_DSN, mail_ret },
	{ SPAN("ENVID"), SMTP_EXT_DSN, mail_envid },
	{ SPAN("AUTH"), SMTP_EXT_AUTH, mail_auth },
	{ SPAN("REQUIRETLS"), SMTP_EXT_REQUIRETLS, mail_requiretls },
	{ SPAN("MT-PRIORITY"), SMTP_EXT_MT_PRIORITY, mail_priority },
	{ SPAN("BY"), SMTP_EXT_DELIVERBY, mail_by },
	{ SPAN("HOLDFOR"), SMTP_EXT_FUTURERELEASE, mail_hold_for },
	{ SPAN("HOLDUNTIL"), SMTP_EXT_FUTURERELEASE, mail_hold_until },
};
static const struct parameter rcpt_parameters[] = {
	{ SPAN("NOTIFY"), SMTP_EXT_DSN, rcpt_notify },
	{ SPAN("ORCPT"), SMTP_EXT_DSN, rcpt_orcpt },
};

/* The row of a parameter that may be given here; after HELO none may (RFC 5321 section 4.1.1.11). */
static const struct parameter *
find_parameter(const struct smtp *smtp, const struct parameter *rows, size_t count, struct span key)
{
	for (size_t i = 0; i < count && smtp->extended; i++)
		if (span_ieq(rows[i].key, key) && smtp_takes(smtp, rows[i].extension))
			return &rows[i];
	return NULL;
}

/* True when all were taken; false after an error reply. */
static bool
take_parameters(struct smtp *smtp, struct span args, const struct parameter *rows, size_t count)
{
	struct span key, value;
	unsigned seen = 0;

	while (smtp_next_parameter(&args, &key, &value)) {
		const struct parameter *row = find_parameter(smtp, rows, count, key);

		if (key.len == 0) {
			smtp_error(smtp, 501, "5.5.4", "A parameter is no KEY or KEY=value");
			return false;
		}
		if (row == NULL) {
			smtp_error(
			    smtp, 555, "5.5.4", "There is a parameter that is not known here");
			return false;
		}
		if ((seen & (1u << (row - rows))) != 0 || !row->take(smtp, value)) {
			smtp_error(smtp, 501, "5.5.4",
			    "The value of a parameter is wrong, or it is there twice");
			return false;
		}
		seen |= 1u << (row - rows);
	}
	return true;
}

/* Reads the path. False after an error reply. */
static bool
take_path(struct smtp *smtp, struct span *args, bool sender, struct address *ret_address)
{
	enum address_result result = smtp_parse_path(args, sender ? SPAN("FROM") : SPAN("TO"),
	    sender ? ADDRESS_NULL : ADDRESS_POSTMASTER, ret_address);
	const char *status = sender ? "5.1.7" : "5.1.3";

	if (result == ADDRESS_OK)
		return true;
	if (result == ADDRESS_TOO_LONG)
		smtp_error(smtp, 501, status, "The address is too long");
	else
		smtp_error(smtp, 501, status,
		    sender ? "Syntax: MAIL FROM:<address> [parameters]" :
			     "Syntax: RCPT TO:<address> [parameters]");
	return false;
}

void
smtp_cmd_mail(struct smtp *smtp, struct span args)
{
	struct address address;

	if (!take_path(smtp, &args, true, &address))
		return;
	envelope_init(&smtp->envelope, address.mailbox, 0);
	smtp->in_mail = true;
	if (!take_parameters(
		smtp, args, mail_parameters, sizeof(mail_parameters) / sizeof(*mail_parameters))) {
		smtp_reset(smtp);
		return;
	}
	if (smtp->envelope.by != ENVELOPE_BY_NONE &&
	    smtp->envelope.release > smtp->envelope.deliver_by) { /* RFC 4865 section 5.2.2 */
		smtp_error(smtp, 501, "5.5.4", "It is to be delivered before it is to be sent");
		smtp_reset(smtp);
	} else if (smtp->size_told > smtp->settings->size_max) {
		smtp_error(smtp, 552, "5.3.4", "The message is too big");
		smtp_reset(smtp);
	} else if (!span_is_ascii(address.mailbox) && !smtp->envelope.smtputf8) {
		smtp_error(smtp, 553, "5.6.7", "That address wants SMTPUTF8");
		smtp_reset(smtp);
	} else if (smtp->kind == SMTP_SUBMISSION && address.mailbox.len != 0 &&
	    smtp->settings->own_senders) {
		smtp->asked = span_of(smtp->envelope.sender);
		smtp->action = SMTP_LOOKUP;
	} else {
		smtp_filter_sender(smtp);
	}
}

void
smtp_accept_sender(struct smtp *smtp)
{
	if (smtp->envelope.priority > 0 && smtp->kind == SMTP_MX) {
		/* RFC 6710 section 4.1: strangers do not come first. */
		smtp->envelope.priority = 0;
		smtp_reply(smtp, 250, "2.3.6", "0 is the new priority");
	} else {
		smtp_reply(smtp, 250, "2.1.0", "Ok");
	}
}

void
smtp_forget_recipient(struct smtp *smtp)
{
	free(smtp->rcpt.address);
	free(smtp->rcpt.orcpt);
	smtp->rcpt.address = smtp->rcpt.orcpt = NULL;
	smtp->rcpt.notify = 0;
	smtp->rcpt.as_postmaster = false;
}

/* RFC 5321 section 4.5.3.1.10: who has more recipients sends to them later, and may have written a whole list before the first of these
 * replies; as many again are no error of theirs. */
static void
refuse_excess(struct smtp *smtp)
{
	static const char text[] = "Too many recipients";

	if (smtp->named / 2 >= smtp->settings->recipients_max) {
		smtp_error(smtp, 452, "4.5.3", text);
	} else {
		smtp->named++;
		smtp_reply(smtp, 452, "4.5.3", "%s", text);
	}
	smtp_forget_recipient(smtp);
}

void
smtp_cmd_rcpt(struct smtp *smtp, struct span args)
{
	struct address address;

	smtp_forget_recipient(smtp);
	if (!take_path(smtp, &args, false, &address))
		return;
	if (!span_is_ascii(address.mailbox) && !smtp->envelope.smtputf8) {
		smtp_error(smtp, 553, "5.6.7", "That address wants SMTPUTF8");
		return;
	}
	if (!take_parameters(
		smtp, args, rcpt_parameters, sizeof(rcpt_parameters) / sizeof(*rcpt_parameters))) {
		smtp_forget_recipient(smtp);
		return;
	}
	if (smtp->named >= smtp->settings->recipients_max) {
		refuse_excess(smtp);
		return;
	}
	smtp->rcpt.as_postmaster = address.domain.len == 0;
	smtp->rcpt.address = address.domain.len == 0 ? xstrdup(smtp->settings->postmaster) :
						       span_dup(address.mailbox);
	smtp->asked = span_of(smtp->rcpt.address);
	smtp->action = SMTP_LOOKUP;
}
