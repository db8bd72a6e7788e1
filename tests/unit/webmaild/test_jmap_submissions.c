/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What is kept of submissions: as many as can be read again. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "webmaild/jmap_file.h"
#include "webmaild/jmap_submission.h"

#define NAME "submissions.json"

static char folder[64], path[96];
static char account[] = "a@b.test";
static struct proc proc = { .account = account, .account_dir = folder };
static struct session session = { .proc = &proc };
static struct jmap jmap = { .session = &session };

static void
set_up(void)
{
	(void)snprintf(folder, sizeof(folder), "/tmp/test_submissions.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/" NAME, folder);
}

static void
tear_down(void)
{
	(void)unlink(path);
	ck_assert_int_eq(rmdir(folder), 0);
}

/* As one to so many recipients is kept. */
static json_t *
entry(unsigned number, unsigned recipients)
{
	json_t *list = json_array();
	char id[32], email[64];

	for (unsigned i = 0; i < recipients; i++) {
		(void)snprintf(email, sizeof(email), "recipient-%u@somewhere.example.org", i);
		(void)json_array_append_new(list, json_pack("{s:s, s:n}", "email", email, "parameters"));
	}
	(void)snprintf(id, sizeof(id), "s%u", number);
	return json_pack("{s:s, s:{s:o}}", "id", id, "envelope", "rcptTo", list);
}

/* After so many submissions with so many recipients the last is known, and the state. */
static void
submit(unsigned count, unsigned recipients, size_t kept_min)
{
	json_t *file = jmap_submissions_load(&jmap);
	char last[32];

	for (unsigned i = 1; i <= count; i++) {
		(void)json_array_append_new(json_object_get(file, "list"), entry(i, recipients));
		(void)json_object_set_new(file, "state", json_integer(i));
	}
	ck_assert_int_eq(jmap_submissions_save(&jmap, file), 0);
	json_decref(file);
	file = jmap_submissions_load(&jmap);
	(void)snprintf(last, sizeof(last), "s%u", count);
	ck_assert_str_eq(jmap_submissions_state(file).text, last);
	ck_assert_uint_ge(json_array_size(json_object_get(file, "list")), kept_min);
	ck_assert_ptr_nonnull(jmap_submissions_find(file, span_of(last)));
	json_decref(file);
}

START_TEST(five_hundred_are_kept)
{
	submit(600, 1, 500);
}
END_TEST

START_TEST(of_large_ones_fewer_are_kept)
{
	submit(100, 1000, 30);
}
END_TEST

START_TEST(what_could_not_be_read_is_not_written)
{
	json_t *small = json_pack("{s:s}", "name", "Alice"), *large = json_object(), *loaded;
	struct buf text = BUF_INIT(5 << 20);

	while (text.len < 4 << 20)
		(void)buf_char(&text, 'x');
	(void)json_object_set_new(large, "name", json_stringn(text.data, text.len));
	ck_assert_int_eq(jmap_file_save(folder, NAME, small), 0);
	ck_assert_int_eq(jmap_file_save(folder, NAME, large), -EFBIG);
	loaded = jmap_file_load(folder, NAME);
	ck_assert(json_equal(loaded, small));
	json_decref(small);
	json_decref(large);
	json_decref(loaded);
	buf_free(&text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("jmap_submissions");
	TCase *tests = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, five_hundred_are_kept);
	tcase_add_test(tests, of_large_ones_fewer_are_kept);
	tcase_add_test(tests, what_could_not_be_read_is_not_written);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
