/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Tables that are made when something is first put into them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libmailstore/bdb.h"
#include "tests/unit/libmailstore/store_tests.h"

enum { FIRST, LATER, LATEST, COUNT };
static const char *const names[COUNT] = { [FIRST] = "first", [LATER] = "later", [LATEST] = "latest" };
static char folder[] = "/tmp/test_bdb.XXXXXX";
static char dir[64];

static struct bdb *
opened(enum bdb_how how)
{
	struct bdb *bdb;

	ck_assert_int_eq(bdb_open(dir, "tables.db", names, COUNT, FIRST + 1, how, 1 << 20, &bdb), 0);
	return bdb;
}

static void
setup(void)
{
	static unsigned n;

	(void)snprintf(dir, sizeof(dir), "%s/%ld.%u", folder, (long)getpid(), n++);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
}

static int
has(struct bdb *bdb, struct bdb_txn *txn, size_t table, const char *key)
{
	void *value;
	size_t len;
	int r = bdb_get(bdb, txn, table, key, strlen(key), &value, &len);

	if (r == 0)
		free(value);
	return r;
}

static int
count_one(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	(void)key, (void)key_len, (void)value, (void)len;
	++*(unsigned *)context;
	return 0;
}

static unsigned
count(struct bdb *bdb, size_t table)
{
	unsigned found = 0;

	ck_assert_int_eq(bdb_scan(bdb, NULL, table, "", 0, 0, count_one, &found), 0);
	return found;
}

static struct bdb_txn *
begun(struct bdb *bdb)
{
	struct bdb_txn *txn;

	ck_assert_int_eq(bdb_begin(bdb, &txn), 0);
	return txn;
}

static void
put(struct bdb *bdb, struct bdb_txn *txn, size_t table, const char *key)
{
	ck_assert_int_eq(bdb_put(bdb, txn, table, key, strlen(key), "value", 5), 0);
}

START_TEST(empty_until_then)
{
	struct bdb *writer = opened(BDB_MAKING), *reader;
	struct bdb_txn *txn = begun(writer);
	uint64_t end;

	ck_assert_int_eq(has(writer, txn, LATER, "a"), BDB_NONE);
	ck_assert_int_eq(bdb_del(writer, txn, LATER, "a", 1), BDB_NONE);
	ck_assert_uint_eq(count(writer, LATER), 0);
	put(writer, txn, LATER, "a");
	ck_assert_int_eq(has(writer, txn, LATER, "a"), 0);
	ck_assert_int_eq(bdb_commit(txn, true), 0);
	ck_assert_uint_eq(count(writer, LATER), 1);
	ck_assert_int_eq(bdb_flush(writer), 0);
	/* Others find it, and another that is not there yet. */
	reader = opened(BDB_READING);
	ck_assert_int_eq(has(reader, NULL, LATER, "a"), 0);
	ck_assert_int_eq(has(reader, NULL, LATEST, "a"), BDB_NONE);
	/* Who opened before it was made finds nothing, and no fault: he opens again. */
	txn = begun(writer);
	put(writer, txn, LATEST, "b");
	ck_assert_int_eq(bdb_commit(txn, true), 0);
	ck_assert_int_eq(bdb_flush(writer), 0);
	ck_assert_uint_eq(count(reader, LATEST), 0);
	bdb_close(reader);
	reader = opened(BDB_READING);
	ck_assert_uint_eq(count(reader, LATEST), 1);
	bdb_close(reader);
	ck_assert_int_eq(bdb_checkpoint(writer, &end), 0);
	bdb_close(writer);
}
END_TEST

START_TEST(not_made_by_what_was_given_up)
{
	struct bdb *writer = opened(BDB_MAKING);
	struct bdb_txn *txn = begun(writer);

	put(writer, txn, FIRST, "kept not");
	put(writer, txn, LATER, "a");
	put(writer, txn, LATEST, "a");
	bdb_abort(txn);
	ck_assert_int_eq(has(writer, NULL, FIRST, "kept not"), BDB_NONE);
	ck_assert_int_eq(has(writer, NULL, LATER, "a"), BDB_NONE);
	txn = begun(writer);
	put(writer, txn, LATER, "b");
	put(writer, txn, FIRST, "c");
	ck_assert_int_eq(bdb_commit(txn, true), 0);
	/* Another is given up after it, and nothing of all that is in the file yet. */
	txn = begun(writer);
	put(writer, txn, LATEST, "d");
	bdb_abort(txn);
	bdb_close(writer);
	writer = opened(BDB_RECOVERING);
	ck_assert_uint_eq(count(writer, LATER), 1);
	ck_assert_int_eq(has(writer, NULL, FIRST, "c"), 0);
	ck_assert_uint_eq(count(writer, LATEST), 0);
	txn = begun(writer);
	put(writer, txn, LATEST, "e");
	ck_assert_int_eq(bdb_commit(txn, true), 0);
	ck_assert_uint_eq(count(writer, LATEST), 1);
	bdb_close(writer);
}
END_TEST

/* An empty table would be believed where that cannot be. */
START_TEST(the_first_must_be_there)
{
	static const char *const others[] = { "another", "later" };
	struct bdb *bdb = opened(BDB_MAKING);
	uint64_t end;

	ck_assert_int_eq(bdb_checkpoint(bdb, &end), 0);
	bdb_close(bdb);
	ck_assert_int_eq(bdb_open(dir, "tables.db", others, 2, 1, BDB_READING, 1 << 20, &bdb), BDB_BROKEN);
	ck_assert_int_eq(bdb_open(dir, "tables.db", others, 2, 1, BDB_WRITING, 1 << 20, &bdb), BDB_BROKEN);
	ck_assert_int_eq(bdb_open(dir, "nothing.db", names, COUNT, 1, BDB_RECOVERING, 1 << 20, &bdb), BDB_BROKEN);
}
END_TEST

int
main(void)
{
	TCase *tcase = tcase_create("bdb");

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, empty_until_then);
	tcase_add_test(tcase, not_made_by_what_was_given_up);
	tcase_add_test(tcase, the_first_must_be_there);
	return run_case("bdb", tcase, folder);
}
