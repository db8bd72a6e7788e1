/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A file that stands in its folder under two names, as a disk may have it after a failure: it is one message, under the UID it had. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "libmailstore/ms_internal.h"
#include "tests/unit/libmailstore/store_tests.h"

static char folder[] = "/tmp/test_two_names.XXXXXX";
static char account[64];
static struct ms_store *store;

static void
setup(void)
{
	static const char text[] = "From: a@b.test\nSubject: one\n\nbody\n";
	struct ms_append *append;
	uint32_t uid, uidvalidity;

	make_account(folder, account, sizeof(account));
	ck_assert_int_eq(ms_open(account, &store), 0);
	for (uint32_t i = 1; i <= 2; i++) {
		append = ms_append_begin(store);
		ck_assert_int_eq(ms_append_write(append, text, strlen(text)), 0);
		ck_assert_int_eq(ms_append_commit(append, "INBOX", MS_SEEN, NULL, 1000000000, &uid, &uidvalidity, NULL), 0);
		ck_assert_uint_eq(uid, i);
	}
	ms_close(store);
	store = NULL;
}

static void
teardown(void)
{
	ms_close(store);
	store = NULL;
}

/* $f: the first message's file, $u: the part of its name that never changes. */
#define FIND "f=$(echo cur/*U=1.*); u=$(basename ${f%%,*}); "

static const struct {
	const char *script;
	bool rebuilt, two; /* without the index; they are two files */
	const char *left;  /* a condition on what is there afterwards */
} rows[] = {
	{ FIND "ln $f cur/$u:2,", false, false, "test $(ls cur | wc -l) = 2 && ls cur/*U=1.*:2,S" },
	{ FIND "ln $f cur/$u:2,", true, false, "test $(ls cur | wc -l) = 2 && ls cur/*U=1.*:2,S" },
	{ FIND "ln $f new/$u", false, false, "test $(ls new | wc -l) = 0 && ls cur/*U=1.*:2,S" },
	{ FIND "ln $f new/$u", true, false, "test $(ls new | wc -l) = 0 && ls cur/*U=1.*:2,S" },
	{ FIND "ln $f cur/$u,W=0,U=1:2,F", true, false, "test $(ls cur | wc -l) = 2 && ls cur/*U=1.*:2,S" },
	{ FIND "ln $f cur/$u,W=0,U=1:2,F; ln $f cur/$u:2,T; ln $f new/$u", false, false, "test $(ls new cur | grep -c vm) = 2 && ls cur/*U=1.*:2,S" },
	{ FIND "ln $f cur/$u,W=0,U=1:2,F", false, false, "test $(ls cur | wc -l) = 2 && ls cur/*U=1.*:2,S" },
	/* Whoever has made a copy, or has brought one, has two messages. */
	{ FIND "ln $f $(echo $f | sed 's/U=1[.]....:2,S/U=3.0000:2,F/')", false, true, "test $(ls cur | wc -l) = 3" },
	{ FIND "cp -p $f cur/$u:2,", false, true, "test $(ls cur | wc -l) = 3" },
};

START_TEST(one_file_is_one_message)
{
	struct ms_mailbox *mailbox;
	struct ms_message message;

	shell_in(account, "Maildir", rows[_i].script);
	if (rows[_i].rebuilt)
		shell_in(account, ".", "rm -r index");
	ck_assert_int_eq(ms_open(account, &store), 0);
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_uint_eq(ms_mailbox_info(mailbox)->messages, rows[_i].two ? 3 : 2);
	ck_assert_int_eq(ms_message_get(mailbox, 1, &message), 0);
	ck_assert_int_eq(ms_message_get(mailbox, 2, &message), 0);
	ms_mailbox_close(mailbox);
	shell_in(account, "Maildir", rows[_i].left);
}
END_TEST

/* Copies within a mailbox are links to one file. */
START_TEST(copies_stay)
{
	struct ms_mailbox *mailbox;
	uint32_t uids[2] = { 1, 2 }, new_uids[2], uidvalidity;

	ck_assert_int_eq(ms_open(account, &store), 0);
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_copy(mailbox, uids, 2, "INBOX", false, new_uids, &uidvalidity), 0);
	ms_mailbox_close(mailbox);
	ms_close(store);
	if (_i == 1)
		shell_in(account, ".", "rm -r index");
	shell_in(account, "Maildir", "touch new cur");
	ck_assert_int_eq(ms_open(account, &store), 0);
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_uint_eq(ms_mailbox_info(mailbox)->messages, 4);
	ms_mailbox_close(mailbox);
	shell_in(account, "Maildir", "test $(ls cur | wc -l) = 4");
}
END_TEST

int
main(void)
{
	TCase *tcase = tcase_create("two_names");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, one_file_is_one_message, 0, sizeof(rows) / sizeof(*rows));
	tcase_add_loop_test(tcase, copies_stay, 0, 2);
	return run_case("two_names", tcase, folder);
}
