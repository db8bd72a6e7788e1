/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Long conversations: whichever message is answered, and however much of what came before a message refers to, it is one thread. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "libmailstore/ms_internal.h"
#include "tests/unit/libmailstore/store_tests.h"

static char folder[] = "/tmp/test_threads.XXXXXX";
static char account[64];
static struct ms_store *store;

static void
setup(void)
{
	make_account(folder, account, sizeof(account));
	ck_assert_int_eq(ms_open(account, &store), 0);
}

static void
teardown(void)
{
	ms_close(store);
	store = NULL;
}

/* A message with so many references, named by the prefix and a number, that answers one (NULL: none). */
static void
put_message(struct buf *out, const char *prefix, unsigned references, const char *answered, const char *own)
{
	(void)buf_str(out, "From: a@b.test\nSubject: Re: long\n");
	for (unsigned i = 0; i < references; i++)
		(void)buf_fmt(out, "%s<%s%u@b.test>\n", i == 0 ? "References: " : " ", prefix, i);
	if (answered != NULL)
		(void)buf_fmt(out, "In-Reply-To: <%s@b.test>\n", answered);
	(void)buf_fmt(out, "Message-ID: <%s@b.test>\n\nx\n", own);
}

static uint64_t
thread_of(uint32_t uid)
{
	struct ms_mailbox *mailbox;
	struct ms_message message;

	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_message_get(mailbox, uid, &message), 0);
	ms_mailbox_close(mailbox);
	return message.thread_id;
}

static uint32_t
add(const char *prefix, unsigned references, const char *answered, const char *own)
{
	struct buf bytes = BUF_INIT(65536);
	struct ms_append *append = ms_append_begin(store);
	uint32_t uid, uidvalidity;

	put_message(&bytes, prefix, references, answered, own);
	ck_assert_int_eq(ms_append_write(append, bytes.data, bytes.len), 0);
	ck_assert_int_eq(ms_append_commit(append, "INBOX", 0, NULL, 0, &uid, &uidvalidity, NULL), 0);
	buf_free(&bytes);
	return uid;
}

START_TEST(who_is_answered_is_known)
{
	uint32_t uids[5];
	uint64_t thread;

	uids[0] = add("r", 100, NULL, "late");
	uids[1] = add("", 0, "late", "by-its-own-id");
	uids[2] = add("", 0, "r0", "by-the-root");
	uids[3] = add("", 0, "r99", "by-the-last");
	uids[4] = add("q", 60, "by-its-own-id", "by-what-it-answers");
	thread = thread_of(uids[0]);
	for (unsigned i = 1; i < 5; i++)
		ck_assert_msg(thread_of(uids[i]) == thread, "%u", i);
	ck_assert_uint_ne(thread_of(add("", 0, "r50", "by-one-in-the-middle")), thread);
	/* An index that is made again says the same. */
	ck_assert_int_eq(ms_rebuild(store), 0);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_uint_eq(thread_of(uids[i]), thread);
}
END_TEST

static void
derive(struct ms_derived *derived, unsigned references, const char *answered)
{
	struct buf bytes = BUF_INIT(65536);

	put_message(&bytes, "r", references, answered, "own");
	ms_derive_bytes(buf_get(&bytes), derived);
	buf_free(&bytes);
}

/* As far as there is room for all nothing depends on how many there are: accounts have threads that are named so. */
START_TEST(all_in_order_as_long_as_there_is_room)
{
	struct ms_derived most, one, more;

	derive(&most, MS_IDS_MAX - 2, "answered");
	ck_assert_uint_eq(most.id_count, MS_IDS_MAX);
	derive(&one, 1, "answered");
	ck_assert_uint_eq(one.id_count, 3);
	ck_assert_uint_eq(one.ids[0], most.ids[0]);
	ck_assert_uint_eq(one.ids[1], most.ids[MS_IDS_MAX - 2]);
	ck_assert_uint_eq(one.ids[2], most.ids[MS_IDS_MAX - 1]);
	derive(&more, MS_IDS_MAX - 1, "answered");
	ck_assert_uint_eq(more.id_count, MS_IDS_MAX);
	for (unsigned i = 0; i < MS_IDS_MAX; i++)
		ck_assert_int_eq(more.ids[i] == most.ids[i], i < (MS_IDS_MAX - 2) / 2 || i >= MS_IDS_MAX - 2);
	ms_derived_clear(&most);
	ms_derived_clear(&one);
	ms_derived_clear(&more);
}
END_TEST

int
main(void)
{
	TCase *tcase = tcase_create("threads");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, who_is_answered_is_known);
	tcase_add_test(tcase, all_in_order_as_long_as_there_is_room);
	return run_case("threads", tcase, folder);
}
