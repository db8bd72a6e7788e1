/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What a script has seen in a message that it sends on outlives the process only once that is safe. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "smtpd/deliver.h"

static char folder[] = "/tmp/fourpost-seen-XXXXXX";
static struct proc proc;
/* One process, and the one after it. */
static struct deliver first = { .proc = &proc, .script_folder = folder }, second = { .proc = &proc, .script_folder = folder };

static struct sieve_action redirected[] = {
	{ .kind = SIEVE_REMEMBER, .text = SPAN("redirected"), .seconds = 1000 },
	{ .kind = SIEVE_REDIRECT, .text = SPAN("carol@example.net") },
};
static struct sieve_action stored[] = {
	{ .kind = SIEVE_REMEMBER, .text = SPAN("stored"), .seconds = 1000 },
	{ .kind = SIEVE_KEEP },
};

static void
remember(struct sieve_action actions[2], uint32_t id)
{
	const struct sieve_result result = { .actions = actions, .count = 2 };

	seen_remember(&first, id, &result, time(NULL));
}

START_TEST(stored_at_once)
{
	remember(stored, 1);
	ck_assert(seen_has(&second, SPAN("stored")));
}
END_TEST

START_TEST(sent_when_safe)
{
	remember(redirected, 2);
	ck_assert(seen_has(&first, SPAN("redirected")));
	ck_assert(!seen_has(&second, SPAN("redirected")));
	seen_sent(&first, 3, true);
	ck_assert(!seen_has(&second, SPAN("redirected")));
	seen_sent(&first, 2, false);
	ck_assert(!seen_has(&first, SPAN("redirected")));
	remember(redirected, 4);
	seen_sent(&first, 4, true);
	ck_assert(seen_has(&second, SPAN("redirected")));
}
END_TEST

/* Whose folder it is may put anything there: the next account's mail waits for that no longer than for a file. */
START_TEST(pipes)
{
	char path[sizeof(folder) + 32];

	(void)alarm(10);
	(void)snprintf(path, sizeof(path), "%s/remembered", folder);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert(!memory_has(folder, SPAN("x"), 1));
	ck_assert_int_eq(memory_put(folder, SPAN("x"), 1, 2), 0);
	ck_assert(memory_has(folder, SPAN("x"), 1));
	(void)snprintf(path, sizeof(path), "%s/remembered.tmp", folder);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_ne(memory_put(folder, SPAN("y"), 1, 2), 0);
	ck_assert(!memory_has(folder, SPAN("y"), 1));
	(void)alarm(0);
}
END_TEST

static void
setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void
teardown(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}

int
main(void)
{
	Suite *suite = suite_create("deliver_seen");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, stored_at_once);
	tcase_add_test(tests, sent_when_safe);
	tcase_add_test(tests, pipes);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
