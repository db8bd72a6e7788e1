/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The reply to one request (RFC 9112), piece by piece. Pure; what comes from outside is bounded before it is kept. */
#ifndef SMTPD_HTTPS_REPLY_H
#define SMTPD_HTTPS_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

/* Octets of the status line and all fields together, and of one line. */
#define HTTPS_HEAD_MAX 16384
#define HTTPS_LINE_MAX 4096

enum https_phase { HTTPS_STATUS, HTTPS_FIELD, HTTPS_COUNTED, HTTPS_TO_END, HTTPS_CHUNK_SIZE, HTTPS_CHUNK, HTTPS_CHUNK_END, HTTPS_TRAILER, HTTPS_WHOLE };

struct https_reply {
	unsigned status; /* 200, ... */
	bool is_text;    /* Content-Type: text/plain */
	struct buf body;
	/* Within. */
	enum https_phase phase;
	size_t head;     /* octets of it so far */
	uint64_t left;   /* of the body, or of the chunk */
	bool counted, chunked;
};

void https_reply_init(struct https_reply *reply, size_t body_max);
void https_reply_free(struct https_reply *reply);
/* Takes what it can of the input, *ret_used bytes. 0 when the reply is whole, 1 when more must come, -EBADMSG, -EMSGSIZE. */
int https_reply_input(struct https_reply *reply, struct span input, size_t *ret_used);
/* Nothing more will come, and the connection ended in order: 0 when the reply is whole by that, or -EBADMSG. */
int https_reply_end(struct https_reply *reply);

#endif
