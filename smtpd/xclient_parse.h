/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* XCLIENT, by which a trusted proxy tells whom it speaks for: "XCLIENT ADDR=192.0.2.1 HELO=host LOGIN=user",
 * values in xtext (Postfix's XCLIENT_README). Pure. */
#ifndef SMTPD_XCLIENT_PARSE_H
#define SMTPD_XCLIENT_PARSE_H

#include "common/buf.h"

/* "IPV6:" and the longest address in digits. */
#define XCLIENT_ADDRESS_MAX 45

struct xclient {
	char address[XCLIENT_ADDRESS_MAX + 1]; /* as inet_ntop writes it; empty: not told, or not known */
	struct buf helo, login; /* decoded, without control bytes; empty likewise */
	bool told_address, told_helo; /* also that it is not known */
};

/* Reads the attributes behind the verb. NAME, PORT, PROTO, DESTADDR and DESTPORT are checked and left
 * aside. 0 and *ret_xclient (xclient_free), or -EINVAL. */
int xclient_parse(struct span args, struct xclient *ret_xclient);
void xclient_free(struct xclient *xclient);

/* xtext of RFC 3461 section 4, decoded and appended. 0, -EINVAL (malformed, or a control byte comes of
 * it), or -EMSGSIZE. */
int xtext_decode(struct span text, struct buf *out);

#endif
