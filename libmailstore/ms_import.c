/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Taking over an account's Maildir. While a file "importing" stands in the account's folder nobody opens the store: mail for it waits,
 * and what was cut short is gone on with. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_import.h"
#include "libmailstore/ms_import_folder.h"
#include "libmailstore/ms_import_names.h"
#include "libmailstore/ms_internal.h"

/* Folders whose names come out the same. */
#define SAME_NAMES_MAX 1000
/* Of folders in folders, until one that holds mail is found. */
#define TREE_DEPTH_MAX 4

struct folder {
	char *path;  /* in the Maildir: "." for INBOX */
	char *name;  /* of the mailbox */
	bool lists;  /* of UIDs are there */
	bool taken;  /* over already, by what its file says */
};

struct account {
	int dir_fd, maildir_fd, lock_fd;
	struct folder *folders;
	size_t count;
	struct ms_import_names names;
	struct ms_import_folder import; /* what all folders share */
};

static void
forget_folders(struct account *account)
{
	for (size_t i = 0; i < account->count; i++) {
		free(account->folders[i].path);
		free(account->folders[i].name);
	}
	account->count = 0;
}

static void
clear(struct account *account)
{
	forget_folders(account);
	free(account->folders);
	ms_import_names_clear(&account->names);
	for (size_t i = 0; i < 3; i++) {
		int fd = (const int[]){ account->lock_fd, account->maildir_fd, account->dir_fd }[i];

		if (fd >= 0)
			(void)close(fd);
	}
}

/* --- which folders --- */

static void
add_folder(struct account *account, const char *path, const char *name)
{
	account->folders = xreallocarray(account->folders, account->count + 1, sizeof(*account->folders));
	account->folders[account->count++] = (struct folder){ .path = xstrdup(path), .name = xstrdup(name) };
}

static bool
is_link(int at, const char *path)
{
	struct stat st;

	return fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

/* Whether a folder is none of a Maildir++, but of a tree of folders, as Dovecot has it with LAYOUT=fs. */
static bool
is_tree(int at, const char *path, unsigned depth)
{
	const struct dirent *entry;
	bool found = false;
	DIR *dir;

	if (is_link(at, path) || ms_dir_open(at, path, &dir) != 0)
		return false;
	found = ms_import_folder_is(dirfd(dir), ".") > 0;
	while (!found && depth < TREE_DEPTH_MAX && ms_dir_next(dir, &entry) == 0 && entry != NULL)
		found = is_tree(dirfd(dir), entry->d_name, depth + 1);
	(void)closedir(dir);
	return found;
}

/* The wanted name or its beginning, as much as a name may have, the nth of those that come out the same. MS_E_EXISTS: it is another's. */
static int
nearest_name(const struct account *account, struct span wanted, unsigned n, struct buf *name, struct buf *folder)
{
	int r = MS_E_BADNAME;

	while (r == MS_E_BADNAME && wanted.len != 0) {
		buf_clear(name);
		buf_clear(folder);
		(void)buf_span(name, wanted);
		if (n > 1)
			(void)buf_fmt(name, "_%u", n);
		r = ms_mailbox_folder_name(buf_cstr(name), folder);
		do
			wanted.len--;
		while (wanted.len != 0 && ((unsigned char)wanted.ptr[wanted.len] & 0xc0) == 0x80);
	}
	if (r == 0 && (folder->len == 0 || faccessat(account->maildir_fd, buf_cstr(folder), F_OK, AT_SYMLINK_NOFOLLOW) == 0))
		r = MS_E_EXISTS;
	return r;
}

/* A name that ours cannot have gets the nearest that they can; the folder is renamed with it, once that is written down. */
static int
fit_name(struct account *account, const char *entry, struct buf *name)
{
	struct buf wanted = BUF_INIT(MS_MAILBOX_NAME_MAX), folder = BUF_INIT(MS_MAILBOX_NAME_MAX);
	bool exact;
	int r = ms_import_name(span_skip(span_of(entry), 1), ".", &wanted, &exact) == 0 ? MS_E_EXISTS : MS_E_BADNAME;

	for (unsigned n = 1; r == MS_E_EXISTS && n <= SAME_NAMES_MAX; n++)
		r = nearest_name(account, buf_get(&wanted), n, name, &folder);
	if (r == 0) {
		ms_import_names_set(&account->names, entry, buf_cstr(&folder));
		r = ms_import_names_write(account->maildir_fd, &account->names);
	}
	if (r == 0)
		r = renameat(account->maildir_fd, entry, account->maildir_fd, buf_cstr(&folder)) < 0 ? -errno : 0;
	if (r == 0)
		add_folder(account, buf_cstr(&folder), buf_cstr(name));
	buf_free(&wanted);
	buf_free(&folder);
	return r;
}

static int
take_entry(struct account *account, const char *entry, bool rename)
{
	struct buf name = BUF_INIT(MS_MAILBOX_NAME_MAX);
	int found = ms_import_folder_is(account->maildir_fd, entry), r = found < 0 ? found : 0;

	if (found > 0 && is_link(account->maildir_fd, entry)) {
		if (rename)
			account->import.note(account->import.context, entry, "this folder is a symbolic link: it is left as it is");
	} else if (found > 0) {
		if (account->count == MS_MAILBOXES_MAX) {
			account->import.note(account->import.context, entry, "there are more folders than an account may have mailboxes");
			r = MS_E_LIMIT;
		} else if (ms_folder_to_name(span_of(entry), &name) == 0) {
			add_folder(account, entry, buf_cstr(&name));
		} else if (rename) {
			buf_clear(&name);
			r = fit_name(account, entry, &name);
			if (r > 0) {
				account->import.note(account->import.context, entry, "this folder's name cannot be a mailbox's: it is left as it is");
				r = 0;
			}
		}
	}
	buf_free(&name);
	return r;
}

static int
list_folders(struct account *account, bool rename)
{
	struct ms_entry_names entries;
	int r = ms_entry_names_read(account->maildir_fd, ".", &entries);

	if (r == 0)
		add_folder(account, ".", "INBOX");
	for (size_t i = 0; r == 0 && i < entries.count; i++) {
		const char *entry = entries.list[i];

		if (entry[0] == '.')
			r = take_entry(account, entry, rename);
		else if (rename && !ms_import_is_part(entry) && is_tree(account->maildir_fd, entry, 0))
			account->import.note(account->import.context, entry,
			    "this folder is none of a Maildir++ (LAYOUT=fs?): it is left as it is, import -d takes such over");
	}
	ms_entry_names_clear(&entries);
	return r;
}

/* --- the folders --- */

static int
each_folder(struct account *account, int (*work)(struct ms_import_folder *import, struct folder *folder))
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < account->count; i++) {
		struct folder *folder = &account->folders[i];
		_cleanup_(closep) int fd = openat(account->maildir_fd, folder->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		struct ms_import_folder import = account->import;

		if (fd < 0)
			return -errno;
		import.folder_fd = fd;
		import.name = folder->name;
		r = work(&import, folder);
		if (r == MS_E_EXISTS)
			import.note(import.context, folder->name, "its mail has UIDs of this store already");
		else if (r == MS_E_CORRUPT)
			import.note(import.context, folder->name, "its list of UIDs cannot be read");
	}
	return r;
}

static int
look(struct ms_import_folder *import, struct folder *folder)
{
	return ms_import_folder_look(import, &folder->lists, &folder->taken);
}

static int
run(struct ms_import_folder *import, struct folder *folder)
{
	return folder->lists ? ms_import_folder_run(import) : ms_import_folder_complete(import->folder_fd);
}

/* --- subscriptions --- */

struct subscriptions {
	struct account *account;
	struct buf ours;
};

static void
add_subscription(struct buf *ours, const char *name)
{
	struct buf checked = BUF_INIT(MS_MAILBOX_NAME_MAX);

	if (ms_mailbox_name_check(name, &checked) == 0)
		(void)buf_fmt(ours, "%s\n", buf_cstr(&checked));
	buf_free(&checked);
}

static void
translate_subscription(void *context, struct span path)
{
	struct subscriptions *subscriptions = context;
	const struct ms_import_folder *import = &subscriptions->account->import;
	struct buf name = BUF_INIT(MS_MAILBOX_NAME_MAX);
	_cleanup_(freep) char *theirs = span_dup(path);

	if (ms_import_names_translate(&subscriptions->account->names, path, &name) == 0)
		add_subscription(&subscriptions->ours, buf_cstr(&name));
	else
		import->note(import->context, theirs, "this is subscribed, but no folder is there, and no mailbox can be called so: it is left out");
	buf_free(&name);
}

/* again: all moved in before, and since then the user subscribes here; but for what only Dovecot writes. */
static int
take_subscriptions(struct account *account, bool again)
{
	struct buf theirs = BUF_INIT(MS_SUBSCRIPTIONS_MAX);
	struct subscriptions subscriptions = { account, BUF_INIT(MS_SUBSCRIPTIONS_MAX) };
	struct buf *ours = &subscriptions.ours;
	int r = again ? MS_E_NOTFOUND : ms_read_file(account->maildir_fd, "courierimapsubscribed", &theirs);

	if (r == 0) {
		account->import.result->skipped += ms_import_subscribed_parse(buf_get(&theirs), translate_subscription, &subscriptions);
	} else if (r == MS_E_NOTFOUND) {
		r = ms_read_file(account->maildir_fd, MS_SUBSCRIPTIONS, &theirs);
		if (again && !span_starts(buf_get(&theirs), SPAN("V\t"))) {
			buf_free(&theirs);
			return r == MS_E_NOTFOUND ? 0 : r;
		}
		if (r == 0)
			ms_import_subscriptions_parse(buf_get(&theirs), account->names.tree, translate_subscription, &subscriptions);
	}
	/* Where there was no list, all that is there is what the user reads. */
	for (size_t i = 0; r == MS_E_NOTFOUND && i < account->count; i++)
		add_subscription(ours, account->folders[i].name);
	/* Dovecot lists INBOX only when a client asked for it. */
	if (r == 0 && !span_starts(buf_get(ours), SPAN("INBOX\n")) && span_find(buf_get(ours), SPAN("\nINBOX\n")) < 0)
		add_subscription(ours, "INBOX");
	if (r == 0 || r == MS_E_NOTFOUND)
		r = ours->overflow ? MS_E_LIMIT : ms_subscriptions_write(account->maildir_fd, ours);
	buf_free(&theirs);
	buf_free(ours);
	return r;
}

/* --- the whole --- */

int
ms_account_hold(const char *account_dir, int *ret_dir_fd, int *ret_lock_fd, int *ret_maildir_fd)
{
	*ret_lock_fd = *ret_maildir_fd = -1;
	*ret_dir_fd = open(account_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*ret_dir_fd < 0)
		return -errno;
	*ret_lock_fd = openat(*ret_dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (*ret_lock_fd < 0)
		return -errno;
	while (flock(*ret_lock_fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	*ret_maildir_fd = openat(*ret_dir_fd, "Maildir", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret_maildir_fd < 0 && errno != ENOENT ? -errno : 0;
}

/* Where its going cannot be written down, the mark stands again, and the next call goes on from there; where that cannot be either, all
 * is done as far as anybody sees. */
static int
take_mark_away(int account_dir_fd)
{
	_cleanup_(closep) int fd = -1;
	int r;

	if (unlinkat(account_dir_fd, MS_IMPORTING, 0) < 0)
		return -errno;
	if (fsync(account_dir_fd) == 0)
		return 0;
	r = -errno;
	fd = openat(account_dir_fd, MS_IMPORTING, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd >= 0 ? r : 0;
}

int
ms_account_mark(int account_dir_fd, bool importing)
{
	_cleanup_(closep) int fd = -1;

	if (!importing)
		return take_mark_away(account_dir_fd);
	fd = openat(account_dir_fd, MS_IMPORTING, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 || fsync(fd) < 0 || fsync(account_dir_fd) < 0 ? -errno : 0;
}

static int
take_over(struct account *account)
{
	bool any = false, goes_on = faccessat(account->dir_fd, MS_IMPORTING, F_OK, AT_SYMLINK_NOFOLLOW) == 0, taken = false;
	int r = list_folders(account, false);

	if (r == 0)
		r = each_folder(account, look);
	for (size_t i = 0; i < account->count; i++) {
		any = any || account->folders[i].lists;
		taken = taken || account->folders[i].taken;
	}
	if (r == 0 && !any)
		r = MS_E_NOTFOUND;
	/* Nothing has been changed up to here. What an import that came to its end could not remove is of no use any more. */
	if (r == 0 && !goes_on)
		r = ms_import_names_remove(account->maildir_fd);
	if (r == 0)
		r = ms_account_mark(account->dir_fd, true);
	if (r == 0)
		r = ms_import_names_read(account->maildir_fd, &account->names);
	if (r == 0) {
		forget_folders(account);
		r = list_folders(account, true);
	}
	if (r == 0)
		r = each_folder(account, look);
	if (r == 0)
		r = each_folder(account, run);
	ms_import_names_tell(&account->names, account->import.note, account->import.context);
	if (r == 0)
		r = take_subscriptions(account, taken && !goes_on);
	if (r == 0)
		r = ms_index_discard(account->dir_fd);
	/* Before the mark goes: from here on it is the account's own, and nobody may take it for a copy any more. */
	if (r == 0 && unlinkat(account->maildir_fd, MS_COPIED, 0) == 0)
		r = fsync(account->maildir_fd) < 0 ? -errno : 0;
	else if (r == 0 && errno != ENOENT)
		r = -errno;
	if (r == 0)
		r = ms_account_mark(account->dir_fd, false);
	if (r == 0)
		(void)ms_import_names_remove(account->maildir_fd);
	return r;
}

int
ms_import(const char *account_dir, bool force, ms_note_fn note, void *context, struct ms_import_result *ret)
{
	struct account account = { .dir_fd = -1, .maildir_fd = -1, .lock_fd = -1 };
	struct ms_store *store;
	int r;

	*ret = (struct ms_import_result){ .mailboxes = 0 };
	account.import = (struct ms_import_folder){ .force = force, .note = note, .context = context, .result = ret };
	r = ms_account_hold(account_dir, &account.dir_fd, &account.lock_fd, &account.maildir_fd);
	if (r == 0 && account.maildir_fd < 0)
		r = MS_E_NOTFOUND;
	if (r == 0)
		r = take_over(&account);
	clear(&account);
	/* Whoever opens it first need not wait for the index to be made; where it cannot be now, the mail has moved in all the same. */
	if (r == 0 && ms_open(account_dir, &store) == 0)
		ms_close(store);
	else if (r == 0)
		note(context, NULL, "its index could not be made now: whoever opens it first makes it");
	return r;
}
