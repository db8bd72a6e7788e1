/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* SASL PLAIN (RFC 4616) and LOGIN as POP3, IMAP and SMTP carry them: base64 lines. Pure. */
#ifndef FRAME_SASL_PARSE_H
#define FRAME_SASL_PARSE_H

#include "common/buf.h"
#include "common/span.h"

/* A line of the exchange: base64 of at most this much (RFC 4954 section 4: 12288 octets for any
 * mechanism; PLAIN and LOGIN need far less). */
#define SASL_LINE_MAX 4096
#define SASL_USER_MAX 512
#define SASL_PASSWORD_MAX 1024

enum sasl_mechanism { SASL_PLAIN, SASL_LOGIN };

enum sasl_result {
	SASL_DONE,      /* user and password are set */
	SASL_CONTINUE,  /* send a challenge (sasl_challenge) and read another line */
	SASL_CANCELLED, /* the client sent "*" */
	/* not base64, not the mechanism's format, or a name with NUL or bad UTF-8 */
	SASL_MALFORMED,
	SASL_TOO_LONG,  /* the response, the name or the password: longer than any that could be right */
	SASL_FORBIDDEN, /* well-formed, but to act for another than who logs in */
};

/* One exchange. Zeroed memory, then sasl_begin. */
struct sasl {
	enum sasl_mechanism mechanism;
	unsigned step;
};

/* Finds a mechanism by its name, letters folded. True and the mechanism, or false. */
bool sasl_mechanism(struct span name, enum sasl_mechanism *ret_mechanism);

void sasl_begin(struct sasl *sasl, enum sasl_mechanism mechanism);
/* Takes an initial response as it stands behind the mechanism's name ("=" is an empty one), or the
 * next line of the client without its CRLF. user and password are set when the result is SASL_DONE
 * and keep a part of it until then; a caller that stops early wipes them. */
enum sasl_result sasl_initial(struct sasl *sasl, struct span response, struct buf *user,
    struct buf *password);
enum sasl_result sasl_line(struct sasl *sasl, struct span line, struct buf *user,
    struct buf *password);
/* The base64 text of the challenge that waits for the next line. Literal. */
const char *sasl_challenge(const struct sasl *sasl);

#endif
