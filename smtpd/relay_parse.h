/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Replies of another host taken apart: lines, enhanced status codes, the extensions it offers. Pure; what a host says is bounded in
 * lines and bytes before it is kept. */
#ifndef SMTPD_RELAY_PARSE_H
#define SMTPD_RELAY_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

/* RFC 5321 4.5.3.1.5 has 512 octets for a reply line; hosts exceed it. */
#define RELAY_LINE_MAX 4096
#define RELAY_LINES_MAX 128
/* What is kept of a reply's text; the rest is read and forgotten. */
#define RELAY_TEXT_MAX 8192

/* A reply that is coming in. */
struct relay_reply {
	uint16_t code;   /* 0: no line has come */
	unsigned lines;
	struct buf text; /* the lines without their codes, joined with LF */
};

void relay_reply_init(struct relay_reply *reply);
void relay_reply_free(struct relay_reply *reply);
/* Forgets what it holds, for the next reply. */
void relay_reply_clear(struct relay_reply *reply);
/* Takes whole lines of input up to the end of the reply, *ret_used bytes. 0 when the reply is whole, 1 when more input is needed,
 * -EBADMSG (no reply), -EMSGSIZE (a line or the reply is too long). */
int relay_reply_input(struct relay_reply *reply, struct span input, size_t *ret_used);

/* The enhanced status code (RFC 2034) at the front of a text, if it is one of this class (2, 4, 5). Borrowed, or empty. */
struct span relay_parse_status(struct span text, unsigned class);

/* Extensions that are made use of. */
enum relay_extension {
	RELAY_EXT_PIPELINING = 1, RELAY_EXT_SIZE = 2, RELAY_EXT_8BITMIME = 4, RELAY_EXT_DSN = 8, RELAY_EXT_SMTPUTF8 = 16, RELAY_EXT_STARTTLS = 32,
	RELAY_EXT_STATUS_CODES = 64, RELAY_EXT_MT_PRIORITY = 128,
	RELAY_EXT_LIMITS = 256, RELAY_EXT_REQUIRETLS = 512, RELAY_EXT_DELIVERBY = 1024, RELAY_EXT_AUTH_PLAIN = 2048, RELAY_EXT_AUTH_LOGIN = 4096, RELAY_EXT_CHUNKING = 8192,
};
struct relay_offer {
	unsigned extensions; /* enum relay_extension bits */
	uint64_t size_max;   /* RFC 1870: 0 is no limit that is known */
	/* RFC 9422: transactions of one connection, recipients of one transaction and their domains; 0 likewise. */
	uint64_t mail_max, rcpt_max, rcpt_domain_max;
	uint64_t by_min; /* RFC 2852: the shortest time within which it delivers, in seconds */
};
/* The text of a reply to EHLO (RFC 5321 section 4.1.1.1); its first line is the greeting. */
struct relay_offer relay_parse_offer(struct span text);

#endif
