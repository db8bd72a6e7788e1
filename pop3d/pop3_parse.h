/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* POP3 command lines (RFC 1939 section 3) and multi-line replies. Pure. */
#ifndef POP3D_POP3_PARSE_H
#define POP3D_POP3_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/span.h"

/* RFC 2449 section 4 wants 255; passwords may be longer. */
#define POP3_LINE_MAX 4608

enum pop3_verb {
	POP3_CAPA,
	POP3_USER,
	POP3_PASS,
	POP3_AUTH,
	POP3_STLS,
	POP3_UTF8,
	POP3_QUIT,
	POP3_STAT,
	POP3_LIST,
	POP3_UIDL,
	POP3_RETR,
	POP3_TOP,
	POP3_DELE,
	POP3_RSET,
	POP3_NOOP,
	POP3_VERBS,
};

struct pop3_command {
	enum pop3_verb verb;
	/* behind the verb and one space; spaces in it are kept (passwords) */
	struct span rest;
	unsigned number_count;
	uint64_t number[2];    /* arguments of the transaction commands */
};

enum pop3_parsed {
	POP3_GOOD,
	POP3_UNKNOWN,  /* no such command */
	POP3_BAD_ARGS, /* arguments missing, too many, or no numbers */
	POP3_BAD_BYTES, /* NUL or CR within the line */
};

/* Takes a line off the front of input: true, the line without CRLF (a bare LF ends it, too) and the
 * bytes used. */
bool pop3_take_line(struct span input, size_t *ret_used, struct span *ret_line);
/* The command of a line. The rest is borrowed from it. */
enum pop3_parsed pop3_parse(struct span line, struct pop3_command *ret_command);
/* "CAPA", ...: the verb as it is written. Literal. */
const char *pop3_verb_name(enum pop3_verb verb);

/* A message on its way out: LF becomes CRLF (CRLF stays), a dot that begins a line is doubled (RFC
 * 1939 section 3). */
struct pop3_dot {
	bool line_begins; /* set by pop3_dot_begin */
	bool after_cr;
	bool in_body;     /* the empty line behind the header has passed */
	bool line_empty;
	bool limited;     /* TOP: lines_left more lines of the body */
	uint64_t lines_left;
	bool done;        /* nothing more is wanted */
};

/* lines: NULL for the whole message, or how many lines of the body (TOP). */
void pop3_dot_begin(struct pop3_dot *dot, const uint64_t *lines);
/* Encodes a piece; out grows by at most 2 * text.len + 2. */
void pop3_dot_put(struct pop3_dot *dot, struct span text, struct buf *out);
/* The end: completes the last line, then ".\r\n". */
void pop3_dot_end(struct pop3_dot *dot, struct buf *out);

#endif
