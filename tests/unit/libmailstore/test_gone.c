/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What is remembered of messages that left, and for how long. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libmailstore/ms_internal.h"

#define MAILBOX 7
#define BOUND 100000

static char folder[] = "/tmp/test_gone.XXXXXX";
static struct ms_store *store;
static uint64_t first, last;

struct batch {
	unsigned count;
	uint64_t time; /* 0: as they leave now */
};

/* Each with a sequence of its own. */
static int
leave(struct ms_txn *txn, void *context)
{
	const struct batch *batch = context;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < batch->count; i++) {
		uint8_t key[16], value[16] = { 0 };

		r = ms_next_modseq(txn, &last);
		if (first == 0)
			first = last;
		if (r == 0 && batch->time == 0) {
			r = ms_gone_put(txn, last, MAILBOX, i + 1, last);
		} else if (r == 0) {
			ms_key_u64(key, last);
			ms_key_u32(key + 8, MAILBOX);
			ms_key_u32(key + 12, i + 1);
			ms_key_u64(value + 8, batch->time);
			r = ms_bdb(bdb_put(txn->bdb, txn->txn, T_GONE, key, 16, value, 16));
		}
	}
	return r;
}

static int
count_one(void *context, enum ms_change_kind kind, uint64_t email_id, const char *mailbox_id, uint32_t uid, uint64_t modseq)
{
	(void)email_id, (void)mailbox_id, (void)uid, (void)modseq;
	*(unsigned *)context += kind == MS_CHANGE_LEFT;
	return 0;
}

static unsigned
known_since(uint64_t modseq, int result)
{
	unsigned count = 0;

	ck_assert_int_eq(ms_account_changes(store, modseq, count_one, &count), result);
	return count;
}

static void
setup(void)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/%ld", folder, (long)getpid());
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(ms_open(path, &store), 0);
}

static void
teardown(void)
{
	ms_close(store);
}

START_TEST(the_last_hundred_thousand)
{
	struct batch batch = { .count = 100 };

	for (unsigned i = 0; i < (BOUND + 1000) / 100; i++)
		ck_assert_int_eq(ms_run(store, leave, &batch), 0);
	ck_assert_uint_eq(known_since(first, MS_E_FORGOTTEN), 0);
	ck_assert_uint_eq(known_since(last - 1000, 0), 1000);
	ck_assert_uint_ge(known_since(last - BOUND + 1, 0), BOUND - 1);
	/* Bounded, also in between. */
	ck_assert_uint_eq(known_since(last - BOUND - 200, MS_E_FORGOTTEN), 0);
}
END_TEST

START_TEST(thirty_days)
{
	struct batch old = { .count = 90, .time = 1000000000 }, now = { .count = 64 };
	uint64_t between;

	ck_assert_int_eq(ms_run(store, leave, &old), 0);
	between = last;
	ck_assert_uint_eq(known_since(between - 10, 0), 10);
	ck_assert_int_eq(ms_run(store, leave, &now), 0);
	ck_assert_uint_eq(known_since(between - 10, MS_E_FORGOTTEN), 0);
	ck_assert_uint_eq(known_since(between, 0), 64);
}
END_TEST

/* A new index knows nothing of what left before it. */
START_TEST(a_new_index)
{
	struct batch now = { .count = 3 };
	uint64_t before;

	ck_assert_int_eq(ms_run(store, leave, &now), 0);
	before = last;
	ck_assert_uint_eq(known_since(before - 1, 0), 1);
	ck_assert_int_eq(ms_rebuild(store), 0);
	ck_assert_uint_eq(known_since(before, MS_E_FORGOTTEN), 0);
	ck_assert_int_eq(ms_run(store, leave, &now), 0);
	ck_assert_uint_eq(known_since(last - 1, 0), 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("gone");
	TCase *tcase = tcase_create("gone");
	SRunner *runner;
	char command[96];
	int failed;

	if (mkdtemp(folder) == NULL)
		return 1;
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, the_last_hundred_thousand);
	tcase_add_test(tcase, thirty_days);
	tcase_add_test(tcase, a_new_index);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	(void)snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command) == 0 && failed == 0 ? 0 : 1;
}
