/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Messages as their records and the bitmaps tell of them, for the other tables to be held against. */
#include <stdlib.h>

#include "common/xalloc.h"
#include "libmailstore/ms_entries.h"
#include "libmailstore/ms_tables_internal.h"

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

/* A record that is damaged goes: the folder's file has what it said. */
static void
take_untold(struct tables *tables, const uint8_t *key, size_t key_len, struct span value)
{
	struct ms_pending pending = { .n = 0 };
	struct untold *last = tables->untold_count != 0 ? &tables->untold[tables->untold_count - 1] : NULL;

	if (ms_tables_box(tables, ms_key_get_u32(key)) == NULL || ms_pending_record_get(value, &pending) != 0) {
		ms_tables_tell(tables, MS_FAULT_PENDING, ms_key_get_u32(key), 0);
		ms_tables_remove_key(tables, T_UIDS, key, key_len);
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

	if (ms_tables_box(tables, ms_key_get_u32(key)) == NULL || ms_key_get_u32(key + 5) > UINT32_MAX / MS_UIDS_EACH)
		return;
	tables->listed = xreallocarray(tables->listed, tables->listed_count + 1, sizeof(*tables->listed));
	listed = &tables->listed[tables->listed_count];
	listed->mailbox = ms_key_get_u32(key);
	listed->n = ms_key_get_u32(key + 5);
	if (ms_uids_record_get(value, listed->bits) == 0)
		tables->listed_count++;
}

int
ms_tables_take_uids(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
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
	ms_tables_lacks(tables, tables->row_count - 1, LOSE, MS_FAULT_LOST);
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
	if (ms_tables_box(tables, mailbox) == NULL) {
		uint8_t key[8];

		ms_tables_tell(tables, MS_FAULT_NO_MAILBOX, 0, row.uid);
		ms_key_u32(key, mailbox);
		ms_key_u32(key + 4, row.uid / MS_ROW_EACH);
		ms_tables_remove_key(tables, T_MESSAGE, key, sizeof(key));
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

int
ms_tables_take_messages(struct bdb *bdb, struct tables *tables)
{
	int r = ms_entries(bdb, NULL, 0, 0, take_row, tables);

	if (r != 0)
		return r;
	add_all_missing(tables, UINT32_MAX, UINT32_MAX);
	if (tables->map_count != 0)
		qsort(tables->maps, tables->map_count, sizeof(*tables->maps), compare_maps);
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

struct row *
ms_tables_row(const struct tables *tables, const uint8_t key[8])
{
	struct row wanted = { .mailbox = ms_key_get_u32(key), .uid = ms_key_get_u32(key + 4) };

	return tables->row_count != 0 ? bsearch(&wanted, tables->rows, tables->row_count, sizeof(wanted), compare_rows) : NULL;
}

struct map *
ms_tables_map(const struct tables *tables, uint32_t mailbox, unsigned plane, uint32_t n)
{
	struct map wanted = { .mailbox = mailbox, .plane = plane, .n = n };

	return tables->map_count != 0 ? bsearch(&wanted, tables->maps, tables->map_count, sizeof(wanted), compare_maps) : NULL;
}
