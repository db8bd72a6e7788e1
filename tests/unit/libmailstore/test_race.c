/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Another program renames messages without pause while the store looks: none of them is ever gone, counted twice, or numbered anew, and
 * what the store is told to do to them is done. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/sanitizer.h"
#include "libmailstore/ms_internal.h"
#include "tests/unit/libmailstore/store_tests.h"

#define MESSAGES 2000u
#define ROUNDS 10

static char folder[] = "/tmp/test_race.XXXXXX";
static char account[64];
static struct ms_store *store;
static struct ms_mailbox *mailbox;
static pid_t renamer;

static void
put_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "Subject: x\n\nx\n", 14), 14);
	ck_assert_int_eq(close(fd), 0);
}

static void
setup(void)
{
	char path[128];

	make_account(folder, account, sizeof(account));
	ck_assert_int_eq(ms_open(account, &store), 0);
	for (unsigned n = 1; n <= MESSAGES; n++) {
		(void)snprintf(path, sizeof(path), "%s/Maildir/%s/%u.M%u.host%s", account, n % 2 != 0 ? "cur" : "new", 1600000000 + n, n,
		    n % 2 != 0 ? ":2," : "");
		put_file(path);
	}
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_uint_eq(ms_mailbox_info(mailbox)->messages, MESSAGES);
}

static void
stop(void)
{
	if (renamer > 0) {
		(void)kill(renamer, SIGKILL);
		(void)waitpid(renamer, NULL, 0);
	}
	renamer = 0;
}

static void
teardown(void)
{
	stop();
	ms_mailbox_close(mailbox);
	ms_close(store);
}

/* What mutt does, at full speed: flags on and off, from new/ to cur/, and back to new/, which some programs do for "keep as new". */
static void
rename_one(const char *part, const char *name, unsigned turn)
{
	static const char *const flags[] = { "", "S", "FS", "RS" };
	const char *colon = strchr(name, ':');
	size_t len = colon != NULL ? (size_t)(colon - name) : strlen(name);
	char from[300], to[300];

	(void)snprintf(from, sizeof(from), "%s/%s", part, name);
	(void)snprintf(to, sizeof(to), "%s/%s", turn % 8 == 7 ? "new" : "cur", name);
	(void)snprintf(to + 4 + len, sizeof(to) - 4 - len, "%s%s", turn % 8 == 7 ? "" : ":2,", turn % 8 == 7 ? "" : flags[turn % 4]);
	(void)rename(from, to);
}

static void
rename_for_ever(void)
{
	static const char *const parts[] = { "new", "cur" };
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/Maildir", account);
	if (chdir(path) != 0)
		_exit(1);
	for (unsigned turn = 0, count = 0;; turn++) {
		DIR *dir = opendir(parts[turn % 2]);
		struct dirent *entry;

		while (dir != NULL && (entry = readdir(dir)) != NULL) {
			if (entry->d_name[0] != '.')
				rename_one(parts[turn % 2], entry->d_name, turn);
			/* Sanitizers slow down who reads, and not the kernel, which renames: events would be lost for ever. */
			if (UNDER_SANITIZER && ++count % 16 == 0)
				(void)usleep(500);
		}
		if (dir != NULL)
			(void)closedir(dir);
	}
}

static void
start(void)
{
	renamer = fork();
	ck_assert_int_ge(renamer, 0);
	if (renamer == 0)
		rename_for_ever();
}

static int
no_expunge(void *context, uint32_t uid, uint64_t modseq)
{
	(void)modseq;
	*(uint32_t *)context = uid;
	return 0;
}

static int
nothing(void *context, const struct ms_message *message)
{
	(void)context, (void)message;
	return 0;
}

/* Exactly the UIDs from first to MESSAGES, and none was ever taken away. */
static void
all_are_there(uint32_t first, uint64_t since)
{
	uint32_t *uids, gone = 0;
	size_t count;

	ck_assert_int_eq(ms_mailbox_uids(mailbox, &uids, &count), 0);
	ck_assert_uint_eq(count, MESSAGES + 1 - first);
	for (uint32_t i = 0; i < count; i++)
		ck_assert_uint_eq(uids[i], first + i);
	free(uids);
	ck_assert_uint_eq(ms_mailbox_info(mailbox)->uidnext, MESSAGES + 1);
	if (since != 0)
		ck_assert_int_eq(ms_changes(mailbox, since, nothing, no_expunge, &gone), 0);
	ck_assert_uint_eq(gone, 0);
}

START_TEST(nothing_leaves)
{
	uint64_t since = ms_mailbox_info(mailbox)->modseq;

	start();
	for (unsigned round = 0; round < ROUNDS; round++) {
		ck_assert_int_eq(ms_mailbox_sync(mailbox), 0);
		all_are_there(1, since);
	}
	stop();
	ck_assert_int_eq(ms_mailbox_sync(mailbox), 0);
	all_are_there(1, since);
}
END_TEST

/* Where inotify is not to be had. */
START_TEST(nothing_leaves_unwatched)
{
	uint64_t since = ms_mailbox_info(mailbox)->modseq;

	ck_assert_int_ge(ms_touch_fd(store), 0);
	ck_assert_int_eq(dup3(open("/dev/null", O_RDONLY), store->touch_fd, O_CLOEXEC), store->touch_fd);
	start();
	for (unsigned round = 0; round < 8; round++) {
		ck_assert_int_eq(ms_mailbox_sync(mailbox), 0);
		all_are_there(1, since);
	}
	stop();
	ck_assert_int_eq(ms_mailbox_sync(mailbox), 0);
	all_are_there(1, since);
}
END_TEST

/* An index made from such a folder. */
START_TEST(rebuilt)
{
	uint32_t uid = 0;
	int fd;
	uint64_t bytes;

	start();
	for (unsigned round = 0; round < 4; round++) {
		ck_assert_int_eq(ms_rebuild(store), 0);
		ck_assert_int_eq(ms_mailbox_sync(mailbox), 0);
	}
	stop();
	ck_assert_int_eq(ms_mailbox_sync(mailbox), 0);
	ck_assert_uint_eq(ms_mailbox_info(mailbox)->messages, MESSAGES);
	for (uid = 1; uid <= MESSAGES; uid++) {
		ck_assert_int_eq(ms_message_open(mailbox, uid, &fd, &bytes), 0);
		ck_assert_int_eq(close(fd), 0);
	}
}
END_TEST

/* What is told to be removed does not come back. */
START_TEST(removed_for_good)
{
	uint32_t uids[50];

	start();
	for (uint32_t first = 1; first < 1000; first += 50) {
		for (uint32_t i = 0; i < 50; i++)
			uids[i] = first + i;
		ck_assert_int_eq(ms_expunge(mailbox, uids, 50), 0);
		all_are_there(first + 50, 0);
	}
	stop();
	ck_assert_int_eq(ms_mailbox_sync(mailbox), 0);
	all_are_there(1001, 0);
}
END_TEST

/* As the index has a message before another program renames it. */
static struct ms_message_record
record_of(const char *info)
{
	struct ms_message_record record = { .in_cur = true, .message.uid = 1, .bytes = 14, .message.size = 17 };

	(void)snprintf(record.name, sizeof(record.name), "1600000001.M1.host,S=14,W=17,U=1.%04x:2,%s", ms_name_folder(mailbox->number), info);
	return record;
}

static void
rename_first(const char *from, const char *to)
{
	struct ms_message_record a = record_of(from), b = record_of(to);
	char command[1024];

	(void)snprintf(command, sizeof(command), "cd %s/Maildir && mv 'cur/%s' 'cur/%s'", account, a.name, b.name);
	ck_assert_int_eq(system(command), 0);
}

static int
take_flags(void *context, const struct ms_message *message)
{
	*(uint32_t *)context = message->flags;
	return 0;
}

static uint32_t
flags_of_first(struct ms_mailbox *of)
{
	uint32_t flags = 0;

	ck_assert_int_eq(ms_mailbox_sync(of), 0);
	ck_assert_int_eq(ms_messages(of, 1, 1, take_flags, &flags), 0);
	return flags;
}

/* A flag set just after a message was renamed is set under its new name, and what that says beside it stays. */
START_TEST(flags_find_their_file)
{
	struct ms_message_record record = record_of(""), after = record;
	bool renamed;
	int fd;

	ck_assert_int_eq(ms_folder_open(store, "INBOX", &fd), 0);
	rename_first("", "F");
	after.message.flags = MS_DRAFT;
	ck_assert_int_eq(ms_rename_message(fd, mailbox->number, &record, &after, &renamed), 0);
	ck_assert_uint_eq(flags_of_first(mailbox), MS_DRAFT | MS_FLAGGED);

	/* One that he took stays away; one of ours goes. */
	record = record_of("DF");
	record.message.flags = MS_DRAFT | MS_FLAGGED;
	after = record;
	after.message.flags = MS_FLAGGED | MS_SEEN;
	rename_first("DF", "DR");
	ck_assert_int_eq(ms_rename_message(fd, mailbox->number, &record, &after, &renamed), 0);
	ck_assert_uint_eq(flags_of_first(mailbox), MS_ANSWERED | MS_SEEN);
	ck_assert_int_eq(close(fd), 0);
	all_are_there(1, 0);
}
END_TEST

/* The same of keywords, by their numbers. */
START_TEST(keywords_meet)
{
	struct ms_message_record record = record_of("Sab");
	struct ms_message message = { .flags = MS_SEEN, .keywords.first = 1 << 0 | 1 << 2 };

	/* Ours: without b, with c. His: without a, with d. */
	ck_assert_int_eq(ms_flags_meanwhile(&record, "cur/1600000001.M1.host,S=14,W=17,U=1:2,bd", &message), 0);
	ck_assert_uint_eq(message.flags, 0);
	ck_assert_uint_eq(message.keywords.first, 1 << 2 | 1 << 3);
	ck_assert_int_eq(ms_flags_meanwhile(&record, "new/1600000001.M1.host,S=14,W=17,U=1", &message), 0);
	ck_assert_uint_eq(message.keywords.first, 1 << 2 | 1 << 3);
}
END_TEST

/* Until the folder is not read again, for it is known since when it is as it is. */
static void
settle(void)
{
	const struct ms_mailbox_record *record = &mailbox->record;

	for (unsigned i = 0; i < 100 && (record->cur_time.seconds == 0 || record->new_time.seconds == 0); i++) {
		ck_assert_int_eq(usleep(50000), 0);
		ck_assert_int_eq(ms_mailbox_sync(mailbox), 0);
	}
	ck_assert_int_ne(record->cur_time.seconds, 0);
}

/* Another program flags the first message just after the store has looked: as far as the folder's time tells, nothing happened. */
static void
rename_unseen(const char *from, const char *to)
{
	const struct ms_time *time = &mailbox->record.cur_time;
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	int fd;

	settle();
	times[1] = (struct timespec){ .tv_sec = time->seconds, .tv_nsec = (long)time->nanoseconds };
	rename_first(from, to);
	ck_assert_int_eq(ms_folder_open(store, "INBOX", &fd), 0);
	ck_assert_int_eq(utimensat(fd, "cur", times, 0), 0);
	ck_assert_int_eq(close(fd), 0);
}

/* Then the flag goes along with a copy, and with the message. */
START_TEST(flags_go_along)
{
	const uint32_t uid = 1;
	uint32_t new_uid = 0, uidvalidity;
	struct ms_mailbox *target;

	ck_assert_int_eq(ms_mailbox_create(store, "There", 0), 0);
	rename_unseen("", "F");
	ck_assert_int_eq(ms_copy(mailbox, &uid, 1, "There", _i == 1, &new_uid, &uidvalidity), 0);
	ck_assert_uint_eq(new_uid, 1);
	ck_assert_int_eq(ms_mailbox_open(store, "There", &target), 0);
	ck_assert_uint_eq(flags_of_first(target), MS_FLAGGED);
	ms_mailbox_close(target);
	all_are_there(_i == 1 ? 2 : 1, 0);
}
END_TEST

/* And with what a client does to the message. */
START_TEST(flags_add_up)
{
	const uint32_t uid = 1;
	size_t modified;

	rename_unseen("", "F");
	ck_assert_int_eq(ms_store_flags(mailbox, &uid, 1, MS_FLAGS_ADD, MS_SEEN, NULL, 0, NULL, &modified), 0);
	ck_assert_uint_eq(flags_of_first(mailbox), MS_FLAGGED | MS_SEEN);
}
END_TEST

/* What another program has just taken \Deleted from is not expunged: as the store's own look sees it, or only the name tells. */
START_TEST(no_longer_deleted)
{
	const uint32_t uids[] = { 1, 2 };

	ck_assert_int_eq(ms_store_flags(mailbox, uids, 2, MS_FLAGS_ADD, MS_DELETED, NULL, 0, NULL, NULL), 0);
	if (_i == 0)
		rename_first("T", "S");
	else
		rename_unseen("T", "S");
	ck_assert_int_eq(ms_expunge_deleted(mailbox, uids, 2), 0);
	ck_assert_uint_eq(flags_of_first(mailbox), MS_SEEN);
	ck_assert_uint_eq(ms_mailbox_info(mailbox)->messages, MESSAGES - 1);
	ck_assert_int_eq(ms_expunge(mailbox, uids, 1), 0);
	ck_assert_uint_eq(ms_mailbox_info(mailbox)->messages, MESSAGES - 2);
}
END_TEST

static int
note_other(void *context, uint32_t uid, uint64_t modseq)
{
	(void)modseq;
	return buf_fmt(context, "%u ", uid);
}

/* One by one in names, and many at once in bitmaps: what others changed since is told, what this changes is told apart, and what comes
 * after is neither. */
START_TEST(own_changes_are_told_apart)
{
	uint32_t uids[200];
	size_t count = _i == 0 ? 3 : 200;
	struct buf text = BUF_INIT(1000);
	struct ms_flags_apart apart = { .others = note_other, .context = &text };

	for (size_t i = 0; i < count; i++)
		uids[i] = (uint32_t)i + 1;
	settle();
	apart.since = ms_mailbox_info(mailbox)->modseq;
	/* The first is changed by both, the second by others alone. */
	ck_assert_int_eq(ms_store_flags(mailbox, uids, 1, MS_FLAGS_ADD, MS_FLAGGED, NULL, 0, NULL, NULL), 0);
	ck_assert_int_eq(ms_store_flags(mailbox, uids + 1, 1, MS_FLAGS_ADD, MS_SEEN, NULL, 0, NULL, NULL), 0);
	ck_assert_int_eq(ms_store_flags_apart(mailbox, uids, count, MS_FLAGS_ADD, MS_SEEN, NULL, 0, NULL, NULL, &apart), 0);
	ck_assert_str_eq(buf_cstr(&text), "1 2 ");
	ck_assert_uint_eq(apart.first, apart.since + 3);
	ck_assert_uint_eq(apart.last, apart.since + 3);
	ck_assert_uint_eq(ms_mailbox_info(mailbox)->modseq, apart.last);
	/* Nobody changed anything since, nor does this. */
	buf_clear(&text);
	apart.since = apart.last;
	ck_assert_int_eq(ms_store_flags_apart(mailbox, uids, count, MS_FLAGS_ADD, MS_SEEN, NULL, 0, NULL, NULL, &apart), 0);
	ck_assert_uint_eq(text.len, 0);
	ck_assert_uint_eq(apart.first, 0);
	ck_assert_uint_eq(apart.last, 0);
	buf_free(&text);
}
END_TEST

int
main(void)
{
	TCase *tcase = tcase_create("race");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 300);
	tcase_add_test(tcase, nothing_leaves);
	tcase_add_test(tcase, nothing_leaves_unwatched);
	tcase_add_test(tcase, rebuilt);
	tcase_add_test(tcase, removed_for_good);
	tcase_add_test(tcase, flags_find_their_file);
	tcase_add_test(tcase, keywords_meet);
	tcase_add_loop_test(tcase, flags_go_along, 0, 2);
	tcase_add_test(tcase, flags_add_up);
	tcase_add_loop_test(tcase, no_longer_deleted, 0, 2);
	tcase_add_loop_test(tcase, own_changes_are_told_apart, 0, 2);
	return run_case("race", tcase, folder);
}
