/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The maildrop over a real store: what it shows, its lock, messages that go away, the update. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "libmailstore/mailstore.h"
#include "pop3d/maildrop.h"

static char folder[64];

static void
add_message(struct ms_store *store, const char *text)
{
	struct ms_append *append;
	uint32_t uid, uidvalidity;
	uint64_t email_id;

	append = ms_append_begin(store);
	ck_assert_int_eq(ms_append_write(append, text, strlen(text)), 0);
	ck_assert_int_eq(
	    ms_append_commit(append, "INBOX", 0, NULL, 0, &uid, &uidvalidity, &email_id), 0);
}

static void
setup(void)
{
	struct ms_store *store;

	(void)snprintf(folder, sizeof(folder), "/tmp/test_maildrop.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(ms_open(folder, &store), 0);
	add_message(store, "Subject: one\r\n\r\n1\r\n");
	add_message(store, "Subject: two\n\n2\n");
	add_message(store, "Subject: three\n\n3");
	ms_close(store);
}

static void
teardown(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

/* The flags of the messages in the INBOX, in order; how many there are. */
static size_t
flags_of_inbox(uint32_t flags[4])
{
	struct ms_store *store;
	struct ms_mailbox *inbox;
	struct ms_message message;
	size_t count = 0;

	ck_assert_int_eq(ms_open(folder, &store), 0);
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &inbox), 0);
	for (uint32_t uid = 1; uid <= 4; uid++)
		if (ms_message_get(inbox, uid, &message) == 0)
			flags[count++] = message.flags;
	ms_mailbox_close(inbox);
	ms_close(store);
	return count;
}

START_TEST(shows_sizes_as_they_are_sent)
{
	static const uint64_t sizes[] = { 19, 19, 19 };
	struct maildrop *drop, *other;
	struct pop3_state state;

	ck_assert_int_eq(maildrop_open(folder, &drop, &state), 0);
	ck_assert_uint_eq(state.count, 3);
	ck_assert_uint_ne(state.uidvalidity, 0);
	for (size_t i = 0; i < 3; i++) {
		struct buf sent = BUF_INIT(1000);
		struct pop3_dot dot;
		char bytes[100];
		int fd;

		ck_assert_int_eq(maildrop_open_message(drop, &state.messages[i], &fd), 0);
		pop3_dot_begin(&dot, NULL);
		pop3_dot_put(&dot, span_make(bytes, (size_t)read(fd, bytes, sizeof(bytes))), &sent);
		pop3_dot_end(&dot, &sent);
		(void)close(fd);
		ck_assert_uint_eq(state.messages[i].size, sizes[i]);
		/* A last line without its end gets one on the way. */
		ck_assert_uint_eq(sent.len, sizes[i] + (i == 2 ? 2 : 0) + 3);
		buf_free(&sent);
	}
	/* One session at a time. */
	ck_assert_int_eq(maildrop_open(folder, &other, &state), MS_E_LOCKED);
	drop = maildrop_close(drop);
	ck_assert_int_eq(maildrop_open(folder, &drop, &state), 0);
	drop = maildrop_close(drop);
}
END_TEST

START_TEST(updates)
{
	struct maildrop *drop;
	struct pop3_state state;
	uint32_t flags[4] = { 0 }, uid;
	size_t removed;

	ck_assert_int_eq(maildrop_open(folder, &drop, &state), 0);
	uid = state.messages[2].uid;
	state.messages[0].retrieved = true;
	state.messages[1].retrieved = state.messages[1].deleted = true;
	ck_assert_int_eq(maildrop_update(drop, &state, &removed), 0);
	ck_assert_uint_eq(removed, 1);
	drop = maildrop_close(drop);
	ck_assert_uint_eq(flags_of_inbox(flags), 2);
	ck_assert_uint_eq(flags[0] & MS_SEEN, MS_SEEN);
	ck_assert_uint_eq(flags[1] & MS_SEEN, 0);
	/* UIDs stay. */
	ck_assert_int_eq(maildrop_open(folder, &drop, &state), 0);
	ck_assert_uint_eq(state.count, 2);
	ck_assert_uint_eq(state.messages[1].uid, uid);
	ck_assert_int_eq(maildrop_update(drop, &state, &removed), 0);
	ck_assert_uint_eq(removed, 0);
	drop = maildrop_close(drop);
}
END_TEST

START_TEST(a_removed_message_is_told)
{
	struct maildrop *drop;
	struct pop3_state state;
	char command[256];
	size_t removed;
	int fd;

	ck_assert_int_eq(maildrop_open(folder, &drop, &state), 0);
	(void)snprintf(command, sizeof(command),
	    "rm $(grep -rl 'Subject: two' %s/Maildir/cur %s/Maildir/new)", folder, folder);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(maildrop_open_message(drop, &state.messages[1], &fd), MS_E_NOTFOUND);
	ck_assert_int_eq(maildrop_open_message(drop, &state.messages[2], &fd), 0);
	(void)close(fd);
	/* It was to go anyway: removed is removed. */
	state.messages[1].deleted = true;
	ck_assert_int_eq(maildrop_update(drop, &state, &removed), 0);
	ck_assert_uint_eq(removed, 1);
	drop = maildrop_close(drop);
	ck_assert_int_eq(maildrop_open(folder, &drop, &state), 0);
	ck_assert_uint_eq(state.count, 2);
	drop = maildrop_close(drop);
}
END_TEST

START_TEST(no_folder)
{
	struct maildrop *drop;
	struct pop3_state state;

	ck_assert_int_lt(maildrop_open("/nonexistent/folder", &drop, &state), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("maildrop");
	TCase *tests = tcase_create("maildrop");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, shows_sizes_as_they_are_sent);
	tcase_add_test(tests, updates);
	tcase_add_test(tests, a_removed_message_is_told);
	tcase_add_test(tests, no_folder);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
