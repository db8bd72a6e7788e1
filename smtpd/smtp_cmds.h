/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Inside the SMTP machine: the table of commands, when each is legal, and replies. */
#ifndef SMTPD_SMTP_CMDS_H
#define SMTPD_SMTP_CMDS_H

#include "smtpd/smtp_parse.h"
#include "smtpd/smtp_state.h"

/* When a command is legal, beside the kinds of listener (enum smtp_kind bits). Checked in this
 * order. */
enum smtp_when {
	SMTP_ANYWHERE = SMTP_MX | SMTP_SUBMISSION | SMTP_LMTP,
	SMTP_WITHOUT_ARGS = 1 << 3,
	SMTP_AFTER_TLS = 1 << 4,    /* submission: not in the clear, unless plaintext_login */
	SMTP_AFTER_HELLO = 1 << 5,
	SMTP_AFTER_AUTH = 1 << 6,   /* submission */
	SMTP_OUTSIDE_MAIL = 1 << 7, /* no transaction open */
	SMTP_AFTER_MAIL = 1 << 8,
	SMTP_AFTER_RCPT = 1 << 9,
	SMTP_BEFORE_BDAT = 1 << 10, /* no chunk of the message has come */
	SMTP_IS_JUNK = 1 << 11,     /* always: it leads to no mail, and is counted */
};

struct smtp_row {
	struct span verb;
	unsigned when;
	void (*run)(struct smtp *smtp, struct span args);
};

extern const struct smtp_row smtp_rows[];
extern const size_t smtp_row_count;

/* Service extensions, in the order in which EHLO lists them. */
enum smtp_extension {
	SMTP_EXT_PIPELINING,
	SMTP_EXT_SIZE,
	SMTP_EXT_STARTTLS,
	SMTP_EXT_AUTH,
	SMTP_EXT_8BITMIME,
	SMTP_EXT_SMTPUTF8,
	SMTP_EXT_CHUNKING,
	SMTP_EXT_BINARYMIME,
	SMTP_EXT_DSN,
	SMTP_EXT_STATUS_CODES,
	SMTP_EXT_REQUIRETLS,
	SMTP_EXT_MT_PRIORITY,
	SMTP_EXT_FUTURERELEASE,
	SMTP_EXT_DELIVERBY,
	SMTP_EXT_LIMITS,
	SMTP_EXT_XCLIENT,
	SMTP_EXTENSIONS,
};
/* Offered to this client now. */
bool smtp_offers(const struct smtp *smtp, enum smtp_extension extension);
/* Its parameters and commands are taken: offered, or made use of already (AUTH). */
bool smtp_takes(const struct smtp *smtp, enum smtp_extension extension);

/* --- smtp_text.c: the phases of a message's text; as smtp_input --- */

/* The text has ended, well or not: commits it, or answers and abandons it; authors are checked
 * before. */
void smtp_end_text(struct smtp *smtp);
size_t smtp_take_text(struct smtp *smtp, struct span input);
size_t smtp_take_chunk(struct smtp *smtp, struct span input);
size_t smtp_skip_chunk(struct smtp *smtp, struct span input);

/* --- smtp_author.c: submission: whose names stand in the header --- */

/* Begins to look up the next author of the message whose text has ended. False when there is none:
 * data.fault tells whether all may be there. */
bool smtp_check_author(struct smtp *smtp);
/* The answer: the text goes on to its end, or the next author. */
void
smtp_author_looked_up(struct smtp *smtp, enum smtp_looked_up result, struct span account);
/* The address that was looked up belongs to who has logged in. */
bool smtp_is_own(const struct smtp *smtp, enum smtp_looked_up result, struct span account);

/* --- smtp_judge.c: whether the client may, for all that is known of it --- */

/* The recipient in `rcpt`: then filters are asked. */
void smtp_judge_recipient(struct smtp *smtp);
/* The reply "550 5.7.1 ..." as it stands: whoever judged or filtered chose code and text. */
void smtp_refuse(struct smtp *smtp, struct span reply);
/* Keeps for the log what the reply that follows is about, where the message is forgotten before that. */
void smtp_note_mail(struct smtp *smtp);

/* --- smtp_filter.c: filters are asked, where there are some; then the message goes on --- */

void smtp_filter_sender(struct smtp *smtp);
/* The one in `rcpt`. */
void smtp_filter_recipient(struct smtp *smtp);
void smtp_filter_text(struct smtp *smtp);
/* The step is done, without a refusal. */
void smtp_go_on(struct smtp *smtp, enum smtp_filter_step step);
/* What that means: the reply to MAIL; the recipient is added; the text is committed. */
void smtp_accept_sender(struct smtp *smtp);
void smtp_accept_recipient(struct smtp *smtp);
void smtp_accept_text(struct smtp *smtp);
void smtp_forget_recipient(struct smtp *smtp);

/* --- commands of smtp_hello.c, smtp_mail.c and smtp_text.c --- */

void smtp_cmd_helo(struct smtp *smtp, struct span args);
void smtp_cmd_ehlo(struct smtp *smtp, struct span args);
void smtp_cmd_xclient(struct smtp *smtp, struct span args);
void smtp_cmd_mail(struct smtp *smtp, struct span args);
void smtp_cmd_rcpt(struct smtp *smtp, struct span args);
void smtp_cmd_data(struct smtp *smtp, struct span args);
void smtp_cmd_bdat(struct smtp *smtp, struct span args);

/* The command's reply must be waited for: nothing may follow it at once (RFC 2920 section 3.1). */
bool smtp_ends_group(struct span line);
/* Runs one command line (without CRLF). */
void smtp_command(struct smtp *smtp, struct span line);
/* True when the conditions (enum smtp_when, without kinds) hold; false after an error reply. */
bool smtp_is_legal(struct smtp *smtp, unsigned when, struct span args);
/* Forgets the transaction; smtp_abandon tells the owner of a message that was opened for it. */
void smtp_reset(struct smtp *smtp);
void smtp_abandon(struct smtp *smtp);
/* True when this is the answer that is awaited, and somebody is there to hear of it. */
bool smtp_answers(struct smtp *smtp, enum smtp_action action);
/* Goes on with the exchange of AUTH. */
void smtp_sasl_result(struct smtp *smtp, enum sasl_result result);

/* One reply line "code status text". Refusals (4yz, 5yz) are noted for the log; smtp_error counts
 * them, and ends the connection after too many. */
void smtp_reply(struct smtp *smtp, unsigned code, const char *status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* One of as many lines as the text has, with LF between them; each has the status (RFC 2034 section 4). */
void smtp_reply_lines(struct smtp *smtp, unsigned code, struct span status, struct span text);
void smtp_error(struct smtp *smtp, unsigned code, const char *status, const char *text);
/* Behind the reply to a command that leads to no mail: from junk_max on what follows waits, and it counts as an error. A message that is
 * taken makes up for all of them. */
void smtp_count_junk(struct smtp *smtp);
/* The reply for a fault of the text after DATA. */
void smtp_reply_fault(struct smtp *smtp, enum smtp_fault fault);
/* The trace field for the message that has been opened (RFC 5321 section 4.4). */
void smtp_put_trace(struct smtp *smtp, const char *date);

#endif
