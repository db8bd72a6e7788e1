/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The TRANSACTION state of POP3 (RFC 1939 section 5): a maildrop as it was at login, commands in,
 * replies and actions out. Pure: the session fetches what the actions ask for. */
#ifndef POP3D_POP3_STATE_H
#define POP3D_POP3_STATE_H

#include "common/buf.h"
#include "pop3d/pop3_parse.h"

/* Commands that make no sense, after which the connection ends. */
#define POP3_ERRORS_MAX 20

struct pop3_message {
	uint32_t uid;
	uint64_t size;    /* octets as sent, lines ending in CRLF */
	bool deleted;     /* DELE */
	bool retrieved;   /* RETR */
};

enum pop3_job { POP3_JOB_NONE, POP3_JOB_LIST, POP3_JOB_UIDL };

/* Made by the session with the messages in order; pop3_state_begin computes the rest. The array
 * stays the session's. */
struct pop3_state {
	struct pop3_message *messages;
	size_t count;
	uint32_t uidvalidity;
	size_t left;         /* not deleted */
	uint64_t left_size;
	unsigned errors;
	enum pop3_job job;   /* a listing under way, and where it stands */
	size_t job_next;
};

enum pop3_action {
	POP3_ANSWERED, /* the reply is complete in out */
	POP3_LISTING,  /* call pop3_listing until it returns false */
	/* send message `index` behind the reply, through pop3_dot; lines as pop3_dot_begin */
	POP3_RETRIEVE,
	POP3_UPDATE,   /* QUIT: remove what is deleted, then pop3_updated */
	POP3_CLOSE,    /* send the reply, close, remove nothing */
};

struct pop3_request {
	enum pop3_action action;
	size_t index;
	bool top;
	uint64_t lines;
};

/* Counts, and writes the reply to PASS or AUTH. */
void pop3_state_begin(struct pop3_state *state, struct buf *out);
/* One command line. out needs room for a short reply (POP3_REPLY_MAX). */
struct pop3_request pop3_state_line(struct pop3_state *state, struct span line, struct buf *out);
#define POP3_REPLY_MAX 1024
/* Writes lines of LIST or UIDL, at most about `most` bytes. False when the listing is complete. */
bool pop3_listing(struct pop3_state *state, size_t most, struct buf *out);
/* The reply to RETR or TOP, before the message's text. Marks the message as retrieved. */
void pop3_retrieved(struct pop3_state *state, const struct pop3_request *request, struct buf *out);
/* The reply when its text cannot be had: it is gone, or unreadable just now. */
void pop3_not_retrieved(bool gone, struct buf *out);
/* The reply to QUIT: how many were removed of those to be removed. */
void pop3_updated(const struct pop3_state *state, size_t removed, struct buf *out);

/* The lines of CAPA that hold in every state; those of the AUTHORIZATION state stand between (RFC
 * 2449). */
void pop3_capabilities(struct buf *out);

#endif
