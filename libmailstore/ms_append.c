/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A new message: written and synced in tmp/, then named, put into the folder, recorded: in one transaction, or as what has arrived. */
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
#include "libmailstore/ms_internal.h"

#define CHUNK 65536
/* A large message goes to the disk while the rest of it comes. */
#define WRITE_AHEAD (1 << 20)

struct ms_append {
	struct ms_store *store;
	char *unique;
	int fd;
	uint64_t bytes, ahead; /* written; of that, given to the disk */
	bool cr;        /* the last byte was a CR that waits for its LF */
	int error;
	struct buf out;
};

static char *
tmp_path(const struct ms_append *append)
{
	return xasprintf("tmp/%s", append->unique);
}

int
ms_append_begin(struct ms_store *store, struct ms_append **ret)
{
	struct ms_append *append = xcalloc(1, sizeof(*append));
	struct buf unique = BUF_INIT(MS_NAME_MAX);
	_cleanup_(freep) char *path = NULL;

	append->store = store;
	ms_unique(store, &unique);
	append->unique = buf_take(&unique);
	append->out = BUF_INIT(CHUNK);
	path = tmp_path(append);
	append->fd = openat(store->maildir_fd, path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (append->fd < 0) {
		int r = -errno;

		ms_append_abort(append);
		return r;
	}
	*ret = append;
	return 0;
}

static int
flush(struct ms_append *append)
{
	size_t done = 0;

	while (append->error == 0 && done < append->out.len) {
		ssize_t put = write(append->fd, append->out.data + done, append->out.len - done);

		if (put < 0 && errno != EINTR)
			append->error = -errno;
		if (put > 0)
			done += (size_t)put;
	}
	append->bytes += done;
	if (append->bytes - append->ahead >= WRITE_AHEAD) {
		/* No promise: that is the sync's. */
		(void)sync_file_range(append->fd, (off_t)append->ahead, (off_t)(append->bytes - append->ahead), SYNC_FILE_RANGE_WRITE);
		append->ahead = append->bytes;
	}
	buf_clear(&append->out);
	return append->error;
}

static int
put(struct ms_append *append, struct span bytes)
{
	while (append->error == 0 && bytes.len != 0) {
		struct span part = span_take(&bytes, CHUNK - append->out.len);

		(void)buf_span(&append->out, part);
		if (append->out.len == CHUNK)
			(void)flush(append);
	}
	return append->error;
}

/* CRLF becomes LF: a Maildir's files are the host's text files. A lone CR stays. */
int
ms_append_write(struct ms_append *append, const void *bytes, size_t len)
{
	struct span rest = span_make(bytes, len);

	while (append->error == 0 && rest.len != 0) {
		ptrdiff_t at;

		if (append->cr) {
			append->cr = false;
			if (rest.ptr[0] != '\n')
				(void)put(append, SPAN("\r"));
		}
		at = span_chr(rest, '\r');
		if (at < 0) {
			(void)put(append, rest);
			break;
		}
		(void)put(append, span_take(&rest, (size_t)at));
		rest = span_skip(rest, 1);
		append->cr = true;
	}
	return append->error;
}

uint64_t
ms_append_email_id(const struct ms_append *append)
{
	return ms_name_email_id(span_of(append->unique));
}

void
ms_append_abort(struct ms_append *append)
{
	if (append == NULL)
		return;
	if (append->fd >= 0) {
		_cleanup_(freep) char *path = tmp_path(append);

		(void)unlinkat(append->store->maildir_fd, path, 0);
		(void)close(append->fd);
	}
	buf_free(&append->out);
	free(append->unique);
	free(append);
}

/* --- the commit --- */

/* One message of those that are stored together. */
struct commit {
	struct ms_append *append;
	const char *placed; /* where the file stands, as seen from the folder; NULL: still in tmp/ */
	char *path;
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

static void
leave_folder(struct commits *commits)
{
	if (commits->folder_fd >= 0)
		(void)close(commits->folder_fd);
	commits->folder_fd = -1;
}

/* They are not promised to anybody. */
static void
withdraw(const struct commits *commits)
{
	for (size_t i = 0; i < commits->count; i++)
		if (commits->list[i].placed != NULL)
			(void)unlinkat(commits->folder_fd, commits->list[i].placed, 0);
}

/* Its final name. */
static int
give_name(const struct commits *commits, struct commit *commit)
{
	struct ms_name name = {
		.unique = span_of(commit->append->unique), .bytes = commit->append->bytes, .size = commit->derived.size,
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
	int r;

	if (commit->placed == NULL)
		r = renameat(commits->store->maildir_fd, commit->path, commits->folder_fd, target);
	else
		r = renameat(commits->folder_fd, commit->placed, commits->folder_fd, target);
	if (r < 0) {
		r = -errno;
		free(target);
		return r;
	}
	free(commit->path);
	commit->path = target;
	commit->placed = target;
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
	bool in[2];
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
		r = place_all(commits, in);
	if (r == 0)
		r = ms_folder_fsync(commits->folder_fd, false);
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
	r = ms_folder_open(store, mailbox, &commits->folder_fd);
	if (r == 0)
		r = arrive(commits);
	if (r != 0) {
		withdraw(commits);
		ms_arrivals_fail(store);
	}
	leave_folder(commits);
	return r;
}

/* The last bytes and the time. */
static void
finish_file(struct ms_append *append, int64_t internal_date)
{
	struct timespec times[2] = { { internal_date, 0 }, { internal_date, 0 } };

	if (append->cr)
		(void)put(append, SPAN("\r"));
	append->cr = false;
	(void)flush(append);
	/* The time of the file is what INTERNALDATE is known by when the index is lost. */
	if (append->error == 0 && futimens(append->fd, times) < 0)
		append->error = -errno;
	/* The disk has something to do while the message is read for the index. */
	(void)sync_file_range(append->fd, (off_t)append->ahead, 0, SYNC_FILE_RANGE_WRITE);
}

static void
sync_files(struct commits *commits)
{
	struct io_sync syncs[MS_APPENDS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < commits->count; i++)
		if (commits->list[i].append->error == 0)
			syncs[count++] = (struct io_sync){ .fd = commits->list[i].append->fd };
	io_sync_same(syncs, count);
	count = 0;
	for (size_t i = 0; i < commits->count; i++)
		if (commits->list[i].append->error == 0)
			commits->list[i].append->error = syncs[count++].result;
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
		withdraw(commits);
	leave_folder(commits);
	ms_mailbox_record_clear(&record);
	return r;
}

/* The files are written and read, and synced, all of them together. */
static int
finish_files(struct commits *commits, uint32_t flags, int64_t internal_date)
{
	int64_t now = time(NULL);
	int r = 0;

	for (size_t i = 0; i < commits->count; i++)
		finish_file(commits->list[i].append, internal_date != 0 ? internal_date : now);
	for (size_t i = 0; r == 0 && i < commits->count; i++) {
		struct commit *commit = &commits->list[i];
		struct ms_message *message = &commit->record.message;
		struct ms_append *append = commit->append;

		r = append->error;
		if (r == 0)
			r = ms_derive(append->fd, append->bytes, false, &commit->derived);
		if (r != 0)
			break;
		message->flags = flags;
		message->size = commit->derived.size;
		message->internal_date = internal_date != 0 ? internal_date : now;
		message->save_date = now;
		message->email_id = ms_name_email_id(span_of(append->unique));
		message->has_attachment = commit->derived.has_attachment;
		commit->record.bytes = append->bytes;
		commit->path = tmp_path(append);
	}
	if (r != 0)
		return r;
	sync_files(commits);
	for (size_t i = 0; r == 0 && i < commits->count; i++)
		r = commits->list[i].append->error;
	return r;
}

static int
commit_all(struct commits *commits, const char *mailbox, uint32_t flags, int64_t internal_date, bool arriving)
{
	int r = finish_files(commits, flags, internal_date);

	if (r == 0)
		r = ms_lock(commits->store);
	if (r == 0) {
		r = arriving ? arrive_locked(commits, mailbox) : MS_BY_TRANSACTION;
		if (r == MS_BY_TRANSACTION)
			r = commit_locked(commits, mailbox);
		ms_unlock(commits->store);
	}
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
