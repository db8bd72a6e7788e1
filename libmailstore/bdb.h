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
/* A record of that length fills a page of its own; those of more than a fourth of it have pages of their own, too. */
#define BDB_PAGE_ROOM 4064

struct bdb;
struct bdb_txn;

/* Positive outcomes beside 0 and -errno. */
enum bdb_result {
	BDB_NONE = 1,   /* no such key */
	BDB_RECOVER,    /* the library has lost its way in it: close, open again, repeat */
	BDB_BROKEN,     /* the environment or a page is damaged: throw it away and rebuild */
};

/* The processes that use an environment share its files alone. The caller's lock keeps them apart: one writes, or several read. All that
 * this process has in its cache is worthless as soon as another has written. */
enum bdb_how {
	BDB_READING,    /* what is in the files; touches no log */
	BDB_MAKING,     /* for writing, what is not there yet */
	BDB_WRITING,
	BDB_RECOVERING, /* for writing, after whoever wrote last did not come to bdb_flush, or the power failed */
};
/* Opens the environment in that folder with the named tables in one file; names and file are borrowed until bdb_close. The first `least` of
 * them are there from the making on: without them the file is broken. Another is made when something is first put into it, and is empty until
 * then. cache_bytes: at most so much memory for pages. */
int bdb_open(const char *dir, const char *file, const char *const *tables, size_t table_count, size_t least, enum bdb_how how, size_t cache_bytes,
    struct bdb **ret);
bool bdb_is_writable(const struct bdb *bdb);
/* Writes nothing: what was not flushed is left to recovery. NULL is allowed. */
void bdb_close(struct bdb *bdb);
/* Where the log ends: of an environment that nobody writes. */
int bdb_log_end(const char *dir, uint64_t *ret);
/* Puts all that was committed into the files, where others read it; not synced: the log has it. */
int bdb_flush(struct bdb *bdb);
/* The tables' file has all of it, synced, when the log ends there: then nothing needs recovery. */
int bdb_checkpoint(struct bdb *bdb, uint64_t *ret_end);

int bdb_begin(struct bdb *bdb, struct bdb_txn **ret);
/* durable: synced to disk on return. */
int bdb_commit(struct bdb_txn *txn, bool durable);
/* The same, durable, and these files (at most BDB_COMMIT_FILES, borrowed) are synced at the same time. What one of those failed with (-errno) comes only when
 * the transaction itself is committed. */
#define BDB_COMMIT_FILES 4
int bdb_commit_with(struct bdb_txn *txn, const int *fds, size_t count);
void bdb_abort(struct bdb_txn *txn);

/* txn may be NULL for reading. *ret is memory for free(3). */
int bdb_get(struct bdb *bdb, struct bdb_txn *txn, size_t table, const void *key, size_t key_len, void **ret, size_t *ret_len);
int bdb_put(struct bdb *bdb, struct bdb_txn *txn, size_t table, const void *key, size_t key_len, const void *value, size_t len);
int bdb_del(struct bdb *bdb, struct bdb_txn *txn, size_t table, const void *key, size_t key_len);
/* The last record whose key is not above that one; key and value are memory for free(3). */
int bdb_floor(struct bdb *bdb, struct bdb_txn *txn, size_t table, const void *key, size_t key_len, void **ret_key, size_t *ret_key_len, void **ret,
    size_t *ret_len);
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
