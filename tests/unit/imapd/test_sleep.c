/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A sleeping session's state: there and back, cut at each byte, and with bytes changed. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "imapd/imap_sleep_state.h"

static const struct imap_sleep state = {
	.tag = { "a1", 2 }, .mailbox = { "Entw\xc3\xbcrfe", 9 }, .read_only = true, .idle = true, .enabled = 3, .bad = 4,
	.validity = 7, .last = 99, .modseq = 1234567890123, .count = 5, .digest = 6, .keywords = 8, .silent_until = 17,
};

START_TEST(there_and_back)
{
	struct buf out = BUF_INIT(IMAP_SLEEP_MAX);
	struct imap_sleep back;

	ck_assert_int_eq(imap_sleep_put(&state, &out), 0);
	ck_assert(imap_sleep_is(buf_get(&out)));
	ck_assert(!imap_sleep_is(SPAN("a1")));
	ck_assert_int_eq(imap_sleep_get(buf_get(&out), &back), 0);
	ck_assert(span_eq(back.tag, state.tag) && span_eq(back.mailbox, state.mailbox));
	ck_assert(back.read_only && back.idle && back.enabled == 3 && back.bad == 4 && back.validity == 7 && back.last == 99);
	ck_assert(back.modseq == state.modseq && back.count == 5 && back.digest == 6 && back.keywords == 8 && back.silent_until == 17);
	buf_free(&out);
}
END_TEST

START_TEST(cut)
{
	struct buf out = BUF_INIT(IMAP_SLEEP_MAX);
	struct imap_sleep back;

	ck_assert_int_eq(imap_sleep_put(&state, &out), 0);
	while (out.len > 0) {
		buf_truncate(&out, out.len - 1);
		ck_assert_int_eq(imap_sleep_get(buf_get(&out), &back), -EINVAL);
	}
	buf_free(&out);
}
END_TEST

START_TEST(refused)
{
	struct buf out = BUF_INIT(IMAP_SLEEP_MAX);
	struct imap_sleep bad = state, back;

	bad.mailbox = span_make("a\0b", 3);
	ck_assert_int_eq(imap_sleep_put(&bad, &out), 0);
	ck_assert_int_eq(imap_sleep_get(buf_get(&out), &back), -EINVAL);
	buf_clear(&out);
	bad = state;
	bad.tag = SPAN("a\r\n* BYE");
	ck_assert_int_eq(imap_sleep_put(&bad, &out), 0);
	ck_assert_int_eq(imap_sleep_get(buf_get(&out), &back), -EINVAL);
	buf_clear(&out);
	bad.tag.len = IMAP_SLEEP_TAG_MAX + 1;
	ck_assert_int_eq(imap_sleep_put(&bad, &out), -EMSGSIZE);
	buf_free(&out);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("imap_sleep");
	TCase *tests = tcase_create("sleep");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, there_and_back);
	tcase_add_test(tests, cut);
	tcase_add_test(tests, refused);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
