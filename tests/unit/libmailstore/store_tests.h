/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What the store's tests share: a folder for their accounts, and the end of main. */
#ifndef TESTS_STORE_TESTS_H
#define TESTS_STORE_TESTS_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A new account's folder, another one for each test. */
static inline void
make_account(const char *folder, char *account, size_t room)
{
	static unsigned n;

	(void)snprintf(account, room, "%s/%ld.%u", folder, (long)getpid(), n++);
	ck_assert_int_eq(mkdir(account, 0700), 0);
}

/* Runs commands of the shell in that folder of the account's, "." for its own. */
static inline void
shell_in(const char *account, const char *part, const char *script)
{
	char command[1024];

	ck_assert_int_lt(snprintf(command, sizeof(command), "cd %s/%s && %s", account, part, script), (int)sizeof(command));
	ck_assert_msg(system(command) == 0, "%s", command);
}

/* Runs all tests of the case; main returns what this does. folder (a template of mkdtemp, or NULL: they need none) is there meanwhile. */
static inline int
run_case(const char *name, TCase *tcase, char *folder)
{
	Suite *suite = suite_create(name);
	SRunner *runner = srunner_create(suite);
	char command[128];
	int failed;

	if (folder != NULL && mkdtemp(folder) == NULL)
		return 1;
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	(void)snprintf(command, sizeof(command), "rm -rf %s", folder != NULL ? folder : "");
	return failed != 0 || (folder != NULL && system(command) != 0);
}

#endif
