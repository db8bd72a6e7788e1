/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Storing new messages: synced, named, put into the folder, recorded; in one transaction, or as what has arrived. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io_sync.h"
#include "common/xalloc.h"
#include "libmailstore/ms_append.h"
#include "libmailstore/ms_hidden.h"
#include "libmailstore/ms_internal.h"

/* One message of those that are stored together. */
struct commit {
	struct ms_append *append;
	char *path;  /* of its file, as seen from the Maildir, or from the folder when it is placed there; NULL: it has none yet */
	bool synced, placed, hidden;
	struct ms_message_record record;
	struct ms_derived derived;
};

struct commits {
	struct ms_store *store;
	struct commit *list;
	size_t count;
	uint32_t number;
	struct ms_mailbox_record *mailbox;
	const char *const *keywords;
	uint32_t uidvalidity;
	int folder_fd;
};

/* INBOX is the Maildir itself, whose descriptor is the store's. */
static void
leave_folder(struct commits *commits)
{
	if (commits->folder_fd >= 0 && commits->folder_fd != commits->store->maildir_fd)
		(void)close(commits->folder_fd);
	commits->folder_fd = -1;
}

/* They are not promised to anybody. False: one may have stayed, with its UID. */
static bool
withdraw(const struct commits *commits)
{
	bool gone = true;

	for (size_t i = 0; i < commits->count; i++)
		if (commits->list[i].placed)
			gone &= unlinkat(commits->folder_fd, commits->list[i].path, 0) == 0;
	return gone;
}

/* Its final name. */
static int
give_name(const struct commits *commits, struct commit *commit)
{
	struct ms_name name = {
		.unique = span_of(commit->append->unique), .bytes = commit->record.bytes, .size = commit->derived.size,
		.uid = commit->record.message.uid, .folder = ms_name_folder(commits->number), .flags = commit->record.message.flags,
	};
	struct buf text = BUF_INIT(MS_NAME_MAX), digits = BUF_INIT(MS_NAME_MAX);
	int r;

	commit->record.in_cur = name.flags != 0 || !ms_keywords_none(&commit->record.message.keywords);
	ms_keywords_to_name(&commit->record.message.keywords, &name, &digits);
	r = digits.overflow ? -EMSGSIZE : ms_name_format(&name, commit->record.in_cur, &text);
	buf_free(&digits);
	if (r == 0)
		(void)snprintf(commit->record.name, sizeof(commit->record.name), "%s", buf_cstr(&text));
	buf_free(&text);
	return r == 0 ? 0 : MS_E_LIMIT;
}

/* Puts the file into the folder under its name. Repeated, it moves it on from where it stands. */
static int
place(const struct commits *commits, struct commit *commit)
{
	char *target = xasprintf("%s/%s", commit->record.in_cur ? "cur" : "new", commit->record.name);
	int from_fd = commit->placed ? commits->folder_fd : commits->store->maildir_fd;

	if (renameat(from_fd, commit->path, commits->folder_fd, target) < 0) {
		int r = -errno;

		free(target);
		return r;
	}
	free(commit->path);
	commit->path = target;
	commit->placed = true;
	commit->hidden = false;
	return 0;
}

/* All files into their places: one look at what others do there. */
static int
place_all(struct commits *commits, bool ret_in[2])
{
	struct ms_touch touch;
	int r = 0;

	ret_in[0] = ret_in[1] = false;
	ms_touch_begin(&touch, commits->store);
	ms_touch_add(&touch, commits->folder_fd, commits->mailbox);
	for (size_t i = 0; r == 0 && i < commits->count; i++) {
		r = place(commits, &commits->list[i]);
		touch.sides[0].ours++;
		ret_in[commits->list[i].record.in_cur] = true;
	}
	ms_touch_end(&touch);
	if (r == 0)
		ms_touch_note(&touch, 0, commits->mailbox);
	return r;
}

static int
take_numbers(struct ms_txn *txn, const struct commits *commits, struct commit *commit)
{
	struct ms_message *message = &commit->record.message;
	int r = ms_take_uid(commits->folder_fd, commits->mailbox, &message->uid);

	if (r == 0)
		r = ms_next_modseq(txn, &message->modseq);
	if (r == 0)
		r = ms_email_id_take(txn, span_of(commit->append->unique), &message->email_id);
	return r == 0 ? ms_thread_join(txn, &commit->derived, message->email_id, &message->thread_id) : r;
}

static int
record_messages(struct ms_txn *txn, void *context)
{
	struct commits *commits = context;
	struct ms_mailbox_record fresh = { .name = NULL };
	struct ms_keywords keywords;
	bool in[2] = { false, false };
	int r = ms_mailbox_load(txn, commits->number, &fresh);

	if (r != 0)
		return r;
	ms_mailbox_record_clear(commits->mailbox);
	*commits->mailbox = fresh;
	commits->uidvalidity = fresh.folder.uidvalidity;
	r = ms_keywords_take(commits->folder_fd, commits->mailbox, commits->keywords, &keywords);
	for (size_t i = 0; r == 0 && i < commits->count; i++) {
		commits->list[i].record.message.keywords = keywords;
		r = take_numbers(txn, commits, &commits->list[i]);
	}
	/* The records first: one that is found damaged there is mended, and all begins again, while the folder knows nothing yet. */
	for (size_t i = 0; r == 0 && i < commits->count; i++) {
		struct commit *commit = &commits->list[i];

		r = give_name(commits, commit);
		if (r == 0)
			r = ms_message_insert(txn, commits->number, commits->mailbox, &commit->record, buf_get(&commit->derived.texts));
	}
	if (r == 0)
		r = place_all(commits, in);
	/* One sync, together with the log's. Should the power fail in between, one may be there without the other, and nothing has been
	 * promised: a record without its file goes when the folder is read, a file without its record gets one. */
	for (unsigned i = 0; r == 0 && i < 2; i++)
		if (in[i])
			r = ms_folder_fsync_with(txn, commits->folder_fd, i == 1);
	return r == 0 ? ms_mailbox_save(txn, commits->number, commits->mailbox) : r;
}

/* --- the same without a transaction (ms_arrivals.h) --- */

/* The time of the file is what INTERNALDATE is known by when the index is lost. */
static int
set_time(const struct ms_append *append, int64_t internal_date)
{
	struct timespec times[2] = { { internal_date, 0 }, { internal_date, 0 } };

	return futimens(append->fd, times) < 0 ? -errno : 0;
}

/* A file that is written since that time, whose second has not passed, has it already. */
static bool
has_time(int64_t internal_date)
{
	struct timespec now;

	return clock_gettime(CLOCK_REALTIME, &now) == 0 && now.tv_sec == internal_date;
}

/* What is in memory, into a file of the folder that nobody takes for a message yet (ms_hidden.h). */
static int
place_hidden(const struct commits *commits, struct commit *commit)
{
	struct ms_append *append = commit->append;
	struct buf hidden = BUF_INIT(MS_NAME_MAX);
	int r = ms_hidden_name(span_of(commit->record.name), buf_get(&append->out), &hidden);

	if (r == 0)
		commit->path = xasprintf("new/%s", buf_cstr(&hidden));
	buf_free(&hidden);
	if (r != 0)
		return MS_E_LIMIT;
	append->fd = openat(commits->folder_fd, commit->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (append->fd < 0)
		return -errno;
	commit->placed = commit->hidden = true;
	r = ms_append_flush(append);
	return r == 0 && !has_time(commit->record.message.internal_date) ? set_time(append, commit->record.message.internal_date) : r;
}

/* What is hidden, and then the folder: with most file systems that writes nothing more. */
static int
sync_placed(const struct commits *commits)
{
	_cleanup_(closep) int new_fd = ms_folder_part_open(commits->folder_fd, false);
	struct io_sync syncs[MS_APPENDS_MAX];
	size_t count = 0;
	int r = 0;

	if (new_fd < 0)
		return new_fd;
	for (size_t i = 0; i < commits->count; i++)
		if (commits->list[i].hidden)
			syncs[count++] = (struct io_sync){ .fd = commits->list[i].append->fd };
	/* By a descriptor of before they were written: what went wrong since then it tells, and a newer one need not. */
	if ((count >= IO_SYNC_MANY || (count != 0 && commits->store->alone)) && io_sync_filesystem(syncs[0].fd))
		return 0;
	io_sync_all(syncs, count);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = syncs[i].result;
	return r == 0 && fsync(new_fd) < 0 ? -errno : r;
}

/* Into the folder, on stable storage, and then under their names. */
static int
place_arriving(struct commits *commits)
{
	struct ms_touch touch;
	int r = 0;

	ms_touch_begin(&touch, commits->store);
	ms_touch_add(&touch, commits->folder_fd, commits->mailbox);
	for (size_t i = 0; r == 0 && i < commits->count; i++) {
		struct commit *commit = &commits->list[i];

		r = commit->append->fd < 0 ? place_hidden(commits, commit) : place(commits, commit);
		touch.sides[0].ours++;
	}
	if (r == 0)
		r = sync_placed(commits);
	for (size_t i = 0; r == 0 && i < commits->count; i++)
		if (commits->list[i].hidden) {
			r = place(commits, &commits->list[i]);
			touch.sides[0].ours += 2; /* it leaves a name, and gets one */
		}
	ms_touch_end(&touch);
	if (r == 0)
		ms_touch_note(&touch, 0, commits->mailbox);
	return r;
}

static struct ms_arrival
arrival_of(const struct commits *commits, const struct commit *commit)
{
	struct ms_arrival arrival = {
		.mailbox = commits->number, .uidvalidity = commits->uidvalidity, .record = commit->record, .new_time = commits->mailbox->new_time,
		.cur_time = commits->mailbox->cur_time, .id_count = commit->derived.id_count, .texts = buf_get(&commit->derived.texts),
	};

	memcpy(arrival.ids, commit->derived.ids, sizeof(arrival.ids));
	return arrival;
}

static int
arrive(struct commits *commits)
{
	struct buf bytes = BUF_INIT(MS_ARRIVALS_MAX);
	size_t texts = 0;
	int r = 0;

	for (size_t i = 0; i < commits->count; i++)
		texts += commits->list[i].derived.texts.len;
	(void)buf_reserve(&bytes, texts + commits->count * MS_ARRIVAL_ROOM); /* at once: it fits, ms_arrivals_begin has said */
	for (size_t i = 0; r == 0 && i < commits->count; i++) {
		r = ms_take_uid(commits->folder_fd, commits->mailbox, &commits->list[i].record.message.uid);
		if (r == 0)
			r = give_name(commits, &commits->list[i]);
	}
	if (r == 0)
		r = place_arriving(commits);
	for (size_t i = 0; r == 0 && i < commits->count; i++) {
		struct ms_arrival arrival = arrival_of(commits, &commits->list[i]);

		ms_arrivals_add(commits->store, &arrival, &bytes);
	}
	if (r == 0)
		r = ms_arrivals_end(commits->store, &bytes);
	buf_free(&bytes);
	return r;
}

static int
arrive_locked(struct commits *commits, const char *mailbox)
{
	struct ms_store *store = commits->store;
	struct ms_quota more = { .messages = commits->count };
	size_t texts = 0;
	int r;

	for (size_t i = 0; i < commits->count; i++) {
		more.bytes += commits->list[i].derived.size;
		texts += commits->list[i].derived.texts.len;
	}
	r = ms_arrivals_begin(store, mailbox, &more, texts);
	if (r != 0)
		return r;
	commits->number = store->arrivals.mailbox;
	commits->mailbox = &store->arrivals.record;
	commits->uidvalidity = commits->mailbox->folder.uidvalidity;
	if (strcmp(mailbox, "INBOX") == 0)
		commits->folder_fd = store->maildir_fd;
	else
		r = ms_folder_open(store, mailbox, &commits->folder_fd);
	if (r == 0)
		r = arrive(commits);
	if (r != 0)
		ms_arrivals_fail(store, withdraw(commits));
	leave_folder(commits);
	return r;
}

static int
commit_locked(struct commits *commits, const char *mailbox)
{
	struct ms_store *store = commits->store;
	struct ms_mailbox_record record;
	uint64_t bytes = 0;
	int r;

	for (size_t i = 0; i < commits->count; i++)
		bytes += commits->list[i].derived.size;
	r = ms_quota_allows(store, bytes, commits->count);
	if (r == 0)
		r = ms_mailbox_find(store, mailbox, &commits->number, &record);
	if (r != 0)
		return r;
	commits->mailbox = &record;
	r = ms_mailbox_quota_allows(&record, bytes, commits->count);
	/* What others did to the folder meanwhile does not matter here: a delivery never reads it. */
	if (r == 0)
		r = ms_folder_open(store, record.name, &commits->folder_fd);
	/* But for a mailbox whose taking in was cut short: its next UID is not known yet. */
	if (r == 0 && record.uidnext == 0)
		r = ms_sync(store, commits->number, &record);
	if (r == 0)
		r = ms_run(store, record_messages, commits);
	if (r != 0)
		(void)withdraw(commits);
	leave_folder(commits);
	ms_mailbox_record_clear(&record);
	return r;
}

/* --- both --- */

/* The bytes, into a file in tmp/. */
static void
write_file(struct commit *commit)
{
	struct ms_append *append = commit->append;

	commit->path = ms_append_tmp_path(append);
	(void)ms_append_flush(append);
	if (append->error == 0)
		append->error = set_time(append, commit->record.message.internal_date);
	/* The disk has something to do while the message is read for the index. */
	if (append->error == 0)
		(void)sync_file_range(append->fd, (off_t)append->ahead, 0, SYNC_FILE_RANGE_WRITE);
}

static int
derive(struct commit *commit)
{
	struct ms_message *message = &commit->record.message;
	struct ms_append *append = commit->append;
	int r = append->error;

	if (r == 0 && append->fd < 0)
		ms_derive_bytes(buf_get(&append->out), &commit->derived);
	else if (r == 0)
		r = ms_derive(append->fd, append->bytes, false, &commit->derived);
	if (r != 0)
		return r;
	message->size = commit->derived.size;
	message->email_id = ms_name_email_id(span_of(append->unique));
	message->has_attachment = commit->derived.has_attachment;
	commit->record.bytes = append->bytes + append->out.len;
	return 0;
}

/* All files that there are and are not synced yet, together. */
static int
sync_files(struct commits *commits)
{
	struct io_sync syncs[MS_APPENDS_MAX];
	size_t count = 0;
	int r = 0;

	for (size_t i = 0; i < commits->count; i++)
		if (commits->list[i].append->fd >= 0 && !commits->list[i].synced) {
			commits->list[i].synced = true;
			syncs[count++] = (struct io_sync){ .fd = commits->list[i].append->fd };
		}
	io_sync_same(syncs, count);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = syncs[i].result;
	return r;
}

/* Messages that are in memory stay there when they may, until it is known how they are stored. */
static int
finish(struct commits *commits, uint32_t flags, int64_t internal_date, bool may_wait)
{
	int64_t now = time(NULL);
	int r = 0;

	for (size_t i = 0; i < commits->count; i++) {
		struct commit *commit = &commits->list[i];

		ms_append_end(commit->append);
		commit->record.message.flags = flags;
		commit->record.message.save_date = now;
		commit->record.message.internal_date = internal_date != 0 ? internal_date : now;
		if (!may_wait || commit->append->fd >= 0)
			write_file(commit);
	}
	for (size_t i = 0; r == 0 && i < commits->count; i++)
		r = derive(&commits->list[i]);
	return r == 0 ? sync_files(commits) : r;
}

/* By a transaction after all. */
static int
write_what_waits(struct commits *commits)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < commits->count; i++)
		if (commits->list[i].append->fd < 0) {
			write_file(&commits->list[i]);
			r = commits->list[i].append->error;
		}
	return r == 0 ? sync_files(commits) : r;
}

static int
store(struct commits *commits, const char *mailbox, bool arriving)
{
	int r = MS_BY_TRANSACTION;

	if (arriving) {
		r = ms_lock(commits->store);
		if (r != 0)
			return r;
		r = arrive_locked(commits, mailbox);
		ms_unlock(commits->store);
	}
	if (r != MS_BY_TRANSACTION)
		return r;
	r = write_what_waits(commits);
	if (r == 0)
		r = ms_lock(commits->store);
	if (r == 0) {
		r = commit_locked(commits, mailbox);
		ms_unlock(commits->store);
	}
	return r;
}

static int
commit_all(struct commits *commits, const char *mailbox, uint32_t flags, int64_t internal_date, bool arriving)
{
	int r = finish(commits, flags, internal_date, arriving);

	if (r == 0)
		r = store(commits, mailbox, arriving);
	for (size_t i = 0; i < commits->count; i++) {
		struct ms_append *append = commits->list[i].append;

		if (r == 0) {
			(void)close(append->fd);
			append->fd = -1; /* there is nothing in tmp/ to remove */
		}
		free(commits->list[i].path);
		ms_derived_clear(&commits->list[i].derived);
		ms_append_abort(append);
	}
	return r;
}

int
ms_append_commit(struct ms_append *append, const char *mailbox, uint32_t flags, const char *const *keywords, int64_t internal_date,
    uint32_t *ret_uid, uint32_t *ret_uidvalidity, uint64_t *ret_email_id)
{
	struct commit commit = { .append = append };
	struct commits commits = { .store = append->store, .list = &commit, .count = 1, .keywords = keywords, .folder_fd = -1 };
	int r = commit_all(&commits, mailbox, flags, internal_date, false);

	if (r == 0) {
		*ret_uid = commit.record.message.uid;
		*ret_uidvalidity = commits.uidvalidity;
		if (ret_email_id != NULL)
			*ret_email_id = commit.record.message.email_id;
	}
	return r;
}

int
ms_append_commit_all(struct ms_append *const *appends, size_t count, const char *mailbox, uint32_t *ret_uids)
{
	struct commit list[MS_APPENDS_MAX] = { { .append = NULL } };
	struct commits commits = { .list = list, .count = count, .folder_fd = -1 };
	int r;

	if (count == 0)
		return 0;
	commits.store = appends[0]->store;
	for (size_t i = 0; i < count; i++)
		list[i].append = appends[i];
	r = commit_all(&commits, mailbox, 0, 0, true);
	for (size_t i = 0; r == 0 && i < count; i++)
		ret_uids[i] = list[i].record.message.uid;
	return r;
}

void
ms_set_alone(struct ms_store *store, bool alone)
{
	store->alone = alone;
}
