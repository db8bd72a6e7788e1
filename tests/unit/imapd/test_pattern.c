/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* LIST's wildcards, and one that would take a backtracking matcher for ever. */
#include <check.h>
#include <stdlib.h>

#include "common/buf.h"
#include "imapd/imap_pattern.h"

static const struct {
	const char *pattern, *name;
	bool matches;
} rows[] = {
	{ "*", "a", true },
	{ "*", "a/b", true },
	{ "%", "a", true },
	{ "%", "a/b", false },
	{ "%/%", "a/b", true },
	{ "a/%", "a/b", true },
	{ "a/%", "a", false },
	{ "a/%", "a/b/c", false },
	{ "a/*", "a/b/c", true },
	{ "a*", "a", true },
	{ "*b", "a/b", true },
	{ "%b", "a/b", false },
	{ "a%c", "abc", true },
	{ "a%c", "ac", true },
	{ "", "", true },
	{ "", "a", false },
	{ "a", "A", false },
	{ "inbox", "INBOX", true },
	{ "InB%", "INBOX", true },
	{ "inbox/x", "INBOX/x", true },
	{ "inbox/X", "INBOX/x", false },
	{ "inboxes", "INBOXES", false },
	{ "%%", "a", true },
	{ "*%*", "a/b", true },
};

START_TEST(table)
{
	ck_assert_int_eq(imap_pattern_match(span_of(rows[_i].pattern), span_of(rows[_i].name)), rows[_i].matches);
}
END_TEST

START_TEST(hostile)
{
	struct buf pattern = BUF_INIT(4000), name = BUF_INIT(4000);
	int i;

	for (i = 0; i < 1000; i++) {
		(void)buf_str(&pattern, i % 2 == 0 ? "*" : "a");
		(void)buf_str(&name, "a");
	}
	(void)buf_str(&pattern, "b");
	ck_assert(!imap_pattern_match(buf_get(&pattern), buf_get(&name)));
	while (pattern.len <= IMAP_PATTERN_MAX)
		(void)buf_str(&pattern, "*");
	ck_assert(!imap_pattern_match(buf_get(&pattern), buf_get(&name)));
	buf_free(&pattern);
	buf_free(&name);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("imap_pattern");
	TCase *tests = tcase_create("pattern");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, table, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(tests, hostile);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
