/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The file of the keys that mail is signed with (mailkey(8)): a row that tells whose a key is and what it is used for, and below it the key
 * in PEM. One file, so that a change of several keys is one rename. Pure. */
#ifndef SMTPD_DKIM_KEYS_PARSE_H
#define SMTPD_DKIM_KEYS_PARSE_H

#include "smtpd/dkim_parse.h"

/* Bytes of the file, of one key in PEM, of a selector; and keys. */
#define DKIM_KEYS_FILE_MAX (4u << 20)
#define DKIM_PEM_MAX 16384
#define DKIM_SELECTOR_MAX 63
#define DKIM_KEYS_MAX 1000

/* A key is made, its record is published, mail is signed with it, and when another takes over, what it has signed is still verified. */
enum dkim_key_state { DKIM_KEY_PUBLISHED, DKIM_KEY_SIGNING, DKIM_KEY_RETIRED };

struct dkim_key_row {
	struct span domain;   /* in lower case, as A-labels */
	struct span selector;
	enum dkim_key_state state;
	int64_t since;        /* seconds since 1970: when it came into that state */
	struct span pem;      /* with the lines that begin and end it */
	unsigned line;        /* of the row */
};

/* "published", "signing", "retired". */
const char *dkim_key_state_name(enum dkim_key_state state);

/* The next key; *text and *line (0 at first) go on behind it. 1 and the row, borrowed from the text; 0 at the end; -EBADMSG, and *ret_fault says
 * what is wrong in line *line. That the PEM holds a key is not looked at. */
int dkim_keys_next(struct span *text, unsigned *line, struct dkim_key_row *ret_row, const char **ret_fault);
/* Appends the row and its key. 0 or -EMSGSIZE. */
int dkim_keys_put(const struct dkim_key_row *row, struct buf *out);
/* True for what may be a selector: labels of letters, digits and hyphens (RFC 6376 section 3.1). */
bool dkim_selector_is_valid(struct span selector);

#endif
