/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Where a command ends: finds its last line among unread bytes, counting literals (RFC 3501 section 4.3, RFC 7888). Pure. */
#ifndef IMAPD_IMAP_FRAME_PARSE_H
#define IMAPD_IMAP_FRAME_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

struct imap_frame_limits {
	size_t line;     /* bytes of a command outside its literals */
	size_t literal;  /* bytes of one literal */
	size_t command;  /* bytes of a whole command, literals included */
	unsigned count;  /* literals in one command */
	bool messages;   /* APPEND's message is set apart; false: it is a literal like others */
};

/* The place in a command that is not whole yet. Zeroed: at the beginning of a command. */
struct imap_frame {
	size_t line_start; /* of the line being read */
	size_t scanned;    /* bytes already looked at */
	size_t literals;   /* bytes of the literals so far, their headers not counted */
	unsigned count;
};

enum imap_frame_event {
	IMAP_FRAME_MORE,      /* nothing until more input comes */
	IMAP_FRAME_CONTINUE,  /* a literal is awaited: send "+ ..." and call again */
	IMAP_FRAME_COMMAND,   /* length bytes are a command, its line end included */
	IMAP_FRAME_MESSAGE,   /* length bytes are an APPEND up to its message of `literal` bytes, which follows */
	IMAP_FRAME_TOO_LONG,  /* the line passes its limit: length bytes stand before it and may go; its end tells whether a literal follows */
	IMAP_FRAME_TOO_BIG,   /* a literal passes its limit: length bytes stand before it; when not `sync`, its bytes will come
	                         all the same, and the rest of the command after them */
	IMAP_FRAME_BAD_LITERAL, /* a literal's header makes no sense: nothing after it can be trusted */
};

struct imap_frame_result {
	enum imap_frame_event event;
	size_t length;
	uint64_t literal;
	bool sync; /* the client waits for "+" */
};

/* Looks at `input`, all unread bytes from the beginning of a command; call again with the same beginning when more is there.
 * After an event with a length the caller takes these bytes away and starts with a zeroed frame. */
struct imap_frame_result imap_frame_next(struct imap_frame *frame, struct span input, const struct imap_frame_limits *limits);

/* True when the text ends with a literal's header "{123}", "{123+}" or "{123-}"; its parts. 0 none, 1 there is one,
 * -EINVAL when it looks like one and is none. */
int imap_frame_literal(struct span line, uint64_t *ret_size, bool *ret_sync);

/* The tag a command begins with, or "*" when there is none: for answers to what cannot be parsed. Borrowed from text. */
struct span imap_frame_tag(struct span text);

#endif
