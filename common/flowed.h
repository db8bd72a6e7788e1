/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The lines of a plain text as they are meant: quote marks counted and taken off and, with
 * format=flowed (RFC 3676), space-stuffing undone and soft line ends told from hard ones. Pure. */
#ifndef COMMON_FLOWED_H
#define COMMON_FLOWED_H

#include "common/span.h"

/* What the parameters of text/plain say. Not flowed is the format "fixed". */
struct flowed_format {
	bool flowed;
	bool delsp; /* the space before a soft line end is not text */
};

struct flowed_line {
	unsigned depth;   /* quote marks */
	struct span text; /* without marks, stuffing and line end */
	bool soft;        /* the paragraph goes on with the next line's text, nothing in between */
	bool signature;   /* "-- ": what follows is the sender's signature (section 4.3) */
};

/* Takes a line (LF or CRLF) off the front. False when nothing is left. */
bool flowed_take(struct span *text, struct flowed_format format, struct flowed_line *ret_line);

#endif
