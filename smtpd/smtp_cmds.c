/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The commands of SMTP (RFC 5321), LMTP (RFC 2033) and submission (RFC 6409), and when each is
 * legal. */
#include "smtpd/smtp_cmds.h"

#include <stdlib.h>

#include "common/xalloc.h"

/* --- greetings --- */

static void
hello(struct smtp *smtp, struct span name, bool extended)
{
	if (!smtp_is_helo(name)) {
		smtp_error(smtp, 501, "5.5.4", "A host name or address literal is missing");
		return;
	}
	smtp_reset(smtp);
	free(smtp->helo);
	smtp->helo = span_dup(name);
	smtp->greeted = true;
	smtp->extended = extended;
	if (extended)
		smtp_reply_hello(smtp);
	else
		smtp_reply(smtp, 250, NULL, "%s", smtp->settings->hostname);
}

static void
helo(struct smtp *smtp, struct span args)
{
	hello(smtp, args, false);
}

static void
ehlo(struct smtp *smtp, struct span args)
{
	hello(smtp, args, true);
}

static void
starttls(struct smtp *smtp, struct span args)
{
	(void)args;
	if (smtp->tls[0] != '\0') {
		smtp_error(smtp, 503, "5.5.1", "TLS is on already");
	} else if (!smtp->settings->tls) {
		smtp_error(smtp, 502, "5.5.1", "There is no TLS here");
	} else {
		smtp_reply(smtp, 220, "2.0.0", "Ready to start TLS");
		smtp->action = SMTP_START_TLS;
	}
}

/* --- AUTH (RFC 4954) --- */

void
smtp_sasl_result(struct smtp *smtp, enum sasl_result result)
{
	smtp->phase = SMTP_COMMANDS;
	switch (result) {
	case SASL_DONE:
		smtp->action = SMTP_AUTHENTICATE;
		return;
	case SASL_CONTINUE:
		smtp->phase = SMTP_SASL;
		smtp_reply(smtp, 334, NULL, "%s", sasl_challenge(&smtp->sasl));
		return;
	case SASL_CANCELLED:
		smtp_error(smtp, 501, "5.7.0", "AUTH is cancelled");
		break;
	case SASL_MALFORMED:
		smtp_error(smtp, 501, "5.5.2", "That is no valid response");
		break;
	}
	buf_wipe(&smtp->user);
	buf_wipe(&smtp->password);
}

static void
auth(struct smtp *smtp, struct span args)
{
	enum sasl_mechanism mechanism;
	struct span name;

	if (smtp->account != NULL) {
		smtp_error(smtp, 503, "5.5.1", "You have logged in already");
		return;
	}
	if (smtp->tls[0] == '\0' && !smtp->settings->plaintext_login) {
		smtp_error(smtp, 538, "5.7.11", "AUTH wants TLS: use STARTTLS first");
		return;
	}
	(void)span_split(&args, ' ', &name);
	if (!sasl_mechanism(name, &mechanism)) {
		smtp_error(smtp, 504, "5.5.4", "That mechanism is not known here");
		return;
	}
	sasl_begin(&smtp->sasl, mechanism);
	if (args.len != 0)
		smtp_sasl_result(
		    smtp, sasl_initial(&smtp->sasl, args, &smtp->user, &smtp->password));
	else
		smtp_sasl_result(smtp, SASL_CONTINUE);
}

/* --- the transaction --- */

/* Each takes a value and returns false when it is not one. A row without a function has no value.
 */
static bool
mail_size(struct smtp *smtp, struct span value)
{
	return span_to_u64(value, UINT64_MAX, &smtp->size_told) == 0 &&
	    value.len <= 20; /* RFC 1870 section 3 */
}

static bool
mail_body(struct smtp *smtp, struct span value)
{
	smtp->envelope.body = span_ieq(value, SPAN("8BITMIME")) ? ENVELOPE_8BITMIME : ENVELOPE_7BIT;
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
	bool (*take)(struct smtp *smtp, struct span value);
};
static const struct parameter mail_parameters[] = {
	{ SPAN("SIZE"), mail_size },
	{ SPAN("BODY"), mail_body },
	{ SPAN("SMTPUTF8"), mail_smtputf8 },
	{ SPAN("RET"), mail_ret },
	{ SPAN("ENVID"), mail_envid },
	{ SPAN("AUTH"), mail_auth },
};
static const struct parameter rcpt_parameters[] = { { SPAN("NOTIFY"), rcpt_notify },
	{ SPAN("ORCPT"), rcpt_orcpt } };

static const struct parameter *
find_parameter(const struct parameter *rows, size_t count, struct span key)
{
	for (size_t i = 0; i < count; i++)
		if (span_ieq(rows[i].key, key))
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
		const struct parameter *row = find_parameter(rows, count, key);

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

static void
mail(struct smtp *smtp, struct span args)
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
	if (smtp->size_told > smtp->settings->size_max) {
		smtp_error(smtp, 552, "5.3.4", "The message is too big");
		smtp_reset(smtp);
	} else if (!span_is_ascii(address.mailbox) && !smtp->envelope.smtputf8) {
		smtp_error(smtp, 553, "5.6.7", "That address wants SMTPUTF8");
		smtp_reset(smtp);
	} else if (smtp->kind == SMTP_SUBMISSION && address.mailbox.len != 0) {
		smtp->asked = span_of(smtp->envelope.sender);
		smtp->action = SMTP_LOOKUP;
	} else {
		smtp_reply(smtp, 250, "2.1.0", "Ok");
	}
}

static void
forget_rcpt(struct smtp *smtp)
{
	free(smtp->rcpt.address);
	free(smtp->rcpt.orcpt);
	smtp->rcpt.address = smtp->rcpt.orcpt = NULL;
	smtp->rcpt.notify = 0;
	smtp->rcpt.as_postmaster = false;
}

static void
rcpt(struct smtp *smtp, struct span args)
{
	struct address address;

	forget_rcpt(smtp);
	if (!take_path(smtp, &args, false, &address))
		return;
	if (!span_is_ascii(address.mailbox) && !smtp->envelope.smtputf8) {
		smtp_error(smtp, 553, "5.6.7", "That address wants SMTPUTF8");
		return;
	}
	if (!take_parameters(
		smtp, args, rcpt_parameters, sizeof(rcpt_parameters) / sizeof(*rcpt_parameters))) {
		forget_rcpt(smtp);
		return;
	}
	if (smtp->envelope.count >= smtp->settings->recipients_max) {
		smtp_reply(smtp, 452, "4.5.3", "Too many recipients");
		forget_rcpt(smtp);
		return;
	}
	smtp->rcpt.as_postmaster = address.domain.len == 0;
	smtp->rcpt.address = address.domain.len == 0 ? xstrdup(smtp->settings->postmaster) :
						       span_dup(address.mailbox);
	smtp->asked = span_of(smtp->rcpt.address);
	smtp->action = SMTP_LOOKUP;
}

static void
data(struct smtp *smtp, struct span args)
{
	(void)args;
	smtp->action = SMTP_OPEN;
}

static void
rset(struct smtp *smtp, struct span args)
{
	(void)args;
	smtp_reset(smtp);
	smtp_reply(smtp, 250, "2.0.0", "Ok");
}

/* --- the rest --- */

static void
noop(struct smtp *smtp, struct span args)
{
	(void)args;
	smtp_reply(smtp, 250, "2.0.0", "Ok");
}

static void
vrfy(struct smtp *smtp, struct span args)
{
	/* RFC 5321 section 7.3: neither confirms nor denies. */
	if (args.len == 0)
		smtp_error(smtp, 501, "5.5.4", "Syntax: VRFY address");
	else
		smtp_reply(smtp, 252, "2.5.0", "Send mail and see");
}

static void
expn(struct smtp *smtp, struct span args)
{
	(void)args;
	smtp_error(smtp, 502, "5.5.1", "Lists are not shown");
}

static void
help(struct smtp *smtp, struct span args)
{
	(void)args;
	smtp_reply(smtp, 214, "2.0.0", "See RFC 5321");
}

static void
quit(struct smtp *smtp, struct span args)
{
	(void)args;
	smtp_reply(smtp, 221, "2.0.0", "Goodbye");
	smtp->phase = SMTP_ENDED;
	smtp->action = SMTP_CLOSE;
}

/* --- the table --- */

#define SMTP_ONLY (SMTP_MX | SMTP_SUBMISSION)
const struct smtp_row smtp_rows[] = {
	{ SPAN("EHLO"), SMTP_ONLY, ehlo },
	{ SPAN("HELO"), SMTP_ONLY, helo },
	{ SPAN("LHLO"), SMTP_LMTP, ehlo },
	{ SPAN("STARTTLS"), SMTP_ONLY | SMTP_WITHOUT_ARGS | SMTP_OUTSIDE_MAIL, starttls },
	{ SPAN("AUTH"), SMTP_SUBMISSION | SMTP_AFTER_HELLO | SMTP_OUTSIDE_MAIL, auth },
	{ SPAN("MAIL"),
	    SMTP_ANYWHERE | SMTP_AFTER_TLS | SMTP_AFTER_HELLO | SMTP_AFTER_AUTH | SMTP_OUTSIDE_MAIL, mail },
	{ SPAN("RCPT"), SMTP_ANYWHERE | SMTP_AFTER_MAIL, rcpt },
	{ SPAN("DATA"), SMTP_ANYWHERE | SMTP_WITHOUT_ARGS | SMTP_AFTER_MAIL | SMTP_AFTER_RCPT,
	    data },
	{ SPAN("RSET"), SMTP_ANYWHERE | SMTP_WITHOUT_ARGS, rset },
	{ SPAN("NOOP"), SMTP_ANYWHERE, noop },
	{ SPAN("VRFY"), SMTP_ANYWHERE | SMTP_AFTER_TLS | SMTP_AFTER_AUTH, vrfy },
	{ SPAN("EXPN"), SMTP_ANYWHERE, expn },
	{ SPAN("HELP"), SMTP_ANYWHERE, help },
	{ SPAN("QUIT"), SMTP_ANYWHERE | SMTP_WITHOUT_ARGS, quit },
};
const size_t smtp_row_count = sizeof(smtp_rows) / sizeof(*smtp_rows);

static const struct smtp_row *
find_row(const struct smtp *smtp, struct span verb)
{
	for (size_t i = 0; i < smtp_row_count; i++)
		if (span_ieq(smtp_rows[i].verb, verb) && (smtp_rows[i].when & smtp->kind) != 0)
			return &smtp_rows[i];
	return NULL;
}

/* True when the row may run now; false after an error reply. */
static bool
is_legal(struct smtp *smtp, unsigned when, struct span args)
{
	if ((when & SMTP_WITHOUT_ARGS) != 0 && args.len != 0)
		smtp_error(smtp, 501, "5.5.4", "That command takes no arguments");
	else if ((when & SMTP_AFTER_TLS) != 0 && smtp->kind == SMTP_SUBMISSION &&
	    smtp->tls[0] == '\0' && !smtp->settings->plaintext_login)
		smtp_error(smtp, 530, "5.7.0", "Use STARTTLS first");
	else if ((when & SMTP_AFTER_HELLO) != 0 && !smtp->greeted)
		smtp_error(smtp, 503, "5.5.1",
		    smtp->kind == SMTP_LMTP ? "Say LHLO first" : "Say EHLO first");
	else if ((when & SMTP_AFTER_AUTH) != 0 && smtp->kind == SMTP_SUBMISSION &&
	    smtp->account == NULL)
		smtp_error(smtp, 530, "5.7.0", "Use AUTH first");
	else if ((when & SMTP_OUTSIDE_MAIL) != 0 && smtp->in_mail)
		smtp_error(smtp, 503, "5.5.1", "Not within a mail transaction");
	else if ((when & SMTP_AFTER_MAIL) != 0 && !smtp->in_mail)
		smtp_error(smtp, 503, "5.5.1", "Use MAIL first");
	else if ((when & SMTP_AFTER_RCPT) != 0 && smtp->envelope.count == 0)
		smtp_error(smtp, smtp->kind == SMTP_LMTP ? 503 : 554, "5.5.1",
		    "There are no valid recipients");
	else
		return true;
	return false;
}

void
smtp_command(struct smtp *smtp, struct span line)
{
	struct smtp_command command;
	const struct smtp_row *row;
	bool first = smtp->first;

	smtp->first = false;
	if (smtp_parse_command(line, &command) < 0) {
		smtp_error(smtp, 500, "5.5.2", "That is no command");
		return;
	}
	if (first && smtp_is_http(command.verb)) {
		/* A browser that was tricked into speaking to us: its next line could be a command
		 * of somebody else's choice. */
		smtp_hang_up(smtp, "4.7.0", "This is no web server");
		return;
	}
	row = find_row(smtp, command.verb);
	if (row == NULL) {
		smtp_error(smtp, 500, "5.5.1", "That command is not known here");
		return;
	}
	if (!is_legal(smtp, row->when, command.args))
		return;
	smtp->commands++;
	row->run(smtp, command.args);
}
