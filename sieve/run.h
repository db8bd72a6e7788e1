/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Inside the interpreter: what its parts share. */
#ifndef SIEVE_RUN_H
#define SIEVE_RUN_H

#include "sieve/arena.h"
#include "sieve/match.h"
#include "sieve/program.h"
#include "sieve/variables.h"

/* A script that is being run; included ones stand within those that include them. */
struct frame {
	const struct sieve_program *program;
	struct frame *outer;
	unsigned depth;
	struct span name; /* of an included one */
	bool global;
	struct variables variables;
	struct variables globals;  /* names of those that the script has declared global */
	struct captures captures;  /* copies, in the arena */
	struct arena arena;
};

struct run {
	const struct sieve_host *host;
	struct sieve_result *result;
	struct frame *frame;
	struct span header;        /* of the message, without edits */
	struct variables globals;
	struct arena scratch;      /* until the next instruction */
	uint64_t steps;            /* left */
	bool truth;                /* of the last test */
	bool stopped;
	bool vacation;             /* was executed */
	unsigned line;
	struct included {
		struct span name;
		bool global;
	} included[SIEVE_INCLUDED_MAX];
	size_t included_count;
	struct mime_message *mime; /* of the body, once a test wants it */
	struct span *parts[2];     /* decoded ones, as octets and as text: an item for each part, NULL as long as no test wanted it */
	struct arena decoded;      /* where they stand; one that does not fit is decoded again */
};

/* Ends the run with that fault. Returns -EINVAL. */
int run_error(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Tells the trace. */
void run_trace(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Takes steps; -EINVAL when there are none left: the run has failed, whatever its instruction returns. An instruction costs its
 * bytes in the program; what takes longer than that, because variables, the message or the host's answers make it so, is to be paid for
 * before it is done. */
int run_spend(struct run *run, uint64_t steps);
/* What all variables and match variables hold, in bytes. */
size_t run_held(const struct run *run);

/* --- run_text.c: arguments --- */

/* A string with its variables put in; borrowed until the next instruction. */
struct span run_text(struct run *run, struct span text, bool references);
/* The first string of an operand; SPAN_NULL when it is not there. */
struct span run_string(struct run *run, const struct operand *operand);
/* All of them. */
struct strings {
	struct span *items;
	size_t count;
};
struct strings run_strings(struct run *run, const struct operand *operand);
/* The string as the script has it, for what variables must not change. */
struct span run_constant(const struct operand *operand);
/* A variable by its name, in whichever scope it is; a name "global.x" is of the global one. */
struct span run_variable(struct run *run, struct span name);
/* 0; -EINVAL: there are too many, they would hold too much, or it is no name of one. */
int run_set_variable(struct run *run, struct span name, struct span value);

/* --- run_match.c: comparing values with keys --- */

struct matcher {
	struct run *run;
	struct match match;
	struct strings keys;
	uint64_t counted;
	bool captures; /* set match variables */
	bool found;
};
/* From the tagged arguments of the instruction; keys (NULL: none) is its positional argument. 0 or -EINVAL. */
int matcher_begin(struct matcher *matcher, struct run *run, const struct instruction *instruction, const struct operand *keys);
/* One value. True when no other need be looked at. */
bool matcher_value(struct matcher *matcher, struct span value);
/* After the last: what comes of it becomes run->truth. 0 or -EINVAL (out of steps). */
int matcher_end(struct matcher *matcher);

/* --- run_header.c: header, address, envelope and their kin --- */

/* The header of the message as it is now, with edits. */
struct span run_header(const struct run *run);
/* Calls each with the fields of that name: all, or the one that :index and :last say; until it returns true. */
typedef bool (*run_field_fn)(void *context, struct span value);
void run_fields(struct run *run, const struct instruction *instruction, struct span name, run_field_fn each, void *context);
/* A field's value as tests see it: unfolded, decoded, trimmed. Borrowed until the next instruction. */
struct span run_decode_field(struct run *run, struct span value);

/* --- actions --- */

/* Adds an action to the result; NULL after run_error when there are too many. The result owns what is in it: run_keep copies. */
struct sieve_action *run_action(struct run *run, enum sieve_action_kind kind);
struct span run_keep(struct run *run, struct span text);
void run_keep_list(struct run *run, struct strings list, const struct span **ret, size_t *ret_count);

/* --- one handler for each command and test --- */

typedef int (*run_handler)(struct run *run, const struct instruction *instruction);
int run_keep_action(struct run *run, const struct instruction *instruction);
int run_discard(struct run *run, const struct instruction *instruction);
int run_fileinto(struct run *run, const struct instruction *instruction);
int run_redirect(struct run *run, const struct instruction *instruction);
int run_reject(struct run *run, const struct instruction *instruction);
int run_vacation(struct run *run, const struct instruction *instruction);
int run_notify(struct run *run, const struct instruction *instruction);
int run_flag_action(struct run *run, const struct instruction *instruction);
int run_set(struct run *run, const struct instruction *instruction);
int run_global(struct run *run, const struct instruction *instruction);
int run_addheader(struct run *run, const struct instruction *instruction);
int run_deleteheader(struct run *run, const struct instruction *instruction);
int run_test_header(struct run *run, const struct instruction *instruction);
int run_test_address(struct run *run, const struct instruction *instruction);
int run_test_envelope(struct run *run, const struct instruction *instruction);
int run_test_exists(struct run *run, const struct instruction *instruction);
int run_test_size(struct run *run, const struct instruction *instruction);
int run_test_body(struct run *run, const struct instruction *instruction);
int run_test_date(struct run *run, const struct instruction *instruction);
int run_test_string(struct run *run, const struct instruction *instruction);
int run_test_hasflag(struct run *run, const struct instruction *instruction);
int run_test_duplicate(struct run *run, const struct instruction *instruction);
int run_test_environment(struct run *run, const struct instruction *instruction);
int run_test_mailbox(struct run *run, const struct instruction *instruction);
int run_test_special_use(struct run *run, const struct instruction *instruction);
int run_test_spam(struct run *run, const struct instruction *instruction);
int run_test_notify_valid(struct run *run, const struct instruction *instruction);
int run_test_notify_capability(struct run *run, const struct instruction *instruction);

#endif
