/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What an account and each of its mailboxes hold, and may hold (RFC 9208). The mailboxes' counters stand in their records, changed with each message in its
 * transaction: nothing is counted here. */
#include <unistd.h>

#include "libmailstore/ms_internal.h"

void
ms_set_quota(struct ms_store *store, const struct ms_quota *quota)
{
	store->quota = *quota;
}

const struct ms_quota *
ms_quota(const struct ms_store *store)
{
	return &store->quota;
}

static void
add(void *context, uint32_t number, struct ms_mailbox_record *record)
{
	struct ms_quota *usage = context;

	(void)number;
	usage->bytes += record->size;
	usage->messages += record->messages;
}

static int
read_usage(struct bdb *bdb, void *context)
{
	*(struct ms_quota *)context = (struct ms_quota){ .bytes = 0 };
	return ms_mailbox_each(bdb, NULL, add, context);
}

int
ms_usage(struct ms_store *store, struct ms_quota *ret)
{
	return ms_read(store, read_usage, ret);
}

bool
ms_quota_is_set(const struct ms_quota *quota)
{
	return quota->bytes != 0 || quota->messages != 0;
}

int
ms_quota_fits(const struct ms_quota *quota, const struct ms_quota *usage, uint64_t bytes, uint64_t messages)
{
	if ((quota->bytes != 0 && usage->bytes + bytes > quota->bytes) || (quota->messages != 0 && usage->messages + messages > quota->messages))
		return MS_E_QUOTA;
	return 0;
}

int
ms_quota_allows(struct ms_store *store, uint64_t bytes, uint64_t messages)
{
	struct ms_quota usage;
	int r = 0;

	if (ms_quota_is_set(&store->quota)) {
		r = ms_usage(store, &usage);
		if (r == 0)
			r = ms_quota_fits(&store->quota, &usage, bytes, messages);
	}
	return r;
}

int
ms_mailbox_quota_allows(const struct ms_mailbox_record *record, uint64_t bytes, uint64_t messages)
{
	return ms_quota_fits(&record->folder.quota, &(struct ms_quota){ record->size, record->messages }, bytes, messages);
}

/* --- setting a mailbox's --- */

struct setting {
	uint32_t number;
	int folder_fd;
	const struct ms_quota *quota;
};

/* The folder's file first: it is the truth, and an index that does not come to know of it is held against it. */
static int
set(struct ms_txn *txn, void *context)
{
	const struct setting *setting = context;
	struct ms_mailbox_record record;
	int r = ms_mailbox_load(txn, setting->number, &record);

	if (r != 0)
		return r;
	record.folder.quota = *setting->quota;
	r = ms_folder_write(setting->folder_fd, &record.folder);
	if (r == 0)
		r = ms_mailbox_save(txn, setting->number, &record);
	ms_mailbox_record_clear(&record);
	return r;
}

int
ms_mailbox_set_quota(struct ms_store *store, const char *name, const struct ms_quota *quota)
{
	struct setting setting = { .folder_fd = -1, .quota = quota };
	struct ms_mailbox_record record;
	int r = ms_lock(store);

	if (r != 0)
		return r;
	r = ms_mailbox_find(store, name, &setting.number, &record);
	if (r == 0) {
		r = ms_folder_open(store, record.name, &setting.folder_fd);
		if (r == 0)
			r = ms_run(store, set, &setting);
		if (setting.folder_fd >= 0)
			(void)close(setting.folder_fd);
		ms_mailbox_record_clear(&record);
	}
	ms_unlock(store);
	return r;
}
