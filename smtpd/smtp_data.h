/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The text after DATA: finds its end, takes off the dots, refuses what no message may hold, and
 * mends the header of submitted mail; and the chunks of BDAT, whose end the client has told. Pure.
 *
 * A line ends with CRLF and with nothing else, and the text with CRLF "." CRLF alone: bytes that
 * another server might take for the end (SMTP smuggling) are refused, never passed on. */
#ifndef SMTPD_SMTP_DATA_H
#define SMTPD_SMTP_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "common/header.h"

/* RFC 5321 4.5.3.1.6 has 1,000 octets with the CRLF; senders exceed it, so twice that is let
 * through. */
#define SMTP_TEXT_LINE_MAX 2000
#define SMTP_HEADER_MAX (200 * 1024)
/* Fields, so that readers see all of them, and those that are put before them here. */
#define SMTP_HEADER_FIELDS_MAX (HEADER_FIELDS_MAX - 100)
/* How much of an input smtp_data_input takes at once: what it adds to the output is hardly more. */
#define SMTP_DATA_STEP 65536

enum smtp_fault {
	SMTP_FAULT_NONE,
	SMTP_FAULT_BARE, /* a CR or LF alone: the connection must be closed, for the two sides
			    disagree on lines */
	SMTP_FAULT_NUL,
	SMTP_FAULT_LONG_LINE,
	SMTP_FAULT_HEADER, /* the header block is too big, or has too many fields */
	SMTP_FAULT_HOPS,   /* too many Received fields */
	/* Of submitted mail. */
	SMTP_FAULT_NO_FROM,      /* not one From field, or no address in it */
	SMTP_FAULT_8BIT_HEADER,  /* 8-bit text in the header, or in a part's, without SMTPUTF8 */
	SMTP_FAULT_AUTHOR,       /* set by the owner: an author who is not the account */
	SMTP_FAULT_NO_LOOKUP,    /* set by the owner: whether he is cannot be found out now */
	SMTP_FAULT_SIZE,
	/* Set by the owner: what the verification says (of mail from other hosts). */
	SMTP_FAULT_DMARC,  /* the author's domain wants it refused */
	SMTP_FAULT_NO_DNS, /* it cannot be verified now */
	SMTP_FAULT_SCORE,  /* too much speaks against it */
	SMTP_FAULT_NULL_MX, /* the same, and that its sender takes no mail was the last straw */
	SMTP_FAULT_RULE,   /* a rule of the site's refuses it */
	SMTP_FAULT_LIMIT,    /* set by the owner: the account has sent enough */
	SMTP_FAULT_EXCEEDS,  /* set by the owner: it never may send to as many at once */
	SMTP_FAULT_NO_SPACE, /* set by the owner: writing failed */
	SMTP_FAULT_WRITE,
};

struct smtp_data {
	/* Set by the owner. */
	uint64_t size_max;
	unsigned hops_max;
	bool mend; /* submission: add date and message_id when missing, remove Bcc and its kin (RFC 6409 section
		      8), and refuse what has no author or 8-bit text where none may be */
	bool smtputf8; /* 8-bit text may stand in the header (RFC 6531) */
	const char *date, *message_id; /* the values of these fields */
	const char *authserv; /* fields of Authentication-Results that claim to be this host's are
				 removed (RFC 8601 section 5), and all of X-Fourpost-Score; NULL: none are */
	bool outside; /* and what filters are believed by (filter_word_parse.h), but where it speaks against the message */
	struct buf *whole; /* where a field is removed, all that is put out and what is removed, which signatures are of; it begins with what
			      stands in the output then, and goes on until the owner clears both; NULL: it is not wanted */

	/* Results. */
	enum smtp_fault fault;  /* the first one; nothing is put out from there on */
	bool ended;
	struct buf authors; /* submission: the values of From and Sender, an address list each, behind a NUL */
	uint64_t size; /* octets of the message as it came, without the dots that were taken off */

	/* Within. */
	struct buf judged; /* a field that is judged, until it is whole: Authentication-Results, a filter's, Date, Message-ID */
	struct buf held; /* of chunks: a line whose end has not come */
	bool chunked;
	bool in_body, in_field, in_author_field, in_judged_field, skipping_field, in_long_line;
	bool has_date, has_message_id;
	unsigned from_fields;
	size_t header_size, header_fields;
	unsigned hops;
};

void smtp_data_init(struct smtp_data *data);
void smtp_data_free(struct smtp_data *data);
/* Sets the fault, unless there is one. */
void smtp_data_fail(struct smtp_data *data, enum smtp_fault fault);

/* Takes input (at most SMTP_DATA_STEP of it), appends to out what is to be kept. Returns how much
 * was taken: what is left is an unfinished line, or stands behind the end of the text. */
size_t smtp_data_input(struct smtp_data *data, struct span input, struct buf *out);

/* The same for a piece of a chunk (at most SMTP_DATA_STEP of it): takes all, dots are text. Legal
 * from the beginning of the text on, and not together with smtp_data_input. */
void smtp_data_chunk(struct smtp_data *data, struct span piece, struct buf *out);
/* The last chunk has come: a last line that has no CRLF gets one. */
void smtp_data_end(struct smtp_data *data, struct buf *out);

#endif
