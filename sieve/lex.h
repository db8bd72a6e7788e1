/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Tokens of a script (RFC 5228 section 8.1). Pure. */
#ifndef SIEVE_LEX_H
#define SIEVE_LEX_H

#include "common/buf.h"

enum sieve_token_kind {
	TOKEN_END, TOKEN_IDENTIFIER, TOKEN_TAG, TOKEN_NUMBER, TOKEN_STRING,
	TOKEN_SPECIAL, /* one of ( ) [ ] { } , ; */
	TOKEN_BAD,     /* lexer.error says why; nothing follows */
};

struct sieve_token {
	enum sieve_token_kind kind;
	unsigned line;    /* where it begins, from 1 */
	struct span text; /* identifier; tag without its colon; string as meant (in lexer.strings); the special */
	uint64_t number;  /* with its quantifier applied */
};

struct sieve_lexer {
	struct span rest;
	unsigned line;
	struct buf strings; /* what strings say; never moves, as it has the script's length from the start */
	const char *error;
};

/* The script stays the caller's, at most SIEVE_SCRIPT_MAX bytes. */
void sieve_lexer_init(struct sieve_lexer *lexer, struct span script);
void sieve_lexer_free(struct sieve_lexer *lexer);
void sieve_lexer_next(struct sieve_lexer *lexer, struct sieve_token *ret_token);

#endif
