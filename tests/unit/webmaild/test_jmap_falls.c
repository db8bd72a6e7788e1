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
#include "tests/unit/webmaild/jmap_account.h"

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
