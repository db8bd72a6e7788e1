/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Bringing the text index up to date, a little at a time: some changes are followed and their messages read; when enough has been
 * gathered, or nothing is left, it is written in several transactions; the last one says how far the index has come. A process that
 * dies before that leaves postings of nobody: they make candidates and nothing else. Of two that work at once the first to end counts; they need
 * not have gathered the same, so neither writes over what the other has put into a record. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file_map.h"
#include "common/text_fold.h"
#include "common/xalloc.h"
#include "libmailstore/ms_listing.h"
#include "libmailstore/ms_text_group.h"
#include "libmailstore/ms_text_walk.h"
#include "libmailstore/ms_text_work.h"

/* Read in a step. */
#define BYTES_STEP (2u << 20)
/* Fewer messages than that are not worth the writing: a search reads them. */
#define BACKLOG_MIN 100
/* What could not be read is not looked at again sooner: there may be many of them, and each flag that changes is a time. */
#define LOOK_AGAIN_SECONDS 300
/* Documents that may be of messages that are gone, beside as many as there are messages. */
#define GONE_MAX 8192

void
ms_text_group_key(uint8_t key[MS_TEXT_GROUP_KEY], uint32_t block, uint32_t gram)
{
	uint32_t group = gram / MS_TEXT_GROUP_EACH;

	key[0] = 'g';
	for (unsigned i = 0; i < 3; i++) {
		key[1 + i] = (uint8_t)(block >> (16 - 8 * i));
		key[4 + i] = (uint8_t)(group >> (16 - 8 * i));
	}
}

void
ms_text_own_key(uint8_t key[MS_TEXT_OWN_KEY], uint32_t block, uint32_t gram)
{
	ms_text_group_key(key, block, gram);
	key[MS_TEXT_GROUP_KEY] = (uint8_t)(gram % MS_TEXT_GROUP_EACH);
}

void
ms_text_work_free(struct ms_text_work *work)
{
	if (work != NULL)
		free(work->entries);
	free(work);
}

/* --- gathering --- */

static void
add_gram(void *context, uint32_t gram)
{
	struct ms_text_work *work = context;

	if ((work->seen[gram / 8] >> (gram % 8) & 1) != 0)
		return;
	work->seen[gram / 8] |= (uint8_t)(1u << (gram % 8));
	work->entries[work->entry_count++] = gram << 12 | work->place;
}

static bool
on_begin(void *context, enum ms_text_kind kind, struct span name)
{
	struct ms_text_work *work = context;

	(void)kind, (void)name;
	work->grams = (struct ms_grams){ 0 };
	return true;
}

static bool
on_piece(void *context, struct span folded)
{
	struct ms_text_work *work = context;

	ms_grams_feed(&work->grams, folded, add_gram, work);
	return true;
}

static bool
on_end(void *context)
{
	(void)context;
	return true;
}

static void
add_message(struct ms_text_work *work, uint64_t email, struct span bytes)
{
	const struct ms_text_sink sink = { work, on_begin, on_piece, on_end };

	work->place = (uint32_t)((work->documents + work->count) % MS_POSTINGS_EACH);
	work->first_entry = work->entry_count;
	ms_text_walk(bytes, MS_TEXT_ALL, &sink);
	for (size_t i = work->first_entry; i < work->entry_count; i++) {
		uint32_t gram = work->entries[i] >> 12;

		work->seen[gram / 8] = 0;
	}
	work->emails[work->count++] = email;
}

/* The index goes on without it, and searches try to read it. */
static int
leave_unread(struct ms_text_work *work, const struct ms_text_change *change, int r)
{
	if (!ms_is_unreadable(r))
		return r;
	work->unread[work->unread_count++] = (struct ms_pair){ change->email, change->modseq };
	return 0;
}

/* Nor is any other to miss the index for a folder that is shut: it is not read again before it is open. */
static int
leave_folder(struct ms_store *store, struct ms_text_work *work, const struct ms_text_change *change, const char *mailbox, int r)
{
	if (!ms_folder_is_shut(store, mailbox, r == MS_E_NOTFOUND ? MS_UNREADABLE : r))
		return leave_unread(work, change, r);
	work->shut = change->mailbox;
	return leave_unread(work, change, MS_UNREADABLE);
}

/* MS_E_NOTFOUND: not where its record says; the index goes on when its folder has been read again. */
static int
read_message(struct ms_store *store, struct ms_text_work *work, const struct ms_text_change *change, uint64_t *ret_size)
{
	_cleanup_(closep) int folder = -1;
	_cleanup_(closep) int fd = -1;
	_cleanup_(freep) char *path = NULL, *name = NULL;
	struct ms_mailbox_record mailbox = { 0 };
	struct ms_mailbox handle = { .store = store, .number = change->mailbox, .generation = store->generation };
	struct ms_message_record record;
	struct stat st;
	struct file_map *map;
	int r = ms_message_get_record(&handle, change->uid, &record);

	*ret_size = 0;
	if (r == 0)
		r = ms_mailbox_reload(store, change->mailbox, &mailbox);
	name = TAKE_PTR(mailbox.name);
	ms_mailbox_record_clear(&mailbox);
	if (r != 0)
		return r;
	r = ms_folder_open(store, name, &folder);
	if (r != 0)
		return leave_folder(store, work, change, name, r);
	path = xasprintf("%s/%s", record.in_cur ? "cur" : "new", record.name);
	fd = openat(folder, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return leave_folder(store, work, change, name, errno == ENOENT ? MS_E_NOTFOUND : -errno);
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return leave_unread(work, change, MS_NO_MESSAGE);
	*ret_size = (uint64_t)st.st_size;
	if (st.st_size == 0) {
		add_message(work, change->email, SPAN(""));
		return 0;
	}
	r = file_map_open(fd, (size_t)st.st_size, &map);
	if (r != 0)
		return r;
	add_message(work, change->email, file_map_bytes(map));
	/* Of what is not there, or cut short by another program, nothing can be told yet. */
	if (file_map_is_torn(map)) {
		work->count--;
		work->entry_count = work->first_entry;
		r = leave_unread(work, change, -EIO);
	}
	file_map_close(map);
	return r;
}

struct reading {
	struct ms_text_work *work;
	struct ms_text_state state;
};

static int
take_change(void *context, uint64_t modseq, uint64_t place)
{
	struct ms_text_work *work = context;
	uint32_t mailbox = (uint32_t)(place >> 32), uid = (uint32_t)place;

	work->changes[work->change_count++] = (struct ms_text_change){ .modseq = modseq, .mailbox = mailbox, .uid = uid, .place = uid };
	return work->change_count == MS_TEXT_CHANGES ? MS_AGAIN : 0;
}

/* Whether the message of a change is known; or not there, which is a later change. */
static int
look_at(struct bdb *bdb, const struct ms_text_work *work, struct ms_text_change *change)
{
	struct ms_txn txn = { .bdb = bdb };
	struct ms_message_record record;
	uint32_t document;
	uint64_t tried;
	int r = ms_message_load_named(&txn, change->mailbox, change->uid, &record), known;

	if (r != 0) {
		change->uid = 0;
		return r == MS_E_NOTFOUND ? 0 : r;
	}
	change->email = record.message.email_id;
	known = ms_text_document(bdb, NULL, change->email, &document);
	if (known == 0 && document < work->documents)
		change->uid = 0; /* known */
	/* What has changed since is tried again. */
	if (known == BDB_NONE && (known = ms_text_unread(bdb, NULL, change->email, &tried)) == 0 && tried >= change->modseq)
		change->uid = 0;
	return known == BDB_NONE ? 0 : ms_bdb(known);
}

/* The next changes; at the beginning also how far the index has come. */
static int
read_changes(struct bdb *bdb, void *context)
{
	struct reading *reading = context;
	struct ms_text_work *work = reading->work;
	int r = ms_text_state(bdb, NULL, &reading->state);

	if (r != 0)
		return r;
	if (!work->begun) {
		work->from = work->upto = reading->state.done;
		work->documents = reading->state.documents;
		work->cleared = reading->state.cleared;
		work->at = (struct ms_pair){ work->from + 1, 0 };
	}
	work->change_count = 0;
	r = ms_set_each(bdb, NULL, &ms_set_changes, work->at, UINT64_MAX, take_change, work);
	if (r == MS_AGAIN)
		r = 0;
	for (size_t i = 0; r == 0 && i < work->change_count; i++)
		r = look_at(bdb, work, &work->changes[i]);
	return r;
}

bool
ms_text_is_gathered(const struct ms_text_work *work, uint64_t email)
{
	for (size_t i = 0; i < work->count; i++)
		if (work->emails[i] == email)
			return true;
	return false;
}

static bool
is_full(const struct ms_text_work *work)
{
	return work->count == MS_TEXT_MESSAGES_MAX || work->unread_count == MS_TEXT_UNREAD_MAX || work->entry_count + MS_GRAMS > MS_TEXT_ENTRIES_MAX ||
	    (work->count > 0 && (work->documents + work->count) % MS_POSTINGS_EACH == 0);
}

/* *ret_end: there is nothing more to gather now. */
static int
gather(struct ms_store *store, struct ms_text_work *work, bool *ret_end)
{
	uint64_t budget = BYTES_STEP, size;
	size_t i;
	int r = 0;

	*ret_end = work->change_count == 0;
	for (i = 0; i < work->change_count && r == 0 && budget > 0; i++) {
		const struct ms_text_change *change = &work->changes[i];

		if (change->uid != 0 && !ms_text_is_gathered(work, change->email)) {
			if (is_full(work))
				break;
			r = read_message(store, work, change, &size);
			budget -= size < budget ? size : budget;
		}
		if (r != 0)
			break;
		/* Others of the same number may follow, now or when they can be seen. */
		work->upto = change->modseq - 1 > work->from ? change->modseq - 1 : work->from;
		work->at = (struct ms_pair){ change->modseq, MS_PLACE(change->mailbox, change->place) + 1 };
	}
	if (r == MS_E_NOTFOUND || r == MS_E_STALE) {
		*ret_end = true;
		return 0;
	}
	return r;
}

/* --- those that could not be read --- */

struct looking {
	struct ms_text_work *work;
	uint64_t emails[MS_TEXT_CHANGES], next; /* next: the first that is none of these */
	size_t count;
};

static int
take_unread(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct looking *looking = context;

	(void)value, (void)len;
	if (key_len == MS_TEXT_UNREAD_KEY)
		looking->emails[looking->count++] = ms_key_get_u64(key + 1);
	return looking->count == MS_TEXT_CHANGES;
}

static int
take_place(void *context, uint64_t email, uint64_t place)
{
	struct ms_text_work *work = context;
	uint32_t mailbox = (uint32_t)(place >> 32), uid = (uint32_t)place;

	if (work->change_count == MS_TEXT_CHANGES)
		return MS_AGAIN;
	work->changes[work->change_count++] = (struct ms_text_change){ .email = email, .mailbox = mailbox, .uid = uid, .place = uid };
	return 0;
}

/* How many are left without those of the last email. */
static size_t
drop_email(const struct ms_text_work *work, uint64_t email)
{
	size_t count = work->change_count;

	while (count > 0 && work->changes[count - 1].email == email)
		count--;
	return count;
}

/* The next of them, with all the places where each stands. */
static int
read_unread(struct bdb *bdb, void *context)
{
	struct looking *looking = context;
	struct ms_text_work *work = looking->work;
	uint8_t key[MS_TEXT_UNREAD_KEY];
	uint32_t document;
	int r;

	looking->count = work->change_count = 0;
	looking->next = work->again;
	ms_text_unread_key(key, work->again);
	r = bdb_scan(bdb, NULL, T_TEXT, key, sizeof(key), 1, take_unread, looking);
	r = r == 1 ? 0 : ms_bdb(r);
	for (size_t i = 0; r == 0 && i < looking->count && work->change_count < MS_TEXT_CHANGES; i++) {
		uint64_t email = looking->emails[i];
		int known = ms_text_document(bdb, NULL, email, &document);

		if (known == BDB_NONE || (known == 0 && document >= work->documents))
			r = ms_set_each(bdb, NULL, &ms_set_places, (struct ms_pair){ email, 0 }, email, take_place, work);
		else
			r = ms_bdb(known);
		/* Only all its places are enough: it has some of its own turn, but for one that has more than are looked at. */
		if (r == MS_AGAIN && i != 0)
			work->change_count = drop_email(work, email);
		else
			looking->next = email + 1;
		if (r == MS_AGAIN)
			return 0;
	}
	return r;
}

static int64_t
uptime(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec;
}

/* Nothing need change of a message that can be read again. *ret_end: they have all been looked at. */
static int
look_again(struct ms_store *store, struct ms_text_work *work, bool *ret_end)
{
	struct looking looking = { .work = work };
	uint64_t budget = BYTES_STEP, size, last = 0;
	size_t unread = work->unread_count;
	int r = ms_read(store, read_unread, &looking);

	*ret_end = looking.count == 0;
	if (*ret_end)
		store->text_looked = work->again != 0 ? uptime() : 0;
	work->shut = 0;
	for (size_t i = 0; r == 0 && i < work->change_count; i++) {
		const struct ms_text_change *change = &work->changes[i];
		bool enough = is_full(work) || budget == 0;

		if (enough && change->email != last) {
			looking.next = change->email;
			break;
		}
		last = change->email;
		if (enough || change->mailbox == work->shut || ms_text_is_gathered(work, change->email))
			continue;
		r = read_message(store, work, change, &size);
		budget -= size < budget ? size : budget;
		work->unread_count = unread; /* it is noted already */
		if (r == MS_E_NOTFOUND || r == MS_E_STALE)
			r = 0; /* it left, or was moved: a change */
	}
	work->again = looking.next;
	return r;
}

/* --- clearing --- */

struct keys {
	uint8_t bytes[MS_TEXT_RECORDS_TXN][9];
	size_t len[MS_TEXT_RECORDS_TXN], count;
};

static int
take_key(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct keys *keys = context;

	(void)value, (void)len;
	if (key_len > sizeof(keys->bytes[0]))
		return 0; /* not ours */
	memcpy(keys->bytes[keys->count], key, key_len);
	keys->len[keys->count++] = key_len;
	return keys->count == MS_TEXT_RECORDS_TXN;
}

static int
clear_some(struct ms_txn *txn, void *context)
{
	struct keys *keys = context;
	int r;

	keys->count = 0;
	r = bdb_scan(txn->bdb, txn->txn, T_TEXT, "", 0, 0, take_key, keys);
	if (r != 0 && r != 1)
		return ms_bdb(r);
	for (size_t i = 0; i < keys->count; i++) {
		r = bdb_del(txn->bdb, txn->txn, T_TEXT, keys->bytes[i], keys->len[i]);
		if (r != 0 && r != BDB_NONE)
			return ms_bdb(r);
	}
	if (keys->count > 0)
		return 0;
	r = ms_meta_put(txn, MS_TEXT_DONE, 0);
	if (r == 0)
		r = ms_meta_put(txn, MS_TEXT_DOCUMENTS, 0);
	if (r == 0)
		r = ms_meta_put(txn, MS_TEXT_FORMAT, MS_TEXT_FORMAT_NOW);
	r = ms_bdb(r);
	return r == 0 ? ms_text_note_clearing(txn, false) : r;
}

static int
clear_step(struct ms_store *store)
{
	struct keys *keys = xcalloc(1, sizeof(*keys));
	int r = ms_run_unsynced(store, clear_some, keys);

	free(keys);
	return r;
}

static void
add_usage(void *context, uint32_t number, struct ms_mailbox_record *record)
{
	struct ms_quota *usage = context;

	(void)number;
	usage->messages += record->messages;
	usage->bytes += record->size;
}

static int
count_usage(struct bdb *bdb, void *context)
{
	*(struct ms_quota *)context = (struct ms_quota){ .bytes = 0 };
	return ms_mailbox_each(bdb, NULL, add_usage, context);
}

/* --- steps --- */

static int
gather_step(struct ms_store *store, struct ms_text_work *work, bool *ret_more)
{
	struct reading reading = { .work = work };
	struct ms_quota usage;
	bool end = false;
	int r = ms_read(store, read_changes, &reading);

	if (r == 0 && !reading.state.usable) {
		work->begun = false; /* what was gathered is for numbers that are not given any more */
		work->count = work->unread_count = work->entry_count = 0;
		*ret_more = true;
		return clear_step(store);
	}
	if (r == 0 && !work->begun)
		r = ms_read(store, count_usage, &usage);
	if (r == 0 && !work->begun && work->documents == 0 && usage.bytes < store->text_least)
		return 0;
	if (r == 0 && !work->begun && (store->text_damaged || work->documents > 2 * usage.messages + GONE_MAX)) {
		store->text_damaged = false;
		*ret_more = true;
		return ms_run_unsynced(store, ms_text_discard, NULL);
	}
	work->begun = true;
	if (r == 0)
		r = gather(store, work, &end);
	if (r == 0 && end && !work->looked_again && !is_full(work) && (store->text_looked == 0 || uptime() >= store->text_looked + LOOK_AGAIN_SECONDS)) {
		r = look_again(store, work, &work->looked_again);
		end = work->looked_again;
	}
	work->writing = is_full(work) || (end && (work->count >= BACKLOG_MIN || (work->count == 0 && work->upto != work->from)));
	*ret_more = r == 0 && (work->writing || !end);
	if (work->writing)
		ms_text_sort_entries(work);
	return r;
}

int
ms_index_text(struct ms_store *store, bool *ret_more)
{
	struct ms_text_work *work = store->text_work;
	bool over = false;
	int r = ms_ensure(store);

	*ret_more = false;
	if (r != 0)
		return r;
	if (work == NULL) {
		work = store->text_work = xcalloc(1, sizeof(*work));
		work->entries = xcalloc(MS_TEXT_ENTRIES_MAX, sizeof(work->entries[0]));
		work->generation = store->generation;
	}
	if (work->generation != store->generation) {
		over = *ret_more = true;
	} else if (work->writing) {
		r = ms_text_write_step(store, work, &over);
		*ret_more = r == 0;
	} else {
		r = gather_step(store, work, ret_more);
	}
	/* What has been gathered stays for the next time. */
	if (r != 0 || over) {
		ms_text_work_free(work);
		store->text_work = NULL;
	}
	return r;
}
