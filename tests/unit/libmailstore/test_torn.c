/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A large message that another program cuts short just while it is looked at. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "libmailstore/ms_text_index.h"
#include "tests/unit/libmailstore/store_tests.h"

#define BYTES (4u << 20)
/* With fewer messages nothing is written to the text index. */
#define OTHERS 120

static char folder[] = "/tmp/test_torn.XXXXXX";
static char account[64];
static struct ms_store *store;
static bool cuts;
static unsigned cut;

/* In the C library's place: whoever maps a large file finds it shorter by then. */
void *
mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
	if (cuts && fd >= 0 && len >= BYTES) {
		char path[64];

		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ck_assert_int_eq(truncate(path, 5000), 0);
		cut++;
	}
	return (void *)syscall(SYS_mmap, at, len, protection, flags, fd, offset);
}

static void
add(size_t bytes)
{
	struct buf text = BUF_INIT(2 * BYTES);
	struct ms_append *append = ms_append_begin(store);
	uint32_t uid, uidvalidity;

	(void)buf_str(&text, "From: a@b.test\nSubject: large\n\nneedle\n");
	while (text.len < bytes)
		(void)buf_str(&text, "a line of a text that goes on and on\n");
	(void)buf_str(&text, "thread\n");
	ck_assert_int_eq(ms_append_write(append, text.data, text.len), 0);
	ck_assert_int_eq(ms_append_commit(append, "INBOX", 0, NULL, 0, &uid, &uidvalidity, NULL), 0);
	buf_free(&text);
}

static void
setup(void)
{
	make_account(folder, account, sizeof(account));
	ck_assert_int_eq(ms_open(account, &store), 0);
	add(BYTES);
	add(10);
}

static void
teardown(void)
{
	cuts = false;
	ms_close(store);
	store = NULL;
}

static int
take(void *context, const struct ms_message *message)
{
	(void)buf_fmt(context, "%u ", message->uid);
	return 0;
}

static void
finds(const char *text, const char *expected)
{
	const struct ms_search_key key = { .kind = MS_SEARCH_TEXT, .where = MS_IN_BODY, .text = text, .text_len = strlen(text), .field = "" };
	struct ms_search *search = ms_search_new(&key);
	struct buf found = BUF_INIT(4096);
	struct ms_mailbox *mailbox;
	bool done = false;

	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_search_begin(search, mailbox), 0);
	while (!done)
		ck_assert_int_eq(ms_search_step(search, take, &found, &done), 0);
	ck_assert_str_eq(buf_cstr(&found), expected);
	ms_search_free(search);
	ms_mailbox_close(mailbox);
	buf_free(&found);
}

START_TEST(searched)
{
	finds("thread", "1 2 ");
	cuts = true;
	finds("thread", "2 ");
	ck_assert_uint_eq(cut, 1);
}
END_TEST

START_TEST(indexed)
{
	bool more = true;

	for (unsigned i = 0; i < OTHERS; i++)
		add(10);
	cuts = true;
	while (more)
		ck_assert_int_eq(ms_index_text(store, &more), 0);
	ck_assert_uint_eq(cut, 1);
	cuts = false;
	/* What there is of it is found, by reading it. */
	shell_in(account, "Maildir", "for f in */*,U=1.*; do echo another >>$f; done");
	finds("another", "1 ");
}
END_TEST

START_TEST(taken_in)
{
	struct ms_mailbox *mailbox;
	struct ms_message message;
	char *envelope;
	size_t len;

	cuts = true;
	ck_assert_int_eq(ms_rebuild(store), 0);
	ck_assert_uint_eq(cut, 1);
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_message_get(mailbox, 1, &message), 0);
	/* Of the 5000 bytes that there are; LF counts twice. */
	ck_assert_uint_gt(message.size, 5000);
	ck_assert_uint_lt(message.size, 6000);
	ck_assert_int_eq(ms_message_cached(mailbox, 1, MS_ENVELOPE, &envelope, &len), 0);
	ck_assert_msg(strstr(envelope, "\"large\"") != NULL, "%s", envelope);
	free(envelope);
	ms_mailbox_close(mailbox);
}
END_TEST

int
main(void)
{
	TCase *tcase = tcase_create("torn");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, searched);
	tcase_add_test(tcase, indexed);
	tcase_add_test(tcase, taken_in);
	return run_case("torn", tcase, folder);
}
