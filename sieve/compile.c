/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* From the tree to the program: each command and test is held against its row of the table, what cannot be told by tables is checked
 * by hand (compile_check.c), and its instruction is written. After a fault the rest is still looked at, for its own faults.
 *
 * What "ihave" finds missing (RFC 5463) is not looked at: a test that it makes certain decides when the script is compiled. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "sieve/compile_internal.h"
#include "sieve/match.h"
#include "sieve/text.h"

/* What is known of a test's outcome. */
enum certainty { UNCERTAIN, CERTAIN_TRUE, CERTAIN_FALSE };

void
compile_fault(struct compiler *compiler, unsigned line, const char *format, ...)
{
	size_t from = compiler->errors->len;
	va_list args;

	if (compiler->error_count++ >= SIEVE_ERRORS_MAX)
		return;
	(void)buf_fmt(compiler->errors, "%u: ", line);
	va_start(args, format);
	(void)buf_vfmt(compiler->errors, format, args);
	va_end(args);
	for (size_t i = from; i < compiler->errors->len; i++) /* it stays a line, whatever the string is that it quotes */
		if ((uint8_t)compiler->errors->data[i] < 0x20)
			compiler->errors->data[i] = ' ';
	(void)buf_char(compiler->errors, '\n');
}

/* --- strings --- */

/* A reference to a namespace that is not there is an error (RFC 5229 section 3); so is one to a match variable beyond the last. */
static bool
check_references(struct compiler *compiler, unsigned line, struct span text)
{
	struct sieve_reference reference;
	bool any = false;

	while (sieve_reference_next(&text, &reference)) {
		any = true;
		/* RFC 5229 section 6. */
		if (reference.name.len == 0 && reference.number >= CAPTURES_MAX)
			compile_fault(compiler, line, "there is no match variable beyond ${%d}", CAPTURES_MAX - 1);
		if (reference.name_space.len == 0)
			continue;
		if (!span_ieq(reference.name_space, SPAN("global")) || reference.name.len == 0)
			compile_fault(compiler, line, "there is no variable namespace \"%.*s\"", COMPILE_WORD(reference.name_space));
		else if ((compiler->capabilities & CAP(INCLUDE)) == 0)
			compile_fault(compiler, line, "the namespace \"global\" wants require \"include\"");
	}
	return any;
}

/* Before a command's arguments are looked at: what they say is what is meant (RFC 5228 section 2.4.2.4). Once, for what that makes is no
 * encoded character, whatever it looks like. */
static void
decode_strings(struct compiler *compiler, const struct sieve_node *node)
{
	if ((compiler->capabilities & CAP(ENCODED_CHARACTER)) == 0)
		return;
	(void)buf_reserve(&compiler->decoded, SIEVE_SCRIPT_MAX - compiler->decoded.len);
	for (uint32_t n = 0; n < node->argument_count; n++) {
		const struct sieve_argument *argument = &compiler->tree.arguments[node->first_argument + n];

		for (uint32_t i = 0; i < argument->count; i++) {
			struct span *text = &compiler->tree.strings[argument->first + i];
			size_t from = compiler->decoded.len;

			if (span_find(*text, SPAN("${")) < 0)
				continue;
			if (sieve_decode_characters(*text, &compiler->decoded) < 0)
				compile_fault(compiler, argument->line, "an encoded character is no character of Unicode");
			*text = span_skip(buf_get(&compiler->decoded), from);
		}
	}
}

static void
put_string(struct compiler *compiler, unsigned line, struct span text)
{
	bool references = false;

	if ((compiler->capabilities & CAP(VARIABLES)) != 0)
		references = check_references(compiler, line, text);
	program_put_string(&compiler->code, text, references);
}

static void
put_value(struct compiler *compiler, const struct sieve_argument *argument, enum sieve_value kind)
{
	if (kind == VALUE_NUMBER)
		program_put_number(&compiler->code, argument->number);
	if (kind == VALUE_LIST)
		program_put_number(&compiler->code, argument->count);
	for (uint32_t i = 0; (kind == VALUE_LIST || kind == VALUE_STRING) && i < argument->count; i++)
		put_string(compiler, argument->line, compile_string(compiler, argument, i));
}

static bool
fits(const struct sieve_argument *argument, enum sieve_value kind)
{
	switch (kind) {
	case VALUE_NUMBER: return argument->kind == ARGUMENT_NUMBER;
	case VALUE_STRING: return argument->kind == ARGUMENT_STRING;
	case VALUE_LIST: return argument->kind == ARGUMENT_STRING || argument->kind == ARGUMENT_LIST;
	case VALUE_FLAG: break;
	}
	return false;
}

static const char *
kind_name(enum sieve_value kind)
{
	static const char *const names[] = {
		[VALUE_FLAG] = "nothing", [VALUE_STRING] = "a string", [VALUE_LIST] = "a string or a list of strings", [VALUE_NUMBER] = "a number",
	};

	return names[kind];
}

/* --- arguments --- */

bool
compile_missing(struct compiler *compiler, unsigned line, const char *what, uint64_t wanted)
{
	wanted &= ~compiler->capabilities;
	for (size_t i = 0; i < CAPABILITY_COUNT; i++)
		if ((wanted >> i & 1) != 0)
			compile_fault(compiler, line, "%s wants require \"%s\"", what, sieve_capability_name((enum sieve_capability)i));
	return wanted != 0;
}

/* A tagged argument and its value. Returns how many arguments that were. */
static uint32_t
take_tag(struct compiler *compiler, const struct sieve_argument *argument, uint32_t left, struct arguments *ret)
{
	const struct sieve_command_row *row = &sieve_commands[ret->command];
	enum sieve_tag tag = sieve_tag(argument->tag);
	uint64_t bit = tag != TAG_COUNT_ALL ? UINT64_C(1) << tag : 0;
	char word[40];

	if ((row->tags & bit) == 0) {
		compile_fault(compiler, argument->line, "%s does not take :%.*s", row->word, COMPILE_WORD(argument->tag));
		return left; /* whether it has a value is not known */
	}
	(void)snprintf(word, sizeof(word), ":%s", sieve_tags[tag].word);
	(void)compile_missing(compiler, argument->line, word, sieve_tag_capability(ret->command, tag));
	if ((ret->tags & bit) != 0)
		compile_fault(compiler, argument->line, "%s is there twice", word);
	else if ((ret->tags & sieve_tag_group(tag)) != 0)
		compile_fault(compiler, argument->line, "%s does not go together with another argument of %s", word, row->word);
	ret->tags |= bit;
	ret->tagged[tag] = argument;
	if (sieve_tags[tag].value == VALUE_FLAG)
		return 1;
	if (left < 2 || !fits(argument + 1, sieve_tags[tag].value)) {
		compile_fault(compiler, argument->line, "%s wants %s behind it", word, kind_name(sieve_tags[tag].value));
		return left;
	}
	ret->tagged[tag] = argument + 1;
	return 2;
}

static void
sort_arguments(struct compiler *compiler, const struct sieve_node *node, struct arguments *ret)
{
	const struct sieve_command_row *row = &sieve_commands[ret->command];
	const struct sieve_argument *argument = compiler->tree.arguments + node->first_argument;
	uint32_t left = node->argument_count;
	unsigned faults = compiler->error_count;

	while (left != 0) {
		uint32_t used = 1;

		if (argument->kind == ARGUMENT_TAG) {
			if (ret->given != 0)
				compile_fault(compiler, argument->line, ":%.*s must stand before the other arguments of %s", COMPILE_WORD(argument->tag), row->word);
			used = take_tag(compiler, argument, left, ret);
		} else if (ret->given < SIEVE_POSITIONAL_MAX && ret->given < strlen(row->positional)) {
			ret->positional[ret->given++] = argument;
		} else {
			compile_fault(compiler, argument->line, "%s has too many arguments", row->word);
			return;
		}
		argument += used;
		left -= used;
	}
	if (compiler->error_count != faults)
		return;
	if (row->positional[0] != '\0' && (ret->given == 0 || program_place(row->positional, ret->given, ret->given - 1) < 0)) {
		compile_fault(compiler, node->line, "%s wants more arguments", row->word);
		return;
	}
	for (size_t n = 0; n < ret->given; n++) {
		int place = program_place(row->positional, ret->given, n);
		char letter = row->positional[place < 0 ? 0 : place];
		enum sieve_value kind = letter == 'n' ? VALUE_NUMBER : ascii_lower(letter) == 's' ? VALUE_STRING : VALUE_LIST;

		if (!fits(ret->positional[n], kind))
			compile_fault(compiler, ret->positional[n]->line, "argument %zu of %s must be %s", n + 1, row->word, kind_name(kind));
	}
}

static void
put_op(struct compiler *compiler, uint8_t op, unsigned line)
{
	(void)buf_char(&compiler->code, (char)op);
	program_put_number(&compiler->code, line);
}

static void
put_command(struct compiler *compiler, const struct arguments *arguments)
{
	const struct sieve_command_row *row = &sieve_commands[arguments->command];

	put_op(compiler, (uint8_t)(OP_COMMAND + arguments->command), arguments->line);
	program_put_number(&compiler->code, arguments->tags);
	for (size_t i = 0; i < TAG_COUNT_ALL; i++)
		if ((arguments->tags >> i & 1) != 0)
			put_value(compiler, arguments->tagged[i], sieve_tags[i].value);
	program_put_number(&compiler->code, arguments->given);
	for (size_t n = 0; n < arguments->given; n++) {
		char letter = row->positional[program_place(row->positional, arguments->given, n)];

		put_value(compiler, arguments->positional[n], letter == 'n' ? VALUE_NUMBER : ascii_lower(letter) == 's' ? VALUE_STRING : VALUE_LIST);
	}
}

/* --- commands --- */

static void
require(struct compiler *compiler, const struct sieve_argument *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		struct span name = compile_string(compiler, list, i);
		uint64_t bits = sieve_capability(name);

		if (bits == 0 || (bits & ~compiler->available) != 0)
			compile_fault(compiler, list->line, "\"%.*s\" is not available here", COMPILE_WORD(name));
		compiler->capabilities |= bits & compiler->available;
	}
}

/* Makes a jump whose target is not known yet; returns where to put that. */
static size_t
put_jump(struct compiler *compiler, enum program_op op, unsigned line)
{
	put_op(compiler, (uint8_t)op, line);
	(void)buf_put(&compiler->code, "\0\0\0\0", 4);
	return compiler->code.len - 4;
}

/* The jump leads to what will be written next. */
static void
land(struct compiler *compiler, size_t at)
{
	uint32_t target = (uint32_t)compiler->code.len;

	for (size_t i = 0; i < 4 && !compiler->code.overflow; i++)
		compiler->code.data[at + i] = (char)(target >> 8 * i & 0xff);
}

/* Jumps that lead to the same place: each holds, where its target will be, the place of the one before. */
static void
chain(struct compiler *compiler, size_t *first, enum program_op op, unsigned line)
{
	size_t at = put_jump(compiler, op, line);

	for (size_t i = 0; i < 4 && !compiler->code.overflow; i++)
		compiler->code.data[at + i] = (char)(*first >> 8 * i & 0xff);
	*first = at;
}

static void
land_chain(struct compiler *compiler, size_t first)
{
	while (first != 0 && !compiler->code.overflow) {
		size_t before = 0;

		for (size_t i = 4; i-- > 0;)
			before = before << 8 | (uint8_t)compiler->code.data[first + i];
		land(compiler, first);
		first = before;
	}
}

static enum certainty compile_test(struct compiler *compiler, uint32_t index);

/* allof and anyof: the first test that decides ends it. What follows one that is certain to decide is not looked at. */
static enum certainty
compile_tests(struct compiler *compiler, const struct sieve_node *node, bool all)
{
	enum certainty deciding = all ? CERTAIN_FALSE : CERTAIN_TRUE, result = all ? CERTAIN_TRUE : CERTAIN_FALSE;
	size_t jumps = 0;

	for (uint32_t test = node->tests; test != SIEVE_NONE; test = compiler->tree.nodes[test].next) {
		enum certainty certainty = compile_test(compiler, test);

		if (certainty == deciding) {
			result = deciding;
			break;
		}
		if (certainty == UNCERTAIN)
			result = UNCERTAIN;
		if (compiler->tree.nodes[test].next != SIEVE_NONE)
			chain(compiler, &jumps, all ? OP_JUMP_FALSE : OP_JUMP_TRUE, node->line);
	}
	land_chain(compiler, jumps);
	return result;
}

static enum certainty
compile_ihave(struct compiler *compiler, const struct arguments *arguments)
{
	const struct sieve_argument *list = arguments->positional[0];
	uint64_t bits = 0;
	bool have = true;

	compile_check_constant(compiler, list, "the list of ihave");
	for (uint32_t i = 0; i < list->count; i++) {
		uint64_t one = sieve_capability(compile_string(compiler, list, i));

		have &= one != 0 && (one & ~compiler->available) == 0;
		bits |= one;
	}
	if (have)
		compiler->capabilities |= bits;
	put_op(compiler, have ? OP_TRUE : OP_FALSE, arguments->line);
	return have ? CERTAIN_TRUE : CERTAIN_FALSE;
}

/* What follows the arguments is what should follow them. */
static bool
check_shape(struct compiler *compiler, const struct sieve_node *node, enum sieve_command command)
{
	const struct sieve_command_row *row = &sieve_commands[command];
	bool wants_test = row->follows == FOLLOWS_ONE_TEST || row->follows == FOLLOWS_TEST_AND_BLOCK;
	bool wants_block = row->follows == FOLLOWS_TEST_AND_BLOCK || row->follows == FOLLOWS_BLOCK;
	unsigned faults = compiler->error_count;

	if (row->follows == FOLLOWS_TESTS && !node->has_list)
		compile_fault(compiler, node->line, "%s wants a list of tests in parentheses", row->word);
	else if (wants_test && (node->tests == SIEVE_NONE || node->has_list))
		compile_fault(compiler, node->line, "%s wants one test", row->word);
	else if (!wants_test && row->follows != FOLLOWS_TESTS && node->tests != SIEVE_NONE)
		compile_fault(compiler, node->line, "%s takes no test: a ; may be missing before \"%.*s\"", row->word,
		    COMPILE_WORD(compiler->tree.nodes[node->tests].name));
	if (wants_block && !node->has_block)
		compile_fault(compiler, node->line, "%s wants a block in { }", row->word);
	else if (!wants_block && node->has_block)
		compile_fault(compiler, node->line, "%s takes no block", row->word);
	return compiler->error_count == faults;
}

/* Everything about a command or test but what is inside of it. True when it is right. */
static bool
examine(struct compiler *compiler, const struct sieve_node *node, bool test, struct arguments *ret)
{
	enum sieve_command command = sieve_command(node->name);
	unsigned faults = compiler->error_count;

	*ret = (struct arguments){ .command = command, .line = node->line };
	if (command == COMMAND_COUNT) {
		compile_fault(compiler, node->line, "there is no %s \"%.*s\"", test ? "test" : "command", COMPILE_WORD(node->name));
		return false;
	}
	if ((sieve_commands[command].kind == KIND_TEST) != test) {
		compile_fault(compiler, node->line, test ? "%s is a command, and here must be a test" : "%s is a test, and here must be a command",
		    sieve_commands[command].word);
		return false;
	}
	(void)compile_missing(compiler, node->line, sieve_commands[command].word, sieve_commands[command].capability);
	if (!check_shape(compiler, node, command))
		return false;
	decode_strings(compiler, node);
	sort_arguments(compiler, node, ret);
	if (compiler->error_count == faults)
		compile_check(compiler, ret);
	return compiler->error_count == faults;
}

static enum certainty
compile_test(struct compiler *compiler, uint32_t index)
{
	const struct sieve_node *node = &compiler->tree.nodes[index];
	struct arguments arguments;
	enum certainty certainty;

	if (!examine(compiler, node, true, &arguments))
		return UNCERTAIN;
	switch (arguments.command) {
	case COMMAND_ALLOF:
	case COMMAND_ANYOF: return compile_tests(compiler, node, arguments.command == COMMAND_ALLOF);
	case COMMAND_NOT:
		certainty = compile_test(compiler, node->tests);
		put_op(compiler, OP_NOT, node->line);
		return certainty == CERTAIN_TRUE ? CERTAIN_FALSE : certainty == CERTAIN_FALSE ? CERTAIN_TRUE : UNCERTAIN;
	case COMMAND_TRUE: put_op(compiler, OP_TRUE, node->line); return UNCERTAIN;
	case COMMAND_FALSE: put_op(compiler, OP_FALSE, node->line); return UNCERTAIN;
	case COMMAND_IHAVE: return compile_ihave(compiler, &arguments);
	default: put_command(compiler, &arguments); return UNCERTAIN;
	}
}

static void compile_commands(struct compiler *compiler, uint32_t first);

/* if, and the elsif and else that follow it. Returns the last of them. */
static uint32_t
compile_if(struct compiler *compiler, uint32_t index)
{
	const struct sieve_node *nodes = compiler->tree.nodes;
	enum sieve_command command = COMMAND_IF;
	bool decided = false;
	size_t ends = 0;

	for (;;) {
		const struct sieve_node *node = &nodes[index];
		enum certainty certainty = CERTAIN_TRUE;
		struct arguments arguments;
		enum sieve_command next;
		size_t over = 0;
		bool right = decided || examine(compiler, node, false, &arguments);

		if (right && !decided && command != COMMAND_ELSE) {
			certainty = compile_test(compiler, node->tests);
			over = put_jump(compiler, OP_JUMP_FALSE, node->line);
		}
		if (!decided && certainty != CERTAIN_FALSE)
			compile_commands(compiler, node->block);
		decided |= right && certainty == CERTAIN_TRUE;
		next = node->next != SIEVE_NONE ? sieve_command(nodes[node->next].name) : COMMAND_COUNT;
		if (command == COMMAND_ELSE || (next != COMMAND_ELSIF && next != COMMAND_ELSE))
			next = COMMAND_COUNT;
		if (next != COMMAND_COUNT)
			chain(compiler, &ends, OP_JUMP, node->line);
		if (over != 0)
			land(compiler, over);
		if (next == COMMAND_COUNT)
			break;
		command = next;
		index = node->next;
	}
	land_chain(compiler, ends);
	return index;
}

static void
compile_commands(struct compiler *compiler, uint32_t first)
{
	for (uint32_t index = first; index != SIEVE_NONE; index = compiler->tree.nodes[index].next) {
		const struct sieve_node *node = &compiler->tree.nodes[index];
		enum sieve_command command = sieve_command(node->name);
		struct arguments arguments;

		if (command != COMMAND_REQUIRE)
			compiler->require_over = true;
		if (command == COMMAND_IF) {
			index = compile_if(compiler, index);
			continue;
		}
		if (!examine(compiler, node, false, &arguments))
			continue;
		switch (command) {
		case COMMAND_REQUIRE:
			if (compiler->require_over)
				compile_fault(compiler, node->line, "require must stand before all other commands");
			else
				require(compiler, arguments.positional[0]);
			break;
		case COMMAND_ELSIF:
		case COMMAND_ELSE: compile_fault(compiler, node->line, "%s without an if before it", sieve_commands[command].word); break;
		default: put_command(compiler, &arguments); break;
		}
	}
}

static uint64_t
available(unsigned options)
{
	uint64_t all = (UINT64_C(1) << CAPABILITY_COUNT) - 1;

	return (options & SIEVE_EDITHEADER) != 0 ? all : all & ~CAP(EDITHEADER);
}

static void
compile(struct compiler *compiler, struct span script)
{
	int r = sieve_parse(script, &compiler->tree);

	if (r != 0) {
		compile_fault(compiler, compiler->tree.error_line, "%s", compiler->tree.error);
	} else {
		compile_commands(compiler, compiler->tree.first);
		put_op(compiler, OP_END, compiler->tree.lexer.line);
	}
	sieve_tree_free(&compiler->tree);
}

int
sieve_compile(struct span script, unsigned options, struct sieve_program **ret_program, struct buf *errors)
{
	struct compiler compiler = {
		.available = available(options), .code = BUF_INIT(SIEVE_PROGRAM_MAX), .errors = errors, .decoded = BUF_INIT(SIEVE_SCRIPT_MAX),
	};
	struct buf program = BUF_INIT(SIEVE_PROGRAM_MAX);

	if (script.len > SIEVE_SCRIPT_MAX)
		compile_fault(&compiler, 1, "the script is larger than %u KiB", SIEVE_SCRIPT_MAX >> 10);
	else if (memchr(script.ptr != NULL ? script.ptr : "", '\0', script.len) != NULL)
		compile_fault(&compiler, 1, "the script contains a NUL octet");
	else
		compile(&compiler, script);
	(void)buf_put(&program, "SIEV\1\0\0\0", 8);
	for (unsigned i = 0; i < 8; i++)
		(void)buf_char(&program, (char)(compiler.capabilities >> 8 * i & 0xff));
	(void)buf_span(&program, buf_get(&compiler.code));
	/* What is written here is read as any other program is. */
	if (compiler.error_count == 0 && (compiler.code.overflow || sieve_program_load(buf_get(&program), ret_program) != 0))
		compile_fault(&compiler, 1, "the script is too large to be compiled");
	buf_free(&program);
	buf_free(&compiler.code);
	buf_free(&compiler.decoded);
	return compiler.error_count == 0 ? 0 : -EINVAL;
}

void
sieve_capabilities(unsigned options, void (*each)(void *context, const char *name), void *context)
{
	for (size_t i = 0; i < CAPABILITY_COUNT; i++)
		if ((available(options) >> i & 1) != 0)
			each(context, sieve_capability_name((enum sieve_capability)i));
}

bool
sieve_name_is_valid(struct span name)
{
	if (name.len == 0 || name.len > 128 || name.ptr[0] == '.' || !span_is_utf8(name))
		return false;
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.ptr[i] < 0x20 || name.ptr[i] == 0x7f || name.ptr[i] == '/')
			return false;
	return true;
}
