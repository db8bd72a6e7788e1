/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One command through the parser, in a copy of exactly its size so that a step too far is seen, then its set against a view. */
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "imapd/imap_state.h"
#include "imapd/imap_view_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
resolve(const struct imap_set *set)
{
	struct imap_view view = { 0 };
	struct imap_span_list list;
	uint32_t uid;
	size_t i;

	for (uid = 1; uid < 40; uid += uid % 3 + 1)
		(void)imap_view_add(&view, uid, 0);
	for (i = 0; i < 2; i++) {
		size_t span;

		if (imap_view_resolve(&view, set, i == 1, &list) != 0)
			continue;
		for (span = 0; span < list.count; span++)
			if (list.span[span].first == 0 || list.span[span].last > view.count ||
			    list.span[span].first > list.span[span].last ||
			    (span > 0 && list.span[span].first <= list.span[span - 1].last))
				abort();
		free(list.span);
	}
	imap_view_free(&view);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct imap_arena arena = { .max = 1 << 20 };
	struct imap_place place;
	struct imap_command command;
	struct imap_parser parser;
	char *copy;

	if (size < 1 || size > 65536)
		return 0;
	place = (struct imap_place){ .selected = (data[0] & 1) != 0, .read_only = (data[0] & 2) != 0 };
	copy = xmalloc(size);
	memcpy(copy, data + 1, size - 1);
	parser = (struct imap_parser){ .at = copy, .end = copy + size - 1, .arena = &arena };
	switch (imap_understand(&parser, &place, &command)) {
	case IMAP_UNDERSTOOD:
		resolve(&command.set);
		break;
	case IMAP_MALFORMED:
		if (parser.error == NULL)
			abort();
		break;
	default:
		break;
	}
	imap_arena_free(&arena);
	free(copy);
	return 0;
}
