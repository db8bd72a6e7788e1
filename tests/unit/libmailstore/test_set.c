/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Sets of pairs: against a sorted list, with what comes in order and what does not. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libmailstore/ms_fields.h"
#include "libmailstore/ms_set.h"
#include "tests/unit/libmailstore/store_tests.h"

static char folder[] = "/tmp/test_set.XXXXXX";
static struct ms_store *store;

static void
setup(void)
{
	char account[64];

	make_account(folder, account, sizeof(account));
	ck_assert_int_eq(ms_open(account, &store), 0);
}

static void
teardown(void)
{
	ms_close(store);
}

/* --- the model --- */

#define MODEL_MAX 4000

struct model {
	const struct ms_set *set;
	struct ms_pair list[MODEL_MAX];
	size_t count, at;
	uint64_t seed;
	unsigned steps;
	bool in_order;
};

static uint64_t
number(struct model *model)
{
	model->seed = model->seed * 6364136223846793005u + 1442695040888963407u;
	return model->seed >> 20;
}

static size_t
place_of(const struct model *model, const struct ms_pair *pair)
{
	size_t i = 0;

	while (i < model->count && ms_pair_compare(&model->list[i], pair) < 0)
		i++;
	return i;
}

static int
change(struct ms_txn *txn, void *context)
{
	struct model *model = context;

	for (unsigned step = 0; step < model->steps; step++) {
		bool remove = model->count > 0 && (model->count == MODEL_MAX || number(model) % 4 == 0);
		struct ms_pair pair = { number(model) % 3 != 0 ? number(model) : number(model) % 50, number(model) };
		size_t i;

		if (model->in_order)
			pair.a = (uint64_t)step << 30;
		if (remove)
			pair = model->list[number(model) % model->count];
		i = place_of(model, &pair);
		if (remove) {
			model->count--;
			memmove(&model->list[i], &model->list[i + 1], (model->count - i) * sizeof(pair));
		} else {
			memmove(&model->list[i + 1], &model->list[i], (model->count - i) * sizeof(pair));
			model->list[i] = pair;
			model->count++;
		}
		ck_assert_int_eq((remove ? ms_set_remove : ms_set_add)(txn, model->set, pair.a, pair.b), 0);
		/* Once more, it changes nothing. */
		if (number(model) % 8 == 0)
			ck_assert_int_eq((remove ? ms_set_remove : ms_set_add)(txn, model->set, pair.a, pair.b), 0);
	}
	return 0;
}

static int
compare(void *context, uint64_t a, uint64_t b)
{
	struct model *model = context;

	ck_assert(model->at < model->count && model->list[model->at].a == a && model->list[model->at].b == b);
	model->at++;
	return 0;
}

/* From any pair to any a. */
static int
look(struct bdb *bdb, void *context)
{
	struct model *model = context;

	for (unsigned i = 0; i < 300; i++) {
		struct ms_pair first = { i == 0 ? 0 : number(model) % 60, 0 };
		uint64_t last = i == 0 ? UINT64_MAX : first.a + number(model) % 20, b;
		size_t end;

		if (i % 3 == 2 && model->count > 0)
			first = model->list[number(model) % model->count], last = first.a;
		model->at = place_of(model, &first);
		end = last == UINT64_MAX ? model->count : place_of(model, &(struct ms_pair){ last + 1, 0 });
		ck_assert_int_eq(ms_set_each(bdb, NULL, model->set, first, last, compare, model), 0);
		ck_assert_uint_eq(model->at, end);
		model->at = place_of(model, &(struct ms_pair){ first.a, 0 });
		if (model->at < model->count && model->list[model->at].a == first.a) {
			ck_assert_int_eq(ms_set_get(bdb, NULL, model->set, first.a, &b), 0);
			ck_assert_uint_eq(b, model->list[model->at].b);
		} else {
			ck_assert_int_eq(ms_set_get(bdb, NULL, model->set, first.a, &b), MS_E_NOTFOUND);
		}
	}
	return 0;
}

START_TEST(as_a_list)
{
	static const struct ms_set *const sets[] = { &ms_set_changes, &ms_set_places, &ms_set_threads, &ms_set_known };
	static struct model models[4];

	for (unsigned round = 0; round < 6; round++)
		for (unsigned i = 0; i < 4; i++) {
			models[i].set = sets[i];
			models[i].in_order = i == 0 && round == 0;
			models[i].steps = 500;
			models[i].seed += round + i;
			ck_assert_int_eq(ms_run(store, change, &models[i]), 0);
			ck_assert_int_eq(ms_read(store, look, &models[i]), 0);
		}
}
END_TEST

/* --- records --- */

START_TEST(as_bytes)
{
	static const struct ms_pair list[] = { { 0, UINT64_MAX }, { 1, 0 }, { 1, 1 }, { 77, UINT64_MAX }, { UINT64_MAX, 3 }, { UINT64_MAX, 4 } };
	struct buf record = BUF_INIT(4096);
	struct ms_pairs pairs;

	for (int near = MS_NEAR_LAST; near <= MS_NEAR_OWN; near++) {
		buf_clear(&record);
		ms_pairs_put(list, 6, &(struct ms_pair){ 0, 5 }, (enum ms_pairs_near)near, &record);
		ck_assert_int_eq(ms_pairs_get(buf_get(&record), &(struct ms_pair){ 0, 5 }, (enum ms_pairs_near)near, &pairs), 0);
		ck_assert_uint_eq(pairs.count, 6);
		for (size_t i = 0; i < 6; i++)
			ck_assert_int_eq(ms_pair_compare(&pairs.list[i], &list[i]), 0);
		for (size_t i = 0; i < record.len; i++) {
			record.data[i] ^= 4;
			ck_assert_int_eq(ms_pairs_get(buf_get(&record), &(struct ms_pair){ 0, 5 }, (enum ms_pairs_near)near, &pairs), MS_E_CORRUPT);
			record.data[i] ^= 4;
		}
	}
	/* Well sealed, and nonsense: none, out of order, twice the same, cut. */
	for (unsigned i = 0; i < 4; i++) {
		buf_clear(&record);
		(void)buf_char(&record, MS_VERSION_BYTE);
		for (unsigned k = 0; i > 0 && k < 2; k++) {
			ms_put_number(&record, i == 1 && k == 1 ? UINT64_MAX : 0);
			ms_put_signed(&record, 0);
		}
		if (i == 3)
			ms_put_number(&record, 7);
		ms_seal(&record, 0);
		ck_assert_int_eq(ms_pairs_get(buf_get(&record), &(struct ms_pair){ 5, 5 }, MS_NEAR_LAST, &pairs), MS_E_CORRUPT);
	}
	buf_free(&record);
}
END_TEST

int
main(void)
{
	TCase *tcase = tcase_create("set");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, as_a_list);
	tcase_add_test(tcase, as_bytes);
	return run_case("set", tcase, folder);
}
