/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What the other tables say of messages, held against those. */
#include <stdlib.h>

#include "common/xalloc.h"
#include "libmailstore/ms_cache.h"
#include "libmailstore/ms_tables_internal.h"

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

int
ms_tables_look_at_gone(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct tables *tables = context;
	struct ms_gone gone;

	if (ms_gone_get(span_make((const char *)key, key_len), span_make((const char *)value, len), &gone))
		return 0;
	ms_tables_tell(tables, MS_FAULT_GONE, 0, 0);
	ms_tables_remove_key(tables, T_GONE, key, key_len);
	return 0;
}

/* A pair that leads to no message. */
static void
remove_pair(struct tables *tables, const struct ms_set *set, const struct ms_pair *pair)
{
	struct fix *fix = ms_tables_add_fix(tables, REMOVE_PAIR, 0);

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
		ms_tables_tell(tables, look->damaged, 0, 0);
		ms_tables_remove_key(tables, look->table, (const uint8_t *)key.ptr, key.len);
		return 0;
	}
	for (size_t i = 0; i < pairs.count; i++) {
		uint8_t place[8];
		struct row *row;

		ms_key_u64(place, pairs.list[i].b);
		row = ms_tables_row(tables, place);
		if (row != NULL && belongs(row, (look->has == HAS_PLACE ? row->email_id : row->modseq) == pairs.list[i].a, look->has))
			continue;
		ms_tables_tell(tables, look->stray, ms_key_get_u32(place), ms_key_get_u32(place + 4));
		remove_pair(tables, set, &pairs.list[i]);
	}
	return 0;
}

int
ms_tables_look_at_changes(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	static const struct look look = { &ms_set_changes, T_CHANGE, MS_FAULT_CHANGES, MS_FAULT_CHANGE_STRAY, HAS_CHANGE };

	return look_at_pairs(context, &look, span_make((const char *)key, key_len), span_make((const char *)value, len));
}

int
ms_tables_look_at_places(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	static const struct look look = { &ms_set_places, T_EMAIL, MS_FAULT_EMAILS, MS_FAULT_EMAIL_STRAY, HAS_PLACE };

	return look_at_pairs(context, &look, span_make((const char *)key, key_len), span_make((const char *)value, len));
}

int
ms_tables_look_at_cache(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct tables *tables = context;
	struct buf unpacked = BUF_INIT(MS_CACHE_UNPACKED_MAX + 1);
	struct ms_cache_member member;
	uint8_t place[8];
	bool any = false;

	if (key_len == sizeof(place)) {
		any = ms_tables_row(tables, key) != NULL;
		(void)ms_cache_unpack(span_make((const char *)value, len), ms_key_get_u32(key + 4), &unpacked);
	}
	for (struct span rest = buf_get(&unpacked); ms_cache_next(&rest, &member);) {
		struct row *row;

		memcpy(place, key, 4);
		ms_key_u32(place + 4, member.uid);
		row = ms_tables_row(tables, place);
		if (row != NULL)
			row->has |= HAS_CACHE;
		any = any || row != NULL;
	}
	if (!any) {
		ms_tables_tell(tables, MS_FAULT_CACHE_STRAY, key_len == 8 ? ms_key_get_u32(key) : 0, key_len == 8 ? ms_key_get_u32(key + 4) : 0);
		ms_tables_remove_key(tables, T_CACHE, key, key_len);
	}
	buf_free(&unpacked);
	return 0;
}

int
ms_tables_look_at_map(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct tables *tables = context;
	struct map *map = NULL;
	uint8_t bits[MS_UIDS_BYTES];
	bool good = ms_uids_record_get(span_make(value, len), bits) == 0, doubtful = false;

	if (key_len == MS_PENDING_KEY)
		return 0; /* take_untold has seen it */
	if (key_len == MAP_KEY) {
		map = ms_tables_map(tables, ms_key_get_u32(key), key[4], ms_key_get_u32(key + 5));
		/* The flags of a message whose record is damaged are not known yet. */
		doubtful = good && tables->damaged && key[4] != MS_UIDS_ALL;
	}
	if (map != NULL) {
		map->right = good && (doubtful || memcmp(bits, map->bits, sizeof(bits)) == 0);
	} else if (!doubtful) {
		ms_tables_tell(tables, MS_FAULT_UIDS_STRAY, key_len == MAP_KEY ? ms_key_get_u32(key) : 0, 0);
		ms_tables_remove_key(tables, T_UIDS, key, key_len);
	}
	return 0;
}

int
ms_tables_take_members(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	static const struct ms_set *const sets[] = { &ms_set_threads, &ms_set_known };
	struct tables *tables = context;
	const struct ms_set *set;
	struct ms_pairs pairs;

	if (ms_set_record_get(span_make((const char *)key, key_len), span_make((const char *)value, len), sets, 2, &set, &pairs) != 0) {
		ms_tables_tell(tables, MS_FAULT_THREADS, 0, 0);
		ms_tables_remove_key(tables, T_THREAD, key, key_len);
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

void
ms_tables_look_at_rows(struct tables *tables)
{
	if (tables->member_count != 0)
		qsort(tables->members, tables->member_count, sizeof(*tables->members), compare_members);
	for (size_t i = 0; i < tables->row_count; i++) {
		const struct row *row = &tables->rows[i];
		struct ms_pair member = { row->thread_id, row->email_id };

		if (row->damaged)
			continue;
		if ((row->has & HAS_CHANGE) == 0)
			ms_tables_lacks(tables, i, PUT_CHANGE, MS_FAULT_CHANGE);
		if ((row->has & HAS_PLACE) == 0)
			ms_tables_lacks(tables, i, PUT_PLACE, MS_FAULT_EMAIL);
		if ((row->has & HAS_CACHE) == 0)
			ms_tables_lacks(tables, i, PUT_CACHE, MS_FAULT_CACHE);
		if (tables->member_count == 0 || bsearch(&member, tables->members, tables->member_count, sizeof(member), compare_members) == NULL)
			ms_tables_lacks(tables, i, PUT_THREAD, MS_FAULT_THREAD);
		else if (tables->ids_lost)
			(void)ms_tables_add_fix(tables, PUT_THREAD, i);
	}
	for (size_t i = 0; i < tables->map_count; i++)
		if (!tables->maps[i].right) {
			ms_tables_tell(tables, tables->maps[i].plane == MS_UIDS_ALL ? MS_FAULT_UIDS : MS_FAULT_FLAGGED, tables->maps[i].mailbox, 0);
			(void)ms_tables_add_fix(tables, PUT_MAP, i);
		}
	if (tables->modseq < tables->highest) {
		ms_tables_tell(tables, MS_FAULT_MODSEQ, 0, 0);
		(void)ms_tables_add_fix(tables, PUT_MODSEQ, 0);
	}
}
