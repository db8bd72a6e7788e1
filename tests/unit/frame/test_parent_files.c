/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The copies of files that roles are handed. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frame/frame_msg.h"
#include "frame/parent_files.h"

static char path[] = "/tmp/test_parent_files.XXXXXX", none[] = "", null[] = "/dev/null";
static const struct role_file rows[] = {
	{ offsetof(struct fourpost_conf, aliases), ROLE_AUTH, MSG_ALIASES_FILE, false },
	{ offsetof(struct fourpost_conf, srs_secret), ROLE_AUTH, MSG_SECRET_FILE, false },
};
static const struct role_file optional_row = { offsetof(struct fourpost_conf, aliases), ROLE_AUTH, MSG_ALIASES_FILE, true };
static const struct daemon testd = { .name = "testd", .files = rows, .file_count = 2 };
static struct fourpost_conf conf;
static struct parent_files files;
static struct buf errors = BUF_INIT(65536);

static void
write_file(const char *text)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static void
setup(void)
{
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	(void)close(fd);
	write_file("first\n");
	conf = (struct fourpost_conf){ .tls_certificate = none, .aliases = path, .srs_secret = null };
}

static void
teardown(void)
{
	parent_files_drop(&files);
	buf_free(&errors);
	(void)unlink(path);
}

static const char *
text_of(size_t i)
{
	static char text[64];
	ssize_t n = pread(files.file[i].fd, text, sizeof(text) - 1, 0);

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	return text;
}

START_TEST(copies_stay)
{
	ck_assert_int_eq(parent_files_take(&testd, &conf, &files, &errors), 0);
	ck_assert_uint_eq(files.count, 2);
	ck_assert_uint_eq(files.file[0].type, MSG_ALIASES_FILE);
	ck_assert(parent_files_stand(&files, &conf, &errors));
	write_file("second\n");
	ck_assert_str_eq(text_of(0), "first\n");
	ck_assert_str_eq(text_of(1), "");
	ck_assert_int_eq(pwrite(files.file[0].fd, "x", 1, 0), -1);
}
END_TEST

/* In place, by another under its name, and by none. */
START_TEST(changes_are_seen)
{
	char other[80];

	ck_assert_int_eq(parent_files_take(&testd, &conf, &files, &errors), 0);
	if (_i == 0) {
		write_file("longer than it was\n");
	} else if (_i == 1) {
		(void)snprintf(other, sizeof(other), "%s.new", path);
		ck_assert_int_eq(rename(path, other), 0);
		write_file("other\n");
		(void)unlink(other);
	} else {
		ck_assert_int_eq(unlink(path), 0);
	}
	ck_assert(!parent_files_stand(&files, &conf, &errors));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&errors), " was changed while it was read: reload again\n"));
}
END_TEST

START_TEST(missing)
{
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(parent_files_take(&testd, &conf, &files, &errors), -ENOENT);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&errors), ": No such file or directory\n"));
	ck_assert_uint_eq(files.count, 1); /* the other is there */
}
END_TEST

START_TEST(missing_and_optional)
{
	const struct daemon without = { .name = "testd", .files = &optional_row, .file_count = 1 };

	ck_assert_int_eq(parent_files_take(&without, &conf, &files, &errors), 0);
	ck_assert_uint_eq(files.count, 1);
	parent_files_drop(&files);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(parent_files_take(&without, &conf, &files, &errors), 0);
	ck_assert_uint_eq(files.count, 0);
	ck_assert_uint_eq(errors.len, 0);
}
END_TEST

int
main(void)
{
	TCase *test = tcase_create("parent_files");
	Suite *suite = suite_create("parent_files");
	SRunner *runner = srunner_create(suite);
	int failures;

	tcase_add_checked_fixture(test, setup, teardown);
	tcase_add_test(test, copies_stay);
	tcase_add_loop_test(test, changes_are_seen, 0, 3);
	tcase_add_test(test, missing);
	tcase_add_test(test, missing_and_optional);
	suite_add_tcase(suite, test);
	srunner_run_all(runner, CK_NORMAL);
	failures = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
