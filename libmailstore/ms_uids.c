/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Which UIDs a mailbox has, and which of them have a flag or keyword, as bitmaps: opening a mailbox of a million messages, and telling
 * all their flags, reads these and no record of any message. */
#include <endian.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"

#define FLAG_COUNT MS_UIDS_FLAGS
#define KEYWORD_COUNT MS_KEYWORDS_FIRST

#define KEY_LEN 9

static void
make_key(uint8_t key[KEY_LEN], uint32_t mailbox, unsigned plane, uint32_t n)
{
	ms_key_u32(key, mailbox);
	key[4] = (uint8_t)plane;
	ms_key_u32(key + 5, n);
}

/* A bitmap as the tables have it; one that is not there is empty. */
static int
load(struct bdb *bdb, struct bdb_txn *txn, uint32_t mailbox, unsigned plane, uint32_t n, uint8_t ret[MS_UIDS_BYTES])
{
	uint8_t key[KEY_LEN];
	void *found;
	size_t len;
	int r;

	make_key(key, mailbox, plane, n);
	r = bdb_get(bdb, txn, T_UIDS, key, sizeof(key), &found, &len);
	if (r == BDB_NONE) {
		memset(ret, 0, MS_UIDS_BYTES);
		return 0;
	}
	if (r != 0)
		return ms_bdb(r);
	r = ms_uids_record_get(span_make(found, len), ret) == 0 ? 0 : MS_BDB(MS_DAMAGED);
	free(found);
	return r;
}

int
ms_uids_read(struct bdb *bdb, struct bdb_txn *txn, uint32_t mailbox, uint32_t n, uint8_t ret[MS_UIDS_BYTES])
{
	return load(bdb, txn, mailbox, MS_UIDS_ALL, n, ret);
}

bool
ms_uids_has(struct bdb *bdb, uint32_t mailbox, uint32_t uid)
{
	uint32_t bit = uid % MS_UIDS_EACH;
	uint8_t map[MS_UIDS_BYTES];

	return ms_uids_read(bdb, NULL, mailbox, uid / MS_UIDS_EACH, map) == 0 && (map[bit / 8] >> bit % 8 & 1) != 0;
}

/* --- writing --- */

static int
save(struct ms_txn *txn, struct ms_uids_page *page)
{
	struct buf bytes = BUF_INIT(MS_RECORD_MAX);
	uint8_t key[KEY_LEN];
	int r;

	if (!page->changed)
		return 0;
	make_key(key, page->mailbox, page->plane, page->n);
	if (ms_pending_map_empty(page->map)) {
		r = bdb_del(txn->bdb, txn->txn, T_UIDS, key, sizeof(key));
		r = r == BDB_NONE ? 0 : r;
	} else {
		ms_uids_record_put(page->map, &bytes);
		r = bdb_put(txn->bdb, txn->txn, T_UIDS, key, sizeof(key), bytes.data, bytes.len);
		buf_free(&bytes);
	}
	page->changed = false;
	return ms_bdb(r);
}

int
ms_uids_flush(struct ms_txn *txn)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < txn->page_count; i++)
		r = save(txn, &txn->pages[i]);
	return r;
}

int
ms_uids_take(struct ms_txn *txn, uint32_t mailbox, unsigned plane, uint32_t n, struct ms_uids_page **ret)
{
	struct ms_uids_page *page;
	int r = 0;

	for (size_t i = 0; i < txn->page_count; i++) {
		page = &txn->pages[i];
		if (page->mailbox == mailbox && page->plane == plane && page->n == n) {
			*ret = page;
			return 0;
		}
	}
	if (txn->page_count < MS_UIDS_PAGES) {
		page = &txn->pages[txn->page_count];
	} else {
		page = &txn->pages[txn->page_next++ % MS_UIDS_PAGES];
		r = save(txn, page);
	}
	if (r == 0)
		r = load(txn->bdb, txn->txn, mailbox, plane, n, page->map);
	if (r != 0)
		return r;
	if (txn->page_count < MS_UIDS_PAGES)
		txn->page_count++;
	page->mailbox = mailbox;
	page->plane = plane;
	page->n = n;
	page->changed = false;
	*ret = page;
	return 0;
}

static int
set(struct ms_txn *txn, uint32_t mailbox, unsigned plane, uint32_t uid, bool on)
{
	uint32_t bit = uid % MS_UIDS_EACH;
	struct ms_uids_page *page;
	uint8_t *byte, before;
	int r = ms_uids_take(txn, mailbox, plane, uid / MS_UIDS_EACH, &page);

	if (r != 0)
		return r;
	byte = &page->map[bit / 8];
	before = *byte;
	*byte = (uint8_t)(on ? before | 1u << bit % 8 : before & ~(1u << bit % 8));
	page->changed = page->changed || *byte != before;
	return 0;
}

int
ms_uids_note(struct ms_txn *txn, uint32_t mailbox, const struct ms_message *before, const struct ms_message *after)
{
	uint32_t uid = after != NULL ? after->uid : before->uid;
	uint32_t flags = after != NULL ? after->flags : 0, flags_changed = flags ^ (before != NULL ? before->flags : 0);
	uint64_t keywords = after != NULL ? after->keywords.first : 0, keywords_changed = keywords ^ (before != NULL ? before->keywords.first : 0);
	bool more = after != NULL && after->keywords.more_count != 0, had_more = before != NULL && before->keywords.more_count != 0;
	int r = before == NULL || after == NULL ? set(txn, mailbox, MS_UIDS_ALL, uid, after != NULL) : 0;

	for (unsigned i = 0; r == 0 && i < FLAG_COUNT; i++)
		if ((flags_changed >> i & 1) != 0)
			r = set(txn, mailbox, MS_UIDS_FLAG(i), uid, (flags >> i & 1) != 0);
	for (unsigned i = 0; r == 0 && i < KEYWORD_COUNT && keywords_changed >> i != 0; i++)
		if ((keywords_changed >> i & 1) != 0)
			r = set(txn, mailbox, MS_UIDS_KEYWORD(i), uid, (keywords >> i & 1) != 0);
	if (r == 0 && more != had_more)
		r = set(txn, mailbox, MS_UIDS_MORE, uid, more);
	return r;
}

/* --- the list of UIDs --- */

struct list {
	uint32_t mailbox;
	struct ms_uid_run *runs;
	size_t run_count, room, count;
	uint64_t next; /* UID after the last run */
};

static void
add_run(struct list *list, uint64_t first, uint32_t len)
{
	if (list->run_count == 0 || first != list->next) {
		if (list->run_count == list->room) {
			list->room = list->room + list->room / 2 + 16;
			list->runs = xreallocarray(list->runs, list->room, sizeof(*list->runs));
		}
		list->runs[list->run_count++] = (struct ms_uid_run){ (uint32_t)first, (uint32_t)list->count };
	}
	list->count += len;
	list->next = first + len;
}

/* The runs of 64 UIDs. */
static void
add_bits(struct list *list, uint64_t uid, uint64_t bits)
{
	while (bits != 0) {
		unsigned zeros = (unsigned)__builtin_ctzll(bits), ones;

		bits >>= zeros;
		ones = bits == UINT64_MAX ? 64 : (unsigned)__builtin_ctzll(~bits);
		add_run(list, uid + zeros, ones);
		uid += zeros + ones;
		bits = ones == 64 ? 0 : bits >> ones;
	}
}

static int
collect(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct list *list = context;
	uint8_t map[MS_UIDS_BYTES];
	uint64_t uid;

	if (key_len != KEY_LEN || ms_key_get_u32(key + 5) > UINT32_MAX / MS_UIDS_EACH || ms_uids_record_get(span_make(value, len), map) != 0)
		return MS_DAMAGED;
	uid = (uint64_t)ms_key_get_u32(key + 5) * MS_UIDS_EACH;
	for (size_t i = 0; i < MS_UIDS_BYTES; i += 8, uid += 64) {
		uint64_t bits;

		memcpy(&bits, map + i, sizeof(bits));
		add_bits(list, uid, le64toh(bits));
	}
	return 0;
}

static int
read_uids(struct bdb *bdb, void *context)
{
	struct list *list = context;
	uint8_t key[KEY_LEN];

	list->count = list->run_count = 0;
	make_key(key, list->mailbox, MS_UIDS_ALL, 0);
	return ms_bdb(bdb_scan(bdb, NULL, T_UIDS, key, KEY_LEN, 5, collect, list));
}

/* As many as the mailbox counts. When it is not so, others may have written between; when it is not so under the lock, the list is
 * wrong. */
static int
read_again(struct ms_mailbox *mailbox, struct list *list)
{
	struct ms_mailbox_record record = { .name = NULL };
	int r = ms_lock(mailbox->store);

	if (r != 0)
		return r;
	r = ms_mailbox_reload(mailbox->store, mailbox->number, &record);
	if (r == 0)
		r = ms_read(mailbox->store, read_uids, list);
	if (r == 0 && list->count != record.messages) {
		r = ms_mend(mailbox->store);
		if (r == 0)
			r = ms_mailbox_follow(mailbox);
		if (r == 0)
			r = ms_read(mailbox->store, read_uids, list);
	}
	ms_mailbox_record_clear(&record);
	ms_unlock(mailbox->store);
	return r >= MS_BDB(0) ? MS_E_CORRUPT : r;
}

int
ms_mailbox_uid_runs(struct ms_mailbox *mailbox, struct ms_uid_run **ret, size_t *ret_runs, size_t *ret_count)
{
	struct list list = { .runs = NULL };
	int r = ms_ensure(mailbox->store);

	if (r == 0)
		r = ms_mailbox_follow(mailbox);
	list.mailbox = mailbox->number;
	if (r == 0)
		r = ms_read(mailbox->store, read_uids, &list);
	if (r == 0 && list.count != mailbox->record.messages)
		r = read_again(mailbox, &list);
	*ret = list.runs;
	*ret_runs = r == 0 ? list.run_count : 0;
	*ret_count = r == 0 ? list.count : 0;
	return r;
}

int
ms_mailbox_uids(struct ms_mailbox *mailbox, uint32_t **ret, size_t *ret_count)
{
	struct ms_uid_run *runs;
	size_t count, at = 0;
	int r = ms_mailbox_uid_runs(mailbox, &runs, &count, ret_count);

	*ret = xcalloc(*ret_count + 1, sizeof(**ret));
	for (size_t i = 0; i < count; i++)
		for (size_t end = i + 1 < count ? runs[i + 1].before : *ret_count; at < end; at++)
			(*ret)[at] = runs[i].first + (uint32_t)(at - runs[i].before);
	free(runs);
	return r;
}

/* --- flags of many --- */

struct planes {
	struct ms_mailbox *mailbox;
	uint32_t *list, last; /* the numbers of bitmaps that are there, and the last that is wanted */
	size_t count, room;
	uint32_t n;
	unsigned keywords;
	bool beyond; /* the mailbox has more keywords than bitmaps */
	uint8_t all[MS_UIDS_BYTES], more[MS_UIDS_BYTES], flags[FLAG_COUNT][MS_UIDS_BYTES], keyword[KEYWORD_COUNT][MS_UIDS_BYTES];
};

/* Of collect_number, beside the results of bdb.h. */
#define NUMBERS_END 100

static int
collect_number(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct planes *planes = context;
	uint32_t n;

	(void)value, (void)len;
	if (key_len != KEY_LEN)
		return MS_DAMAGED;
	n = ms_key_get_u32(key + 5);
	if (n > planes->last)
		return NUMBERS_END;
	if (planes->count == planes->room) {
		planes->room = planes->room != 0 ? planes->room * 2 : 16;
		planes->list = xreallocarray(planes->list, planes->room, sizeof(*planes->list));
	}
	planes->list[planes->count++] = n;
	return 0;
}

static int
read_numbers(struct bdb *bdb, void *context)
{
	struct planes *planes = context;
	uint8_t key[KEY_LEN];
	int r;

	planes->count = 0;
	make_key(key, planes->mailbox->number, MS_UIDS_ALL, planes->n);
	r = bdb_scan(bdb, NULL, T_UIDS, key, KEY_LEN, 5, collect_number, planes);
	return r == NUMBERS_END ? 0 : ms_bdb(r);
}

static int
read_planes(struct bdb *bdb, void *context)
{
	struct planes *planes = context;
	uint32_t mailbox = planes->mailbox->number;
	int r = load(bdb, NULL, mailbox, MS_UIDS_ALL, planes->n, planes->all);

	for (unsigned i = 0; r == 0 && i < FLAG_COUNT; i++)
		r = load(bdb, NULL, mailbox, MS_UIDS_FLAG(i), planes->n, planes->flags[i]);
	for (unsigned i = 0; r == 0 && i < planes->keywords; i++)
		r = load(bdb, NULL, mailbox, MS_UIDS_KEYWORD(i), planes->n, planes->keyword[i]);
	if (r == 0 && planes->beyond)
		r = load(bdb, NULL, mailbox, MS_UIDS_MORE, planes->n, planes->more);
	return r;
}

static void
read_bits(const struct planes *planes, uint32_t bit, struct ms_message *message)
{
	size_t byte = bit / 8;
	unsigned shift = bit % 8;

	message->flags = 0;
	message->keywords.first = 0;
	message->keywords.more_count = 0;
	for (unsigned i = 0; i < FLAG_COUNT; i++)
		message->flags |= (uint32_t)(planes->flags[i][byte] >> shift & 1) << i;
	for (unsigned i = 0; i < planes->keywords; i++)
		message->keywords.first |= (uint64_t)(planes->keyword[i][byte] >> shift & 1) << i;
}

/* Keywords without a bitmap are in the record. */
static int
read_more(const struct planes *planes, struct ms_message *message)
{
	struct ms_message whole;
	int r = ms_message_get(planes->mailbox, message->uid, &whole);

	if (r == 0)
		message->keywords = whole.keywords;
	return r == MS_E_NOTFOUND ? 0 : r; /* it has just left */
}

static int
tell_flags(struct planes *planes, uint32_t first, uint32_t last, ms_message_fn each, void *context, int *ret_stopped)
{
	uint32_t base = planes->n * MS_UIDS_EACH;
	struct ms_message message = { .uid = 0 };
	int r = 0;

	for (uint32_t bit = first > base ? first - base : 0; r == 0 && *ret_stopped == 0 && bit < MS_UIDS_EACH && bit <= last - base; bit++) {
		if ((planes->all[bit / 8] >> bit % 8 & 1) == 0)
			continue;
		message.uid = base + bit;
		read_bits(planes, bit, &message);
		if (planes->beyond && (planes->more[bit / 8] >> bit % 8 & 1) != 0)
			r = read_more(planes, &message);
		if (r == 0)
			*ret_stopped = each(context, &message);
	}
	return r;
}

int
ms_messages_flags(struct ms_mailbox *mailbox, uint32_t first, uint32_t last, ms_message_fn each, void *context)
{
	struct planes *planes = xcalloc(1, sizeof(*planes));
	int r = ms_ensure(mailbox->store), stopped = 0;

	if (r == 0)
		r = ms_mailbox_follow(mailbox);
	planes->mailbox = mailbox;
	planes->keywords = mailbox->record.folder.keyword_count;
	planes->beyond = planes->keywords > KEYWORD_COUNT;
	if (planes->beyond)
		planes->keywords = KEYWORD_COUNT;
	planes->n = first / MS_UIDS_EACH;
	planes->last = last / MS_UIDS_EACH;
	if (r == 0 && first <= last)
		r = ms_read(mailbox->store, read_numbers, planes);
	for (size_t i = 0; r == 0 && stopped == 0 && i < planes->count; i++) {
		planes->n = planes->list[i];
		r = ms_read(mailbox->store, read_planes, planes);
		if (r == 0)
			r = tell_flags(planes, first, last, each, context, &stopped);
	}
	free(planes->list);
	free(planes);
	return r;
}
