/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The client's side of SMTP as a machine: replies in, commands and actions out, one message after another over one connection. Pure:
 * it knows no socket, no file, no clock. */
#ifndef SMTPD_RELAY_STATE_H
#define SMTPD_RELAY_STATE_H

#include "smtpd/relay_mail.h"

/* How much of TLS a connection must have before mail goes over it. */
enum relay_tls {
	RELAY_TLS_NEVER,
	RELAY_TLS_MAY,     /* STARTTLS where it is offered, with anybody */
	RELAY_TLS_ENCRYPT, /* with anybody, and never without */
	RELAY_TLS_VERIFY,  /* with that very host */
};

enum relay_action {
	RELAY_WAIT,         /* send `out`; replies will come */
	RELAY_START_TLS,    /* shake hands: relay_state_secured answers */
	RELAY_READY,        /* a message may be sent: relay_state_mail */
	RELAY_SEND_MESSAGE, /* send the message as relay_data has it: relay_state_message_sent answers */
	RELAY_HOST_FAILED,  /* `host` says why; close, and try the others for what is not settled */
	RELAY_CLOSE,        /* close: all is said */
};

enum relay_phase {
	RELAY_GREETING, RELAY_EHLO, RELAY_HELO, RELAY_STARTTLS, RELAY_HANDSHAKE, RELAY_AUTH, RELAY_IDLE, RELAY_MAIL, RELAY_RCPT, RELAY_DATA, RELAY_MESSAGE,
	RELAY_CHUNKS, RELAY_DOT, RELAY_RSET, RELAY_QUIT, RELAY_ENDED,
};

struct relay_state {
	/* Set by the owner. */
	const char *hostname;  /* ours, for EHLO */
	enum relay_tls tls;
	const char *whose;     /* who demands ENCRYPT or VERIFY, for people: "The route" */
	struct span user, password; /* logs in with these; empty: not at all */
	bool unchunked;        /* CHUNKING is not used */
	bool hurries_tls;      /* TLS is to stand soon, or not at all */
	int64_t ready_by;      /* the host is to be ready for mail by then, in seconds of any clock; 0: at any time */
	int64_t until;         /* a transaction is to be over by then, by the same clock; 0: at any time */
	size_t rcpt_max;       /* recipients that the host is known to take in one transaction; 0: not known */
	relay_settled settled; /* called for each recipient once */
	void *context;

	/* For the owner. */
	enum relay_phase phase;
	struct relay_offer offer;
	struct relay_result host; /* of RELAY_HOST_FAILED */
	bool refused_tls;         /* it failed for what is demanded of TLS */
	bool refused_chunks;      /* it offers CHUNKING and does not know BDAT */
	bool was_ready;           /* it has been: what fails from then on is a message, not the host */
	size_t took;              /* recipients of this transaction before it had too many; 0: it has not */

	/* Within. */
	bool secured, verified;
	uint16_t starttls_refused; /* the code of its reply to STARTTLS, if that was no */
	unsigned auth_step;
	struct relay_mail *mail;
	size_t asked, answered, accepted; /* recipients */
	bool refused;                     /* MAIL was: the replies to RCPT mean nothing */
	size_t chunks;                    /* sent, and not answered yet */
	bool chunk_taken;                 /* one of this message */
};

/* The connection stands; the greeting is awaited. */
void relay_state_init(struct relay_state *state, const char *hostname, enum relay_tls tls);
/* A whole reply has come. */
enum relay_action relay_state_reply(struct relay_state *state, const struct relay_reply *reply, struct buf *out);
/* TLS stands, after RELAY_START_TLS or from the first byte. verified: with the very host that the destination's mail is for, by its certificate and by a name that can be trusted. */
enum relay_action relay_state_secured(struct relay_state *state, bool verified, struct buf *out);

/* TLS was asked for, and the host has not shown yet that it can speak under it: what breaks now breaks for TLS. */
bool relay_state_is_starting_tls(const struct relay_state *state);

/* The host takes 7-bit text alone: a message with eight bits is to be converted. */
bool relay_state_is_seven_bit(const struct relay_state *state);
/* True when mail->eight_bit, utf8_header and form must be right before relay_state_mail. */
bool relay_state_wants_scan(const struct relay_state *state, const struct relay_mail *mail);
/* False when the host does not keep what the message asks for (REQUIRETLS). */
bool relay_state_suits(const struct relay_state *state, const struct relay_mail *mail);
/* Begins a message: legal in RELAY_IDLE. Recipients that are settled are left out, and so are those beyond
 * what the host takes in one transaction, by what it offers (RFC 9422), by rcpt_max or by its replies: they are not settled, and are for the
 * next. RELAY_WAIT; RELAY_READY when all of them
 * were settled at once (too large for that host, or not fit for it); RELAY_HOST_FAILED when that host does not keep what the message
 * asks for, and another may. */
enum relay_action relay_state_mail(struct relay_state *state, struct relay_mail *mail, relay_settled settled, void *context, struct buf *out);
/* After RELAY_SEND_MESSAGE: it goes in chunks, each behind its BDAT command (RFC 3030), and without a final dot. */
bool relay_state_is_chunked(const struct relay_state *state);
/* False while the message, or its next chunk, has to wait for a reply. */
bool relay_state_may_send(const struct relay_state *state);
/* A chunk that is not the last has been handed to the connection. */
void relay_state_chunk_sent(struct relay_state *state);
/* The message and its final dot, or its last chunk, have been handed to the connection. */
void relay_state_message_sent(struct relay_state *state);
/* QUIT, from RELAY_IDLE; its reply leads to RELAY_CLOSE. */
void relay_state_quit(struct relay_state *state, struct buf *out);

/* How long the next reply may take, in seconds (RFC 5321 section 4.5.3.2), or the sending of the message, or its next chunk, 0: without limit;
 * and what is waited for, for people. now: of the clock of state->ready_by and until. The verdict on a message that the host has whole is never cut short:
 * another might get it too (section 6.1). */
unsigned relay_state_timeout(const struct relay_state *state, int64_t now);
/* How long a transaction with that message may take as a whole: a host that takes it octet by octet is never silent for long. */
int64_t relay_state_longest(const struct relay_mail *mail);
const char *relay_state_awaits(const struct relay_state *state);

/* Bytes that one call may append to out: MAIL and RCPT of a transaction. */
#define RELAY_OUT_MAX (512u << 10)

#endif
