/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* POP3's syntax: lines of a keyword and arguments in, dot-stuffed text out. */
#include "pop3d/pop3_parse.h"

/* What may follow a verb. */
enum args { NONE, TEXT, OPTIONAL_NUMBER, NUMBER, TWO_NUMBERS };

static const struct {
	const char *name;
	enum args args;
} verbs[POP3_VERBS] = {
	[POP3_CAPA] = { "CAPA", NONE },
	[POP3_USER] = { "USER", TEXT },
	[POP3_PASS] = { "PASS", TEXT },
	[POP3_AUTH] = { "AUTH", TEXT },
	[POP3_STLS] = { "STLS", NONE },
	[POP3_UTF8] = { "UTF8", NONE },
	[POP3_QUIT] = { "QUIT", NONE },
	[POP3_STAT] = { "STAT", NONE },
	[POP3_LIST] = { "LIST", OPTIONAL_NUMBER },
	[POP3_UIDL] = { "UIDL", OPTIONAL_NUMBER },
	[POP3_RETR] = { "RETR", NUMBER },
	[POP3_TOP] = { "TOP", TWO_NUMBERS },
	[POP3_DELE] = { "DELE", NUMBER },
	[POP3_RSET] = { "RSET", NONE },
	[POP3_NOOP] = { "NOOP", NONE },
};

const char *
pop3_verb_name(enum pop3_verb verb)
{
	return verbs[verb].name;
}

bool
pop3_take_line(struct span input, size_t *ret_used, struct span *ret_line)
{
	ptrdiff_t end = span_chr(input, '\n');

	if (end < 0)
		return false;
	*ret_used = (size_t)end + 1;
	*ret_line = span_make(input.ptr, (size_t)end);
	if (ret_line->len != 0 && ret_line->ptr[ret_line->len - 1] == '\r')
		ret_line->len--;
	return true;
}

static bool
take_number(struct span *rest, struct pop3_command *command)
{
	if (span_take_u64(rest, UINT32_MAX, &command->number[command->number_count]) < 0)
		return false;
	command->number_count++;
	return true;
}

static enum pop3_parsed
parse_args(enum args args, struct pop3_command *command)
{
	struct span rest = command->rest;
	bool good = true;

	switch (args) {
	case NONE:
		return span_trim(rest).len == 0 ? POP3_GOOD : POP3_BAD_ARGS;
	case TEXT:
		return rest.len != 0 ? POP3_GOOD : POP3_BAD_ARGS;
	case OPTIONAL_NUMBER:
	case NUMBER:
	case TWO_NUMBERS:
		rest = span_trim(rest);
		if (rest.len != 0 || args != OPTIONAL_NUMBER)
			good = take_number(&rest, command);
		if (good && args == TWO_NUMBERS) {
			good = rest.len != 0 && rest.ptr[0] == ' ';
			rest = span_trim(rest);
			good = good && take_number(&rest, command);
		}
		break;
	}
	return good && rest.len == 0 ? POP3_GOOD : POP3_BAD_ARGS;
}

enum pop3_parsed
pop3_parse(struct span line, struct pop3_command *ret_command)
{
	ptrdiff_t space = span_chr(line, ' ');
	struct span word = span_make(line.ptr, space >= 0 ? (size_t)space : line.len);

	*ret_command = (struct pop3_command){ .verb = POP3_VERBS };
	if (span_chr(line, '\0') >= 0 || span_chr(line, '\r') >= 0)
		return POP3_BAD_BYTES;
	for (enum pop3_verb verb = 0; verb < POP3_VERBS; verb++)
		if (span_ieq(word, span_of(verbs[verb].name))) {
			ret_command->verb = verb;
			ret_command->rest =
			    space >= 0 ? span_skip(line, (size_t)space + 1) : SPAN_NULL;
			return parse_args(verbs[verb].args, ret_command);
		}
	return POP3_UNKNOWN;
}

/* --- out --- */

void
pop3_dot_begin(struct pop3_dot *dot, const uint64_t *lines)
{
	*dot = (struct pop3_dot){ .line_begins = true,
		.line_empty = true,
		.limited = lines != NULL,
		.lines_left = lines != NULL ? *lines : 0 };
}

static void
end_line(struct pop3_dot *dot, struct buf *out)
{
	(void)buf_put(out, "\r\n", 2);
	if (dot->in_body && dot->limited)
		dot->lines_left--;
	if (dot->line_empty)
		dot->in_body = true;
	if (dot->in_body && dot->limited && dot->lines_left == 0)
		dot->done = true;
	dot->line_begins = dot->line_empty = true;
	dot->after_cr = false;
}

static void
put_byte(struct pop3_dot *dot, char byte, struct buf *out)
{
	if (dot->line_begins && byte == '.')
		(void)buf_char(out, '.');
	(void)buf_char(out, byte);
	dot->line_begins = dot->line_empty = false;
}

void
pop3_dot_put(struct pop3_dot *dot, struct span text, struct buf *out)
{
	for (size_t i = 0; i < text.len && !dot->done; i++) {
		char byte = text.ptr[i];

		/* A CR waits for what follows: with LF it is the line's end, alone it is a byte
		 * like others. */
		if (byte == '\n') {
			end_line(dot, out);
			continue;
		}
		if (dot->after_cr)
			put_byte(dot, '\r', out);
		dot->after_cr = byte == '\r';
		if (!dot->after_cr)
			put_byte(dot, byte, out);
	}
}

void
pop3_dot_end(struct pop3_dot *dot, struct buf *out)
{
	if (!dot->done && dot->after_cr)
		put_byte(dot, '\r', out);
	if (!dot->line_begins)
		(void)buf_put(out, "\r\n", 2);
	(void)buf_put(out, ".\r\n", 3);
	dot->done = true;
}
