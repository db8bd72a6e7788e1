/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* An open mailbox: its messages, what changed, their files and what was rendered of them. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_entries.h"
#include "libmailstore/ms_texts.h"

/* Of a file that is renamed between two looks. */
#define OPEN_TRIES 20

static void
set_info(struct ms_mailbox *mailbox)
{
	ms_mailbox_info_clear(&mailbox->info);
	ms_mailbox_info_set(mailbox->store, &mailbox->record, &mailbox->info);
}

/* When the index was made anew, the mailbox has its number again; who has that number now is told by identity. */
int
ms_mailbox_follow(struct ms_mailbox *mailbox)
{
	struct ms_mailbox_record record = { .name = NULL };
	int r;

	if (mailbox->generation == mailbox->store->generation)
		return 0;
	r = ms_mailbox_reload(mailbox->store, mailbox->number, &record);
	if (r != 0)
		return r;
	if (record.folder.id != mailbox->record.folder.id || record.folder.uidvalidity != mailbox->record.folder.uidvalidity) {
		ms_mailbox_record_clear(&record);
		return MS_E_STALE;
	}
	ms_mailbox_record_clear(&mailbox->record);
	mailbox->record = record;
	mailbox->generation = mailbox->store->generation;
	return 0;
}

int
ms_mailbox_sync(struct ms_mailbox *mailbox)
{
	struct ms_store *store = mailbox->store;
	int r = ms_ensure(store);

	if (r == 0)
		r = ms_lock(store);
	if (r != 0)
		return r;
	r = ms_mailbox_follow(mailbox);
	if (r == 0)
		r = ms_mailbox_reload(store, mailbox->number, &mailbox->record);
	if (r == 0)
		r = ms_sync(store, mailbox->number, &mailbox->record);
	ms_unlock(store);
	if (r == 0)
		set_info(mailbox);
	return r == MS_E_NOTFOUND ? MS_E_STALE : r;
}

int
ms_mailbox_open(struct ms_store *store, const char *name, struct ms_mailbox **ret)
{
	struct ms_mailbox *mailbox = xcalloc(1, sizeof(*mailbox));
	int r;

	mailbox->store = store;
	buf_init(&mailbox->texts, MS_CACHE_UNPACKED_MAX + 1);
	r = ms_mailbox_find(store, name, &mailbox->number, &mailbox->record);
	mailbox->generation = store->generation;
	if (r == 0)
		r = ms_mailbox_sync(mailbox);
	if (r != 0) {
		ms_mailbox_close(mailbox);
		return r == MS_E_STALE ? MS_E_NOTFOUND : r;
	}
	ms_watch_mailbox(store, mailbox->record.name);
	*ret = mailbox;
	return 0;
}

void
ms_mailbox_close(struct ms_mailbox *mailbox)
{
	if (mailbox == NULL)
		return;
	ms_mailbox_info_clear(&mailbox->info);
	ms_mailbox_record_clear(&mailbox->record);
	buf_free(&mailbox->texts);
	free(mailbox);
}

const struct ms_mailbox_info *
ms_mailbox_info(const struct ms_mailbox *mailbox)
{
	return &mailbox->info;
}

const char *
ms_keyword(const struct ms_mailbox *mailbox, unsigned n)
{
	return n < mailbox->record.folder.keyword_count ? mailbox->record.folder.keywords[n] : NULL;
}

/* --- messages --- */

/* Messages are read some at a time, and handed on when others may write again: whoever gets them may take as long as he likes, and come
 * back to us. */
#define WALK_MESSAGES 512
#define WALK_BYTES (256 * 1024)

struct walk {
	struct ms_mailbox *mailbox;
	uint32_t first, last; /* still to be read */
	size_t count;
	union {
		struct ms_message *messages; /* WALK_MESSAGES */
		struct buf *cached;          /* UID, length, record, of each */
	};
	uint32_t end;                        /* of the last record: its UID; and which UIDs of its block there are */
	uint8_t living[MS_UIDS_BYTES];
};

/* Of collect and collect_cached, beside the results of bdb.h. */
#define WALK_END 100

static int
collect(void *context, uint32_t mailbox, const struct ms_entry *entry)
{
	struct walk *walk = context;

	(void)mailbox;
	if (entry->message.uid > walk->last || walk->count == WALK_MESSAGES)
		return WALK_END;
	if (entry->lost)
		return MS_DAMAGED;
	walk->messages[walk->count++] = entry->message;
	return 0;
}

static int
read_messages(struct bdb *bdb, void *context)
{
	struct walk *walk = context;
	struct ms_pending_list pending = { .list = NULL };
	int r;

	walk->count = 0;
	r = ms_entries(bdb, NULL, walk->mailbox->number, walk->first, collect, walk);
	if (r == MS_BDB(WALK_END))
		r = 0;
	if (r == 0 && walk->count != 0)
		r = ms_pending_read(bdb, NULL, walk->mailbox->number, walk->messages[0].uid / MS_UIDS_EACH,
		    walk->messages[walk->count - 1].uid / MS_UIDS_EACH, &pending);
	for (size_t i = 0; r == 0 && pending.count != 0 && i < walk->count; i++)
		(void)ms_pending_apply(&pending, &walk->messages[i]);
	ms_pending_clear(&pending);
	return r;
}

/* What the index says now, of the mailbox that is meant. */
static int
follow(struct ms_mailbox *mailbox)
{
	int r = ms_ensure(mailbox->store);

	return r == 0 ? ms_mailbox_follow(mailbox) : r;
}

int
ms_messages(struct ms_mailbox *mailbox, uint32_t first, uint32_t last, ms_message_fn each, void *context)
{
	struct walk walk = { .mailbox = mailbox, .first = first, .last = last };
	int r = 0, stopped = 0;

	walk.messages = xreallocarray(NULL, WALK_MESSAGES, sizeof(*walk.messages));
	do {
		r = follow(mailbox);
		if (r == 0)
			r = ms_read(mailbox->store, read_messages, &walk);
		if (r != 0 || walk.count == 0)
			break;
		walk.first = walk.messages[walk.count - 1].uid + 1;
		for (size_t i = 0; stopped == 0 && i < walk.count; i++)
			stopped = each(context, &walk.messages[i]);
	} while (stopped == 0 && walk.first != 0 && walk.first <= last);
	free(walk.messages);
	return r;
}

/* --- what was rendered of them --- */

static int
collect_cached(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct walk *walk = context;
	uint32_t head[2];

	if (key_len != 8)
		return 0;
	head[0] = ms_key_get_u32(key + 4);
	head[1] = (uint32_t)len;
	/* What is to be read may end within a record. */
	if (walk->count > 0 && (walk->end >= walk->last || head[0] / MS_UIDS_EACH != walk->end / MS_UIDS_EACH || walk->cached->len + len > WALK_BYTES))
		return WALK_END;
	(void)buf_put(walk->cached, head, sizeof(head));
	(void)buf_put(walk->cached, value, len);
	walk->end = head[0];
	walk->count++;
	return 0;
}

static int
read_cached(struct bdb *bdb, void *context)
{
	struct walk *walk = context;
	uint8_t key[8];
	int r;

	ms_key_u32(key, walk->mailbox->number);
	ms_key_u32(key + 4, walk->first);
	walk->count = 0;
	buf_clear(walk->cached);
	r = bdb_scan(bdb, NULL, T_CACHE, key, 8, 4, collect_cached, walk);
	r = r == WALK_END ? 0 : ms_bdb(r);
	if (r == 0 && walk->count > 0)
		r = ms_uids_read(bdb, NULL, walk->mailbox->number, walk->end / MS_UIDS_EACH, walk->living);
	return r;
}

/* Those of a record that are wanted, and have not left. */
static int
hand_on_cached(const struct walk *walk, struct span record, uint32_t last, struct buf *unpacked, ms_cached_fn each, void *context)
{
	struct ms_text texts[MS_CACHED_COUNT];
	struct ms_cache_member member;
	int stopped = 0;

	buf_clear(unpacked);
	if (ms_cache_unpack(record, last, unpacked) != 0)
		return 0; /* asked for alone, they are made again */
	for (struct span rest = buf_get(unpacked); stopped == 0 && ms_cache_next(&rest, &member);) {
		uint32_t bit = member.uid % MS_UIDS_EACH;

		if (member.uid < walk->first || member.uid > walk->last || (walk->living[bit / 8] >> (bit % 8) & 1) == 0)
			continue;
		for (unsigned i = 0; i < MS_CACHED_COUNT; i++) {
			struct span text;
			int r = ms_cache_text(member.texts, (enum ms_cached)i, &text);

			texts[i] = r == 0 ? (struct ms_text){ text.ptr, text.len } : (struct ms_text){ NULL, 0 };
		}
		stopped = each(context, member.uid, texts);
	}
	return stopped;
}

int
ms_messages_cached(struct ms_mailbox *mailbox, uint32_t first, uint32_t last, ms_cached_fn each, void *context)
{
	struct buf cached = BUF_INIT(WALK_BYTES + BDB_RECORD_MAX), unpacked = BUF_INIT(MS_CACHE_UNPACKED_MAX + 1);
	struct walk walk = { .mailbox = mailbox, .first = first, .last = last, .cached = &cached };
	int r = 0, stopped = 0;

	do {
		r = follow(mailbox);
		if (r == 0)
			r = ms_read(mailbox->store, read_cached, &walk);
		if (r != 0 || walk.count == 0)
			break;
		for (struct span rest = buf_get(&cached); stopped == 0 && rest.len > 0;) {
			uint32_t head[2];

			memcpy(head, rest.ptr, sizeof(head));
			stopped = hand_on_cached(&walk, span_make(rest.ptr + sizeof(head), head[1]), head[0], &unpacked, each, context);
			rest = span_skip(rest, sizeof(head) + head[1]);
		}
		walk.first = walk.end + 1;
	} while (stopped == 0 && walk.first != 0 && walk.first <= last);
	buf_free(&cached);
	buf_free(&unpacked);
	return r;
}

struct one {
	struct ms_mailbox *mailbox;
	uint32_t uid;
	struct ms_message_record *record;
	struct span *texts;
};

static int
read_one(struct bdb *bdb, void *context)
{
	struct one *one = context;
	struct ms_txn txn = { .bdb = bdb };

	if (one->record != NULL) {
		int r = ms_message_load(&txn, one->mailbox->number, one->uid, one->record);

		return r == MS_E_NOTFOUND && ms_uids_has(bdb, one->mailbox->number, one->uid) ? MS_BDB(MS_DAMAGED) : r;
	}
	return ms_texts_get(bdb, NULL, one->mailbox->number, one->uid, &one->mailbox->texts, one->texts);
}

static int
get_one(struct one *one)
{
	int r = follow(one->mailbox);

	return r == 0 ? ms_read(one->mailbox->store, read_one, one) : r;
}

int
ms_message_get_record(struct ms_mailbox *mailbox, uint32_t uid, struct ms_message_record *ret)
{
	struct one one = { .mailbox = mailbox, .uid = uid, .record = ret };

	return get_one(&one);
}

int
ms_message_get(struct ms_mailbox *mailbox, uint32_t uid, struct ms_message *ret)
{
	struct ms_message_record record;
	int r = ms_message_get_record(mailbox, uid, &record);

	if (r == 0)
		*ret = record.message;
	return r;
}

/* search: by all names in the folder, again and again, where another program renames it all the time. */
static int
open_file(int folder_fd, const struct ms_message_record *record, bool search)
{
	char path[MS_NAME_MAX + 5];
	int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/%s", record->in_cur ? "cur" : "new", record->name);
	for (unsigned tries = 0; tries < OPEN_TRIES; tries++) {
		int r = 0;

		fd = openat(folder_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0 || errno != ENOENT)
			return fd >= 0 ? fd : -errno;
		if (!search || (r = ms_locate(folder_fd, record, path)) != 0)
			return r < 0 ? r : -ENOENT;
	}
	return -ENOENT;
}

/* *ret_changed: the file has another size than when it was taken in. */
static int
open_record(struct ms_mailbox *mailbox, uint32_t uid, bool search, int *ret_fd, uint64_t *ret_bytes, bool *ret_changed)
{
	_cleanup_(closep) int folder = -1;
	struct ms_message_record record;
	struct stat st;
	int fd, r = ms_message_get_record(mailbox, uid, &record);

	if (r == 0)
		r = ms_folder_open(mailbox->store, mailbox->record.name, &folder);
	if (r != 0)
		return r;
	fd = open_file(folder, &record, search);
	if (fd < 0)
		return fd == -ENOENT ? MS_E_NOTFOUND : fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		return MS_E_NOTFOUND;
	}
	*ret_fd = fd;
	*ret_bytes = (uint64_t)st.st_size;
	*ret_changed = *ret_bytes != record.bytes;
	return 0;
}

/* A program that writes into new/ or cur/ is still at it, or cuts a file: what is known of it is of other bytes, and they may have been seen. So
 * it leaves, and comes as another message. */
static int
take_anew(struct ms_mailbox *mailbox)
{
	int r = ms_lock(mailbox->store);

	if (r != 0)
		return r;
	r = ms_mailbox_reload(mailbox->store, mailbox->number, &mailbox->record);
	if (r == 0)
		r = ms_sync_mend(mailbox->store, mailbox->number, &mailbox->record);
	ms_unlock(mailbox->store);
	return r;
}

int
ms_message_open(struct ms_mailbox *mailbox, uint32_t uid, int *ret_fd, uint64_t *ret_bytes)
{
	bool changed = false;
	int r = open_record(mailbox, uid, false, ret_fd, ret_bytes, &changed);

	/* Another program may have renamed it a moment ago. */
	if (r == MS_E_NOTFOUND) {
		r = ms_mailbox_sync(mailbox);
		if (r == 0)
			r = open_record(mailbox, uid, true, ret_fd, ret_bytes, &changed);
	}
	/* Within a reading nothing can be changed: then it is told as it is. */
	if (r != 0 || !changed || mailbox->store->reading > 0)
		return r;
	(void)close(*ret_fd);
	*ret_fd = -1;
	r = take_anew(mailbox);
	return r == 0 ? MS_E_NOTFOUND : r;
}

/* A text that is not kept, or whose record is missing or damaged, is made again from the bytes. */
static int
render_again(struct ms_mailbox *mailbox, uint32_t uid, enum ms_cached what, char **ret, size_t *ret_len)
{
	struct ms_derived derived;
	struct span text;
	uint64_t bytes;
	int fd, r = ms_message_open(mailbox, uid, &fd, &bytes);

	if (r != 0)
		return r;
	r = ms_derive(fd, bytes, true, &derived);
	(void)close(fd);
	if (r == 0)
		r = ms_cache_text(buf_get(&derived.texts), what, &text);
	if (r == 0) {
		*ret = span_dup(text);
		*ret_len = text.len;
	}
	ms_derived_clear(&derived);
	return r;
}

int
ms_message_cached(struct ms_mailbox *mailbox, uint32_t uid, enum ms_cached what, char **ret, size_t *ret_len)
{
	struct span texts, text;
	struct one one = { .mailbox = mailbox, .uid = uid, .texts = &texts };
	int r = get_one(&one);

	if (r == 0)
		r = ms_cache_text(texts, what, &text);
	if (r == 0) {
		*ret = span_dup(text);
		*ret_len = text.len;
	}
	return r == MS_E_CORRUPT || r == MS_E_NOTFOUND ? render_again(mailbox, uid, what, ret, ret_len) : r;
}
