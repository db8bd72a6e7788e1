/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Berkeley DB, wholly inside this file but for what it does with files (bdb_files.c). Nothing is shared with other processes but files:
 * each has its own cache of pages, and whoever
 * writes is alone with them (the account's lock) until all he changed is in the files. So nobody waits for what a dead one held. */
#include "libmailstore/bdb.h"

#include <db.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io_sync.h"
#include "common/sanitizer.h"
#include "common/xalloc.h"
#include "libmailstore/bdb_files.h"

/* Who begins to write reads the last log to find its end, and recovery reads it all. */
#define LOG_BYTES (256 * 1024)
#define CHECKPOINT_KB (LOG_BYTES / 1024)
/* What a scan fetches first: often that is all; and later. */
#define BULK_FIRST (8 * 1024)
#define BULK_BYTES (64 * 1024)
/* Of the tables, whatever the file system likes: BDB_PAGE_ROOM and a header. */
#define PAGE_BYTES 4096
/* The library wants no less. */
#define CACHE_LEAST (128 * 1024)

struct bdb {
	DB_ENV *env;
	bool writable;
	unsigned sync_failures, bad_pages; /* when it was opened */
	const char *file;
	const char *const *names;
	DB *tables[BDB_TABLES_MAX]; /* NULL: not made yet */
	size_t table_count;
	struct bdb *next; /* of those given up */
};

struct bdb_txn {
	struct bdb *bdb;
	DB_TXN *txn;
	bool made[BDB_TABLES_MAX]; /* tables that are not there if it aborts */
};

static void
take_over_files(void)
{
	static bool taken;

	if (taken)
		return;
	taken = true;
	(void)db_env_set_func_fsync(bdb_sync_file);
	(void)db_env_set_func_close(bdb_close_file);
	(void)db_env_set_func_open(bdb_open_file);
	(void)db_env_set_func_pread(bdb_read_page);
	(void)db_env_set_func_rename(bdb_rename_file);
	(void)db_env_set_func_write(bdb_write_file);
	(void)db_env_set_func_pwrite(bdb_write_page);
	(void)db_env_set_func_unlink(bdb_remove_file);
}

static int
outcome(int r)
{
	switch (r) {
	case 0: return 0;
	case DB_NOTFOUND:
	case DB_KEYEMPTY: return BDB_NONE;
	case DB_RUNRECOVERY: return BDB_RECOVER;
	case ENOSPC:
	case EDQUOT:
	case EIO:
	case EMFILE:
	case ENFILE:
	case EACCES:
	case EPERM:
	case EROFS: return -r;
	case ENOMEM: return -ENOMEM; /* the cache is full of what one transaction changed */
	default: return BDB_BROKEN;
	}
}

/* Its words would go to standard error: a library does not log. */
static void
say_nothing(const DB_ENV *env, const char *prefix, const char *message)
{
	(void)env, (void)prefix, (void)message;
}

/* The library does not take back what belongs to an environment that it found broken. It closes the files; the memory stays, and is known
 * here. That happens once for each damage in an index, not for each message. */
static struct bdb *given_up;

#if UNDER_SANITIZER
/* What hangs on such an environment is found by offsets, which a search for leaks does not follow. */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:libdb-5.3\n";
}
#endif

static void
close_environment(struct bdb *bdb)
{
	if (bdb->env != NULL && bdb->env->close(bdb->env, 0) == DB_RUNRECOVERY) {
		bdb->next = given_up;
		given_up = bdb;
	} else {
		free(bdb);
	}
}

/* flags 0: to read only. */
static int
open_environment(const char *dir, u_int32_t flags, size_t cache_bytes, DB_ENV **ret)
{
	DB_ENV *env = NULL;
	int r = db_env_create(&env, 0);

	if (r != 0)
		return r;
	env->set_errcall(env, say_nothing);
	(void)env->set_cachesize(env, 0, (u_int32_t)cache_bytes, 1);
	if (flags != 0) {
		flags |= DB_INIT_TXN | DB_INIT_LOG;
		(void)env->set_lg_max(env, LOG_BYTES);
		(void)env->log_set_config(env, DB_LOG_AUTO_REMOVE, 1);
	}
	bdb_recovering = (flags & DB_RECOVER) != 0;
	r = env->open(env, dir, flags | DB_CREATE | DB_PRIVATE | DB_INIT_MPOOL, 0600);
	bdb_recovering = false;
	*ret = env; /* also when it could not be opened: to be closed */
	return r;
}

/* Where the log ends on disk, or 0. */
static uint64_t
log_end(DB_ENV *env)
{
	DB_LOG_STAT *stat = NULL;
	uint64_t end = 0;

	if (env->log_stat(env, &stat, 0) == 0)
		end = (uint64_t)stat->st_disk_file << 32 | stat->st_disk_offset;
	free(stat);
	return end;
}

/* Pages that were written after what is now the end of the log: the log lost its end, or is another's, and what it had is in some pages
 * and not in others. An index without its log looks whole, and is not. */
static bool
has_pages_beyond(const char *dir, const char *file, uint64_t end)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s", dir, file);
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	uint32_t page[8];
	size_t len = 0;

	for (off_t at = 0; fd >= 0 && pread(fd, page, sizeof(page), at) == (ssize_t)sizeof(page); at += (off_t)len) {
		if (at == 0)
			len = page[5]; /* of the first: the size of a page */
		if (len < PAGE_MIN || len > PAGE_MAX || ((uint64_t)page[0] << 32 | page[1]) > end)
			return true;
	}
	return false;
}

int
bdb_log_end(const char *dir, uint64_t *ret)
{
	struct bdb *bdb = xcalloc(1, sizeof(*bdb));
	int r;

	take_over_files();
	r = open_environment(dir, DB_CREATE, CACHE_LEAST, &bdb->env);
	*ret = r == 0 ? log_end(bdb->env) : 0;
	bdb_close(bdb);
	return outcome(r);
}

static void
close_table(struct bdb *bdb, size_t table)
{
	if (bdb->tables[table] != NULL)
		(void)bdb->tables[table]->close(bdb->tables[table], DB_NOSYNC);
	bdb->tables[table] = NULL;
}

static int
open_table(struct bdb *bdb, size_t table, DB_TXN *txn, u_int32_t flags)
{
	DB *db = NULL;
	int r = db_create(&db, bdb->env, 0);

	if (r != 0)
		return r;
	bdb->tables[table] = db;
	(void)db->set_flags(db, DB_CHKSUM);
	return db->open(db, txn, bdb->file, bdb->names[table], DB_BTREE, flags, 0600);
}

/* Those that are never empty must be there. */
static int
open_tables(struct bdb *bdb, size_t least)
{
	for (size_t i = 0; i < bdb->table_count; i++) {
		int r = open_table(bdb, i, NULL, bdb->writable ? DB_AUTO_COMMIT : DB_RDONLY);

		if (r != 0)
			close_table(bdb, i);
		if (r != 0 && (r != ENOENT || i < least || bdb->bad_pages != bdb_bad_pages))
			return r;
	}
	return 0;
}

/* The first tables, in a file that no log knows of: logged, each would be there twice. */
static int
make_file(const char *dir, const char *file, const char *const *tables, size_t count)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s", dir, file);
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		DB *db = NULL;
		int closed;

		r = db_create(&db, NULL, 0);
		if (r != 0)
			return r;
		db->set_errcall(db, say_nothing);
		(void)db->set_flags(db, DB_CHKSUM);
		(void)db->set_pagesize(db, PAGE_BYTES);
		r = db->open(db, NULL, path, tables[i], DB_BTREE, DB_CREATE, 0600);
		closed = db->close(db, 0); /* synced */
		r = r != 0 ? r : closed;
	}
	return r;
}

int
bdb_open(const char *dir, const char *file, const char *const *tables, size_t table_count, size_t least, enum bdb_how how, size_t cache_bytes,
    struct bdb **ret)
{
	struct bdb *bdb = xcalloc(1, sizeof(*bdb));
	int r = 0;

	take_over_files();
	*bdb = (struct bdb){ .sync_failures = bdb_sync_failures, .bad_pages = bdb_bad_pages, .writable = how != BDB_READING, .file = file, .names = tables,
		.table_count = table_count };
	if (how == BDB_MAKING)
		r = make_file(dir, file, tables, least);
	if (r == 0)
		r = open_environment(dir, how == BDB_READING ? 0 : how == BDB_RECOVERING ? DB_CREATE | DB_RECOVER : DB_CREATE, cache_bytes, &bdb->env);
	if (r == 0 && how == BDB_RECOVERING && has_pages_beyond(dir, file, log_end(bdb->env)))
		bdb_bad_pages++, r = EIO;
	/* Each process numbers its transactions and its tables anew, and recovery would take those of one for another's. It looks no further back
	 * than the last checkpoint: so it meets one process's alone. */
	if (r == 0 && how == BDB_WRITING)
		r = bdb->env->txn_checkpoint(bdb->env, 0, 0, DB_FORCE);
	if (r == 0)
		r = open_tables(bdb, least);
	if (r == 0 && bdb->sync_failures != bdb_sync_failures)
		r = EIO;
	if (r != 0) {
		bool broken = bdb->bad_pages != bdb_bad_pages;

		bdb_close(bdb);
		return broken ? BDB_BROKEN : outcome(r);
	}
	*ret = bdb;
	return 0;
}

bool
bdb_is_writable(const struct bdb *bdb)
{
	return bdb->writable;
}

void
bdb_close(struct bdb *bdb)
{
	if (bdb == NULL)
		return;
	bdb_leaving = true;
	for (size_t i = 0; i < bdb->table_count; i++)
		close_table(bdb, i);
	close_environment(bdb);
	bdb_leaving = false;
}

/* What was lost in a sync, or on the disk, makes all of it suspect. */
static int
judged(const struct bdb *bdb, int r)
{
	return bdb->sync_failures != bdb_sync_failures || bdb->bad_pages != bdb_bad_pages ? BDB_BROKEN : outcome(r);
}

int
bdb_flush(struct bdb *bdb)
{
	int r = bdb->env->memp_trickle(bdb->env, 100, NULL);

	return judged(bdb, r);
}

int
bdb_checkpoint(struct bdb *bdb, uint64_t *ret_end)
{
	int r = judged(bdb, bdb->env->txn_checkpoint(bdb->env, 0, 0, DB_FORCE));

	*ret_end = r == 0 ? log_end(bdb->env) : 0;
	return r;
}

int
bdb_begin(struct bdb *bdb, struct bdb_txn **ret)
{
	DB_TXN *txn = NULL;
	int r = bdb->env->txn_begin(bdb->env, NULL, &txn, 0);

	if (r != 0)
		return judged(bdb, r);
	*ret = xcalloc(1, sizeof(**ret));
	(*ret)->bdb = bdb;
	(*ret)->txn = txn;
	return 0;
}

static int
commit(struct bdb_txn *txn, u_int32_t flags)
{
	int r = txn->txn->commit(txn->txn, flags);

	free(txn);
	return r;
}

static int
committed(const struct bdb *bdb, int r)
{
	int result = judged(bdb, r);

	if (result == 0)
		(void)bdb->env->txn_checkpoint(bdb->env, CHECKPOINT_KB, 0, 0);
	return result;
}

int
bdb_commit(struct bdb_txn *txn, bool durable)
{
	const struct bdb *bdb = txn->bdb;

	return committed(bdb, commit(txn, durable ? DB_TXN_SYNC : DB_TXN_WRITE_NOSYNC));
}

int
bdb_commit_with(struct bdb_txn *txn, const int *fds, size_t count)
{
	const struct bdb *bdb = txn->bdb;
	struct io_sync syncs[BDB_COMMIT_FILES + 1];
	size_t all = count;
	int log, r, beside = 0;

	bdb_sync_leave();
	r = commit(txn, DB_TXN_SYNC);
	log = bdb_sync_take();
	for (size_t i = 0; i < count; i++)
		syncs[i] = (struct io_sync){ .fd = fds[i] };
	if (log >= 0)
		syncs[all++] = (struct io_sync){ .fd = log, .data = true };
	io_sync_all(syncs, all);
	bdb_sync_failures += all > count && syncs[count].result != 0;
	for (size_t i = 0; i < count && beside == 0; i++)
		beside = syncs[i].result;
	r = committed(bdb, r);
	/* Of both, that of the files: what they lack now is not written again when the work is done once more in an index made anew from them. */
	return beside != 0 ? beside : r;
}

void
bdb_abort(struct bdb_txn *txn)
{
	if (txn == NULL)
		return;
	(void)txn->txn->abort(txn->txn);
	for (size_t i = 0; i < txn->bdb->table_count; i++)
		if (txn->made[i])
			close_table(txn->bdb, i);
	free(txn);
}

static DBT
thing(const void *bytes, size_t len)
{
	DBT dbt;

	memset(&dbt, 0, sizeof(dbt));
	memcpy(&dbt.data, &bytes, sizeof(dbt.data)); /* the library does not write through it; its type has no const */
	dbt.size = (u_int32_t)len;
	return dbt;
}

static DB_TXN *
of(const struct bdb_txn *txn)
{
	return txn != NULL ? txn->txn : NULL;
}

int
bdb_get(struct bdb *bdb, struct bdb_txn *txn, size_t table, const void *key, size_t key_len, void **ret, size_t *ret_len)
{
	DBT k = thing(key, key_len), v = thing(NULL, 0);
	int r;

	if (bdb->tables[table] == NULL)
		return BDB_NONE;
	v.flags = DB_DBT_MALLOC;
	r = bdb->tables[table]->get(bdb->tables[table], of(txn), &k, &v, 0);
	if (r != 0)
		return judged(bdb, r);
	*ret = v.data;
	*ret_len = v.size;
	return 0;
}

int
bdb_put(struct bdb *bdb, struct bdb_txn *txn, size_t table, const void *key, size_t key_len, const void *value, size_t len)
{
	DBT k = thing(key, key_len), v = thing(value, len);
	int r = 0;

	if (bdb->tables[table] == NULL) {
		txn->made[table] = true;
		r = open_table(bdb, table, txn->txn, DB_CREATE);
	}
	return judged(bdb, r == 0 ? bdb->tables[table]->put(bdb->tables[table], txn->txn, &k, &v, 0) : r);
}

int
bdb_del(struct bdb *bdb, struct bdb_txn *txn, size_t table, const void *key, size_t key_len)
{
	DBT k = thing(key, key_len);

	if (bdb->tables[table] == NULL)
		return BDB_NONE;
	return judged(bdb, bdb->tables[table]->del(bdb->tables[table], txn->txn, &k, 0));
}

int
bdb_floor(struct bdb *bdb, struct bdb_txn *txn, size_t table, const void *key, size_t key_len, void **ret_key, size_t *ret_key_len, void **ret,
    size_t *ret_len)
{
	DBT k = thing(NULL, 0), v = thing(NULL, 0);
	DBC *cursor = NULL;
	int r;

	if (bdb->tables[table] == NULL)
		return BDB_NONE;
	r = bdb->tables[table]->cursor(bdb->tables[table], of(txn), &cursor, 0);
	if (r != 0)
		return judged(bdb, r);
	/* The key is given and got, so its memory must be the library's to give another size. */
	k.flags = DB_DBT_REALLOC;
	v.flags = DB_DBT_REALLOC;
	k.data = xmemdup(key, key_len);
	k.size = (u_int32_t)key_len;
	r = cursor->get(cursor, &k, &v, DB_SET_RANGE);
	if (r == DB_NOTFOUND)
		r = cursor->get(cursor, &k, &v, DB_LAST);
	else if (r == 0 && (k.size != key_len || memcmp(k.data, key, key_len) != 0))
		r = cursor->get(cursor, &k, &v, DB_PREV);
	(void)cursor->close(cursor);
	if (r != 0) {
		free(k.data);
		free(v.data);
		return judged(bdb, r);
	}
	*ret_key = k.data;
	*ret_key_len = k.size;
	*ret = v.data;
	*ret_len = v.size;
	return 0;
}

/* Hands the records of a bulk buffer on. *ret_last_len is the length of the last key, copied into last (room). */
static int
hand_on(DBT *bulk, const uint8_t *prefix, size_t prefix_len, bdb_fn each, void *context, bool *ret_end)
{
	void *at;
	int r = 0;

	DB_MULTIPLE_INIT(at, bulk);
	while (r == 0) {
		uint8_t *key, *value;
		size_t key_len, len;

		DB_MULTIPLE_KEY_NEXT(at, bulk, key, key_len, value, len);
		if (at == NULL)
			break;
		if (key_len < prefix_len || memcmp(key, prefix, prefix_len) != 0) {
			*ret_end = true;
			break;
		}
		r = each(context, key, key_len, value, len);
	}
	return r;
}

static int
scan(DB *db, DB_TXN *txn, const void *first, size_t first_len, size_t prefix_len, bdb_fn each, void *context)
{
	uint8_t *prefix = xmemdup(first, first_len), *buffer = xmalloc(BULK_FIRST);
	size_t room = BULK_FIRST;
	DBC *cursor = NULL;
	bool end = false;
	int r, stopped = 0;
	u_int32_t move = DB_SET_RANGE;

	r = db->cursor(db, txn, &cursor, 0);
	while (r == 0 && !end && stopped == 0) {
		DBT k = thing(prefix, first_len), v = thing(NULL, 0);

		v.data = buffer;
		v.ulen = (u_int32_t)room;
		v.flags = DB_DBT_USERMEM;
		r = cursor->get(cursor, &k, &v, move | DB_MULTIPLE_KEY);
		if (r == DB_BUFFER_SMALL && v.size <= BDB_RECORD_MAX + 65536) {
			room = (v.size + 65535) & ~(size_t)65535;
			buffer = xreallocarray(buffer, room, 1);
			r = 0;
			continue;
		}
		if (r != 0)
			break;
		stopped = hand_on(&v, prefix, prefix_len, each, context, &end);
		move = DB_NEXT;
		if (room < BULK_BYTES) {
			room = BULK_BYTES;
			buffer = xreallocarray(buffer, room, 1);
		}
	}
	if (cursor != NULL)
		(void)cursor->close(cursor);
	free(prefix);
	free(buffer);
	if (r == DB_NOTFOUND || end)
		r = 0;
	return stopped != 0 ? stopped : outcome(r);
}

int
bdb_scan(struct bdb *bdb, struct bdb_txn *txn, size_t table, const void *first, size_t first_len, size_t prefix_len, bdb_fn each, void *context)
{
	int r = bdb->tables[table] != NULL ? scan(bdb->tables[table], of(txn), first, first_len, prefix_len, each, context) : 0;

	return r == 0 ? judged(bdb, 0) : bdb->bad_pages != bdb_bad_pages ? BDB_BROKEN : r;
}

/* --- a file of its own --- */

struct bdb_file {
	DB *db;
	bool read_only;
};

int
bdb_file_open(const char *path, bool read_only, struct bdb_file **ret)
{
	struct bdb_file *file = xcalloc(1, sizeof(*file));
	int r = db_create(&file->db, NULL, 0);

	if (r == 0) {
		file->read_only = read_only;
		file->db->set_errcall(file->db, say_nothing);
		(void)file->db->set_flags(file->db, DB_CHKSUM);
		r = file->db->open(file->db, NULL, path, NULL, DB_BTREE, read_only ? DB_RDONLY : DB_CREATE | DB_EXCL, 0600);
	}
	if (r != 0) {
		(void)bdb_file_close(file);
		return outcome(r);
	}
	*ret = file;
	return 0;
}

int
bdb_file_close(struct bdb_file *file)
{
	int r;

	if (file == NULL)
		return 0;
	r = file->db != NULL ? file->db->close(file->db, 0) : 0;
	free(file);
	return outcome(r);
}

int
bdb_file_get(struct bdb_file *file, const void *key, size_t key_len, void **ret, size_t *ret_len)
{
	DBT k = thing(key, key_len), v = thing(NULL, 0);
	int r;

	v.flags = DB_DBT_MALLOC;
	r = file->db->get(file->db, NULL, &k, &v, 0);
	if (r != 0)
		return outcome(r);
	*ret = v.data;
	*ret_len = v.size;
	return 0;
}

int
bdb_file_put(struct bdb_file *file, const void *key, size_t key_len, const void *value, size_t len)
{
	DBT k = thing(key, key_len), v = thing(value, len);

	return outcome(file->db->put(file->db, NULL, &k, &v, 0));
}

int
bdb_file_del(struct bdb_file *file, const void *key, size_t key_len)
{
	DBT k = thing(key, key_len);

	return outcome(file->db->del(file->db, NULL, &k, 0));
}

int
bdb_file_scan(struct bdb_file *file, bdb_fn each, void *context)
{
	return scan(file->db, NULL, "", 0, 0, each, context);
}
