/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A message against FETCH items and a SEARCH program: the first line is the items, the second the program, the rest the message.
 * Each section must be of exactly the octets that its size announces. */
#include <stdlib.h>

#include "common/crlf.h"
#include "common/xalloc.h"
#include "imapd/fetch_section.h"
#include "imapd/imap_parse.h"
#include "imapd/search_keys.h"
#include "libmailstore/ms_search_match.h"

#define FIELDS_MAX (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
show(struct span text, struct buf *out)
{
	struct crlf crlf;

	buf_clear(out);
	crlf_begin(&crlf, text, 0, UINT64_MAX);
	while (crlf_take(&crlf, 7, out) > 0)
		continue;
	if (out->len != crlf_size(text))
		abort();
}

static void
fetch(struct span line, struct fetch_message *message, struct imap_arena *arena)
{
	char *copy = xmemdup(line.ptr, line.len);
	struct imap_parser parser = { .at = copy, .end = copy + line.len, .arena = arena };
	struct buf fields = BUF_INIT(FIELDS_MAX), out = BUF_INIT(2 * FIELDS_MAX);
	struct imap_fetch_item *item = NULL;
	struct span text;

	if (imap_parse_fetch_items(&parser, &item))
		for (; item != NULL; item = item->next) {
			buf_clear(&fields);
			buf_clear(&out);
			fetch_section_name(item, &out);
			if (item->kind == IMAP_FETCH_SECTION && fetch_section_find(message, &item->section, &fields, &text))
				show(text, &out);
		}
	buf_free(&fields);
	buf_free(&out);
	free(copy);
}

static void
search(struct span line, const struct fetch_message *message, struct imap_arena *arena)
{
	char *copy = xmemdup(line.ptr, line.len);
	struct imap_parser parser = { .at = copy, .end = copy + line.len, .arena = arena };
	struct imap_command command = { 0 };
	struct imap_view view = { 0 };
	struct ms_message record = { .uid = 1 };
	const struct ms_search_key *keys;
	struct ms_match *match;

	if (imap_parse_search_program(&parser, &command) && search_keys_make(command.search, &view, 0, arena, &keys) == 0) {
		match = ms_match_new(keys);
		(void)ms_match_bytes(match, &record, message->bytes);
		ms_match_free(match);
	}
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct imap_arena arena = { .max = 1 << 18 };
	struct span rest = span_make(data, size), items, program;
	struct fetch_message message = { 0 };
	char *bytes;

	if (size > 65536 || !span_split(&rest, '\n', &items) || !span_split(&rest, '\n', &program))
		return 0;
	bytes = xmemdup(rest.ptr != NULL ? rest.ptr : "", rest.len);
	message.bytes = span_make(bytes, rest.len);
	fetch(items, &message, &arena);
	search(program, &message, &arena);
	fetch(items, &message, &arena); /* now with its parts known */
	fetch_message_clear(&message);
	imap_arena_free(&arena);
	free(bytes);
	return 0;
}
