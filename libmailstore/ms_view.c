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
#include "libmailstore/ms_internal.h"

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
	r = ms_mailbox_find(store, name, &mailbox->number, &mailbox->record);
	mailbox->generation = store->generation;
	if (r == 0)
		r = ms_mailbox_sync(mailbox);
	if (r == 0)
		r = ms_watch_mailbox(store, mailbox->record.name);
	if (r != 0) {
		ms_mailbox_close(mailbox);
		return r == MS_E_STALE ? MS_E_NOTFOUND : r;
	}
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

struct walk {
	struct ms_mailbox *mailbox;
	uint32_t first, last;
	ms_message_fn each;
	void *context;
};

/* Of hand_on, beside the results of bdb.h. */
#define WALK_END 100 /* past the last */
#define WALK_STOPPED 101

static int
hand_on(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct walk *walk = context;
	struct ms_message message;
	uint32_t uid;

	if (key_len != 8)
		return 0;
	uid = ms_key_get_u32(key + 4);
	if (uid > walk->last)
		return WALK_END;
	if (ms_message_record_get_message(span_make(value, len), uid, &message) != 0)
		return MS_DAMAGED;
	walk->first = uid + 1; /* a repeated read goes on here */
	return walk->each(walk->context, &message) != 0 ? WALK_STOPPED : 0;
}

static int
walk_read(struct bdb *bdb, void *context)
{
	struct walk *walk = context;
	uint8_t key[8];
	int r;

	ms_key_u32(key, walk->mailbox->number);
	ms_key_u32(key + 4, walk->first);
	r = bdb_scan(bdb, NULL, T_MESSAGE, key, 8, 4, hand_on, walk);
	return r == WALK_END || r == WALK_STOPPED ? 0 : ms_bdb(r);
}

int
ms_messages(struct ms_mailbox *mailbox, uint32_t first, uint32_t last, ms_message_fn each, void *context)
{
	struct walk walk = { .mailbox = mailbox, .first = first, .last = last, .each = each, .context = context };
	int r = ms_ensure(mailbox->store);

	if (r == 0)
		r = ms_mailbox_follow(mailbox);
	if (r == 0 && first <= last)
		r = ms_read(mailbox->store, walk_read, &walk);
	return r;
}

/* --- what was rendered of them --- */

struct cached_walk {
	struct ms_mailbox *mailbox;
	uint32_t first, last;
	ms_cached_fn each;
	void *context;
};

static int
hand_on_cached(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct cached_walk *walk = context;
	struct ms_text texts[MS_CACHED_COUNT];
	uint32_t uid;

	if (key_len != 8)
		return 0;
	uid = ms_key_get_u32(key + 4);
	if (uid > walk->last)
		return WALK_END;
	walk->first = uid + 1;
	for (unsigned i = 0; i < MS_CACHED_COUNT; i++) {
		struct span text = SPAN_NULL;
		int r = ms_cache_get(span_make(value, len), (enum ms_cached)i, &text);

		if (r != 0 && r != MS_E_NOTFOUND)
			return 0; /* asked for alone, they are made again */
		texts[i] = r == 0 ? (struct ms_text){ text.ptr, text.len } : (struct ms_text){ NULL, 0 };
	}
	return walk->each(walk->context, uid, texts) != 0 ? WALK_STOPPED : 0;
}

static int
cached_walk_read(struct bdb *bdb, void *context)
{
	struct cached_walk *walk = context;
	uint8_t key[8];
	int r;

	ms_key_u32(key, walk->mailbox->number);
	ms_key_u32(key + 4, walk->first);
	r = bdb_scan(bdb, NULL, T_CACHE, key, 8, 4, hand_on_cached, walk);
	return r == WALK_END || r == WALK_STOPPED ? 0 : ms_bdb(r);
}

int
ms_messages_cached(struct ms_mailbox *mailbox, uint32_t first, uint32_t last, ms_cached_fn each, void *context)
{
	struct cached_walk walk = { .mailbox = mailbox, .first = first, .last = last, .each = each, .context = context };
	int r = ms_ensure(mailbox->store);

	if (r == 0)
		r = ms_mailbox_follow(mailbox);
	return r == 0 && first <= last ? ms_read(mailbox->store, cached_walk_read, &walk) : r;
}

struct one {
	struct ms_mailbox *mailbox;
	uint32_t uid;
	struct ms_message_record *record;
	struct buf *cache;
};

static int
read_one(struct bdb *bdb, void *context)
{
	struct one *one = context;
	struct ms_txn txn = { .bdb = bdb };
	uint8_t key[8];
	void *bytes;
	size_t len;
	int r;

	if (one->record != NULL)
		return ms_message_load(&txn, one->mailbox->number, one->uid, one->record);
	ms_key_u32(key, one->mailbox->number);
	ms_key_u32(key + 4, one->uid);
	r = bdb_get(bdb, NULL, T_CACHE, key, 8, false, &bytes, &len);
	if (r != 0)
		return r == BDB_NONE ? MS_E_NOTFOUND : ms_bdb(r);
	(void)buf_put(one->cache, bytes, len);
	free(bytes);
	return 0;
}

static int
get_one(struct one *one)
{
	int r = ms_ensure(one->mailbox->store);

	if (r == 0)
		r = ms_mailbox_follow(one->mailbox);
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

static int
open_record(struct ms_mailbox *mailbox, uint32_t uid, int *ret_fd, uint64_t *ret_bytes)
{
	_cleanup_(closep) int folder = -1;
	struct ms_message_record record;
	int r = ms_message_get_record(mailbox, uid, &record);

	if (r == 0)
		r = ms_folder_open(mailbox->store, mailbox->record.name, &folder);
	if (r == 0) {
		_cleanup_(freep) char *path = xasprintf("%s/%s", record.in_cur ? "cur" : "new", record.name);
		struct stat st;
		int fd = openat(folder, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0)
			return errno == ENOENT ? MS_E_NOTFOUND : -errno;
		if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
			(void)close(fd);
			return MS_E_NOTFOUND;
		}
		*ret_fd = fd;
		*ret_bytes = (uint64_t)st.st_size;
	}
	return r;
}

int
ms_message_open(struct ms_mailbox *mailbox, uint32_t uid, int *ret_fd, uint64_t *ret_bytes)
{
	int r = open_record(mailbox, uid, ret_fd, ret_bytes);

	if (r != MS_E_NOTFOUND)
		return r;
	/* Another program may have renamed it a moment ago. */
	r = ms_mailbox_sync(mailbox);
	return r == 0 ? open_record(mailbox, uid, ret_fd, ret_bytes) : r;
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
		r = ms_cache_get(buf_get(&derived.cache), what, &text);
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
	struct buf cache = BUF_INIT(BDB_RECORD_MAX);
	struct one one = { .mailbox = mailbox, .uid = uid, .cache = &cache };
	struct span text;
	int r = get_one(&one);

	if (r == 0)
		r = ms_cache_get(buf_get(&cache), what, &text);
	if (r == 0) {
		*ret = span_dup(text);
		*ret_len = text.len;
	}
	buf_free(&cache);
	return r == MS_E_CORRUPT || r == MS_E_NOTFOUND ? render_again(mailbox, uid, what, ret, ret_len) : r;
}
