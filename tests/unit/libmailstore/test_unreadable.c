/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A message whose file another program has made unreadable: nothing but that message suffers from it, and it comes back. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libmailstore/ms_entries.h"
#include "libmailstore/ms_text_index.h"
#include "tests/unit/libmailstore/store_tests.h"

/* Fewer are not written to the text index. */
#define MESSAGES 120
#define NOBODY 65534

static char folder[] = "/tmp/test_unreadable.XXXXXX";
static char account[64];
static struct ms_store *store;

static void
open_store(void)
{
	ms_close(store);
	store = NULL;
	ck_assert_int_eq(ms_open(account, &store), 0);
	store->text_least = 0; /* small as it is, it gets an index of texts */
}

static void
add_to(const char *mailbox, unsigned first, unsigned last)
{
	struct ms_append *appends[MS_APPENDS_MAX];
	uint32_t uids[MS_APPENDS_MAX];
	size_t count = 0;

	for (unsigned i = first; i <= last; i++) {
		char text[128];

		(void)snprintf(text, sizeof(text), "From: a@b.test\nSubject: %u\n\n%s message %u\n", i, i <= 3 ? "early" : "late", i);
		appends[count] = ms_append_begin(store);
		ck_assert_int_eq(ms_append_write(appends[count++], text, strlen(text)), 0);
		if (count < MS_APPENDS_MAX && i < last)
			continue;
		ck_assert_int_eq(ms_append_commit_all(appends, count, mailbox, uids), 0);
		ck_assert_uint_eq(uids[count - 1], i);
		count = 0;
	}
}

static void
add(unsigned first, unsigned last)
{
	add_to("INBOX", first, last);
}

/* Root may read everything, so it is somebody else's account then. */
static void
setup(void)
{
	make_account(folder, account, sizeof(account));
	if (geteuid() == 0) {
		ck_assert_int_eq(chmod(folder, 0711), 0);
		ck_assert_int_eq(chown(account, NOBODY, NOBODY), 0);
		ck_assert_int_eq(setegid(NOBODY), 0);
		ck_assert_int_eq(seteuid(NOBODY), 0);
	}
	open_store();
	add(1, MESSAGES);
}

static void
teardown(void)
{
	ms_close(store);
	store = NULL;
	/* A sanitizer that looks for leaks at the end traces the process. */
	if (getuid() == 0) {
		ck_assert_int_eq(seteuid(0), 0);
		ck_assert_int_eq(setegid(0), 0);
		ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1), 0);
	}
}

/* theirs: it is root's, where a test can do that. */
static void
make_unreadable(uint32_t uid, bool theirs)
{
	char script[128];

	(void)snprintf(script, sizeof(script), "chmod 0 */*,U=%u[.:]*", uid);
	shell_in(account, "Maildir", script);
	if (!theirs || getuid() != 0)
		return;
	(void)snprintf(script, sizeof(script), "chmod 0600 */*,U=%u[.:]* && chown 0:0 */*,U=%u[.:]*", uid, uid);
	ck_assert_int_eq(seteuid(0), 0);
	shell_in(account, "Maildir", script);
	ck_assert_int_eq(seteuid(NOBODY), 0);
}

static void
make_readable(uint32_t uid)
{
	char script[128];

	(void)snprintf(script, sizeof(script), "chmod 0600 */*,U=%u[.:]*", uid);
	shell_in(account, "Maildir", script);
}

static void
print_fault(void *context, const struct ms_fault *fault)
{
	(void)buf_fmt(context, "%u: %s; ", fault->uid, fault->what);
}

static void
note(void *context, const char *mailbox, const char *text)
{
	(void)buf_fmt(context, "%s: %s; ", mailbox, text);
}

static int
take(void *context, const struct ms_message *message)
{
	(void)buf_fmt(context, "%u ", message->uid);
	return 0;
}

/* The UIDs of INBOX that have the text, or have it not. */
static void
finds(const char *text, bool negated, const char *expected)
{
	const struct ms_search_key key = { .kind = MS_SEARCH_TEXT, .where = MS_IN_BODY, .text = text, .text_len = strlen(text), .field = "" };
	const struct ms_search_key not = { .kind = MS_SEARCH_NOT, .children = &key };
	struct ms_search *search = ms_search_new(negated ? &not : &key);
	struct buf found = BUF_INIT(4096);
	struct ms_mailbox *mailbox;
	bool done = false;

	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_search_begin(search, mailbox), 0);
	while (!done)
		ck_assert_int_eq(ms_search_step(search, take, &found, &done), 0);
	ck_assert_str_eq(buf_cstr(&found), expected);
	for (uint32_t uid = 1; uid <= 3; uid++) {
		bool matches = false;
		char number[8];

		(void)snprintf(number, sizeof(number), "%u ", uid);
		(void)ms_search_message(search, mailbox, uid, &matches);
		ck_assert_int_eq(matches, strstr(expected, number) != NULL);
	}
	ms_search_free(search);
	ms_mailbox_close(mailbox);
	buf_free(&found);
}

static void
work_off(void)
{
	bool more = true;

	for (unsigned i = 0; more; i++) {
		ck_assert_int_eq(ms_index_text(store, &more), 0);
		ck_assert_uint_lt(i, 10000);
	}
}

static int
count_one(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	(void)key, (void)key_len, (void)value, (void)len;
	++*(unsigned *)context;
	return 0;
}

static int
count_unread(struct bdb *bdb, void *context)
{
	*(unsigned *)context = 0;
	return ms_text_each_unread(bdb, NULL, count_one, context);
}

static int
read_state(struct bdb *bdb, void *context)
{
	return ms_text_state(bdb, NULL, context);
}

static unsigned
unread(void)
{
	unsigned count;

	ck_assert_int_eq(ms_read(store, count_unread, &count), 0);
	return count;
}

START_TEST(searches_and_their_index_go_on)
{
	struct ms_mailbox *mailbox;

	make_unreadable(2, false);
	finds("early", false, "1 3 ");
	finds("late", true, "1 3 ");
	work_off();
	ck_assert_uint_eq(unread(), 1);
	finds("early", false, "1 3 ");
	finds("late message 77", false, "77 ");
	/* It cannot be told, so it stays a candidate. */
	make_readable(2);
	finds("early", false, "1 2 3 ");
	open_store();
	finds("early", false, "1 2 3 ");
	/* With its next change the index tries again: when enough others have come to be worth it. */
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_store_flags(mailbox, &(uint32_t){ 2 }, 1, MS_FLAGS_ADD, MS_SEEN, NULL, 0, NULL, NULL), 0);
	ms_mailbox_close(mailbox);
	add(MESSAGES + 1, 2 * MESSAGES);
	work_off();
	ck_assert_uint_eq(unread(), 0);
	finds("early", false, "1 2 3 ");
	finds("early message 2", false, "2 ");
}
END_TEST

static const char *const shuts[][2] = {
	{ "chmod 0 .Foo", "chmod 700 .Foo" },
	{ "mv .Foo/new .Foo/n && ln -s tmp .Foo/new", "rm .Foo/new && mv .Foo/n .Foo/new" },
	{ "mv .Foo/new .Foo/n && touch .Foo/new", "rm .Foo/new && mv .Foo/n .Foo/new" },
};

/* The others are indexed without its messages, and these when it is open again, though nothing of them has changed. */
START_TEST(the_index_goes_on_without_a_folder)
{
	struct ms_text_state state;

	ck_assert_int_eq(ms_mailbox_create(store, "Foo", MS_USE_NONE), 0);
	add_to("Foo", 1, MESSAGES);
	add(MESSAGES + 1, 2 * MESSAGES);
	shell_in(account, "Maildir", shuts[_i][0]);
	work_off();
	ck_assert_int_eq(ms_read(store, read_state, &state), 0);
	ck_assert_uint_eq(state.documents, 2 * MESSAGES);
	ck_assert_uint_eq(unread(), MESSAGES);
	open_store();
	work_off();
	ck_assert_uint_eq(unread(), MESSAGES);
	shell_in(account, "Maildir", shuts[_i][1]);
	open_store();
	work_off();
	ck_assert_int_eq(ms_read(store, read_state, &state), 0);
	ck_assert_uint_eq(state.documents, 3 * MESSAGES);
	ck_assert_uint_eq(unread(), 0);
	finds("early message 2", false, "2 ");
}
END_TEST

/* There may be many of them: in a session they are not tried at each change, but now and then. */
START_TEST(not_at_each_change)
{
	ck_assert_int_eq(ms_mailbox_create(store, "Foo", MS_USE_NONE), 0);
	add_to("Foo", 1, MESSAGES);
	add(MESSAGES + 1, 2 * MESSAGES);
	shell_in(account, "Maildir", "chmod 0 .Foo");
	work_off();
	ck_assert_uint_eq(unread(), MESSAGES);
	/* The first look is at once, and in vain. */
	add(2 * MESSAGES + 1, 3 * MESSAGES);
	work_off();
	ck_assert_int_ne(store->text_looked, 0);
	shell_in(account, "Maildir", "chmod 700 .Foo");
	add(3 * MESSAGES + 1, 4 * MESSAGES);
	work_off();
	ck_assert_uint_eq(unread(), MESSAGES);
	store->text_looked -= 300;
	work_off();
	ck_assert_uint_eq(unread(), 0);
}
END_TEST

START_TEST(repair_goes_on)
{
	struct buf faults = BUF_INIT(65536);
	struct ms_mailbox *mailbox;
	struct ms_message message;
	uint32_t uidnext;

	make_unreadable(2, true);
	shell_in(account, "Maildir", "for f in */*,U=3.*; do printf cut >$f; done");
	ck_assert_int_eq(ms_repair(store, print_fault, &faults), 0);
	ck_assert_msg(strstr(buf_cstr(&faults), "3: its file has another size") != NULL && strstr(buf_cstr(&faults), "2:") == NULL, "%s", buf_cstr(&faults));
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_message_get(mailbox, 2, &message), 0);
	ck_assert_int_eq(ms_message_get(mailbox, 3, &message), MS_E_NOTFOUND);
	uidnext = ms_mailbox_info(mailbox)->uidnext;
	ck_assert_int_eq(ms_message_get(mailbox, uidnext - 1, &message), 0);
	ms_mailbox_close(mailbox);
	buf_clear(&faults);
	ck_assert_int_eq(ms_check(store, print_fault, &faults), 0);
	ck_assert_msg(strncmp(buf_cstr(&faults), "2: the account may not read the file", 36) == 0 && strchr(buf_cstr(&faults), ';') == buf_cstr(&faults) + faults.len - 2,
	    "%s", buf_cstr(&faults));
	buf_free(&faults);
}
END_TEST

static int
lose(struct ms_txn *txn, void *context)
{
	const struct ms_mailbox *mailbox = context;

	return ms_entry_lose(txn, mailbox->number, 2);
}

START_TEST(a_damaged_record_of_one_is_mended)
{
	struct ms_mailbox *mailbox;
	struct ms_message message;

	make_unreadable(2, true);
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_run(store, lose, mailbox), 0);
	ck_assert_int_eq(ms_message_get(mailbox, 2, &message), MS_E_NOTFOUND);
	ck_assert_int_eq(ms_message_get(mailbox, 1, &message), 0);
	ms_mailbox_close(mailbox);
	open_store();
	finds("early", false, "1 3 ");
}
END_TEST

START_TEST(what_is_no_file_any_more_leaves)
{
	struct ms_mailbox *mailbox;
	struct ms_message message;

	shell_in(account, "Maildir", "for f in */*,U=2.*; do rm $f && mkfifo $f; done && for f in */*,U=3.*; do printf cut >$f; done");
	ck_assert_int_eq(ms_repair(store, NULL, NULL), 0);
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_message_get(mailbox, 2, &message), MS_E_NOTFOUND);
	ck_assert_int_eq(ms_message_get(mailbox, 3, &message), MS_E_NOTFOUND);
	ck_assert_int_eq(ms_message_get(mailbox, 4, &message), 0);
	ms_mailbox_close(mailbox);
	shell_in(account, "Maildir", "ls */*,U=2.* >list");
}
END_TEST

START_TEST(it_comes_back_after_a_rebuild)
{
	make_unreadable(2, false);
	shell_in(account, "Maildir", "touch -d @1000000000 new cur");
	ck_assert_int_eq(ms_rebuild(store), 0);
	finds("early", false, "1 3 ");
	make_readable(2);
	open_store();
	finds("early message 2", false, "257 ");
}
END_TEST

START_TEST(backup_and_export_leave_it_out)
{
	struct ms_backup_result result;
	struct buf notes = BUF_INIT(4096);
	uint64_t count;
	int into, out;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/backups", account);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	into = open(path, O_RDONLY | O_DIRECTORY);
	(void)snprintf(path, sizeof(path), "%s/out", account);
	out = open(path, O_RDWR | O_CREAT, 0600);
	ck_assert_int_ge(into, 0);
	ck_assert_int_ge(out, 0);
	make_unreadable(2, true);
	make_unreadable(5, false);
	ck_assert_int_eq(ms_backup(store, into, "one", NULL, note, &notes, &result), 0);
	ck_assert_uint_eq(result.messages, MESSAGES - 2);
	ck_assert_uint_eq(result.unreadable, 2);
	ck_assert_msg(strstr(buf_cstr(&notes), "INBOX: new/") != NULL && strstr(buf_cstr(&notes), ",U=2.") != NULL && strstr(buf_cstr(&notes), ",U=5.") != NULL,
	    "%s", buf_cstr(&notes));
	shell_in(account, "backups/one/Maildir", "test $(ls new cur | grep -c U=) = 118");
	buf_clear(&notes);
	ck_assert_int_eq(ms_mbox_export(store, "INBOX", out, note, &notes, &count), 0);
	ck_assert_uint_eq(count, MESSAGES - 2);
	ck_assert_str_eq(buf_cstr(&notes), "INBOX: message 2 cannot be read and is left out; INBOX: message 5 cannot be read and is left out; ");
	shell_in(account, ".", "test $(grep -c '^From ' out) = 118");
	buf_free(&notes);
	(void)close(into);
	(void)close(out);
}
END_TEST

/* Another's file may be read, and no link be made to it (fs.protected_hardlinks): it is copied. */
START_TEST(what_cannot_be_linked_is_copied)
{
	struct ms_backup_result result;
	struct buf notes = BUF_INIT(4096);
	char path[128];
	int into;

	if (getuid() != 0)
		return;
	(void)snprintf(path, sizeof(path), "%s/backups", account);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	into = open(path, O_RDONLY | O_DIRECTORY);
	make_unreadable(2, true);
	ck_assert_int_eq(seteuid(0), 0);
	shell_in(account, "Maildir", "chmod 0644 */*,U=2.*");
	ck_assert_int_eq(seteuid(NOBODY), 0);
	ck_assert_int_eq(ms_backup(store, into, "one", NULL, note, &notes, &result), 0);
	ck_assert_uint_eq(result.messages, MESSAGES);
	ck_assert_uint_eq(notes.len, 0);
	buf_free(&notes);
	(void)close(into);
}
END_TEST

int
main(void)
{
	TCase *tcase = tcase_create("unreadable");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, searches_and_their_index_go_on);
	tcase_add_test(tcase, not_at_each_change);
	tcase_add_loop_test(tcase, the_index_goes_on_without_a_folder, 0, sizeof(shuts) / sizeof(*shuts));
	tcase_add_test(tcase, repair_goes_on);
	tcase_add_test(tcase, a_damaged_record_of_one_is_mended);
	tcase_add_test(tcase, what_is_no_file_any_more_leaves);
	tcase_add_test(tcase, it_comes_back_after_a_rebuild);
	tcase_add_test(tcase, backup_and_export_leave_it_out);
	tcase_add_test(tcase, what_cannot_be_linked_is_copied);
	return run_case("unreadable", tcase, folder);
}
