/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Copying by hard link, moving by rename, expunging by unlink: each file's step stands inside the transaction that records it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"

struct copy {
	struct ms_mailbox *from;
	uint32_t to;
	const uint32_t *uids;
	uint32_t *new_uids;
	size_t at, end;
	bool move;
	int from_fd, to_fd;
	uint32_t uidvalidity;
};

static char *
path_of(const struct ms_message_record *record)
{
	return xasprintf("%s/%s", record->in_cur ? "cur" : "new", record->name);
}

/* Keywords have other bits in other mailboxes. */
static int
carry_keywords(const struct ms_mailbox_record *from, uint64_t bits, int to_fd, struct ms_mailbox_record *to, uint64_t *ret)
{
	const char *names[MS_KEYWORDS_MAX + 1];
	unsigned count = 0;

	for (unsigned i = 0; i < from->folder.keyword_count; i++)
		if ((bits & UINT64_C(1) << i) != 0)
			names[count++] = from->folder.keywords[i];
	names[count] = NULL;
	return ms_keywords_take(to_fd, to, names, ret);
}

static int
read_cache(struct ms_txn *txn, uint32_t mailbox, uint32_t uid, struct buf *out)
{
	uint8_t key[8];
	void *bytes;
	size_t len;
	int r;

	ms_key_u32(key, mailbox);
	ms_key_u32(key + 4, uid);
	r = bdb_get(txn->bdb, txn->txn, T_CACHE, key, 8, false, &bytes, &len);
	if (r == BDB_NONE)
		return 0; /* rendered again when it is asked for */
	if (r != 0)
		return ms_bdb(r);
	(void)buf_put(out, bytes, len);
	free(bytes);
	return 0;
}

/* A link first, also for a move: until the commit both are there, and a crash loses neither. */
static int
link_file(const struct copy *copy, const struct ms_message_record *before, const struct ms_message_record *after)
{
	_cleanup_(freep) char *from = path_of(before), *to = path_of(after);

	if (linkat(copy->from_fd, from, copy->to_fd, to, 0) == 0 || errno == EEXIST)
		return 0;
	return errno == ENOENT ? MS_E_NOTFOUND : -errno;
}

static int
copy_one(struct ms_txn *txn, struct copy *copy, struct ms_mailbox_record *source, struct ms_mailbox_record *target, uint64_t modseq, size_t i)
{
	struct ms_message_record before, after;
	struct buf cache = BUF_INIT(BDB_RECORD_MAX);
	int r = ms_message_load(txn, copy->from->number, copy->uids[i], &before);

	copy->new_uids[i] = 0;
	if (r != 0)
		return r == MS_E_NOTFOUND ? 0 : r;
	after = before;
	r = carry_keywords(source, before.message.keywords, copy->to_fd, target, &after.message.keywords);
	if (r == 0)
		r = ms_take_uid(copy->to_fd, target, &after.message.uid);
	after.in_cur = after.message.flags != 0 || after.message.keywords != 0 || before.in_cur;
	if (r == 0)
		r = ms_rename_record(&before, &after);
	if (r == 0)
		r = link_file(copy, &before, &after);
	if (r == MS_E_NOTFOUND)
		return 0; /* its file went a moment ago: so does the message */
	after.message.modseq = modseq;
	if (r == 0)
		r = read_cache(txn, copy->from->number, copy->uids[i], &cache);
	if (r == 0)
		r = ms_message_insert(txn, copy->to, target, &after, buf_get(&cache));
	if (r == 0 && copy->move)
		r = ms_message_remove(txn, copy->from->number, copy->from->number == copy->to ? target : source, &before, modseq);
	if (r == 0)
		copy->new_uids[i] = after.message.uid;
	buf_free(&cache);
	return r;
}

static int
copy_some(struct ms_txn *txn, void *context)
{
	struct copy *copy = context;
	bool same = copy->from->number == copy->to;
	struct ms_mailbox_record source = { .name = NULL }, target = { .name = NULL };
	struct ms_time new_before, cur_before;
	uint64_t modseq;
	int r = ms_mailbox_load(txn, copy->to, &target);

	if (r == 0 && !same)
		r = ms_mailbox_load(txn, copy->from->number, &source);
	if (r == 0)
		r = ms_next_modseq(txn, &modseq);
	copy->uidvalidity = target.folder.uidvalidity;
	ms_folder_times(copy->to_fd, &new_before, &cur_before);
	for (size_t i = copy->at; r == 0 && i < copy->end; i++)
		r = copy_one(txn, copy, same ? &target : &source, &target, modseq, i);
	if (r == 0)
		r = ms_folder_fsync(copy->to_fd, true);
	if (r == 0)
		r = ms_folder_fsync(copy->to_fd, false);
	if (r == 0)
		ms_folder_touched(copy->to_fd, &new_before, &cur_before, &target);
	if (r == 0)
		r = ms_mailbox_save(txn, copy->to, &target);
	if (r == 0 && !same)
		r = ms_mailbox_save(txn, copy->from->number, &source);
	ms_mailbox_record_clear(&source);
	ms_mailbox_record_clear(&target);
	return r;
}

/* After the commit that recorded the removal. A crash before the unlink brings the message back as a new one with the next sync
 * (nothing is lost), which is why this comes last and at once. */
static int
unlink_some(struct ms_mailbox *mailbox, int folder_fd, struct ms_message_record *records, size_t count)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		_cleanup_(freep) char *path = path_of(&records[i]);

		if (unlinkat(folder_fd, path, 0) < 0 && errno != ENOENT)
			r = -errno;
	}
	(void)mailbox;
	if (r == 0)
		r = ms_folder_fsync(folder_fd, true);
	return r == 0 ? ms_folder_fsync(folder_fd, false) : r;
}

struct times {
	struct ms_mailbox *mailbox;
	struct ms_time new_before, cur_before;
	int folder_fd;
};

static int
note_times(struct ms_txn *txn, void *context)
{
	struct times *times = context;
	struct ms_mailbox_record record;
	int r = ms_mailbox_load(txn, times->mailbox->number, &record);

	if (r != 0)
		return r;
	ms_folder_touched(times->folder_fd, &times->new_before, &times->cur_before, &record);
	r = ms_mailbox_save(txn, times->mailbox->number, &record);
	ms_mailbox_record_clear(&record);
	return r;
}

/* Loads the records of those UIDs that are there. */
static size_t
load_some(struct ms_mailbox *mailbox, const uint32_t *uids, const uint32_t *wanted, size_t count, struct ms_message_record *records)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++)
		if ((wanted == NULL || wanted[i] != 0) && ms_message_get_record(mailbox, uids[i], &records[found]) == 0)
			found++;
	return found;
}

static int
remove_files(struct ms_mailbox *mailbox, int folder_fd, struct ms_message_record *records, size_t count)
{
	struct times times = { .mailbox = mailbox, .folder_fd = folder_fd };
	int r;

	ms_folder_times(folder_fd, &times.new_before, &times.cur_before);
	r = unlink_some(mailbox, folder_fd, records, count);
	return r == 0 ? ms_run(mailbox->store, note_times, &times) : r;
}

static int
copy_locked(struct copy *copy, const char *to, size_t count)
{
	struct ms_store *store = copy->from->store;
	struct ms_message_record *records = xcalloc(BATCH, sizeof(*records));
	struct ms_mailbox_record target = { .name = NULL };
	int r = ms_mailbox_sync(copy->from);

	if (r == 0)
		r = ms_mailbox_find(store, to, &copy->to, &target);
	if (r == 0)
		r = ms_sync(store, copy->to, &target);
	if (r == 0)
		r = ms_folder_open(store, copy->from->record.name, &copy->from_fd);
	if (r == 0)
		r = ms_folder_open(store, target.name, &copy->to_fd);
	for (copy->at = 0; r == 0 && copy->at < count; copy->at = copy->end) {
		size_t found;

		copy->end = copy->at + BATCH / 2 < count ? copy->at + BATCH / 2 : count;
		found = copy->move ? load_some(copy->from, copy->uids + copy->at, NULL, copy->end - copy->at, records) : 0;
		r = ms_run(store, copy_some, copy);
		if (r == 0 && found != 0)
			r = remove_files(copy->from, copy->from_fd, records, found);
	}
	if (r == 0)
		r = ms_mailbox_sync(copy->from);
	if (copy->from_fd >= 0)
		(void)close(copy->from_fd);
	if (copy->to_fd >= 0)
		(void)close(copy->to_fd);
	ms_mailbox_record_clear(&target);
	free(records);
	return r;
}

int
ms_copy(struct ms_mailbox *from, const uint32_t *uids, size_t count, const char *to, bool move, uint32_t *ret_uids, uint32_t *ret_uidvalidity)
{
	struct copy copy = { .from = from, .uids = uids, .new_uids = ret_uids, .move = move, .from_fd = -1, .to_fd = -1 };
	int r = ms_lock(from->store);

	if (r != 0)
		return r;
	r = copy_locked(&copy, to, count);
	ms_unlock(from->store);
	*ret_uidvalidity = copy.uidvalidity;
	return r;
}

/* --- expunging --- */

struct expunge {
	struct ms_mailbox *mailbox;
	struct ms_message_record *records;
	size_t count;
};

static int
expunge_some(struct ms_txn *txn, void *context)
{
	struct expunge *expunge = context;
	struct ms_mailbox_record record;
	uint64_t modseq;
	int r = ms_mailbox_load(txn, expunge->mailbox->number, &record);

	if (r != 0)
		return r;
	r = ms_next_modseq(txn, &modseq);
	for (size_t i = 0; r == 0 && i < expunge->count; i++) {
		struct ms_message_record message;

		r = ms_message_load(txn, expunge->mailbox->number, expunge->records[i].message.uid, &message);
		if (r == 0)
			r = ms_message_remove(txn, expunge->mailbox->number, &record, &message, modseq);
		else if (r == MS_E_NOTFOUND)
			r = 0;
	}
	if (r == 0)
		r = ms_mailbox_save(txn, expunge->mailbox->number, &record);
	ms_mailbox_record_clear(&record);
	return r;
}

static int
expunge_locked(struct ms_mailbox *mailbox, const uint32_t *uids, size_t count)
{
	struct expunge expunge = { .mailbox = mailbox, .records = xcalloc(BATCH, sizeof(struct ms_message_record)) };
	_cleanup_(closep) int folder = -1;
	int r = ms_mailbox_sync(mailbox);

	if (r == 0)
		r = ms_folder_open(mailbox->store, mailbox->record.name, &folder);
	for (size_t at = 0; r == 0 && at < count; at += BATCH) {
		size_t some = count - at < BATCH ? count - at : BATCH;

		expunge.count = load_some(mailbox, uids + at, NULL, some, expunge.records);
		r = ms_run(mailbox->store, expunge_some, &expunge);
		if (r == 0)
			r = remove_files(mailbox, folder, expunge.records, expunge.count);
	}
	free(expunge.records);
	return r == 0 ? ms_mailbox_sync(mailbox) : r;
}

int
ms_expunge(struct ms_mailbox *mailbox, const uint32_t *uids, size_t count)
{
	int r = ms_lock(mailbox->store);

	if (r != 0)
		return r;
	r = expunge_locked(mailbox, uids, count);
	ms_unlock(mailbox->store);
	return r;
}
