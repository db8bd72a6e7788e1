/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What an account holds, and may hold (RFC 9208). The mailboxes' counters stand in their records, changed with each message in its
 * transaction: nothing is counted here. */
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

static int
add(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct ms_quota *usage = context;
	struct ms_mailbox_record record;

	(void)key;
	if (key_len != 4 || ms_mailbox_record_get(span_make(value, len), &record) != 0)
		return BDB_BROKEN;
	usage->bytes += record.size;
	usage->messages += record.messages;
	ms_mailbox_record_clear(&record);
	return 0;
}

static int
read_usage(struct bdb *bdb, void *context)
{
	*(struct ms_quota *)context = (struct ms_quota){ .bytes = 0 };
	return ms_bdb(bdb_scan(bdb, NULL, T_MAILBOX, "", 0, 0, add, context));
}

int
ms_usage(struct ms_store *store, struct ms_quota *ret)
{
	return ms_read(store, read_usage, ret);
}

int
ms_quota_allows(struct ms_store *store, uint64_t bytes, uint64_t messages)
{
	const struct ms_quota *quota = &store->quota;
	struct ms_quota usage;
	int r;

	if (quota->bytes == 0 && quota->messages == 0)
		return 0;
	r = ms_usage(store, &usage);
	if (r != 0)
		return r;
	if ((quota->bytes != 0 && usage.bytes + bytes > quota->bytes) || (quota->messages != 0 && usage.messages + messages > quota->messages))
		return MS_E_QUOTA;
	return 0;
}
