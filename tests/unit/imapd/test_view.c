/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Sequence numbers and UIDs: sets of every form against small mailboxes, expunges told one by one and as VANISHED. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "imapd/imap_parse.h"
#include "imapd/imap_view_state.h"

static struct imap_view view;

static void
fill(void)
{
	static const uint32_t uids[] = { 2, 3, 5, 8, 4294967295u };
	size_t i;

	view = (struct imap_view){ 0 };
	for (i = 0; i < sizeof(uids) / sizeof(uids[0]); i++)
		ck_assert(imap_view_add(&view, uids[i], 0));
}

static void
empty(void)
{
	imap_view_free(&view);
}

static const struct {
	const char *set;
	bool by_uid;
	int rc;
	const char *seqs;
} rows[] = {
	{ "1", false, 0, "1" },
	{ "5", false, 0, "5" },
	{ "6", false, -ERANGE, "" },
	{ "4:6", false, -ERANGE, "" },
	{ "*", false, 0, "5" },
	{ "1:*", false, 0, "1:5" },
	{ "*:4", false, 0, "4:5" },
	{ "3:1,2:4", false, 0, "1:4" },
	{ "4,1,2", false, 0, "1:2,4" },
	{ "1,1,1", false, 0, "1" },
	{ "5", true, 0, "3" },
	{ "4", true, 0, "" },
	{ "1:4", true, 0, "1:2" },
	{ "3:8", true, 0, "2:4" },
	{ "9:*", true, 0, "5" },
	{ "1:4294967295", true, 0, "1:5" },
	{ "4294967295", true, 0, "5" },
	{ "*", true, 0, "5" },
	{ "6:7,1", true, 0, "" },
	{ "8:2", true, 0, "1:4" },
};

static struct imap_set
parse(struct imap_arena *arena, char *text)
{
	struct imap_parser parser = { .at = text, .end = text + strlen(text), .arena = arena };
	struct imap_set set;

	ck_assert(imap_parse_set(&parser, &set));
	ck_assert(imap_at_end(&parser));
	return set;
}

START_TEST(sets)
{
	struct imap_arena arena = { .max = 65536 };
	struct buf out = BUF_INIT(200);
	struct imap_set_text text = { .out = &out };
	struct imap_span_list list;
	char *copy = strdup(rows[_i].set);
	struct imap_set set = parse(&arena, copy);
	uint32_t seq;
	size_t i;

	ck_assert_int_eq(imap_view_resolve(&view, &set, rows[_i].by_uid, &list), rows[_i].rc);
	for (i = 0; i < list.count; i++)
		for (seq = list.span[i].first; seq <= list.span[i].last; seq++)
			imap_set_add(&text, seq);
	imap_set_end(&text);
	ck_assert_str_eq(buf_cstr(&out), rows[_i].seqs);
	free(list.span);
	buf_free(&out);
	imap_arena_free(&arena);
	free(copy);
}
END_TEST

START_TEST(nothing_there)
{
	static const struct imap_range ranges[] = { { 1, IMAP_STAR }, { 1, 1 } };
	struct imap_view none = { 0 };
	struct imap_range range = ranges[0];
	struct imap_set set = { .range = &range, .count = 1 };
	struct imap_span_list list;

	ck_assert_int_eq(imap_view_resolve(&none, &set, false, &list), 0);
	ck_assert_uint_eq(list.count, 0);
	free(list.span);
	range = ranges[1];
	ck_assert_int_eq(imap_view_resolve(&none, &set, false, &list), -ERANGE);
	ck_assert_int_eq(imap_view_resolve(&none, &set, true, &list), 0);
	free(list.span);
}
END_TEST

START_TEST(ascending_only)
{
	ck_assert(!imap_view_add(&view, 8, 0));
	ck_assert_uint_eq(view.count, 5);
	ck_assert_uint_eq(imap_view_seq(&view, 8), 4);
	ck_assert_uint_eq(imap_view_seq(&view, 7), 0);
	ck_assert_uint_eq(imap_view_seq(&view, 4294967295u), 5);
	ck_assert_uint_eq(imap_view_last(&view), 4294967295u);
}
END_TEST

START_TEST(taken_over)
{
	struct ms_uid_run *runs = calloc(2, sizeof(*runs));
	struct imap_view large;

	ck_assert_ptr_nonnull(runs);
	runs[0] = (struct ms_uid_run){ 7, 0 };
	runs[1] = (struct ms_uid_run){ 20, 3 };
	imap_view_begin(&large, runs, 2, 5);
	ck_assert_uint_eq(imap_view_seq(&large, 9), 3);
	ck_assert_uint_eq(imap_view_seq(&large, 10), 0);
	ck_assert_uint_eq(imap_view_uid(&large, 4), 20);
	ck_assert_uint_eq(imap_view_last(&large), 21);
	ck_assert(imap_view_add(&large, 22, IMAP_VIEW_RECENT));
	ck_assert(imap_view_add(&large, 30, IMAP_VIEW_RECENT));
	ck_assert_uint_eq(large.run_count, 3);
	ck_assert_uint_eq(imap_view_uid(&large, 6), 22);
	ck_assert_uint_eq(imap_view_uid(&large, 7), 30);
	ck_assert_uint_eq(large.recent, 2);
	imap_view_free(&large);
}
END_TEST

/* Against a plain list: messages come with and without gaps, and leave. */
#define MODEL_MAX 4000
static uint32_t model[MODEL_MAX];
static size_t model_count;

static void
compare_model(const struct imap_view *some)
{
	struct imap_view_walk walk = { .view = some };

	ck_assert_uint_eq(some->count, model_count);
	ck_assert_uint_eq(imap_view_last(some), model_count > 0 ? model[model_count - 1] : 0);
	for (size_t i = 0; i < model_count; i++) {
		ck_assert_uint_eq(imap_view_next(&walk), model[i]);
		ck_assert_uint_eq(imap_view_uid(some, (uint32_t)i + 1), model[i]);
		ck_assert_uint_eq(imap_view_seq(some, model[i]), i + 1);
		if (i + 1 < model_count && model[i + 1] > model[i] + 1)
			ck_assert_uint_eq(imap_view_seq(some, model[i] + 1), 0);
	}
	ck_assert_uint_eq(imap_view_next(&walk), 0);
}

START_TEST(same_as_a_list)
{
	struct imap_view some = { 0 };
	uint32_t uid = 0;

	srand(3);
	for (unsigned round = 0; round < 40; round++) {
		struct buf out = BUF_INIT(1 << 20);
		unsigned odds = round % 10 == 5 ? 1 : 2 + (unsigned)rand() % 6;
		size_t kept = 0;

		for (unsigned i = 0; i < 80; i++) {
			uid += rand() % 4 == 0 ? 1 + (uint32_t)rand() % 5 : 1;
			ck_assert(imap_view_add(&some, uid, 0));
			model[model_count++] = uid;
		}
		for (size_t i = 0; i < model_count; i++) {
			if ((unsigned)rand() % odds == 0)
				imap_view_set(&some, (uint32_t)i + 1, IMAP_VIEW_GONE);
			else
				model[kept++] = model[i];
		}
		model_count = kept;
		imap_view_expunge(&some, round % 2 == 0, &out);
		buf_free(&out);
		compare_model(&some);
	}
	ck_assert_uint_gt(model_count, 50);
	uid = model[model_count / 2];
	imap_view_rewind(&some, uid, NULL, 0);
	while (model_count > 0 && model[model_count - 1] > uid)
		model_count--;
	compare_model(&some);
	imap_view_free(&some);
}
END_TEST

START_TEST(expunges)
{
	struct buf out = BUF_INIT(400);

	imap_view_set(&view, 1, IMAP_VIEW_RECENT);
	imap_view_set(&view, 2, IMAP_VIEW_GONE | IMAP_VIEW_RECENT);
	imap_view_set(&view, 3, IMAP_VIEW_GONE);
	imap_view_set(&view, 3, IMAP_VIEW_GONE);
	imap_view_set(&view, 5, IMAP_VIEW_GONE);
	ck_assert_uint_eq(view.gone, 3);
	imap_view_expunge(&view, false, &out);
	ck_assert_str_eq(buf_cstr(&out), "* 2 EXPUNGE\r\n* 2 EXPUNGE\r\n* 3 EXPUNGE\r\n");
	ck_assert_uint_eq(view.count, 2);
	ck_assert_uint_eq(view.gone, 0);
	ck_assert_uint_eq(view.recent, 1);
	ck_assert_uint_eq(imap_view_seq(&view, 8), 2);
	buf_clear(&out);
	imap_view_expunge(&view, false, &out);
	ck_assert_uint_eq(out.len, 0);
	buf_free(&out);
}
END_TEST

START_TEST(vanished)
{
	struct buf out = BUF_INIT(400);

	imap_view_set(&view, 1, IMAP_VIEW_GONE);
	imap_view_set(&view, 2, IMAP_VIEW_GONE);
	imap_view_set(&view, 4, IMAP_VIEW_GONE);
	imap_view_expunge(&view, true, &out);
	ck_assert_str_eq(buf_cstr(&out), "* VANISHED 2:3,8\r\n");
	buf_free(&out);
}
END_TEST

START_TEST(rewound)
{
	uint32_t expunged[] = { 9, 4, 1, 4, 5 };
	struct buf out = BUF_INIT(400);

	/* 2 3 5 8 are there, 5 is named by mistake; 9 came and went later; the client knew up to 8. */
	imap_view_rewind(&view, 8, expunged, sizeof(expunged) / sizeof(expunged[0]));
	ck_assert_uint_eq(view.count, 6);
	ck_assert_uint_eq(view.gone, 2);
	ck_assert_uint_eq(imap_view_seq(&view, 4), 4);
	ck_assert_uint_eq(imap_view_seq(&view, 9), 0);
	ck_assert_uint_eq(imap_view_last(&view), 8);
	imap_view_expunge(&view, true, &out);
	ck_assert_str_eq(buf_cstr(&out), "* VANISHED 1,4\r\n");
	buf_free(&out);
}
END_TEST

START_TEST(saved_result)
{
	struct imap_set set = { .saved = true };
	struct imap_span_list list;

	ck_assert_int_eq(imap_view_resolve(&view, &set, true, &list), 0);
	ck_assert_uint_eq(list.count, 0);
	free(list.span);
	imap_view_set(&view, 2, IMAP_VIEW_FOUND);
	imap_view_set(&view, 3, IMAP_VIEW_FOUND);
	imap_view_set(&view, 5, IMAP_VIEW_FOUND);
	ck_assert_int_eq(imap_view_resolve(&view, &set, false, &list), 0);
	ck_assert_uint_eq(list.count, 2);
	ck_assert_uint_eq(list.span[0].first, 2);
	ck_assert_uint_eq(list.span[0].last, 3);
	ck_assert_uint_eq(list.span[1].first, 5);
	ck_assert_uint_eq(list.span[1].last, 5);
	free(list.span);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("imap_view");
	TCase *tests = tcase_create("view");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, fill, empty);
	tcase_add_loop_test(tests, sets, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(tests, nothing_there);
	tcase_add_test(tests, ascending_only);
	tcase_add_test(tests, taken_over);
	tcase_add_test(tests, same_as_a_list);
	tcase_add_test(tests, expunges);
	tcase_add_test(tests, vanished);
	tcase_add_test(tests, rewound);
	tcase_add_test(tests, saved_result);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
