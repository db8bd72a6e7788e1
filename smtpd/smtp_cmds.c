/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The commands of SMTP (RFC 5321), LMTP (RFC 2033) and submission (RFC 6409), and when each is
 * legal. */
#include "smtpd/smtp_cmds.h"

#include <errno.h>
#include <stdlib.h>

#include "common/xalloc.h"

/* --- the connection --- */

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
	case SASL_TOO_LONG:
		smtp_error(smtp, 500, "5.5.6", "The response is too long");
		break;
	case SASL_FORBIDDEN: /* RFC 4616 section 2: that the client may act so is a part of the authentication */
		smtp_error(smtp, 535, "5.7.8", "Nobody logs in here to act for somebody else");
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

/* --- the rest --- */

static void
rset(struct smtp *smtp, struct span args)
{
	(void)args;
	smtp_abandon(smtp);
	smtp_reply(smtp, 250, "2.0.0", "Ok");
}

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
	if (args.len == 0)
		smtp_error(smtp, 501, "5.5.4", "Syntax: EXPN list");
	else
		smtp_reply(smtp, 252, "2.5.0", "Send mail and see");
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
	{ SPAN("EHLO"), SMTP_ONLY, smtp_cmd_ehlo },
	{ SPAN("HELO"), SMTP_ONLY, smtp_cmd_helo },
	{ SPAN("LHLO"), SMTP_LMTP, smtp_cmd_ehlo },
	{ SPAN("STARTTLS"), SMTP_ANYWHERE | SMTP_WITHOUT_ARGS | SMTP_OUTSIDE_MAIL, starttls },
	{ SPAN("AUTH"), SMTP_SUBMISSION | SMTP_AFTER_HELLO | SMTP_OUTSIDE_MAIL, auth },
	{ SPAN("XCLIENT"), SMTP_ANYWHERE | SMTP_OUTSIDE_MAIL, smtp_cmd_xclient },
	{ SPAN("MAIL"),
	    SMTP_ANYWHERE | SMTP_AFTER_TLS | SMTP_AFTER_HELLO | SMTP_AFTER_AUTH | SMTP_OUTSIDE_MAIL, smtp_cmd_mail },
	{ SPAN("RCPT"), SMTP_ANYWHERE | SMTP_AFTER_MAIL | SMTP_BEFORE_BDAT, smtp_cmd_rcpt },
	{ SPAN("DATA"),
	    SMTP_ANYWHERE | SMTP_WITHOUT_ARGS | SMTP_AFTER_MAIL | SMTP_AFTER_RCPT | SMTP_BEFORE_BDAT,
	    smtp_cmd_data },
	/* Says itself when it is legal: its bytes come whether it is or not. */
	{ SPAN("BDAT"), SMTP_ANYWHERE, smtp_cmd_bdat },
	{ SPAN("RSET"), SMTP_ANYWHERE | SMTP_WITHOUT_ARGS | SMTP_IS_JUNK, rset },
	{ SPAN("NOOP"), SMTP_ANYWHERE | SMTP_IS_JUNK, noop },
	{ SPAN("VRFY"), SMTP_ANYWHERE | SMTP_AFTER_TLS | SMTP_AFTER_AUTH | SMTP_IS_JUNK, vrfy },
	{ SPAN("EXPN"), SMTP_ANYWHERE | SMTP_AFTER_TLS | SMTP_AFTER_AUTH | SMTP_IS_JUNK, expn },
	{ SPAN("HELP"), SMTP_ANYWHERE | SMTP_IS_JUNK, help },
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

bool
smtp_is_legal(struct smtp *smtp, unsigned when, struct span args)
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
	else if ((when & SMTP_BEFORE_BDAT) != 0 && smtp->chunked)
		smtp_error(smtp, 503, "5.5.1", "Not behind BDAT");
	else if ((when & SMTP_AFTER_RCPT) != 0 && smtp->envelope.count == 0)
		smtp_error(smtp, smtp->kind == SMTP_LMTP ? 503 : 554, "5.5.1",
		    "There are no valid recipients");
	else
		return true;
	return false;
}

bool
smtp_ends_group(struct span line)
{
	static const struct span verbs[] = { SPAN("EHLO "), SPAN("HELO "), SPAN("DATA") };

	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (span_istarts(line, verbs[i]))
			return true;
	return false;
}

void
smtp_command(struct smtp *smtp, struct span line)
{
	struct smtp_command command;
	const struct smtp_row *row;
	bool first = smtp->first;
	int r = smtp_parse_command(line, &command);

	smtp->first = false;
	if (r == -EILSEQ) { /* RFC 5321 section 4.1.2 */
		smtp_error(smtp, 501, "5.5.4", "There is a character that no command may have");
		return;
	}
	if (r < 0) {
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
		smtp->signs |= SMTP_SIGN_UNKNOWN;
		smtp_error(smtp, 500, "5.5.1", "That command is not known here");
		return;
	}
	if (!smtp_is_legal(smtp, row->when, command.args))
		return;
	smtp->commands++;
	if (row->run != smtp_cmd_bdat)
		smtp->owed = 0;
	row->run(smtp, command.args);
	if ((row->when & SMTP_IS_JUNK) != 0 && smtp->phase != SMTP_ENDED)
		smtp_count_junk(smtp);
}
