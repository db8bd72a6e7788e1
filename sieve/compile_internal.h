/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A script while it is compiled: between the compiler (compile.c) and what is checked by hand (compile_check.c). */
#ifndef SIEVE_COMPILE_INTERNAL_H
#define SIEVE_COMPILE_INTERNAL_H

#include "sieve/parse.h"
#include "sieve/program.h"

struct compiler {
	struct sieve_tree tree;
	uint64_t available;    /* capabilities that the site has */
	uint64_t capabilities; /* required */
	bool require_over;     /* another command was there */
	struct buf code;
	struct buf *errors;
	unsigned error_count;
	struct buf decoded; /* strings with encoded characters, as they are meant; never moves, as it has the script's length from the start */
};

/* The arguments of a command, sorted. */
struct arguments {
	enum sieve_command command;
	unsigned line;
	uint64_t tags;
	const struct sieve_argument *tagged[TAG_COUNT_ALL];
	const struct sieve_argument *positional[SIEVE_POSITIONAL_MAX];
	size_t given;
};

/* Words of the script in a fault: cut, so that it stays a line. */
#define COMPILE_WORD(span) (int)((span).len < 60 ? (span).len : 60), (span).ptr != NULL ? (span).ptr : ""

/* The string as the script means it, of a list's the n-th: encoded characters are what they stand for, variables are still references. */
static inline struct span
compile_string(const struct compiler *compiler, const struct sieve_argument *argument, uint32_t n)
{
	return compiler->tree.strings[argument->first + n];
}

/* Tells of a fault in that line; of many, the first SIEVE_ERRORS_MAX. */
void compile_fault(struct compiler *compiler, unsigned line, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Some of these capabilities are not required: true, and a fault for each. what: who wants them. */
bool compile_missing(struct compiler *compiler, unsigned line, const char *what, uint64_t wanted);

/* Looks at arguments that fit their row: faults for values that are wrong, or wrong together. */
void compile_check(struct compiler *compiler, const struct arguments *arguments);
/* A fault where one of the argument's strings refers to a variable. what: the argument, for people. */
void compile_check_constant(struct compiler *compiler, const struct sieve_argument *argument, const char *what);

#endif
