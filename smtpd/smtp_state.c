/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The SMTP machine: cuts input into lines, feeds commands, SASL or text, and takes the owner's
 * answers. */
#include "smtpd/smtp_state.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/address.h"
#include "common/xalloc.h"
#include "smtpd/smtp_cmds.h"

/* Replies of one call: LMTP answers once for each recipient. */
#define OUT_MAX (4 << 20)
/* What one call can put out, with the trace field before it and mended header behind, and lines made
 * of what was binary. */
#define MESSAGE_MAX (2 * SMTP_DATA_STEP + 16384 + SMTP_BINARY_ROOM(SMTP_DATA_STEP))

void
smtp_set_client(struct smtp *smtp, const char *client)
{
	(void)snprintf(smtp->client, sizeof(smtp->client), "%s", client);
	memcpy(smtp->peer, smtp->client, sizeof(smtp->peer));
}

void
smtp_init(struct smtp *smtp, const struct smtp_settings *settings, enum smtp_kind kind,
    const char *client)
{
	*smtp = (struct smtp){ .settings = settings, .kind = kind, .first = true };
	smtp_set_client(smtp, client);
	buf_init(&smtp->out, OUT_MAX);
	buf_init(&smtp->message, MESSAGE_MAX);
	buf_init(&smtp->original, MESSAGE_MAX);
	buf_init(&smtp->user, SASL_USER_MAX);
	buf_init(&smtp->password, SASL_PASSWORD_MAX);
}

void
smtp_reset(struct smtp *smtp)
{
	if (smtp->in_mail)
		envelope_free(&smtp->envelope);
	smtp->in_mail = smtp->has_remote = smtp->has_choosy = false;
	free(smtp->rcpt.address);
	free(smtp->rcpt.orcpt);
	free(smtp->queue_id);
	free(smtp->message_id);
	free(smtp->date);
	free(smtp->author);
	smtp->author = NULL;
	smtp->authors_seen = 0;
	smtp->rcpt.address = smtp->rcpt.orcpt = smtp->queue_id = smtp->message_id = smtp->date =
	    NULL;
	smtp->size_told = 0;
	smtp->named = 0;
	smtp->discarded = smtp->is_filtered = false;
	smtp->chunked = smtp->is_binary = false;
	smtp->chunks_len = 0;
	smtp->binary = smtp_binary_free(smtp->binary);
	smtp->parts = smtp_binary_free(smtp->parts);
	smtp_data_free(&smtp->data);
	buf_clear(&smtp->message);
	buf_free(&smtp->original);
	smtp->trace_len = 0;
}

void
smtp_abandon(struct smtp *smtp)
{
	if (smtp->queue_id != NULL)
		smtp->action = SMTP_ABORT;
	smtp_reset(smtp);
}

void
smtp_free(struct smtp *smtp)
{
	smtp_reset(smtp);
	smtp_forget_note(smtp);
	buf_free(&smtp->out);
	buf_free(&smtp->message);
	buf_free(&smtp->original);
	buf_wipe(&smtp->user);
	buf_wipe(&smtp->password);
	free(smtp->helo);
	free(smtp->told_helo);
	free(smtp->account);
}

void
smtp_greet(struct smtp *smtp)
{
	smtp_reply(smtp, 220, NULL, "%s %s Fourpost", smtp->settings->hostname,
	    smtp->kind == SMTP_LMTP ? "LMTP" : "ESMTP");
}

void
smtp_tease(struct smtp *smtp)
{
	(void)buf_fmt(&smtp->out, "220-%s ESMTP\r\n", smtp->settings->hostname);
}

void
smtp_secured(struct smtp *smtp, const char *tls)
{
	(void)snprintf(smtp->tls, sizeof(smtp->tls), "%s", tls);
	/* Nothing that was said in the clear counts any more (RFC 3207 section 4.2). */
	smtp_reset(smtp);
	free(smtp->helo);
	free(smtp->account);
	smtp->helo = smtp->account = NULL;
	smtp->greeted = smtp->extended = false;
	if (smtp->awaited == SMTP_START_TLS)
		smtp->awaited = SMTP_NOTHING;
}

bool
smtp_is_ready(const struct smtp *smtp)
{
	return smtp->action == SMTP_NOTHING && smtp->awaited == SMTP_NOTHING &&
	    smtp->phase != SMTP_ENDED;
}

void
smtp_acted(struct smtp *smtp)
{
	if (smtp->action != SMTP_ABORT && smtp->action != SMTP_CLOSE)
		smtp->awaited = smtp->action;
	smtp->action = SMTP_NOTHING;
}

/* --- lines --- */

/* Within AUTH it ends that (RFC 4954 section 4). */
static void
bad_line(struct smtp *smtp, const char *status, const char *text)
{
	if (smtp->phase == SMTP_SASL) {
		smtp->phase = SMTP_COMMANDS;
		buf_wipe(&smtp->user);
		buf_wipe(&smtp->password);
	}
	smtp_error(smtp, 500, status, text);
}

/* AUTH with its initial response is one, too. */
static bool
is_of_sasl(const struct smtp *smtp, struct span input)
{
	return smtp->phase == SMTP_SASL || span_istarts(input, SPAN("AUTH "));
}

/* However much of it has come: the answer does not depend on where the network cut it. */
static void
long_line(struct smtp *smtp, struct span input)
{
	bad_line(smtp, is_of_sasl(smtp, input) ? "5.5.6" : "5.5.2", "The line is too long"); /* RFC 4954 section 4 */
}

/* A line of commands is bounded before it is whole. */
static size_t
line_max(const struct smtp *smtp, struct span input)
{
	return is_of_sasl(smtp, input) ? SMTP_AUTH_LINE_MAX : SMTP_COMMAND_MAX;
}

static void
remember(struct smtp *smtp, struct span line)
{
	if (span_istarts(line, SPAN("AUTH")))
		line = span_take(&line, 10); /* not what follows the mechanism */
	(void)snprintf(smtp->line, sizeof(smtp->line), "%.*s",
	    line.len < sizeof(smtp->line) ? (int)line.len : (int)sizeof(smtp->line) - 1, line.ptr);
}

static size_t
take_line(struct smtp *smtp, struct span input)
{
	ptrdiff_t lf = span_chr(input, '\n');
	size_t max = line_max(smtp, input);
	struct span line = input;

	if (lf < 0 && input.len < max)
		return 0;
	if (lf < 0) {
		/* What will be no command anyway need not be kept. */
		if (!smtp->skipping_line)
			long_line(smtp, input);
		smtp->skipping_line = true;
		return input.len;
	}
	if (smtp->skipping_line) {
		smtp->skipping_line = false;
		return (size_t)lf + 1;
	}
	line.len = (size_t)lf;
	if (line.len == 0 || line.ptr[line.len - 1] != '\r') {
		smtp->signs |= SMTP_SIGN_BARE_NEWLINE;
		bad_line(smtp, "5.5.2", "Lines end with CRLF");
		return (size_t)lf + 1;
	}
	line.len--;
	if (line.len + 2 > max) {
		long_line(smtp, line);
	} else if (smtp->phase == SMTP_SASL) {
		smtp->commands++;
		smtp_sasl_result(smtp, sasl_line(&smtp->sasl, line, &smtp->user, &smtp->password));
	} else {
		remember(smtp, line);
		if (input.len > (size_t)lf + 1 && smtp_ends_group(line))
			smtp->signs |= SMTP_SIGN_PIPELINING;
		smtp_command(smtp, line);
	}
	return (size_t)lf + 1;
}

size_t
smtp_input(struct smtp *smtp, struct span input)
{
	smtp->refused = false;
	smtp_forget_note(smtp);
	if (!smtp_is_ready(smtp) || input.len == 0)
		return 0;
	switch (smtp->phase) {
	case SMTP_TEXT: return smtp_take_text(smtp, input);
	case SMTP_CHUNK: return smtp_take_chunk(smtp, input);
	case SMTP_SKIPPED_CHUNK: return smtp_skip_chunk(smtp, input);
	default: return take_line(smtp, input);
	}
}

/* --- the owner's answers --- */

bool
smtp_answers(struct smtp *smtp, enum smtp_action action)
{
	smtp->refused = false;
	smtp_forget_note(smtp);
	if (smtp->awaited != action)
		return false;
	smtp->awaited = SMTP_NOTHING;
	return smtp->phase != SMTP_ENDED;
}

/* Accounts here have no case; whether those of another host have is for that host to say (RFC 5321 section 2.4). */
static bool
is_same(const struct smtp *smtp, const struct envelope_recipient *recipient, struct span address)
{
	struct span other = span_of(recipient->address);
	ptrdiff_t at = span_rchr(address, '@');

	return span_ieq(other, address) && (!smtp->rcpt.elsewhere || at < 0 || memcmp(other.ptr, address.ptr, (size_t)at) == 0);
}

/* Who is to hear of one of the two hears of it. */
static uint8_t
join_notify(uint8_t a, uint8_t b)
{
	if (a == ENVELOPE_NEVER)
		return b;
	if (b == ENVELOPE_NEVER)
		return a;
	/* None: failures, and delays too (RFC 3461 section 4.1). */
	return a == 0 && b == 0 ? 0 : (a == 0 ? ENVELOPE_FAILURE | ENVELOPE_DELAY : a) | (b == 0 ? ENVELOPE_FAILURE | ENVELOPE_DELAY : b);
}

static void
recipient_added(struct smtp *smtp)
{
	smtp->named++;
	smtp->has_choosy |= !smtp_hears_everybody(smtp);
	smtp_reply(smtp, 250, "2.1.5", "Ok");
}

static void
add_recipient(struct smtp *smtp, struct span address)
{
	struct envelope *envelope = &smtp->envelope;

	for (size_t i = 0; i < envelope->count; i++)
		if (is_same(smtp, &envelope->recipients[i], address)) {
			/* Twice the same gets one copy (RFC 5321 section 4.1.1.3 leaves it open);
			 * LMTP wants a reply for each. */
			if (smtp->kind != SMTP_LMTP) {
				envelope->recipients[i].notify = join_notify(envelope->recipients[i].notify, smtp->rcpt.notify);
				recipient_added(smtp);
				return;
			}
			break;
		}
	/* Each may have an ORCPT of 500 octets (RFC 3461 section 4.2), but not all of ten thousand. */
	if (envelope->recipients_len + envelope_recipient_len(address, span_of(smtp->rcpt.orcpt)) > ENVELOPE_RECIPIENTS_LEN) {
		smtp->named++;
		smtp_reply(smtp, 452, "4.5.3", "Too many recipients");
		return;
	}
	if (envelope_add(envelope, address, span_of(smtp->rcpt.orcpt), smtp->rcpt.notify) < 0) {
		smtp_error(smtp, 553, "5.1.3", "That address cannot be used");
		return;
	}
	recipient_added(smtp);
}

void
smtp_accept_recipient(struct smtp *smtp)
{
	add_recipient(smtp, span_of(smtp->rcpt.address));
	smtp_forget_recipient(smtp);
}

/* An address here has its domain in the one form from now on, so that who is named in both is one recipient. */
static void
canonicalise_recipient(struct smtp *smtp)
{
	struct span address = span_of(smtp->rcpt.address);
	struct buf canonical = BUF_INIT(ENVELOPE_ADDRESS_MAX);

	if (!span_is_ascii(address) && address_with_domain(address, &canonical) == 0) {
		free(smtp->rcpt.address);
		smtp->rcpt.address = span_dup(buf_get(&canonical));
		smtp->asked = span_of(smtp->rcpt.address);
	}
	buf_free(&canonical);
}

static void
recipient_looked_up(struct smtp *smtp, enum smtp_looked_up result)
{
	struct span address = span_of(smtp->rcpt.address);
	bool nobody = result == SMTP_IS_UNKNOWN || result == SMTP_IS_CIRCLE;

	if (nobody && !smtp->rcpt.as_postmaster &&
	    span_istarts(address, SPAN("postmaster@"))) {
		/* RFC 5321 section 4.5.1: postmaster at any of our domains is somebody. */
		smtp->rcpt.as_postmaster = true;
		free(smtp->rcpt.address);
		smtp->rcpt.address = xstrdup(smtp->settings->postmaster);
		smtp->asked = span_of(smtp->rcpt.address);
		smtp->action = SMTP_LOOKUP;
		return;
	}
	if (result == SMTP_IS_LOCAL || result == SMTP_IS_RELAYED ||
	    (result == SMTP_IS_NOT_OURS && smtp->kind == SMTP_SUBMISSION)) {
		smtp->rcpt.elsewhere = result != SMTP_IS_LOCAL;
		smtp->has_remote |= smtp->rcpt.elsewhere;
		if (!smtp->rcpt.elsewhere)
			canonicalise_recipient(smtp);
		smtp_judge_recipient(smtp);
		return;
	}
	if (result == SMTP_IS_NOT_OURS) {
		smtp_error(
		    smtp, 550, "5.7.1", "Relaying is denied: that address is not one of ours");
	} else if (nobody && smtp->rcpt.as_postmaster) {
		smtp_reply(smtp, 451, "4.3.5", "The postmaster has no account here yet");
	} else if (result == SMTP_IS_CIRCLE) {
		smtp_error(smtp, 550, "5.4.6", "The alias goes round in a circle, and names nobody");
	} else if (result == SMTP_IS_UNKNOWN) {
		smtp_error(smtp, 550, "5.1.1", "There is no such account here");
	} else {
		smtp_reply(smtp, 451, "4.3.0", "Accounts cannot be looked up now: try again later");
	}
	smtp_forget_recipient(smtp);
}

static void
sender_looked_up(struct smtp *smtp, enum smtp_looked_up result, struct span account)
{
	if (smtp_is_own(smtp, result, account)) {
		smtp_filter_sender(smtp);
		return;
	}
	smtp_reset(smtp);
	if (result == SMTP_LOOKUP_FAILED)
		smtp_reply(smtp, 451, "4.3.0", "Accounts cannot be looked up now: try again later");
	else
		smtp_error(smtp, 553, "5.7.1",
		    "That sender address does not belong to the account that has logged in");
}

void
smtp_waited(struct smtp *smtp)
{
	(void)smtp_answers(smtp, SMTP_TARPIT);
}

struct span
smtp_asker(const struct smtp *smtp)
{
	return smtp->author == NULL && smtp->rcpt.address != NULL ? SPAN_NULL : span_of(smtp->account);
}

void
smtp_looked_up(struct smtp *smtp, enum smtp_looked_up result, struct span account)
{
	if (!smtp_answers(smtp, SMTP_LOOKUP))
		return;
	if (smtp->author != NULL)
		smtp_author_looked_up(smtp, result, account);
	else if (smtp->rcpt.address != NULL)
		recipient_looked_up(smtp, result);
	else
		sender_looked_up(smtp, result, account);
}

void
smtp_authenticated(struct smtp *smtp, enum smtp_authenticated result, struct span account)
{
	bool wanted = smtp_answers(smtp, SMTP_AUTHENTICATE);

	if (wanted && result == SMTP_AUTH_OK)
		smtp->account = span_dup(account);
	buf_wipe(&smtp->user);
	buf_wipe(&smtp->password);
	if (!wanted)
		return;
	switch (result) {
	case SMTP_AUTH_OK:
		smtp_reply(smtp, 235, "2.7.0", "Welcome");
		break;
	case SMTP_AUTH_BAD:
		smtp_error(smtp, 535, "5.7.8", "Wrong account or password");
		break;
	case SMTP_AUTH_LIMITED:
		smtp_error(smtp, 454, "4.7.0", "Too many failures: try again later");
		break;
	case SMTP_AUTH_FAILED:
		smtp_reply(smtp, 454, "4.7.0", "Passwords cannot be checked now: try again later");
		break;
	}
}
