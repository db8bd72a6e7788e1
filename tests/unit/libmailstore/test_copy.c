/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* COPY of many messages is all or nothing, whichever of them cannot be copied; what cannot be linked or named as it is is copied all the same. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"
#include "tests/unit/libmailstore/store_tests.h"

#define MESSAGES 130

static char folder[] = "/tmp/test_copy.XXXXXX";
static char account[64];
static struct ms_store *store;
static struct ms_mailbox *inbox;
static uint32_t uids[MESSAGES], new_uids[MESSAGES], validity;
/* Links or moves of messages until one fails; 0: none does. always: all links do from then on. */
static unsigned until;
static bool always;
static int error;

static bool
fails(const char *to)
{
	if (until == 0 || (strncmp(to, "cur/", 4) != 0 && strncmp(to, "new/", 4) != 0 && strncmp(to, "tmp/", 4) != 0))
		return false;
	if (until > 1) {
		until--;
		return false;
	}
	until = always;
	errno = error;
	return true;
}

int
linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	return fails(to) ? -1 : (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
}

int
renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return from_fd != to_fd && fails(to) ? -1 : (int)syscall(SYS_renameat, from_fd, from, to_fd, to);
}

static void
set_up(void)
{
	make_account(folder, account, sizeof(account));
	ck_assert_int_eq(ms_open(account, &store), 0);
	for (uint32_t i = 0; i < MESSAGES; i++) {
		struct ms_append *append = ms_append_begin(store);
		char text[64];

		ck_assert_int_eq(ms_append_write(append, text, (size_t)snprintf(text, sizeof(text), "Subject: %u\n\n%u\n", i, i)), 0);
		ck_assert_int_eq(ms_append_commit(append, "INBOX", MS_SEEN, NULL, 1000000000, &uids[i], &validity, NULL), 0);
	}
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &inbox), 0);
	memset(new_uids, 0xff, sizeof(new_uids));
}

static void
no_fault(void *context, const struct ms_fault *fault)
{
	(void)context;
	ck_abort_msg("%s UID %u: %s", fault->mailbox, fault->uid, fault->what);
}

static void
tear_down(void)
{
	until = 0;
	ck_assert_int_eq(ms_check(store, no_fault, NULL), 0);
	ms_mailbox_close(inbox);
	ms_close(store);
}

static unsigned
held(const char *name)
{
	struct ms_mailbox_info info;
	unsigned messages;

	ck_assert_int_eq(ms_mailbox_status(store, name, &info), 0);
	messages = info.messages;
	ms_mailbox_info_clear(&info);
	return messages;
}

/* In the first batch, in a later one, and the very last. */
static const unsigned failing[] = { 1, 60, MESSAGES };

START_TEST(all_or_nothing)
{
	error = EIO;
	until = failing[_i];
	ck_assert_int_eq(ms_copy(inbox, uids, MESSAGES, "Archive", false, new_uids, &validity), -EIO);
	ck_assert_uint_eq(held("Archive"), 0);
	for (unsigned i = 0; i < MESSAGES; i++)
		ck_assert_uint_eq(new_uids[i], 0);
	ck_assert_int_eq(ms_copy(inbox, uids, MESSAGES, "Archive", false, new_uids, &validity), 0);
	ck_assert_uint_eq(held("Archive"), MESSAGES);
	ck_assert_uint_eq(held("INBOX"), MESSAGES);
	/* Into itself. */
	until = failing[_i];
	ck_assert_int_eq(ms_copy(inbox, uids, MESSAGES, "INBOX", false, new_uids, &validity), -EIO);
	ck_assert_uint_eq(held("INBOX"), MESSAGES);
}
END_TEST

/* What has moved is told. */
START_TEST(move_tells)
{
	unsigned moved = (failing[_i] - 1) / 50 * 50;

	error = EIO;
	until = failing[_i];
	ck_assert_int_eq(ms_copy(inbox, uids, MESSAGES, "Archive", true, new_uids, &validity), -EIO);
	ck_assert_uint_eq(held("Archive"), moved);
	ck_assert_uint_eq(held("INBOX"), MESSAGES - moved);
	for (unsigned i = 0; i < MESSAGES; i++)
		ck_assert_uint_eq(new_uids[i], i < moved ? i + 1 : 0);
}
END_TEST

START_TEST(links_refused)
{
	static const int errors[] = { EPERM, EMLINK, EXDEV };
	struct ms_mailbox *archive;
	struct ms_message from, to;
	char text[64];
	uint64_t bytes;
	int fd;

	error = errors[_i];
	always = true;
	until = 1;
	shell_in(account, "Maildir", "rmdir .Archive/tmp");
	ck_assert_int_eq(ms_copy(inbox, uids, 3, "Archive", false, new_uids, &validity), 0);
	ck_assert_uint_eq(held("Archive"), 3);
	ck_assert_int_eq(ms_mailbox_open(store, "Archive", &archive), 0);
	ck_assert_int_eq(ms_message_get(inbox, uids[2], &from), 0);
	ck_assert_int_eq(ms_message_get(archive, new_uids[2], &to), 0);
	ck_assert(from.email_id == to.email_id && from.internal_date == to.internal_date && from.flags == to.flags && from.size == to.size);
	ck_assert_int_eq(ms_message_open(archive, new_uids[2], &fd, &bytes), 0);
	ck_assert_int_eq((int)read(fd, text, sizeof(text)), (int)bytes);
	ck_assert_int_eq(memcmp(text, "Subject: 2\n\n2\n", (size_t)bytes), 0);
	(void)close(fd);
	shell_in(account, "Maildir", "test $(ls .Archive/cur | wc -l) = 3 && test -z \"$(ls .Archive/tmp)\"");
	ms_mailbox_close(archive);
}
END_TEST

/* A name of another program that is too long for a UID behind it. */
START_TEST(long_name)
{
	uint32_t uid = MESSAGES + 1;
	struct ms_message message;
	struct ms_mailbox *archive;
	uint64_t id;

	shell_in(account, "Maildir", "printf 'Subject: long\\n\\nx\\n' > new/$(printf '%0240d' 7)");
	ck_assert_int_eq(ms_mailbox_sync(inbox), 0);
	ck_assert_int_eq(ms_message_get(inbox, uid, &message), 0);
	id = message.email_id;
	ck_assert_int_eq(ms_copy(inbox, &uid, 1, "Archive", _i == 1, new_uids, &validity), 0);
	ck_assert_uint_eq(held("Archive"), 1);
	ck_assert_uint_eq(held("INBOX"), MESSAGES + (_i == 0));
	ck_assert_int_eq(ms_mailbox_open(store, "Archive", &archive), 0);
	ck_assert_int_eq(ms_message_get(archive, new_uids[0], &message), 0);
	ck_assert_uint_eq(message.email_id, id);
	ms_mailbox_close(archive);
}
END_TEST

/* The mailbox has room for one more keyword. */
static void
fill_keywords(struct ms_mailbox *mailbox)
{
	uint32_t uid = 1;

	for (unsigned from = 0; from < MS_KEYWORDS_MAX - 1; from += 64) {
		char names[64][16];
		const char *list[65] = { NULL };

		for (unsigned i = 0; i < 64 && from + i < MS_KEYWORDS_MAX - 1; i++) {
			(void)snprintf(names[i], sizeof(names[i]), "k%u", from + i);
			list[i] = names[i];
		}
		ck_assert_int_eq(ms_store_flags(mailbox, &uid, 1, MS_FLAGS_REMOVE, 0, list, 0, NULL, NULL), 0);
	}
}

/* A message goes with all of its keywords, or stays. */
START_TEST(no_room_for_keywords)
{
	static const char *const keywords[] = { "k5", "mine", "another", "k6", NULL };
	struct ms_message before, after;
	struct ms_mailbox *archive;

	ck_assert_int_eq(ms_copy(inbox, uids, 1, "Archive", false, new_uids, &validity), 0);
	ck_assert_int_eq(ms_mailbox_open(store, "Archive", &archive), 0);
	fill_keywords(archive);
	ck_assert_int_eq(ms_store_flags(inbox, &uids[1], 1, MS_FLAGS_ADD, 0, keywords, 0, NULL, NULL), 0);
	ck_assert_int_eq(ms_message_get(inbox, uids[1], &before), 0);
	ck_assert_int_eq(ms_copy(inbox, uids, 3, "Archive", _i == 1, new_uids, &validity), MS_E_LIMIT);
	ck_assert_uint_eq(held("Archive"), 1);
	ck_assert_uint_eq(held("INBOX"), MESSAGES);
	ck_assert_int_eq(ms_message_get(inbox, uids[1], &after), 0);
	ck_assert(ms_keywords_equal(&after.keywords, &before.keywords));
	/* Nor is the one left that had room. */
	ck_assert_int_eq(ms_mailbox_sync(archive), 0);
	ck_assert_uint_eq(archive->record.folder.keyword_count, MS_KEYWORDS_MAX - 1);
	shell_in(account, "Maildir/.Archive", "! grep -qE '^keyword (mine|another)$' fourpost-folder");
	/* With one less all have. */
	ck_assert_int_eq(ms_store_flags(inbox, &uids[1], 1, MS_FLAGS_SET, 0, keywords + 2, 0, NULL, NULL), 0);
	ck_assert_int_eq(ms_copy(inbox, &uids[1], 1, "Archive", _i == 1, new_uids, &validity), 0);
	ck_assert_int_eq(ms_mailbox_sync(archive), 0);
	ck_assert_int_eq(ms_message_get(archive, new_uids[0], &after), 0);
	ck_assert(ms_keywords_have(&after.keywords, 6) && ms_keywords_have(&after.keywords, MS_KEYWORDS_MAX - 1));
	shell_in(account, "Maildir/.Archive", "grep -q '^keyword another$' fourpost-folder");
	ms_mailbox_close(archive);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("copy");

	tcase_set_timeout(tests, 120);
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_loop_test(tests, all_or_nothing, 0, 3);
	tcase_add_loop_test(tests, move_tells, 0, 3);
	tcase_add_loop_test(tests, links_refused, 0, 3);
	tcase_add_loop_test(tests, long_name, 0, 2);
	tcase_add_loop_test(tests, no_room_for_keywords, 0, 2);
	return run_case("copy", tests, folder);
}
