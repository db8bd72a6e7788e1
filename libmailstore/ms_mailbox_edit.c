/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Making and removing mailboxes: the folder first, for it is the truth; the index follows. */
#include <errno.h>
#include <fcntl.h>
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
count_mailbox(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	size_t *count = context;

	(void)key, (void)key_len, (void)value, (void)len;
	++*count;
	return 0;
}

static int
count_mailboxes(struct bdb *bdb, void *context)
{
	*(size_t *)context = 0;
	return ms_bdb(bdb_scan(bdb, NULL, T_MAILBOX, "", 0, 0, count_mailbox, context));
}

int
ms_mailboxes_allow(struct ms_store *store, size_t more)
{
	size_t count;
	int r = ms_read(store, count_mailboxes, &count);

	return r == 0 && count + more > store->mailboxes_max ? MS_E_LIMIT : r;
}

/* The mailbox and those of its parents that have no folder yet. */
static size_t
count_missing(const struct ms_store *store, struct span name)
{
	size_t missing = 0;

	for (size_t i = 0; i <= name.len; i++)
		if (i == name.len || name.ptr[i] == '/') {
			_cleanup_(freep) char *level = span_dup(span_make(name.ptr, i));
			struct buf folder = BUF_INIT(MS_MAILBOX_NAME_MAX);
			struct stat st;

			missing += ms_mailbox_folder_name(level, &folder) == 0 && folder.len != 0 &&
			    fstatat(store->maildir_fd, buf_cstr(&folder), &st, AT_SYMLINK_NOFOLLOW) < 0;
			buf_free(&folder);
		}
	return missing;
}

struct using {
	enum ms_use use;
	bool found;
};

static void
find_use(void *context, uint32_t number, struct ms_mailbox_record *record)
{
	struct using *using = context;

	(void)number;
	using->found = using->found || record->folder.use == using->use;
}

static int
look_for_use(struct bdb *bdb, void *context)
{
	((struct using *)context)->found = false;
	return ms_mailbox_each(bdb, NULL, find_use, context);
}

static int
create_locked(struct ms_store *store, struct span name, enum ms_use use)
{
	size_t missing = count_missing(store, name);
	struct using using = { use, false };
	int limit = missing != 0 ? ms_mailboxes_allow(store, missing) : 0;

	/* Another program may have taken the one away that had it. */
	if (limit == 0 && missing != 0 && use != MS_USE_NONE)
		limit = ms_sync_mailboxes(store);
	if (limit == 0 && missing != 0 && use != MS_USE_NONE)
		limit = ms_read(store, look_for_use, &using);
	if (limit != 0 || using.found)
		return limit != 0 ? limit : MS_E_DENIED;
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
