/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The file of a message that is fetched: as it is, and cut short by another program while it is sent. */
#include <check.h>
#include <stdlib.h>

#include "imapd/session_message.h"
#include "tests/unit/libmailstore/store_tests.h"

#define BYTES 300000u

static char folder[] = "/tmp/test_message.XXXXXX";

START_TEST(cut_short)
{
	struct buf text = BUF_INIT(2 * BYTES);
	struct session_message message;
	struct ms_mailbox *mailbox;
	struct ms_append *append;
	struct ms_store *store;
	uint32_t uid, uidvalidity;
	char account[64];
	size_t there = 0;

	make_account(folder, account, sizeof(account));
	ck_assert_int_eq(ms_open(account, &store), 0);
	(void)buf_str(&text, "Subject: large\n\n");
	while (text.len < BYTES)
		(void)buf_str(&text, "line\n");
	append = ms_append_begin(store);
	ck_assert_int_eq(ms_append_write(append, text.data, text.len), 0);
	ck_assert_int_eq(ms_append_commit(append, "INBOX", 0, NULL, 0, &uid, &uidvalidity, NULL), 0);
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(session_message_open(mailbox, uid, &message), 0);
	ck_assert_uint_eq(message.parts.bytes.len, text.len);
	ck_assert_mem_eq(message.parts.bytes.ptr, text.data, text.len);
	ck_assert(!session_message_is_torn(&message));
	shell_in(account, "Maildir", "truncate -s 4096 */*,U=1.*");
	for (size_t i = 0; i < text.len; i++)
		there += message.parts.bytes.ptr[i] != '\0';
	ck_assert_uint_eq(there, 4096);
	ck_assert(session_message_is_torn(&message));
	session_message_close(&message);
	ck_assert(!session_message_is_torn(&message));
	ms_mailbox_close(mailbox);
	ms_close(store);
	buf_free(&text);
}
END_TEST

int
main(void)
{
	TCase *tcase = tcase_create("message");

	tcase_add_test(tcase, cut_short);
	return run_case("message", tcase, folder);
}
