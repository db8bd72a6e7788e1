/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The grammar (RFC 5228 section 8.2): a script becomes a tree of commands, which need not mean anything yet. Pure. */
#ifndef SIEVE_PARSE_H
#define SIEVE_PARSE_H

#include "sieve/lex.h"

#define SIEVE_NONE UINT32_MAX

enum sieve_argument_kind { ARGUMENT_TAG, ARGUMENT_NUMBER, ARGUMENT_STRING, ARGUMENT_LIST };

struct sieve_argument {
	enum sieve_argument_kind kind;
	unsigned line;
	struct span tag;
	uint64_t number;
	uint32_t first, count; /* of the tree's strings: STRING has one */
};

/* A command or a test. */
struct sieve_node {
	struct span name;
	unsigned line;
	uint32_t first_argument, argument_count;
	uint32_t tests; /* the first of them, or SIEVE_NONE */
	uint32_t block; /* the first command in it, or SIEVE_NONE */
	uint32_t next;  /* the next command or test beside it, or SIEVE_NONE */
	bool has_list;  /* its tests stand in parentheses */
	bool has_block;
};

struct sieve_tree {
	struct sieve_lexer lexer;
	struct sieve_node *nodes;
	struct sieve_argument *arguments;
	struct span *strings;
	size_t node_count, argument_count, string_count;
	size_t node_room, argument_room, string_room;
	uint32_t first; /* command of the script, or SIEVE_NONE */
	unsigned error_line;
	const char *error;
};

/* Reads a script of at most SIEVE_SCRIPT_MAX bytes, which must outlive the tree. 0, or -EINVAL with error and error_line. To be freed
 * in either case. */
int sieve_parse(struct span script, struct sieve_tree *tree);
void sieve_tree_free(struct sieve_tree *tree);

#endif
