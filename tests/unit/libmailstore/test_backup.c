/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Backups, and what comes back from them. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "libmailstore/mailstore.h"
#include "tests/unit/libmailstore/move_tests.h"

static char folder[] = "/tmp/test_backup.XXXXXX";

static void
setup(void)
{
	setup_in(folder);
}

static int
open_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void
no_note(void *context, const char *mailbox, const char *text)
{
	(void)context, (void)mailbox, (void)text;
}

START_TEST(backup_and_restore)
{
	static const char *const keywords[] = { "Work", NULL };
	struct ms_backup_result result;
	char path[128], *inbox, *sub;
	struct ms_mailbox *mailbox;
	uint32_t uid;
	int into, from;

	open_store(account);
	ck_assert_int_eq(ms_mailbox_create(store, "Work/S\xc3\xbc" "b", MS_USE_NONE), 0);
	(void)add("INBOX", MS_SEEN, keywords);
	uid = add("INBOX", 0, NULL);
	(void)add("Work/S\xc3\xbc" "b", MS_FLAGGED, NULL);
	shell_in(account, ".", "mkdir backups");
	(void)snprintf(path, sizeof(path), "%s/backups", account);
	into = open_folder(path);
	ck_assert_int_eq(ms_backup(store, into, "one", NULL, no_note, NULL, &result), 0);
	ck_assert_uint_eq(result.messages, 3);
	ck_assert_uint_eq(result.linked, 0);
	ck_assert_int_eq(ms_backup(store, into, "one", NULL, no_note, NULL, &result), MS_E_EXISTS);

	/* Another flag, one message more, one less: the others are links. */
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_store_flags(mailbox, &uid, 1, MS_FLAGS_ADD, MS_ANSWERED, NULL, 0, NULL, NULL), 0);
	uid = 1;
	ck_assert_int_eq(ms_expunge(mailbox, &uid, 1), 0);
	ms_mailbox_close(mailbox);
	(void)add("INBOX", 0, NULL);
	ck_assert_int_eq(ms_backup(store, into, "two", "one", no_note, NULL, &result), 0);
	ck_assert_uint_eq(result.messages, 3);
	ck_assert_uint_eq(result.linked, 2);
	inbox = contents("INBOX");
	sub = contents("Work/S\xc3\xbc" "b");
	shell_in(account, ".", "test -z \"$(ls backup)\"");

	/* The first is whole without the second's, and the second without the first. */
	shell_in(account, ".", "rm -r backups/one");
	(void)snprintf(path, sizeof(path), "%s/backups/two", account);
	from = open_folder(path);
	ck_assert_int_eq(ms_restore(other, from, false, NULL, NULL, &result), 0);
	ck_assert_uint_eq(result.messages, 3);
	open_store(other);
	holds("INBOX", inbox);
	holds("Work/S\xc3\xbc" "b", sub);
	ck_assert_int_eq(ms_restore(other, from, false, NULL, NULL, &result), MS_E_EXISTS);
	holds("INBOX", inbox);

	/* Over mail that came since, for somebody who has it open: no UID of then is given again. */
	uid = add("INBOX", 0, NULL);
	ck_assert_int_eq(ms_restore(other, from, true, NULL, NULL, &result), 0);
	holds("INBOX", inbox);
	ck_assert_uint_gt(add("INBOX", 0, NULL), uid);

	/* Once more: what was set aside the first time is still there. */
	ck_assert_int_eq(ms_restore(other, from, true, NULL, NULL, &result), 0);
	holds("INBOX", inbox);
	shell_in(other, ".", "test $(find Maildir.before/cur Maildir.before/new -type f | wc -l) -eq 3 && test -d Maildir.before.2 && test ! -e Maildir.before.3");
	free(inbox);
	free(sub);
	(void)close(into);
	(void)close(from);
}
END_TEST

/* A backup that fails leaves nothing, and what one that died has left goes with the next. */
START_TEST(backup_leaves_no_part)
{
	struct ms_backup_result result;
	struct rlimit before;
	char path[128];
	int into, r;

	open_store(account);
	(void)add("INBOX", MS_SEEN, NULL);
	shell_in(account, ".", "mkdir -p backups/dead.part/Maildir/cur backups/other backups/.part && touch backups/dead.part/Maildir/cur/x");
	(void)snprintf(path, sizeof(path), "%s/backups", account);
	into = open_folder(path);
	ck_assert_int_eq(ms_backup(store, into, "one", NULL, no_note, NULL, &result), 0);
	shell_in(account, ".", "test $(ls backups | paste -sd,) = one,other && test -d backups/.part");
	/* No room for its last file. */
	shell_in(account, ".", "yes 'a mailbox' | head -c 600000 >Maildir/subscriptions");
	(void)signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 500000, before.rlim_max }), 0);
	r = ms_backup(store, into, "two", "one", no_note, NULL, &result);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
	ck_assert_int_lt(r, 0);
	ck_assert_uint_eq(result.messages, 1);
	shell_in(account, ".", "test $(ls backups | paste -sd,) = one,other && test -z \"$(ls backup)\"");
	(void)close(into);
}
END_TEST

/* A copy of an account is a backup too, at any moment: flags that were promised and are in no name yet come along. */
START_TEST(restore_from_copy)
{
	struct ms_backup_result result;
	struct ms_mailbox *mailbox;
	uint32_t uids[100];
	char *before, path[128];
	int from;

	open_store(account);
	for (unsigned i = 0; i < 100; i++)
		uids[i] = add("INBOX", 0, NULL);
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	/* Names follow at once where the folder was changed a moment ago, for it is read again then. */
	(void)snprintf(path, sizeof(path), "%s/Maildir/fourpost-flags", account);
	for (unsigned i = 0; i < 100 && access(path, F_OK) != 0; i++) {
		(void)nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
		ck_assert_int_eq(ms_store_flags(mailbox, uids, 100, i % 2 == 0 ? MS_FLAGS_ADD : MS_FLAGS_REMOVE, MS_FLAGGED, NULL, 0, NULL, NULL), 0);
	}
	shell_in(account, ".", "test -s Maildir/fourpost-flags && mkdir copy && cp -a Maildir copy");
	ms_mailbox_close(mailbox);
	before = contents("INBOX");
	(void)snprintf(path, sizeof(path), "%s/copy", account);
	from = open_folder(path);
	ck_assert_int_eq(ms_restore(other, from, false, NULL, NULL, &result), 0);
	ck_assert_uint_eq(result.messages, 100);
	open_store(other);
	holds("INBOX", before);
	free(before);
	(void)close(from);
}
END_TEST

/* And so may a copy of an account. */
START_TEST(restore_without_parts)
{
	struct ms_backup_result result;
	char path[128];
	int from;

	open_store(account);
	ck_assert_int_eq(ms_mailbox_create(store, "New", MS_USE_NONE), 0);
	ck_assert_int_eq(ms_mailbox_create(store, "Empty", MS_USE_NONE), 0);
	(void)add("New", 0, NULL);
	shell_in(account, ".", "mkdir copy && cp -a Maildir copy && find copy -type d -empty -delete && test ! -e copy/Maildir/.New/cur && test ! -e copy/Maildir/.Empty/new");
	(void)snprintf(path, sizeof(path), "%s/copy", account);
	from = open_folder(path);
	ck_assert_int_eq(ms_restore(other, from, false, NULL, NULL, &result), 0);
	ck_assert_uint_eq(result.messages, 1);
	open_store(other);
	ck_assert_uint_gt(add("New", 0, NULL), 1);
	ck_assert_uint_gt(add("Empty", 0, NULL), 0);
	(void)close(from);
}
END_TEST

/* A mailbox that is gone from its place when it comes back from a backup: renamed, removed, or not in another backup that came back before. Clients
 * that knew it hear of no second message by one UID, for its UIDVALIDITY stays. */
START_TEST(restore_what_was_removed)
{
	struct ms_backup_result result;
	char path[128];
	uint32_t uid = 0, next;
	char *contents_then;
	int into, from, without;

	open_store(account);
	shell_in(account, ".", "mkdir backups");
	(void)snprintf(path, sizeof(path), "%s/backups", account);
	into = open_folder(path);
	ck_assert_int_eq(ms_backup(store, into, "without", NULL, no_note, NULL, &result), 0);
	ck_assert_int_eq(ms_mailbox_create(store, "A", MS_USE_NONE), 0);
	for (unsigned i = 0; i < 3; i++)
		uid = add("A", 0, NULL);
	ck_assert_int_eq(ms_backup(store, into, "one", NULL, no_note, NULL, &result), 0);
	contents_then = contents("A");
	for (unsigned i = 0; i < 300; i++)
		uid = add("A", 0, NULL);
	(void)snprintf(path, sizeof(path), "%s/backups/one", account);
	from = open_folder(path);
	(void)snprintf(path, sizeof(path), "%s/backups/without", account);
	without = open_folder(path);
	if (_i == 0)
		ck_assert_int_eq(ms_mailbox_rename(store, "A", "B"), 0);
	else if (_i == 1)
		ck_assert_int_eq(ms_mailbox_delete(store, "A"), 0);
	else
		ck_assert_int_eq(ms_restore(account, without, true, NULL, NULL, &result), 0);
	ck_assert_int_eq(ms_restore(account, from, true, NULL, NULL, &result), 0);
	open_store(account);
	holds("A", contents_then);
	next = add("A", 0, NULL);
	ck_assert_uint_gt(next, uid);
	/* Where it was there at the time, or was set aside, that is how far it had come; else nobody knows. */
	ck_assert(_i == 0 ? next < 1000 : next > 1000000);
	free(contents_then);
	(void)close(into);
	(void)close(from);
	(void)close(without);
}
END_TEST

/* Hot: what stands all the time is in each backup once, whatever comes, moves and goes meanwhile. */
START_TEST(backup_while_others_write)
{
	struct ms_backup_result result;
	char path[128];
	int into, status;
	pid_t pid;

	open_store(account);
	ck_assert_int_eq(ms_mailbox_create(store, "A", MS_USE_NONE), 0);
	for (unsigned i = 0; i < 50; i++)
		(void)add("INBOX", 0, NULL);
	shell_in(account, ".", "mkdir backups");
	(void)snprintf(path, sizeof(path), "%s/backups", account);
	into = open_folder(path);
	teardown();
	pid = fork();
	if (pid == 0) {
		struct ms_mailbox *inbox, *a;
		uint32_t uids[50], uidvalidity;

		open_store(account);
		if (ms_mailbox_open(store, "INBOX", &inbox) != 0 || ms_mailbox_open(store, "A", &a) != 0)
			_exit(1);
		for (unsigned round = 0;; round++) {
			struct ms_mailbox *from = round % 2 == 0 ? inbox : a;
			uint32_t next = ms_mailbox_info(from)->uidnext, first = next > 50 ? next - 50 : 1;

			for (uint32_t i = 0; i < 50; i++)
				uids[i] = first + i;
			(void)ms_copy(from, uids, 50, round % 2 == 0 ? "A" : "INBOX", true, uids, &uidvalidity);
			(void)ms_mailbox_sync(inbox);
			(void)ms_mailbox_sync(a);
		}
	}
	open_store(account);
	for (unsigned i = 0; i < 20; i++) {
		char name[16], script[128];

		(void)snprintf(name, sizeof(name), "b%u", i);
		ck_assert_int_eq(ms_backup(store, into, name, NULL, no_note, NULL, &result), 0);
		(void)snprintf(script, sizeof(script), "test $(find backups/%s -name '*,S=*' | sed 's,.*/,,; s/,.*//' | sort -u | wc -l) = 50", name);
		shell_in(account, ".", script);
		(void)snprintf(script, sizeof(script), "test $(find backups/%s -name '*,S=*' | wc -l) = 50", name);
		shell_in(account, ".", script);
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	(void)close(into);
}
END_TEST

int
main(void)
{
	TCase *tcase = tcase_create("backup");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, backup_and_restore);
	tcase_add_test(tcase, backup_leaves_no_part);
	tcase_add_test(tcase, restore_from_copy);
	tcase_add_test(tcase, restore_without_parts);
	tcase_add_loop_test(tcase, restore_what_was_removed, 0, 3);
	tcase_add_test(tcase, backup_while_others_write);
	return run_case("backup", tcase, folder);
}
