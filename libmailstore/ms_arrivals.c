/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The file index/arrivals. It is never synced: when the power fails, it goes with the index's state, every folder is read, and names
 * tell the UIDs. */
#include "libmailstore/ms_arrivals.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"

/* So many wait at most: whoever opens the account next takes them in. */
#define COUNT_MAX 64

void
ms_arrivals_forget(struct ms_store *store)
{
	struct ms_arrivals *arrivals = &store->arrivals;

	ms_mailbox_record_clear(&arrivals->record);
	if (arrivals->fd >= 0)
		(void)close(arrivals->fd);
	*arrivals = (struct ms_arrivals){ .fd = -1 };
}

/* --- taking in --- */

struct taking {
	struct span bytes;
	uint32_t number;
	struct ms_mailbox_record mailbox;
	bool there; /* the mailbox is */
};

/* Their names are not on the disk yet, perhaps (ms_hidden.h), and an index that is found whole is believed: so they come first. */
static int
sync_names(const struct ms_store *store, const struct ms_mailbox_record *mailbox)
{
	_cleanup_(closep) int folder_fd = -1;
	int r = ms_folder_open(store, mailbox->name, &folder_fd);

	if (r == 0)
		r = ms_folder_fsync(folder_fd, false);
	return r == MS_E_NOTFOUND || r == -ENOENT ? 0 : r; /* others removed it, and what it had */
}

static int
leave_mailbox(struct ms_txn *txn, struct taking *taking)
{
	int r = taking->there ? sync_names(txn->store, &taking->mailbox) : 0;

	if (r == 0 && taking->there)
		r = ms_mailbox_save(txn, taking->number, &taking->mailbox);
	ms_mailbox_record_clear(&taking->mailbox);
	taking->there = false;
	return r;
}

/* One that is gone meanwhile took its messages along. */
static int
enter_mailbox(struct ms_txn *txn, struct taking *taking, const struct ms_arrival *arrival)
{
	int r;

	if (taking->number == arrival->mailbox)
		return 0;
	r = leave_mailbox(txn, taking);
	if (r != 0)
		return r;
	taking->number = arrival->mailbox;
	r = ms_mailbox_load(txn, taking->number, &taking->mailbox);
	taking->there = r == 0;
	return r == MS_E_STALE ? 0 : r;
}

static int
take_one(struct ms_txn *txn, struct taking *taking, struct ms_arrival *arrival)
{
	struct ms_message *message = &arrival->record.message;
	struct ms_derived derived = { .id_count = arrival->id_count };
	int r;

	memcpy(derived.ids, arrival->ids, sizeof(derived.ids));
	r = ms_next_modseq(txn, &message->modseq);
	if (r == 0)
		r = ms_email_id_take(txn, span_make(arrival->record.name, strcspn(arrival->record.name, ",:")), &message->email_id);
	if (r == 0)
		r = ms_thread_join(txn, &derived, message->email_id, &message->thread_id);
	if (r == 0)
		r = ms_message_insert(txn, taking->number, &taking->mailbox, &arrival->record, arrival->texts);
	if (r != 0)
		return r;
	taking->mailbox.uidnext = message->uid + 1;
	taking->mailbox.new_time = arrival->new_time;
	taking->mailbox.cur_time = arrival->cur_time;
	return 0;
}

static int
take_all(struct ms_txn *txn, void *context)
{
	struct taking taking = { .bytes = *(const struct span *)context };
	int r = 0;

	while (r == 0 && taking.bytes.len != 0) {
		struct ms_arrival arrival;

		if (ms_arrival_get(&taking.bytes, &arrival) != 0)
			r = MS_BDB(BDB_RECOVER);
		if (r == 0)
			r = enter_mailbox(txn, &taking, &arrival);
		if (r == 0 && taking.there && arrival.uidvalidity == taking.mailbox.folder.uidvalidity &&
		    arrival.record.message.uid >= taking.mailbox.uidnext)
			r = take_one(txn, &taking, &arrival);
	}
	if (r == 0)
		r = leave_mailbox(txn, &taking);
	ms_mailbox_record_clear(&taking.mailbox);
	txn->changed = true;
	return r;
}

/* All of it makes sense. */
static bool
is_sound(struct span bytes)
{
	while (bytes.len != 0) {
		struct ms_arrival arrival;

		if (ms_arrival_get(&bytes, &arrival) != 0)
			return false;
	}
	return true;
}

static int
read_arrived(const struct ms_store *store, uint64_t bytes, char **ret)
{
	_cleanup_(closep) int fd = openat(store->dir_fd, MS_ARRIVALS_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_(freep) char *text = NULL;
	ssize_t got;

	if (bytes > MS_ARRIVALS_MAX)
		return MS_E_CORRUPT;
	/* But for what may pass: it cannot be read, and the folders can. */
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : MS_E_CORRUPT;
	text = xmalloc((size_t)bytes + 1);
	got = pread(fd, text, (size_t)bytes, 0);
	if (got < 0 || (uint64_t)got != bytes || !is_sound(span_make(text, (size_t)bytes)))
		return MS_E_CORRUPT;
	*ret = TAKE_PTR(text);
	return 0;
}

static int
take_in_locked(struct ms_store *store)
{
	_cleanup_(freep) char *text = NULL;
	struct span bytes;
	int r;

	r = read_arrived(store, store->arrived, &text);
	if (r == MS_E_CORRUPT) {
		/* Whoever finds this state recovers, and reads the folders. */
		r = ms_mark_write(&store->mark, &(struct ms_mark_words){ .sequence = store->sequence, .writing = true });
		return r == 0 ? MS_BDB(BDB_RECOVER) : r;
	}
	bytes = span_make(text, (size_t)store->arrived);
	if (r == 0)
		r = ms_run_unsynced(store, take_all, &bytes);
	if (r == 0)
		store->arrived = 0;
	return r;
}

int
ms_arrivals_take_in(struct ms_store *store)
{
	struct ms_mark_words words;
	int r = ms_lock(store);

	if (r != 0)
		return r;
	store->taking_in = true;
	/* Somebody else may have done it before the lock was ours. */
	r = ms_mark_read(&store->mark, &words);
	if (r == 0 && words.sequence == store->sequence && (!words.writing || store->writing) && words.arrived != 0) {
		store->arrived = words.arrived;
		r = take_in_locked(store);
	}
	store->taking_in = false;
	store->in_vain = r < 0 ? r : 0;
	ms_unlock(store);
	return r == MS_E_CORRUPT ? MS_BDB(BDB_RECOVER) : r;
}

/* --- arriving --- */

static int
learn(struct ms_store *store, const char *mailbox)
{
	struct ms_arrivals *arrivals = &store->arrivals;
	int r;

	ms_arrivals_forget(store);
	r = ms_mailbox_find(store, mailbox, &arrivals->mailbox, &arrivals->record);
	if (r == 0 && ms_quota_is_set(&store->quota))
		r = ms_usage(store, &arrivals->usage);
	if (r != 0)
		return r;
	arrivals->fd = openat(store->dir_fd, MS_ARRIVALS_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (arrivals->fd < 0)
		return MS_BY_TRANSACTION;
	arrivals->generation = store->generation;
	arrivals->sequence = store->sequence;
	arrivals->known = true;
	return 0;
}

/* The file goes with the index, and names with their mailbox's record. */
static bool
still_knows(const struct ms_store *store, const struct ms_mark_words *words, const char *mailbox)
{
	const struct ms_arrivals *arrivals = &store->arrivals;

	return arrivals->known && arrivals->generation == store->generation && arrivals->sequence == words->sequence && arrivals->bytes == words->arrived &&
	    strcmp(arrivals->record.name, mailbox) == 0;
}

static bool
has_room(const struct ms_arrivals *arrivals, size_t count, size_t texts)
{
	const struct ms_mailbox_record *record = &arrivals->record;

	return arrivals->count + count <= COUNT_MAX && arrivals->bytes + texts + count * MS_ARRIVAL_ROOM <= MS_ARRIVALS_MAX && record->uidnext != 0 &&
	    count < record->folder.uid_limit && record->uidnext <= record->folder.uid_limit - count;
}

int
ms_arrivals_begin(struct ms_store *store, const char *mailbox, const struct ms_quota *more, size_t texts)
{
	struct ms_arrivals *arrivals = &store->arrivals;
	struct ms_mark_words words;
	int r;

	if (store->writing || store->bdb == NULL || ms_mark_gone(&store->mark, store->dir_fd, MS_INDEX "/" MS_MARK_FILE) ||
	    ms_mark_read(&store->mark, &words) != 0 || words.writing)
		return MS_BY_TRANSACTION;
	/* What was written last is all on disk, and the log tells by its end: something must follow there before names get new UIDs, that
	 * whoever opens the index after the power has failed does not take it for whole. */
	if (words.end != 0 || !ms_mark_alone(&store->mark))
		return MS_BY_TRANSACTION;
	if (!still_knows(store, &words, mailbox)) {
		r = learn(store, mailbox);
		if (r != 0)
			return r;
		if (store->writing || store->arrived != 0)
			return MS_BY_TRANSACTION;
	}
	if (!has_room(arrivals, more->messages, texts))
		return MS_BY_TRANSACTION;
	r = ms_quota_fits(&store->quota, &arrivals->usage, more->bytes, more->messages);
	if (r == 0)
		r = ms_mailbox_quota_allows(&arrivals->record, more->bytes, more->messages);
	if (r != 0)
		return r;
	return ms_mark_write(&store->mark, &(struct ms_mark_words){ .sequence = store->sequence, .arrived = arrivals->bytes, .writing = true });
}

void
ms_arrivals_add(struct ms_store *store, const struct ms_arrival *arrival, struct buf *bytes)
{
	struct ms_arrivals *arrivals = &store->arrivals;

	ms_arrival_put(arrival, bytes);
	ms_message_count(&arrivals->record, &arrival->record.message, 1);
	arrivals->usage.bytes += arrival->record.message.size;
	arrivals->usage.messages++;
	arrivals->count++;
}

int
ms_arrivals_end(struct ms_store *store, const struct buf *bytes)
{
	struct ms_arrivals *arrivals = &store->arrivals;
	struct ms_mark_words words = { .sequence = store->sequence, .arrived = arrivals->bytes + bytes->len };
	ssize_t put = bytes->overflow ? -1 : pwrite(arrivals->fd, bytes->data, bytes->len, (off_t)arrivals->bytes);
	int r;

	if (put != (ssize_t)bytes->len)
		return put < 0 && !bytes->overflow ? -errno : -ENOSPC;
	r = ms_mark_write(&store->mark, &words);
	if (r != 0)
		return r;
	arrivals->bytes = store->arrived = words.arrived;
	store->changed = true; /* nobody has the index open, but one who sleeps may watch it */
	return 0;
}

void
ms_arrivals_fail(struct ms_store *store, bool withdrawn)
{
	struct ms_mark_words words = { .sequence = store->sequence, .arrived = store->arrivals.bytes };
	int r = withdrawn ? ms_mark_write(&store->mark, &words) : -EIO;

	ms_arrivals_forget(store);
	/* The state says that it is being written (what could not be withdrawn has a UID in its name): whoever is next recovers, and reads the folders. */
	if (r != 0)
		ms_index_close(store);
}
