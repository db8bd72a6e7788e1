/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The client's side of SMTP, by dialogues: what the host says, what must be answered, what becomes of each recipient. */
#include <check.h>
#include <stdlib.h>

#include "smtpd/relay_state.h"

/* A dialogue is lines: "S: " the host's reply lines, "C: " the commands that must have been sent since, "= " the action after the
 * last reply, "! " what becomes of recipients ("0 OK 2.0.0", "1 PERM 5.1.1"), "mail" begins the message, "secured", "verified", "chunk" and "sent"
 * (the last chunk, or the final dot) are the owner's words, and so are "takes N" (what the host was found to take) and "encrypt" and
 * "verify", which is demanded of TLS. */
struct dialogue {
	const char *name;
	struct relay_mail mail;
	const char *recipients[4]; /* each an address, and perhaps its ORCPT */
	const char *lines;
};

#define HELLO "S: 220 mail.example ESMTP\nC: EHLO me.example\nS: 250-mail.example\n"

static const struct dialogue dialogues[] = {
	{ "one recipient, one command at a time", { .sender = SPAN("a@b"), .size = 99 }, { "x@y" },
		HELLO "S: 250 HELP\n= READY\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 250 ok\nC: DATA\n"
		"S: 354 go\n= SEND\nsent\nS: 250 2.0.0 queued\n! 0 OK 2.0.0\n= READY\n" },
	{ "pipelining sends all RCPT at once, DATA after their answers", { .size = 99 }, { "x@y", "z@y", "w@y" },
		HELLO "S: 250-SIZE 1000\nS: 250 PIPELINING\nmail\nC: MAIL FROM:<> SIZE=99\nC: RCPT TO:<x@y>\nC: RCPT TO:<z@y>\nC: RCPT TO:<w@y>\n"
		"S: 250 ok\nS: 250 ok\nS: 550 5.1.1 no such user\n! 1 PERM 5.1.1\n= WAIT\nS: 251 will forward\nC: DATA\n"
		"S: 354 go\n= SEND\nsent\nS: 250 ok\n! 0 OK 2.0.0\n! 2 OK 2.0.0\n= READY\n" },
	{ "no recipient is left: RSET, and the connection is of use", { .size = 9 }, { "x@y", "z@y" },
		HELLO "S: 250 PIPELINING\nmail\nC: MAIL FROM:<>\nC: RCPT TO:<x@y>\nC: RCPT TO:<z@y>\nS: 250 ok\nS: 450 4.2.1 later\n"
		"! 0 TEMP 4.2.1\nS: 552 too many\n! 1 TEMP 4.5.3\nC: RSET\nS: 250 ok\n= READY\n" },
	{ "a full mailbox is put off, and told of as one", { .sender = SPAN("a@b") }, { "x@y" },
		HELLO "S: 250 X\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 552 5.2.2 full\n! 0 TEMP 4.2.2\nC: RSET\nS: 250 ok\n= READY\n" },
	{ "MAIL is refused: the answers to RCPT mean nothing", { .sender = SPAN("a@b") }, { "x@y", "z@y" },
		HELLO "S: 250 PIPELINING\nmail\nC: MAIL FROM:<a@b>\nC: RCPT TO:<x@y>\nC: RCPT TO:<z@y>\nS: 550 5.7.1 go away\n"
		"! 0 PERM 5.7.1\n! 1 PERM 5.7.1\n= WAIT\nS: 503 no MAIL\n= WAIT\nS: 503 no MAIL\n= READY\n" },
	{ "MAIL is refused without pipelining", { .sender = SPAN("a@b") }, { "x@y" },
		HELLO "S: 250 X\nmail\nC: MAIL FROM:<a@b>\nS: 451 try later\n! 0 TEMP 4.0.0\n= READY\n" },
	{ "DATA is refused", { .sender = SPAN("a@b") }, { "x@y" },
		HELLO "S: 250 X\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 250 ok\nC: DATA\nS: 554 5.6.0 no\n! 0 PERM 5.6.0\nC: RSET\n"
		"S: 250 ok\n= READY\n" },
	{ "the message is refused at its end", { .sender = SPAN("a@b") }, { "x@y" },
		HELLO "S: 250 X\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 250 ok\nC: DATA\nS: 354 go\nsent\nS: 552 5.2.2 full\n"
		"! 0 PERM 5.2.2\n= READY\n" },
	{ "the message is refused before its end", { .sender = SPAN("a@b") }, { "x@y" },
		HELLO "S: 250 X\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 250 ok\nC: DATA\nS: 354 go\n= SEND\nS: 552 5.3.4 too big\n"
		"! 0 PERM 5.3.4\n= CLOSE\n" },
	{ "421 after the final dot answers for the message", { .sender = SPAN("a@b") }, { "x@y" },
		HELLO "S: 250 X\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 250 ok\nC: DATA\nS: 354 go\nsent\nS: 421 4.3.2 bye\n"
		"! 0 TEMP 4.3.2\n= READY\n" },
	{ "421 before is the host's failure: the rest may go elsewhere", { .sender = SPAN("a@b") }, { "x@y", "z@y" },
		HELLO "S: 250 X\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 550 5.1.1 no\n! 0 PERM 5.1.1\nC: RCPT TO:<z@y>\n"
		"S: 421 4.3.2 bye\n= FAILED TEMP 4.3.2\n" },
	{ "EHLO is not known: HELO, and no extensions", { .sender = SPAN("a@b"), .body = ENVELOPE_8BITMIME, .ret = ENVELOPE_RET_FULL }, { "x@y" },
		"S: 220 old\nC: EHLO me.example\nS: 502 what\nC: HELO me.example\nS: 250 PIPELINING\n= READY\nmail\nC: MAIL FROM:<a@b>\n" },
	{ "CHUNKING: no DATA, and one chunk is the last", { .sender = SPAN("a@b") }, { "x@y" },
		HELLO "S: 250 CHUNKING\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 250 ok\n= SEND\nsent\nS: 250 2.0.0 ok\n! 0 OK 2.0.0\n= READY\n" },
	{ "each chunk waits for the reply to the one before", { .sender = SPAN("a@b") }, { "x@y" },
		HELLO "S: 250 CHUNKING\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 250 ok\n= SEND\n"
		"chunk\nS: 250 ok\n= SEND\nchunk\nS: 250 ok\n= SEND\nsent\nS: 250 2.0.0 ok\n! 0 OK 2.0.0\n= READY\n" },
	{ "or does not, with PIPELINING: the last reply is the message's", { .sender = SPAN("a@b") }, { "x@y" },
		HELLO "S: 250-PIPELINING\nS: 250 CHUNKING\nmail\nC: MAIL FROM:<a@b>\nC: RCPT TO:<x@y>\nS: 250 ok\nS: 250 ok\n= SEND\nchunk\nchunk\nsent\n"
		"S: 250 1\n= WAIT\nS: 250 2\n= WAIT\nS: 250 2.6.0 all\n! 0 OK 2.6.0\n= READY\n" },
	{ "a chunk is refused: RSET, behind the replies to those under way", { .sender = SPAN("a@b") }, { "x@y" },
		HELLO "S: 250-PIPELINING\nS: 250 CHUNKING\nmail\nC: MAIL FROM:<a@b>\nC: RCPT TO:<x@y>\nS: 250 ok\nS: 250 ok\nchunk\nchunk\nS: 250 ok\n"
		"chunk\nS: 552 5.3.4 too big\n! 0 PERM 5.3.4\nC: RSET\n= WAIT\nS: 503 5.5.1 no\n= WAIT\nS: 250 2.0.0 reset\n= READY\n" },
	{ "the first chunk is refused when the last has been sent", { .sender = SPAN("a@b") }, { "x@y" },
		HELLO "S: 250-PIPELINING\nS: 250 CHUNKING\nmail\nC: MAIL FROM:<a@b>\nC: RCPT TO:<x@y>\nS: 250 ok\nS: 250 ok\nchunk\nsent\n"
		"S: 451 4.3.0 no\n! 0 TEMP 4.3.0\nC: RSET\nS: 503 5.5.1 no\n= WAIT\nS: 250 ok\n= READY\n" },
	{ "the last chunk is refused", { .sender = SPAN("a@b") }, { "x@y" },
		HELLO "S: 250 CHUNKING\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 250 ok\nsent\nS: 554 5.6.0 no\n! 0 PERM 5.6.0\n= READY\n" },
	{ "421 to the last chunk answers for the message", { .sender = SPAN("a@b") }, { "x@y" },
		HELLO "S: 250 CHUNKING\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 250 ok\nsent\nS: 421 4.3.2 bye\n! 0 TEMP 4.3.2\n= READY\n" },
	{ "421 to another is the host's failure", { .sender = SPAN("a@b") }, { "x@y" },
		HELLO "S: 250 CHUNKING\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 250 ok\nchunk\nS: 421 4.3.2 bye\n= FAILED TEMP 4.3.2\n" },
	{ "BDAT is not known after all: not a word more, for the chunk was taken for commands", { .sender = SPAN("a@b") }, { "x@y" },
		HELLO "S: 250 CHUNKING\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 250 ok\nsent\nS: 500 what\n= FAILED TEMP 4.5.0\n" },
	{ "the same before the last chunk", { .sender = SPAN("a@b") }, { "x@y" },
		HELLO "S: 250 CHUNKING\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 250 ok\nchunk\nS: 502 what\n= FAILED TEMP 4.5.0\n" },
	{ "CHUNKING, and no recipient is taken", { .sender = SPAN("a@b") }, { "x@y" },
		HELLO "S: 250 CHUNKING\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 550 5.1.1 no\n! 0 PERM 5.1.1\nC: RSET\nS: 250 ok\n= READY\n" },
	{ "354 to a chunk", { .sender = SPAN("a@b") }, { "x@y" },
		HELLO "S: 250 CHUNKING\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 250 ok\nchunk\nS: 354 go\nC: QUIT\n= FAILED TEMP 4.5.0\n" },
	{ "TLS is demanded and not offered", { .sender = SPAN("a@b") }, { "x@y" }, "encrypt\n" HELLO "S: 250 X\nC: QUIT\n= FAILED TEMP 4.7.5\n" },
	{ "TLS is demanded and refused", { .sender = SPAN("a@b") }, { "x@y" },
		"encrypt\n" HELLO "S: 250 STARTTLS\nC: STARTTLS\nS: 454 not now\nC: QUIT\n= FAILED TEMP 4.7.5\n" },
	{ "TLS with anybody is demanded", { .sender = SPAN("a@b") }, { "x@y" },
		"encrypt\n" HELLO "S: 250 STARTTLS\nC: STARTTLS\nS: 220 go\nsecured\nC: EHLO me.example\nS: 250 X\n= READY\n" },
	{ "TLS with that very host is demanded, and it is not", { .sender = SPAN("a@b") }, { "x@y" },
		"verify\n" HELLO "S: 250 STARTTLS\nC: STARTTLS\nS: 220 go\nsecured\nC: EHLO me.example\nS: 250 X\nC: QUIT\n= FAILED TEMP 4.7.5\n" },
	{ "or it is", { .sender = SPAN("a@b") }, { "x@y" },
		"verify\n" HELLO "S: 250 STARTTLS\nC: STARTTLS\nS: 220 go\nverified\nC: EHLO me.example\nS: 250 X\n= READY\n" },
	{ "no service", { .sender = SPAN("a@b") }, { "x@y" }, "S: 554 5.7.1 not for you\nC: QUIT\n= FAILED PERM 5.7.1\n" },
	{ "not now", { .sender = SPAN("a@b") }, { "x@y" }, "S: 421 busy\n= FAILED TEMP 4.0.0\n" },
	{ "a greeting that is none", { .sender = SPAN("a@b") }, { "x@y" }, "S: 354 go\nC: QUIT\n= FAILED TEMP 4.5.0\n" },
	{ "354 to RCPT", { .sender = SPAN("a@b") }, { "x@y" },
		HELLO "S: 250 X\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 354 go\nC: QUIT\n= FAILED TEMP 4.5.0\n" },
	{ "no EHLO after all: QUIT before it is closed", { .sender = SPAN("a@b") }, { "x@y" },
		"S: 220 hi\nC: EHLO me.example\nS: 451 4.3.0 not now\nC: QUIT\n= FAILED TEMP 4.3.0\n" },
	{ "RSET is refused: QUIT", { .sender = SPAN("a@b") }, { "x@y" },
		HELLO "S: 250 X\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 550 5.1.1 no\n! 0 PERM 5.1.1\n"
		"C: RSET\nS: 500 what\nC: QUIT\nS: 221 bye\n= CLOSE\n" },
	{ "354 to the message", { .sender = SPAN("a@b") }, { "x@y" },
		HELLO "S: 250 X\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 250 ok\nC: DATA\nS: 354 go\nsent\nS: 354 go\n"
		"! 0 TEMP 4.5.0\nC: QUIT\nS: 221 bye\n= CLOSE\n" },
	{ "STARTTLS, and nothing from before is believed", { .sender = SPAN("a@b"), .size = 5 }, { "x@y" },
		HELLO "S: 250-SIZE 10\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n= TLS\nsecured\nC: EHLO me.example\nS: 250-mail.example\n"
		"S: 250 STARTTLS\n= READY\nmail\nC: MAIL FROM:<a@b>\n" },
	{ "STARTTLS is offered and refused: in the clear", { .sender = SPAN("a@b") }, { "x@y" },
		HELLO "S: 250 STARTTLS\nC: STARTTLS\nS: 454 no\n= READY\nmail\nC: MAIL FROM:<a@b>\n" },
	{ "DSN parameters where they are offered",
		{ .sender = SPAN("a@b"), .envid = SPAN("QQ+2B"), .ret = ENVELOPE_RET_HDRS, .body = ENVELOPE_8BITMIME, .smtputf8 = true }, { "x@y rfc822;x@y" },
		HELLO "S: 250-DSN\nS: 250-8BITMIME\nS: 250 SMTPUTF8\nmail\nC: MAIL FROM:<a@b> BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+2B\nS: 250 ok\n"
		"C: RCPT TO:<x@y> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@y\nS: 250 ok\nC: DATA\nS: 354 go\nsent\nS: 250 2.0.0 ok\n! 0 OK 2.0.0 DSN\n" },
	{ "ORCPT in UTF-8 where that is offered", { .sender = SPAN("a@b"), .smtputf8 = true }, { "x@y utf-8;j\xc3\xb6\\x{2B}@c" },
		HELLO "S: 250-DSN\nS: 250 SMTPUTF8\nmail\nC: MAIL FROM:<a@b> SMTPUTF8\nS: 250 ok\nC: RCPT TO:<x@y> ORCPT=utf-8;j\xc3\xb6\\x{2B}@c\n" },
	{ "and in ASCII where it is not (RFC 6533 section 3)", { .sender = SPAN("a@b"), .smtputf8 = true }, { "x@y utf-8;j\xc3\xb6\\x{2B}+@c" },
		HELLO "S: 250 DSN\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y> ORCPT=utf-8;j\\x{F6}\\x{2B}\\x{2B}@c\n" },
	{ "a message larger than the host takes", { .sender = SPAN("a@b"), .size = 1001 }, { "x@y" },
		HELLO "S: 250 SIZE 1000\nmail\n! 0 PERM 5.3.4\n= READY\n" },
	{ "8-bit text for a 7-bit host", { .sender = SPAN("a@b"), .eight_bit = true }, { "x@y" }, HELLO "S: 250 X\nmail\n! 0 PERM 5.6.3\n= READY\n" },
	{ "a UTF-8 header for a host without SMTPUTF8", { .sender = SPAN("a@b"), .smtputf8 = true, .eight_bit = true, .utf8_header = true }, { "x@y" },
		HELLO "S: 250 8BITMIME\nmail\n! 0 PERM 5.6.9\n= READY\n" },
	{ "a UTF-8 sender for a host without SMTPUTF8", { .sender = SPAN("\xc3\xa4@b"), .smtputf8 = true }, { "x@y" },
		HELLO "S: 250 8BITMIME\nmail\n! 0 PERM 5.6.7\n= READY\n" },
	{ "a UTF-8 recipient is left out, the others go", { .sender = SPAN("a@b"), .smtputf8 = true }, { "\xc3\xa4@y", "x@y" },
		HELLO "S: 250 PIPELINING\nmail\n! 0 PERM 5.6.7\nC: MAIL FROM:<a@b>\nC: RCPT TO:<x@y>\nS: 250 ok\nS: 250 ok\nC: DATA\nS: 354 go\n= SEND\n"
		"sent\nS: 250 2.6.0 ok\n! 1 OK 2.6.0\n= READY\n" },
	{ "a priority where it is offered", { .sender = SPAN("a@b"), .priority = -3 }, { "x@y" },
		HELLO "S: 250 MT-PRIORITY STANAG4406\nmail\nC: MAIL FROM:<a@b> MT-PRIORITY=-3\n" },
	{ "none asked for, which is one too", { .sender = SPAN("a@b") }, { "x@y" },
		HELLO "S: 250 MT-PRIORITY\nmail\nC: MAIL FROM:<a@b> MT-PRIORITY=0\n" },
	{ "as many recipients as the host takes (LIMITS), then the others", { .sender = SPAN("a@b") }, { "x@y", "z@y", "w@y" },
		HELLO "S: 250-PIPELINING\nS: 250 LIMITS RCPTMAX=2\nmail\nC: MAIL FROM:<a@b>\nC: RCPT TO:<x@y>\nC: RCPT TO:<z@y>\n"
		"S: 250 ok\nS: 250 ok\nS: 550 5.1.1 no\n! 1 PERM 5.1.1\nC: DATA\nS: 354 go\nsent\nS: 250 ok\n! 0 OK 2.0.0\n= READY\n"
		"mail\nC: MAIL FROM:<a@b>\nC: RCPT TO:<w@y>\nS: 250 ok\nS: 250 ok\nC: DATA\n" },
	{ "too many recipients: those that are left are the next transaction", { .sender = SPAN("a@b") }, { "x@y", "z@y", "w@y", "v@y" },
		HELLO "S: 250 PIPELINING\nmail\nC: MAIL FROM:<a@b>\nC: RCPT TO:<x@y>\nC: RCPT TO:<z@y>\nC: RCPT TO:<w@y>\nC: RCPT TO:<v@y>\n"
		"S: 250 ok\nS: 250 ok\nS: 452 4.5.3 too many\n= WAIT\nS: 550 5.1.1 no\n! 2 PERM 5.1.1\n= WAIT\nS: 452 too many\nC: DATA\nS: 354 go\nsent\nS: 250 ok\n"
		"! 0 OK 2.0.0\n= READY\nmail\nC: MAIL FROM:<a@b>\nC: RCPT TO:<z@y>\nC: RCPT TO:<v@y>\nS: 250 ok\nS: 250 ok\nS: 250 ok\nC: DATA\nS: 354 go\n"
		"sent\nS: 250 ok\n! 1 OK 2.0.0\n! 3 OK 2.0.0\n= READY\n" },
	{ "too many, and no pipelining: no more are asked for", { .sender = SPAN("a@b") }, { "x@y", "z@y", "w@y" },
		HELLO "S: 250 X\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 250 ok\nC: RCPT TO:<z@y>\nS: 552 enough\nC: DATA\nS: 354 go\nsent\n"
		"S: 250 ok\n! 0 OK 2.0.0\n= READY\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<z@y>\n" },
	{ "too many by the enhanced code alone, as some have it for good", { .sender = SPAN("a@b") }, { "x@y", "z@y" },
		HELLO "S: 250 X\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 250 ok\nC: RCPT TO:<z@y>\nS: 550 5.5.3 enough\nC: DATA\nS: 354 go\nsent\n"
		"S: 250 ok\n! 0 OK 2.0.0\n= READY\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<z@y>\n" },
	{ "452 of a mailbox that is full is that one's alone", { .sender = SPAN("a@b") }, { "x@y", "z@y", "w@y" },
		HELLO "S: 250 X\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 250 ok\nC: RCPT TO:<z@y>\nS: 452 4.2.2 full\n! 1 TEMP 4.2.2\n"
		"C: RCPT TO:<w@y>\n" },
	{ "too many with none taken is for a later attempt", { .sender = SPAN("a@b") }, { "x@y", "z@y" },
		HELLO "S: 250 X\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 452 4.5.3 enough for today\n! 0 TEMP 4.5.3\nC: RCPT TO:<z@y>\n"
		"S: 452 4.5.3 enough for today\n! 1 TEMP 4.5.3\nC: RSET\nS: 250 ok\n= READY\n" },
	{ "the message is refused to some: it is sent to the others all the same", { .sender = SPAN("a@b") }, { "x@y", "z@y" },
		HELLO "S: 250 X\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 250 ok\nC: RCPT TO:<z@y>\nS: 452 too many\nC: DATA\nS: 354 go\nsent\n"
		"S: 554 5.6.0 no\n! 0 PERM 5.6.0\n= READY\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<z@y>\n" },
	{ "as many as the host was found to take, if it does not offer less", { .sender = SPAN("a@b") }, { "x@y", "z@y", "w@y" },
		HELLO "S: 250-PIPELINING\nS: 250 LIMITS RCPTMAX=3\ntakes 2\nmail\nC: MAIL FROM:<a@b>\nC: RCPT TO:<x@y>\nC: RCPT TO:<z@y>\n"
		"S: 250 ok\nS: 250 ok\nS: 250 ok\nC: DATA\nS: 354 go\nsent\nS: 250 ok\n! 0 OK 2.0.0\n! 1 OK 2.0.0\n= READY\n"
		"mail\nC: MAIL FROM:<a@b>\nC: RCPT TO:<w@y>\n" },
	{ "recipients of as many domains as the host takes (LIMITS), whatever their order", { .sender = SPAN("a@b") }, { "x@y", "x@z", "z@Y", "z@z" },
		HELLO "S: 250-PIPELINING\nS: 250 LIMITS RCPTDOMAINMAX=1\nmail\nC: MAIL FROM:<a@b>\nC: RCPT TO:<x@y>\nC: RCPT TO:<z@Y>\n"
		"S: 250 ok\nS: 250 ok\nS: 250 ok\nC: DATA\nS: 354 go\nsent\nS: 250 ok\n! 0 OK 2.0.0\n! 2 OK 2.0.0\n= READY\n"
		"mail\nC: MAIL FROM:<a@b>\nC: RCPT TO:<x@z>\nC: RCPT TO:<z@z>\n" },
	{ "one recipient at a time, one command at a time", { .sender = SPAN("a@b") }, { "x@y", "z@y" },
		HELLO "S: 250 LIMITS MAILMAX=9 FOO RCPTMAX=1\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 450 later\n! 0 TEMP 4.0.0\n"
		"C: RSET\nS: 250 ok\n= READY\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<z@y>\n" },
	{ "TLS is required and kept", { .sender = SPAN("a@b"), .requiretls = true }, { "x@y" },
		HELLO "S: 250 STARTTLS\nC: STARTTLS\nS: 220 go\nverified\nC: EHLO me.example\nS: 250-mail.example\nS: 250 REQUIRETLS\n= READY\nmail\n"
		"C: MAIL FROM:<a@b> REQUIRETLS\n" },
	{ "TLS is required, and there is none", { .sender = SPAN("a@b"), .requiretls = true }, { "x@y" },
		HELLO "S: 250 REQUIRETLS\n= READY\nmail\nC: QUIT\n= FAILED PERM 5.7.10\n" },
	{ "TLS is required, and the host cannot begin it now", { .sender = SPAN("a@b"), .requiretls = true }, { "x@y" },
		HELLO "S: 250 STARTTLS\nC: STARTTLS\nS: 454 4.7.0 not now\n= READY\nmail\nC: QUIT\n= FAILED TEMP 4.7.10\n" },
	{ "TLS is required, and the host refuses it for good", { .sender = SPAN("a@b"), .requiretls = true }, { "x@y" },
		HELLO "S: 250 STARTTLS\nC: STARTTLS\nS: 502 no\n= READY\nmail\nC: QUIT\n= FAILED PERM 5.7.10\n" },
	{ "TLS is required, and the host may be another", { .sender = SPAN("a@b"), .requiretls = true }, { "x@y" },
		HELLO "S: 250 STARTTLS\nC: STARTTLS\nS: 220 go\nsecured\nC: EHLO me.example\nS: 250-mail.example\nS: 250 REQUIRETLS\nmail\n"
		"C: QUIT\n= FAILED PERM 5.7.10\n" },
	{ "TLS is required, and the host does not keep it", { .sender = SPAN("a@b"), .requiretls = true }, { "x@y" },
		HELLO "S: 250 STARTTLS\nC: STARTTLS\nS: 220 go\nverified\nC: EHLO me.example\nS: 250-mail.example\nS: 250 X\nmail\n"
		"C: QUIT\n= FAILED PERM 5.7.30\n" },
	{ "TLS is required for a notification, which goes all the same", { .requiretls = true }, { "x@y" },
		HELLO "S: 250 X\nmail\nC: MAIL FROM:<>\n" },
	{ "delivery in time", { .sender = SPAN("a@b"), .by = ENVELOPE_BY_RETURN, .by_trace = true, .by_left = 60 }, { "x@y" },
		HELLO "S: 250 DELIVERBY 60\nmail\nC: MAIL FROM:<a@b> BY=60;RT\n" },
	{ "delivery in time, and the host does not promise it", { .sender = SPAN("a@b"), .by = ENVELOPE_BY_RETURN, .by_left = 60 }, { "x@y" },
		HELLO "S: 250 X\nmail\n! 0 PERM 5.3.3\n= READY\n" },
	{ "delivery in time, and the host needs longer", { .sender = SPAN("a@b"), .by = ENVELOPE_BY_RETURN, .by_left = 59 }, { "x@y" },
		HELLO "S: 250 DELIVERBY 60\nmail\n! 0 PERM 5.3.3\n= READY\n" },
	{ "delivery in time that has passed", { .sender = SPAN("a@b"), .by = ENVELOPE_BY_RETURN }, { "x@y" },
		HELLO "S: 250 DELIVERBY\nmail\n! 0 PERM 5.4.7\n= READY\n" },
	{ "a delay is to be told: by the host", { .sender = SPAN("a@b"), .by = ENVELOPE_BY_NOTIFY, .by_left = -5 }, { "x@y" },
		HELLO "S: 250 DELIVERBY\nmail\nC: MAIL FROM:<a@b> BY=-5;N\n" },
	{ "a delay that is longer than can be said", { .sender = SPAN("a@b"), .by = ENVELOPE_BY_NOTIFY, .by_left = -1700000000 }, { "x@y" },
		HELLO "S: 250 DELIVERBY\nmail\nC: MAIL FROM:<a@b> BY=-999999999;N\n" },
	{ "a delay is to be told: by DSN, where there is nothing else", { .sender = SPAN("a@b"), .by = ENVELOPE_BY_NOTIFY, .by_left = 5 }, { "x@y" },
		HELLO "S: 250 DSN\nmail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y> NOTIFY=FAILURE,DELAY\n" },
	{ "an unasked reply while idle", { .sender = SPAN("a@b") }, { "x@y" }, HELLO "S: 250 X\n= READY\nS: 421 4.4.2 idle\n= FAILED TEMP 4.4.2\n" },
};

struct play {
	struct relay_state state;
	struct relay_reply reply;
	struct relay_mail mail;
	struct relay_recipient recipients[4];
	struct buf out, told;
	enum relay_action action;
};

static const char *const verdicts[] = { [VERDICT_OK] = "OK", [VERDICT_TEMPFAIL] = "TEMP", [VERDICT_PERMFAIL] = "PERM" };

static void
settled(void *context, size_t recipient, const struct relay_result *result)
{
	struct play *play = context;

	(void)buf_fmt(&play->told, "%zu %s %s%s\n", recipient, verdicts[result->verdict], result->status,
	    result->verdict == VERDICT_OK && result->dsn ? " DSN" : "");
}

static void
take_line(struct buf *from, struct span wanted, const char *name)
{
	struct span rest = buf_get(from), line;

	ck_assert_msg(span_split(&rest, '\n', &line), "%s: nothing where \"%.*s\" was wanted", name, (int)wanted.len, wanted.ptr);
	if (line.len != 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	ck_assert_msg(span_eq(line, wanted), "%s: got \"%.*s\", wanted \"%.*s\"", name, (int)line.len, line.ptr, (int)wanted.len, wanted.ptr);
	buf_drop(from, from->len - rest.len);
}

static void
host_says(struct play *play, struct span line, const char *name)
{
	struct buf text = BUF_INIT(RELAY_LINE_MAX);
	size_t used;
	int r;

	ck_assert_msg(play->out.len == 0 && play->told.len == 0, "%s: not expected before \"%.*s\": %s%s", name, (int)line.len, line.ptr,
	    buf_cstr(&play->out), buf_cstr(&play->told));
	(void)buf_span(&text, line);
	(void)buf_str(&text, "\r\n");
	r = relay_reply_input(&play->reply, buf_get(&text), &used);
	ck_assert_int_ge(r, 0);
	buf_free(&text);
	if (r == 1)
		return;
	play->action = relay_state_reply(&play->state, &play->reply, &play->out);
	relay_reply_clear(&play->reply);
}

static void
assert_action(const struct play *play, struct span wanted, const char *name)
{
	static const char *const actions[] = {
		[RELAY_WAIT] = "WAIT", [RELAY_START_TLS] = "TLS", [RELAY_READY] = "READY", [RELAY_SEND_MESSAGE] = "SEND", [RELAY_HOST_FAILED] = "FAILED",
		[RELAY_CLOSE] = "CLOSE",
	};
	struct buf got = BUF_INIT(64);

	(void)buf_str(&got, actions[play->action]);
	if (play->action == RELAY_HOST_FAILED)
		(void)buf_fmt(&got, " %s %s", verdicts[play->state.host.verdict], play->state.host.status);
	ck_assert_msg(span_eq(buf_get(&got), wanted), "%s: got %s, wanted %.*s", name, buf_cstr(&got), (int)wanted.len, wanted.ptr);
	buf_free(&got);
}

START_TEST(dialogue)
{
	const struct dialogue *row = &dialogues[_i];
	struct span lines = span_of(row->lines), line;
	struct play play = { .out = BUF_INIT(RELAY_OUT_MAX), .told = BUF_INIT(4096), .mail = row->mail };

	relay_reply_init(&play.reply);
	relay_state_init(&play.state, "me.example", RELAY_TLS_MAY);
	play.mail.recipients = play.recipients;
	while (play.mail.count < 4 && row->recipients[play.mail.count] != NULL) {
		struct relay_recipient *recipient = &play.recipients[play.mail.count];

		recipient->orcpt = span_of(row->recipients[play.mail.count]);
		(void)span_split(&recipient->orcpt, ' ', &recipient->address);
		if (row->mail.envid.len != 0) {
			recipient->notify = ENVELOPE_SUCCESS | ENVELOPE_DELAY;
		}
		play.mail.count++;
	}
	while (span_split(&lines, '\n', &line)) {
		if (span_starts(line, SPAN("S: ")))
			host_says(&play, span_skip(line, 3), row->name);
		else if (span_starts(line, SPAN("C: ")))
			take_line(&play.out, span_skip(line, 3), row->name);
		else if (span_starts(line, SPAN("! ")))
			take_line(&play.told, span_skip(line, 2), row->name);
		else if (span_starts(line, SPAN("= ")))
			assert_action(&play, span_skip(line, 2), row->name);
		else if (span_eq(line, SPAN("mail")))
			play.action = relay_state_mail(&play.state, &play.mail, settled, &play, &play.out);
		else if (span_eq(line, SPAN("encrypt")))
			play.state.tls = RELAY_TLS_ENCRYPT;
		else if (span_eq(line, SPAN("verify")))
			play.state.tls = RELAY_TLS_VERIFY;
		else if (span_starts(line, SPAN("takes ")))
			play.state.rcpt_max = (size_t)(line.ptr[6] - '0');
		else if (span_eq(line, SPAN("chunk")))
			relay_state_chunk_sent(&play.state);
		else if (span_eq(line, SPAN("secured")))
			play.action = relay_state_secured(&play.state, false, &play.out);
		else if (span_eq(line, SPAN("verified")))
			play.action = relay_state_secured(&play.state, true, &play.out);
		else
			relay_state_message_sent(&play.state);
	}
	ck_assert_msg(play.out.len == 0 && play.told.len == 0, "%s: left over: %s%s", row->name, buf_cstr(&play.out), buf_cstr(&play.told));
	buf_free(&play.out);
	buf_free(&play.told);
	relay_reply_free(&play.reply);
}
END_TEST

/* The connection is used again; recipients that an earlier host has settled are not asked for. */
START_TEST(another_message)
{
	struct play play = { .out = BUF_INIT(RELAY_OUT_MAX), .told = BUF_INIT(4096), .mail = { .sender = SPAN("a@b"), .count = 3 } };

	relay_reply_init(&play.reply);
	relay_state_init(&play.state, "me.example", RELAY_TLS_NEVER);
	play.mail.recipients = play.recipients;
	for (size_t i = 0; i < 3; i++)
		play.recipients[i].address = SPAN("x@y");
	play.recipients[0].settled = play.recipients[2].settled = true;
	host_says(&play, SPAN("220 hi"), "another");
	take_line(&play.out, SPAN("EHLO me.example"), "another");
	host_says(&play, SPAN("250-hi"), "another");
	host_says(&play, SPAN("250 STARTTLS"), "another");
	assert_action(&play, SPAN("READY"), "STARTTLS is not wanted");
	for (int round = 0; round < 2; round++) {
		play.recipients[1].settled = false;
		play.action = relay_state_mail(&play.state, &play.mail, settled, &play, &play.out);
		take_line(&play.out, SPAN("MAIL FROM:<a@b>"), "another");
		host_says(&play, SPAN("250 ok"), "another");
		take_line(&play.out, SPAN("RCPT TO:<x@y>"), "another");
		host_says(&play, SPAN("250 ok"), "another");
		take_line(&play.out, SPAN("DATA"), "another");
		host_says(&play, SPAN("354 ok"), "another");
		relay_state_message_sent(&play.state);
		ck_assert_uint_eq(relay_state_timeout(&play.state, 0), 600);
		host_says(&play, SPAN("250 ok"), "another");
		take_line(&play.told, SPAN("1 OK 2.0.0"), "another");
	}
	relay_state_quit(&play.state, &play.out);
	take_line(&play.out, SPAN("QUIT"), "another");
	host_says(&play, SPAN("221 bye"), "another");
	assert_action(&play, SPAN("CLOSE"), "another");
	buf_free(&play.out);
	buf_free(&play.told);
	relay_reply_free(&play.reply);
}
END_TEST

/* From the wish for TLS to the host's first word under it. */
START_TEST(tls_starts)
{
	struct play play = { .out = BUF_INIT(RELAY_OUT_MAX), .told = BUF_INIT(4096) };

	relay_reply_init(&play.reply);
	relay_state_init(&play.state, "me.example", RELAY_TLS_MAY);
	ck_assert(!relay_state_is_starting_tls(&play.state));
	host_says(&play, SPAN("220 hi"), "TLS starts");
	take_line(&play.out, SPAN("EHLO me.example"), "TLS starts");
	ck_assert(!relay_state_is_starting_tls(&play.state));
	host_says(&play, SPAN("250-hi"), "TLS starts");
	host_says(&play, SPAN("250 STARTTLS"), "TLS starts");
	take_line(&play.out, SPAN("STARTTLS"), "TLS starts");
	ck_assert(relay_state_is_starting_tls(&play.state));
	host_says(&play, SPAN("220 go"), "TLS starts");
	ck_assert(relay_state_is_starting_tls(&play.state));
	(void)relay_state_secured(&play.state, false, &play.out);
	take_line(&play.out, SPAN("EHLO me.example"), "TLS starts");
	ck_assert(relay_state_is_starting_tls(&play.state));
	host_says(&play, SPAN("250 hi"), "TLS starts");
	assert_action(&play, SPAN("READY"), "TLS starts");
	ck_assert(!relay_state_is_starting_tls(&play.state));
	/* From the first byte on there is no way without. */
	relay_state_init(&play.state, "me.example", RELAY_TLS_VERIFY);
	ck_assert(!relay_state_is_starting_tls(&play.state));
	buf_free(&play.out);
	buf_free(&play.told);
	relay_reply_free(&play.reply);
}
END_TEST

/* RFC 5321 section 4.5.3.2: none shorter than these, each for its own command. */
START_TEST(timeouts)
{
	static const struct {
		enum relay_phase phase;
		unsigned least;
	} rows[] = {
		{ RELAY_GREETING, 300 }, { RELAY_MAIL, 300 }, { RELAY_RCPT, 300 }, { RELAY_DATA, 120 }, { RELAY_MESSAGE, 180 }, { RELAY_CHUNKS, 180 }, { RELAY_DOT, 600 },
	};
	struct relay_state state;

	relay_state_init(&state, "me.example", RELAY_TLS_MAY);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		state.phase = rows[i].phase;
		ck_assert_uint_ge(relay_state_timeout(&state, 0) - 1, rows[i].least - 1); /* 0: no limit at all */
	}
}
END_TEST

/* What a host may take until it is ready for mail does not begin anew with each command. */
START_TEST(a_host_is_ready_in_time)
{
	static const struct {
		enum relay_phase phase;
		int64_t now;
		unsigned seconds;
	} rows[] = {
		{ RELAY_GREETING, 1000, 300 }, { RELAY_GREETING, 1500, 100 }, { RELAY_EHLO, 1590, 10 }, { RELAY_HELO, 1590, 10 }, { RELAY_STARTTLS, 1590, 10 },
		{ RELAY_HANDSHAKE, 1595, 5 }, { RELAY_AUTH, 1599, 1 }, { RELAY_AUTH, 2000, 1 }, { RELAY_IDLE, 1590, 0 }, { RELAY_MAIL, 1590, 300 }, { RELAY_DOT, 2000, 600 },
		{ RELAY_QUIT, 2000, 10 },
	};
	struct relay_state state;

	relay_state_init(&state, "me.example", RELAY_TLS_MAY);
	state.ready_by = 1600;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		state.phase = rows[i].phase;
		ck_assert_uint_eq(relay_state_timeout(&state, rows[i].now), rows[i].seconds);
	}
}
END_TEST

/* Who was silent under TLS is not waited for so long where mail may go without. */
START_TEST(tls_in_a_hurry)
{
	static const struct {
		enum relay_phase phase;
		bool secured;
		unsigned seconds;
	} rows[] = {
		{ RELAY_GREETING, false, 300 }, { RELAY_EHLO, false, 300 }, { RELAY_STARTTLS, false, 10 }, { RELAY_HANDSHAKE, false, 10 }, { RELAY_EHLO, true, 10 },
		{ RELAY_AUTH, true, 120 }, { RELAY_MAIL, true, 300 },
	};
	struct relay_state state;

	relay_state_init(&state, "me.example", RELAY_TLS_MAY);
	state.hurries_tls = true;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		state.phase = rows[i].phase;
		state.secured = rows[i].secured;
		ck_assert_uint_eq(relay_state_timeout(&state, 0), rows[i].seconds);
	}
	state.ready_by = 5;
	state.phase = RELAY_HANDSHAKE;
	ck_assert_uint_eq(relay_state_timeout(&state, 0), 5);
}
END_TEST

/* A host that answers, or takes the message, octet by octet is not waited for without end; but what it has whole it may judge in peace. */
START_TEST(a_transaction_ends)
{
	static const struct {
		enum relay_phase phase;
		int64_t now;
		unsigned seconds;
	} rows[] = {
		{ RELAY_MAIL, 1000, 300 }, { RELAY_RCPT, 4500, 100 }, { RELAY_DATA, 4590, 10 }, { RELAY_MESSAGE, 1000, 3600 }, { RELAY_MESSAGE, 4500, 100 },
		{ RELAY_CHUNKS, 4500, 100 }, { RELAY_MESSAGE, 9000, 1 }, { RELAY_DOT, 4590, 600 }, { RELAY_RSET, 4590, 10 }, { RELAY_QUIT, 4590, 10 },
		{ RELAY_IDLE, 4590, 0 },
	};
	struct relay_mail mail = { .size = 0 };
	struct relay_state state;

	relay_state_init(&state, "me.example", RELAY_TLS_MAY);
	state.until = 1000 + relay_state_longest(&mail);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		state.phase = rows[i].phase;
		ck_assert_uint_eq(relay_state_timeout(&state, rows[i].now), rows[i].seconds);
	}
	/* Replies to chunks that are not the last. */
	state.phase = RELAY_DOT;
	state.chunks = 2;
	ck_assert_uint_eq(relay_state_timeout(&state, 4590), 10);
	state.chunks = 1;
	ck_assert_uint_eq(relay_state_timeout(&state, 4590), 600);
	mail.size = 40960000;
	mail.count = 100;
	ck_assert_int_eq(relay_state_longest(&mail), 3600 + 6000 + 10000);
}
END_TEST

/* Any bytes a host says become UTF-8 with its lines, cut between characters. */
START_TEST(texts_are_cleaned)
{
	struct relay_result result;
	struct buf text = BUF_INIT(4096);

	relay_result_set(&result, VERDICT_TEMPFAIL, "4.0.0", "a\nb\tc\x01\x7f\xff" "d");
	ck_assert_str_eq(result.text, "a\nb c???d");
	for (int i = 0; i < 600; i++)
		(void)buf_str(&text, "\xc3\xa4");
	relay_result_set(&result, VERDICT_TEMPFAIL, "4.0.0", buf_cstr(&text));
	ck_assert_uint_eq(strlen(result.text), VERDICT_TEXT_MAX - 2);
	ck_assert(span_is_utf8(span_of(result.text)));
	buf_free(&text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("relay_state");
	TCase *tests = tcase_create("relay_state");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, dialogue, 0, sizeof(dialogues) / sizeof(*dialogues));
	tcase_add_test(tests, another_message);
	tcase_add_test(tests, tls_starts);
	tcase_add_test(tests, timeouts);
	tcase_add_test(tests, a_host_is_ready_in_time);
	tcase_add_test(tests, tls_in_a_hurry);
	tcase_add_test(tests, a_transaction_ends);
	tcase_add_test(tests, texts_are_cleaned);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
