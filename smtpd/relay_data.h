/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A stored message as it goes out after DATA: every line ends with CRLF and nothing else does, dots are doubled, no line passes 998
 * octets. What a spool file holds is not trusted to be so already: bytes that the next host might take for an end of its own never
 * leave (SMTP smuggling). Pure. */
#ifndef SMTPD_RELAY_DATA_H
#define SMTPD_RELAY_DATA_H

#include "common/buf.h"

/* RFC 5321 4.5.3.1.6: 1,000 octets with the CRLF. */
#define RELAY_TEXT_LINE_MAX 998

/* Zeroed at the beginning, but for undotted. */
struct relay_data {
	bool undotted; /* set by the owner: dots are not doubled, as after BDAT and for whoever looks at what will arrive */
	size_t column; /* octets of this line so far, without the dot that was added */
	bool after_cr; /* a line end was written for a CR: a LF that follows belongs to it */
};

/* What relay_data_put may add to out for len bytes, at most. */
#define RELAY_DATA_ROOM(len) (3 * (len) + 8)

/* Appends these bytes of the message to out. */
void relay_data_put(struct relay_data *data, struct span bytes, struct buf *out);
/* Appends the end of the last line, if it has none, and the line with a dot (not when undotted). */
void relay_data_end(struct relay_data *data, struct buf *out);

/* What a message holds, found piece by piece; zeroed at the beginning. */
struct relay_scan {
	bool eight_bit;    /* an octet above 127 anywhere */
	bool utf8_header;  /* one in the header block of the message; those of its parts are not looked at */
	bool in_body, in_line; /* within */
};
void relay_scan_put(struct relay_scan *scan, struct span bytes);

#endif
