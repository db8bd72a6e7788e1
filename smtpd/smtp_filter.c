/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Where filters have a word: after the sender, each recipient and the text have been found good here. */
#include <stdlib.h>

#include "common/xalloc.h"
#include "smtpd/smtp_cmds.h"

/* Asks, or goes on at once. */
static void
ask(struct smtp *smtp, enum smtp_filter_step step)
{
	smtp->filter_step = step;
	/* LMTP clients are programs of this site's, and what is thrown away anyway is not looked at. */
	if (step == SMTP_FILTER_MAIL)
		smtp->is_filtered = smtp->settings->filters && smtp->kind != SMTP_LMTP;
	if (smtp->is_filtered && !smtp->discarded)
		smtp->action = SMTP_FILTER;
	else
		smtp_go_on(smtp, step);
}

void
smtp_filter_sender(struct smtp *smtp)
{
	ask(smtp, SMTP_FILTER_MAIL);
}

void
smtp_filter_recipient(struct smtp *smtp)
{
	smtp->asked = span_of(smtp->rcpt.address);
	ask(smtp, SMTP_FILTER_RCPT);
}

void
smtp_filter_text(struct smtp *smtp)
{
	ask(smtp, SMTP_FILTER_TEXT);
}

void
smtp_go_on(struct smtp *smtp, enum smtp_filter_step step)
{
	switch (step) {
	case SMTP_FILTER_MAIL: smtp_accept_sender(smtp); break;
	case SMTP_FILTER_RCPT: smtp_accept_recipient(smtp); break;
	case SMTP_FILTER_TEXT: smtp_accept_text(smtp); break;
	}
}

void
smtp_filtered(struct smtp *smtp, enum smtp_filter_word word, struct span reply)
{
	enum smtp_filter_step step = smtp->filter_step;

	if (!smtp_answers(smtp, SMTP_FILTER))
		return;
	smtp->discarded |= word == SMTP_FILTER_DISCARD;
	if (word != SMTP_FILTER_REFUSE) {
		smtp_go_on(smtp, step);
		return;
	}
	smtp_note_mail(smtp);
	switch (step) {
	case SMTP_FILTER_MAIL: smtp_reset(smtp); break;
	case SMTP_FILTER_RCPT: smtp_forget_recipient(smtp); break;
	case SMTP_FILTER_TEXT: smtp_abandon(smtp); break;
	}
	smtp_refuse(smtp, reply);
}
