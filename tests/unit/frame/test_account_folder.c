/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The folder that a worker finds or makes: whose it is, what is on the way to it, and what another that was killed has left of it. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frame/account_folder.h"

#define UID 1000007

static char top[] = "/tmp/test_account_folder.XXXXXX";

static const char *
at(const char *relative)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", top, relative);
	return path;
}

static int
find(const char *relative)
{
	char *path = NULL;
	int r = account_folder(top, span_of(relative), UID, geteuid() == 0, &path);

	if (r == 0)
		ck_assert_str_eq(path, at(relative));
	else
		ck_assert_ptr_null(path);
	free(path);
	return r;
}

static struct stat
stat_of(const char *relative)
{
	struct stat st;

	ck_assert_int_eq(lstat(at(relative), &st), 0);
	return st;
}

START_TEST(made)
{
	(void)umask(077);
	ck_assert_int_eq(find("a.test/u"), 0);
	ck_assert_uint_eq(stat_of("a.test").st_mode & 07777, 0711);
	ck_assert_uint_eq(stat_of("a.test/u").st_mode & 07777, 0700);
	if (geteuid() == 0)
		ck_assert_uint_eq(stat_of("a.test/u").st_uid, UID);
	ck_assert_int_eq(find("a.test/u"), 0);
	ck_assert_uint_eq(umask(022), 077);
}
END_TEST

START_TEST(names)
{
	static const char *const bad[] = { "", "a.test", "a.test/", "/u", "../u", "a.test/..", "a.test/.", "./u", "a.test/u/x", "a.test/.u", "a.test//u" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(find(bad[i]) == -EINVAL, "%s", bad[i]);
	ck_assert_int_eq(access(at("a.test"), F_OK), -1);
}
END_TEST

START_TEST(links)
{
	ck_assert_int_eq(mkdir(at("b.test"), 0755), 0);
	ck_assert_int_eq(symlink("b.test", at("l.test")), 0);
	ck_assert_int_eq(symlink("/tmp", at("b.test/l")), 0);
	ck_assert_int_lt(find("l.test/u"), 0);
	ck_assert_int_lt(find("b.test/l"), 0);
	ck_assert_int_eq(access(at("b.test/u"), F_OK), -1);
	ck_assert_int_ne(stat_of("b.test/l").st_uid, UID);
}
END_TEST

START_TEST(of_another)
{
	if (geteuid() != 0)
		return;
	ck_assert_int_eq(mkdir(at("b.test"), 0755), 0);
	ck_assert_int_eq(mkdir(at("b.test/u"), 0700), 0);
	ck_assert_int_eq(chown(at("b.test/u"), UID + 1, UID + 1), 0);
	ck_assert_int_eq(find("b.test/u"), -EPERM);
	/* Root's, with something in it. */
	ck_assert_int_eq(mkdir(at("b.test/v"), 0700), 0);
	ck_assert_int_eq(mkdir(at("b.test/v/x"), 0700), 0);
	ck_assert_int_eq(find("b.test/v"), -EPERM);
	ck_assert_uint_eq(stat_of("b.test/v").st_uid, 0);
}
END_TEST

/* By somebody who was killed before it was given to the account. */
START_TEST(half_made)
{
	if (geteuid() != 0)
		return;
	ck_assert_int_eq(mkdir(at("b.test"), 0711), 0);
	ck_assert_int_eq(mkdir(at("b.test/u"), 0700), 0);
	ck_assert_int_eq(find("b.test/u"), 0);
	ck_assert_uint_eq(stat_of("b.test/u").st_uid, UID);
	ck_assert_uint_eq(stat_of("b.test/u").st_gid, UID);
}
END_TEST

static void
setup(void)
{
	memcpy(top + strlen(top) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(top));
}

static void
clean(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s", top);
	(void)!system(command);
}

int
main(void)
{
	Suite *suite = suite_create("account_folder");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, clean);
	tcase_add_test(tests, made);
	tcase_add_test(tests, names);
	tcase_add_test(tests, links);
	tcase_add_test(tests, of_another);
	tcase_add_test(tests, half_made);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
