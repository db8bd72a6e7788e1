/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The SMTP machine fed with any bytes: the first tells the kind of listener and how the rest is
 * cut, the rest is the client. What is stored must be lines that end with CRLF, without a bare CR
 * or LF or NUL. */
#include <stdint.h>
#include <stdlib.h>

#include "smtpd/smtp_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static const struct smtp_settings settings = {
	.hostname = "h",
	.postmaster = "p@h",
	.size_max = 5000,
	.recipients_max = 3,
	.hops_max = 5,
	.errors_max = 50,
	.junk_max = 50,
	.tls = true,
	.plaintext_login = true,
	.own_senders = true,
	.filters = true,
};

static void
check_text(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] == '\0' ||
		    (text.ptr[i] == '\r' && (i + 1 == text.len || text.ptr[i + 1] != '\n')) ||
		    (text.ptr[i] == '\n' && (i == 0 || text.ptr[i - 1] != '\r')))
			abort();
}

static void
act(struct smtp *smtp)
{
	while (smtp->action != SMTP_NOTHING) {
		enum smtp_action action = smtp->action;

		smtp_acted(smtp);
		switch (action) {
		case SMTP_LOOKUP:
			smtp_looked_up(
			    smtp, (enum smtp_looked_up)(smtp->asked.len % 5), smtp->asked);
			break;
		case SMTP_AUTHENTICATE:
			smtp_authenticated(smtp, (enum smtp_authenticated)(smtp->password.len % 4),
			    buf_get(&smtp->user));
			break;
		case SMTP_START_TLS:
			smtp_secured(smtp, "TLS");
			break;
		case SMTP_OPEN:
			smtp_opened(smtp, SMTP_STORED, SPAN("0123456789ABCDEF"), "date");
			break;
		case SMTP_JUDGE:
			smtp_judged(smtp, smtp->asked.len % 2 != 0 ? SPAN("450 4.7.1 later") : SPAN_NULL);
			break;
		case SMTP_CHECK:
			smtp_checked(smtp, smtp->envelope.sender[0] == 'b' ? SMTP_FAULT_DMARC : SMTP_FAULT_NONE);
			break;
		case SMTP_FILTER:
			smtp_filtered(smtp, (enum smtp_filter_word)(smtp->asked.len % 3), SPAN("550 5.7.1 no"));
			break;
		case SMTP_COMMIT:
			smtp_committed(smtp, SMTP_STORED, NULL, 0);
			break;
		case SMTP_TARPIT:
			smtp_waited(smtp);
			break;
		case SMTP_ABORT: case SMTP_CLOSE: case SMTP_NOTHING:
			break;
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const enum smtp_kind kinds[] = { SMTP_MX, SMTP_SUBMISSION, SMTP_LMTP, SMTP_MX };
	struct span input = span_make(bytes, len), how = span_take(&input, 1);
	struct smtp smtp;
	size_t window = 1;

	if (how.len == 0)
		return 0;
	smtp_init(&smtp, &settings, kinds[how.ptr[0] & 3], "192.0.2.1");
	smtp.is_proxy = smtp.checks = smtp.guarded = true;
	smtp_greet(&smtp);
	while (input.len != 0) {
		struct span piece = input;
		size_t taken = smtp_input(&smtp, span_take(&piece, window));

		check_text(buf_get(&smtp.message));
		if (taken > window || smtp.out.overflow || smtp.message.overflow)
			abort();
		buf_clear(&smtp.message);
		act(&smtp);
		check_text(buf_get(&smtp.out));
		buf_clear(&smtp.out);
		input = span_skip(input, taken);
		if (taken == 0 && window >= input.len)
			break;
		window = taken == 0 ? window * 2 : 1 + (size_t)((unsigned char)how.ptr[0] >> 2);
	}
	smtp_free(&smtp);
	return 0;
}
