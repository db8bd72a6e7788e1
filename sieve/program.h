/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Programs: what scripts are compiled into. Pure.
 *
 *	"SIEV" | u16 version | u16 zero | u64 capabilities | instructions        numbers little-endian
 *	instruction = opcode (one byte), line (varint), then:
 *	  JUMP, JUMP_TRUE, JUMP_FALSE   u32: the instruction to go on with, counted from the first; always a later one
 *	  NOT, TRUE, FALSE, END         nothing
 *	  a command or test             varint: a bit for each tagged argument, their values in the order of bits, a varint that counts
 *	                                the positional arguments, these
 *	value = number: varint | string: varint (length * 2 + 1 when it has references to variables), bytes | list: varint count, strings
 *
 * A varint has seven bits in each byte, the lowest first, the top bit set in all but the last. A test leaves its outcome where NOT and
 * the jumps find it. There are no jumps back, so a program ends. */
#ifndef SIEVE_PROGRAM_H
#define SIEVE_PROGRAM_H

#include "common/buf.h"
#include "sieve/sieve.h"
#include "sieve/table.h"

#define PROGRAM_VERSION 1
#define PROGRAM_HEADER 16

enum program_op {
	OP_END, OP_JUMP, OP_JUMP_TRUE, OP_JUMP_FALSE, OP_NOT, OP_TRUE, OP_FALSE,
	OP_COMMAND = 16, /* + enum sieve_command */
};

struct sieve_program {
	uint8_t *bytes;
	size_t len;
	uint64_t capabilities;
	struct span code;
};

/* A value as it stands in the program. */
struct operand {
	bool present;
	uint64_t number;
	size_t count;      /* strings: STRING has one */
	struct span bytes; /* of these */
};

struct instruction {
	uint8_t op;
	unsigned line;
	uint32_t target;
	enum sieve_command command;
	uint64_t tags;
	struct operand tagged[TAG_COUNT_ALL];       /* of the bits in tags */
	struct operand positional[SIEVE_POSITIONAL_MAX]; /* each at its place in the table's row; one that was left out is not present */
};

/* Reads the instruction at that place. 0 and *ret_next, or -EBADMSG. */
int program_instruction(const struct sieve_program *program, size_t at, struct instruction *ret, size_t *ret_next);
/* Takes the next string of an operand off its bytes. */
bool program_string(struct span *bytes, struct span *ret_text, bool *ret_references);

/* Writing. */
void program_put_number(struct buf *out, uint64_t number);
void program_put_string(struct buf *out, struct span text, bool references);
/* Which of a row's positional arguments `given` ones are: the place of argument n, or -1 when so many cannot be. */
int program_place(const char *positional, size_t given, size_t n);

#endif
