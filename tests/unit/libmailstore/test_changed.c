/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A message's file that another program has written to is another message: under another email id, and found by what it says now. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "libmailstore/ms_text_index.h"
#include "tests/unit/libmailstore/store_tests.h"

/* Fewer are not written to the text index. */
#define MESSAGES 120

static char folder[] = "/tmp/test_changed.XXXXXX";
static char account[64];
static struct ms_store *store;

static void
add(void)
{
	struct ms_append *appends[MS_APPENDS_MAX];
	uint32_t uids[MS_APPENDS_MAX];
	size_t count = 0;

	for (unsigned i = 1; i <= MESSAGES; i++) {
		char text[128];

		(void)snprintf(text, sizeof(text), "From: a@b.test\nSubject: %u\nMessage-ID: <%u@b.test>\n\nold message %u\n", i, i, i);
		appends[count] = ms_append_begin(store);
		ck_assert_int_eq(ms_append_write(appends[count++], text, strlen(text)), 0);
		if (count < MS_APPENDS_MAX && i < MESSAGES)
			continue;
		ck_assert_int_eq(ms_append_commit_all(appends, count, "INBOX", uids), 0);
		count = 0;
	}
}

static void
setup(void)
{
	struct ms_mailbox *mailbox;
	uint32_t uid, uidvalidity;
	bool more = true;

	make_account(folder, account, sizeof(account));
	ck_assert_int_eq(ms_open(account, &store), 0);
	store->text_least = 0; /* small as it is, it gets an index of texts */
	add();
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_copy(mailbox, &(uint32_t){ 2 }, 1, "Archive", false, &uid, &uidvalidity), 0);
	ms_mailbox_close(mailbox);
	while (more)
		ck_assert_int_eq(ms_index_text(store, &more), 0);
}

static void
teardown(void)
{
	ms_close(store);
	store = NULL;
}

static void
print_fault(void *context, const struct ms_fault *fault)
{
	(void)context;
	ck_abort_msg("%s: %u: %s", fault->mailbox != NULL ? fault->mailbox : "", fault->uid, fault->what);
}

/* Somebody reads it, and hears that it has left. Returns the UID under which it came again. */
static uint32_t
meet(const char *name, uint32_t uid)
{
	struct ms_mailbox *mailbox;
	uint64_t bytes;
	uint32_t next;
	int fd;

	ck_assert_int_eq(ms_mailbox_open(store, name, &mailbox), 0);
	ck_assert_int_eq(ms_message_open(mailbox, uid, &fd, &bytes), MS_E_NOTFOUND);
	ck_assert_int_eq(ms_mailbox_sync(mailbox), 0);
	next = ms_mailbox_info(mailbox)->uidnext;
	ms_mailbox_close(mailbox);
	return next - 1;
}

static uint64_t
email_of(const char *name, uint32_t uid, uint64_t *ret_thread)
{
	struct ms_mailbox *mailbox;
	struct ms_message message;

	ck_assert_int_eq(ms_mailbox_open(store, name, &mailbox), 0);
	ck_assert_int_eq(ms_message_get(mailbox, uid, &message), 0);
	ms_mailbox_close(mailbox);
	if (ret_thread != NULL)
		*ret_thread = message.thread_id;
	return message.email_id;
}

static int
take(void *context, const struct ms_message *message)
{
	(void)buf_fmt(context, "%u ", message->uid);
	return 0;
}

static void
finds(const char *name, const char *text, uint32_t expected)
{
	const struct ms_search_key key = { .kind = MS_SEARCH_TEXT, .where = MS_IN_BODY, .text = text, .text_len = strlen(text), .field = "" };
	struct ms_search *search = ms_search_new(&key);
	struct buf found = BUF_INIT(4096);
	struct ms_mailbox *mailbox;
	char number[16] = "";
	bool done = false;

	if (expected != 0)
		(void)snprintf(number, sizeof(number), "%u ", expected);
	ck_assert_int_eq(ms_mailbox_open(store, name, &mailbox), 0);
	ck_assert_int_eq(ms_search_begin(search, mailbox), 0);
	while (!done)
		ck_assert_int_eq(ms_search_step(search, take, &found, &done), 0);
	ck_assert_str_eq(buf_cstr(&found), number);
	ms_search_free(search);
	ms_mailbox_close(mailbox);
	buf_free(&found);
}

START_TEST(it_is_another_message)
{
	uint64_t before, after, thread, thread_after;
	uint32_t uid;

	before = email_of("INBOX", 2, &thread);
	finds("INBOX", "old message 2\n", 2);
	shell_in(account, "Maildir", "sed -i s/old/thoroughly-other/ */*,U=2.*");
	uid = meet("INBOX", 2);
	ck_assert_uint_gt(uid, MESSAGES);
	after = email_of("INBOX", uid, &thread_after);
	ck_assert_uint_ne(after, before);
	ck_assert_uint_eq(after >> 32, before >> 32);
	ck_assert_uint_eq(thread_after, thread);
	finds("INBOX", "thoroughly-other", uid);
	finds("INBOX", "old message 2\n", 0);
	/* The copy is what it was. */
	ck_assert_uint_eq(email_of("Archive", 1, NULL), before);
	finds("Archive", "old message 2\n", 1);
	ck_assert_int_eq(ms_check(store, print_fault, NULL), 0);
	/* Its name tells that, too. */
	ck_assert_int_eq(ms_rebuild(store), 0);
	ck_assert_uint_eq(email_of("INBOX", uid, NULL), after);
	ck_assert_uint_eq(email_of("Archive", 1, NULL), before);
	ck_assert_int_eq(ms_check(store, print_fault, NULL), 0);
}
END_TEST

/* A copy that is changed in its turn, and the first once more. */
START_TEST(each_is_one_of_its_own)
{
	uint64_t ids[4] = { email_of("INBOX", 2, NULL) };
	uint32_t uid;

	shell_in(account, "Maildir", "sed -i s/old/thoroughly-other/ */*,U=2.*");
	ids[1] = email_of("INBOX", uid = meet("INBOX", 2), NULL);
	shell_in(account, "Maildir/.Archive", "sed -i s/old/completely-new/ */*,U=1.*");
	ids[2] = email_of("Archive", meet("Archive", 1), NULL);
	shell_in(account, "Maildir", "for f in */*+*; do echo more >>$f; done");
	ids[3] = email_of("INBOX", uid = meet("INBOX", uid), NULL);
	for (unsigned i = 0; i < 4; i++)
		for (unsigned k = 0; k < i; k++)
			ck_assert_uint_ne(ids[i], ids[k]);
	finds("INBOX", "thoroughly-other message 2\nmore", uid);
	finds("Archive", "completely-new", email_of("Archive", 2, NULL) == ids[2] ? 2 : 257);
	shell_in(account, "Maildir", "test $(ls new cur | grep -c '+') = 1 && ! ls new cur | grep '+.*+'");
	ck_assert_int_eq(ms_check(store, print_fault, NULL), 0);
}
END_TEST

/* The other program gives it a name of its own making, with the right size in it, or with nothing. */
START_TEST(whatever_its_name_says)
{
	static const char *const tails[] = { ",S=$(stat -c %s $f)", "" };

	for (unsigned i = 0; i < 2; i++) {
		uint64_t before = email_of("INBOX", 3 + i, NULL);
		char script[300];
		uint32_t uid;

		(void)snprintf(script, sizeof(script), "f=$(ls -d */*,U=%u.*) && sed -i s/old/thoroughly-%u/ $f && mv $f \"cur/$(basename ${f%%%%,*})%s:2,S\"", 3 + i, i, tails[i]);
		shell_in(account, "Maildir", script);
		uid = meet("INBOX", 3 + i);
		ck_assert_uint_ne(email_of("INBOX", uid, NULL), before);
		(void)snprintf(script, sizeof(script), "thoroughly-%u", i);
		finds("INBOX", script, uid);
	}
	ck_assert_int_eq(ms_check(store, print_fault, NULL), 0);
}
END_TEST

START_TEST(names)
{
	char name[MS_NAME_CHANGED_MAX + 1], again[MS_NAME_CHANGED_MAX + 1], text[256];

	ms_name_changed(SPAN("1.M2.host"), 17, 0xab, name);
	ck_assert_str_eq(name, "1.M2.host+17.00ab");
	ms_name_changed(span_of(name), 4294967295u, 0xffff, again);
	ck_assert_str_eq(again, "1.M2.host+4294967295.ffff");
	ms_name_changed(SPAN("a+b+17"), 1, 1, name);
	ck_assert_str_eq(name, "a+b+17+1.0001");
	ms_name_changed(SPAN("+1.0001"), 2, 2, name);
	ck_assert_str_eq(name, "+2.0002");
	memset(text, 'x', sizeof(text));
	ms_name_changed(span_make(text, 255), 4294967295u, 0xffff, name);
	ck_assert_str_eq(name + MS_NAME_CHANGED_MAX - 16, "+4294967295.ffff");
}
END_TEST

int
main(void)
{
	TCase *tcase = tcase_create("changed");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, it_is_another_message);
	tcase_add_test(tcase, each_is_one_of_its_own);
	tcase_add_test(tcase, whatever_its_name_says);
	tcase_add_test(tcase, names);
	return run_case("changed", tcase, folder);
}
