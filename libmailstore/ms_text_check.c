/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Holding the records of the text index against each other. All of it follows from the messages, and each record counts in many searches: where
 * one is wrong, the whole is made anew. */
#include <stdlib.h>

#include "common/xalloc.h"
#include "libmailstore/ms_postings.h"
#include "libmailstore/ms_text_group.h"
#include "libmailstore/ms_text_index.h"

struct check {
	struct ms_text_state state;
	uint64_t *emails; /* by document */
	size_t count, room, led; /* documents; how many their emails lead to */
	uint8_t group[MS_TEXT_GROUP_KEY];
	uint64_t owns; /* of that group: places whose own records are still to come */
	bool damaged;
};

/* The grams of a group, in order; where their documents are here, these can be read. */
static bool
take_group(struct check *check, const uint8_t key[MS_TEXT_GROUP_KEY], struct span bytes)
{
	struct ms_text_gram gram;
	int last = -1, r;

	memcpy(check->group, key, sizeof(check->group));
	while ((r = ms_text_group_next(&bytes, last, &gram)) == 0) {
		uint8_t map[MS_POSTINGS_BYTES] = { 0 };

		last = (int)gram.place;
		if (gram.how == MS_TEXT_OWN)
			check->owns |= UINT64_C(1) << gram.place;
		else if (ms_text_gram_get(&gram, map) != 0)
			return false;
	}
	return r == MS_E_NOTFOUND;
}

/* A record that its group does not know is nobody's, of a process that died; one that it knows must not be missing. */
static bool
take_own(struct check *check, const uint8_t key[MS_TEXT_OWN_KEY], struct span bytes)
{
	uint8_t map[MS_POSTINGS_BYTES] = { 0 };
	unsigned place = key[MS_TEXT_GROUP_KEY];

	if (place < MS_TEXT_GROUP_EACH && memcmp(key, check->group, sizeof(check->group)) == 0)
		check->owns &= ~(UINT64_C(1) << place);
	return place < MS_TEXT_GROUP_EACH && ms_postings_get(bytes, map) == 0;
}

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

/* Documents come before the emails, by their keys, and a group before what its grams have of their own. */
static int
look_at_record(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct check *check = context;
	bool good = false;

	if (key_len == MS_TEXT_OWN_KEY && key[0] == 'g')
		good = take_own(check, key, span_make((const char *)value, len));
	else if (check->owns != 0)
		good = false;
	else if (key_len == MS_TEXT_GROUP_KEY && key[0] == 'g')
		good = take_group(check, key, span_make((const char *)value, len));
	else if (key_len == 5 && key[0] == 'd' && len == 8)
		good = take_document(check, ms_key_get_u32(key + 1), ms_key_get_u64(value));
	else if (key_len == 9 && key[0] == 'e' && len == 4)
		good = take_email(check, ms_key_get_u64(key + 1), ms_key_get_u32(value));
	else if (key_len == MS_TEXT_UNREAD_KEY && key[0] == 'x')
		good = len == 8;
	check->damaged = !good;
	return check->damaged;
}

static int
read_index(struct bdb *bdb, void *context)
{
	struct check *check = context;
	int r = ms_text_state(bdb, NULL, &check->state);

	check->count = check->led = 0;
	check->owns = 0;
	check->damaged = false;
	/* A number of it that is damaged is told of by ms_tables. */
	if (r != 0 || !check->state.usable)
		return r == MS_BDB(MS_DAMAGED) ? 0 : r;
	r = bdb_scan(bdb, NULL, T_TEXT, "", 0, 0, look_at_record, check);
	check->damaged = check->damaged || check->count != check->state.documents || check->led != check->count || check->owns != 0;
	return r == 1 ? 0 : ms_bdb(r);
}

int
ms_text_discard(struct ms_txn *txn, void *context)
{
	(void)context;
	return ms_text_note_clearing(txn, true);
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
