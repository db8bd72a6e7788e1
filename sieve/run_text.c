/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Strings of the program as they are when an instruction runs: variables put in; and the actions that set variables. */
#include "sieve/run.h"
#include "sieve/text.h"

#include <errno.h>

#define GLOBAL_PREFIX SPAN("global.")
#define MODIFIED_STEPS 2 /* for an octet that is modified, and by that may become six */

/* What it takes to look for a variable: as many names are compared as there are, and each with the whole of it where they begin alike. */
static int
spend_search(struct run *run, struct span name)
{
	size_t count = run->frame->variables.count + run->frame->globals.count + run->globals.count;

	return run_spend(run, 1 + count * (1 + name.len / 4) / 8);
}

struct span
run_variable(struct run *run, struct span name)
{
	const struct variables *scope = &run->frame->variables;
	const struct span *value;

	if (spend_search(run, name) != 0)
		return SPAN_NULL;
	if (span_istarts(name, GLOBAL_PREFIX)) {
		name = span_skip(name, GLOBAL_PREFIX.len);
		scope = &run->globals;
	} else if (variables_get(&run->frame->globals, name) != NULL) {
		scope = &run->globals;
	}
	value = variables_get(scope, name);
	return value != NULL ? *value : SPAN_NULL;
}

int
run_set_variable(struct run *run, struct span name, struct span value)
{
	struct variables *scope = &run->frame->variables;

	if (spend_search(run, name) != 0)
		return -EINVAL;
	if (span_istarts(name, GLOBAL_PREFIX)) {
		name = span_skip(name, GLOBAL_PREFIX.len);
		scope = &run->globals;
	} else if (variables_get(&run->frame->globals, name) != NULL) {
		scope = &run->globals;
	}
	if (!sieve_is_identifier(name) || name.len > SIEVE_VARIABLE_NAME_MAX)
		return run_error(run, "\"%.*s\" is no name of a variable", (int)(name.len < 60 ? name.len : 60), name.ptr);
	if (run_held(run) + value.len > SIEVE_MEMORY_MAX)
		return run_error(run, "the variables of the script want too much memory");
	if (variables_set(scope, name, value) < 0)
		return run_error(run, "there are more than %d variables", SIEVE_VARIABLES_MAX);
	return 0;
}

static struct span
referred(struct run *run, const struct sieve_reference *reference)
{
	const struct captures *captures = &run->frame->captures;

	if (reference->name.len == 0)
		return reference->number < captures->count ? captures->items[reference->number] : SPAN_NULL;
	if (reference->name_space.len != 0) {
		const struct span *value = spend_search(run, reference->name) == 0 ? variables_get(&run->globals, reference->name) : NULL;

		return value != NULL ? *value : SPAN_NULL;
	}
	return run_variable(run, reference->name);
}

struct span
run_text(struct run *run, struct span text, bool references)
{
	struct buf out = BUF_INIT(SIEVE_STRING_MAX);
	struct sieve_reference reference;
	struct span copy;

	if (!references)
		return text;
	while (run->steps != 0 && sieve_reference_next(&text, &reference)) {
		struct span value = referred(run, &reference);
		size_t room;

		(void)buf_span(&out, reference.before);
		room = out.max - out.len;
		if (value.len > room)
			value.len = room;
		/* It is short in the program, and is not here: put in, kept, and freed again. */
		if (run_spend(run, value.len / 16) == 0)
			(void)buf_span(&out, value);
	}
	(void)buf_span(&out, text);
	copy = arena_span(&run->scratch, buf_get(&out));
	buf_free(&out);
	return copy;
}

struct strings
run_strings(struct run *run, const struct operand *operand)
{
	struct span bytes = operand->bytes, text;
	struct strings list = { .items = NULL };
	bool references;

	if (!operand->present || operand->count == 0)
		return list;
	list.items = arena_alloc(&run->scratch, operand->count, sizeof(*list.items));
	while (list.items != NULL && list.count < operand->count && program_string(&bytes, &text, &references))
		list.items[list.count++] = run_text(run, text, references);
	return list;
}

struct span
run_string(struct run *run, const struct operand *operand)
{
	struct span bytes = operand->bytes, text;
	bool references;

	if (!operand->present || operand->count == 0 || !program_string(&bytes, &text, &references))
		return SPAN_NULL;
	return run_text(run, text, references);
}

struct span
run_constant(const struct operand *operand)
{
	struct span bytes = operand->bytes, text;
	bool references;

	return operand->present && operand->count != 0 && program_string(&bytes, &text, &references) ? text : SPAN_NULL;
}

/* --- set, global, string --- */

int
run_set(struct run *run, const struct instruction *instruction)
{
	struct buf out = BUF_INIT(SIEVE_STRING_MAX * 6);
	struct span name = run_constant(&instruction->positional[0]), value = run_string(run, &instruction->positional[1]);
	int r = run_spend(run, instruction->tags != 0 ? value.len * MODIFIED_STEPS : value.len / 4);

	if (r != 0)
		return r;
	variables_modify(instruction->tags, value, &out);
	r = run_set_variable(run, name, buf_get(&out));
	if (r == 0)
		run_trace(run, "set \"%.*s\" to \"%.200s\"", (int)name.len, name.ptr, buf_cstr(&out));
	buf_free(&out);
	return r;
}

int
run_global(struct run *run, const struct instruction *instruction)
{
	struct strings names = run_strings(run, &instruction->positional[0]);

	for (size_t i = 0; i < names.count; i++) {
		struct span name = names.items[i];

		if (spend_search(run, name) != 0)
			return -EINVAL;
		if (variables_get(&run->frame->variables, name) != NULL)
			return run_error(run, "\"%.*s\" is a variable of this script already", (int)name.len, name.ptr);
		if (!sieve_is_identifier(name) || variables_set(&run->frame->globals, name, SPAN_NULL) < 0)
			return run_error(run, "there are more than %d variables", SIEVE_VARIABLES_MAX);
	}
	return 0;
}

int
run_test_string(struct run *run, const struct instruction *instruction)
{
	struct strings sources = run_strings(run, &instruction->positional[0]);
	struct matcher matcher;
	int r = matcher_begin(&matcher, run, instruction, &instruction->positional[1]);

	for (size_t i = 0; r == 0 && i < sources.count; i++) {
		/* RFC 5229 section 5: :count counts those that are not empty. */
		if (matcher.match.type == MATCH_COUNT && sources.items[i].len == 0)
			continue;
		if (matcher_value(&matcher, sources.items[i]))
			break;
	}
	return r == 0 ? matcher_end(&matcher) : r;
}
