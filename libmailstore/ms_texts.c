/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Writing and finding the records of T_CACHE. */
#include "libmailstore/ms_texts.h"

#include <stdlib.h>

#include "common/xalloc.h"

#define KEY_LEN 8
/* Unpacked: so much waits in memory; a message with more than that stands alone. */
#define WAITING_MAX (256 * 1024)
#define LARGE (8 * 1024)
/* The end of a mailbox is looked at when its UIDs pass a multiple of that; so many before are in no record of several at most. */
#define LOOK_EACH 16
#define LOOK_BACK 96
/* So many fill a record, however small it is. */
#define MANY 64
/* Records of several do not go beyond these: whether one still has a message is seen in one bitmap of T_UIDS. */
#define BLOCK MS_UIDS_EACH
/* What fills a page, unpacked, of most mail. */
#define PAGE_GUESS (BDB_PAGE_ROOM * 9 / 2)
#define PAGE_TRIES 3

struct ms_texts {
	uint32_t mailbox;   /* of those that wait */
	struct buf waiting; /* unpacked */
	uint32_t first, last;
};

static void
make_key(uint8_t key[KEY_LEN], uint32_t mailbox, uint32_t uid)
{
	ms_key_u32(key, mailbox);
	ms_key_u32(key + 4, uid);
}

static int
put_record(struct ms_txn *txn, uint32_t mailbox, uint32_t last, const struct buf *record)
{
	uint8_t key[KEY_LEN];

	make_key(key, mailbox, last);
	return ms_bdb(bdb_put(txn->bdb, txn->txn, T_CACHE, key, sizeof(key), record->data, record->len));
}

static int
remove_record(struct ms_txn *txn, uint32_t mailbox, uint32_t last)
{
	uint8_t key[KEY_LEN];
	int r;

	make_key(key, mailbox, last);
	r = bdb_del(txn->bdb, txn->txn, T_CACHE, key, sizeof(key));
	return r == BDB_NONE ? 0 : ms_bdb(r);
}

static int
pack_and_put(struct ms_txn *txn, uint32_t mailbox, const struct ms_cache_member *members, size_t count)
{
	struct buf record = BUF_INIT(MS_CACHE_RECORD_MAX);
	int r;

	ms_cache_pack(members, count, &record);
	r = put_record(txn, mailbox, members[count - 1].uid, &record);
	buf_free(&record);
	return r;
}

/* --- the records that are there --- */

struct found {
	uint32_t last;
	struct buf record;
};

#define FOUND 100

static int
take_first(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct found *found = context;

	if (key_len != KEY_LEN)
		return 0;
	found->last = ms_key_get_u32(key + 4);
	(void)buf_put(&found->record, value, len);
	return FOUND;
}

/* The record that has this UID, if any has: no other ends between it and its last. 0, MS_E_NOTFOUND, MS_BDB(...). */
static int
find(struct bdb *bdb, struct bdb_txn *txn, uint32_t mailbox, uint32_t uid, struct found *ret, struct ms_cache_head *ret_head)
{
	uint8_t key[KEY_LEN];
	int r;

	*ret = (struct found){ .record = BUF_INIT(BDB_RECORD_MAX) };
	make_key(key, mailbox, uid);
	r = bdb_scan(bdb, txn, T_CACHE, key, sizeof(key), 4, take_first, ret);
	if (r != FOUND)
		return r == 0 ? MS_E_NOTFOUND : ms_bdb(r);
	if (ms_cache_head(buf_get(&ret->record), ret->last, ret_head) != 0) /* it is nothing but what its key says */
		*ret_head = (struct ms_cache_head){ .first = ret->last, .count = 1 };
	return ret_head->first <= uid ? 0 : MS_E_NOTFOUND;
}

int
ms_texts_get(struct bdb *bdb, struct bdb_txn *txn, uint32_t mailbox, uint32_t uid, struct buf *unpacked, struct span *ret)
{
	struct found found;
	struct ms_cache_head head;
	int r;

	if (ms_cache_find(buf_get(unpacked), uid, ret) == 0)
		return 0;
	r = find(bdb, txn, mailbox, uid, &found, &head);
	buf_clear(unpacked);
	if (r == 0)
		r = ms_cache_unpack(buf_get(&found.record), found.last, unpacked) != 0 ? MS_E_NOTFOUND : ms_cache_find(buf_get(unpacked), uid, ret);
	buf_free(&found.record);
	return r;
}

/* --- one among others --- */

/* Of those in unpacked that have UIDs from first to last, if any, a record. */
static int
put_part(struct ms_txn *txn, uint32_t mailbox, struct span unpacked, uint32_t first, uint32_t last)
{
	struct ms_cache_member member, *members = NULL;
	size_t count = 0;
	int r = 0;

	while (ms_cache_next(&unpacked, &member))
		if (member.uid >= first && member.uid <= last) {
			members = xreallocarray(members, count + 1, sizeof(*members));
			members[count++] = member;
		}
	if (count != 0)
		r = pack_and_put(txn, mailbox, members, count);
	free(members);
	return r;
}

int
ms_texts_mend(struct ms_txn *txn, uint32_t mailbox, uint32_t uid, struct span texts)
{
	struct buf unpacked = BUF_INIT(MS_CACHE_UNPACKED_MAX + 1);
	struct ms_cache_head head;
	struct found found;
	int r = find(txn->bdb, txn->txn, mailbox, uid, &found, &head);

	/* It would stand among those of that record, and hide those before it: so these get a record of their own. */
	if (r == 0)
		r = remove_record(txn, mailbox, found.last);
	if (r == 0 && ms_cache_unpack(buf_get(&found.record), found.last, &unpacked) == 0) {
		r = put_part(txn, mailbox, buf_get(&unpacked), 0, uid - 1);
		if (r == 0 && uid != UINT32_MAX)
			r = put_part(txn, mailbox, buf_get(&unpacked), uid + 1, UINT32_MAX);
	}
	if (r == 0 || r == MS_E_NOTFOUND)
		r = pack_and_put(txn, mailbox, &(struct ms_cache_member){ uid, texts }, 1);
	buf_free(&found.record);
	buf_free(&unpacked);
	return r;
}

/* A message that was renamed while its folder was read is taken in behind those that have greater UIDs. */
static int
put_among(struct ms_txn *txn, const struct ms_texts *texts)
{
	struct span rest = buf_get(&texts->waiting);
	struct ms_cache_member member;
	int r = 0;

	while (r == 0 && ms_cache_next(&rest, &member))
		r = ms_texts_mend(txn, texts->mailbox, member.uid, member.texts);
	return r;
}

static int
see_one(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	(void)context, (void)key, (void)key_len, (void)value, (void)len;
	return FOUND;
}

/* *ret: no record has a UID that is greater than the first of those that wait. */
static int
are_last(struct ms_txn *txn, const struct ms_texts *texts, bool *ret)
{
	uint8_t key[KEY_LEN];
	int r;

	make_key(key, texts->mailbox, texts->first);
	r = bdb_scan(txn->bdb, txn->txn, T_CACHE, key, sizeof(key), 4, see_one, NULL);
	*ret = r == 0;
	return r == FOUND ? 0 : ms_bdb(r);
}

/* --- filling pages --- */

/* The end of a mailbox: records of one message, and what waits behind them. */
struct tail {
	struct buf records;  /* UID, length, record of each that is there */
	size_t len;          /* of them all, unpacked */
	struct buf unpacked;
	struct ms_cache_member *members;
	size_t count, room;
	size_t stored;       /* so many of them have records */
};

static int
take_single(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct tail *tail = context;
	struct ms_cache_head head;
	uint32_t words[2] = { key_len == KEY_LEN ? ms_key_get_u32(key + 4) : 0, (uint32_t)len };

	if (ms_cache_head(span_make((const char *)value, len), words[0], &head) != 0 || head.count != 1 || head.len > LARGE) {
		buf_clear(&tail->records);
		tail->len = 0;
		return 0;
	}
	(void)buf_put(&tail->records, words, sizeof(words));
	(void)buf_put(&tail->records, value, len);
	tail->len += head.len;
	return 0;
}

static int
find_singles(struct ms_txn *txn, const struct ms_texts *texts, struct tail *tail)
{
	uint32_t block = texts->first / BLOCK * BLOCK, from = texts->first - block > LOOK_BACK ? texts->first - LOOK_BACK : block;
	uint8_t key[KEY_LEN];

	make_key(key, texts->mailbox, from);
	return ms_bdb(bdb_scan(txn->bdb, txn->txn, T_CACHE, key, sizeof(key), 4, take_single, tail));
}

/* A damaged record ends the row of those before it. */
static void
unpack_singles(struct tail *tail)
{
	uint32_t words[2];

	for (struct span rest = buf_get(&tail->records); rest.len >= sizeof(words);) {
		memcpy(words, rest.ptr, sizeof(words));
		rest = span_skip(rest, sizeof(words));
		if (ms_cache_unpack(span_take(&rest, words[1]), words[0], &tail->unpacked) != 0)
			buf_clear(&tail->unpacked);
	}
}

static void
list_members(struct tail *tail, uint32_t first_waiting)
{
	struct span rest = buf_get(&tail->unpacked);
	struct ms_cache_member member;

	while (ms_cache_next(&rest, &member)) {
		if (tail->count == tail->room) {
			tail->room = tail->room != 0 ? tail->room * 2 : 64;
			tail->members = xreallocarray(tail->members, tail->room, sizeof(*tail->members));
		}
		tail->members[tail->count++] = member;
		if (member.uid < first_waiting)
			tail->stored++;
	}
}

/* How many of the next may be one record that has no more than that, unpacked. *ret_cut: more than those will never be. */
static size_t
fitting(const struct tail *tail, size_t at, size_t most, bool *ret_cut)
{
	const struct ms_cache_member *first = &tail->members[at];
	size_t len = 0, n = 0;

	*ret_cut = false;
	while (at + n < tail->count && !*ret_cut) {
		size_t more = first[n].texts.len + 4;

		*ret_cut = more > LARGE || (n > 0 && first[n].uid / BLOCK != first->uid / BLOCK);
		if (!*ret_cut && len + more > most)
			break;
		len += more;
		n += !*ret_cut;
	}
	return n != 0 ? n : 1; /* a large one alone */
}

/* Packs as many as a page holds. *page: what filled the last page, unpacked. Returns how many; 0: there are not enough for a page yet. */
static size_t
fill_page(const struct tail *tail, size_t at, size_t *page, struct buf *record)
{
	size_t best = 0;

	for (unsigned tries = 0; tries < PAGE_TRIES; tries++) {
		struct buf packed = BUF_INIT(MS_CACHE_RECORD_MAX);
		bool cut;
		size_t n = fitting(tail, at, *page, &cut);

		if (!cut && at + n == tail->count && n < MANY) {
			best = 0;
			break;
		}
		ms_cache_pack(&tail->members[at], n, &packed);
		if (packed.len <= BDB_PAGE_ROOM ? n <= best : best != 0 && !cut) {
			buf_free(&packed);
			break;
		}
		best = n;
		buf_free(record);
		*record = packed;
		if (cut || (packed.len <= BDB_PAGE_ROOM && packed.len >= BDB_PAGE_ROOM / 16 * 15))
			break;
		*page = *page * (BDB_PAGE_ROOM - BDB_PAGE_ROOM / 64) / packed.len;
		if (packed.len > BDB_PAGE_ROOM)
			best = 0;
	}
	return best;
}

static int
write_pages(struct ms_txn *txn, const struct ms_texts *texts, struct tail *tail)
{
	size_t page = PAGE_GUESS, at = 0, n = 1;
	int r = 0;

	while (r == 0 && at < tail->count) {
		struct buf record = BUF_INIT(MS_CACHE_RECORD_MAX);

		n = fill_page(tail, at, &page, &record);
		for (size_t i = at; r == 0 && i < at + n && i < tail->stored; i++)
			r = remove_record(txn, texts->mailbox, tail->members[i].uid);
		if (r == 0 && n != 0)
			r = put_record(txn, texts->mailbox, tail->members[at + n - 1].uid, &record);
		buf_free(&record);
		if (n == 0)
			break;
		at += n;
	}
	for (size_t i = at > tail->stored ? at : tail->stored; r == 0 && i < tail->count; i++)
		r = pack_and_put(txn, texts->mailbox, &tail->members[i], 1);
	return r;
}

static int
put_last(struct ms_txn *txn, const struct ms_texts *texts)
{
	struct tail tail = { .records = BUF_INIT(2 * LOOK_BACK * LARGE), .unpacked = BUF_INIT(WAITING_MAX + MS_CACHE_UNPACKED_MAX + LOOK_BACK * LARGE) };
	int r = 0;

	if (texts->first / LOOK_EACH != texts->last / LOOK_EACH || texts->first % LOOK_EACH == 0)
		r = find_singles(txn, texts, &tail);
	if (tail.len + texts->waiting.len > PAGE_GUESS)
		unpack_singles(&tail);
	(void)buf_span(&tail.unpacked, buf_get(&texts->waiting));
	list_members(&tail, texts->first);
	if (r == 0)
		r = write_pages(txn, texts, &tail);
	buf_free(&tail.records);
	buf_free(&tail.unpacked);
	free(tail.members);
	return r;
}

int
ms_texts_flush(struct ms_txn *txn)
{
	struct ms_texts *texts = txn->texts;
	bool last;
	int r;

	if (texts == NULL || texts->waiting.len == 0)
		return 0;
	r = are_last(txn, texts, &last);
	if (r == 0)
		r = last ? put_last(txn, texts) : put_among(txn, texts);
	buf_clear(&texts->waiting);
	return r;
}

void
ms_texts_drop(struct ms_txn *txn)
{
	if (txn->texts == NULL)
		return;
	buf_free(&txn->texts->waiting);
	free(txn->texts);
	txn->texts = NULL;
}

int
ms_texts_put(struct ms_txn *txn, uint32_t mailbox, uint32_t uid, struct span texts)
{
	struct ms_texts *waiting = txn->texts;
	int r = 0;

	if (texts.len == 0)
		return 0;
	if (waiting == NULL) {
		waiting = txn->texts = xcalloc(1, sizeof(*waiting));
		waiting->waiting = BUF_INIT(WAITING_MAX + MS_CACHE_UNPACKED_MAX);
	}
	if (waiting->waiting.len > 0 && (waiting->mailbox != mailbox || waiting->last >= uid || waiting->waiting.len > WAITING_MAX))
		r = ms_texts_flush(txn);
	if (r != 0)
		return r;
	if (waiting->waiting.len == 0)
		waiting->first = uid;
	waiting->mailbox = mailbox;
	waiting->last = uid;
	ms_cache_add_member(&waiting->waiting, &(struct ms_cache_member){ uid, texts });
	return 0;
}

/* --- leaving --- */

static bool
has_uid(const struct ms_uids_page *page, uint32_t uid)
{
	return (page->map[uid % MS_UIDS_EACH / 8] >> (uid % 8) & 1) != 0;
}

/* Those of a record that are still there, packed again. */
static int
keep_living(struct ms_txn *txn, uint32_t mailbox, const struct found *found, const struct ms_uids_page *page)
{
	struct buf unpacked = BUF_INIT(MS_CACHE_UNPACKED_MAX + 1);
	struct ms_cache_member member, *members = NULL;
	size_t count = 0;
	int r = remove_record(txn, mailbox, found->last);

	if (ms_cache_unpack(buf_get(&found->record), found->last, &unpacked) == 0)
		for (struct span rest = buf_get(&unpacked); ms_cache_next(&rest, &member);)
			if (has_uid(page, member.uid)) {
				members = xreallocarray(members, count + 1, sizeof(*members));
				members[count++] = member;
			}
	if (r == 0 && count != 0)
		r = pack_and_put(txn, mailbox, members, count);
	free(members);
	buf_free(&unpacked);
	return r;
}

int
ms_texts_remove(struct ms_txn *txn, uint32_t mailbox, uint32_t uid)
{
	struct ms_uids_page *page;
	struct ms_cache_head head;
	struct found found;
	uint32_t living = 0;
	int r = txn->texts != NULL && txn->texts->mailbox == mailbox && uid >= txn->texts->first ? ms_texts_flush(txn) : 0;

	if (r != 0)
		return r;
	r = find(txn->bdb, txn->txn, mailbox, uid, &found, &head);
	if (r == 0)
		r = ms_uids_take(txn, mailbox, MS_UIDS_ALL, found.last / BLOCK, &page);
	for (uint32_t i = head.first; r == 0 && i <= found.last; i++)
		living += i / BLOCK == found.last / BLOCK && has_uid(page, i);
	if (r == 0 && living <= head.count / 2)
		r = keep_living(txn, mailbox, &found, page);
	buf_free(&found.record);
	return r == MS_E_NOTFOUND ? 0 : r;
}
