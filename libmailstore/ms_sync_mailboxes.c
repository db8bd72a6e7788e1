/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Which mailboxes there are: the folders of the Maildir say, the index follows. Under the account's lock. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"

#define MAILBOXES_MAX 10000

struct known {
	uint32_t number;
	struct ms_mailbox_record record;
	bool seen;
};

struct mailboxes {
	struct known *list;
	size_t count;
	struct ms_mailbox_record *record; /* of the one being written */
	uint32_t number;
	uint32_t *uids;
	size_t uid_count;
};

static int
collect(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct mailboxes *mailboxes = context;
	struct known known = { .seen = false };

	if (key_len != 4 || mailboxes->count == MAILBOXES_MAX || ms_mailbox_record_get(span_make(value, len), &known.record) != 0)
		return 0; /* not believed: its folder is taken in anew */
	known.number = ms_key_get_u32(key);
	mailboxes->list = xreallocarray(mailboxes->list, mailboxes->count + 1, sizeof(*mailboxes->list));
	mailboxes->list[mailboxes->count++] = known;
	return 0;
}

static int
read_known(struct bdb *bdb, void *context)
{
	return ms_bdb(bdb_scan(bdb, NULL, T_MAILBOX, "", 0, 0, collect, context));
}

static void
clear(struct mailboxes *mailboxes)
{
	for (size_t i = 0; i < mailboxes->count; i++)
		ms_mailbox_record_clear(&mailboxes->list[i].record);
	free(mailboxes->list);
	free(mailboxes->uids);
}

/* --- a folder that the index does not know --- */

int
ms_folder_new(struct ms_folder *ret, enum ms_use use)
{
	*ret = (struct ms_folder){ .use = use, .uid_limit = 1 };
	if (getrandom(&ret->id, sizeof(ret->id), 0) != (ssize_t)sizeof(ret->id))
		return -EIO;
	/* Grows with time, so that a mailbox of the same name made later is told apart (RFC 3501 section 2.3.1.1). */
	ret->uidvalidity = (uint32_t)time(NULL);
	if (ret->id == 0)
		ret->id = 1;
	return 0;
}

static int
add_record(struct ms_txn *txn, void *context)
{
	struct mailboxes *mailboxes = context;
	int r = ms_next_mailbox(txn, &mailboxes->number);

	if (r == 0)
		r = ms_next_modseq(txn, &mailboxes->record->modseq);
	return r == 0 ? ms_mailbox_save(txn, mailboxes->number, mailboxes->record) : r;
}

static int
take_folder(struct ms_store *store, int folder_fd, const char *name, enum ms_use use)
{
	struct ms_mailbox_record record = { .name = xstrdup(name) };
	struct mailboxes one = { .record = &record };
	int r = ms_folder_read(folder_fd, &record.folder);

	if (r == MS_E_NOTFOUND || r == MS_E_CORRUPT) {
		/* Somebody else's folder, or one whose file was lost: it begins anew, and says so by its UIDVALIDITY. */
		r = ms_folder_new(&record.folder, use);
		if (r == 0)
			r = ms_folder_write(folder_fd, &record.folder);
		record.uidnext = 1;
	}
	if (r == 0)
		r = ms_run(store, add_record, &one);
	if (r == 0)
		r = ms_sync(store, one.number, &record);
	ms_mailbox_record_clear(&record);
	return r;
}

static int
visit(struct ms_store *store, struct mailboxes *mailboxes, const char *name, enum ms_use use)
{
	_cleanup_(closep) int folder = -1;
	struct stat st;
	int r = ms_folder_open(store, name, &folder);

	if (r != 0)
		return r == MS_E_NOTFOUND || r == MS_E_BADNAME ? 0 : r;
	/* A Maildir has cur/; other folders are none of ours. */
	if (fstatat(folder, "cur", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	for (size_t i = 0; i < mailboxes->count; i++)
		if (strcmp(mailboxes->list[i].record.name, name) == 0) {
			mailboxes->list[i].seen = true;
			return 0;
		}
	return take_folder(store, folder, name, use);
}

/* --- a mailbox whose folder is gone --- */

static int
collect_uid(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct mailboxes *mailboxes = context;

	(void)value, (void)len;
	if (key_len == 8 && mailboxes->uid_count < BATCH)
		mailboxes->uids[mailboxes->uid_count++] = ms_key_get_u32(key + 4);
	return mailboxes->uid_count == BATCH;
}

static int
forget_some(struct ms_txn *txn, void *context)
{
	struct mailboxes *mailboxes = context;
	struct ms_mailbox_record copy = *mailboxes->record;
	uint8_t key[4];
	uint64_t modseq;
	int r;

	mailboxes->uid_count = 0;
	ms_key_u32(key, mailboxes->number);
	r = bdb_scan(txn->bdb, txn->txn, T_MESSAGE, key, 4, 4, collect_uid, mailboxes);
	if (r > 1 || r < 0)
		return ms_bdb(r);
	r = ms_next_modseq(txn, &modseq);
	for (size_t i = 0; r == 0 && i < mailboxes->uid_count; i++) {
		struct ms_message_record message;

		r = ms_message_load(txn, mailboxes->number, mailboxes->uids[i], &message);
		if (r == MS_E_CORRUPT) {
			uint8_t whole[8];

			memcpy(whole, key, 4);
			ms_key_u32(whole + 4, mailboxes->uids[i]);
			r = ms_bdb(bdb_del(txn->bdb, txn->txn, T_MESSAGE, whole, 8));
		} else if (r == 0) {
			r = ms_message_remove(txn, mailboxes->number, &copy, &message, modseq);
		}
	}
	if (r == 0 && mailboxes->uid_count < BATCH)
		r = ms_bdb(bdb_del(txn->bdb, txn->txn, T_MAILBOX, key, 4));
	return r;
}

int
ms_mailbox_forget(struct ms_store *store, uint32_t number, const struct ms_mailbox_record *record)
{
	struct ms_mailbox_record copy = *record;
	struct mailboxes one = { .record = &copy, .number = number, .uids = xcalloc(BATCH, sizeof(uint32_t)) };
	int r;

	do
		r = ms_run(store, forget_some, &one);
	while (r == 0 && one.uid_count == BATCH);
	free(one.uids);
	return r;
}

/* --- the whole --- */

static int
visit_folders(struct ms_store *store, struct mailboxes *mailboxes)
{
	int fd = openat(store->maildir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	const struct dirent *entry;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (dir == NULL)
		return -errno;
	r = visit(store, mailboxes, "INBOX", MS_USE_INBOX);
	while (r == 0 && (entry = readdir(dir)) != NULL) {
		struct buf name = BUF_INIT(MS_MAILBOX_NAME_MAX);

		if (entry->d_name[0] == '.' && ms_folder_to_name(span_of(entry->d_name), &name) == 0)
			r = visit(store, mailboxes, buf_cstr(&name), MS_USE_NONE);
		buf_free(&name);
	}
	(void)closedir(dir);
	return r;
}

/* The folders that people expect, made once: with the account. */
static int
make_defaults(struct ms_store *store)
{
	static const struct {
		const char *name;
		enum ms_use use;
	} defaults[] = {
		{ "Drafts", MS_USE_DRAFTS }, { "Sent", MS_USE_SENT }, { "Trash", MS_USE_TRASH }, { "Junk", MS_USE_JUNK }, { "Archive", MS_USE_ARCHIVE },
	};
	struct stat st;
	int r = 0;

	/* INBOX's file tells that the account is not new, or moved in from elsewhere with folders of its own. */
	if (fstatat(store->maildir_fd, MS_FOLDER_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	for (size_t i = 0; r == 0 && i < sizeof(defaults) / sizeof(*defaults); i++) {
		r = ms_folder_make(store, defaults[i].name, defaults[i].use);
		if (r == 0)
			r = ms_subscribe(store, defaults[i].name, true);
		if (r == MS_E_EXISTS)
			r = 0;
	}
	return r == 0 ? ms_subscribe(store, "INBOX", true) : r;
}

int
ms_sync_mailboxes(struct ms_store *store)
{
	struct mailboxes mailboxes = { .list = NULL };
	struct stat st;
	int r = ms_lock(store);

	if (r != 0)
		return r;
	r = fstat(store->maildir_fd, &st) < 0 ? -errno : make_defaults(store);
	if (r == 0)
		r = ms_read(store, read_known, &mailboxes);
	if (r == 0)
		r = visit_folders(store, &mailboxes);
	for (size_t i = 0; r == 0 && i < mailboxes.count; i++)
		if (!mailboxes.list[i].seen)
			r = ms_mailbox_forget(store, mailboxes.list[i].number, &mailboxes.list[i].record);
	if (r == 0)
		store->maildir_time = (struct ms_time){ st.st_mtim.tv_sec, (uint32_t)st.st_mtim.tv_nsec };
	clear(&mailboxes);
	ms_unlock(store);
	return r;
}
