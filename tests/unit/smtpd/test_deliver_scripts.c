/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Scripts that cannot be had: each is told as one, and those that follow it are there. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "smtpd/deliver.h"
#include "tests/unit/libmailstore/store_tests.h"

static char folder[] = "/tmp/test_scripts.XXXXXX";
static char account[64], site[80], own[80];

static struct scripts *
begin(const char *script)
{
	static struct scripts *scripts; /* as a process's, they live until its end */

	make_account(folder, account, sizeof(account));
	(void)snprintf(site, sizeof(site), "%s/site", account);
	(void)snprintf(own, sizeof(own), "%s/sieve", account);
	shell_in(account, ".", script);
	scripts = scripts_new(site, own, 0);
	scripts_begin(scripts);
	return scripts;
}

static void
is_unusable(const struct script *script, const char *name)
{
	ck_assert_ptr_nonnull(script);
	ck_assert_msg(span_ends(span_of(script->path), span_of(name)), "%s", script->path);
	ck_assert_ptr_null(script->program);
	ck_assert_int_ne(script->faults[0], '\0');
}

static void
is_usable(const struct script *script, const char *name)
{
	ck_assert_ptr_nonnull(script);
	ck_assert_msg(span_ends(span_of(script->path), span_of(name)), "%s", script->path);
	ck_assert_ptr_nonnull(script->program);
}

START_TEST(one_ends_no_list)
{
	struct scripts *scripts = begin("mkdir -p site/before/10-folder.sieve && ln -s nowhere site/before/00-lost.sieve && echo 'keep;' > site/before/20-good.sieve");

	is_unusable(scripts_at(scripts, SCRIPT_BEFORE, 0), "/00-lost.sieve");
	is_unusable(scripts_at(scripts, SCRIPT_BEFORE, 1), "/10-folder.sieve");
	is_usable(scripts_at(scripts, SCRIPT_BEFORE, 2), "/20-good.sieve");
	ck_assert_ptr_null(scripts_at(scripts, SCRIPT_BEFORE, 3));
	ck_assert_ptr_null(scripts_at(scripts, SCRIPT_AFTER, 0));
	ck_assert_ptr_null(scripts_at(scripts, SCRIPT_ACTIVE, 0));
}
END_TEST

START_TEST(one_is_too_large)
{
	struct scripts *scripts = begin("mkdir -p site/before && { echo 'keep;'; yes '# no more than a megabyte' | head -c 1048570; } > site/before/1.sieve && "
	    "{ echo 'keep;'; yes '# no more than a megabyte' | head -c 1048571; } > site/before/2.sieve && yes '#' | head -c 3000000 > site/before/3.sieve");

	is_usable(scripts_at(scripts, SCRIPT_BEFORE, 0), "/1.sieve");
	for (size_t i = 1; i < 3; i++)
		ck_assert_str_eq(scripts_at(scripts, SCRIPT_BEFORE, i)->faults, "1: the script is larger than 1024 KiB\n");
}
END_TEST

START_TEST(the_active_one_is_missed)
{
	struct scripts *scripts = begin("mkdir sieve && echo main > sieve/active");

	is_unusable(scripts_at(scripts, SCRIPT_ACTIVE, 0), "/main.sieve");
	ck_assert_ptr_null(scripts_at(scripts, SCRIPT_ACTIVE, 1));
	shell_in(account, "sieve", "echo 'keep;' > main.sieve");
	is_usable(scripts_at(scripts, SCRIPT_ACTIVE, 0), "/main.sieve");
	/* What is included by :optional need not be there. */
	ck_assert_ptr_null(scripts_named(scripts, false, SPAN("other")));
	/* No name of a script is a mistake, and nothing at all is none. */
	shell_in(account, "sieve", "echo ./main > active");
	scripts_begin(scripts);
	is_unusable(scripts_at(scripts, SCRIPT_ACTIVE, 0), "/sieve");
	shell_in(account, "sieve", "echo > active");
	scripts_begin(scripts);
	ck_assert_ptr_null(scripts_at(scripts, SCRIPT_ACTIVE, 0));
}
END_TEST

/* None is run, and that is no reason to say nothing. */
START_TEST(a_folder_cannot_be_read)
{
	struct scripts *scripts = begin("echo x > site && mkdir sieve && ln -s active sieve/active");

	is_unusable(scripts_at(scripts, SCRIPT_BEFORE, 0), "/site/before");
	ck_assert_ptr_null(scripts_at(scripts, SCRIPT_BEFORE, 1));
	is_unusable(scripts_at(scripts, SCRIPT_ACTIVE, 0), "/sieve");
	is_unusable(scripts_at(scripts, SCRIPT_AFTER, 0), "/site/after");
}
END_TEST

/* More than are kept at a time: those of the folder after, too. */
START_TEST(there_are_too_many)
{
	struct scripts *scripts = begin("mkdir -p site/before site/after && for n in $(seq 100 299); do echo 'keep;' > site/before/$n.sieve; done && "
	    "echo 'keep;' > site/after/1.sieve");

	for (size_t n = 0; n < 200; n++)
		is_usable(scripts_at(scripts, SCRIPT_BEFORE, n), ".sieve");
	is_unusable(scripts_at(scripts, SCRIPT_AFTER, 0), "/1.sieve");
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("all");

	tcase_add_test(tests, one_ends_no_list);
	tcase_add_test(tests, one_is_too_large);
	tcase_add_test(tests, the_active_one_is_missed);
	tcase_add_test(tests, a_folder_cannot_be_read);
	tcase_add_test(tests, there_are_too_many);
	return run_case("deliver_scripts", tests, folder);
}
