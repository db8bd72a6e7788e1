/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A message of BODY=BINARYMIME (RFC 3030 section 3) becomes one of lines: each part whose encoding is
 * "binary" is encoded in base64, so that what is stored can go to any host and into any mailbox.
 * What is binary and does not say so passes through, to be refused by smtp_data. For hosts that take 7-bit text alone (RFC 6152
 * section 3), the same is done to "8bit", but that text becomes quoted-printable; for those without SMTPUTF8, to "8bit" parts that are
 * messages and headers in UTF-8 (RFC 6532 section 3.7, RFC 6533 section 4.5). Pure. */
#ifndef SMTPD_SMTP_BINARY_H
#define SMTPD_SMTP_BINARY_H

#include "common/buf.h"
#include "smtpd/smtp_data.h"

/* Multiparts within each other; in those that are deeper no part is looked for. */
#define SMTP_BINARY_DEPTH_MAX 100
/* RFC 2046 section 5.1.1 has 70 characters. */
#define SMTP_BINARY_BOUNDARY_MAX 200
/* What a piece of that length may add to out: a header and a line that were held, and quoted-printable, which is the longest. */
#define SMTP_BINARY_ROOM(len) (SMTP_HEADER_MAX + 4 * (len) + 8192)

struct smtp_binary;

/* What it becomes. Beside "binary" parts none of a multipart/signed is encoded, which nobody may change (RFC 1847 section 2.1). */
enum smtp_binary_form {
	SMTP_BINARY_LINES,         /* parts that are "binary" are encoded */
	SMTP_BINARY_ASCII_HEADERS, /* and those of message/global and its kin that are "8bit" */
	SMTP_BINARY_SEVEN_BIT,     /* and all others that are */
};

struct smtp_binary *smtp_binary_new(enum smtp_binary_form form);
/* NULL is allowed. Returns NULL. */
struct smtp_binary *smtp_binary_free(struct smtp_binary *binary);
/* Appends what the piece becomes. 0, or -EMSGSIZE: the header of a part passes SMTP_HEADER_MAX. */
int smtp_binary_put(struct smtp_binary *binary, struct span piece, struct buf *out);
/* The message has ended: appends what was held. */
void smtp_binary_end(struct smtp_binary *binary, struct buf *out);
/* After smtp_binary_end: the header of the message, or of a part, is not ASCII; that of a message within an encoded part does not count. */
bool smtp_binary_utf8_header(const struct smtp_binary *binary);
/* Likewise: one of these is UTF-8, and not ASCII. What is in another charset nobody can be asked to take (RFC 6532). */
bool smtp_binary_needs_utf8(const struct smtp_binary *binary);
/* A part has been encoded. */
bool smtp_binary_changed(const struct smtp_binary *binary);

#endif
