/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Making, removing and renaming mailboxes: the folder first, for it is the truth; the index follows. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"

#define MAKING "tmp/" MS_FOLDER_ASIDE "making"

/* Made whole under another name, then put in place by one rename: a crash leaves a mailbox or none. */
int
ms_folder_make(struct ms_store *store, const char *name, enum ms_use use)
{
	static const char *const parts[] = { "tmp", "new", "cur" };
	_cleanup_(closep) int fd = -1;
	struct buf folder = BUF_INIT(MS_MAILBOX_NAME_MAX);
	struct ms_folder file;
	struct stat st;
	int r = ms_mailbox_folder_name(name, &folder);

	if (r == 0 && (folder.len == 0 || fstatat(store->maildir_fd, buf_cstr(&folder), &st, AT_SYMLINK_NOFOLLOW) == 0))
		r = MS_E_EXISTS;
	if (r == 0)
		r = ms_remove_tree(store->maildir_fd, MAKING);
	if (r == 0 && mkdirat(store->maildir_fd, MAKING, 0700) < 0)
		r = -errno;
	if (r == 0)
		fd = openat(store->maildir_fd, MAKING, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (r == 0 && fd < 0)
		r = -errno;
	for (size_t i = 0; r == 0 && i < sizeof(parts) / sizeof(*parts); i++)
		if (mkdirat(fd, parts[i], 0700) < 0)
			r = -errno;
	if (r == 0) {
		/* Other Maildir++ programs know a folder by this file. */
		int marker = openat(fd, "maildirfolder", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		r = marker < 0 ? -errno : 0;
		if (marker >= 0)
			(void)close(marker);
	}
	if (r == 0)
		r = ms_folder_new(store, &file, use);
	if (r == 0)
		r = ms_folder_write(fd, &file);
	if (r == 0 && (renameat(store->maildir_fd, MAKING, store->maildir_fd, buf_cstr(&folder)) < 0 || fsync(store->maildir_fd) < 0))
		r = -errno;
	buf_free(&folder);
	return r;
}

static int
create_locked(struct ms_store *store, struct span name, enum ms_use use)
{
	/* Parents too (RFC 3501 section 6.3.3). */
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] == '/') {
			_cleanup_(freep) char *parent = span_dup(span_make(name.ptr, i));
			int r = ms_folder_make(store, parent, MS_USE_NONE);

			if (r != 0 && r != MS_E_EXISTS)
				return r;
		}
	return ms_folder_make(store, name.ptr, use);
}

int
ms_mailbox_create(struct ms_store *store, const char *name, enum ms_use use)
{
	struct buf checked = BUF_INIT(MS_MAILBOX_NAME_MAX);
	int r = ms_mailbox_name_check(name, &checked);

	if (r == 0)
		r = ms_lock(store);
	if (r == 0) {
		r = create_locked(store, span_make(buf_cstr(&checked), checked.len), use);
		if (r == 0)
			r = ms_sync_mailboxes(store);
		ms_unlock(store);
	}
	buf_free(&checked);
	return r;
}

int
ms_mailbox_delete(struct ms_store *store, const char *name)
{
	struct buf folder = BUF_INIT(MS_MAILBOX_NAME_MAX);
	_cleanup_(freep) char *aside = NULL;
	int r = ms_mailbox_folder_name(name, &folder);

	if (r == MS_E_BADNAME)
		r = MS_E_NOTFOUND;
	if (r == 0 && folder.len == 0)
		r = MS_E_DENIED;
	if (r == 0)
		r = ms_lock(store);
	if (r != 0) {
		buf_free(&folder);
		return r;
	}
	/* One rename takes it away; the removal may then take its time, and go on after a crash when the same name is used. */
	aside = xasprintf("tmp/" MS_FOLDER_ASIDE "removed.%ld", (long)getpid());
	r = ms_remove_tree(store->maildir_fd, aside);
	if (r == 0 && (renameat(store->maildir_fd, buf_cstr(&folder), store->maildir_fd, aside) < 0 || fsync(store->maildir_fd) < 0))
		r = errno == ENOENT ? MS_E_NOTFOUND : -errno;
	if (r == 0)
		r = ms_sync_mailboxes(store);
	if (r == 0)
		(void)ms_remove_tree(store->maildir_fd, aside); /* what stays is out of sight, and tried again at the next removal */
	ms_unlock(store);
	buf_free(&folder);
	return r;
}

/* --- renaming --- */

struct renaming {
	uint32_t number;
	const char *to;
};

static int
put_name(struct ms_txn *txn, void *context)
{
	const struct renaming *renaming = context;
	struct ms_mailbox_record record;
	int r = ms_mailbox_load(txn, renaming->number, &record);

	if (r != 0)
		return r;
	free(record.name);
	record.name = xstrdup(renaming->to);
	r = ms_next_modseq(txn, &record.modseq);
	if (r == 0)
		r = ms_mailbox_save(txn, renaming->number, &record);
	ms_mailbox_record_clear(&record);
	return r;
}

/* Folder and record of one mailbox. A crash between leaves the folder renamed; the index then takes it as a new one, with the
 * UIDs of its names. */
static int
rename_one(struct ms_store *store, uint32_t number, const char *from, const char *to)
{
	struct buf old = BUF_INIT(MS_MAILBOX_NAME_MAX), new = BUF_INIT(MS_MAILBOX_NAME_MAX);
	struct stat st;
	int r = ms_mailbox_folder_name(from, &old);

	if (r == 0)
		r = ms_mailbox_folder_name(to, &new);
	if (r == 0 && fstatat(store->maildir_fd, buf_cstr(&new), &st, AT_SYMLINK_NOFOLLOW) == 0)
		r = MS_E_EXISTS;
	if (r == 0 && (renameat(store->maildir_fd, buf_cstr(&old), store->maildir_fd, buf_cstr(&new)) < 0 || fsync(store->maildir_fd) < 0))
		r = -errno;
	if (r == 0) {
		struct renaming renaming = { number, to };

		r = ms_run(store, put_name, &renaming);
	}
	buf_free(&old);
	buf_free(&new);
	return r;
}

static int
move_inbox(struct ms_store *store, const char *to)
{
	struct ms_mailbox *inbox;
	uint32_t *uids;
	size_t count;
	int r = ms_mailbox_create(store, to, MS_USE_NONE);

	if (r == 0)
		r = ms_mailbox_open(store, "INBOX", &inbox);
	if (r != 0)
		return r;
	r = ms_mailbox_uids(inbox, &uids, &count);
	if (r == 0) {
		uint32_t *new = xcalloc(count, sizeof(*new)), uidvalidity;

		r = count != 0 ? ms_copy(inbox, uids, count, to, true, new, &uidvalidity) : 0;
		free(new);
		free(uids);
	}
	ms_mailbox_close(inbox);
	return r;
}

/* What is being renamed stands here until all of it is: a crash leaves a tree half moved, and whoever opens the store next moves
 * the rest. */
#define RENAMING_FILE "renaming"
#define RENAMING_TEXT_MAX (64 * 1024)

static int
note_renaming(const struct ms_store *store, const char *from, const char *to)
{
	static const char temporary[] = RENAMING_FILE ".new";
	_cleanup_(closep) int fd = openat(store->dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	_cleanup_(freep) char *text = xasprintf("%s\n%s\n", from, to);

	if (fd < 0)
		return -errno;
	errno = EIO; /* for a short write */
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text) || fsync(fd) < 0 ||
	    renameat(store->dir_fd, temporary, store->dir_fd, RENAMING_FILE) < 0 || fsync(store->dir_fd) < 0)
		return -errno;
	return 0;
}

static int
forget_renaming(const struct ms_store *store)
{
	return unlinkat(store->dir_fd, RENAMING_FILE, 0) < 0 || fsync(store->dir_fd) < 0 ? -errno : 0;
}

static bool
is_within(const char *name, const char *tree)
{
	size_t len = strlen(tree);

	return strncmp(name, tree, len) == 0 && (name[len] == '\0' || name[len] == '/');
}

/* MS_E_EXISTS when something stands where one of the tree would go: then none of it goes. */
static int
look_for_targets(const struct ms_store *store, const struct ms_mailbox_info *list, size_t count, const char *from, const char *to)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		_cleanup_(freep) char *new = NULL;
		struct buf folder = BUF_INIT(MS_MAILBOX_NAME_MAX);
		struct stat st;

		if (is_within(list[i].name, from)) {
			new = xasprintf("%s%s", to, list[i].name + strlen(from));
			r = ms_mailbox_folder_name(new, &folder);
			if (r == 0 && fstatat(store->maildir_fd, buf_cstr(&folder), &st, AT_SYMLINK_NOFOLLOW) == 0)
				r = MS_E_EXISTS;
		}
		buf_free(&folder);
	}
	return r;
}

static int
move_one(struct ms_store *store, const struct ms_mailbox_info *info, const char *from, const char *to)
{
	_cleanup_(freep) char *new = xasprintf("%s%s", to, info->name + strlen(from));
	struct ms_mailbox_record record;
	uint32_t number;
	int r = 0;

	/* Both names for a while: at no time is a mailbox not subscribed that was. */
	if (info->subscribed)
		r = ms_subscribe(store, new, true);
	if (r == 0)
		r = ms_mailbox_find(store, info->name, &number, &record);
	if (r == 0) {
		ms_mailbox_record_clear(&record);
		r = rename_one(store, number, info->name, new);
	}
	return r == 0 && info->subscribed ? ms_subscribe(store, info->name, false) : r;
}

static int
rename_tree(struct ms_store *store, const char *from, const char *to)
{
	struct ms_mailbox_info *list;
	size_t count;
	int r = ms_mailboxes(store, &list, &count);
	bool found = false, begun = false, moved = false;

	for (size_t i = 0; r == 0 && i < count; i++)
		found = found || strcmp(list[i].name, from) == 0;
	if (r == 0 && !found)
		r = MS_E_NOTFOUND;
	if (r == 0)
		r = look_for_targets(store, list, count, from, to);
	if (r == 0) {
		/* The new parents come first; the last level is the mailbox itself. */
		struct span parents = span_of(to);
		ptrdiff_t slash = span_rchr(parents, '/');

		if (slash > 0) {
			_cleanup_(freep) char *parent = span_dup(span_make(to, (size_t)slash));

			r = ms_mailbox_create(store, parent, MS_USE_NONE);
			if (r == MS_E_EXISTS)
				r = 0;
		}
	}
	if (r == 0) {
		r = note_renaming(store, from, to);
		begun = true;
	}
	for (size_t i = 0; r == 0 && i < count; i++)
		if (is_within(list[i].name, from)) {
			r = move_one(store, &list[i], from, to);
			moved = moved || r == 0;
		}
	ms_mailboxes_free(list, count);
	if (r == 0)
		return forget_renaming(store);
	/* Refused while nothing of it stands elsewhere: then nobody finishes it. */
	if (begun && !moved)
		(void)forget_renaming(store);
	return r;
}

static int
finish_renaming(struct ms_store *store, const char *from, const char *to)
{
	struct ms_mailbox_info *list;
	size_t count;
	int r = ms_mailboxes(store, &list, &count);

	for (size_t i = 0; r == 0 && i < count; i++) {
		if (!is_within(list[i].name, from))
			continue;
		r = move_one(store, &list[i], from, to);
		if (r == MS_E_EXISTS || r == MS_E_BADNAME)
			r = 0; /* made since: it stays where it is */
	}
	ms_mailboxes_free(list, count);
	return r == 0 ? forget_renaming(store) : r;
}

int
ms_renaming_finish(struct ms_store *store)
{
	struct buf text = BUF_INIT(RENAMING_TEXT_MAX);
	struct span rest, from, to;
	int r = faccessat(store->dir_fd, RENAMING_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? ms_lock(store) : MS_E_NOTFOUND;

	if (r != 0)
		return r == MS_E_NOTFOUND ? 0 : r;
	/* Under the lock: now nobody is about it any more. */
	r = ms_read_file(store->dir_fd, RENAMING_FILE, &text);
	rest = buf_get(&text);
	if (r == 0 && span_split(&rest, '\n', &from) && span_split(&rest, '\n', &to) && from.len != 0 && to.len != 0) {
		_cleanup_(freep) char *old = span_dup(from), *new = span_dup(to);

		r = finish_renaming(store, old, new);
	} else if (r == 0 || r == MS_E_LIMIT) {
		r = forget_renaming(store);
	}
	ms_unlock(store);
	buf_free(&text);
	return r == MS_E_NOTFOUND ? 0 : r;
}

int
ms_mailbox_rename(struct ms_store *store, const char *from, const char *to)
{
	struct buf old = BUF_INIT(MS_MAILBOX_NAME_MAX), new = BUF_INIT(MS_MAILBOX_NAME_MAX);
	int r = ms_mailbox_name_check(from, &old) != 0 ? MS_E_NOTFOUND : ms_mailbox_name_check(to, &new);

	if (r == 0 && span_eq(buf_get(&new), SPAN("INBOX")))
		r = MS_E_EXISTS;
	/* A mailbox cannot go below itself. */
	if (r == 0 && span_starts(buf_get(&new), buf_get(&old)) && (new.len == old.len || new.data[old.len] == '/'))
		r = new.len == old.len ? MS_E_EXISTS : MS_E_BADNAME;
	if (r == 0)
		r = ms_lock(store);
	if (r == 0) {
		r = span_eq(buf_get(&old), SPAN("INBOX")) ? move_inbox(store, buf_cstr(&new)) : rename_tree(store, buf_cstr(&old), buf_cstr(&new));
		ms_unlock(store);
	}
	buf_free(&old);
	buf_free(&new);
	return r;
}
