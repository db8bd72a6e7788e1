/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Names of files follow flags that were promised without them (ms_flag_many.c): some at a time, the lowest UIDs first, each renamed once
 * for all that waits for it. Names are synced before the folder's file is written without them, and that before the commit. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"
#include "libmailstore/ms_listing.h"

struct follow {
	struct ms_store *store;
	uint32_t mailbox;
	int folder_fd;
	bool more;
};

static int
follow_one(struct ms_txn *txn, struct follow *follow, const struct ms_pending_list *pending, uint32_t uid, struct ms_touch *touch,
    struct ms_renames *renames)
{
	struct ms_message_record before, after;
	bool renamed = false;
	int r = ms_message_load_named(txn, follow->mailbox, uid, &before);

	if (r == MS_E_NOTFOUND)
		return 0; /* expunged meanwhile */
	if (r != 0)
		return r;
	after = before;
	(void)ms_pending_apply(pending, &after.message);
	r = ms_rename_message(follow->folder_fd, follow->mailbox, &before, &after, &renamed);
	if (renamed) {
		touch->sides[0].ours += 2;
		ms_renames_note(renames, xasprintf("%s/%s", before.in_cur ? "cur" : "new", before.name), xasprintf("cur/%s", after.name));
	}
	if (r == MS_E_LIMIT) {
		/* No room in it for anything of ours: as with its UID, the index alone knows. */
		(void)snprintf(after.name, sizeof(after.name), "%s", before.name);
		after.in_cur = before.in_cur;
		r = 0;
	}
	return r == 0 ? ms_message_follow(txn, follow->mailbox, &before, &after) : r;
}

/* The lowest of those that wait, at most follow_max of one block; `done` has them. */
static int
follow_block(struct ms_txn *txn, struct follow *follow, const struct ms_pending_list *pending, struct ms_touch *touch,
    struct ms_renames *renames, uint8_t done[MS_UIDS_BYTES])
{
	uint32_t base = pending->list[0].n * MS_UIDS_EACH;
	size_t count = 0;
	int r = 0;

	for (uint32_t bit = 0; r == 0 && bit < MS_UIDS_EACH && count < follow->store->follow_max; bit++) {
		bool waits = false;

		for (size_t i = 0; i < pending->count && pending->list[i].n == pending->list[0].n; i++)
			waits = waits || ms_pending_has(pending->list[i].map, bit);
		if (!waits)
			continue;
		r = follow_one(txn, follow, pending, base + bit, touch, renames);
		done[bit / 8] = (uint8_t)(done[bit / 8] | 1u << bit % 8);
		count++;
	}
	return r;
}

static int
take_off(struct ms_txn *txn, uint32_t mailbox, struct ms_pending_list *pending, const uint8_t done[MS_UIDS_BYTES])
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < pending->count && pending->list[i].n == pending->list[0].n; i++) {
		for (size_t k = 0; k < MS_UIDS_BYTES; k++)
			pending->list[i].map[k] = (uint8_t)(pending->list[i].map[k] & ~done[k]);
		r = ms_pending_put(txn, mailbox, &pending->list[i]);
	}
	return r;
}

static int
follow_some(struct ms_txn *txn, void *context)
{
	struct follow *follow = context;
	struct ms_pending_list pending = { .list = NULL };
	uint8_t done[MS_UIDS_BYTES] = { 0 };
	struct ms_mailbox_record record;
	struct ms_renames renames = { .list = NULL };
	struct ms_touch touch;
	int r = ms_mailbox_load(txn, follow->mailbox, &record);

	follow->more = false;
	if (r != 0)
		return r;
	r = ms_pending_read(txn->bdb, txn->txn, follow->mailbox, 0, UINT32_MAX, &pending);
	if (r == 0 && pending.count != 0) {
		ms_touch_begin(&touch, txn->store);
		ms_touch_add(&touch, follow->folder_fd, &record);
		r = follow_block(txn, follow, &pending, &touch, &renames, done);
		ms_touch_end(&touch);
		if (r == 0)
			r = ms_folder_fsync(follow->folder_fd, true);
		/* From here on the names are on the disk, and the file is written without them. */
		if (r != 0)
			ms_renames_take_back(&renames, follow->folder_fd);
		ms_renames_clear(&renames);
		if (r == 0)
			r = take_off(txn, follow->mailbox, &pending, done);
		if (r == 0)
			ms_touch_note(&touch, 0, &record);
	}
	if (r == 0)
		r = ms_pending_file_write(txn, follow->mailbox, follow->folder_fd, &record);
	follow->more = record.pending != 0;
	if (r == 0)
		r = ms_mailbox_save(txn, follow->mailbox, &record);
	ms_pending_clear(&pending);
	ms_mailbox_record_clear(&record);
	return r;
}

/* What others did to the folder is taken in first: then the names follow with it, all of them (ms_sync.c). */
static int
follow_locked(struct ms_store *store, uint32_t mailbox, bool *ret_more)
{
	struct follow follow = { .store = store, .mailbox = mailbox, .folder_fd = -1 };
	struct ms_mailbox_record record = { .name = NULL };
	int r = ms_mailbox_reload(store, mailbox, &record);

	if (r == 0)
		r = ms_sync(store, mailbox, &record);
	if (r == 0 && record.pending != 0)
		r = ms_folder_open(store, record.name, &follow.folder_fd);
	if (r == 0 && record.pending != 0)
		r = ms_run(store, follow_some, &follow);
	if (follow.folder_fd >= 0)
		(void)close(follow.folder_fd);
	ms_mailbox_record_clear(&record);
	*ret_more = follow.more;
	return r;
}

int
ms_follow_some(struct ms_store *store, uint32_t mailbox, bool *ret_more)
{
	int r = ms_lock(store);

	*ret_more = false;
	if (r != 0)
		return r;
	r = follow_locked(store, mailbox, ret_more);
	ms_unlock(store);
	return r == MS_E_STALE || r == MS_E_NOTFOUND ? 0 : r; /* the mailbox is gone */
}

int
ms_follow_all(struct ms_store *store, uint32_t mailbox)
{
	bool more = true;
	int r = 0;

	while (r == 0 && more)
		r = ms_follow_some(store, mailbox, &more);
	return r;
}

/* --- the account --- */

static void
collect(void *context, uint32_t number, struct ms_mailbox_record *record)
{
	struct ms_waiting *waiting = context;

	if (record->pending == 0)
		return;
	waiting->mailboxes = xreallocarray(waiting->mailboxes, waiting->count + 1, sizeof(*waiting->mailboxes));
	waiting->mailboxes[waiting->count++] = number;
}

int
ms_waiting_read(struct bdb *bdb, struct ms_waiting *ret)
{
	ret->count = 0;
	return ms_mailbox_each(bdb, NULL, collect, ret);
}

static int
read_waiting(struct bdb *bdb, void *context)
{
	return ms_waiting_read(bdb, context);
}

int
ms_follow_account(struct ms_store *store)
{
	struct ms_waiting waiting = { .mailboxes = NULL };
	int r = ms_read(store, read_waiting, &waiting);

	for (size_t i = 0; r == 0 && i < waiting.count; i++)
		r = ms_follow_all(store, waiting.mailboxes[i]);
	free(waiting.mailboxes);
	return r;
}

int
ms_idle_work(struct ms_store *store, bool *ret_more)
{
	struct ms_waiting waiting = { .mailboxes = NULL };
	bool more = false;
	int r = ms_read(store, read_waiting, &waiting);

	*ret_more = false;
	ms_touch_forget(store); /* what others do meanwhile is not to be heaped up */
	if (r == 0 && waiting.count != 0) {
		r = ms_follow_some(store, waiting.mailboxes[0], &more);
		*ret_more = more || waiting.count > 1;
	}
	free(waiting.mailboxes);
	if (r != 0 || *ret_more)
		return r;
	return ms_index_text(store, ret_more);
}
