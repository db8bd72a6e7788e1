/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The grammar by recursive descent, no deeper than SIEVE_NESTING_MAX. */
#include "sieve/parse.h"

#include <errno.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "sieve/sieve.h"

struct parser {
	struct sieve_tree *tree;
	struct sieve_token token; /* the next one, not yet used */
	unsigned depth;
};

static int
fail(struct parser *parser, const char *error)
{
	struct sieve_tree *tree = parser->tree;

	tree->error = parser->token.kind == TOKEN_BAD ? tree->lexer.error : error;
	tree->error_line = parser->token.line;
	return -EINVAL;
}

static void
advance(struct parser *parser)
{
	sieve_lexer_next(&parser->tree->lexer, &parser->token);
}

static bool
at_special(const struct parser *parser, char special)
{
	return parser->token.kind == TOKEN_SPECIAL && parser->token.text.ptr[0] == special;
}

/* Uses up the special when it comes next. */
static bool
take_special(struct parser *parser, char special)
{
	if (!at_special(parser, special))
		return false;
	advance(parser);
	return true;
}

static void *
grow(void *array, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return array;
	*room = *room != 0 ? *room * 2 : 32;
	return xreallocarray(array, *room, size);
}

static void
add_string(struct sieve_tree *tree, struct span text)
{
	tree->strings = grow(tree->strings, tree->string_count, &tree->string_room, sizeof(*tree->strings));
	tree->strings[tree->string_count++] = text;
}

static int
parse_list(struct parser *parser, struct sieve_argument *argument)
{
	advance(parser);
	do {
		if (parser->token.kind != TOKEN_STRING)
			return fail(parser, "a list in brackets holds strings, with commas between them");
		add_string(parser->tree, parser->token.text);
		argument->count++;
		advance(parser);
	} while (take_special(parser, ','));
	return take_special(parser, ']') ? 0 : fail(parser, "the list has no end: a comma or ] is missing");
}

/* Arguments, as many as there are. */
static int
parse_arguments(struct parser *parser, uint32_t node)
{
	struct sieve_tree *tree = parser->tree;
	int r = 0;

	tree->nodes[node].first_argument = (uint32_t)tree->argument_count;
	while (r == 0) {
		struct sieve_argument argument = { .line = parser->token.line, .first = (uint32_t)tree->string_count };

		if (parser->token.kind == TOKEN_TAG) {
			argument.kind = ARGUMENT_TAG;
			argument.tag = parser->token.text;
		} else if (parser->token.kind == TOKEN_NUMBER) {
			argument.kind = ARGUMENT_NUMBER;
			argument.number = parser->token.number;
		} else if (parser->token.kind == TOKEN_STRING) {
			argument.kind = ARGUMENT_STRING;
			argument.count = 1;
			add_string(tree, parser->token.text);
		} else if (at_special(parser, '[')) {
			argument.kind = ARGUMENT_LIST;
			r = parse_list(parser, &argument);
		} else {
			break;
		}
		if (argument.kind != ARGUMENT_LIST)
			advance(parser);
		tree->arguments = grow(tree->arguments, tree->argument_count, &tree->argument_room, sizeof(*tree->arguments));
		tree->arguments[tree->argument_count++] = argument;
		tree->nodes[node].argument_count++;
	}
	return r;
}

static uint32_t
add_node(struct parser *parser)
{
	struct sieve_tree *tree = parser->tree;

	tree->nodes = grow(tree->nodes, tree->node_count, &tree->node_room, sizeof(*tree->nodes));
	tree->nodes[tree->node_count] = (struct sieve_node){
		.name = parser->token.text, .line = parser->token.line, .tests = SIEVE_NONE, .block = SIEVE_NONE, .next = SIEVE_NONE,
	};
	advance(parser);
	return (uint32_t)tree->node_count++;
}

static int
deeper(struct parser *parser)
{
	return ++parser->depth <= SIEVE_NESTING_MAX ? 0 : fail(parser, "tests and blocks are nested too deep");
}

static int parse_test(struct parser *parser, uint32_t *ret);

/* "(" test *("," test) ")" */
static int
parse_tests(struct parser *parser, uint32_t *ret_first)
{
	uint32_t last = SIEVE_NONE, test = SIEVE_NONE;
	int r;

	advance(parser);
	do {
		r = parse_test(parser, &test);
		if (r != 0)
			return r;
		if (last == SIEVE_NONE)
			*ret_first = test;
		else
			parser->tree->nodes[last].next = test;
		last = test;
	} while (take_special(parser, ','));
	return take_special(parser, ')') ? 0 : fail(parser, "the list of tests has no end: a comma or ) is missing");
}

/* What follows a name: arguments, then a test or a list of tests. */
static int
parse_rest(struct parser *parser, uint32_t node)
{
	uint32_t tests = SIEVE_NONE;
	int r = parse_arguments(parser, node);

	if (r != 0)
		return r;
	if (at_special(parser, '(')) {
		parser->tree->nodes[node].has_list = true;
		r = parse_tests(parser, &tests);
	} else if (parser->token.kind == TOKEN_IDENTIFIER) {
		r = parse_test(parser, &tests);
	}
	parser->tree->nodes[node].tests = tests;
	return r;
}

static int
parse_test(struct parser *parser, uint32_t *ret)
{
	int r = deeper(parser);

	if (r == 0 && parser->token.kind != TOKEN_IDENTIFIER)
		r = fail(parser, "a test is missing here");
	if (r == 0) {
		*ret = add_node(parser);
		r = parse_rest(parser, *ret);
	}
	parser->depth--;
	return r;
}

static int parse_commands(struct parser *parser, uint32_t *ret_first);

static int
parse_block(struct parser *parser, uint32_t node)
{
	uint32_t first = SIEVE_NONE;
	int r = deeper(parser);

	if (r == 0) {
		advance(parser);
		r = parse_commands(parser, &first);
	}
	parser->tree->nodes[node].block = first;
	parser->tree->nodes[node].has_block = true;
	parser->depth--;
	if (r == 0 && !take_special(parser, '}'))
		r = fail(parser, "the block has no end: } is missing");
	return r;
}

static int
parse_commands(struct parser *parser, uint32_t *ret_first)
{
	uint32_t last = SIEVE_NONE;

	while (parser->token.kind == TOKEN_IDENTIFIER) {
		uint32_t node = add_node(parser);
		int r = parse_rest(parser, node);

		if (r == 0 && at_special(parser, '{'))
			r = parse_block(parser, node);
		else if (r == 0 && !take_special(parser, ';'))
			r = fail(parser, "the command does not end: ; or a block is missing");
		if (r != 0)
			return r;
		if (last == SIEVE_NONE)
			*ret_first = node;
		else
			parser->tree->nodes[last].next = node;
		last = node;
	}
	return 0;
}

int
sieve_parse(struct span script, struct sieve_tree *tree)
{
	struct parser parser = { .tree = tree };
	int r;

	*tree = (struct sieve_tree){ .first = SIEVE_NONE };
	sieve_lexer_init(&tree->lexer, script);
	advance(&parser);
	r = parse_commands(&parser, &tree->first);
	if (r == 0 && parser.token.kind != TOKEN_END)
		r = fail(&parser, "a command is missing here");
	return r;
}

void
sieve_tree_free(struct sieve_tree *tree)
{
	sieve_lexer_free(&tree->lexer);
	free(tree->nodes);
	free(tree->arguments);
	free(tree->strings);
}
