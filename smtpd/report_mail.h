/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A report as a message (RFC 7489 section 7.2.1.1, RFC 8460 section 5.3): a sentence for people and the packed report. Pure. */
#ifndef SMTPD_REPORT_MAIL_H
#define SMTPD_REPORT_MAIL_H

#include "common/buf.h"

struct report_mail {
	struct span from, to, subject, message_id, boundary;
	const char *type;       /* of the message, with its parameters but the boundary: "multipart/mixed" */
	const char *fields;     /* more header fields, each with its CRLF; or "" */
	const char *part_type;  /* "application/gzip" */
	struct span sentence, file_name;
	struct span report;     /* packed */
	int64_t now;            /* seconds since 1970 */
};

/* Appends the message. 0 or -EMSGSIZE. */
int report_mail_compose(const struct report_mail *mail, struct buf *out);
/* Appends the text packed as gzip does. 0 or -EMSGSIZE. */
int report_pack(struct span text, struct buf *out);

#endif
