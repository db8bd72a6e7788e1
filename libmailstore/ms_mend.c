/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Mending the index where it is damaged, record by record, and leaving the rest: what only the index knows stays. Daemons do it when they
 * meet what is damaged, mailstore(8) when it is told to. */
#include <stdlib.h>

#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"
#include "libmailstore/ms_text_index.h"

struct numbers {
	uint32_t *list;
	size_t count;
};

static int
collect(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct numbers *numbers = context;

	(void)value, (void)len;
	if (key_len != 4)
		return 0; /* nobody's: ms_tables takes it away */
	numbers->list = xreallocarray(numbers->list, numbers->count + 1, sizeof(*numbers->list));
	numbers->list[numbers->count++] = ms_key_get_u32(key);
	return 0;
}

static int
read_numbers(struct bdb *bdb, void *context)
{
	((struct numbers *)context)->count = 0;
	return ms_bdb(bdb_scan(bdb, NULL, T_MAILBOX, "", 0, 0, collect, context));
}

static int
mend_mailboxes(struct ms_store *store)
{
	struct numbers numbers = { .list = NULL };
	int r = ms_read(store, read_numbers, &numbers);

	for (size_t i = 0; r == 0 && i < numbers.count; i++) {
		struct ms_mailbox_record record = { .name = NULL };

		r = ms_mailbox_reload(store, numbers.list[i], &record);
		if (r == 0)
			r = ms_sync_mend(store, numbers.list[i], &record);
		/* Removed by another program a moment ago: the next look at the Maildir finds that. */
		if (r == MS_E_NOTFOUND || r == MS_E_STALE)
			r = 0;
		if (record.name != NULL && ms_folder_is_shut(store, record.name, r)) {
			ms_tell(store, MS_FAULT_SHUT, record.name, 0, NULL);
			r = 0;
		}
		ms_mailbox_record_clear(&record);
	}
	free(numbers.list);
	return r;
}

int
ms_mend(struct ms_store *store)
{
	unsigned generation = store->generation;
	int r = store->mending ? MS_BDB(MS_DAMAGED) : ms_lock(store);

	if (r != 0)
		return r;
	store->mending = true;
	/* Lists first: taking in messages writes to them. */
	r = ms_tables(store, true);
	if (r == 0)
		r = ms_sync_mailboxes(store);
	if (r == 0)
		r = mend_mailboxes(store);
	/* What hung on the records that were made again. */
	if (r == 0)
		r = ms_tables(store, true);
	store->mending = false;
	store->has_floor = false;
	/* All was made anew on the way: nothing is left to mend. */
	if (r == MS_AGAIN && generation != store->generation)
		r = 0;
	/* Whoever planned with what was damaged plans again. */
	store->generation++;
	ms_unlock(store);
	return r == MS_AGAIN ? MS_BDB(MS_DAMAGED) : r;
}

int
ms_repair(struct ms_store *store, ms_fault_fn fault, void *context)
{
	ms_fault_fn before = store->fault;
	void *before_context = store->fault_context;
	int r = ms_lock(store);

	if (r != 0)
		return r;
	store->fault = fault;
	store->fault_context = context;
	/* Each mailbox is held against its folder's file, as after a crash. */
	store->doubt = true;
	r = ms_ensure(store);
	if (r == 0)
		r = ms_mend(store);
	if (r == 0)
		r = ms_text_check(store, true);
	store->doubt = false;
	store->fault = before;
	store->fault_context = before_context;
	ms_unlock(store);
	return r >= MS_BDB(0) ? ms_rebuild(store) : r;
}
