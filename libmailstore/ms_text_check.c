/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Holding the records of the text index against each other. All of it follows from the messages, and each record counts in many searches: where
 * one is wrong, the whole is made anew. */
#include <stdlib.h>

#include "common/xalloc.h"
#include "libmailstore/ms_postings.h"
#include "libmailstore/ms_text_index.h"

struct check {
	struct ms_text_state state;
	uint64_t *emails; /* by document */
	size_t count, room, led; /* documents; how many their emails lead to */
	bool damaged;
};

/* In order, without a gap. */
static bool
take_document(struct check *check, uint32_t document, uint64_t email)
{
	if (document != check->count || document >= check->state.documents)
		return false;
	if (check->count == check->room) {
		check->room = check->room != 0 ? check->room * 2 : 256;
		check->emails = xreallocarray(check->emails, check->room, sizeof(*check->emails));
	}
	check->emails[check->count++] = email;
	return true;
}

static bool
take_email(struct check *check, uint64_t email, uint32_t document)
{
	check->led++;
	return document < check->count && check->emails[document] == email;
}

/* Documents come before the emails, by their keys. */
static int
look_at_record(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	uint8_t map[MS_POSTINGS_BYTES] = { 0 };
	struct check *check = context;
	bool good = false;

	if (key_len == 5 && key[0] == 'd' && len == 8)
		good = take_document(check, ms_key_get_u32(key + 1), ms_key_get_u64(value));
	else if (key_len == 9 && key[0] == 'e' && len == 4)
		good = take_email(check, ms_key_get_u64(key + 1), ms_key_get_u32(value));
	else if (key_len == MS_TEXT_POSTING_KEY && key[0] == 'p')
		good = ms_postings_get(span_make((const char *)value, len), map) == 0;
	check->damaged = !good;
	return check->damaged;
}

static int
read_index(struct bdb *bdb, void *context)
{
	struct check *check = context;
	int r = ms_text_state(bdb, NULL, &check->state);

	check->count = check->led = 0;
	check->damaged = false;
	/* A number of it that is damaged is told of by ms_tables. */
	if (r != 0 || !check->state.usable)
		return r == MS_BDB(MS_DAMAGED) ? 0 : r;
	r = bdb_scan(bdb, NULL, T_TEXT, "", 0, 0, look_at_record, check);
	check->damaged = check->damaged || check->count != check->state.documents || check->led != check->count;
	return r == 1 ? 0 : ms_bdb(r);
}

int
ms_text_discard(struct ms_txn *txn, void *context)
{
	(void)context;
	return ms_bdb(ms_meta_put(txn, MS_TEXT_CLEAR, 1));
}

int
ms_text_check(struct ms_store *store, bool mend)
{
	struct check check = { .emails = NULL };
	int r = ms_read(store, read_index, &check);

	if (r == 0 && check.damaged) {
		ms_tell(store, MS_FAULT_TEXT, NULL, 0, NULL);
		if (mend)
			r = ms_run(store, ms_text_discard, NULL);
	}
	free(check.emails);
	return r;
}
