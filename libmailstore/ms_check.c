/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Comparing the index with the Maildir, in words a postmaster understands. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_entries.h"
#include "libmailstore/ms_listing.h"
#include "libmailstore/ms_text_index.h"

struct check {
	struct ms_store *store;
	const char *name; /* of the mailbox under check */
	uint32_t number;
	uint32_t *bad;    /* UIDs whose records are not believed */
	size_t bad_count;
	struct ms_message_record *records;
	size_t count, room;
};

static int
collect(void *context, uint32_t mailbox, const struct ms_entry *entry)
{
	struct check *check = context;

	if (check->count == check->room) {
		check->room = check->room != 0 ? check->room * 2 : 256;
		check->records = xreallocarray(check->records, check->room, sizeof(*check->records));
	}
	if (entry->lost || ms_entry_get(entry, mailbox, &check->records[check->count]) != 0) {
		check->bad = xreallocarray(check->bad, check->bad_count + 1, sizeof(*check->bad));
		check->bad[check->bad_count++] = entry->message.uid;
		return 0;
	}
	check->count++;
	return 0;
}

static int
read_records(struct bdb *bdb, void *context)
{
	struct check *check = context;

	check->count = check->bad_count = 0;
	return ms_entries(bdb, NULL, check->number, 0, collect, check);
}

static bool
is_bad(const struct check *check, uint32_t uid)
{
	for (size_t i = 0; i < check->bad_count; i++)
		if (check->bad[i] == uid)
			return true;
	return false;
}

static void
tell(const struct check *check, enum ms_fault_kind kind, uint32_t uid, const char *file)
{
	ms_tell(check->store, kind, check->name, uid, file);
}

static void
check_file(struct check *check, int folder, const struct ms_message_record *record)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s", record->in_cur ? "cur" : "new", record->name);
	uint32_t uid = record->message.uid;
	struct ms_name name;
	struct stat st;

	if (fstatat(folder, path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		tell(check, MS_FAULT_NO_FILE, uid, path);
		return;
	}
	if (!S_ISREG(st.st_mode))
		tell(check, MS_FAULT_NOT_A_FILE, uid, path);
	else if ((uint64_t)st.st_size != record->bytes)
		tell(check, MS_FAULT_SIZE, uid, path);
	else if (faccessat(folder, path, R_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW) < 0)
		tell(check, MS_FAULT_UNREADABLE, uid, path);
	if (!ms_name_parse(span_of(record->name), &name) || (name.uid != 0 && name.uid != uid))
		tell(check, MS_FAULT_UID, uid, path);
	else if (record->in_cur && name.flags != record->message.flags)
		tell(check, MS_FAULT_FLAGS, uid, path);
}

/* A file that the index does not have: a fault, but where it has gone meanwhile, or has just been made and not written yet. */
static void
check_left(const struct check *check, int folder, const struct ms_file *file)
{
	int r = ms_file_look(folder, file);

	if (r <= 0)
		ms_tell_file(check->store, r == 0 ? MS_FAULT_NOT_INDEXED : MS_FAULT_UNREADABLE, check->name, file->parsed.uid, file->in_cur, file->name);
}

static void
check_counters(struct check *check, const struct ms_mailbox_record *record)
{
	struct ms_mailbox_record counted = { .name = NULL };

	for (size_t i = 0; i < check->count; i++) {
		ms_message_count(&counted, &check->records[i].message, 1);
		if (check->records[i].message.uid >= record->uidnext)
			tell(check, MS_FAULT_NEXT_UID, check->records[i].message.uid, NULL);
	}
	if (check->bad_count == 0 && !ms_counts_equal(record, &counted))
		tell(check, MS_FAULT_COUNTS, 0, NULL);
}

static int
check_mailbox(struct check *check)
{
	_cleanup_(closep) int folder = -1;
	struct ms_mailbox_record record;
	struct ms_listing listing = { .files = NULL };
	struct ms_folder file;
	int r = ms_mailbox_find(check->store, check->name, &check->number, &record);

	if (r != 0)
		return r == MS_E_NOTFOUND ? 0 : r;
	r = ms_folder_open(check->store, check->name, &folder);
	if (r == 0)
		r = ms_read(check->store, read_records, check);
	if (r == 0)
		r = ms_listing_read(folder, 0, &listing);
	if (ms_folder_is_shut(check->store, check->name, r)) {
		tell(check, MS_FAULT_SHUT, 0, NULL);
		r = 0;
	} else if (r == 0) {
		for (size_t i = 0; i < check->bad_count; i++)
			tell(check, MS_FAULT_RECORD, check->bad[i], NULL);
		for (size_t i = 0; i < check->count; i++) {
			struct ms_name name;
			struct ms_file *found = ms_name_parse(span_of(check->records[i].name), &name) ?
			    ms_listing_find(&listing, name.unique, check->records[i].message.uid) : NULL;

			if (found != NULL)
				found->taken = true;
			check_file(check, folder, &check->records[i]);
		}
		for (size_t i = 0; i < listing.count; i++) {
			const struct ms_file *left = &listing.files[i];

			if (!left->taken && !is_bad(check, left->parsed.uid))
				check_left(check, folder, left);
		}
		check_counters(check, &record);
		if (ms_folder_read(folder, &file) != 0)
			tell(check, MS_FAULT_FOLDER_FILE, 0, NULL);
		else {
			if (file.uidvalidity != record.folder.uidvalidity || file.id != record.folder.id)
				tell(check, MS_FAULT_VALIDITY, 0, NULL);
			ms_folder_clear(&file);
		}
	}
	ms_listing_clear(&listing);
	ms_mailbox_record_clear(&record);
	return r;
}

int
ms_check(struct ms_store *store, ms_fault_fn fault, void *context)
{
	struct check check = { .store = store };
	ms_fault_fn before = store->fault;
	void *before_context = store->fault_context;
	struct ms_mailbox_info *list;
	size_t count;
	bool locked;
	int r;

	store->fault = fault;
	store->fault_context = context;
	store->maildir_time = (struct ms_time){ .seconds = 0 }; /* also at which folders are left out */
	r = ms_mailboxes(store, &list, &count); /* everything up to date: what is wrong then is a fault */
	if (r != 0)
		count = 0;
	/* Nobody writes meanwhile. */
	if (r == 0)
		r = ms_lock(store);
	locked = r == 0;
	if (r == 0)
		r = ms_follow_account(store);
	for (size_t i = 0; r == 0 && i < count; i++) {
		check.name = list[i].name;
		r = check_mailbox(&check);
	}
	if (r == 0)
		r = ms_tables(store, false);
	if (r == 0)
		r = ms_text_check(store, false);
	if (locked)
		ms_unlock(store);
	store->fault = before;
	store->fault_context = before_context;
	ms_mailboxes_free(list, count);
	free(check.bad);
	free(check.records);
	return r;
}
