/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Restoring a backup, and bringing in a Maildir from elsewhere: a new Maildir is made beside the account's, and takes its place. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_given.h"
#include "libmailstore/ms_hidden.h"
#include "libmailstore/ms_import.h"
#include "libmailstore/ms_import_folder.h"
#include "libmailstore/ms_import_names.h"
#include "libmailstore/ms_internal.h"
#include "libmailstore/ms_listing.h"

#define NEW "Maildir.restored"
/* What is set aside: "Maildir.before", then "Maildir.before.2", ... */
#define BEFORE "Maildir.before"
#define BEFORE_MAX 10000
/* Of the file that names the source; as much as is read at once, twice. */
#define COPIED_MAX (64 * 1024)

struct restore {
	int dir_fd, lock_fd, maildir_fd; /* the account's; maildir_fd -1: none yet */
	char *before;                    /* the Maildir that an attempt which was cut short has set aside, or NULL */
	int before_fd;                   /* that, or -1 */
	int backup_fd, new_fd;           /* Maildirs */
	void (*as)(void *context, bool backup);
	void *context;
	ms_note_fn note;
	void *note_context;
	struct ms_backup_result *result;
	bool lists;                      /* it is no backup, but what Dovecot or Courier kept: what they know comes along */
	struct ms_import_names names;    /* then: of all folders in it */
	bool has_tree;                   /* of them, some are none of a Maildir++ */
	struct ms_given given;
};

#define KEYWORD_FILES "courierimapkeywords"
/* Folders in folders, where Dovecot has LAYOUT=fs: more than names have levels. */
#define DEPTH_MAX 64
/* Of a name that levels are put together to; a number may follow it. */
#define PATH_LEN_MAX 240
#define SAME_NAMES_MAX 1000

/* Where a folder stands: "." is the Maildir itself. */
struct place {
	const char *path;   /* in a Maildir++ */
	const char *theirs; /* in the tree of folders, with "/" before each level */
	unsigned depth;
};

/* The folder's name in a Maildir++, where it stands in a tree of folders. */
static void
put_path(const struct place *parent, const char *entry, struct buf *out)
{
	/* Of folders below the Maildir itself those with a dot are a Maildir++'s. */
	if (parent->depth == 0 && entry[0] == '.') {
		(void)buf_str(out, entry);
		return;
	}
	(void)buf_fmt(out, "%s.", parent->depth != 0 ? parent->path : "");
	for (const char *c = entry; *c != '\0' && out->len < PATH_LEN_MAX; c++)
		(void)buf_char(out, *c != '.' ? *c : '_');
}

/* Names that differed may have come out the same. */
static void
make_unique(const struct restore *restore, struct buf *path)
{
	size_t len = path->len;

	for (unsigned n = 2; n < SAME_NAMES_MAX && faccessat(restore->new_fd, buf_cstr(path), F_OK, AT_SYMLINK_NOFOLLOW) == 0; n++) {
		buf_truncate(path, len);
		(void)buf_fmt(path, "_%u", n);
	}
}

typedef int (*folder_fn)(void *context, int folder_fd, const char *path);

static int each_folder(struct restore *restore, int maildir_fd, const struct place *place, bool backup, folder_fn work);

static void
tell_of_link(const struct restore *restore, int maildir_fd, const char *entry)
{
	struct stat st;

	if (restore->note != NULL && fstatat(maildir_fd, entry, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode) &&
	    fstatat(maildir_fd, entry, &st, 0) == 0 && S_ISDIR(st.st_mode))
		restore->note(restore->note_context, entry, "this folder is a symbolic link: it is left out");
}

static int
one_folder(struct restore *restore, int maildir_fd, const struct place *parent, const char *entry, bool backup, folder_fn work)
{
	bool tree = backup && restore->lists, copying = tree && restore->new_fd >= 0;
	_cleanup_(closep) int folder = -1;
	_cleanup_(freep) char *theirs = xasprintf("%s/%s", parent->theirs, entry);
	struct buf path = BUF_INIT(MS_NAME_MAX);
	int r = 0;

	put_path(parent, entry, &path);
	if (copying)
		make_unique(restore, &path);
	restore->as(restore->context, backup);
	folder = openat(maildir_fd, entry, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0 && errno != ENOTDIR && errno != ELOOP)
		r = -errno;
	else if (folder < 0 && copying)
		tell_of_link(restore, maildir_fd, entry);
	if (r == 0 && folder >= 0) {
		r = ms_import_folder_is(folder, ".");
		r = r > 0 ? 0 : r == 0 ? MS_E_NOTFOUND : r;
	}
	restore->as(restore->context, false);
	if (folder >= 0 && r == 0) {
		r = work(restore, folder, buf_cstr(&path));
		if (r == 0 && copying) {
			ms_import_names_set(&restore->names, theirs, buf_cstr(&path));
			restore->has_tree = restore->has_tree || parent->depth != 0 || entry[0] != '.';
		}
	}
	/* No Maildir; while lists are looked for, one that may not be read, or no part of a Maildir at all. */
	if (r == MS_E_NOTFOUND || (r == -EACCES && tree && !copying))
		r = 0;
	if (folder >= 0 && r == 0 && tree) {
		struct place below = { buf_cstr(&path), theirs, parent->depth + 1 };

		r = parent->depth == DEPTH_MAX ? MS_E_LIMIT : each_folder(restore, folder, &below, backup, work);
	}
	buf_free(&path);
	return r;
}

/* Calls each folder of a Maildir that is a Maildir itself, "." first. backup: its folders are opened as those of the backup are; those of
 * a Maildir with lists may stand in each other. */
static int
each_folder(struct restore *restore, int maildir_fd, const struct place *place, bool backup, folder_fn work)
{
	struct ms_entry_names entries;
	int r;

	restore->as(restore->context, backup);
	r = ms_entry_names_read(maildir_fd, ".", &entries);
	restore->as(restore->context, false);
	if (r == 0 && place->depth == 0)
		r = work(restore, maildir_fd, ".");
	for (size_t i = 0; r == 0 && i < entries.count; i++)
		if (entries.list[i][0] == '.' || (backup && restore->lists && !ms_import_is_part(entries.list[i])))
			r = one_folder(restore, maildir_fd, place, entries.list[i], backup, work);
	ms_entry_names_clear(&entries);
	return r;
}

/* What has only its hidden name may have been promised: whoever opens the account next tells. */
static int
find_mail(void *context, int folder_fd, const char *path)
{
	struct ms_listing listing;
	int r = ms_listing_read(folder_fd, 0, &listing);

	(void)context, (void)path;
	if (r == 0 && (listing.count != 0 || listing.hidden))
		r = MS_E_EXISTS;
	ms_listing_clear(&listing);
	return r;
}

/* --- one folder --- */

static int
open_backup(struct restore *restore, int at, const char *name)
{
	int fd;

	restore->as(restore->context, true);
	fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	fd = fd < 0 ? -errno : fd;
	restore->as(restore->context, false);
	return fd;
}

/* A file of the account's own on the same file system is linked: it never changes. */
static bool
link_own(int from_fd, int to_fd, const char *path)
{
	struct stat st;

	return fstatat(from_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	    linkat(from_fd, path, to_fd, path, 0) == 0;
}

static int
copy_part(struct restore *restore, int from_fd, int to_fd, const struct ms_listing *listing)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < listing->count; i++) {
		const struct ms_file *file = &listing->files[i];
		_cleanup_(freep) char *path = xasprintf("%s/%s", file->in_cur ? "cur" : "new", file->name);
		_cleanup_(closep) int fd = -1;

		if (file->taken)
			continue;
		if (restore->lists) {
			restore->as(restore->context, true);
			r = ms_import_is_packed(from_fd, file);
			restore->as(restore->context, false);
			if (r != 0)
				return r < 0 ? r : MS_E_DENIED;
		}
		restore->result->messages++;
		if (restore->lists && link_own(from_fd, to_fd, path)) {
			restore->result->linked++;
			continue;
		}
		fd = open_backup(restore, from_fd, path);
		r = fd < 0 ? fd : ms_copy_file(fd, to_fd, path);
		restore->result->copied++;
	}
	return r;
}

/* What a crash has left of those on their way into new/: as it is, whoever opens the account tells what are messages. */
static int
copy_hidden(struct restore *restore, int from_fd, int to_fd)
{
	const struct dirent *entry;
	DIR *dir;
	int r;

	restore->as(restore->context, true);
	r = ms_dir_open(from_fd, "new", &dir);
	restore->as(restore->context, false);
	if (r != 0)
		return r == -ENOENT ? 0 : r;
	while (r == 0 && (r = ms_dir_next(dir, &entry)) == 0 && entry != NULL)
		if (ms_hidden_is(entry->d_name)) {
			_cleanup_(freep) char *path = xasprintf("new/%s", entry->d_name);
			_cleanup_(closep) int fd = open_backup(restore, from_fd, path);

			r = fd < 0 ? fd : ms_copy_file(fd, to_fd, path);
			if (r == -ENOENT || r == -ELOOP || r == -EINVAL)
				r = 0; /* it has its name by now, or never was a file */
		}
	(void)closedir(dir);
	return r;
}

/* A file that need not be there. */
static int
copy_beside(struct restore *restore, int from_fd, int to_fd, const char *name)
{
	_cleanup_(closep) int fd = open_backup(restore, from_fd, name);

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	return ms_copy_file(fd, to_fd, name);
}

/* --- what Dovecot and Courier know --- */

static int
copy_keyword_files(struct restore *restore, int from_fd, int to_fd)
{
	_cleanup_(closep) int into = -1;
	const struct dirent *entry;
	DIR *dir;
	int r;

	restore->as(restore->context, true);
	r = ms_dir_open(from_fd, KEYWORD_FILES, &dir);
	restore->as(restore->context, false);
	if (r != 0)
		return r == -ENOENT || r == -ENOTDIR ? 0 : r;
	if (mkdirat(to_fd, KEYWORD_FILES, 0700) < 0)
		r = -errno;
	else if ((into = openat(to_fd, KEYWORD_FILES, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
		r = -errno;
	while (r == 0 && (r = ms_dir_next(dir, &entry)) == 0 && entry != NULL) {
		struct stat st;

		restore->as(restore->context, true);
		r = fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
		restore->as(restore->context, false);
		if (r == 0 && S_ISREG(st.st_mode))
			r = copy_beside(restore, dirfd(dir), into, entry->d_name);
	}
	(void)closedir(dir);
	return r;
}

static int
copy_lists(struct restore *restore, int from_fd, int to_fd)
{
	static const char *const lists[] = { "dovecot-uidlist", "dovecot-keywords", "courierimapuiddb", "courierimapsubscribed" };
	int r = copy_keyword_files(restore, from_fd, to_fd);

	for (size_t i = 0; r == 0 && i < sizeof(lists) / sizeof(*lists); i++)
		r = copy_beside(restore, from_fd, to_fd, lists[i]);
	return r;
}

/* --- a folder --- */

static int
read_folder_file(struct restore *restore, int from_fd, const char *path, struct ms_folder *ret)
{
	struct buf text = BUF_INIT(MS_FOLDER_TEXT_MAX);
	int r;

	restore->as(restore->context, true);
	r = ms_read_file(from_fd, MS_FOLDER_FILE, &text);
	restore->as(restore->context, false);
	if (r == 0)
		r = ms_folder_parse(buf_get(&text), ret);
	buf_free(&text);
	/* What clients may have been given since the backup is not given again. */
	if (r == 0)
		ms_given_raise(&restore->given, path, restore->lists, ret);
	return r;
}

static int
make_folders(int to_fd)
{
	static const char *const parts[] = { "tmp", "new", "cur" };

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (mkdirat(to_fd, parts[i], 0700) < 0)
			return -errno;
	return 0;
}

static int
copy_folder(void *context, int from_fd, const char *path)
{
	struct restore *restore = context;
	_cleanup_(closep) int to_fd = -1, mark_fd = -1;
	struct ms_listing listing;
	struct ms_folder folder;
	int r;

	if (strcmp(path, ".") != 0 && mkdirat(restore->new_fd, path, 0700) < 0)
		return -errno;
	to_fd = openat(restore->new_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to_fd < 0)
		return -errno;
	r = make_folders(to_fd);
	if (r != 0)
		return r;
	/* A backup of ours has none, but a copy of an account may. Before the names: those that follow meanwhile get the same flags once more. */
	r = copy_beside(restore, from_fd, to_fd, MS_PENDING_FILE);
	if (r != 0)
		return r;
	restore->as(restore->context, true);
	r = ms_listing_read(from_fd, 0, &listing);
	restore->as(restore->context, false);
	if (r == 0)
		r = copy_part(restore, from_fd, to_fd, &listing);
	if (r == 0 && listing.hidden)
		r = copy_hidden(restore, from_fd, to_fd);
	if (r == MS_E_DENIED)
		restore->note(restore->note_context, strcmp(path, ".") != 0 ? path : "INBOX", MS_IMPORT_PACKED_NOTE);
	ms_listing_clear(&listing);
	if (r == 0 && restore->lists)
		r = copy_lists(restore, from_fd, to_fd);
	if (r == 0)
		r = ms_folder_fsync(to_fd, true);
	if (r == 0)
		r = ms_folder_fsync(to_fd, false);
	if (r != 0)
		return r;
	if (strcmp(path, ".") != 0) {
		mark_fd = openat(to_fd, "maildirfolder", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (mark_fd < 0)
			return -errno;
	}
	/* A Maildir of somebody else's making gets UIDs when it is first opened. */
	r = read_folder_file(restore, from_fd, path, &folder);
	if (r != 0)
		return r == MS_E_NOTFOUND ? 0 : r;
	r = ms_folder_write(to_fd, &folder);
	ms_folder_clear(&folder);
	return r;
}

/* --- the whole --- */

static char *
before_of(unsigned n)
{
	return n <= 1 ? xstrdup(BEFORE) : xasprintf(BEFORE ".%u", n);
}

/* The number in the name of a Maildir that was set aside; 0: it is none. */
static uint64_t
number_of_before(struct span name)
{
	uint64_t n;

	if (span_eq(name, SPAN(BEFORE)))
		return 1;
	return span_starts(name, SPAN(BEFORE ".")) && span_to_u64(span_skip(name, sizeof(BEFORE)), BEFORE_MAX, &n) == 0 ? n : 0;
}

/* The name that was given last, next 1: that which is given next. */
static int
name_before(int dir_fd, unsigned next, char **ret)
{
	const struct dirent *entry;
	uint64_t highest = 0, n;
	DIR *dir;
	int r = ms_dir_open(dir_fd, ".", &dir);

	if (r != 0)
		return r;
	while ((r = ms_dir_next(dir, &entry)) == 0 && entry != NULL) {
		n = number_of_before(span_of(entry->d_name));
		if (n > highest)
			highest = n;
	}
	(void)closedir(dir);
	if (r == 0 && highest + next > BEFORE_MAX)
		r = MS_E_LIMIT;
	if (r == 0)
		*ret = before_of((unsigned)highest + next);
	return r;
}

/* Which UIDs its mailboxes have given: what was set aside tells of those that the Maildir does not have any more. */
static int
read_given(struct restore *restore)
{
	int now = restore->maildir_fd >= 0 ? restore->maildir_fd : restore->before_fd;
	const struct dirent *entry;
	DIR *dir = NULL;
	int r = ms_dir_open(restore->dir_fd, ".", &dir);

	if (r == 0 && now >= 0)
		ms_given_add(&restore->given, now, true);
	while (r == 0 && (r = ms_dir_next(dir, &entry)) == 0 && entry != NULL)
		if (number_of_before(span_of(entry->d_name)) != 0) {
			_cleanup_(closep) int fd = openat(restore->dir_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (fd >= 0)
				ms_given_add(&restore->given, fd, false);
		}
	if (dir != NULL)
		(void)closedir(dir);
	return r;
}

static int
source_of(const struct restore *restore, struct buf *out)
{
	struct stat st;

	return fstat(restore->backup_fd, &st) < 0 ? -errno : buf_fmt(out, "%llu %llu\n", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
}

/* What an attempt that was cut short has brought in from the same folder: there is nothing in it that this attempt does not bring in. */
static bool
is_copy(const struct restore *restore, int maildir_fd)
{
	struct buf noted = BUF_INIT(COPIED_MAX), wanted = BUF_INIT(COPIED_MAX);
	bool is = restore->lists && faccessat(restore->dir_fd, MS_IMPORTING, F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
	    ms_read_file(maildir_fd, MS_COPIED, &noted) == 0 && source_of(restore, &wanted) == 0 && span_eq(buf_get(&noted), buf_get(&wanted));

	buf_free(&noted);
	buf_free(&wanted);
	return is;
}

static int
note_source(const struct restore *restore)
{
	struct buf text = BUF_INIT(COPIED_MAX);
	int r = source_of(restore, &text);

	if (r == 0)
		r = ms_replace_file(restore->new_fd, MS_COPIED, &text);
	buf_free(&text);
	return r;
}

static int
copy_account(struct restore *restore)
{
	struct buf subscriptions = BUF_INIT(MS_SUBSCRIPTIONS_MAX);
	int r = ms_remove_tree(restore->dir_fd, NEW); /* of an attempt that was cut short */

	if (r != 0)
		return r;
	if (mkdirat(restore->dir_fd, NEW, 0700) < 0)
		return -errno;
	restore->new_fd = openat(restore->dir_fd, NEW, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (restore->new_fd < 0)
		return -errno;
	r = each_folder(restore, restore->backup_fd, &(struct place){ ".", "", 0 }, true, copy_folder);
	if (r == 0) {
		restore->as(restore->context, true);
		r = ms_read_file(restore->backup_fd, MS_SUBSCRIPTIONS, &subscriptions);
		restore->as(restore->context, false);
		/* Where Dovecot has no list, all its folders are subscribed. */
		if (r == MS_E_NOTFOUND && restore->lists)
			r = 0;
		else if (r == 0 || r == MS_E_NOTFOUND)
			r = ms_subscriptions_write(restore->new_fd, &subscriptions);
	}
	buf_free(&subscriptions);
	if (r == 0 && restore->has_tree)
		r = ms_import_names_write(restore->new_fd, &restore->names);
	if (r == 0 && restore->lists)
		r = note_source(restore);
	return r == 0 && (fsync(restore->new_fd) < 0 || fsync(restore->dir_fd) < 0) ? -errno : r;
}

/* The mark stands, so nobody sees the moment without a Maildir. What was set aside earlier stays: it may be all that is left of mail. */
static int
put_in_place(struct restore *restore, bool keep)
{
	_cleanup_(freep) char *before = NULL;
	const char *gone;
	int r = restore->maildir_fd >= 0 ? name_before(restore->dir_fd, 1, &before) : 0;

	gone = keep ? NULL : before != NULL ? before : restore->before;
	if (r == 0 && before != NULL && renameat(restore->dir_fd, "Maildir", restore->dir_fd, before) < 0)
		r = -errno;
	if (r == 0 && (renameat(restore->dir_fd, NEW, restore->dir_fd, "Maildir") < 0 || fsync(restore->dir_fd) < 0))
		r = -errno;
	/* Under a name that is removed by the next attempt, where this one does not come to the end of that. */
	if (r == 0 && gone != NULL)
		r = renameat(restore->dir_fd, gone, restore->dir_fd, NEW) < 0 ? -errno : ms_remove_tree(restore->dir_fd, NEW);
	return r;
}

/* MS_E_EXISTS: the folder has a list of UIDs. */
static int
find_list(void *context, int folder_fd, const char *path)
{
	static const char *const lists[] = { "dovecot-uidlist", "courierimapuiddb" };
	struct restore *restore = context;
	int fd = -ENOENT;

	(void)path;
	for (size_t i = 0; fd == -ENOENT && i < sizeof(lists) / sizeof(*lists); i++)
		fd = open_backup(restore, folder_fd, lists[i]);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	(void)close(fd);
	return MS_E_EXISTS;
}

/* In any of its folders. */
static int
has_lists(struct restore *restore)
{
	int r = each_folder(restore, restore->backup_fd, &(struct place){ ".", "", 0 }, true, find_list);

	return r == 0 ? MS_E_NOTFOUND : r == MS_E_EXISTS ? 0 : r;
}

static int
restore_locked(struct restore *restore, bool force)
{
	int r = restore->maildir_fd >= 0 ? each_folder(restore, restore->maildir_fd, &(struct place){ ".", "", 0 }, false, find_mail) : 0;
	bool had_mail = r == MS_E_EXISTS, keep;

	if (had_mail && (force || faccessat(restore->dir_fd, MS_IMPORTING, F_OK, AT_SYMLINK_NOFOLLOW) == 0))
		r = 0;
	/* What was set aside is kept, but for a copy that came no further. */
	keep = restore->maildir_fd >= 0 ? had_mail && !is_copy(restore, restore->maildir_fd) : restore->before_fd < 0 || !is_copy(restore, restore->before_fd);
	if (r == 0 && restore->lists)
		r = has_lists(restore);
	if (r == 0)
		r = read_given(restore);
	if (r == 0)
		r = copy_account(restore);
	if (r == 0)
		r = ms_account_mark(restore->dir_fd, true);
	/* Those who have the store open see that their index is gone, then the mark: none goes on to store mail in the Maildir of before. */
	if (r == 0)
		r = ms_index_discard(restore->dir_fd);
	if (r == 0)
		r = put_in_place(restore, keep);
	/* What came in with lists has not been taken over yet. */
	return r == 0 && !restore->lists ? ms_account_mark(restore->dir_fd, false) : r;
}

static void
as_before(void *context, bool backup)
{
	(void)context, (void)backup;
}

static int
bring_in(const char *account_dir, int from_fd, bool lists, bool force, void (*as)(void *context, bool backup), void *context, ms_note_fn note,
    void *note_context, struct ms_backup_result *ret)
{
	struct restore restore = { .before_fd = -1, .backup_fd = -1, .new_fd = -1, .as = as != NULL ? as : as_before, .context = context, .result = ret,
		.lists = lists, .note = note, .note_context = note_context };
	int r;

	*ret = (struct ms_backup_result){ .messages = 0 };
	r = ms_account_hold(account_dir, &restore.dir_fd, &restore.lock_fd, &restore.maildir_fd);
	if (r == 0 && restore.maildir_fd < 0)
		r = name_before(restore.dir_fd, 0, &restore.before);
	if (r == 0 && restore.before != NULL)
		restore.before_fd = openat(restore.dir_fd, restore.before, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (r == 0) {
		restore.as(context, true);
		restore.backup_fd = openat(from_fd, lists ? "." : "Maildir", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = restore.backup_fd >= 0 ? 0 : errno == ENOENT ? MS_E_NOTFOUND : -errno;
		restore.as(context, false);
	}
	if (r == 0)
		r = restore_locked(&restore, force);
	ms_import_names_clear(&restore.names);
	ms_given_clear(&restore.given);
	free(restore.before);
	for (size_t i = 0; i < 6; i++) {
		int fd = (const int[]){ restore.new_fd, restore.backup_fd, restore.before_fd, restore.maildir_fd, restore.lock_fd, restore.dir_fd }[i];

		if (fd >= 0)
			(void)close(fd);
	}
	return r;
}

int
ms_restore(const char *account_dir, int from_fd, bool force, void (*as)(void *context, bool backup), void *context, struct ms_backup_result *ret)
{
	struct ms_store *store;
	int r = bring_in(account_dir, from_fd, false, force, as, context, NULL, NULL, ret);

	if (r == 0 && (r = ms_open(account_dir, &store)) == 0)
		ms_close(store);
	return r;
}

int
ms_import_from(const char *account_dir, int from_fd, bool force, void (*as)(void *context, bool backup), void *as_context, ms_note_fn note,
    void *context, struct ms_import_result *ret)
{
	struct ms_backup_result copied;
	int r = bring_in(account_dir, from_fd, true, force, as, as_context, note, context, &copied);

	*ret = (struct ms_import_result){ .mailboxes = 0 };
	return r == 0 ? ms_import(account_dir, force, note, context, ret) : r;
}
