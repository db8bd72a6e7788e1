/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The store's modification sequence falls, when the clock is put back and the index is lost: a session learns all the same what comes and goes. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"
#include "webmaild/jmap_store.h"

static char account[64];
static struct ms_store *store; /* of the other session */
/* Of the session under test, to the end of the process. */
static struct jmap *jmap;
static struct proc proc;
static struct session session;
static struct webmaild_conf conf;

static uint32_t
append(const char *mailbox, uint64_t *ret_id)
{
	static const char text[] = "From: a@b.test\nSubject: one\nMessage-ID: <one@b.test>\n\nOne\n";
	struct ms_append *append = ms_append_begin(store);
	uint32_t uid, validity;

	ck_assert_int_eq(ms_append_write(append, text, sizeof(text) - 1), 0);
	ck_assert_int_eq(ms_append_commit(append, mailbox, 0, NULL, 1000000000, &uid, &validity, ret_id), 0);
	return uid;
}

static void
expunge(const char *name, uint32_t uid)
{
	struct ms_mailbox *mailbox;

	ck_assert_int_eq(ms_mailbox_open(store, name, &mailbox), 0);
	ck_assert_int_eq(ms_expunge(mailbox, &uid, 1), 0);
	ms_mailbox_close(mailbox);
}

static void
open_session(void)
{
	proc.account = xstrdup("a@b.test");
	proc.account_dir = xstrdup(account);
	session.proc = &proc;
	session.conf = &conf;
	conf.message_size_max = 1 << 20;
	ck_assert_int_eq(jmap_open(&session, &jmap), 0);
}

static void
set_up(void)
{
	(void)snprintf(account, sizeof(account), "/tmp/test_jmap_falls.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(account));
	ck_assert_int_eq(ms_open(account, &store), 0);
}

static void
tear_down(void)
{
	char command[96];

	ms_close(store);
	(void)snprintf(command, sizeof(command), "rm -r %s", account);
	ck_assert_int_eq(system(command), 0);
}

static int
raise_modseq(struct ms_txn *txn, void *context)
{
	(void)context;
	return ms_bdb(ms_meta_put(txn, "modseq", UINT64_C(1) << 50));
}

START_TEST(sequence_falls)
{
	uint64_t one, two, three, four, state;
	struct jmap_state before, after;
	char command[96];

	ck_assert_int_eq(ms_run(store, raise_modseq, NULL), 0);
	(void)append("INBOX", &one);
	(void)append("INBOX", &two);
	open_session();
	(void)append("INBOX", &three);
	ck_assert_int_eq(jmap_sync(jmap), 0);
	before = jmap_state_text(jmap->state);
	ck_assert(jmap_state_parse(jmap, span_of(before.text), &state));
	(void)snprintf(command, sizeof(command), "rm -r %s/index", account);
	ck_assert_int_eq(system(command), 0);
	expunge("INBOX", 1);
	(void)append("INBOX", &four);
	ck_assert_int_eq(jmap_sync(jmap), 0);
	ck_assert_ptr_null(jmap_find_email(jmap, one));
	ck_assert_ptr_nonnull(jmap_find_email(jmap, two));
	ck_assert_ptr_nonnull(jmap_find_email(jmap, three));
	ck_assert_ptr_nonnull(jmap_find_email(jmap, four));
	/* Who knows the former state reads anew; who has done that hears what comes after. */
	ck_assert(!jmap_state_parse(jmap, span_of(before.text), &state));
	after = jmap_state_text(jmap->state);
	ck_assert(jmap_state_parse(jmap, span_of(after.text), &state));
	ck_assert_uint_eq(jmap->email_state, jmap->state);
	(void)append("INBOX", &one);
	ck_assert_int_eq(jmap_sync(jmap), 0);
	ck_assert_uint_gt(jmap->email_state, state);
	ck_assert_uint_gt(jmap_find_email(jmap, one)->created, state);
	ck_assert_uint_le(jmap_find_email(jmap, two)->changed, state);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("jmap_falls");
	TCase *tests = tcase_create("falls");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, sequence_falls);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
