/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Taking in the messages of a folder that the index does not know: those whose names tell a UID that counts under it, the others under
 * the next ones, in the order of their arrival. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"
#include "libmailstore/ms_sync.h"

/* A file that is ready to be taken in: the next transaction does it, with others. */
struct insertion {
	struct ms_message_record record;
	struct ms_derived derived;
};

struct insertions {
	struct ms_syncing *sync;
	struct insertion list[BATCH];
	size_t count;
};

static int
insert(struct ms_txn *txn, void *context)
{
	struct insertions *insertions = context;
	struct ms_syncing *sync = insertions->sync;
	struct ms_mailbox_record mailbox = *sync->record;
	int r = txn->store->generation != sync->generation ? MS_AGAIN : 0;

	for (size_t i = 0; r == 0 && i < insertions->count; i++) {
		struct insertion *insertion = &insertions->list[i];
		struct ms_message_record *record = &insertion->record;

		r = ms_next_modseq(txn, &record->message.modseq);
		if (r == 0)
			r = ms_email_id_take(txn, span_make(record->name, strcspn(record->name, ",:")), &record->message.email_id);
		if (r == 0)
			r = ms_thread_join(txn, &insertion->derived, record->message.email_id, &record->message.thread_id);
		if (r == 0)
			r = ms_message_insert(txn, sync->number, &mailbox, record, buf_get(&insertion->derived.texts));
	}
	if (r == 0)
		r = ms_sync_save(txn, sync, &mailbox);
	if (r == 0)
		*sync->record = mailbox;
	return r;
}

static void
clear_insertions(struct insertions *insertions)
{
	for (size_t i = 0; i < insertions->count; i++)
		ms_derived_clear(&insertions->list[i].derived);
	insertions->count = 0;
}

static int
insert_all(struct insertions *insertions)
{
	int r = insertions->count != 0 ? ms_run_unsynced(insertions->sync->store, insert, insertions) : 0;

	clear_insertions(insertions);
	return r;
}

static int
compare_uids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = ((const struct ms_message_record *)b)->message.uid;

	return (x > y) - (x < y);
}

/* A message that the index knew before this look. */
static bool
has_uid(const struct ms_syncing *sync, uint32_t uid)
{
	return sync->known_count != 0 && bsearch(&uid, sync->known, sync->known_count, sizeof(*sync->known), compare_uids) != NULL;
}

bool
ms_sync_is_damaged(const struct ms_syncing *sync, uint32_t uid)
{
	for (size_t i = 0; i < sync->damaged_count; i++)
		if (sync->damaged[i] == uid)
			return true;
	return false;
}

/* A UID in the name counts when the index, or its record, was lost; then it is what clients know the message by. */
static bool
name_counts(const struct ms_syncing *sync, const struct ms_file *file, uint32_t before)
{
	uint32_t uid = file->parsed.uid;

	if (uid == 0 || uid == before || uid >= sync->record->folder.uid_limit ||
	    (!sync->rebuild && uid < sync->names_from && !ms_sync_is_damaged(sync, uid)))
		return false;
	return !has_uid(sync, uid);
}

/* The UID's record is being made again. */
static void
forget_damage(struct ms_syncing *sync, uint32_t uid)
{
	for (size_t i = 0; i < sync->damaged_count; i++)
		if (sync->damaged[i] == uid)
			sync->damaged[i] = 0;
}

/* Other bytes than those that had this name, by the index or by the name itself: they are another message, to those too that know messages
 * by their email ids (RFC 8474 section 5.1), so they do not go on under the same unique part. */
static bool
is_changed(const struct ms_file *file, const struct stat *st)
{
	return file->changed || (file->parsed.uid != 0 && file->parsed.folder != 0 && file->parsed.bytes != (uint64_t)st->st_size);
}

static int
take_file(struct insertions *insertions, const struct ms_file *file, uint32_t uid)
{
	struct ms_syncing *sync = insertions->sync;
	struct insertion *insertion = &insertions->list[insertions->count];
	struct ms_message *message = &insertion->record.message;
	struct ms_name name = file->parsed;
	char unique[MS_NAME_CHANGED_MAX + 1];
	bool named = uid != 0;
	struct stat st;
	int fd = ms_file_open(sync->folder_fd, file, &st), r;

	/* Gone or moved since it was listed: the next look finds it. */
	if (fd == MS_E_NOTFOUND) {
		sync->missed |= uid != 0;
		sync->listing.sure = false;
	}
	/* Who gives it the right owner leaves the folder's times as they are: so they are not noted. */
	if (fd == MS_UNREADABLE)
		sync->listing.sure = false;
	if (fd == MS_E_NOTFOUND || fd == MS_NO_MESSAGE || fd == MS_UNREADABLE)
		return 0;
	if (fd < 0)
		return fd;
	*insertion = (struct insertion){ .derived = { .size = 0 } };
	r = ms_derive(fd, (uint64_t)st.st_size, false, &insertion->derived);
	(void)close(fd);
	if (r == 0)
		r = ms_will_write(sync->store);
	if (r == 0 && uid == 0)
		r = ms_take_uid(sync->folder_fd, sync->record, &uid);
	if (r == 0 && !named && is_changed(file, &st)) {
		ms_name_changed(name.unique, uid, ms_name_folder(sync->number), unique);
		name.unique = span_of(unique);
	}
	if (r == 0) {
		name.uid = uid;
		name.folder = ms_name_folder(sync->number);
		name.bytes = (uint64_t)st.st_size;
		name.size = insertion->derived.size;
		r = ms_file_name(sync->folder_fd, file, &name, insertion->record.name, sync->renamed);
	}
	if (r == 0) {
		message->uid = uid;
		message->flags = name.flags;
		ms_keywords_from_name(&name, sync->record->folder.keyword_count, &message->keywords);
		message->size = insertion->derived.size;
		message->internal_date = st.st_mtim.tv_sec;
		message->save_date = st.st_ctim.tv_sec;
		message->email_id = ms_name_email_id(name.unique);
		message->has_attachment = insertion->derived.has_attachment;
		insertion->record.bytes = (uint64_t)st.st_size;
		insertion->record.in_cur = file->in_cur;
		insertions->count++;
		forget_damage(sync, uid);
	} else {
		sync->missed |= r == MS_E_NOTFOUND && file->parsed.uid == uid;
		ms_derived_clear(&insertion->derived);
	}
	if (r == 0 && insertions->count == BATCH)
		r = insert_all(insertions);
	return r == MS_E_NOTFOUND ? 0 : r;
}

int
ms_sync_take_new(struct ms_syncing *sync)
{
	struct ms_file **new = xcalloc(sync->listing.count, sizeof(*new));
	struct insertions *insertions = xcalloc(1, sizeof(*insertions));
	uint32_t before = 0;
	size_t count = 0, left = 0;
	int r = 0;

	insertions->sync = sync;
	for (size_t i = 0; i < sync->listing.count; i++)
		if (!sync->listing.files[i].taken)
			new[count++] = &sync->listing.files[i];
	if (count != 0)
		qsort(new, count, sizeof(*new), ms_listing_by_arrival);
	for (size_t i = 0; r == 0 && i < count; i++)
		if (name_counts(sync, new[i], before)) {
			before = new[i]->parsed.uid;
			/* A name that we gave, perhaps by a process that was killed before the disk had it: who delivers the message again finds
			 * it stored, and may say so. */
			sync->renamed[new[i]->in_cur] = true;
			if (before >= sync->record->uidnext)
				sync->record->uidnext = before + 1;
			r = take_file(insertions, new[i], before);
			new[i]->taken = true;
		}
	/* Only when all that have a UID are in may others get the next ones. */
	for (size_t i = 0; i < count; i++)
		left += !new[i]->taken;
	if (r == 0 && left > 1 && !sync->missed)
		r = ms_will_write(sync->store);
	if (r == 0 && left > 1 && !sync->missed)
		r = ms_promise_uids(sync->folder_fd, sync->record, left);
	for (size_t i = 0; r == 0 && i < count && !sync->missed; i++) {
		if (new[i]->taken)
			continue;
		if (!new[i]->changed && has_uid(sync, new[i]->parsed.uid))
			ms_tell_file(sync->store, MS_FAULT_UID_TWICE, sync->record->name, new[i]->parsed.uid, new[i]->in_cur, new[i]->name);
		r = take_file(insertions, new[i], 0);
	}
	if (r == 0)
		r = insert_all(insertions);
	clear_insertions(insertions);
	free(insertions);
	free(new);
	return r;
}
