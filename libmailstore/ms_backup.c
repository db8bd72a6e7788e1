/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Backups. Under the account's lock every message that the previous backup lacks gets a hard link in a folder beside the Maildir: that is
 * the moment it is a backup of, and takes no longer than making links. What is slow comes after the lock is given back. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"
#include "libmailstore/ms_listing.h"

/* Beside the Maildir: the links of the backup that is being made. */
#define MOMENT "backup"
#define PART ".part"
#define PIECE 65536

struct message {
	char *name;      /* with "new/" or "cur/" before it */
	char *previous;  /* the same in the previous backup; NULL: it stands in the moment's folder under its number */
	uint64_t number;
	bool unreadable;
};

struct folder {
	char *mailbox;
	char *path;      /* in the Maildir: "." for INBOX */
	struct buf file; /* fourpost-folder */
	struct message *messages;
	size_t count;
	bool shut; /* nobody can look into it */
};

struct backup {
	struct ms_store *store;
	struct ms_backup_result *result;
	int into_fd, moment_fd, previous_fd; /* previous: its Maildir, or -1 */
	struct folder *folders;
	size_t count;
	struct buf subscriptions;
	uint64_t number;
	ms_note_fn note;
	void *context;
};

static void
forget_folders(struct backup *backup)
{
	for (size_t i = 0; i < backup->count; i++) {
		struct folder *folder = &backup->folders[i];

		for (size_t k = 0; k < folder->count; k++) {
			free(folder->messages[k].name);
			free(folder->messages[k].previous);
		}
		free(folder->messages);
		free(folder->mailbox);
		free(folder->path);
		buf_free(&folder->file);
	}
	backup->count = 0;
}

static void
clear(struct backup *backup)
{
	forget_folders(backup);
	free(backup->folders);
	buf_free(&backup->subscriptions);
	for (size_t i = 0; i < 2; i++) {
		int fd = (const int[]){ backup->moment_fd, backup->previous_fd }[i];

		if (fd >= 0)
			(void)close(fd);
	}
}

/* --- the moment, under the lock --- */

static char *
path_of(const struct ms_file *file)
{
	return xasprintf("%s/%s", file->in_cur ? "cur" : "new", file->name);
}

/* Whether it is the file itself that cannot be read, and not the disk that is full or broken where it goes. */
static bool
cannot_be_read(int at, const char *name)
{
	_cleanup_(closep) int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	_cleanup_(freep) char *piece = xmalloc(PIECE);
	ssize_t got = fd < 0 ? -1 : 1;

	while (got > 0)
		got = read(fd, piece, PIECE);
	return got < 0 && ms_is_unreadable(-errno);
}

static int
hold_message(struct backup *backup, int folder_fd, const struct ms_file *file, struct ms_listing *previous, struct message *message)
{
	const struct ms_file *same = ms_listing_find_exactly(previous, file->parsed.unique, file->parsed.uid);
	bool copied;
	char number[32];
	int r;

	message->name = path_of(file);
	/* A file never changes: its unique part and its size are enough to know it by. */
	if (same != NULL && same->parsed.bytes == file->parsed.bytes) {
		message->previous = path_of(same);
		return 0;
	}
	message->number = ++backup->number;
	(void)snprintf(number, sizeof(number), "%llu", (unsigned long long)message->number);
	/* A link to what its owner may not read can be made, and never restored. Another's file that may be read is copied. */
	if (faccessat(folder_fd, message->name, R_OK, AT_EACCESS) < 0)
		r = -errno;
	else
		r = ms_transfer(folder_fd, message->name, backup->moment_fd, number, &copied);
	message->unreadable = ms_is_unreadable(r) && cannot_be_read(folder_fd, message->name);
	return message->unreadable ? 0 : r;
}

static int
read_previous(const struct backup *backup, const char *path, struct ms_listing *ret)
{
	_cleanup_(closep) int fd = -1;

	*ret = (struct ms_listing){ .files = NULL };
	if (backup->previous_fd < 0)
		return 0;
	fd = openat(backup->previous_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 ? ms_listing_read(fd, 0, ret) : errno == ENOENT ? 0 : -errno;
}

static struct folder *
add_folder(struct backup *backup, const char *mailbox)
{
	struct buf path = BUF_INIT(MS_MAILBOX_NAME_MAX);
	struct folder *folder;

	(void)ms_mailbox_folder_name(mailbox, &path); /* it is known by it */
	backup->folders = xreallocarray(backup->folders, backup->count + 1, sizeof(*backup->folders));
	folder = &backup->folders[backup->count++];
	*folder = (struct folder){ .mailbox = xstrdup(mailbox), .path = path.len != 0 ? buf_take(&path) : xstrdup("."), .file = BUF_INIT(MS_FOLDER_TEXT_MAX) };
	buf_free(&path);
	return folder;
}

static int
hold_folder(struct backup *backup, const char *mailbox)
{
	_cleanup_(closep) int fd = -1;
	struct ms_listing listing = { .files = NULL }, previous = { .files = NULL };
	struct folder *folder = add_folder(backup, mailbox);
	int r = ms_folder_open(backup->store, mailbox, &fd);

	if (r == 0)
		r = ms_read_file(fd, MS_FOLDER_FILE, &folder->file);
	if (r == 0)
		r = read_previous(backup, folder->path, &previous);
	if (r == 0)
		r = ms_listing_read(fd, 0, &listing);
	if (r == 0)
		folder->messages = xcalloc(listing.count, sizeof(*folder->messages));
	for (size_t i = 0; r == 0 && i < listing.count; i++) {
		if (listing.files[i].taken)
			continue;
		r = hold_message(backup, fd, &listing.files[i], &previous, &folder->messages[folder->count]);
		if (r == -ENOENT) {
			/* Another program moved it just now; where it is now it is found by the second look. */
			free(folder->messages[folder->count].name);
			r = MS_AGAIN;
		} else {
			folder->count++;
		}
	}
	ms_listing_clear(&listing);
	ms_listing_clear(&previous);
	folder->shut = ms_folder_is_shut(backup->store, mailbox, r);
	return folder->shut ? 0 : r;
}

/* What ms_mailboxes leaves out is to be told of. MS_AGAIN: one came or went meanwhile. */
static int
note_shut(struct backup *backup)
{
	struct ms_mailbox_names names;
	size_t held = backup->count, at = 0;
	int r = ms_mailbox_names(backup->store, &names);

	/* Both in the order of names, but for those that the index does not know. */
	for (size_t i = 0; r == 0 && i < names.count; i++) {
		const char *name = names.list[i].name;

		while (names.list[i].known && at < held && strcmp(backup->folders[at].mailbox, name) < 0)
			at++;
		if (names.list[i].known && at < held && strcmp(backup->folders[at].mailbox, name) == 0)
			continue;
		if (ms_folder_is_shut(backup->store, name, -EACCES))
			add_folder(backup, name)->shut = true;
		else
			r = MS_AGAIN;
	}
	ms_mailbox_names_clear(&names);
	return r;
}

/* Every file has its UID and flags in its name then. */
static int
hold_account(struct backup *backup)
{
	int r = MS_AGAIN;

	for (unsigned tries = 0; r == MS_AGAIN && tries < RETRIES_MAX; tries++) {
		struct ms_mailbox_info *list = NULL;
		size_t count = 0;

		forget_folders(backup);
		r = ms_mailboxes(backup->store, &list, &count);
		if (r == 0)
			r = ms_follow_account(backup->store);
		for (size_t i = 0; r == 0 && i < count; i++)
			r = hold_folder(backup, list[i].name);
		if (r == 0)
			r = note_shut(backup);
		ms_mailboxes_free(list, count);
	}
	if (r == 0) {
		r = ms_read_file(backup->store->maildir_fd, MS_SUBSCRIPTIONS, &backup->subscriptions);
		if (r == MS_E_NOTFOUND)
			r = 0;
	}
	return r == MS_AGAIN ? -EBUSY : r;
}

/* --- the backup, at leisure --- */

static int
make_folder(int at, const char *path, const char *name)
{
	_cleanup_(freep) char *whole = xasprintf("%s/%s", path, name);

	return mkdirat(at, whole, 0700) < 0 ? -errno : 0;
}

static int
write_bytes(int at, const char *name, struct span bytes)
{
	_cleanup_(closep) int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	errno = EIO; /* for a short write */
	return write(fd, bytes.ptr, bytes.len) != (ssize_t)bytes.len || fsync(fd) < 0 ? -errno : 0;
}

/* No other message is to miss the backup for one that cannot be read. */
static int
leave_out(const struct backup *backup, const char *mailbox, const struct message *message)
{
	_cleanup_(freep) char *text = xasprintf("%s cannot be read and is left out", message->name);

	backup->note(backup->context, mailbox, text);
	backup->result->unreadable++;
	return 0;
}

/* Nor is any other mailbox. */
static void
leave_folder_out(const struct backup *backup, const struct folder *folder)
{
	backup->note(backup->context, folder->mailbox, "the mailbox's folder cannot be read: the whole mailbox is left out");
	backup->result->unreadable++;
}

static int
put_message(const struct backup *backup, const char *mailbox, const struct message *message, int previous_fd, int to_fd)
{
	int from_fd = message->previous != NULL ? previous_fd : backup->moment_fd, r;
	bool copied = false;
	char number[32];
	const char *name = message->previous != NULL ? message->previous : number;

	if (message->unreadable)
		return leave_out(backup, mailbox, message);
	(void)snprintf(number, sizeof(number), "%llu", (unsigned long long)message->number);
	r = ms_transfer(from_fd, name, to_fd, message->name, &copied);
	if (ms_is_unreadable(r) && cannot_be_read(from_fd, name))
		return leave_out(backup, mailbox, message);
	if (r == 0 && message->previous == NULL)
		(void)unlinkat(backup->moment_fd, number, 0);
	backup->result->linked += message->previous != NULL && !copied;
	backup->result->copied += copied;
	backup->result->messages++;
	return r;
}

static int
put_folder(struct backup *backup, int maildir_fd, const struct folder *folder)
{
	_cleanup_(closep) int to_fd = -1, previous_fd = -1;
	int r = strcmp(folder->path, ".") == 0 || mkdirat(maildir_fd, folder->path, 0700) == 0 ? 0 : -errno;

	if (r == 0)
		r = make_folder(maildir_fd, folder->path, "tmp");
	if (r == 0)
		r = make_folder(maildir_fd, folder->path, "new");
	if (r == 0)
		r = make_folder(maildir_fd, folder->path, "cur");
	if (r != 0)
		return r;
	to_fd = openat(maildir_fd, folder->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to_fd < 0)
		return -errno;
	if (backup->previous_fd >= 0)
		previous_fd = openat(backup->previous_fd, folder->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	for (size_t i = 0; r == 0 && i < folder->count; i++)
		r = put_message(backup, folder->mailbox, &folder->messages[i], previous_fd, to_fd);
	if (r == 0)
		r = write_bytes(to_fd, MS_FOLDER_FILE, buf_get(&folder->file));
	if (r == 0 && strcmp(folder->path, ".") != 0)
		r = write_bytes(to_fd, "maildirfolder", SPAN_NULL);
	if (r == 0)
		r = ms_folder_fsync(to_fd, true);
	if (r == 0)
		r = ms_folder_fsync(to_fd, false);
	return r == 0 && fsync(to_fd) < 0 ? -errno : r;
}

static int
put_account(struct backup *backup, const char *part)
{
	_cleanup_(closep) int part_fd = -1, maildir_fd = -1;
	int r = ms_remove_tree(backup->into_fd, part); /* of an attempt that was cut short */

	if (r != 0)
		return r;
	if (mkdirat(backup->into_fd, part, 0700) < 0)
		return -errno;
	part_fd = openat(backup->into_fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (part_fd < 0 || mkdirat(part_fd, "Maildir", 0700) < 0)
		return -errno;
	maildir_fd = openat(part_fd, "Maildir", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (maildir_fd < 0)
		return -errno;
	for (size_t i = 0; r == 0 && i < backup->count; i++)
		if (backup->folders[i].shut)
			leave_folder_out(backup, &backup->folders[i]);
		else
			r = put_folder(backup, maildir_fd, &backup->folders[i]);
	if (r == 0)
		r = write_bytes(maildir_fd, MS_SUBSCRIPTIONS, buf_get(&backup->subscriptions));
	return r == 0 && (fsync(maildir_fd) < 0 || fsync(part_fd) < 0) ? -errno : r;
}

/* The folder of the moment, held by a lock so that nobody else takes it; what a backup that died left is removed. */
static int
begin_moment(struct backup *backup)
{
	const struct ms_store *store = backup->store;

	if (mkdirat(store->dir_fd, MOMENT, 0700) < 0 && errno != EEXIST)
		return -errno;
	backup->moment_fd = openat(store->dir_fd, MOMENT, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (backup->moment_fd < 0)
		return -errno;
	if (flock(backup->moment_fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? MS_E_LOCKED : -errno;
	return ms_remove_entries(backup->moment_fd);
}

/* Backups that died or failed: each has a name of its own, for that is its time. One that cannot be removed keeps nobody from another. */
static int
remove_parts(int into_fd)
{
	const struct dirent *entry;
	DIR *dir;
	int r = ms_dir_open(into_fd, ".", &dir);

	if (r != 0)
		return r;
	while ((r = ms_dir_next(dir, &entry)) == 0 && entry != NULL) {
		size_t len = strlen(entry->d_name), suffix = strlen(PART);

		if (len > suffix && strcmp(entry->d_name + len - suffix, PART) == 0)
			(void)ms_remove_tree(into_fd, entry->d_name);
	}
	(void)closedir(dir);
	return r;
}

int
ms_backup(struct ms_store *store, int into_fd, const char *name, const char *previous, ms_note_fn note, void *context, struct ms_backup_result *ret)
{
	struct backup backup = {
		.store = store, .note = note, .context = context, .result = ret, .into_fd = into_fd, .moment_fd = -1, .previous_fd = -1, .subscriptions = BUF_INIT(MS_SUBSCRIPTIONS_MAX),
	};
	_cleanup_(freep) char *part = xasprintf("%s" PART, name), *before = previous != NULL ? xasprintf("%s/Maildir", previous) : NULL;
	bool held;
	int r;

	*ret = (struct ms_backup_result){ .messages = 0 };
	if (faccessat(into_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return MS_E_EXISTS;
	if (before != NULL)
		backup.previous_fd = openat(into_fd, before, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = begin_moment(&backup);
	held = r == 0;
	if (r == 0)
		r = remove_parts(into_fd);
	if (r == 0)
		r = ms_lock(store);
	if (r == 0) {
		r = hold_account(&backup);
		ms_unlock(store);
	}
	if (r == 0)
		r = put_account(&backup, part);
	if (r == 0 && (renameat(into_fd, part, into_fd, name) < 0 || fsync(into_fd) < 0))
		r = -errno;
	/* What failed for want of room leaves it as it was. */
	if (r != 0 && held)
		(void)ms_remove_tree(into_fd, part);
	if (backup.moment_fd >= 0 && r != MS_E_LOCKED)
		(void)ms_remove_entries(backup.moment_fd);
	clear(&backup);
	return r;
}
