/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The interpreter: instruction after instruction, scripts within scripts, and what stands in the result when one fails. */
#include "sieve/run.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/header.h"
#include "common/mime.h"
#include "common/xalloc.h"

#define HEADERS_MAX 64 /* edits of one message */

int
run_error(struct run *run, const char *format, ...)
{
	struct buf text = BUF_INIT(sizeof(run->result->error) - 1);
	va_list args;

	va_start(args, format);
	(void)buf_vfmt(&text, format, args);
	va_end(args);
	if (run->frame != NULL && run->frame->name.len != 0)
		(void)buf_fmt(&text, " (in the included script \"%.*s\")", (int)run->frame->name.len, run->frame->name.ptr);
	(void)snprintf(run->result->error, sizeof(run->result->error), "%s", buf_cstr(&text));
	run->result->error_line = run->line;
	buf_free(&text);
	return -EINVAL;
}

void
run_trace(struct run *run, const char *format, ...)
{
	struct buf text = BUF_INIT(1000);
	va_list args;

	if (run->host->trace == NULL)
		return;
	va_start(args, format);
	(void)buf_vfmt(&text, format, args);
	va_end(args);
	run->host->trace(run->host->context, run->line, run->frame->depth, buf_get(&text));
	buf_free(&text);
}

int
run_spend(struct run *run, uint64_t steps)
{
	if (run->steps > steps) {
		run->steps -= steps;
		return 0;
	}
	run->steps = 0;
	return run_error(run, "the script takes too long");
}

size_t
run_held(const struct run *run)
{
	size_t bytes = run->globals.bytes;

	for (const struct frame *frame = run->frame; frame != NULL; frame = frame->outer)
		bytes += frame->variables.bytes + frame->globals.bytes + frame->arena.bytes;
	return bytes;
}

/* --- scripts within scripts --- */

static int run_program(struct run *run, struct frame *frame);

static bool
is_active(const struct run *run, struct span name, bool global)
{
	for (const struct frame *frame = run->frame; frame != NULL; frame = frame->outer)
		if (frame->name.len != 0 && frame->global == global && span_eq(frame->name, name))
			return true;
	return false;
}

static bool
was_included(const struct run *run, struct span name, bool global)
{
	for (size_t i = 0; i < run->included_count; i++)
		if (run->included[i].global == global && span_eq(run->included[i].name, name))
			return true;
	return false;
}

static void
frame_free(struct frame *frame)
{
	variables_free(&frame->variables);
	variables_free(&frame->globals);
	arena_clear(&frame->arena);
}

static int
run_include(struct run *run, const struct instruction *instruction)
{
	struct span name = run_constant(&instruction->positional[0]);
	bool global = (instruction->tags & T(GLOBAL)) != 0;
	struct frame frame = { .outer = run->frame, .depth = run->frame->depth + 1, .name = name, .global = global };
	const char *error = NULL;
	unsigned line = run->line;
	int r;

	if ((instruction->tags & T(ONCE)) != 0 && (was_included(run, name, global) || is_active(run, name, global)))
		return 0;
	if (is_active(run, name, global))
		return run_error(run, "the script \"%.*s\" includes itself", (int)name.len, name.ptr);
	if (frame.depth > SIEVE_INCLUDES_MAX || run->included_count == SIEVE_INCLUDED_MAX)
		return run_error(run, "too many scripts include each other");
	if (run->host->include != NULL)
		frame.program = run->host->include(run->host->context, global, name, &error);
	if (frame.program == NULL && error == NULL && (instruction->tags & T(OPTIONAL)) != 0)
		return 0;
	if (frame.program == NULL)
		return run_error(run, "the included script \"%.*s\" %s", (int)name.len, name.ptr, error != NULL ? error : "is not there");
	/* The name stands in a program, and programs outlive the run. */
	run->included[run->included_count++] = (struct included){ name, global };
	arena_init(&frame.arena, SIEVE_MEMORY_MAX);
	run->frame = &frame;
	r = run_program(run, &frame);
	run->frame = frame.outer;
	run->line = line;
	frame_free(&frame);
	return r;
}

/* --- instructions --- */

static int
run_script_error(struct run *run, const struct instruction *instruction)
{
	struct span text = run_string(run, &instruction->positional[0]);

	return run_error(run, "%.*s", (int)(text.len < 150 ? text.len : 150), text.ptr);
}

static const run_handler handlers[COMMAND_COUNT] = {
	[COMMAND_ERROR] = run_script_error,
	[COMMAND_GLOBAL] = run_global,
	[COMMAND_INCLUDE] = run_include,
	[COMMAND_KEEP] = run_keep_action,
	[COMMAND_DISCARD] = run_discard,
	[COMMAND_FILEINTO] = run_fileinto,
	[COMMAND_REDIRECT] = run_redirect,
	[COMMAND_REJECT] = run_reject,
	[COMMAND_EREJECT] = run_reject,
	[COMMAND_SETFLAG] = run_flag_action,
	[COMMAND_ADDFLAG] = run_flag_action,
	[COMMAND_REMOVEFLAG] = run_flag_action,
	[COMMAND_SET] = run_set,
	[COMMAND_VACATION] = run_vacation,
	[COMMAND_NOTIFY] = run_notify,
	[COMMAND_ADDHEADER] = run_addheader,
	[COMMAND_DELETEHEADER] = run_deleteheader,
	[COMMAND_ADDRESS] = run_test_address,
	[COMMAND_ENVELOPE] = run_test_envelope,
	[COMMAND_EXISTS] = run_test_exists,
	[COMMAND_HEADER] = run_test_header,
	[COMMAND_SIZE] = run_test_size,
	[COMMAND_BODY] = run_test_body,
	[COMMAND_DATE] = run_test_date,
	[COMMAND_CURRENTDATE] = run_test_date,
	[COMMAND_STRING] = run_test_string,
	[COMMAND_HASFLAG] = run_test_hasflag,
	[COMMAND_DUPLICATE] = run_test_duplicate,
	[COMMAND_ENVIRONMENT] = run_test_environment,
	[COMMAND_MAILBOXEXISTS] = run_test_mailbox,
	[COMMAND_SPECIALUSE_EXISTS] = run_test_special_use,
	[COMMAND_SPAMTEST] = run_test_spam,
	[COMMAND_VIRUSTEST] = run_test_spam,
	[COMMAND_VALID_NOTIFY_METHOD] = run_test_notify_valid,
	[COMMAND_NOTIFY_METHOD_CAPABILITY] = run_test_notify_capability,
};

/* 1: the script is at its end. */
static int
run_command(struct run *run, const struct instruction *instruction)
{
	const struct sieve_command_row *row = &sieve_commands[instruction->command];
	int r;

	if (instruction->command == COMMAND_STOP)
		run->stopped = true;
	if (instruction->command == COMMAND_STOP || instruction->command == COMMAND_RETURN)
		return 1;
	if (handlers[instruction->command] == NULL)
		return run_error(run, "the program is damaged");
	r = handlers[instruction->command](run, instruction);
	/* Without steps strings are not what they should be, and what is wrong with those is no fault of the script. */
	if (run->steps == 0)
		r = run_spend(run, 1);
	if (r == 0 && run->scratch.full)
		r = run_error(run, "the script wants too much memory");
	if (r == 0 && row->kind == KIND_TEST)
		run_trace(run, "%s: %s", row->word, run->truth ? "true" : "false");
	arena_clear(&run->scratch);
	return r;
}

static int
run_instruction(struct run *run, const struct instruction *instruction, size_t *next)
{
	switch (instruction->op) {
	case OP_END: return 1;
	case OP_JUMP: *next = instruction->target; return 0;
	case OP_JUMP_TRUE: *next = run->truth ? instruction->target : *next; return 0;
	case OP_JUMP_FALSE: *next = run->truth ? *next : instruction->target; return 0;
	case OP_NOT: run->truth = !run->truth; return 0;
	case OP_TRUE:
	case OP_FALSE: run->truth = instruction->op == OP_TRUE; return 0;
	default: return run_command(run, instruction);
	}
}

static int
run_program(struct run *run, struct frame *frame)
{
	struct instruction *instruction = xcalloc(1, sizeof(*instruction));
	size_t at = 0, next;
	int r = 0;

	while (r == 0 && !run->stopped) {
		if (program_instruction(frame->program, at, instruction, &next) != 0) {
			r = run_error(run, "the program is damaged");
			break;
		}
		run->line = instruction->line;
		r = run_spend(run, 1 + (next - at));
		if (r == 0)
			r = run_instruction(run, instruction, &next);
		at = next;
	}
	free(instruction);
	return r > 0 ? 0 : r;
}

/* --- results --- */

void
sieve_result_init(struct sieve_result *result)
{
	*result = (struct sieve_result){ .implicit_keep = true, .flags = BUF_INIT(SIEVE_STRING_MAX), .header_count = 1 };
	result->arena = xcalloc(1, sizeof(*result->arena));
	arena_init(result->arena, SIEVE_MEMORY_MAX);
	result->headers = xcalloc(HEADERS_MAX, sizeof(*result->headers));
	result->actions = xcalloc(SIEVE_ACTIONS_MAX + 1, sizeof(*result->actions));
}

void
sieve_result_free(struct sieve_result *result)
{
	arena_clear(result->arena);
	free(result->arena);
	free(result->headers);
	free(result->actions);
	buf_free(&result->flags);
}

struct span
run_header(const struct run *run)
{
	return run->result->header_count > 1 ? run->result->headers[run->result->header_count - 1] : run->header;
}

struct sieve_action *
run_action(struct run *run, enum sieve_action_kind kind)
{
	struct sieve_result *result = run->result;
	struct sieve_action *action;

	if (result->count >= SIEVE_ACTIONS_MAX) {
		(void)run_error(run, "the script wants more than %d actions", SIEVE_ACTIONS_MAX);
		return NULL;
	}
	action = &result->actions[result->count++];
	*action = (struct sieve_action){ .kind = kind, .line = run->line, .header = (unsigned)result->header_count - 1 };
	return action;
}

struct span
run_keep(struct run *run, struct span text)
{
	struct span copy = arena_span(run->result->arena, text);

	run->scratch.full |= run->result->arena->full;
	return copy;
}

void
run_keep_list(struct run *run, struct strings list, const struct span **ret, size_t *ret_count)
{
	struct span *items = arena_alloc(run->result->arena, list.count, sizeof(*items));

	for (size_t i = 0; items != NULL && i < list.count; i++)
		items[i] = run_keep(run, list.items[i]);
	run->scratch.full |= run->result->arena->full;
	*ret = items;
	*ret_count = items != NULL ? list.count : 0;
}

/* A result as it is before a run, which adds to it, and changes actions that are there. */
struct former {
	struct sieve_result result;
	struct sieve_action *actions;
	struct buf flags;
	struct arena arena;
};

static void
remember(struct former *former, const struct sieve_result *result)
{
	*former = (struct former){ .result = *result, .flags = BUF_INIT(SIEVE_STRING_MAX), .arena = *result->arena };
	former->actions = xmemdup(result->actions, (SIEVE_ACTIONS_MAX + 1) * sizeof(*result->actions));
	(void)buf_span(&former->flags, buf_get(&result->flags));
}

/* What a failed run has done is undone. */
static void
roll_back(struct sieve_result *result, const struct former *former)
{
	memcpy(result->actions, former->actions, (SIEVE_ACTIONS_MAX + 1) * sizeof(*result->actions));
	result->count = former->result.count;
	result->implicit_keep = former->result.implicit_keep;
	result->header_count = former->result.header_count;
	buf_clear(&result->flags);
	(void)buf_span(&result->flags, buf_get(&former->flags));
	arena_rewind(result->arena, &former->arena);
}

int
sieve_run(const struct sieve_program *program, const struct sieve_host *host, struct sieve_result *result)
{
	struct former former;
	struct frame frame = { .program = program };
	struct run *run = xcalloc(1, sizeof(*run));
	int r;

	remember(&former, result);
	run->host = host;
	run->result = result;
	run->frame = &frame;
	run->header = span_make(host->message.ptr, header_block_size(host->message));
	run->steps = host->steps_max != 0 ? host->steps_max : SIEVE_STEPS_MAX;
	arena_init(&run->scratch, SIEVE_MEMORY_MAX);
	arena_init(&run->decoded, SIEVE_MEMORY_MAX);
	arena_init(&frame.arena, SIEVE_MEMORY_MAX);
	r = run_program(run, &frame);
	if (r != 0)
		roll_back(result, &former);
	frame_free(&frame);
	variables_free(&run->globals);
	arena_clear(&run->scratch);
	arena_clear(&run->decoded);
	(void)mime_free(run->mime);
	free(run);
	free(former.actions);
	buf_free(&former.flags);
	return r;
}
