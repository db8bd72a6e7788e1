/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The SMTP machine's owner as its tests have one, who knows alice, bob and a password. */
#ifndef TESTS_SMTP_OWNER_H
#define TESTS_SMTP_OWNER_H

#include <check.h>

#include "smtpd/smtp_state.h"

static const struct smtp_settings settings = {
	.hostname = "mail.example.test",
	.postmaster = "alice@example.test",
	.size_max = 100000,
	.recipients_max = 3,
	.hops_max = 10,
	.errors_max = 5,
	.junk_max = 100,
	.tls = true,
	.own_senders = true,
};

struct owner {
	struct smtp smtp;
	struct buf out;     /* everything that was replied */
	struct buf stored;  /* messages that were committed, one behind the other */
	struct buf message; /* the one being written */
	struct buf original; /* what is verified */
	struct buf pending; /* sent and not yet taken */
	enum smtp_stored open_result, commit_result;
	enum smtp_fault verdict;
	bool write_fails, closed;
	unsigned aborted, tls_asked;
	enum smtp_filter_step filter_step; /* where a filter says filter_word */
	enum smtp_filter_word filter_word;
};

static void
init(struct owner *owner, enum smtp_kind kind)
{
	*owner = (struct owner){ .out = BUF_INIT(1 << 20),
		.stored = BUF_INIT(1 << 20),
		.message = BUF_INIT(1 << 20),
		.original = BUF_INIT(1 << 20),
		.pending = BUF_INIT(1 << 20) };
	smtp_init(&owner->smtp, &settings, kind, "192.0.2.1");
	owner->smtp.now = 1700000000; /* 2023-11-14T22:13:20Z */
}

static void
finish(struct owner *owner)
{
	smtp_free(&owner->smtp);
	buf_free(&owner->out);
	buf_free(&owner->stored);
	buf_free(&owner->message);
	buf_free(&owner->original);
	buf_free(&owner->pending);
}

static void
drain(struct owner *owner)
{
	struct smtp *smtp = &owner->smtp;

	(void)buf_span(&owner->out, buf_get(&smtp->out));
	buf_clear(&smtp->out);
	if (smtp->message.len != 0 && owner->write_fails)
		smtp_write_failed(smtp, true);
	(void)buf_span(&owner->message, buf_get(&smtp->message));
	if (smtp->message.len != 0 || smtp->original.len != 0)
		(void)buf_span(&owner->original, smtp_original(smtp));
	smtp->trace_len = 0;
	buf_clear(&smtp->message);
	buf_free(&smtp->original);
	(void)buf_span(&owner->out, buf_get(&smtp->out));
	buf_clear(&smtp->out);
}

static enum smtp_looked_up
look_up(struct span address, struct span *ret_account)
{
	*ret_account = address;
	if (span_ieq(address, SPAN("alice@example.test")) ||
	    span_ieq(address, SPAN("bob@example.test")) || span_ieq(address, SPAN("shop@b\xc3\274cher.example")) || span_ieq(address, SPAN("shop@xn--bcher-kva.example")))
		return SMTP_IS_LOCAL;
	if (span_ieq(address, SPAN("alice+x@example.test"))) {
		*ret_account = SPAN("alice@example.test");
		return SMTP_IS_LOCAL;
	}
	if (span_ieq(address, SPAN("later@example.test")))
		return SMTP_LOOKUP_FAILED;
	return span_iends(address, SPAN("@example.test")) ? SMTP_IS_UNKNOWN : SMTP_IS_NOT_OURS;
}

/* Carries out what the machine asks for. */
static void
act(struct owner *owner)
{
	struct smtp *smtp = &owner->smtp;

	while (smtp->action != SMTP_NOTHING) {
		enum smtp_action action = smtp->action;
		struct span account;

		smtp_acted(smtp);
		switch (action) {
		case SMTP_LOOKUP: {
			enum smtp_looked_up result = look_up(smtp->asked, &account);

			smtp_looked_up(smtp, result, account);
			break;
		}
		case SMTP_AUTHENTICATE:
			smtp_authenticated(smtp,
			    span_eq(buf_get(&smtp->password), SPAN("demo")) ? SMTP_AUTH_OK :
									      SMTP_AUTH_BAD,
			    buf_get(&smtp->user));
			break;
		case SMTP_START_TLS:
			owner->tls_asked++;
			smtp_secured(smtp, "TLSv1.3 X");
			break;
		case SMTP_OPEN:
			smtp_opened(smtp, owner->open_result, SPAN("00000000000000A1"),
			    "Thu, 1 Jan 1970 00:00:00 +0000");
			break;
		case SMTP_CHECK:
			smtp_checked(smtp, owner->verdict);
			break;
		case SMTP_FILTER:
			smtp_filtered(smtp, smtp->filter_step == owner->filter_step ? owner->filter_word : SMTP_FILTER_PASS, SPAN("554 5.7.1 Spam"));
			break;
		case SMTP_COMMIT:
			if (owner->commit_result == SMTP_STORED)
				(void)buf_span(&owner->stored, buf_get(&owner->message));
			buf_clear(&owner->message);
			smtp_committed(smtp, owner->commit_result, NULL, 0);
			break;
		case SMTP_ABORT:
			owner->aborted++;
			buf_clear(&owner->message);
			break;
		case SMTP_CLOSE:
			owner->closed = true;
			break;
		case SMTP_JUDGE: case SMTP_TARPIT: case SMTP_NOTHING:
			break;
		}
		drain(owner);
	}
}

/* Feeds the text in pieces of `step` bytes. */
static void
feed(struct owner *owner, struct span text, size_t step)
{
	while (text.len != 0) {
		struct span piece = span_take(&text, step);
		size_t taken;

		(void)buf_span(&owner->pending, piece);
		do {
			taken = smtp_input(&owner->smtp, buf_get(&owner->pending));
			drain(owner);
			act(owner);
			buf_drop(&owner->pending, taken);
		} while (taken != 0 && owner->pending.len != 0);
	}
}

#endif
