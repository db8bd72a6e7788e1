/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A new message: written and synced in tmp/, then in one transaction named, put into the folder, recorded. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"

#define CHUNK 65536

struct ms_append {
	struct ms_store *store;
	char *unique;
	int fd;
	uint64_t bytes;
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

struct commit {
	struct ms_append *append;
	const char *placed; /* where the file stands, as seen from the Maildir */
	char *path;
	uint32_t number;
	struct ms_mailbox_record *mailbox;
	struct ms_message_record record;
	struct ms_derived *derived;
	const char *const *keywords;
	uint32_t uidvalidity;
	int folder_fd;
	int64_t date;
};

/* Puts the file into the folder under its final name. Repeated, it moves it on from where it stands. */
static int
place(struct commit *commit)
{
	struct ms_name name = {
		.unique = span_of(commit->append->unique), .bytes = commit->append->bytes, .size = commit->derived->size,
		.uid = commit->record.message.uid, .flags = commit->record.message.flags,
		.letters = (uint32_t)(commit->record.message.keywords & ((1u << MS_LETTERS) - 1)),
	};
	struct buf text = BUF_INIT(MS_NAME_MAX);
	struct ms_touch touch;
	char *target;
	int r;

	commit->record.in_cur = name.flags != 0 || name.letters != 0;
	r = ms_name_format(&name, commit->record.in_cur, &text);
	if (r != 0) {
		buf_free(&text);
		return MS_E_LIMIT;
	}
	(void)snprintf(commit->record.name, sizeof(commit->record.name), "%s", buf_cstr(&text));
	buf_free(&text);
	target = xasprintf("%s/%s", commit->record.in_cur ? "cur" : "new", commit->record.name);
	ms_touch_begin(&touch, commit->append->store);
	ms_touch_add(&touch, commit->folder_fd, commit->mailbox);
	touch.sides[0].ours = 1;
	if (commit->placed == NULL)
		r = renameat(commit->append->store->maildir_fd, commit->path, commit->folder_fd, target);
	else
		r = renameat(commit->folder_fd, commit->placed, commit->folder_fd, target);
	if (r < 0)
		r = -errno;
	ms_touch_end(&touch);
	if (r < 0) {
		free(target);
		return r;
	}
	free(commit->path);
	commit->path = target;
	commit->placed = target;
	ms_touch_note(&touch, 0, commit->mailbox);
	return ms_folder_fsync(commit->folder_fd, commit->record.in_cur);
}

static int
record_message(struct ms_txn *txn, void *context)
{
	struct commit *commit = context;
	struct ms_message *message = &commit->record.message;
	struct ms_mailbox_record fresh = { .name = NULL };
	int r = ms_mailbox_load(txn, commit->number, &fresh);

	if (r != 0)
		return r;
	ms_mailbox_record_clear(commit->mailbox);
	*commit->mailbox = fresh;
	commit->uidvalidity = fresh.folder.uidvalidity;
	r = ms_keywords_take(commit->folder_fd, commit->mailbox, commit->keywords, &message->keywords);
	if (r == 0)
		r = ms_take_uid(commit->folder_fd, commit->mailbox, &message->uid);
	if (r == 0)
		r = ms_next_modseq(txn, &message->modseq);
	if (r == 0)
		r = ms_thread_join(txn, commit->derived, message->email_id, commit->date, &message->thread_id);
	if (r == 0)
		r = place(commit);
	if (r == 0)
		r = ms_message_insert(txn, commit->number, commit->mailbox, &commit->record, buf_get(&commit->derived->cache));
	return r == 0 ? ms_mailbox_save(txn, commit->number, commit->mailbox) : r;
}

static int
finish_file(struct ms_append *append, int64_t internal_date)
{
	struct timespec times[2] = { { internal_date, 0 }, { internal_date, 0 } };

	if (append->cr)
		(void)put(append, SPAN("\r"));
	append->cr = false;
	(void)flush(append);
	/* The time of the file is what INTERNALDATE is known by when the index is lost. */
	if (append->error == 0 && (futimens(append->fd, times) < 0 || fsync(append->fd) < 0))
		append->error = -errno;
	return append->error;
}

static int
commit_locked(struct commit *commit, const char *mailbox)
{
	struct ms_store *store = commit->append->store;
	struct ms_mailbox_record record;
	int r = ms_mailbox_find(store, mailbox, &commit->number, &record);

	if (r != 0)
		return r;
	commit->mailbox = &record;
	/* What others did to the folder meanwhile does not matter here: a delivery never reads it. */
	r = ms_folder_open(store, record.name, &commit->folder_fd);
	/* But for a mailbox whose taking in was cut short: its next UID is not known yet. */
	if (r == 0 && record.uidnext == 0)
		r = ms_sync(store, commit->number, &record);
	if (r == 0)
		r = ms_run(store, record_message, commit);
	if (r != 0 && commit->placed != NULL)
		(void)unlinkat(commit->folder_fd, commit->placed, 0); /* not promised to anybody */
	if (commit->folder_fd >= 0)
		(void)close(commit->folder_fd);
	ms_mailbox_record_clear(&record);
	return r;
}

int
ms_append_commit(struct ms_append *append, const char *mailbox, uint32_t flags, const char *const *keywords, int64_t internal_date,
    uint32_t *ret_uid, uint32_t *ret_uidvalidity, uint64_t *ret_email_id)
{
	struct ms_derived derived = { .size = 0 };
	int64_t now = time(NULL);
	struct commit commit = { .append = append, .folder_fd = -1, .derived = &derived, .keywords = keywords };
	struct ms_message *message = &commit.record.message;
	int r;

	if (internal_date == 0)
		internal_date = now;
	r = finish_file(append, internal_date);
	if (r == 0)
		r = ms_derive(append->fd, append->bytes, &derived);
	if (r == 0) {
		message->flags = flags;
		message->size = derived.size;
		message->internal_date = internal_date;
		message->save_date = now;
		message->email_id = ms_name_email_id(span_of(append->unique));
		message->has_attachment = derived.has_attachment;
		commit.record.bytes = append->bytes;
		commit.date = derived.date != 0 ? derived.date : internal_date;
		commit.path = tmp_path(append);
		r = ms_lock(append->store);
	}
	if (r == 0) {
		r = commit_locked(&commit, mailbox);
		ms_unlock(append->store);
	}
	if (r == 0) {
		*ret_uid = message->uid;
		*ret_uidvalidity = commit.uidvalidity;
		if (ret_email_id != NULL)
			*ret_email_id = message->email_id;
		(void)close(append->fd);
		append->fd = -1; /* there is nothing in tmp/ to remove */
	}
	free(commit.path);
	ms_derived_clear(&derived);
	ms_append_abort(append);
	return r;
}
