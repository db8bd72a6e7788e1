/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Where the client itself is judged: at its recipients, so that the log tells whose mail it was. */
#include "smtpd/smtp_cmds.h"

static bool
is_for(struct span recipient, struct span part)
{
	return span_istarts(recipient, part) && recipient.len > part.len && recipient.ptr[part.len] == '@';
}

bool
smtp_hears_everybody(const struct smtp *smtp)
{
	struct span recipient = span_of(smtp->rcpt.address);

	return smtp->rcpt.as_postmaster || is_for(recipient, SPAN("postmaster")) || is_for(recipient, SPAN("abuse"));
}

void
smtp_judge_recipient(struct smtp *smtp)
{
	if (!smtp->guarded) {
		smtp_filter_recipient(smtp);
		return;
	}
	smtp->asked = span_of(smtp->rcpt.address);
	smtp->action = SMTP_JUDGE;
}

void
smtp_judged(struct smtp *smtp, struct span reply)
{
	if (!smtp_answers(smtp, SMTP_JUDGE))
		return;
	if (reply.len == 0) {
		smtp_filter_recipient(smtp);
		return;
	}
	smtp_note_mail(smtp);
	smtp_forget_recipient(smtp);
	smtp_refuse(smtp, reply);
}

void
smtp_refuse(struct smtp *smtp, struct span reply)
{
	uint64_t code = 0;

	(void)span_take_u64(&reply, 599, &code);
	if (code < 400)
		code = 451;
	smtp_reply(smtp, (unsigned)code, NULL, "%.*s", (int)reply.len - (reply.len != 0), reply.len != 0 ? reply.ptr + 1 : "");
	if (code == 421) { /* RFC 5321 section 3.8 */
		smtp->phase = SMTP_ENDED;
		smtp->action = SMTP_CLOSE;
	}
}
