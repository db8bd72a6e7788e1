/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A message that is to go out: its recipients and what becomes of them, and the commands that begin it. Pure. */
#ifndef SMTPD_RELAY_MAIL_H
#define SMTPD_RELAY_MAIL_H

#include "common/envelope.h"
#include "smtpd/relay_result.h"
#include "smtpd/smtp_binary.h"

struct relay_recipient {
	struct span address; /* a mailbox that has been checked: it holds nothing that ends a path */
	struct span orcpt;   /* "rfc822;xtext", or "utf-8;" and what RFC 6533 has there, or empty */
	uint8_t notify;
	bool settled;        /* its result has been told */
	/* Within a transaction: */
	bool chosen;         /* it is for this one */
	bool accepted;       /* RCPT was taken */
};

/* A message that is to go out. Spans stay the caller's. */
struct relay_mail {
	struct span sender; /* checked as well; empty: the null reverse-path */
	struct span envid;  /* xtext, or empty */
	enum envelope_body body;
	enum envelope_ret ret;
	bool smtputf8;
	int priority;        /* MT-PRIORITY (RFC 6710) */
	bool requiretls;     /* RFC 8689 */
	enum envelope_by by; /* RFC 2852 */
	bool by_trace;
	int64_t by_left;     /* seconds until then, as the message begins */
	uint64_t size;
	/* What it holds; looked at only where relay_state_wants_scan says so. */
	bool eight_bit, utf8_header;
	enum smtp_binary_form form; /* in which the owner sends it; SMTP_BINARY_LINES: as it is */
	struct relay_recipient *recipients;
	size_t count;
};

typedef void (*relay_settled)(void *context, size_t recipient, const struct relay_result *result);

/* It goes to hosts alone that are certainly the right ones, under TLS (RFC 8689 section 4.2.1). A notification asks for the same, and goes where
 * it can: its sender would never hear of it otherwise (section 5). */
bool relay_mail_insists_on_tls(const struct relay_mail *mail);

/* Tells what became of that recipient, unless it has been told. */
void relay_settle(struct relay_mail *mail, size_t recipient, relay_settled settled, void *context, const struct relay_result *result);
/* Settles all recipients that are not settled yet. */
void relay_settle_all(struct relay_mail *mail, relay_settled settled, void *context, const struct relay_result *result);

/* MAIL, with those parameters that the host offers. secured: by TLS, without which nobody is asked for REQUIRETLS. */
void relay_put_mail(const struct relay_mail *mail, const struct relay_offer *offer, bool secured, struct buf *out);
/* RCPT of that recipient, likewise. */
void relay_put_rcpt(const struct relay_mail *mail, const struct relay_recipient *recipient, const struct relay_offer *offer, struct buf *out);

#endif
