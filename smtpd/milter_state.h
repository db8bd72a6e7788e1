/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One milter's share of one message as a machine: it is told the envelope and the text, in steps, and each step is answered. Pure.
 *
 * The owner makes a request (mail, rcpt, text), sends what stands in `out`, and feeds what comes until MILTER_DONE. */
#ifndef SMTPD_MILTER_STATE_H
#define SMTPD_MILTER_STATE_H

#include "smtpd/milter.h"

/* Who hands in the message, for macros and the first steps. Borrowed for as long as the machine lives. */
struct milter_client {
	struct span hostname;  /* ours */
	struct span address;   /* "192.0.2.1", "2001:db8::1", or empty */
	struct span name;      /* that leads to the address, and the address to it; or empty */
	struct span helo, tls, account;
	struct span sender;    /* without angle brackets */
};

enum milter_result {
	MILTER_MORE,       /* input is needed */
	MILTER_WANTS_BODY, /* milter_body gives the next piece, once `out` is sent */
	MILTER_CHANGE,     /* `packet` is a change of the message */
	MILTER_ALIVE,      /* it asks for more time */
	MILTER_DONE,       /* the request is answered: `verdict` */
	MILTER_BROKEN,     /* it says what makes no sense, or leaves: nothing more can be asked */
};

enum milter_verdict {
	MILTER_PASS,
	MILTER_REFUSE,  /* `reply`, "550 5.7.1 ..." */
	MILTER_DISCARD, /* take it, and drop it */
};

enum milter_step {
	MILTER_NEGOTIATE, MILTER_CONNECT, MILTER_HELO, MILTER_MAIL,
	MILTER_RCPT,
	MILTER_DATA, MILTER_HEADERS, MILTER_EOH, MILTER_BODY, MILTER_EOM,
	MILTER_STEPS,
};

/* The longest reply of a milter that is passed on to clients. */
#define MILTER_REPLY_MAX 512

struct milter {
	const struct milter_client *client;
	struct buf out;
	struct milter_packet packet; /* of MILTER_CHANGE: borrowed from the input */
	enum milter_verdict verdict;
	char reply[MILTER_REPLY_MAX + 1];
	bool accepted;     /* it wants to hear no more of this message */

	/* Within. */
	uint32_t actions, options;
	enum milter_step step, last; /* the one under way, and that which ends the request */
	bool awaits, skips_body;
	struct span rcpt, queue_id, header; /* what is left of the header */
	/* The field that was told last of those that are too long for it: it has heard the front of it. The owner empties it. */
	struct span cut;
	size_t cut_len;    /* of its value, as it stands in the message */
};

void milter_init(struct milter *milter, const struct milter_client *client);
void milter_free(struct milter *milter);
/* Requests; each after the one before is done. Spans are borrowed until then. The results are those of milter_input. */
enum milter_result milter_mail(struct milter *milter);
enum milter_result milter_rcpt(struct milter *milter, struct span rcpt);
/* header: the block with its empty line, CRLF. Of a field that no packet holds, the front is told: `cut`. */
enum milter_result milter_text(struct milter *milter, struct span queue_id, struct span header);
/* A piece of the body, at most MILTER_CHUNK_MAX; an empty one ends it. */
enum milter_result milter_body(struct milter *milter, struct span piece);
/* Takes one packet, and what becomes of it; *ret_taken of the input is used. Call again until MILTER_MORE. */
enum milter_result milter_input(struct milter *milter, struct span input, size_t *ret_taken);
/* Says goodbye, in `out`. */
void milter_quit(struct milter *milter);

#endif
