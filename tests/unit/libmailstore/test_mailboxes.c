/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* As many mailboxes as an account may have, and more: refused where we are asked, left out and told where others made them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libmailstore/ms_internal.h"
#include "tests/unit/libmailstore/store_tests.h"

static char folder[] = "/tmp/test_mailboxes.XXXXXX";
static char account[64];
static struct ms_store *store;
static char told[256]; /* "mailbox: fault" */

static size_t
count(void)
{
	struct ms_mailbox_info *list;
	size_t n;

	ck_assert_int_eq(ms_mailboxes(store, &list, &n), 0);
	ms_mailboxes_free(list, n);
	return n;
}

/* With room for two more. */
static void
setup(void)
{
	make_account(folder, account, sizeof(account));
	ck_assert_int_eq(ms_open(account, &store), 0);
	store->mailboxes_max = count() + 2;
	told[0] = '\0';
}

static void
teardown(void)
{
	ms_close(store);
	store = NULL;
}

static void
tell(void *context, const struct ms_fault *fault)
{
	(void)context;
	ck_assert_msg(strstr(fault->what, "more mailboxes than it may have") != NULL, "%s", fault->what);
	(void)snprintf(told, sizeof(told), "%s: %s", fault->mailbox, fault->what);
}

START_TEST(no_more_are_made)
{
	size_t before = count();

	/* All that is missing of it, or nothing. */
	ck_assert_int_eq(ms_mailbox_create(store, "A/B/C", MS_USE_NONE), MS_E_LIMIT);
	ck_assert_uint_eq(count(), before);
	ck_assert_int_eq(ms_mailbox_create(store, "A/B", MS_USE_NONE), 0);
	ck_assert_int_eq(ms_mailbox_create(store, "C", MS_USE_NONE), MS_E_LIMIT);
	ck_assert_int_eq(ms_mailbox_create(store, "A/B", MS_USE_NONE), MS_E_EXISTS);
	ck_assert_int_eq(ms_mailbox_rename(store, "A/B", "New/B"), MS_E_LIMIT);
	ck_assert_int_eq(ms_mailbox_rename(store, "INBOX", "Old"), MS_E_LIMIT);
	ck_assert_int_eq(ms_mailbox_rename(store, "A/B", "A/C"), 0);
	ck_assert_int_eq(ms_mailbox_delete(store, "A/C"), 0);
	ck_assert_int_eq(ms_mailbox_create(store, "C", MS_USE_NONE), 0);
}
END_TEST

START_TEST(others_made_more)
{
	size_t max = store->mailboxes_max;

	shell_in(account, "Maildir", "for name in A B C D; do mkdir -p .$name/cur .$name/new .$name/tmp; done");
	ck_assert_uint_eq(count(), max);
	ck_assert_int_eq(ms_check(store, tell, NULL), 0);
	ck_assert_str_ne(told, "");
	ck_assert_int_eq(ms_mailbox_create(store, "E", MS_USE_NONE), MS_E_LIMIT);
	/* One that is renamed by others stays the same, and the next finds its place when one is gone. */
	told[0] = '\0';
	shell_in(account, "Maildir", "mv .Archive .Attic && rm -r .Junk");
	ck_assert_uint_eq(count(), max);
	shell_in(account, "Maildir", "rm -r .Trash .Attic");
	ck_assert_uint_eq(count(), max - 1);
	ck_assert_int_eq(ms_check(store, tell, NULL), 0);
	ck_assert_str_eq(told, "");
}
END_TEST

/* No two have one special use (RFC 6154 section 3, RFC 8621 section 2): not for long either, when another program takes one away. */
START_TEST(one_use)
{
	ck_assert_int_eq(ms_mailbox_create(store, "Mine", MS_USE_SENT), MS_E_DENIED);
	ck_assert_int_eq(ms_mailbox_create(store, "Sent", MS_USE_SENT), MS_E_EXISTS);
	ck_assert_int_eq(ms_mailbox_rename(store, "Sent", "Old"), 0);
	ck_assert_int_eq(ms_mailbox_create(store, "Mine", MS_USE_SENT), MS_E_DENIED);
	shell_in(account, "Maildir", "rm -r .Old");
	ck_assert_int_eq(ms_mailbox_create(store, "Mine", MS_USE_SENT), 0);
	ck_assert_int_eq(ms_mailbox_delete(store, "Mine"), 0);
	ck_assert_int_eq(ms_mailbox_create(store, "Sent", MS_USE_SENT), 0);
}
END_TEST

/* What was planned with an index that has been made anew: the number is another mailbox's, or nobody's. */
START_TEST(the_right_one_is_forgotten)
{
	struct ms_mailbox_record sent;
	struct ms_mailbox *inbox;
	uint32_t number, inbox_number;
	size_t before = count();

	ck_assert_int_eq(ms_mailbox_find(store, "Sent", &number, &sent), 0);
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &inbox), 0);
	inbox_number = inbox->number;
	ms_mailbox_close(inbox);
	ck_assert_int_eq(ms_mailbox_forget(store, inbox_number, &sent), 0);
	ck_assert_int_eq(ms_mailbox_forget(store, 4711, &sent), 0);
	ck_assert_uint_eq(count(), before);
	ms_mailbox_record_clear(&sent);
}
END_TEST

int
main(void)
{
	TCase *tcase = tcase_create("mailboxes");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, no_more_are_made);
	tcase_add_test(tcase, others_made_more);
	tcase_add_test(tcase, one_use);
	tcase_add_test(tcase, the_right_one_is_forgotten);
	return run_case("mailboxes", tcase, folder);
}
