/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Variables and the modifiers of their values. */
#include "sieve/variables.h"

#include <errno.h>
#include <stdlib.h>

#include "common/text_fold.h"
#include "common/xalloc.h"
#include "sieve/sieve.h"
#include "sieve/table.h"

void
variables_free(struct variables *variables)
{
	for (size_t i = 0; i < variables->count; i++) {
		free((void *)(uintptr_t)variables->items[i].name.ptr);
		free((void *)(uintptr_t)variables->items[i].value.ptr);
	}
	free(variables->items);
	*variables = (struct variables){ NULL, 0, 0 };
}

static struct variable *
find(const struct variables *variables, struct span name)
{
	for (size_t i = 0; i < variables->count; i++)
		if (span_ieq(variables->items[i].name, name))
			return &variables->items[i];
	return NULL;
}

const struct span *
variables_get(const struct variables *variables, struct span name)
{
	const struct variable *variable = find(variables, name);

	return variable != NULL ? &variable->value : NULL;
}

int
variables_set(struct variables *variables, struct span name, struct span value)
{
	struct variable *variable = find(variables, name);
	char *copy;

	if (variable == NULL) {
		if (variables->count == SIEVE_VARIABLES_MAX)
			return -EMSGSIZE;
		if (variables->items == NULL) {
			variables->items = xcalloc(SIEVE_VARIABLES_MAX, sizeof(*variables->items));
			variables->bytes += SIEVE_VARIABLES_MAX * sizeof(*variables->items);
		}
		variable = &variables->items[variables->count++];
		variable->name = span_make(span_dup(name), name.len);
		variables->bytes += name.len;
	}
	if (value.len > SIEVE_STRING_MAX) {
		value.len = SIEVE_STRING_MAX;
		while (value.len != 0 && ((unsigned char)value.ptr[value.len] & 0xc0) == 0x80)
			value.len--;
	}
	copy = span_dup(value); /* before the former one goes: it may be the same */
	free((void *)(uintptr_t)variable->value.ptr);
	variables->bytes += value.len - variable->value.len;
	variable->value = span_make(copy, value.len);
	return 0;
}

/* --- modifiers, the one of the highest precedence first --- */

static void
put_cased(uint64_t tags, struct span value, struct buf *out)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];

		if ((tags & T(LOWER)) != 0)
			c = ascii_lower(c);
		else if ((tags & T(UPPER)) != 0)
			c = ascii_upper(c);
		if (i == 0 && (tags & T(LOWERFIRST)) != 0)
			c = ascii_lower(c);
		else if (i == 0 && (tags & T(UPPERFIRST)) != 0)
			c = ascii_upper(c);
		if ((tags & T(QUOTEWILDCARD)) != 0 && (c == '*' || c == '?' || c == '\\'))
			(void)buf_char(out, '\\');
		(void)buf_char(out, c);
	}
}

/* RFC 3986 section 2.1: all but unreserved characters. */
static void
put_encoded_url(struct span value, struct buf *out)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];

		if (ascii_is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~')
			(void)buf_char(out, c);
		else
			(void)buf_put(out, (char[]){ '%', digits[(uint8_t)c >> 4], digits[(uint8_t)c & 15] }, 3);
	}
}

void
variables_modify(uint64_t tags, struct span value, struct buf *out)
{
	struct buf cased = BUF_INIT(2 * SIEVE_STRING_MAX), encoded = BUF_INIT(6 * SIEVE_STRING_MAX);
	struct span rest;
	uint64_t characters = 0;

	put_cased(tags, value, &cased);
	if ((tags & T(ENCODEURL)) != 0)
		put_encoded_url(buf_get(&cased), &encoded);
	rest = buf_get((tags & T(ENCODEURL)) != 0 ? &encoded : &cased);
	if ((tags & T(LENGTH)) == 0) {
		(void)buf_span(out, rest);
	} else {
		for (; rest.len != 0; characters++)
			(void)span_take(&rest, text_character(rest));
		(void)buf_u64(out, characters);
	}
	buf_free(&cased);
	buf_free(&encoded);
}
