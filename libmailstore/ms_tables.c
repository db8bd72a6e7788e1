/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Holding the tables of the index against each other. The records of messages count: what the others say of them is made to agree. */
#include <stdlib.h>

#include "common/xalloc.h"
#include "libmailstore/ms_entries.h"
#include "libmailstore/ms_tables_internal.h"

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

const struct box *
ms_tables_box(const struct tables *tables, uint32_t number)
{
	for (size_t i = 0; i < tables->box_count; i++)
		if (tables->boxes[i].number == number)
			return &tables->boxes[i];
	return NULL;
}

struct fix *
ms_tables_add_fix(struct tables *tables, enum what what, size_t at)
{
	if (tables->fix_count == tables->fix_room) {
		tables->fix_room = tables->fix_room != 0 ? tables->fix_room * 2 : 16;
		tables->fixes = xreallocarray(tables->fixes, tables->fix_room, sizeof(*tables->fixes));
	}
	tables->fixes[tables->fix_count] = (struct fix){ .what = what, .at = at };
	return &tables->fixes[tables->fix_count++];
}

void
ms_tables_tell(const struct tables *tables, enum ms_fault_kind kind, uint32_t mailbox, uint32_t uid)
{
	const struct box *box = ms_tables_box(tables, mailbox);

	ms_tell(tables->store, kind, box != NULL ? box->name : NULL, uid, NULL);
}

void
ms_tables_lacks(struct tables *tables, size_t row, enum what what, enum ms_fault_kind kind)
{
	ms_tables_tell(tables, kind, tables->rows[row].mailbox, tables->rows[row].uid);
	(void)ms_tables_add_fix(tables, what, row);
}

void
ms_tables_remove_key(struct tables *tables, enum ms_table table, const uint8_t *key, size_t key_len)
{
	struct fix *fix;

	if (key_len > KEY_MAX)
		return;
	fix = ms_tables_add_fix(tables, REMOVE, 0);
	fix->table = table;
	memcpy(fix->key, key, key_len);
	fix->key_len = key_len;
}

/* --- reading --- */

static int
take_meta(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct tables *tables = context;

	if (len != 8) {
		ms_tables_tell(tables, MS_FAULT_NUMBER, 0, 0);
		ms_tables_remove_key(tables, T_META, key, key_len);
		/* It may have been one of the text index's. */
		(void)ms_tables_add_fix(tables, EMPTY_TEXT, 0);
	} else if (span_eq(span_make((const char *)key, key_len), SPAN("modseq"))) {
		tables->modseq = ms_key_get_u64(value);
	}
	return 0;
}

static int
take_box(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct tables *tables = context;
	struct ms_mailbox_record record;

	if (key_len != 4) {
		ms_tables_tell(tables, MS_FAULT_STRAY, 0, 0);
		ms_tables_remove_key(tables, T_MAILBOX, key, key_len);
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

/* ms_entries passes over it. */
static int
look_at_key(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	(void)value, (void)len;
	if (!ms_entry_key(key, key_len)) {
		ms_tables_tell(context, MS_FAULT_STRAY, 0, 0);
		ms_tables_remove_key(context, T_MESSAGE, key, key_len);
	}
	return 0;
}

static int
read_tables(struct bdb *bdb, void *context)
{
	static const struct {
		enum ms_table table;
		bdb_fn each;
	} scans[] = {
		{ T_META, take_meta },
		{ T_MAILBOX, take_box },
		{ T_UIDS, ms_tables_take_uids },
		{ T_MESSAGE, look_at_key },
		{ T_MESSAGE, NULL }, /* ms_tables_take_messages */
		{ T_CHANGE, ms_tables_look_at_changes },
		{ T_GONE, ms_tables_look_at_gone },
		{ T_EMAIL, ms_tables_look_at_places },
		{ T_CACHE, ms_tables_look_at_cache },
		{ T_UIDS, ms_tables_look_at_map },
		{ T_THREAD, ms_tables_take_members },
	};
	struct tables *tables = context;
	int r = 0;

	clear(tables);
	*tables = (struct tables){ .store = tables->store };
	for (size_t i = 0; r == 0 && i < sizeof(scans) / sizeof(*scans); i++)
		r = scans[i].each == NULL ? ms_tables_take_messages(bdb, tables)
		    : ms_bdb(bdb_scan(bdb, NULL, scans[i].table, "", 0, 0, scans[i].each, tables));
	if (r == 0)
		ms_tables_look_at_rows(tables);
	return r;
}

static int
apply_some(struct ms_txn *txn, void *context)
{
	const struct tables *tables = context;
	int r = 0;

	for (size_t i = tables->next; r == 0 && i < tables->fix_count && i < tables->next + BATCH; i++)
		r = ms_tables_apply(txn, tables, &tables->fixes[i]);
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
