/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What is remembered of messages that left, and for how long. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libmailstore/ms_internal.h"
#include "tests/unit/libmailstore/store_tests.h"

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
		struct ms_gone gone = { .mailbox = MAILBOX, .uid = i + 1 };
		uint8_t key[16], value[32] = { 0 };

		r = ms_next_modseq(txn, &last);
		if (first == 0)
			first = last;
		if (r == 0 && batch->time == 0) {
			gone.modseq = gone.id = last;
			r = ms_gone_put(txn, &gone);
		} else if (r == 0) {
			ms_key_u64(key, last);
			ms_key_u32(key + 8, MAILBOX);
			ms_key_u32(key + 12, i + 1);
			ms_key_u64(value + 8, batch->time);
			r = ms_bdb(bdb_put(txn->bdb, txn->txn, T_GONE, key, 16, value, sizeof(value)));
		}
	}
	return r;
}

struct since {
	uint64_t modseq;
	unsigned count;
};

static int
count_one(void *context, const struct ms_event *event)
{
	struct since *since = context;

	since->count += event->kind == MS_EVENT_LEFT && event->modseq > since->modseq;
	return 0;
}

/* Whether all is known since then; how many left. */
static unsigned
known_since(uint64_t modseq, bool known)
{
	struct since since = { .modseq = modseq };
	uint64_t floor;

	ck_assert_int_eq(ms_account_history(store, count_one, &since, &floor), 0);
	ck_assert_int_eq(modseq >= floor, known);
	return known ? since.count : 0;
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
	ck_assert_uint_eq(known_since(first, false), 0);
	ck_assert_uint_eq(known_since(last - 1000, true), 1000);
	ck_assert_uint_ge(known_since(last - BOUND + 1, true), BOUND - 1);
	/* Bounded, also in between. */
	ck_assert_uint_eq(known_since(last - BOUND - 200, false), 0);
}
END_TEST

START_TEST(thirty_days)
{
	struct batch old = { .count = 90, .time = 1000000000 }, now = { .count = 64 };
	uint64_t between;

	ck_assert_int_eq(ms_run(store, leave, &old), 0);
	between = last;
	ck_assert_uint_eq(known_since(between - 10, true), 10);
	ck_assert_int_eq(ms_run(store, leave, &now), 0);
	ck_assert_uint_eq(known_since(between - 10, false), 0);
	ck_assert_uint_eq(known_since(between, true), 64);
}
END_TEST

/* A new index knows nothing of what left before it. */
START_TEST(a_new_index)
{
	struct batch now = { .count = 3 };
	uint64_t before;

	ck_assert_int_eq(ms_run(store, leave, &now), 0);
	before = last;
	ck_assert_uint_eq(known_since(before - 1, true), 1);
	ck_assert_int_eq(ms_rebuild(store), 0);
	ck_assert_uint_eq(known_since(before, false), 0);
	ck_assert_int_eq(ms_run(store, leave, &now), 0);
	ck_assert_uint_eq(known_since(last - 1, true), 1);
}
END_TEST

int
main(void)
{
	TCase *tcase = tcase_create("gone");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, the_last_hundred_thousand);
	tcase_add_test(tcase, thirty_days);
	tcase_add_test(tcase, a_new_index);
	return run_case("gone", tcase, folder);
}
