/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Lists of UIDs: dovecot-uidlist and courierimapuiddb. A header, then a line for each message:
 *   3 V<uidvalidity> N<uidnext> ...    <uid> [<letter><value> ...] :<file>     (Dovecot since 1.1)
 *   1 <uidvalidity> <uidnext>          <uid> <file>                            (Courier, Dovecot before) */
#include <stdlib.h>

#include "common/xalloc.h"
#include "libmailstore/mailstore.h"
#include "libmailstore/ms_import.h"

void
ms_import_uids_clear(struct ms_import_uids *uids)
{
	free(uids->list);
	*uids = (struct ms_import_uids){ .list = NULL };
}

static bool
take_number(struct span *line, uint32_t *ret)
{
	struct span word;
	uint64_t value;

	if (!span_split(line, ' ', &word) || span_to_u64(word, UINT32_MAX, &value) != 0 || value == 0)
		return false;
	*ret = (uint32_t)value;
	return true;
}

static bool
parse_header(struct span line, struct ms_import_uids *uids, bool *ret_dovecot)
{
	struct span word;
	uint64_t value;

	line = span_trim(line);
	(void)span_split(&line, ' ', &word);
	*ret_dovecot = span_eq(word, SPAN("3"));
	if (span_eq(word, SPAN("1")))
		return take_number(&line, &uids->uidvalidity) && take_number(&line, &uids->uidnext);
	if (!*ret_dovecot)
		return false;
	while (span_split(&line, ' ', &word))
		if (word.len > 1 && span_to_u64(span_skip(word, 1), UINT32_MAX, &value) == 0) {
			if (word.ptr[0] == 'V')
				uids->uidvalidity = (uint32_t)value;
			else if (word.ptr[0] == 'N')
				uids->uidnext = (uint32_t)value;
		}
	return uids->uidvalidity != 0 && uids->uidnext != 0;
}

/* The file's name without the flags: they are those of a time gone by. */
static bool
parse_file(struct span file, struct ms_import_uid *ret)
{
	ptrdiff_t end;

	if (file.len == 0 || file.ptr[0] == '.' || span_chr(file, '/') >= 0)
		return false;
	end = span_chr(file, ':');
	ret->base = end >= 0 ? span_make(file.ptr, (size_t)end) : file;
	end = span_chr(ret->base, ',');
	ret->unique = end >= 0 ? span_make(file.ptr, (size_t)end) : ret->base;
	return ret->unique.len != 0;
}

static bool
parse_line(struct span line, bool dovecot, struct ms_import_uid *ret)
{
	ptrdiff_t colon;

	/* The highest number is no UID: the next one could not be told. */
	if (!take_number(&line, &ret->uid) || ret->uid == UINT32_MAX)
		return false;
	if (!dovecot)
		return parse_file(line, ret);
	/* Fields, each a letter and a value without a space, come before the ':' of the name. */
	while (line.len != 0 && line.ptr[0] != ':') {
		colon = span_chr(line, ' ');
		if (colon < 0)
			return false;
		line = span_skip(line, (size_t)colon + 1);
	}
	return line.len != 0 && parse_file(span_skip(line, 1), ret);
}

static int
compare(const void *a, const void *b)
{
	const struct ms_import_uid *x = a, *y = b;
	int order = span_compare(x->unique, y->unique);

	return order != 0 ? order : (x->uid > y->uid) - (x->uid < y->uid);
}

int
ms_import_uids_parse(struct span text, struct ms_import_uids *ret)
{
	struct span line;
	bool dovecot;

	*ret = (struct ms_import_uids){ .list = NULL };
	if (!span_split(&text, '\n', &line) || !parse_header(line, ret, &dovecot))
		return MS_E_CORRUPT;
	while (span_split(&text, '\n', &line)) {
		struct ms_import_uid uid;

		if (line.len == 0)
			continue;
		if (!parse_line(line, dovecot, &uid)) {
			ret->skipped++;
			continue;
		}
		if (ret->count == ret->room) {
			ret->room = ret->room != 0 ? ret->room * 2 : 64;
			ret->list = xreallocarray(ret->list, ret->room, sizeof(*ret->list));
		}
		ret->list[ret->count++] = uid;
		if (uid.uid >= ret->uidnext)
			ret->uidnext = uid.uid + 1;
	}
	if (ret->count != 0)
		qsort(ret->list, ret->count, sizeof(*ret->list), compare);
	return 0;
}

size_t
ms_import_uids_find(const struct ms_import_uids *uids, struct span unique)
{
	size_t low = 0, high = uids->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (span_compare(uids->list[middle].unique, unique) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
