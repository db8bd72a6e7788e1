/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Ordered tables in a Berkeley DB environment; the rest of the library sees nothing else of Berkeley DB. */
#ifndef LIBMAILSTORE_BDB_H
#define LIBMAILSTORE_BDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BDB_TABLES_MAX 12
#define BDB_RECORD_MAX (1 << 20)
/* Shared by those who have an environment open: there while anybody has, and another one after a recovery. */
#define BDB_SHARED_FILE "__db.001"

struct bdb;
struct bdb_txn;

/* Positive outcomes beside 0 and -errno. */
enum bdb_result {
	BDB_NONE = 1,   /* no such key */
	BDB_AGAIN,      /* another has a lock: nothing waits for it here, for he may be dead. Abort, and do the whole transaction again */
	BDB_RECOVER,    /* another process died in it: close, open again, repeat */
	BDB_BROKEN,     /* the environment or a page is damaged: throw it away and rebuild */
};

enum bdb_join {
	BDB_JOIN,     /* others have it open: what is not there then was removed, and is not made */
	BDB_ALONE,    /* nobody has: recovered when it was not left in order */
	BDB_RECOVERY, /* somebody died in it; those who have it open get BDB_RECOVER from their next call */
};
/* Opens the environment in that folder (made when missing) with the named tables in one file. The caller knows who has it open,
 * and that nobody else begins meanwhile. *mark: of bdb_close when it was last left, 0 for none; in order means that it was left
 * exactly there. *ret_recovered: it was not. cache_bytes: the shared memory for pages, when this is who makes it. */
int bdb_open(const char *dir, const char *file, const char *const *tables, size_t table_count, enum bdb_join join, uint64_t mark,
    size_t cache_bytes, bool *ret_recovered, struct bdb **ret);
/* ret_mark: NULL, or by the last to leave: the tables' file has everything then, and *ret_mark is where the log ends (0: unknown). */
void bdb_close(struct bdb *bdb, uint64_t *ret_mark);
/* Every process in the environment gets BDB_RECOVER from its next call, and from the one it waits in. bdb may be NULL: then dir is
 * where the environment is, or none. Never waits. */
void bdb_alarm(struct bdb *bdb, const char *dir);
/* Removes the shared memory from an environment that nobody has open. 0 or -errno. */
int bdb_remove_regions(int dir_fd);

int bdb_begin(struct bdb *bdb, struct bdb_txn **ret);
/* durable: synced to disk on return. */
int bdb_commit(struct bdb_txn *txn, bool durable);
void bdb_abort(struct bdb_txn *txn);

/* txn may be NULL for reading. *ret is memory for free(3). for_update takes the write lock at once. */
int bdb_get(struct bdb *bdb, struct bdb_txn *txn, size_t table, const void *key, size_t key_len, bool for_update, void **ret, size_t *ret_len);
int bdb_put(struct bdb *bdb, struct bdb_txn *txn, size_t table, const void *key, size_t key_len, const void *value, size_t len);
int bdb_del(struct bdb *bdb, struct bdb_txn *txn, size_t table, const void *key, size_t key_len);
/* Calls each record from first (inclusive) on while keys begin with the prefix, until each returns non-zero: that is the result
 * (0 at the end). The bytes are borrowed for the call. */
typedef int (*bdb_fn)(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len);
int bdb_scan(struct bdb *bdb, struct bdb_txn *txn, size_t table, const void *first, size_t first_len, size_t prefix_len, bdb_fn each, void *context);

/* A single table in a file of its own, without environment: one writer, or many readers of a file that does not change. */
struct bdb_file;
int bdb_file_open(const char *path, bool read_only, struct bdb_file **ret);
/* 0, or what went wrong with the last writes: the file is not to be used then. NULL is allowed. */
int bdb_file_close(struct bdb_file *file);
int bdb_file_get(struct bdb_file *file, const void *key, size_t key_len, void **ret, size_t *ret_len);
int bdb_file_put(struct bdb_file *file, const void *key, size_t key_len, const void *value, size_t len);
int bdb_file_del(struct bdb_file *file, const void *key, size_t key_len);
int bdb_file_scan(struct bdb_file *file, bdb_fn each, void *context);

#endif
