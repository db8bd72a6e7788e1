/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Renaming a mailbox and all below it, as a whole or not at all: before the first folder is renamed the file "renaming" names all of them,
 * and while it stands nothing is done: whoever finds it takes everything back. Its removal is what makes the new names good. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"

#define RENAMING_FILE "renaming"
#define RENAMING_TEXT_MAX (8 * 1024 * 1024)

/* One mailbox's names, and its folder's. */
struct pair {
	char *from, *to, *from_folder, *to_folder;
	bool known; /* to the index: a folder that is shut need not be */
	bool moved;
};

struct renaming {
	struct ms_store *store;
	struct pair *pairs;
	size_t count;
	struct buf subscriptions, subscriptions_after; /* the file's text */
};

#define RENAMING_OF(of) \
	(struct renaming){ .store = (of), .subscriptions = BUF_INIT(MS_SUBSCRIPTIONS_MAX), .subscriptions_after = BUF_INIT(MS_SUBSCRIPTIONS_MAX) }

static char *
folder_of(const char *name)
{
	struct buf folder = BUF_INIT(MS_MAILBOX_NAME_MAX);

	if (ms_mailbox_folder_name(name, &folder) == 0 && folder.len > 0)
		return buf_take(&folder);
	buf_free(&folder);
	return NULL;
}

/* MS_E_BADNAME: one of the names is none, or INBOX. */
static int
add_pair(struct renaming *renaming, const char *from, const char *to)
{
	struct pair *pair;

	renaming->pairs = xreallocarray(renaming->pairs, renaming->count + 1, sizeof(*renaming->pairs));
	pair = &renaming->pairs[renaming->count++];
	*pair = (struct pair){ .from = xstrdup(from), .to = xstrdup(to), .from_folder = folder_of(from), .to_folder = folder_of(to) };
	return pair->from_folder != NULL && pair->to_folder != NULL ? 0 : MS_E_BADNAME;
}

static void
clear(struct renaming *renaming)
{
	for (size_t i = 0; i < renaming->count; i++) {
		free(renaming->pairs[i].from);
		free(renaming->pairs[i].to);
		free(renaming->pairs[i].from_folder);
		free(renaming->pairs[i].to_folder);
	}
	free(renaming->pairs);
	buf_free(&renaming->subscriptions);
	buf_free(&renaming->subscriptions_after);
}

static bool
is_there(int folder_fd, const char *name)
{
	return faccessat(folder_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* --- the file --- */

static int
note(const struct renaming *renaming)
{
	static const char temporary[] = RENAMING_FILE ".new";
	int dir_fd = renaming->store->dir_fd;
	_cleanup_(closep) int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct buf text = BUF_INIT(RENAMING_TEXT_MAX);
	int r = fd < 0 ? -errno : 0;

	for (size_t i = 0; i < renaming->count; i++)
		(void)buf_fmt(&text, "%s\n%s\n", renaming->pairs[i].from, renaming->pairs[i].to);
	if (r == 0 && text.overflow)
		r = MS_E_LIMIT;
	errno = EIO; /* for a short write */
	if (r == 0 && (write(fd, text.data, text.len) != (ssize_t)text.len || fsync(fd) < 0 ||
	    renameat(dir_fd, temporary, dir_fd, RENAMING_FILE) < 0 || fsync(dir_fd) < 0))
		r = -errno;
	buf_free(&text);
	return r;
}

static int
forget(const struct ms_store *store)
{
	return unlinkat(store->dir_fd, RENAMING_FILE, 0) < 0 || fsync(store->dir_fd) < 0 ? -errno : 0;
}

/* 0, MS_E_NOTFOUND, MS_E_CORRUPT for what none of us has written, -errno. */
static int
read_note(struct renaming *renaming)
{
	struct buf text = BUF_INIT(RENAMING_TEXT_MAX);
	int r = ms_read_file(renaming->store->dir_fd, RENAMING_FILE, &text);
	struct span rest = buf_get(&text), from, to;

	while (r == 0 && rest.len > 0) {
		_cleanup_(freep) char *old = NULL, *new = NULL;

		if (!span_split(&rest, '\n', &from) || !span_split(&rest, '\n', &to)) {
			r = MS_E_CORRUPT;
			break;
		}
		old = span_dup(from);
		new = span_dup(to);
		r = add_pair(renaming, old, new) != 0 ? MS_E_CORRUPT : 0;
	}
	buf_free(&text);
	return r == MS_E_LIMIT ? MS_E_CORRUPT : r;
}

/* --- there and back --- */

/* What is subscribed follows. */
static void
rename_subscriptions(struct renaming *renaming)
{
	struct span rest = buf_get(&renaming->subscriptions), line;

	while (span_split(&rest, '\n', &line)) {
		const char *after = NULL;

		for (size_t i = 0; i < renaming->count && after == NULL; i++)
			if (span_eq(line, span_of(renaming->pairs[i].from)))
				after = renaming->pairs[i].to;
		(void)buf_span(&renaming->subscriptions_after, after != NULL ? span_of(after) : line);
		(void)buf_char(&renaming->subscriptions_after, '\n');
	}
}

static bool
has_subscriptions(const struct renaming *renaming)
{
	return !span_eq(buf_get(&renaming->subscriptions), buf_get(&renaming->subscriptions_after));
}

static int
put_name(struct ms_txn *txn, const struct pair *pair)
{
	struct ms_mailbox_record record = { .name = NULL };
	uint32_t number;
	int r = ms_mailbox_number(txn, pair->from, &number);

	if (r == 0)
		r = number != 0 ? ms_mailbox_load(txn, number, &record) : MS_E_NOTFOUND;
	if (r == 0) {
		free(record.name);
		record.name = xstrdup(pair->to);
		r = ms_next_modseq(txn, &record.modseq);
		record.named = record.modseq;
	}
	if (r == 0)
		r = ms_mailbox_save(txn, number, &record);
	ms_mailbox_record_clear(&record);
	return r;
}

static int
move_all(struct ms_txn *txn, void *context)
{
	struct renaming *renaming = context;
	int maildir_fd = renaming->store->maildir_fd, r = 0;

	for (size_t i = 0; r == 0 && i < renaming->count; i++) {
		struct pair *pair = &renaming->pairs[i];

		r = pair->known ? put_name(txn, pair) : 0;
		if (r == 0 && renameat(maildir_fd, pair->from_folder, maildir_fd, pair->to_folder) < 0)
			r = -errno;
		pair->moved = r == 0;
	}
	if (r == 0 && has_subscriptions(renaming))
		r = ms_subscriptions_write(maildir_fd, &renaming->subscriptions_after);
	return r == 0 && fsync(maildir_fd) < 0 ? -errno : r;
}

static void
move_back(void *context)
{
	struct renaming *renaming = context;
	int maildir_fd = renaming->store->maildir_fd;

	for (size_t i = renaming->count; i-- > 0;) {
		struct pair *pair = &renaming->pairs[i];

		if (pair->moved)
			(void)renameat(maildir_fd, pair->to_folder, maildir_fd, pair->from_folder); /* if not, the file tells the next */
		pair->moved = false;
	}
	if (has_subscriptions(renaming))
		(void)ms_subscriptions_write(maildir_fd, &renaming->subscriptions);
}

static int
take_subscriptions_back(struct renaming *renaming)
{
	int maildir_fd = renaming->store->maildir_fd, r = ms_read_file(maildir_fd, MS_SUBSCRIPTIONS, &renaming->subscriptions);

	if (r != 0)
		return r == MS_E_NOTFOUND ? 0 : r;
	for (size_t i = 0; i < renaming->count; i++) {
		struct pair *pair = &renaming->pairs[i];
		char *from = pair->from;

		pair->from = pair->to;
		pair->to = from;
	}
	rename_subscriptions(renaming);
	return has_subscriptions(renaming) ? ms_subscriptions_write(maildir_fd, &renaming->subscriptions_after) : 0;
}

static int
take_back(struct renaming *renaming)
{
	struct ms_store *store = renaming->store;
	int r;

	for (size_t i = 0; i < renaming->count; i++) {
		const struct pair *pair = &renaming->pairs[i];

		/* A name that somebody has made since stays with what he made. */
		if (is_there(store->maildir_fd, pair->to_folder) && !is_there(store->maildir_fd, pair->from_folder) &&
		    renameat(store->maildir_fd, pair->to_folder, store->maildir_fd, pair->from_folder) < 0)
			return -errno;
	}
	r = take_subscriptions_back(renaming);
	if (r == 0 && fsync(store->maildir_fd) < 0)
		r = -errno;
	return r == 0 ? forget(store) : r;
}

int
ms_renaming_take_back(struct ms_store *store)
{
	struct renaming renaming = RENAMING_OF(store);
	int r;

	if (store->renaming || !is_there(store->dir_fd, RENAMING_FILE))
		return 0;
	r = read_note(&renaming);
	if (r == 0)
		r = take_back(&renaming);
	else if (r == MS_E_CORRUPT)
		r = forget(store);
	clear(&renaming);
	return r == MS_E_NOTFOUND ? 0 : r;
}

/* --- what a client asks for --- */

static bool
is_within(const char *name, const char *tree)
{
	size_t len = strlen(tree);

	return strncmp(name, tree, len) == 0 && (name[len] == '\0' || name[len] == '/');
}

/* Those whose folders are shut go along: all inferior names do (RFC 3501 section 6.3.5), and a folder that cannot be looked into can be renamed.
 * MS_E_NOTFOUND; MS_E_EXISTS when something stands where one of the tree would go: then none of it goes. */
static int
plan(struct renaming *renaming, const char *from, const char *to)
{
	struct ms_mailbox_names names;
	int r = ms_mailbox_names(renaming->store, &names);
	bool found = false;

	for (size_t i = 0; r == 0 && i < names.count; i++) {
		const struct ms_mailbox_name *one = &names.list[i];
		_cleanup_(freep) char *new = NULL;
		struct pair *pair;

		if (!is_within(one->name, from))
			continue;
		found = found || (one->known && strcmp(one->name, from) == 0);
		new = xasprintf("%s%s", to, one->name + strlen(from));
		r = add_pair(renaming, one->name, new);
		pair = &renaming->pairs[renaming->count - 1];
		pair->known = one->known;
		if (r == 0 && is_there(renaming->store->maildir_fd, pair->to_folder))
			r = MS_E_EXISTS;
	}
	ms_mailbox_names_clear(&names);
	return r == 0 && !found ? MS_E_NOTFOUND : r;
}

/* The new parents come first; the last level is the mailbox itself. */
static int
make_parents(struct ms_store *store, const char *to)
{
	ptrdiff_t slash = span_rchr(span_of(to), '/');
	_cleanup_(freep) char *parent = slash > 0 ? span_dup(span_make(to, (size_t)slash)) : NULL;
	int r = parent != NULL ? ms_mailbox_create(store, parent, MS_USE_NONE) : 0;

	return r == MS_E_EXISTS ? 0 : r;
}

/* When it fails, whatever cannot be taken back now is by whoever opens the store next. */
static int
rename_noted(struct renaming *renaming)
{
	struct ms_store *store = renaming->store;
	int r = note(renaming);

	store->renaming = true;
	if (r == 0)
		r = ms_run_undoing(store, move_all, move_back, renaming);
	if (r == 0)
		r = forget(store);
	store->renaming = false;
	if (r != 0 && ms_renaming_take_back(store) == 0)
		(void)ms_sync_mailboxes(store);
	return r;
}

static int
rename_tree(struct ms_store *store, const char *from, const char *to)
{
	struct renaming renaming = RENAMING_OF(store);
	int r = plan(&renaming, from, to);

	if (r == 0)
		r = make_parents(store, to);
	if (r == 0) {
		r = ms_read_file(store->maildir_fd, MS_SUBSCRIPTIONS, &renaming.subscriptions);
		r = r == MS_E_NOTFOUND ? 0 : r;
	}
	if (r == 0) {
		rename_subscriptions(&renaming);
		r = rename_noted(&renaming);
	}
	clear(&renaming);
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
