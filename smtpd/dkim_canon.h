/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Canonical forms of header fields and bodies (RFC 6376 section 3.4). Pure. */
#ifndef SMTPD_DKIM_CANON_H
#define SMTPD_DKIM_CANON_H

#include "smtpd/dkim_parse.h"

/* Appends a header field ("Name: value", with folds, its last CRLF there or not) in canonical form and without the last CRLF. 0 or
 * -EMSGSIZE (a part may have been added). */
int dkim_canon_field(enum dkim_canon canon, struct span field, struct buf *out);

/* A body that comes in pieces of any size. Memory does not depend on its size. */
struct dkim_body {
	/* Set by the owner. */
	enum dkim_canon canon;
	uint64_t left; /* bytes of the canonical form that are still wanted: l=, or UINT64_MAX */
	void (*put)(void *context, struct span bytes); /* takes the canonical form, piece by piece */
	void *context;

	/* Within. */
	uint64_t total;    /* bytes of the canonical form so far, wanted or not */
	uint64_t newlines; /* CRLFs that are put out only when something follows them */
	bool cr;           /* a CR was last */
	bool blank;        /* white space was last: relaxed */
};

void dkim_body_feed(struct dkim_body *body, struct span bytes);
/* The end of the body. Afterwards `total` is the length of the whole canonical form. */
void dkim_body_finish(struct dkim_body *body);

#endif
