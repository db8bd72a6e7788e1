/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Which mailboxes there are: the folders of the Maildir say, the index follows. Under the account's lock. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_entries.h"

/* With more than so many the index is made anew. */
#define DAMAGED_MAX 64

struct known {
	uint32_t number;
	struct ms_mailbox_record record;
	bool seen;
};

struct mailboxes {
	struct known *list;
	size_t count, left_out;
	unsigned generation; /* of the index that all this is of */
	struct ms_mailbox_record *record; /* of the one being written */
	uint32_t number;
	uint32_t *uids;
	size_t uid_count;
	uint32_t damaged[DAMAGED_MAX]; /* numbers of mailboxes whose records are */
	size_t damaged_count;
};

static int
collect(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct mailboxes *mailboxes = context;
	struct known known = { .seen = false };

	if (key_len != 4)
		return 0; /* nobody's: ms_tables takes it away */
	if (ms_mailbox_record_get(span_make(value, len), &known.record) != 0 && mailboxes->damaged_count == DAMAGED_MAX)
		return BDB_BROKEN;
	if (known.record.name == NULL) {
		mailboxes->damaged[mailboxes->damaged_count++] = ms_key_get_u32(key);
		return 0;
	}
	if (mailboxes->count == MS_MAILBOXES_MAX) {
		ms_mailbox_record_clear(&known.record);
		return BDB_BROKEN;
	}
	known.number = ms_key_get_u32(key);
	mailboxes->list = xreallocarray(mailboxes->list, mailboxes->count + 1, sizeof(*mailboxes->list));
	mailboxes->list[mailboxes->count++] = known;
	return 0;
}

static void
clear(struct mailboxes *mailboxes)
{
	for (size_t i = 0; i < mailboxes->count; i++)
		ms_mailbox_record_clear(&mailboxes->list[i].record);
	free(mailboxes->list);
	mailboxes->list = NULL;
	mailboxes->count = 0;
}

static int
read_known(struct bdb *bdb, void *context)
{
	struct mailboxes *mailboxes = context;
	int r;

	clear(mailboxes); /* of an attempt before */
	mailboxes->damaged_count = 0;
	r = bdb_scan(bdb, NULL, T_MAILBOX, "", 0, 0, collect, mailboxes);
	/* None that is good: rather an index of another version of this library. */
	return ms_bdb(r == 0 && mailboxes->damaged_count != 0 && mailboxes->count == 0 ? BDB_BROKEN : r);
}

/* What is damaged elsewhere is mended when a transaction meets it, and that may bring what this one wants: then all is to be looked at again. */
static int
check_index(const struct ms_txn *txn, unsigned generation)
{
	return txn->store->generation == generation ? 0 : MS_AGAIN;
}

/* --- a record that is damaged --- */

/* The folder says all that it should: without it the folder is taken in again, under the same number, with the messages' records that are
 * still there. */
static int
remove_damaged(struct ms_txn *txn, void *context)
{
	const struct mailboxes *mailboxes = context;
	uint8_t key[4];
	int r = check_index(txn, mailboxes->generation);

	for (size_t i = 0; r == 0 && i < mailboxes->damaged_count; i++) {
		ms_key_u32(key, mailboxes->damaged[i]);
		r = bdb_del(txn->bdb, txn->txn, T_MAILBOX, key, 4);
	}
	return r == BDB_NONE ? 0 : ms_bdb(r);
}

/* --- a folder that the index does not know --- */

/* Grows with time, so that a mailbox of the same name made later is told apart (RFC 3501 section 2.3.1.1), also within a second. */
static int
next_uidvalidity(struct ms_txn *txn, void *context)
{
	uint32_t *uidvalidity = context;
	void *bytes;
	uint8_t value[8];
	size_t len;
	int r = bdb_get(txn->bdb, txn->txn, T_META, "uidvalidity", 11, &bytes, &len);

	*uidvalidity = (uint32_t)time(NULL);
	if (r == 0) {
		if (len == 8 && ms_key_get_u64(bytes) >= *uidvalidity && ms_key_get_u64(bytes) < UINT32_MAX)
			*uidvalidity = (uint32_t)ms_key_get_u64(bytes) + 1;
		free(bytes);
	} else if (r != BDB_NONE) {
		return ms_bdb(r);
	}
	ms_key_u64(value, *uidvalidity);
	return ms_bdb(bdb_put(txn->bdb, txn->txn, T_META, "uidvalidity", 11, value, sizeof(value)));
}

int
ms_folder_new(struct ms_store *store, struct ms_folder *ret, enum ms_use use)
{
	*ret = (struct ms_folder){ .use = use, .uid_limit = 1 };
	do
		if (getrandom(&ret->id, sizeof(ret->id), 0) != (ssize_t)sizeof(ret->id))
			return -EIO;
	while ((uint32_t)ret->id == 0);
	return ms_run(store, next_uidvalidity, &ret->uidvalidity);
}

/* A mailbox has the same number in every index that is made of its Maildir, so that a number read before is right after: it is the
 * low half of its id. Who comes second with a number takes the next. */
static int
add_record(struct ms_txn *txn, void *context)
{
	struct mailboxes *mailboxes = context;
	struct ms_mailbox_record other;
	int r = check_index(txn, mailboxes->generation);

	mailboxes->number = (uint32_t)mailboxes->record->folder.id;
	while (r == 0 && (r = ms_mailbox_load(txn, mailboxes->number, &other)) == 0) {
		ms_mailbox_record_clear(&other);
		mailboxes->number++;
	}
	if (r != MS_E_STALE)
		return r;
	r = ms_next_modseq(txn, &mailboxes->record->modseq);
	mailboxes->record->created = mailboxes->record->named = mailboxes->record->modseq;
	return r == 0 ? ms_mailbox_save(txn, mailboxes->number, mailboxes->record) : r;
}

static struct known *
add_known(struct mailboxes *mailboxes, uint32_t number, struct ms_mailbox_record *record)
{
	mailboxes->list = xreallocarray(mailboxes->list, mailboxes->count + 1, sizeof(*mailboxes->list));
	mailboxes->list[mailboxes->count] = (struct known){ number, *record, true };
	*record = (struct ms_mailbox_record){ .name = NULL };
	return &mailboxes->list[mailboxes->count++];
}

static int
take_record(struct ms_store *store, struct mailboxes *mailboxes, struct ms_mailbox_record *record)
{
	struct mailboxes one = { .record = record, .generation = mailboxes->generation };
	struct known *known;
	int r = ms_run(store, add_record, &one);

	if (r != 0)
		return r;
	known = add_known(mailboxes, one.number, record);
	return ms_sync(store, known->number, &known->record);
}

static int
put_name(struct ms_txn *txn, void *context)
{
	struct mailboxes *one = context;
	int r = check_index(txn, one->generation);

	if (r == 0)
		r = ms_next_modseq(txn, &one->record->modseq);
	one->record->named = one->record->modseq;
	return r == 0 ? ms_mailbox_save(txn, one->number, one->record) : r;
}

/* Whether that mailbox's folder is still there, and still it; one that nobody can look into is. */
static int
stands(struct ms_store *store, const struct known *known, bool *ret)
{
	_cleanup_(closep) int fd = -1;
	struct ms_folder file;
	int r = ms_folder_open(store, known->record.name, &fd);

	*ret = false;
	if (r == 0)
		r = ms_folder_read(fd, &file);
	if (r == 0) {
		*ret = file.id == known->record.folder.id;
		ms_folder_clear(&file);
	}
	if (ms_folder_is_shut(store, known->record.name, r)) {
		*ret = true;
		return 0;
	}
	return r < 0 ? r : 0;
}

/* --- a folder that it knows, after a recovery --- */

static bool
same_folder(const struct ms_folder *a, const struct ms_folder *b)
{
	if (a->uid_limit != b->uid_limit || a->keyword_count != b->keyword_count || a->quota.bytes != b->quota.bytes ||
	    a->quota.messages != b->quota.messages)
		return false;
	for (unsigned i = 0; i < a->keyword_count; i++)
		if (strcmp(a->keywords[i], b->keywords[i]) != 0)
			return false;
	return true;
}

static bool
same_times(int folder_fd, const struct ms_mailbox_record *record)
{
	struct ms_time new_time, cur_time;

	ms_folder_times(folder_fd, &new_time, &cur_time);
	return new_time.seconds != 0 && new_time.seconds == record->new_time.seconds && new_time.nanoseconds == record->new_time.nanoseconds &&
	    cur_time.seconds == record->cur_time.seconds && cur_time.nanoseconds == record->cur_time.nanoseconds;
}

/* The index may be older than what was promised from it: the folder's file has been ahead of every promise, and what the names of the
 * files say that the index cannot know is what it has forgotten. */
static int
confirm(struct ms_store *store, int folder_fd, struct known *known, bool *ret_other)
{
	struct ms_folder file;
	int r = ms_folder_read(folder_fd, &file);

	if (r == MS_E_NOTFOUND || r == MS_E_CORRUPT) {
		ms_tell(store, MS_FAULT_FOLDER_FILE, known->record.name, 0, NULL);
		return ms_folder_write(folder_fd, &known->record.folder);
	}
	if (r != 0)
		return r;
	*ret_other = file.id != known->record.folder.id || file.uidvalidity != known->record.folder.uidvalidity;
	if (*ret_other || (same_folder(&file, &known->record.folder) && same_times(folder_fd, &known->record) && known->record.pending == 0 &&
	    ms_pending_file_size(folder_fd) == 0)) {
		ms_folder_clear(&file);
		return 0;
	}
	if (file.uid_limit < known->record.folder.uid_limit) {
		file.uid_limit = known->record.folder.uid_limit;
		r = ms_folder_write(folder_fd, &file);
	}
	ms_folder_clear(&known->record.folder);
	known->record.folder = file;
	return r == 0 ? ms_sync_doubted(store, known->number, &known->record) : r;
}

/* --- a folder under a name that the index does not know for it --- */

static int
take_folder(struct ms_store *store, struct mailboxes *mailboxes, int folder_fd, const char *name, enum ms_use use)
{
	struct ms_mailbox_record record = { .name = xstrdup(name) };
	struct known *same = NULL;
	bool there = false;
	int r = ms_folder_read(folder_fd, &record.folder);

	(void)ms_folder_complete(folder_fd);
	for (size_t i = 0; r == 0 && i < mailboxes->count; i++)
		if (mailboxes->list[i].record.folder.id == record.folder.id)
			same = &mailboxes->list[i];
	if (same != NULL)
		r = stands(store, same, &there);
	if (r == 0 && same != NULL && !there) {
		/* Renamed by another program, or by one of ours that did not come to write it down. */
		free(same->record.name);
		same->record.name = TAKE_PTR(record.name);
		same->seen = true;
		ms_mailbox_record_clear(&record);
		r = ms_run(store, put_name, &(struct mailboxes){ .number = same->number, .record = &same->record, .generation = mailboxes->generation });
		return r == 0 && store->doubt ? confirm(store, folder_fd, same, &there) : r;
	}
	if (mailboxes->count >= store->mailboxes_max) {
		/* Others made it: CREATE has refused. */
		if (r >= 0 && mailboxes->left_out++ == 0)
			ms_tell(store, MS_FAULT_MAILBOXES, name, 0, NULL);
		ms_mailbox_record_clear(&record);
		return r < 0 ? r : 0;
	}
	if (r == MS_E_NOTFOUND || r == MS_E_CORRUPT || (r == 0 && there)) {
		/* Somebody else's folder, or a copy, or one whose file was lost: it begins anew, and says so by its UIDVALIDITY. */
		if (r == 0)
			use = MS_USE_NONE;
		ms_folder_clear(&record.folder);
		/* Where that cannot be written down nothing is, each time it is looked for. */
		r = faccessat(folder_fd, ".", W_OK | X_OK, AT_EACCESS) < 0 ? -errno : 0;
		if (r == 0)
			r = ms_folder_new(store, &record.folder, use);
		if (r == 0)
			r = ms_folder_write(folder_fd, &record.folder);
		record.uidnext = 1;
	}
	if (r == 0)
		r = take_record(store, mailboxes, &record);
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
	/* A Maildir has cur/; other folders are none of ours, but for one whose empty parts were left out by who copied it. */
	if (fstatat(folder, "cur", &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT || fstatat(folder, MS_FOLDER_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return errno == ENOENT ? 0 : -errno;
	} else if (!S_ISDIR(st.st_mode)) {
		return 0;
	}
	for (size_t i = 0; i < mailboxes->count; i++) {
		struct known *known = &mailboxes->list[i];
		bool other = false;

		if (known->seen || strcmp(known->record.name, name) != 0)
			continue;
		if (store->doubt)
			r = confirm(store, folder, known, &other);
		if (r != 0)
			return r;
		known->seen = !other;
		if (!other)
			return 0;
	}
	return take_folder(store, mailboxes, folder, name, use);
}

/* --- a folder that nobody can look into --- */

/* It may be older than what was promised from it: when it can be read, it is as if it was made anew. */
static int
forget_next_uid(struct ms_txn *txn, void *context)
{
	const struct known *known = context;
	struct ms_mailbox_record record;
	int r = ms_mailbox_load(txn, known->number, &record);

	if (r != 0)
		return r == MS_E_STALE ? 0 : r;
	record.uidnext = 0;
	r = ms_mailbox_save(txn, known->number, &record);
	ms_mailbox_record_clear(&record);
	return r;
}

/* As root makes it with mkdir and cp. Such a folder is not taken in, or stays as it is known, and the others are there. */
static int
visit_or_leave(struct ms_store *store, struct mailboxes *mailboxes, const char *name)
{
	struct known *known = NULL;
	int r = visit(store, mailboxes, name, MS_USE_NONE);

	if (!ms_folder_is_shut(store, name, r))
		return r;
	for (size_t i = 0; i < mailboxes->count; i++)
		if (strcmp(mailboxes->list[i].record.name, name) == 0)
			known = &mailboxes->list[i];
	/* Of those that are known ms_mailboxes tells, and mending. */
	if (known == NULL || (store->doubt && !store->mending))
		ms_tell(store, MS_FAULT_SHUT, name, 0, NULL);
	if (known == NULL)
		return 0;
	known->seen = true;
	return store->doubt ? ms_run(store, forget_next_uid, known) : 0;
}

/* --- a mailbox whose folder is gone --- */

static int
collect_uid(void *context, uint32_t mailbox, const struct ms_entry *entry)
{
	struct mailboxes *mailboxes = context;

	(void)mailbox;
	if (mailboxes->uid_count < BATCH)
		mailboxes->uids[mailboxes->uid_count++] = entry->message.uid;
	return mailboxes->uid_count == BATCH;
}

/* Whether the number is still that mailbox's: an index that was made anew meanwhile may have it for another, or not at all. */
static int
is_still(struct ms_txn *txn, const struct mailboxes *mailboxes, bool *ret)
{
	struct ms_mailbox_record now = { .name = NULL };
	int r = ms_mailbox_load(txn, mailboxes->number, &now);

	*ret = r == 0 && now.folder.id == mailboxes->record->folder.id;
	ms_mailbox_record_clear(&now);
	return r == MS_E_STALE ? 0 : r;
}

static int
forget_some(struct ms_txn *txn, void *context)
{
	struct mailboxes *mailboxes = context;
	struct ms_mailbox_record copy = *mailboxes->record;
	uint8_t key[4];
	uint64_t modseq;
	bool still;
	int r = is_still(txn, mailboxes, &still);

	mailboxes->uid_count = 0;
	if (r != 0 || !still)
		return r;
	ms_key_u32(key, mailboxes->number);
	r = ms_entries(txn->bdb, txn->txn, mailboxes->number, 0, collect_uid, mailboxes);
	if (r != 0 && r != MS_BDB(1))
		return r;
	r = ms_next_modseq(txn, &modseq);
	for (size_t i = 0; r == 0 && i < mailboxes->uid_count; i++) {
		struct ms_message_record message;

		r = ms_message_load(txn, mailboxes->number, mailboxes->uids[i], &message);
		if (r == 0)
			r = ms_message_remove(txn, mailboxes->number, &copy, &message, modseq);
	}
	if (r != 0 || mailboxes->uid_count == BATCH)
		return r;
	r = ms_pending_forget(txn, mailboxes->number);
	if (r == 0)
		r = ms_gone_put(txn, &(struct ms_gone){ .mailbox = mailboxes->number, .id = copy.folder.id, .came = copy.created, .modseq = modseq });
	if (r == 0)
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
	const struct dirent *entry;
	DIR *dir;
	int r = ms_dir_open(store->maildir_fd, ".", &dir);

	if (r != 0)
		return r;
	r = visit(store, mailboxes, "INBOX", MS_USE_INBOX);
	while (r == 0 && (r = ms_dir_next(dir, &entry)) == 0 && entry != NULL) {
		struct buf name = BUF_INIT(MS_MAILBOX_NAME_MAX);

		if (entry->d_name[0] == '.' && ms_folder_to_name(span_of(entry->d_name), &name) == 0)
			r = visit_or_leave(store, mailboxes, buf_cstr(&name));
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
	if (errno != ENOENT)
		return -errno;
	for (size_t i = 0; r == 0 && i < sizeof(defaults) / sizeof(*defaults); i++) {
		r = ms_folder_make(store, defaults[i].name, defaults[i].use);
		if (r == 0)
			r = ms_subscribe(store, defaults[i].name, true);
		if (r == MS_E_EXISTS)
			r = 0;
	}
	return r == 0 ? ms_subscribe(store, "INBOX", true) : r;
}

static int
sync_once(struct ms_store *store)
{
	struct mailboxes mailboxes = { .list = NULL };
	struct timespec now;
	bool room = false;
	struct stat st;
	int r;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	/* One that went wrong, and could not be taken back at once. */
	r = ms_renaming_take_back(store);
	if (r == 0)
		r = fstat(store->maildir_fd, &st) < 0 ? -errno : make_defaults(store);
	if (r == 0)
		r = ms_read(store, read_known, &mailboxes);
	mailboxes.generation = store->generation;
	if (r == 0 && mailboxes.damaged_count != 0)
		r = ms_run(store, remove_damaged, &mailboxes);
	for (size_t i = 0; i < mailboxes.damaged_count; i++)
		ms_tell(store, MS_FAULT_MAILBOX_RECORD, NULL, 0, NULL);
	if (r == 0)
		r = visit_folders(store, &mailboxes);
	for (size_t i = 0; r == 0 && i < mailboxes.count; i++)
		if (!mailboxes.list[i].seen) {
			r = ms_mailbox_forget(store, mailboxes.list[i].number, &mailboxes.list[i].record);
			room = true;
		}
	if (r == 0 && store->doubt)
		r = ms_clean(store);
	if (r == 0)
		store->maildir_time = ms_settled(&(struct ms_time){ st.st_mtim.tv_sec, (uint32_t)st.st_mtim.tv_nsec }, &now);
	clear(&mailboxes);
	/* Something may take the places of those that are gone. */
	return r == 0 && room && mailboxes.left_out != 0 ? sync_once(store) : r;
}

int
ms_sync_mailboxes(struct ms_store *store)
{
	int r = ms_lock(store);

	if (r != 0)
		return r;
	r = MS_AGAIN;
	for (unsigned tries = 0; r == MS_AGAIN && tries < RETRIES_MAX; tries++)
		r = sync_once(store);
	ms_unlock(store);
	return r == MS_AGAIN ? MS_E_CORRUPT : r;
}
