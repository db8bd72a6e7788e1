/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* As many mailboxes as an account may have, and more: refused where we are asked, left out and told where others made them. */
#include <check.h>
#include <fcntl.h>
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

/* "A:messages B:messages " of those that have a message. */
static void
has_messages(const char *expected)
{
	struct buf text = BUF_INIT(1024);
	struct ms_mailbox_info *list;
	size_t n;

	ck_assert_int_eq(ms_mailboxes(store, &list, &n), 0);
	for (size_t i = 0; i < n; i++)
		if (list[i].messages != 0)
			(void)buf_fmt(&text, "%s:%u ", list[i].name, list[i].messages);
	ck_assert_str_eq(buf_cstr(&text), expected);
	ms_mailboxes_free(list, n);
	buf_free(&text);
}

static int
add(const char *mailbox, uint32_t flags)
{
	struct ms_append *append = ms_append_begin(store);
	uint32_t uid, uidvalidity;

	ck_assert_int_eq(ms_append_write(append, "Subject: x\n\nx\n", 14), 0);
	return ms_append_commit(append, mailbox, flags, NULL, 0, &uid, &uidvalidity, NULL);
}

/* A copy of the Maildir that leaves empty folders out: with the index, or without, which is made of what is there. */
static void
copy_without_empty_folders(bool with_index)
{
	static const char left[] = "[ ! -e .Archive/new ] && [ ! -e .Archive/tmp ] && [ ! -e .Sent/cur ] && [ ! -e .Trash/cur ]";

	ck_assert_int_eq(add("Archive", MS_SEEN), 0);
	ck_assert_int_eq(add("Archive", MS_SEEN), 0);
	ck_assert_int_eq(add("Trash", 0), 0);
	store->mailboxes_max++;
	has_messages("Archive:2 Trash:1 ");
	teardown();
	shell_in(account, "Maildir", "find . -mindepth 1 -type d -empty -delete");
	shell_in(account, "Maildir", left);
	if (!with_index)
		shell_in(account, ".", "rm -r index");
}

START_TEST(empty_folders_are_left_out)
{
	size_t before = count();

	copy_without_empty_folders(_i % 2 != 0);
	/* Who made them so is done, as far as one can tell by the time; or may be about to make the rest. */
	if (_i >= 2)
		shell_in(account, "Maildir", "touch -d '1 minute ago' .Archive .Sent .Trash");
	ck_assert_int_eq(ms_open(account, &store), 0);
	ck_assert_uint_eq(count(), before);
	has_messages("Archive:2 Trash:1 ");
	if (_i >= 2)
		shell_in(account, "Maildir", "for f in .Archive .Sent .Trash; do rmdir $f/tmp && [ -d $f/new ] && [ -d $f/cur ] || exit 1; done");
	else
		shell_in(account, "Maildir", "[ ! -e .Sent/cur ] && [ ! -e .Archive/new ]");
	ck_assert_int_eq(add("Archive", 0), 0);
	ck_assert_int_eq(add("Sent", 0), 0);
	ck_assert_int_eq(add("Trash", MS_SEEN), 0);
	has_messages("Archive:3 Sent:1 Trash:2 ");
	teardown();
	ck_assert_int_eq(ms_open(account, &store), 0);
	has_messages("Archive:3 Sent:1 Trash:2 ");
}
END_TEST

/* What is moved there, and flagged, finds its folder too. */
START_TEST(a_part_is_made_for_what_comes)
{
	const uint32_t uid = 1;
	uint32_t new_uid, uidvalidity;
	struct ms_mailbox *mailbox;

	copy_without_empty_folders(true);
	ck_assert_int_eq(ms_open(account, &store), 0);
	ck_assert_int_eq(ms_mailbox_open(store, "Trash", &mailbox), 0);
	ck_assert_int_eq(ms_store_flags(mailbox, &uid, 1, MS_FLAGS_ADD, MS_SEEN, NULL, 0, NULL, NULL), 0);
	ck_assert_int_eq(ms_copy(mailbox, &uid, 1, "Sent", false, &new_uid, &uidvalidity), 0);
	ms_mailbox_close(mailbox);
	ck_assert_int_eq(ms_mailbox_open(store, "Archive", &mailbox), 0);
	ck_assert_int_eq(ms_copy(mailbox, &uid, 1, "Junk", true, &new_uid, &uidvalidity), 0);
	ms_mailbox_close(mailbox);
	has_messages("Archive:1 Junk:1 Sent:1 Trash:1 ");
}
END_TEST

/* --- folders that nobody can look into --- */

static void
tell_shut(void *context, const struct ms_fault *fault)
{
	(void)context;
	if (strstr(fault->what, "may not read and write") != NULL)
		(void)snprintf(told, sizeof(told), "%s", fault->mailbox);
}

static void
run_as_nobody(void)
{
	if (geteuid() != 0)
		return;
	ck_assert_int_eq(chmod(folder, 0711), 0);
	shell_in(account, ".", "chown -R 65534:65534 .");
	ck_assert_int_eq(setresgid(65534, 65534, 65534), 0);
	ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
}

#define MAKE "mkdir -p .Foo/cur .Foo/new .Foo/tmp && "
static const struct {
	const char *name, *shut, *open;
	bool by_check, by_repair; /* at any time */
} shuts[] = {
	{ "Foo", MAKE "chmod 555 .Foo", "chmod 755 .Foo", true, true },
	{ "Foo", MAKE "chmod 0 .Foo", "chmod 755 .Foo", true, true },
	{ "Foo", MAKE "chmod 0 .Foo/cur", "chmod 755 .Foo/cur", true, true },
	{ "Foo", MAKE "rmdir .Foo/new && ln -s tmp .Foo/new", "rm .Foo/new", true, true },
	{ "Foo", MAKE "ln -s /etc/passwd .Foo/fourpost-folder", "rm .Foo/fourpost-folder", true, true },
	{ "Archive", "chmod 0 .Archive", "chmod 700 .Archive", true, true },
	{ "Archive", "chmod 0 .Archive/cur", "chmod 700 .Archive/cur", true, true },
	{ "Archive", "chmod 555 .Archive/new .Archive", "chmod 755 .Archive/new .Archive", false, false }, /* it can be read */
	{ "Archive", "mv .Archive/new .Archive/n && ln -s n .Archive/new", "rm .Archive/new && mv .Archive/n .Archive/new", true, true },
	{ "Archive", "mv .Archive/fourpost-folder .Archive/f && ln -s f .Archive/fourpost-folder", "mv .Archive/f .Archive/fourpost-folder", false, true }, /* another fault */
};

/* Everything else goes on, and the postmaster is told. */
static void
all_but_one(int i)
{
	const char *name = shuts[i].name;
	struct ms_mailbox *mailbox;

	ck_assert_int_eq(add("INBOX", 0), 0);
	ck_assert_int_eq(add("Sent", MS_SEEN), 0);
	(void)count();
	ck_assert_int_eq(ms_mailbox_open(store, "Sent", &mailbox), 0);
	ms_mailbox_close(mailbox);
	told[0] = '\0';
	ck_assert_int_eq(ms_check(store, tell_shut, NULL), 0);
	if (shuts[i].by_check)
		ck_assert_str_eq(told, name);
	told[0] = '\0';
	ck_assert_int_eq(ms_repair(store, tell_shut, NULL), 0);
	if (shuts[i].by_repair)
		ck_assert_str_eq(told, name);
}

START_TEST(one_is_shut)
{
	const char *name = shuts[_i].name;
	struct ms_mailbox *mailbox;
	uint32_t *uids;
	size_t n;

	ms_close(store);
	run_as_nobody();
	ck_assert_int_eq(ms_open(account, &store), 0);
	ck_assert_int_eq(add("Archive", 0), 0);
	ck_assert_int_eq(add("Archive", MS_SEEN), 0);
	shell_in(account, "Maildir", "touch -d '1 minute ago' .Archive/new .Archive/cur");
	(void)count();
	shell_in(account, "Maildir", shuts[_i].shut);
	all_but_one(_i);
	teardown();
	ck_assert_int_eq(ms_open_telling(account, tell_shut, NULL, &store), 0);
	all_but_one(_i);
	/* The index is recovered; and made anew. */
	teardown();
	shell_in(account, ".", "printf '\\001' | dd of=index/state bs=1 seek=31 conv=notrunc status=none");
	ck_assert_int_eq(ms_open(account, &store), 0);
	all_but_one(_i);
	if (shuts[_i].by_check) {
		ck_assert_int_eq(ms_rebuild(store), 0);
		all_but_one(_i);
	}
	shell_in(account, "Maildir", shuts[_i].open);
	ck_assert_int_eq(ms_repair(store, tell_shut, NULL), 0);
	told[0] = '\0';
	ck_assert_int_eq(ms_check(store, tell_shut, NULL), 0);
	ck_assert_str_eq(told, "");
	ck_assert_int_eq(ms_mailbox_open(store, name, &mailbox), 0);
	ms_mailbox_close(mailbox);
	ck_assert_int_eq(ms_mailbox_open(store, "Archive", &mailbox), 0);
	ck_assert_int_eq(ms_mailbox_uids(mailbox, &uids, &n), 0);
	ck_assert_uint_eq(n, 2);
	ck_assert_uint_eq(uids[1], 2);
	free(uids);
	ms_mailbox_close(mailbox);
}
END_TEST

static void
note_text(void *context, const char *mailbox, const char *text)
{
	(void)buf_fmt(context, "%s: %s; ", mailbox, text);
}

/* A backup has all others, and tells. */
static const struct {
	const char *name, *shut, *open;
} outs[] = {
	{ "Foo", MAKE "chmod 0 .Foo", "chmod 700 .Foo" },
	{ "Archive", "chmod 0 .Archive", "chmod 700 .Archive" },
	{ "Archive", "chmod 0 .Archive/cur", "chmod 700 .Archive/cur" },
	{ "Archive", "chmod 0 .Archive/new", "chmod 700 .Archive/new" },
	{ "Archive", "touch -d '1 minute ago' .Archive/cur && chmod 0 .Archive/cur", "chmod 700 .Archive/cur" },
	{ "Archive", "mv .Archive/new .Archive/n && ln -s n .Archive/new", "rm .Archive/new && mv .Archive/n .Archive/new" },
};

START_TEST(one_is_left_out_of_a_backup)
{
	struct ms_backup_result result;
	struct buf notes = BUF_INIT(4096);
	char path[128];
	int into;

	ms_close(store);
	run_as_nobody();
	ck_assert_int_eq(ms_open(account, &store), 0);
	(void)add("Archive", MS_SEEN);
	(void)add("Sent", MS_SEEN);
	shell_in(account, "Maildir", "touch -d '1 minute ago' .Archive/new .Archive/cur");
	(void)count();
	(void)snprintf(path, sizeof(path), "%s/backups", account);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	into = open(path, O_RDONLY | O_DIRECTORY);
	shell_in(account, "Maildir", outs[_i].shut);
	for (unsigned n = 0; n < 2; n++) {
		ck_assert_int_eq(ms_backup(store, into, n == 0 ? "one" : "two", n == 0 ? NULL : "one", note_text, &notes, &result), 0);
		ck_assert_uint_eq(result.unreadable, 1);
		ck_assert_uint_eq(result.messages, strcmp(outs[_i].name, "Foo") == 0 ? 2 : 1);
		ck_assert_msg(span_starts(buf_get(&notes), span_of(outs[_i].name)) && span_find(buf_get(&notes), SPAN("whole mailbox is left out")) > 0, "%s", buf_cstr(&notes));
		ck_assert_int_eq(span_chr(buf_get(&notes), ';'), (ptrdiff_t)notes.len - 2);
		buf_clear(&notes);
		teardown();
		ck_assert_int_eq(ms_open(account, &store), 0);
	}
	(void)snprintf(path, sizeof(path), "[ ! -e .%s ] && [ -d .Sent ]", outs[_i].name);
	shell_in(account, "backups/one/Maildir", path);
	shell_in(account, "Maildir", outs[_i].open);
	ck_assert_int_eq(ms_backup(store, into, "three", "two", note_text, &notes, &result), 0);
	ck_assert_uint_eq(result.unreadable, 0);
	ck_assert_uint_eq(result.messages, 2);
	ck_assert_uint_eq(notes.len, 0);
	buf_free(&notes);
	(void)close(into);
}
END_TEST

static const struct {
	const char *shut, *open;
} inner[] = {
	{ "chmod 0 .Tree.Leaf", "chmod 700 .Top.Wood.Leaf" },
	{ "chmod 0 .Tree.Leaf/cur", "chmod 700 .Top.Wood.Leaf/cur" },
	{ "chmod 0 .Tree .Tree.Leaf", "chmod 700 .Top.Wood .Top.Wood.Leaf" },
	{ "mkdir -p .Tree.Other/cur .Tree.Other/new .Tree.Other/tmp && chmod 0 .Tree.Other", "chmod 700 .Top.Wood.Other" },
};

/* All inferior names are renamed (RFC 3501 section 6.3.5), and subscriptions follow. */
START_TEST(one_is_renamed_with_the_others)
{
	static const char *const inferior[] = { "Top/Wood/Leaf", "Top/Wood/Leaf", "Top/Wood/Leaf", "Top/Wood/Other" };
	struct ms_mailbox_info info;
	char id[MS_ID_LEN + 1];

	ms_close(store);
	run_as_nobody();
	ck_assert_int_eq(ms_open(account, &store), 0);
	ck_assert_int_eq(ms_mailbox_create(store, "Tree/Leaf", MS_USE_NONE), 0);
	ck_assert_int_eq(ms_subscribe(store, "Tree/Leaf", true), 0);
	ck_assert_int_eq(add("Tree/Leaf", MS_SEEN), 0);
	ck_assert_int_eq(ms_mailbox_status(store, "Tree/Leaf", &info), 0);
	(void)snprintf(id, sizeof(id), "%s", info.id);
	ms_mailbox_info_clear(&info);
	shell_in(account, "Maildir", inner[_i].shut);
	(void)count();
	ck_assert_int_eq(ms_mailbox_rename(store, "Tree", "Top/Wood"), 0);
	shell_in(account, "Maildir", "[ -z \"$(ls -A | grep Tree)\" ] && grep -qx Top/Wood/Leaf subscriptions && ! grep -q Tree subscriptions");
	(void)count();
	shell_in(account, "Maildir", inner[_i].open);
	for (unsigned n = 0; n < 2; n++) {
		shell_in(account, "Maildir", "touch .");
		(void)count();
		ck_assert_int_eq(ms_mailbox_status(store, inferior[_i], &info), 0);
		ms_mailbox_info_clear(&info);
		ck_assert_int_eq(ms_mailbox_status(store, "Top/Wood/Leaf", &info), 0);
		ck_assert_str_eq(info.id, id);
		ck_assert_uint_eq(info.messages, 1);
		ms_mailbox_info_clear(&info);
		ck_assert_int_eq(ms_mailbox_status(store, "Tree", &info), MS_E_NOTFOUND);
		teardown();
		ck_assert_int_eq(ms_open(account, &store), 0);
	}
}
END_TEST

/* --- mended within --- */

static int
damage_number(struct ms_txn *txn, void *context)
{
	const char *name = context;

	return ms_bdb(bdb_put(txn->bdb, txn->txn, T_META, name, strlen(name), "abc", 3));
}

static void
count_new(void *context, uint32_t number, struct ms_mailbox_record *record)
{
	(void)number;
	*(unsigned *)context += strcmp(record->name, "New") == 0;
}

static int
read_new(struct bdb *bdb, void *context)
{
	*(unsigned *)context = 0;
	return ms_mailbox_each(bdb, NULL, count_new, context);
}

/* What "New" holds. */
static void
hold_new(unsigned messages, uint32_t uid)
{
	struct ms_mailbox *mailbox;
	uint32_t *uids;
	size_t n;

	ck_assert_int_eq(ms_mailbox_open(store, "New", &mailbox), 0);
	ck_assert_int_eq(ms_mailbox_uids(mailbox, &uids, &n), 0);
	ck_assert_uint_eq(n, messages);
	ck_assert_uint_eq(uids[0], uid);
	free(uids);
	ms_mailbox_close(mailbox);
}

/* A folder is just being taken in, or renamed, when the damage is met: mending lists the folders too, and the transaction that is repeated
 * then finds its work done. */
START_TEST(mended_within_a_listing)
{
	static const char *const scripts[] = {
		"mkdir -p .New/cur .New/new .New/tmp && printf 'Subject: x\n\nx\n' >.New/cur/1600000000.M1.host:2,S",
		"mv .Sent .New",
	};
	char number[8];
	unsigned records;

	(void)snprintf(number, sizeof(number), "%s", _i < 2 ? "modseq" : "floor");
	ck_assert_int_eq(add("Sent", MS_SEEN), 0);
	shell_in(account, "Maildir", scripts[_i % 2]);
	ck_assert_int_eq(ms_run(store, damage_number, number), 0);
	hold_new(1, 1);
	ck_assert_int_eq(ms_read(store, read_new, &records), 0);
	ck_assert_uint_eq(records, 1);
	teardown();
	shell_in(account, ".", "rm -r index");
	ck_assert_int_eq(ms_open(account, &store), 0);
	hold_new(1, 1);
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
	tcase_add_loop_test(tcase, empty_folders_are_left_out, 0, 4);
	tcase_add_test(tcase, a_part_is_made_for_what_comes);
	tcase_add_loop_test(tcase, one_is_shut, 0, (int)(sizeof(shuts) / sizeof(*shuts)));
	tcase_add_loop_test(tcase, one_is_left_out_of_a_backup, 0, (int)(sizeof(outs) / sizeof(*outs)));
	tcase_add_loop_test(tcase, one_is_renamed_with_the_others, 0, (int)(sizeof(inner) / sizeof(*inner)));
	tcase_add_loop_test(tcase, mended_within_a_listing, 0, 4);
	tcase_add_test(tcase, the_right_one_is_forgotten);
	return run_case("mailboxes", tcase, folder);
}
