/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Reading programs, and checking them before they are believed. */
#include "sieve/program.h"

#include <errno.h>
#include <stdlib.h>

#include "common/xalloc.h"

/* --- numbers and strings --- */

void
program_put_number(struct buf *out, uint64_t number)
{
	while (number >= 0x80) {
		(void)buf_char(out, (char)((number & 0x7f) | 0x80));
		number >>= 7;
	}
	(void)buf_char(out, (char)number);
}

void
program_put_string(struct buf *out, struct span text, bool references)
{
	program_put_number(out, (uint64_t)text.len << 1 | references);
	(void)buf_span(out, text);
}

static bool
take_number(struct span *code, uint64_t *ret)
{
	*ret = 0;
	for (unsigned shift = 0; code->len != 0 && shift < 64; shift += 7) {
		uint8_t byte = (uint8_t)span_take(code, 1).ptr[0];

		*ret |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

bool
program_string(struct span *bytes, struct span *ret_text, bool *ret_references)
{
	uint64_t number;

	if (bytes->len == 0 || !take_number(bytes, &number) || number >> 1 > bytes->len)
		return false;
	*ret_text = span_take(bytes, (size_t)(number >> 1));
	*ret_references = (number & 1) != 0;
	return true;
}

static bool
take_fixed(struct span *code, size_t len, uint64_t *ret)
{
	struct span bytes = span_take(code, len);

	*ret = 0;
	for (size_t i = bytes.len; i-- > 0;)
		*ret = *ret << 8 | (uint8_t)bytes.ptr[i];
	return bytes.len == len;
}

/* --- instructions --- */

static bool
take_operand(struct span *code, enum sieve_value kind, bool references_allowed, struct operand *ret)
{
	const char *from;
	uint64_t count = 1;

	*ret = (struct operand){ .present = true };
	if (kind == VALUE_FLAG)
		return true;
	if (kind == VALUE_NUMBER)
		return take_number(code, &ret->number) && ret->number <= SIEVE_NUMBER_MAX;
	if (kind == VALUE_LIST && (!take_number(code, &count) || count > code->len))
		return false;
	from = code->ptr;
	for (uint64_t i = 0; i < count; i++) {
		struct span text;
		bool references;

		if (!program_string(code, &text, &references) || (references && !references_allowed))
			return false;
	}
	ret->count = (size_t)count;
	ret->bytes = span_make(from, (size_t)(code->ptr - from));
	return true;
}

int
program_place(const char *positional, size_t given, size_t n)
{
	size_t all = strlen(positional), left_out = all - given, skipped = 0;

	if (given > all)
		return -1;
	/* Those that may be left out are left out from the front. */
	for (size_t i = 0; i < all; i++) {
		if (skipped < left_out && ascii_lower(positional[i]) != positional[i])
			skipped++;
		else if (i - skipped == n)
			return skipped == left_out || strchr(positional + i, 'S') != NULL || strchr(positional + i, 'L') != NULL ? (int)i : -1;
	}
	return -1;
}

static enum sieve_value
positional_kind(char letter)
{
	return letter == 'n' ? VALUE_NUMBER : ascii_lower(letter) == 's' ? VALUE_STRING : VALUE_LIST;
}

static int
read_command(const struct sieve_program *program, struct span *code, struct instruction *ret)
{
	const struct sieve_command_row *row = &sieve_commands[ret->command];
	bool references = (program->capabilities & CAP(VARIABLES)) != 0;
	uint64_t given;

	if (row->follows != FOLLOWS_NOTHING || ret->command == COMMAND_REQUIRE || (row->capability & ~program->capabilities) != 0 ||
	    !take_number(code, &ret->tags) || (ret->tags & ~row->tags) != 0)
		return -EBADMSG;
	for (size_t i = 0; i < TAG_COUNT_ALL; i++) {
		uint64_t bit = UINT64_C(1) << i;

		ret->tagged[i].present = false;
		if ((ret->tags & bit) == 0)
			continue;
		if ((ret->tags & sieve_tag_group((enum sieve_tag)i)) != bit || (sieve_tag_capability(ret->command, (enum sieve_tag)i) & ~program->capabilities) != 0 ||
		    !take_operand(code, sieve_tags[i].value, references, &ret->tagged[i]))
			return -EBADMSG;
	}
	for (size_t i = 0; i < SIEVE_POSITIONAL_MAX; i++)
		ret->positional[i].present = false;
	if (!take_number(code, &given) || given > SIEVE_POSITIONAL_MAX)
		return -EBADMSG;
	if (given == 0 && row->positional[0] != '\0')
		return -EBADMSG;
	for (size_t n = 0; n < given; n++) {
		int place = program_place(row->positional, (size_t)given, n);

		if (place < 0 || !take_operand(code, positional_kind(row->positional[place]), references, &ret->positional[place]))
			return -EBADMSG;
	}
	return 0;
}

int
program_instruction(const struct sieve_program *program, size_t at, struct instruction *ret, size_t *ret_next)
{
	struct span code = span_skip(program->code, at);
	uint64_t number;
	int r = 0;

	if (code.len == 0)
		return -EBADMSG;
	ret->op = (uint8_t)span_take(&code, 1).ptr[0];
	if (!take_number(&code, &number) || number > UINT32_MAX)
		return -EBADMSG;
	ret->line = (unsigned)number;
	if (ret->op == OP_JUMP || ret->op == OP_JUMP_TRUE || ret->op == OP_JUMP_FALSE) {
		if (!take_fixed(&code, 4, &number))
			return -EBADMSG;
		ret->target = (uint32_t)number;
	} else if (ret->op >= OP_COMMAND) {
		if (ret->op - OP_COMMAND >= COMMAND_COUNT)
			return -EBADMSG;
		ret->command = (enum sieve_command)(ret->op - OP_COMMAND);
		r = read_command(program, &code, ret);
	} else if (ret->op > OP_FALSE) {
		return -EBADMSG;
	}
	*ret_next = program->code.len - code.len;
	return r;
}

/* --- programs --- */

/* Every instruction is whole, every jump leads to a later one, the last one ends. */
static int
verify(const struct sieve_program *program)
{
	size_t code_len = program->code.len, at = 0, next;
	uint8_t *starts = xcalloc(1, code_len + 1);
	struct instruction *instruction = xcalloc(1, sizeof(*instruction));
	int r = code_len == 0 ? -EBADMSG : 0;

	instruction->op = OP_JUMP;
	for (; r == 0 && at < code_len; at = next) {
		starts[at] |= 1;
		r = program_instruction(program, at, instruction, &next);
		if (r == 0 && (instruction->op == OP_JUMP || instruction->op == OP_JUMP_TRUE || instruction->op == OP_JUMP_FALSE)) {
			if (instruction->target < next || instruction->target >= code_len)
				r = -EBADMSG;
			else
				starts[instruction->target] |= 2;
		}
	}
	if (r == 0 && instruction->op != OP_END)
		r = -EBADMSG;
	for (size_t i = 0; r == 0 && i < code_len; i++)
		if (starts[i] == 2)
			r = -EBADMSG; /* a jump into the middle of an instruction */
	free(instruction);
	free(starts);
	return r;
}

int
sieve_program_load(struct span bytes, struct sieve_program **ret)
{
	struct sieve_program *program;
	uint64_t version;
	struct span rest = bytes;
	int r;

	if (bytes.len > SIEVE_PROGRAM_MAX || bytes.len < PROGRAM_HEADER || !span_eq(span_take(&rest, 4), SPAN("SIEV")) ||
	    !take_fixed(&rest, 4, &version) || version != PROGRAM_VERSION)
		return -EBADMSG;
	program = xcalloc(1, sizeof(*program));
	program->bytes = xmemdup(bytes.ptr, bytes.len);
	program->len = bytes.len;
	(void)take_fixed(&rest, 8, &program->capabilities);
	program->code = span_make(program->bytes + PROGRAM_HEADER, bytes.len - PROGRAM_HEADER);
	r = (program->capabilities >> CAPABILITY_COUNT) != 0 ? -EBADMSG : verify(program);
	if (r == 0)
		*ret = program;
	else
		(void)sieve_program_free(program);
	return r;
}

struct span
sieve_program_bytes(const struct sieve_program *program)
{
	return span_make(program->bytes, program->len);
}

struct sieve_program *
sieve_program_free(struct sieve_program *program)
{
	if (program != NULL)
		free(program->bytes);
	free(program);
	return NULL;
}
