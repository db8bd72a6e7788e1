/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Keywords: dovecot-keywords ("0 $Label1": the letter a) and courierimapkeywords/:list (a keyword in each line, an empty line, then
 * "file:0 3 7", the numbers being those of the lines). */
#include <stdlib.h>

#include "common/xalloc.h"
#include "libmailstore/ms_import.h"

size_t
ms_import_letters_parse(struct span text, struct span ret[static MS_IMPORT_LETTERS])
{
	struct span line, number;
	size_t skipped = 0;
	uint64_t n;

	for (size_t i = 0; i < MS_IMPORT_LETTERS; i++)
		ret[i] = SPAN_NULL;
	while (span_split(&text, '\n', &line)) {
		if (line.len == 0)
			continue;
		(void)span_split(&line, ' ', &number);
		if (span_to_u64(number, MS_IMPORT_LETTERS - 1, &n) != 0 || line.len == 0)
			skipped++;
		else
			ret[n] = line;
	}
	return skipped;
}

/* The keywords of one file, by their numbers. */
static size_t
put_numbers(struct span file, struct span numbers, const struct span *keywords, size_t count, ms_import_keyword_fn each, void *context)
{
	struct span number;
	size_t skipped = 0;
	uint64_t n;

	while (span_split(&numbers, ' ', &number)) {
		if (number.len == 0)
			continue;
		if (span_to_u64(number, MS_IMPORT_KEYWORDS_MAX, &n) != 0 || n >= count)
			skipped++;
		else
			each(context, file, keywords[n]);
	}
	return skipped;
}

size_t
ms_import_keyword_list_parse(struct span text, ms_import_keyword_fn each, void *context)
{
	struct span *keywords = xcalloc(MS_IMPORT_KEYWORDS_MAX, sizeof(*keywords)), line;
	size_t count = 0, skipped = 0;

	while (span_split(&text, '\n', &line) && line.len != 0) {
		if (count < MS_IMPORT_KEYWORDS_MAX)
			keywords[count++] = line;
		else
			skipped++;
	}
	while (span_split(&text, '\n', &line)) {
		ptrdiff_t colon = span_chr(line, ':');

		if (line.len == 0)
			continue;
		if (colon <= 0)
			skipped++;
		else
			skipped += put_numbers(span_make(line.ptr, (size_t)colon), span_skip(line, (size_t)colon + 1), keywords, count, each, context);
	}
	free(keywords);
	return skipped;
}

bool
ms_import_keyword_file(struct span name, struct span *ret_file, uint64_t *ret_order)
{
	if (name.len == 0 || name.ptr[0] == ':' || span_chr(name, '/') >= 0)
		return false;
	if (name.ptr[0] != '.') {
		*ret_order = UINT64_MAX;
		*ret_file = name;
		return true;
	}
	name = span_skip(name, 1);
	if (span_take_u64(&name, UINT64_MAX - 1, ret_order) != 0 || name.len < 2 || name.ptr[0] != '.' || name.ptr[1] == '.')
		return false;
	*ret_file = span_skip(name, 1);
	return true;
}
