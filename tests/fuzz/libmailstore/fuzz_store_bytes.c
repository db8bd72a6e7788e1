/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What the store reads from disk: file names, folder files, records of the index. Any bytes are taken or refused; what is taken
 * is written back so that it reads the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "libmailstore/ms_arrival.h"
#include "libmailstore/ms_folder.h"
#include "libmailstore/ms_cache.h"
#include "libmailstore/ms_fields.h"
#include "libmailstore/ms_pairs.h"
#include "libmailstore/ms_row.h"
#include "libmailstore/ms_internal.h"
#include "libmailstore/ms_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
name(struct span bytes)
{
	struct buf out = BUF_INIT(4096);
	struct ms_name parsed, again;

	if (ms_name_parse(bytes, &parsed) && ms_name_format(&parsed, true, &out) == 0 && out.len <= MS_NAME_MAX) {
		if (!ms_name_parse(buf_get(&out), &again) || again.uid != parsed.uid || again.flags != parsed.flags || again.letters != parsed.letters ||
		    !span_eq(again.unique, parsed.unique) || ms_name_email_id(parsed.unique) == 0)
			abort();
	}
	buf_free(&out);
}

static void
folder(struct span bytes)
{
	struct buf out = BUF_INIT(MS_FOLDER_TEXT_MAX), twice = BUF_INIT(MS_FOLDER_TEXT_MAX);
	struct ms_folder parsed, again;

	if (ms_folder_parse(bytes, &parsed) == 0) {
		ms_folder_format(&parsed, &out);
		if (out.overflow || ms_folder_parse(buf_get(&out), &again) != 0)
			abort();
		ms_folder_format(&again, &twice);
		if (!span_eq(buf_get(&out), buf_get(&twice)))
			abort();
		ms_folder_clear(&parsed);
		ms_folder_clear(&again);
	}
	buf_free(&out);
	buf_free(&twice);
}

static void
mailbox_name(struct span bytes)
{
	struct buf name = BUF_INIT(4096), back = BUF_INIT(4096);
	char *text;

	if (ms_folder_to_name(bytes, &name) == 0) {
		text = buf_take(&name);
		if (strstr(text, "..") != NULL || text[0] == '/' || ms_mailbox_folder_name(text, &back) != 0 || !span_eq(buf_get(&back), bytes))
			abort();
		free(text);
	}
	buf_free(&name);
	buf_free(&back);
}

/* Packed again, it says the same. */
static void
cache(struct span bytes)
{
	struct buf unpacked = BUF_INIT(MS_CACHE_UNPACKED_MAX + 1), record = BUF_INIT(MS_CACHE_RECORD_MAX), again = BUF_INIT(MS_CACHE_UNPACKED_MAX + 1);
	struct ms_cache_member members[64];
	size_t count = 0;

	if (ms_cache_unpack(bytes, 70000, &unpacked) == 0) {
		for (struct span rest = buf_get(&unpacked); count < 64 && ms_cache_next(&rest, &members[count]); count++)
			continue;
		ms_cache_pack(members, count, &record);
		if (ms_cache_unpack(buf_get(&record), members[count - 1].uid, &again) != 0 || !span_starts(buf_get(&unpacked), buf_get(&again)))
			abort();
	}
	buf_free(&unpacked);
	buf_free(&record);
	buf_free(&again);
}

/* The same when put again. */
static void
messages(struct span bytes)
{
	struct buf sealed = BUF_INIT(65536), again = BUF_INIT(65536), more = BUF_INIT(65536);
	struct ms_message_record record;
	static struct ms_row row;

	(void)buf_char(&sealed, MS_VERSION_BYTE);
	(void)buf_span(&sealed, bytes);
	ms_seal(&sealed, 0);
	if (ms_row_get(buf_get(&sealed), 3, &row) == 0) {
		for (unsigned i = 0; i < row.count; i++)
			if (!row.list[i].lost)
				(void)ms_entry_get(&row.list[i], 7, &record);
		ms_row_put(&row, 3, &again);
		if (ms_row_get(buf_get(&again), 3, &row) != 0)
			abort();
		ms_row_put(&row, 3, &more);
		if (!span_eq(buf_get(&again), buf_get(&more)))
			abort();
	}
	buf_free(&sealed);
	buf_free(&again);
	buf_free(&more);
}

/* Sealed, with its length. */
static void
arrival(struct span bytes)
{
	struct buf sealed = BUF_INIT(65536), again = BUF_INIT(65536);
	struct ms_arrival got;
	struct span rest;

	ms_put_u32(&sealed, (uint32_t)bytes.len + 5);
	(void)buf_char(&sealed, MS_VERSION_BYTE);
	(void)buf_span(&sealed, bytes);
	ms_seal(&sealed, 4);
	rest = buf_get(&sealed);
	if (ms_arrival_get(&rest, &got) == 0) {
		ms_arrival_put(&got, &again);
		if (rest.len != 0 || !span_eq(buf_get(&sealed), buf_get(&again)))
			abort();
	}
	rest = bytes;
	(void)ms_arrival_get(&rest, &got);
	buf_free(&sealed);
	buf_free(&again);
}

/* Sealed, so that more than the checksum is tried: in order, and the same when put again. */
static void
pairs(struct span bytes)
{
	struct buf sealed = BUF_INIT(65536), again = BUF_INIT(65536);
	const struct ms_pair first = { 7, 9 };
	struct ms_pairs got;

	(void)buf_char(&sealed, MS_VERSION_BYTE);
	(void)buf_span(&sealed, bytes);
	ms_seal(&sealed, 0);
	for (int near = MS_NEAR_LAST; near <= MS_NEAR_OWN; near++) {
		if (ms_pairs_get(buf_get(&sealed), &first, (enum ms_pairs_near)near, &got) != 0)
			continue;
		for (size_t i = 0; i < got.count; i++)
			if (ms_pair_compare(&got.list[i], i != 0 ? &got.list[i - 1] : &first) < (i != 0))
				abort();
		ms_pairs_put(got.list, got.count, &first, (enum ms_pairs_near)near, &again);
		if (ms_pairs_get(buf_get(&again), &first, (enum ms_pairs_near)near, &got) != 0)
			abort();
		buf_clear(&again);
	}
	buf_free(&sealed);
	buf_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span bytes = span_make(data, size), text;
	struct ms_mailbox_record mailbox;

	if (size == 0 || size > 20000)
		return 0;
	name(bytes);
	folder(bytes);
	mailbox_name(bytes);
	if (ms_mailbox_record_get(bytes, &mailbox) == 0)
		ms_mailbox_record_clear(&mailbox);
	messages(bytes);
	for (int what = MS_ENVELOPE; what <= MS_PREVIEW; what++)
		if (ms_cache_text(bytes, (enum ms_cached)what, &text) == 0 && text.len > size)
			abort();
	cache(bytes);
	pairs(bytes);
	arrival(bytes);
	return 0;
}
