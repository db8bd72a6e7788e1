/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The rows of the aliases file, mailaliases(5). Pure. */
#ifndef FRAME_ALIAS_PARSE_H
#define FRAME_ALIAS_PARSE_H

#include "common/span.h"

enum alias_kind {
	ALIAS_ADDRESS,    /* "local@domain", or "local" for all domains */
	ALIAS_DOMAIN,     /* "@domain" */
	ALIAS_WILDCARD,   /* an address with "*" in it */
	ALIAS_EXPRESSION, /* a regular expression */
};

/* All borrowed from the text. */
struct alias_row {
	unsigned line;        /* where it begins, from 1 */
	enum alias_kind kind;
	struct span key;      /* of an expression what stands between the slashes */
	struct span targets;  /* for alias_next_target: at least one, each well formed */
};

struct alias_reader {
	struct span rest;
	unsigned line;        /* of what comes next */
};

/* A target that stands for nobody. */
#define ALIAS_DISCARD SPAN("discard")
/* A longer key or target is a fault. */
#define ALIAS_WORD_MAX 320

/* Takes the next row. 0; 1 at the end; -EBADMSG with *ret_fault saying what is wrong with the row of ret_row->line: the next call goes
 * on behind it. */
int alias_next(struct alias_reader *reader, struct alias_row *ret_row, const char **ret_fault);
/* Takes the next target off a row's. False at the end. */
bool alias_next_target(struct span *targets, struct span *ret_target);

#endif
