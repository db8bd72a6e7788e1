/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Delivery status notifications (RFC 3461, 3462, 3464, 6533): builds the message that tells a sender what became of his. Pure. */
#ifndef SMTPD_DSN_H
#define SMTPD_DSN_H

#include <stdint.h>

#include "common/buf.h"
#include "common/envelope.h"

enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED, DSN_EXPANDED };

struct dsn_recipient {
	enum dsn_action action;
	struct span address; /* Final-Recipient */
	struct span orcpt;   /* as in the envelope ("rfc822;xtext"), or empty */
	struct span status;  /* "5.1.1" */
	uint16_t code;       /* SMTP reply code of the other host; 0: the text is our own */
	struct span text;    /* the reason; from outside, any bytes */
	const uint16_t *breaks; /* of a reply of several lines: where those behind the first begin in the text; what is behind its end is left out */
	size_t break_count;
	struct span remote;  /* the host that said so, or empty */
};

struct dsn {
	struct span hostname;    /* Reporting-MTA, and the domain of MAILER-DAEMON in From */
	struct span sender;      /* to whom it goes: the reverse-path of the message, or postmaster */
	bool postmaster;         /* the message was a notification itself, or another that nobody is to answer */
	struct span envid;       /* xtext as it came, or empty */
	struct span queue_id;    /* of the message it is about */
	int64_t arrived, now;    /* seconds since 1970 */
	int64_t deliver_by;      /* Deliver-By-Date (RFC 2852 section 5); 0: none */
	int64_t hold, release;   /* of an envelope */
	int64_t gives_up;        /* DSN_DELAYED: until when delivery is tried; 0: not told */
	bool smtputf8;           /* the message came with SMTPUTF8: RFC 6533 forms may be used */
	bool full;               /* original is the whole message; otherwise its header block alone (text/rfc822-headers) */
	struct span original;    /* the message as the queue holds it, CRLF line ends; what it is cut to is the caller's business */
	const struct dsn_recipient *recipients;
	size_t count;
	struct span boundary;    /* a word that stands in no part of it (the caller has randomness, this has not) */
};

/* Appends the whole message, header and body, with CRLF line ends, to out: one that the relay can send to any host that is to have it. Where the original
 * is no such message, and not from SMTPUTF8, its header alone is in it. 0 or -EMSGSIZE. */
int dsn_build(const struct dsn *wanted, struct buf *out);

#endif
