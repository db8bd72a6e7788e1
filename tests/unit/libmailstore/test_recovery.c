/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A recovery that does not come to its end: the index is older than the folder, whose names tell UIDs that clients have seen. However often
 * it is begun again, each message keeps its own. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libmailstore/ms_internal.h"
#include "tests/unit/libmailstore/open_tests.h"
#include "tests/unit/libmailstore/store_tests.h"

/* In the index of before; and then, in several transactions. */
#define OLD 150u
#define ALL 400u
/* More of them than UIDs are promised in advance. */
#define MANY 600u

static char folder[] = "/tmp/test_recovery.XXXXXX";
static char account[64];
static struct ms_store *store;
static unsigned to_go; /* messages that are opened before it ends; 0: it does not */
static bool by_kill;

static bool
open_fails(const char *path)
{
	if (to_go == 0 || strncmp(path, "new/", 4) != 0 || --to_go != 0)
		return false;
	if (by_kill)
		(void)kill(getpid(), SIGKILL);
	errno = EMFILE;
	return true;
}

/* Messages that know their UIDs. */
static void
bring(const char *mailbox, const char *part, unsigned from, unsigned to)
{
	char script[256];
	struct ms_mailbox_info info;

	ck_assert_int_eq(ms_open(account, &store), 0);
	(void)snprintf(script, sizeof(script), "for n in $(seq %u %u); do printf 'Subject: number %%d\\n\\n' $n > new/1600000$(printf %%03d $n).M1.host; done", from, to);
	shell_in(account, part, script);
	ck_assert_int_eq(ms_mailbox_status(store, mailbox, &info), 0);
	ck_assert_uint_eq(info.uidnext, to + 1);
	ms_mailbox_info_clear(&info);
	ms_close(store);
}

/* What a power failure may leave: an index of before, which is to be recovered. */
static void
fall_back(const char *mailbox, const char *part, unsigned all)
{
	bring(mailbox, part, 1, OLD);
	shell_in(account, ".", "cp -a index saved");
	bring(mailbox, part, OLD + 1, all);
	shell_in(account, ".", "rm -r index && mv saved index && printf '\\001' | dd of=index/state bs=1 seek=31 conv=notrunc status=none");
}

static void
setup(void)
{
	to_go = 0;
	make_account(folder, account, sizeof(account));
}

static int
is_itself(void *context, const struct ms_message *message)
{
	char text[64] = "", wanted[64];
	uint64_t bytes;
	int fd;

	ck_assert_int_eq(ms_message_open(context, message->uid, &fd, &bytes), 0);
	ck_assert_int_gt(read(fd, text, sizeof(text) - 1), 0);
	ck_assert_int_eq(close(fd), 0);
	(void)snprintf(wanted, sizeof(wanted), "Subject: number %u\n\n", message->uid);
	ck_assert_str_eq(text, wanted);
	return 0;
}

static void
all_have_their_uids(const char *name, unsigned all)
{
	struct ms_mailbox *mailbox;

	ck_assert_int_eq(ms_open(account, &store), 0);
	ck_assert_int_eq(ms_mailbox_open(store, name, &mailbox), 0);
	ck_assert_uint_eq(ms_mailbox_info(mailbox)->messages, all);
	ck_assert_uint_gt(ms_mailbox_info(mailbox)->uidnext, all);
	ck_assert_int_eq(ms_messages(mailbox, 1, UINT32_MAX, is_itself, mailbox), 0);
	ms_mailbox_close(mailbox);
	ms_close(store);
}

/* Before the first transaction of new ones, within, between and behind them. */
static const unsigned ends[] = { 1, 2, 99, 101, 150, 201, ALL - OLD };
#define ENDS (int)(sizeof(ends) / sizeof(*ends))

static void
end_by_kill(unsigned at)
{
	pid_t pid = fork();
	int end;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		to_go = at;
		by_kill = true;
		_exit(ms_open(account, &store) != 0);
	}
	ck_assert_int_eq(waitpid(pid, &end, 0), pid);
	ck_assert(WIFSIGNALED(end));
}

static void
end_by_fault(unsigned at)
{
	to_go = at;
	by_kill = false;
	ck_assert_int_eq(ms_open(account, &store), -EMFILE);
	ck_assert_uint_eq(to_go, 0);
}

START_TEST(killed)
{
	fall_back("INBOX", "Maildir", ALL);
	end_by_kill(ends[_i]);
	all_have_their_uids("INBOX", ALL);
}
END_TEST

START_TEST(failed)
{
	fall_back("INBOX", "Maildir", ALL);
	end_by_fault(ends[_i]);
	all_have_their_uids("INBOX", ALL);
}
END_TEST

START_TEST(again_and_again)
{
	fall_back("INBOX", "Maildir", ALL);
	for (unsigned i = 0; i < 3; i++) {
		end_by_kill(20);
		end_by_fault(30);
	}
	all_have_their_uids("INBOX", ALL);
}
END_TEST

/* By another program, or by one of ours whose promise of it was lost. Nothing comes under a UID that was another's, either. */
START_TEST(renamed)
{
	ck_assert_int_eq(ms_open(account, &store), 0);
	ck_assert_int_eq(ms_mailbox_create(store, "Sub", MS_USE_NONE), 0);
	ms_close(store);
	fall_back("Sub", "Maildir/.Sub", _i == 0 ? ALL : MANY);
	shell_in(account, "Maildir", "mv .Sub .Other");
	all_have_their_uids("Other", _i == 0 ? ALL : MANY);
}
END_TEST

/* The last of them are gone: what comes then has none of their UIDs. */
START_TEST(renamed_and_emptied)
{
	struct ms_mailbox *mailbox;

	ck_assert_int_eq(ms_open(account, &store), 0);
	ck_assert_int_eq(ms_mailbox_create(store, "Sub", MS_USE_NONE), 0);
	ms_close(store);
	fall_back("Sub", "Maildir/.Sub", MANY);
	shell_in(account, "Maildir", "mv .Sub .Other && rm .Other/*/16*; printf 'Subject: new\\n\\n' > .Other/new/1700000001.M1.host");
	ck_assert_int_eq(ms_open(account, &store), 0);
	ck_assert_int_eq(ms_mailbox_open(store, "Other", &mailbox), 0);
	ck_assert_uint_eq(ms_mailbox_info(mailbox)->messages, 1);
	ck_assert_uint_gt(ms_mailbox_info(mailbox)->uidnext, MANY + 1);
	ms_mailbox_close(mailbox);
	ms_close(store);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("recovery");

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, killed, 0, ENDS);
	tcase_add_loop_test(tests, failed, 0, ENDS);
	tcase_add_test(tests, again_and_again);
	tcase_add_loop_test(tests, renamed, 0, 2);
	tcase_add_test(tests, renamed_and_emptied);
	return run_case("recovery", tests, folder);
}
