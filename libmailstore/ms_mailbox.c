/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Mailboxes: listing, making, removing, renaming, subscribing. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"

/* UIDs are promised ahead in the folder's file, so that losing the index never gives one again. */
#define UIDS_AHEAD 256

/* --- records --- */

int
ms_promise_uids(int folder_fd, struct ms_mailbox_record *record, size_t count)
{
	uint32_t before = record->folder.uid_limit;
	int r;

	if (record->uidnext == 0 || count > UINT32_MAX / 2 || record->uidnext > UINT32_MAX - (uint32_t)count - 2 * UIDS_AHEAD)
		return MS_E_LIMIT;
	if (record->uidnext + (uint32_t)count <= before)
		return 0;
	record->folder.uid_limit = record->uidnext + (uint32_t)count - 1 + UIDS_AHEAD;
	r = ms_folder_write(folder_fd, &record->folder);
	if (r != 0)
		record->folder.uid_limit = before;
	return r;
}

int
ms_take_uid(int folder_fd, struct ms_mailbox_record *record, uint32_t *ret)
{
	int r = ms_promise_uids(folder_fd, record, 1);

	if (r == 0)
		*ret = record->uidnext++;
	return r;
}

int
ms_mailbox_load(struct ms_txn *txn, uint32_t number, struct ms_mailbox_record *ret)
{
	uint8_t key[4];
	void *bytes;
	size_t len;
	int r;

	ms_key_u32(key, number);
	r = bdb_get(txn->bdb, txn->txn, T_MAILBOX, key, 4, &bytes, &len);
	if (r != 0)
		return r == BDB_NONE ? MS_E_STALE : ms_bdb(r);
	r = ms_mailbox_record_get(span_make(bytes, len), ret);
	free(bytes);
	return r == MS_E_CORRUPT ? MS_BDB(MS_DAMAGED) : r;
}

int
ms_mailbox_save(struct ms_txn *txn, uint32_t number, const struct ms_mailbox_record *record)
{
	struct buf bytes = BUF_INIT(MS_RECORD_MAX);
	uint8_t key[4];
	int r;

	ms_key_u32(key, number);
	ms_mailbox_record_put(record, &bytes);
	r = bytes.overflow ? MS_E_LIMIT : ms_bdb(bdb_put(txn->bdb, txn->txn, T_MAILBOX, key, 4, bytes.data, bytes.len));
	buf_free(&bytes);
	return r;
}

struct walk {
	ms_mailbox_fn each;
	void *context;
};

static int
visit(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct walk *walk = context;
	struct ms_mailbox_record record;

	if (key_len != 4 || ms_mailbox_record_get(span_make(value, len), &record) != 0)
		return MS_DAMAGED;
	walk->each(walk->context, ms_key_get_u32(key), &record);
	ms_mailbox_record_clear(&record);
	return 0;
}

int
ms_mailbox_each(struct bdb *bdb, struct bdb_txn *txn, ms_mailbox_fn each, void *context)
{
	struct walk walk = { each, context };

	return ms_bdb(bdb_scan(bdb, txn, T_MAILBOX, "", 0, 0, visit, &walk));
}

struct wanted {
	const char *name;
	uint32_t number;
};

static void
find_number(void *context, uint32_t number, struct ms_mailbox_record *record)
{
	struct wanted *wanted = context;

	if (strcmp(record->name, wanted->name) == 0)
		wanted->number = number;
}

int
ms_mailbox_number(struct ms_txn *txn, const char *name, uint32_t *ret)
{
	struct wanted wanted = { name, 0 };
	int r = ms_mailbox_each(txn->bdb, txn->txn, find_number, &wanted);

	*ret = wanted.number;
	return r;
}

/* --- subscriptions: a file of names, one a line, in the Maildir --- */

static int
read_subscriptions(const struct ms_store *store, struct buf *out)
{
	int r = ms_read_file(store->maildir_fd, MS_SUBSCRIPTIONS, out);

	return r == MS_E_NOTFOUND ? 0 : r;
}

static bool
has_line(struct span text, struct span wanted)
{
	struct span line;

	while (span_split(&text, '\n', &line))
		if (span_eq(line, wanted))
			return true;
	return false;
}

int
ms_subscriptions_write(int maildir_fd, const struct buf *text)
{
	return ms_replace_file(maildir_fd, MS_SUBSCRIPTIONS, text);
}

struct subscribing {
	const char *name;
	const struct buf *text;
};

/* The sequence is taken first and holds others' reading of it until the commit: nobody sees the new file under an old sequence. */
static int
change_subscriptions(struct ms_txn *txn, void *context)
{
	struct subscribing *subscribing = context;
	struct ms_mailbox_record record = { .name = NULL };
	uint32_t number = 0;
	uint64_t modseq;
	int r = ms_next_modseq(txn, &modseq);

	if (r == 0)
		r = ms_mailbox_number(txn, subscribing->name, &number);
	if (r == 0 && number != 0) {
		r = ms_mailbox_load(txn, number, &record);
		record.modseq = record.named = modseq;
		if (r == 0)
			r = ms_mailbox_save(txn, number, &record);
		ms_mailbox_record_clear(&record);
	}
	return r == 0 ? ms_subscriptions_write(txn->store->maildir_fd, subscribing->text) : r;
}

int
ms_subscribe(struct ms_store *store, const char *name, bool subscribed)
{
	struct buf checked = BUF_INIT(MS_MAILBOX_NAME_MAX), before = BUF_INIT(MS_SUBSCRIPTIONS_MAX), after = BUF_INIT(MS_SUBSCRIPTIONS_MAX);
	int r = ms_mailbox_name_check(name, &checked);

	if (r == 0)
		r = ms_lock(store);
	if (r != 0) {
		buf_free(&checked);
		return r;
	}
	r = read_subscriptions(store, &before);
	if (r == 0 && has_line(buf_get(&before), buf_get(&checked)) != subscribed) {
		struct span rest = buf_get(&before), line;

		while (span_split(&rest, '\n', &line))
			if (line.len != 0 && !span_eq(line, buf_get(&checked)))
				(void)buf_fmt(&after, "%.*s\n", (int)line.len, line.ptr);
		if (subscribed)
			(void)buf_fmt(&after, "%s\n", buf_cstr(&checked));
		if (after.overflow)
			r = MS_E_LIMIT;
		else if (store->bdb != NULL)
			r = ms_run(store, change_subscriptions, &(struct subscribing){ buf_cstr(&checked), &after });
		else
			r = ms_subscriptions_write(store->maildir_fd, &after);
	}
	ms_unlock(store);
	buf_free(&checked);
	buf_free(&before);
	buf_free(&after);
	return r;
}

int
ms_subscriptions(struct ms_store *store, ms_name_fn each, void *context)
{
	struct buf text = BUF_INIT(MS_SUBSCRIPTIONS_MAX);
	int r = read_subscriptions(store, &text);
	struct span rest = buf_get(&text), line;

	while (r == 0 && span_split(&rest, '\n', &line))
		if (line.len != 0)
			r = each(context, line.ptr, line.len);
	buf_free(&text);
	return r;
}

/* --- listing --- */

void
ms_mailbox_info_clear(struct ms_mailbox_info *info)
{
	free(info->name);
	info->name = NULL;
}

void
ms_mailboxes_free(struct ms_mailbox_info *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ms_mailbox_info_clear(&list[i]);
	free(list);
}

static void
set_info(const struct ms_mailbox_record *record, struct span subscriptions, struct ms_mailbox_info *ret)
{
	*ret = (struct ms_mailbox_info){
		.name = xstrdup(record->name), .uidvalidity = record->folder.uidvalidity, .uidnext = record->uidnext, .messages = record->messages,
		.unseen = record->unseen, .deleted = record->deleted, .modseq = record->modseq, .created = record->created,
		.named = record->named, .size = record->size, .deleted_size = record->deleted_size,
		.use = record->folder.use, .quota = record->folder.quota, .subscribed = has_line(subscriptions, span_of(record->name)),
	};
	(void)snprintf(ret->id, sizeof(ret->id), "%016" PRIx64, record->folder.id);
}

void
ms_mailbox_info_set(const struct ms_store *store, const struct ms_mailbox_record *record, struct ms_mailbox_info *ret)
{
	struct buf subscriptions = BUF_INIT(MS_SUBSCRIPTIONS_MAX);

	(void)read_subscriptions(store, &subscriptions); /* unreadable: none */
	set_info(record, buf_get(&subscriptions), ret);
	buf_free(&subscriptions);
}

struct found {
	uint32_t number;
	struct ms_mailbox_record record;
};

struct listing {
	struct found *list;
	size_t count;
};

static void
collect(void *context, uint32_t number, struct ms_mailbox_record *record)
{
	struct listing *listing = context;

	listing->list = xreallocarray(listing->list, listing->count + 1, sizeof(*listing->list));
	listing->list[listing->count++] = (struct found){ number, *record };
	*record = (struct ms_mailbox_record){ .name = NULL };
}

static void
listing_clear(struct listing *listing)
{
	for (size_t i = 0; i < listing->count; i++)
		ms_mailbox_record_clear(&listing->list[i].record);
	free(listing->list);
	*listing = (struct listing){ .list = NULL };
}

static int
read_all(struct bdb *bdb, void *context)
{
	listing_clear(context);
	return ms_mailbox_each(bdb, NULL, collect, context);
}

static int
compare_found(const void *a, const void *b)
{
	return strcmp(((const struct found *)a)->record.name, ((const struct found *)b)->record.name);
}

/* Folders that others made or removed change the time of the Maildir itself. */
static int
refresh(struct ms_store *store)
{
	struct stat st;

	if (fstat(store->maildir_fd, &st) < 0)
		return -errno;
	if (st.st_mtim.tv_sec == store->maildir_time.seconds && (uint32_t)st.st_mtim.tv_nsec == store->maildir_time.nanoseconds)
		return 0;
	return ms_sync_mailboxes(store);
}

static int
list_all(struct ms_store *store, struct listing *ret)
{
	int r = refresh(store);

	*ret = (struct listing){ .list = NULL };
	if (r == 0)
		r = ms_read(store, read_all, ret);
	if (r == 0 && ret->count != 0)
		qsort(ret->list, ret->count, sizeof(*ret->list), compare_found);
	return r;
}

/* Reads of the times first, without the lock: most mailboxes have not changed. */
static int
bring_up_to_date(struct ms_store *store, uint32_t number, struct ms_mailbox_record *record)
{
	struct ms_time new_time, cur_time;
	int fd, r = ms_folder_open(store, record->name, &fd);

	if (r != 0)
		return r;
	ms_folder_times(fd, &new_time, &cur_time);
	(void)close(fd);
	if (record->uidnext != 0 && new_time.seconds != 0 && cur_time.seconds != 0 && new_time.seconds == record->new_time.seconds && new_time.nanoseconds == record->new_time.nanoseconds &&
	    cur_time.seconds == record->cur_time.seconds && cur_time.nanoseconds == record->cur_time.nanoseconds)
		return 0;
	r = ms_lock(store);
	if (r != 0)
		return r;
	/* What was read before the lock may be old by now. */
	r = ms_mailbox_reload(store, number, record);
	if (r == 0)
		r = ms_sync(store, number, record);
	ms_unlock(store);
	return r;
}

int
ms_mailboxes(struct ms_store *store, struct ms_mailbox_info **ret, size_t *ret_count)
{
	struct buf subscriptions = BUF_INIT(MS_SUBSCRIPTIONS_MAX);
	struct listing listing;
	int r = list_all(store, &listing);

	*ret = NULL;
	*ret_count = 0;
	if (r == 0)
		r = read_subscriptions(store, &subscriptions);
	if (r == 0)
		*ret = xcalloc(listing.count, sizeof(**ret));
	for (size_t i = 0; r == 0 && i < listing.count; i++) {
		r = bring_up_to_date(store, listing.list[i].number, &listing.list[i].record);
		if (r == 0)
			set_info(&listing.list[i].record, buf_get(&subscriptions), &(*ret)[(*ret_count)++]);
		else if (r == MS_E_NOTFOUND || r == MS_E_STALE)
			r = 0; /* removed meanwhile */
		else if (ms_folder_is_shut(store, listing.list[i].record.name, r)) {
			ms_tell(store, MS_FAULT_SHUT, listing.list[i].record.name, 0, NULL);
			r = 0;
		}
	}
	if (r != 0) {
		ms_mailboxes_free(*ret, *ret_count);
		*ret = NULL;
		*ret_count = 0;
	}
	listing_clear(&listing);
	buf_free(&subscriptions);
	return r;
}

/* --- all, those too that nobody can look into --- */

void
ms_mailbox_names_clear(struct ms_mailbox_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->list[i].name);
	free(names->list);
	*names = (struct ms_mailbox_names){ .list = NULL };
}

static void
add_name(struct ms_mailbox_names *names, const char *name, bool known)
{
	names->list = xreallocarray(names->list, names->count + 1, sizeof(*names->list));
	names->list[names->count++] = (struct ms_mailbox_name){ xstrdup(name), known };
}

static int
compare_name(const void *name, const void *found)
{
	return strcmp(name, ((const struct found *)found)->record.name);
}

static bool
is_known(const struct listing *listing, const char *name)
{
	return listing->count != 0 && bsearch(name, listing->list, listing->count, sizeof(*listing->list), compare_name) != NULL;
}

static int
add_unknown(struct ms_store *store, const struct listing *listing, struct ms_mailbox_names *names)
{
	const struct dirent *entry;
	DIR *dir;
	int r = ms_dir_open(store->maildir_fd, ".", &dir);

	if (r != 0)
		return r;
	while ((r = ms_dir_next(dir, &entry)) == 0 && entry != NULL) {
		struct buf name = BUF_INIT(MS_MAILBOX_NAME_MAX);

		if (entry->d_name[0] == '.' && ms_folder_to_name(span_of(entry->d_name), &name) == 0 && !is_known(listing, buf_cstr(&name)) &&
		    ms_folder_is_shut(store, buf_cstr(&name), -EACCES))
			add_name(names, buf_cstr(&name), false);
		buf_free(&name);
	}
	(void)closedir(dir);
	return r;
}

int
ms_mailbox_names(struct ms_store *store, struct ms_mailbox_names *ret)
{
	struct listing listing;
	int r = list_all(store, &listing);

	*ret = (struct ms_mailbox_names){ .list = NULL };
	for (size_t i = 0; r == 0 && i < listing.count; i++)
		add_name(ret, listing.list[i].record.name, true);
	if (r == 0)
		r = add_unknown(store, &listing, ret);
	if (r != 0)
		ms_mailbox_names_clear(ret);
	listing_clear(&listing);
	return r;
}

int
ms_mailbox_find(struct ms_store *store, const char *name, uint32_t *ret_number, struct ms_mailbox_record *ret)
{
	struct buf checked = BUF_INIT(MS_MAILBOX_NAME_MAX);
	struct listing listing = { .list = NULL };
	int r = ms_mailbox_name_check(name, &checked);

	if (r == 0)
		r = list_all(store, &listing);
	if (r == 0) {
		r = MS_E_NOTFOUND;
		for (size_t i = 0; i < listing.count; i++)
			if (strcmp(listing.list[i].record.name, buf_cstr(&checked)) == 0) {
				*ret_number = listing.list[i].number;
				*ret = listing.list[i].record;
				listing.list[i].record = (struct ms_mailbox_record){ .name = NULL };
				r = 0;
				break;
			}
	} else if (r == MS_E_BADNAME) {
		r = MS_E_NOTFOUND;
	}
	listing_clear(&listing);
	buf_free(&checked);
	return r;
}

int
ms_mailbox_status(struct ms_store *store, const char *name, struct ms_mailbox_info *ret)
{
	struct ms_mailbox_record record;
	uint32_t number;
	int r = ms_mailbox_find(store, name, &number, &record);

	if (r != 0)
		return r;
	r = bring_up_to_date(store, number, &record);
	if (r == 0)
		ms_mailbox_info_set(store, &record, ret);
	ms_mailbox_record_clear(&record);
	return r;
}

int
ms_mailbox_name(struct ms_store *store, const char *id, char **ret)
{
	struct listing listing;
	char text[MS_ID_LEN + 1];
	int r = list_all(store, &listing);

	if (r == 0) {
		r = MS_E_NOTFOUND;
		for (size_t i = 0; i < listing.count && r != 0; i++) {
			(void)snprintf(text, sizeof(text), "%016" PRIx64, listing.list[i].record.folder.id);
			if (strcmp(text, id) == 0) {
				*ret = xstrdup(listing.list[i].record.name);
				r = 0;
			}
		}
	}
	listing_clear(&listing);
	return r;
}

struct reload {
	uint32_t number;
	struct ms_mailbox_record *record;
};

static int
reload(struct bdb *bdb, void *context)
{
	struct reload *reload = context;
	struct ms_txn txn = { .bdb = bdb };
	struct ms_mailbox_record fresh;
	int r = ms_mailbox_load(&txn, reload->number, &fresh);

	if (r != 0)
		return r;
	ms_mailbox_record_clear(reload->record);
	*reload->record = fresh;
	return 0;
}

int
ms_mailbox_reload(struct ms_store *store, uint32_t number, struct ms_mailbox_record *record)
{
	struct reload context = { number, record };

	return ms_read(store, reload, &context);
}
