/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* editheader (RFC 5293): each edit makes another header, so that an action has the one that the message had then. */
#include "sieve/run.h"

#include <errno.h>

#include "common/header.h"
#include "sieve/protected.h"

#define EDITS_MAX 63
#define HEADER_MAX (1u << 20)
#define VALUE_MAX 8192

static int
put_header(struct run *run, struct buf *block)
{
	struct sieve_result *result = run->result;
	int r = 0;

	if (block->overflow || result->header_count > EDITS_MAX)
		r = run_error(run, "the script edits the header too often, or makes it too large");
	else
		result->headers[result->header_count++] = run_keep(run, buf_get(block));
	buf_free(block);
	return r;
}

/* The fields, and the empty line behind them. */
static struct span
fields_of(struct span block, struct span *ret_end)
{
	size_t len = block.len;

	if (span_ends(block, SPAN("\r\n\r\n")) || span_eq(block, SPAN("\r\n")))
		len -= 2;
	else if (span_ends(block, SPAN("\n\n")) || span_eq(block, SPAN("\n")))
		len -= 1;
	*ret_end = len != block.len ? span_skip(block, len) : SPAN("\r\n");
	return span_make(block.ptr, len);
}

int
run_addheader(struct run *run, const struct instruction *instruction)
{
	struct span name = run_string(run, &instruction->positional[0]), value = run_string(run, &instruction->positional[1]), end;
	struct span fields = fields_of(run_header(run), &end);
	struct buf field = BUF_INIT(4 * VALUE_MAX), block = BUF_INIT(HEADER_MAX);
	int r;

	if (!header_name_is_valid(name))
		return run_error(run, "addheader: \"%.*s\" is no name of a header field", (int)(name.len < 60 ? name.len : 60), name.ptr);
	if (field_is_protected(name))
		return 0;
	/* Line ends and controls in it become spaces: a script cannot make more than one field of it. */
	r = value.len > VALUE_MAX ? -EMSGSIZE : header_append_text(&field, name, span_trim(value));
	if (r == 0) {
		if ((instruction->tags & T(LAST)) == 0)
			(void)buf_span(&block, buf_get(&field));
		(void)buf_span(&block, fields);
		if ((instruction->tags & T(LAST)) != 0) {
			if (fields.len != 0 && fields.ptr[fields.len - 1] != '\n')
				(void)buf_str(&block, "\r\n");
			(void)buf_span(&block, buf_get(&field));
		}
		(void)buf_span(&block, end);
		run_trace(run, "addheader \"%.*s\"", (int)name.len, name.ptr);
		r = put_header(run, &block);
	} else {
		r = run_error(run, "addheader: the value is too long for a header field");
	}
	buf_free(&field);
	return r;
}

static bool
is_wanted(struct matcher *matcher, bool patterns, struct span value)
{
	if (!patterns)
		return true;
	matcher->found = false;
	matcher->counted = 0;
	(void)matcher_value(matcher, run_decode_field(matcher->run, value));
	return matcher->match.type == MATCH_COUNT ? matcher_end(matcher) == 0 && matcher->found : matcher->found;
}

static uint64_t
count_fields(struct span block, struct span name)
{
	struct header_iter iter;
	struct header_field field;
	uint64_t count = 0;

	header_begin(&iter, block);
	while (header_next(&iter, &field))
		count += span_ieq(field.name, name);
	return count;
}

int
run_deleteheader(struct run *run, const struct instruction *instruction)
{
	struct span name = run_string(run, &instruction->positional[0]), end, fields = fields_of(run_header(run), &end);
	bool patterns = instruction->positional[1].present;
	uint64_t index = (instruction->tags & T(INDEX)) != 0 ? instruction->tagged[TAG_INDEX].number : 0, number = 0, deleted = 0, count;
	struct buf block = BUF_INIT(HEADER_MAX);
	struct header_iter iter;
	struct header_field field;
	struct matcher matcher;
	int r = matcher_begin(&matcher, run, instruction, &instruction->positional[1]);

	if (r == 0 && !header_name_is_valid(name))
		r = run_error(run, "deleteheader: \"%.*s\" is no name of a header field", (int)(name.len < 60 ? name.len : 60), name.ptr);
	if (r != 0 || field_is_protected(name))
		return r;
	if (run_spend(run, fields.len / 8) != 0)
		return -EINVAL;
	matcher.captures = false;
	count = count_fields(fields, name);
	if ((instruction->tags & T(LAST)) != 0)
		index = index <= count ? count - index + 1 : UINT64_MAX;
	header_begin(&iter, fields);
	while (header_next(&iter, &field)) {
		bool named = span_ieq(field.name, name);

		number += named;
		if (named && (index == 0 || number == index) && is_wanted(&matcher, patterns, field.value))
			deleted++;
		else
			(void)buf_span(&block, field.whole);
	}
	(void)buf_span(&block, end);
	run_trace(run, "deleteheader \"%.*s\": %llu", (int)name.len, name.ptr, (unsigned long long)deleted);
	if (deleted != 0)
		return put_header(run, &block);
	buf_free(&block);
	return 0;
}
