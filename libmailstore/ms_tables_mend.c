/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What does not agree with the records of messages, made to. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_entries.h"
#include "libmailstore/ms_text_index.h"
#include "libmailstore/ms_texts.h"
#include "libmailstore/ms_tables_internal.h"

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

int
ms_tables_apply(struct ms_txn *txn, const struct tables *tables, const struct fix *fix)
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
