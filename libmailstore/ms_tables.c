/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Holding the tables of the index against each other. The records of messages count: what the others say of them is made to agree. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_entries.h"
#include "libmailstore/ms_set.h"
#include "libmailstore/ms_text_index.h"
#include "libmailstore/ms_texts.h"

#define KEY_MAX 32
#define MAP_KEY 9 /* of a bitmap in T_UIDS */

enum { HAS_CHANGE = 1, HAS_PLACE = 2, HAS_CACHE = 4 };

/* A message, as far as other tables tell of it. */
struct row {
	uint32_t mailbox, uid;
	uint64_t modseq, email_id, thread_id;
	unsigned has;
	bool damaged;
};

struct box {
	uint32_t number;
	char *name; /* NULL: its record is damaged */
};

/* Of T_UIDS. */
struct map {
	uint32_t mailbox, n;
	unsigned plane;
	uint8_t bits[MS_UIDS_BYTES];
	bool right;
};

/* A bitmap of T_UIDS that tells which messages there are. */
struct listed {
	uint32_t mailbox, n;
	uint8_t bits[MS_UIDS_BYTES];
};

/* What names and records of a mailbox do not tell yet, but the bitmaps do. */
struct untold {
	uint32_t mailbox;
	struct ms_pending_list pending;
};

enum what { REMOVE, REMOVE_PAIR, PUT_CHANGE, PUT_PLACE, PUT_CACHE, PUT_THREAD, PUT_MAP, PUT_MODSEQ, LOSE, EMPTY_TEXT };
struct fix {
	enum what what;
	enum ms_table table; /* REMOVE: from there */
	uint8_t key[KEY_MAX];
	size_t key_len;
	const struct ms_set *set; /* REMOVE_PAIR: that from there */
	struct ms_pair pair;
	size_t at;           /* the row, or map */
};

struct tables {
	struct ms_store *store;
	struct box *boxes;
	struct row *rows;       /* by mailbox and UID */
	struct untold *untold;  /* by mailbox */
	struct listed *listed;  /* by mailbox and number */
	size_t listed_at;       /* while rows are read: the first that may have some beyond the last row, */
	uint32_t listed_bit;    /* and the bit from where on */
	struct map *maps;       /* by mailbox, bitmap and number */
	size_t maps_from;       /* while they are made: the first of those of the last message's numbers */
	bool damaged;           /* some row is */
	uint64_t modseq, highest; /* the last number given, by T_META; of any message */
	struct ms_pair *members; /* thread and email */
	bool ids_lost;          /* of messages, that lead to their threads */
	struct fix *fixes;
	size_t box_count, row_count, row_room, untold_count, listed_count, map_count, member_count, member_room, fix_count, fix_room, next;
};

static void
clear(struct tables *tables)
{
	for (size_t i = 0; i < tables->box_count; i++)
		free(tables->boxes[i].name);
	for (size_t i = 0; i < tables->untold_count; i++)
		ms_pending_clear(&tables->untold[i].pending);
	free(tables->untold);
	free(tables->listed);
	free(tables->boxes);
	free(tables->rows);
	free(tables->maps);
	free(tables->members);
	free(tables->fixes);
}

static const struct box *
box_of(const struct tables *tables, uint32_t number)
{
	for (size_t i = 0; i < tables->box_count; i++)
		if (tables->boxes[i].number == number)
			return &tables->boxes[i];
	return NULL;
}

static struct fix *
add_fix(struct tables *tables, enum what what, size_t at)
{
	if (tables->fix_count == tables->fix_room) {
		tables->fix_room = tables->fix_room != 0 ? tables->fix_room * 2 : 16;
		tables->fixes = xreallocarray(tables->fixes, tables->fix_room, sizeof(*tables->fixes));
	}
	tables->fixes[tables->fix_count] = (struct fix){ .what = what, .at = at };
	return &tables->fixes[tables->fix_count++];
}

static void
tell(const struct tables *tables, enum ms_fault_kind kind, uint32_t mailbox, uint32_t uid)
{
	const struct box *box = box_of(tables, mailbox);

	ms_tell(tables->store, kind, box != NULL ? box->name : NULL, uid, NULL);
}

static void
lacks(struct tables *tables, size_t row, enum what what, enum ms_fault_kind kind)
{
	tell(tables, kind, tables->rows[row].mailbox, tables->rows[row].uid);
	(void)add_fix(tables, what, row);
}

/* Longer keys than ours are none of ours: they are left. */
static void
remove_key(struct tables *tables, enum ms_table table, const uint8_t *key, size_t key_len)
{
	struct fix *fix;

	if (key_len > KEY_MAX)
		return;
	fix = add_fix(tables, REMOVE, 0);
	fix->table = table;
	memcpy(fix->key, key, key_len);
	fix->key_len = key_len;
}

/* --- reading --- */

static int
take_box(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct tables *tables = context;
	struct ms_mailbox_record record;

	if (key_len != 4) {
		tell(tables, MS_FAULT_STRAY, 0, 0);
		remove_key(tables, T_MAILBOX, key, key_len);
		return 0;
	}
	(void)ms_mailbox_record_get(span_make(value, len), &record);
	tables->boxes = xreallocarray(tables->boxes, tables->box_count + 1, sizeof(*tables->boxes));
	tables->boxes[tables->box_count].number = ms_key_get_u32(key);
	tables->boxes[tables->box_count++].name = record.name;
	record.name = NULL;
	ms_mailbox_record_clear(&record);
	return 0;
}

static void
add_to_map(struct tables *tables, uint32_t mailbox, unsigned plane, uint32_t uid)
{
	uint32_t n = uid / MS_UIDS_EACH, bit = uid % MS_UIDS_EACH;
	struct map *map = NULL;

	/* Messages come in order: only the bitmaps of the last numbers may be wanted again. */
	if (tables->maps_from < tables->map_count && (tables->maps[tables->maps_from].mailbox != mailbox || tables->maps[tables->maps_from].n != n))
		tables->maps_from = tables->map_count;
	for (size_t i = tables->maps_from; i < tables->map_count && map == NULL; i++)
		if (tables->maps[i].plane == plane)
			map = &tables->maps[i];
	if (map == NULL) {
		tables->maps = xreallocarray(tables->maps, tables->map_count + 1, sizeof(*tables->maps));
		map = &tables->maps[tables->map_count++];
		*map = (struct map){ .mailbox = mailbox, .n = n, .plane = plane };
	}
	map->bits[bit / 8] = (uint8_t)(map->bits[bit / 8] | 1u << bit % 8);
}

static void
add_to_maps(struct tables *tables, uint32_t mailbox, const struct ms_message *message)
{
	add_to_map(tables, mailbox, MS_UIDS_ALL, message->uid);
	for (unsigned i = 0; i < MS_UIDS_FLAGS; i++)
		if ((message->flags >> i & 1) != 0)
			add_to_map(tables, mailbox, MS_UIDS_FLAG(i), message->uid);
	if (message->keywords.more_count != 0)
		add_to_map(tables, mailbox, MS_UIDS_MORE, message->uid);
	for (unsigned i = 0; i < MS_KEYWORDS_FIRST; i++)
		if ((message->keywords.first >> i & 1) != 0)
			add_to_map(tables, mailbox, MS_UIDS_KEYWORD(i), message->uid);
}

static int
take_meta(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct tables *tables = context;

	if (len != 8) {
		tell(tables, MS_FAULT_NUMBER, 0, 0);
		remove_key(tables, T_META, key, key_len);
		/* It may have been one of the text index's. */
		(void)add_fix(tables, EMPTY_TEXT, 0);
	} else if (span_eq(span_make((const char *)key, key_len), SPAN("modseq"))) {
		tables->modseq = ms_key_get_u64(value);
	}
	return 0;
}

/* A record that is damaged goes: the folder's file has what it said. */
static void
take_untold(struct tables *tables, const uint8_t *key, size_t key_len, struct span value)
{
	struct ms_pending pending = { .n = 0 };
	struct untold *last = tables->untold_count != 0 ? &tables->untold[tables->untold_count - 1] : NULL;

	if (box_of(tables, ms_key_get_u32(key)) == NULL || ms_pending_record_get(value, &pending) != 0) {
		tell(tables, MS_FAULT_PENDING, ms_key_get_u32(key), 0);
		remove_key(tables, T_UIDS, key, key_len);
		return;
	}
	if (last == NULL || last->mailbox != ms_key_get_u32(key)) {
		tables->untold = xreallocarray(tables->untold, tables->untold_count + 1, sizeof(*tables->untold));
		last = &tables->untold[tables->untold_count++];
		*last = (struct untold){ .mailbox = ms_key_get_u32(key) };
	}
	pending.n = ms_key_get_u32(key + 5);
	pending.modseq = ms_key_get_u64(key + 9);
	*ms_pending_add(&last->pending) = pending;
}

static void
take_listed(struct tables *tables, const uint8_t *key, struct span value)
{
	struct listed *listed;

	if (box_of(tables, ms_key_get_u32(key)) == NULL || ms_key_get_u32(key + 5) > UINT32_MAX / MS_UIDS_EACH)
		return;
	tables->listed = xreallocarray(tables->listed, tables->listed_count + 1, sizeof(*tables->listed));
	listed = &tables->listed[tables->listed_count];
	listed->mailbox = ms_key_get_u32(key);
	listed->n = ms_key_get_u32(key + 5);
	if (ms_uids_record_get(value, listed->bits) == 0)
		tables->listed_count++;
}

/* What the records of messages are held against; look_at_map sees the others. */
static int
take_uids(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	if (key_len == MS_PENDING_KEY)
		take_untold(context, key, key_len, span_make(value, len));
	else if (key_len == MAP_KEY && key[4] == MS_UIDS_ALL)
		take_listed(context, key, span_make(value, len));
	return 0;
}

static void
apply_untold(const struct tables *tables, uint32_t mailbox, struct ms_message *message)
{
	for (size_t i = 0; i < tables->untold_count; i++)
		if (tables->untold[i].mailbox == mailbox)
			(void)ms_pending_apply(&tables->untold[i].pending, message);
}

static int
compare_maps(const void *a, const void *b)
{
	const struct map *x = a, *y = b;

	if (x->mailbox != y->mailbox)
		return x->mailbox < y->mailbox ? -1 : 1;
	if (x->plane != y->plane)
		return x->plane < y->plane ? -1 : 1;
	return (x->n > y->n) - (x->n < y->n);
}

static void
add_row(struct tables *tables, const struct row *row, const struct ms_message *message)
{
	if (tables->row_count == tables->row_room) {
		tables->row_room = tables->row_room != 0 ? tables->row_room * 2 : 256;
		tables->rows = xreallocarray(tables->rows, tables->row_room, sizeof(*tables->rows));
	}
	tables->rows[tables->row_count++] = *row;
	tables->damaged = tables->damaged || row->damaged;
	add_to_maps(tables, row->mailbox, message);
}

/* The bitmaps have it, and no record does. */
static void
add_missing(struct tables *tables, uint32_t mailbox, uint32_t uid)
{
	add_row(tables, &(struct row){ .mailbox = mailbox, .uid = uid, .damaged = true }, &(struct ms_message){ .uid = uid });
	lacks(tables, tables->row_count - 1, LOSE, MS_FAULT_LOST);
}

/* Those before that message. */
static void
add_all_missing(struct tables *tables, uint32_t mailbox, uint32_t uid)
{
	while (tables->listed_at < tables->listed_count) {
		const struct listed *listed = &tables->listed[tables->listed_at];
		uint32_t bit = tables->listed_bit, at = listed->n * MS_UIDS_EACH + bit;
		bool here = listed->mailbox == mailbox && at == uid;

		if (listed->mailbox > mailbox || (listed->mailbox == mailbox && at > uid))
			return;
		if (!here && at != 0 && (listed->bits[bit / 8] >> bit % 8 & 1) != 0)
			add_missing(tables, listed->mailbox, at);
		tables->listed_bit = (bit + 1) % MS_UIDS_EACH;
		tables->listed_at += tables->listed_bit == 0;
	}
}

static int
take_row(void *context, uint32_t mailbox, const struct ms_entry *entry)
{
	struct row row = { .mailbox = mailbox, .uid = entry->message.uid, .damaged = entry->lost };
	struct ms_message message = { .uid = row.uid };
	struct tables *tables = context;

	add_all_missing(tables, mailbox, row.uid);
	if (box_of(tables, mailbox) == NULL) {
		uint8_t key[8];

		tell(tables, MS_FAULT_NO_MAILBOX, 0, row.uid);
		ms_key_u32(key, mailbox);
		ms_key_u32(key + 4, row.uid / MS_ROW_EACH);
		remove_key(tables, T_MESSAGE, key, sizeof(key));
		return 0;
	}
	if (!row.damaged) {
		message = entry->message;
		row.modseq = message.modseq;
		row.email_id = message.email_id;
		row.thread_id = message.thread_id;
		apply_untold(tables, row.mailbox, &message);
		if (message.modseq > tables->highest)
			tables->highest = message.modseq;
	}
	add_row(tables, &row, &message);
	return 0;
}

static int
take_messages(struct bdb *bdb, struct tables *tables)
{
	int r = ms_entries(bdb, NULL, 0, 0, take_row, tables);

	if (r != 0)
		return r;
	add_all_missing(tables, UINT32_MAX, UINT32_MAX);
	if (tables->map_count != 0)
		qsort(tables->maps, tables->map_count, sizeof(*tables->maps), compare_maps);
	return 0;
}

/* ms_entries passes over it. */
static int
look_at_key(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	(void)value, (void)len;
	if (!ms_entry_key(key, key_len)) {
		tell(context, MS_FAULT_STRAY, 0, 0);
		remove_key(context, T_MESSAGE, key, key_len);
	}
	return 0;
}

static int
compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->mailbox != y->mailbox)
		return x->mailbox < y->mailbox ? -1 : 1;
	return (x->uid > y->uid) - (x->uid < y->uid);
}

static struct row *
find_row(const struct tables *tables, const uint8_t key[8])
{
	struct row wanted = { .mailbox = ms_key_get_u32(key), .uid = ms_key_get_u32(key + 4) };

	return tables->row_count != 0 ? bsearch(&wanted, tables->rows, tables->row_count, sizeof(wanted), compare_rows) : NULL;
}

/* A message whose record is damaged may be what an entry says: it stays until the record is made again. */
static bool
belongs(struct row *row, bool same, unsigned has)
{
	if (row == NULL)
		return false;
	if (row->damaged || same)
		row->has |= has;
	return row->damaged || same;
}

static int
look_at_gone(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct tables *tables = context;
	struct ms_gone gone;

	if (ms_gone_get(span_make((const char *)key, key_len), span_make((const char *)value, len), &gone))
		return 0;
	tell(tables, MS_FAULT_GONE, 0, 0);
	remove_key(tables, T_GONE, key, key_len);
	return 0;
}

/* A pair that leads to no message. */
static void
remove_pair(struct tables *tables, const struct ms_set *set, const struct ms_pair *pair)
{
	struct fix *fix = add_fix(tables, REMOVE_PAIR, 0);

	fix->set = set;
	fix->pair = *pair;
}

/* Looks at the pairs of a record; b is a place. */
struct look {
	const struct ms_set *set;
	enum ms_table table;
	enum ms_fault_kind damaged, stray;
	unsigned has;
};

static int
look_at_pairs(struct tables *tables, const struct look *look, struct span key, struct span value)
{
	const struct ms_set *set;
	struct ms_pairs pairs;

	if (ms_set_record_get(key, value, &look->set, 1, &set, &pairs) != 0) {
		tell(tables, look->damaged, 0, 0);
		remove_key(tables, look->table, (const uint8_t *)key.ptr, key.len);
		return 0;
	}
	for (size_t i = 0; i < pairs.count; i++) {
		uint8_t place[8];
		struct row *row;

		ms_key_u64(place, pairs.list[i].b);
		row = find_row(tables, place);
		if (row != NULL && belongs(row, (look->has == HAS_PLACE ? row->email_id : row->modseq) == pairs.list[i].a, look->has))
			continue;
		tell(tables, look->stray, ms_key_get_u32(place), ms_key_get_u32(place + 4));
		remove_pair(tables, set, &pairs.list[i]);
	}
	return 0;
}

static int
look_at_changes(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	static const struct look look = { &ms_set_changes, T_CHANGE, MS_FAULT_CHANGES, MS_FAULT_CHANGE_STRAY, HAS_CHANGE };

	return look_at_pairs(context, &look, span_make((const char *)key, key_len), span_make((const char *)value, len));
}

static int
look_at_places(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	static const struct look look = { &ms_set_places, T_EMAIL, MS_FAULT_EMAILS, MS_FAULT_EMAIL_STRAY, HAS_PLACE };

	return look_at_pairs(context, &look, span_make((const char *)key, key_len), span_make((const char *)value, len));
}

/* A message that left may stand among others. */
static int
look_at_cache(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct tables *tables = context;
	struct buf unpacked = BUF_INIT(MS_CACHE_UNPACKED_MAX + 1);
	struct ms_cache_member member;
	uint8_t place[8];
	bool any = false;

	if (key_len == sizeof(place)) {
		any = find_row(tables, key) != NULL;
		(void)ms_cache_unpack(span_make((const char *)value, len), ms_key_get_u32(key + 4), &unpacked);
	}
	for (struct span rest = buf_get(&unpacked); ms_cache_next(&rest, &member);) {
		struct row *row;

		memcpy(place, key, 4);
		ms_key_u32(place + 4, member.uid);
		row = find_row(tables, place);
		if (row != NULL)
			row->has |= HAS_CACHE;
		any = any || row != NULL;
	}
	if (!any) {
		tell(tables, MS_FAULT_CACHE_STRAY, key_len == 8 ? ms_key_get_u32(key) : 0, key_len == 8 ? ms_key_get_u32(key + 4) : 0);
		remove_key(tables, T_CACHE, key, key_len);
	}
	buf_free(&unpacked);
	return 0;
}

static int
look_at_map(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct tables *tables = context;
	struct map wanted = { .mailbox = 0 }, *map = NULL;
	uint8_t bits[MS_UIDS_BYTES];

	bool good = ms_uids_record_get(span_make(value, len), bits) == 0, doubtful = false;

	if (key_len == MS_PENDING_KEY)
		return 0; /* take_untold has seen it */
	if (key_len == MAP_KEY) {
		wanted = (struct map){ .mailbox = ms_key_get_u32(key), .n = ms_key_get_u32(key + 5), .plane = key[4] };
		if (tables->map_count != 0)
			map = bsearch(&wanted, tables->maps, tables->map_count, sizeof(wanted), compare_maps);
		/* The flags of a message whose record is damaged are not known yet. */
		doubtful = good && tables->damaged && wanted.plane != MS_UIDS_ALL;
	}
	if (map != NULL) {
		map->right = good && (doubtful || memcmp(bits, map->bits, sizeof(bits)) == 0);
	} else if (!doubtful) {
		tell(tables, MS_FAULT_UIDS_STRAY, wanted.mailbox, 0);
		remove_key(tables, T_UIDS, key, key_len);
	}
	return 0;
}

static int
take_members(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	static const struct ms_set *const sets[] = { &ms_set_threads, &ms_set_known };
	struct tables *tables = context;
	const struct ms_set *set;
	struct ms_pairs pairs;

	if (ms_set_record_get(span_make((const char *)key, key_len), span_make((const char *)value, len), sets, 2, &set, &pairs) != 0) {
		tell(tables, MS_FAULT_THREADS, 0, 0);
		remove_key(tables, T_THREAD, key, key_len);
		tables->ids_lost = true;
		return 0;
	}
	for (size_t i = 0; i < pairs.count && set == &ms_set_threads; i++) {
		if (tables->member_count == tables->member_room) {
			tables->member_room = tables->member_room != 0 ? tables->member_room * 2 : 256;
			tables->members = xreallocarray(tables->members, tables->member_room, sizeof(*tables->members));
		}
		tables->members[tables->member_count++] = pairs.list[i];
	}
	return 0;
}

static int
compare_members(const void *a, const void *b)
{
	return ms_pair_compare(a, b);
}

static void
look_at_rows(struct tables *tables)
{
	if (tables->member_count != 0)
		qsort(tables->members, tables->member_count, sizeof(*tables->members), compare_members);
	for (size_t i = 0; i < tables->row_count; i++) {
		const struct row *row = &tables->rows[i];
		struct ms_pair member = { row->thread_id, row->email_id };

		if (row->damaged)
			continue;
		if ((row->has & HAS_CHANGE) == 0)
			lacks(tables, i, PUT_CHANGE, MS_FAULT_CHANGE);
		if ((row->has & HAS_PLACE) == 0)
			lacks(tables, i, PUT_PLACE, MS_FAULT_EMAIL);
		if ((row->has & HAS_CACHE) == 0)
			lacks(tables, i, PUT_CACHE, MS_FAULT_CACHE);
		if (tables->member_count == 0 || bsearch(&member, tables->members, tables->member_count, sizeof(member), compare_members) == NULL)
			lacks(tables, i, PUT_THREAD, MS_FAULT_THREAD);
		else if (tables->ids_lost)
			(void)add_fix(tables, PUT_THREAD, i);
	}
	for (size_t i = 0; i < tables->map_count; i++)
		if (!tables->maps[i].right) {
			tell(tables, tables->maps[i].plane == MS_UIDS_ALL ? MS_FAULT_UIDS : MS_FAULT_FLAGGED, tables->maps[i].mailbox, 0);
			(void)add_fix(tables, PUT_MAP, i);
		}
	if (tables->modseq < tables->highest) {
		tell(tables, MS_FAULT_MODSEQ, 0, 0);
		(void)add_fix(tables, PUT_MODSEQ, 0);
	}
}

static int
read_tables(struct bdb *bdb, void *context)
{
	static const struct {
		enum ms_table table;
		bdb_fn each;
	} scans[] = {
		{ T_META, take_meta }, { T_MAILBOX, take_box }, { T_UIDS, take_uids }, { T_MESSAGE, look_at_key }, { T_MESSAGE, NULL }, { T_CHANGE, look_at_changes },
		{ T_GONE, look_at_gone }, { T_EMAIL, look_at_places }, { T_CACHE, look_at_cache }, { T_UIDS, look_at_map }, { T_THREAD, take_members },
	};
	struct tables *tables = context;
	int r = 0;

	clear(tables);
	*tables = (struct tables){ .store = tables->store };
	for (size_t i = 0; r == 0 && i < sizeof(scans) / sizeof(*scans); i++)
		r = scans[i].each == NULL ? take_messages(bdb, tables)
		    : ms_bdb(bdb_scan(bdb, NULL, scans[i].table, "", 0, 0, scans[i].each, tables));
	if (r == 0)
		look_at_rows(tables);
	return r;
}

/* --- mending --- */

/* From the message's bytes. MS_E_NOTFOUND: they are not there now; when the folder is looked at its record goes too. */
static int
derive(struct ms_txn *txn, const struct row *row, struct ms_derived *ret)
{
	_cleanup_(closep) int folder = -1, fd = -1;
	_cleanup_(freep) char *path = NULL;
	const char *name = NULL;
	struct ms_mailbox_record mailbox;
	struct ms_message_record record;
	struct stat st;
	int r = ms_message_load(txn, row->mailbox, row->uid, &record);

	if (r == 0)
		r = ms_mailbox_load(txn, row->mailbox, &mailbox);
	if (r != 0)
		return r == MS_E_STALE ? MS_E_NOTFOUND : r;
	name = mailbox.name;
	r = ms_folder_open(txn->store, name, &folder);
	ms_mailbox_record_clear(&mailbox);
	if (r != 0)
		return r;
	path = xasprintf("%s/%s", record.in_cur ? "cur" : "new", record.name);
	fd = openat(folder, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ELOOP || errno == EACCES ? MS_E_NOTFOUND : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? ms_derive(fd, (uint64_t)st.st_size, false, ret) : MS_E_NOTFOUND;
}

/* The message stays in the thread that clients know it by, also when others of it are gone. */
static int
put_derived(struct ms_txn *txn, const struct row *row, enum what what)
{
	struct ms_derived derived = { .size = 0 };
	int r = derive(txn, row, &derived);

	if (r == 0 && what == PUT_CACHE)
		r = ms_texts_mend(txn, row->mailbox, row->uid, buf_get(&derived.texts));
	else if (r == 0)
		r = ms_thread_note(txn, &derived, row->email_id, row->thread_id);
	ms_derived_clear(&derived);
	return r == MS_E_NOTFOUND ? 0 : r;
}

static int
put_map(struct ms_txn *txn, const struct map *map)
{
	struct buf bytes = BUF_INIT(MS_RECORD_MAX);
	uint8_t key[MAP_KEY];
	int r;

	ms_key_u32(key, map->mailbox);
	key[4] = (uint8_t)map->plane;
	ms_key_u32(key + 5, map->n);
	ms_uids_record_put(map->bits, &bytes);
	r = ms_bdb(bdb_put(txn->bdb, txn->txn, T_UIDS, key, sizeof(key), bytes.data, bytes.len));
	buf_free(&bytes);
	return r;
}

static int
apply(struct ms_txn *txn, const struct tables *tables, const struct fix *fix)
{
	const struct row *row = fix->at < tables->row_count ? &tables->rows[fix->at] : NULL;
	int r;

	switch (fix->what) {
	case PUT_CHANGE: return ms_message_note_change(txn, row->mailbox, row->uid, row->modseq);
	case PUT_PLACE: return ms_set_add(txn, &ms_set_places, row->email_id, MS_PLACE(row->mailbox, row->uid));
	case PUT_CACHE:
	case PUT_THREAD: return put_derived(txn, row, fix->what);
	case PUT_MAP: return put_map(txn, &tables->maps[fix->at]);
	case PUT_MODSEQ: return ms_bdb(ms_meta_put(txn, "modseq", tables->highest));
	case REMOVE_PAIR: return ms_set_remove(txn, fix->set, fix->pair.a, fix->pair.b);
	case EMPTY_TEXT: return ms_text_discard(txn, NULL);
	case LOSE: return ms_entry_lose(txn, row->mailbox, row->uid);
	case REMOVE: break;
	}
	r = bdb_del(txn->bdb, txn->txn, fix->table, fix->key, fix->key_len);
	return r == BDB_NONE ? 0 : ms_bdb(r);
}

static int
apply_some(struct ms_txn *txn, void *context)
{
	const struct tables *tables = context;
	int r = 0;

	for (size_t i = tables->next; r == 0 && i < tables->fix_count && i < tables->next + BATCH; i++)
		r = apply(txn, tables, &tables->fixes[i]);
	return r;
}

int
ms_tables(struct ms_store *store, bool mend)
{
	struct tables tables = { .store = store };
	int r = ms_read(store, read_tables, &tables);

	for (tables.next = 0; r == 0 && mend && tables.next < tables.fix_count; tables.next += BATCH)
		r = ms_run(store, apply_some, &tables);
	clear(&tables);
	return r;
}
