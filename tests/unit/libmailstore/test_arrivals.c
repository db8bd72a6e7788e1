/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Mail that has arrived and is not in the index yet: whoever looks finds it there, under the UID that was told, whatever became of the
 * process that took it and of the file index/arrivals. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libmailstore/mailstore.h"
#include "libmailstore/ms_arrival.h"
#include "libmailstore/ms_internal.h"
#include "tests/unit/libmailstore/store_tests.h"

static char folder[] = "/tmp/test_arrivals.XXXXXX";
static char account[64];
static struct ms_store *store;
static bool disk_full, arrivals_full;

/* In the C library's place. */
ssize_t
pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	if (disk_full || (arrivals_full && store != NULL && fd == store->arrivals.fd)) {
		errno = ENOSPC;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, bytes, len, at);
}

ssize_t
write(int fd, const void *bytes, size_t len)
{
	errno = ENOSPC;
	return disk_full ? -1 : syscall(SYS_write, fd, bytes, len);
}

static void
setup(void)
{
	make_account(folder, account, sizeof(account));
	ck_assert_int_eq(ms_open(account, &store), 0);
}

static void
teardown(void)
{
	ms_close(store);
	store = NULL;
}

static int
try(const char *mailbox, unsigned from, unsigned count, uint32_t *uids)
{
	struct ms_append *appends[MS_APPENDS_MAX];
	char text[512];

	for (unsigned i = 0; i < count; i++) {
		(void)snprintf(text, sizeof(text),
		    "From: a@example.org\r\nSubject: %u\r\nMessage-ID: <%u@example.org>\r\nReferences: <thread@example.org>\r\n\r\nbody\r\n", from + i, from + i);
		appends[i] = ms_append_begin(store);
		ck_assert_int_eq(ms_append_write(appends[i], text, strlen(text)), 0);
	}
	return ms_append_commit_all(appends, count, mailbox, uids);
}

/* Each gets the next UID. */
static void
deliver(const char *mailbox, unsigned from, unsigned count)
{
	uint32_t uids[MS_APPENDS_MAX] = { 0 };

	ck_assert_int_eq(try(mailbox, from, count, uids), 0);
	for (unsigned i = 0; i < count; i++)
		ck_assert_uint_eq(uids[i], from + i);
}

/* What waits by the state of the index. */
static uint64_t
waiting(void)
{
	struct ms_mark_words words;

	ck_assert_int_eq(ms_mark_read(&store->mark, &words), 0);
	return words.arrived;
}

/* Each subject is its UID, and each is in some conversation. */
static int
compare(void *context, const struct ms_message *message)
{
	struct ms_mailbox *mailbox = context;
	char *envelope = NULL, wanted[64];
	size_t len = 0;

	(void)snprintf(wanted, sizeof(wanted), "\"%u\"", message->uid);
	ck_assert_int_eq(ms_message_cached(mailbox, message->uid, MS_ENVELOPE, &envelope, &len), 0);
	ck_assert_ptr_nonnull(memmem(envelope, len, wanted, strlen(wanted)));
	ck_assert_uint_ne(message->thread_id, 0);
	free(envelope);
	return 0;
}

/* So many messages, from UID 1 on, as another process sees them. */
static void
seen_by_another(const char *name, uint32_t count)
{
	struct ms_store *other;
	struct ms_mailbox *mailbox;
	uint32_t *uids;
	size_t found;

	ck_assert_int_eq(ms_open(account, &other), 0);
	ck_assert_int_eq(ms_mailbox_open(other, name, &mailbox), 0);
	ck_assert_uint_eq(ms_mailbox_info(mailbox)->messages, count);
	ck_assert_uint_eq(ms_mailbox_info(mailbox)->unseen, count);
	ck_assert_int_eq(ms_mailbox_uids(mailbox, &uids, &found), 0);
	ck_assert_uint_eq(found, count);
	for (uint32_t i = 0; i < count; i++)
		ck_assert_uint_eq(uids[i], i + 1);
	free(uids);
	ck_assert_int_eq(ms_messages(mailbox, 1, UINT32_MAX, compare, mailbox), 0);
	ms_mailbox_close(mailbox);
	ms_close(other);
}

START_TEST(waits_and_is_taken_in)
{
	deliver("INBOX", 1, 1);
	ck_assert_uint_eq(waiting(), 0); /* the index was in order: the log says that it is no more */
	deliver("INBOX", 2, 1);
	ck_assert_uint_gt(waiting(), 0);
	deliver("INBOX", 3, 5);
	seen_by_another("INBOX", 7);
	ck_assert_uint_eq(waiting(), 0);
	deliver("INBOX", 8, 1); /* the other left it in order */
	deliver("INBOX", 9, 1);
	ck_assert_uint_gt(waiting(), 0);
	seen_by_another("INBOX", 9);
}
END_TEST

START_TEST(another_is_there)
{
	struct ms_store *other;
	struct ms_mailbox_info info;

	deliver("INBOX", 1, 1);
	ck_assert_int_eq(ms_open(account, &other), 0);
	deliver("INBOX", 2, 1);
	ck_assert_uint_eq(waiting(), 0);
	ck_assert_int_eq(ms_mailbox_status(other, "INBOX", &info), 0);
	ck_assert_uint_eq(info.messages, 2);
	ms_mailbox_info_clear(&info);
	ms_close(other);
	deliver("INBOX", 3, 1);
	deliver("INBOX", 4, 1);
	ck_assert_uint_gt(waiting(), 0);
	seen_by_another("INBOX", 4);
}
END_TEST

/* One who sleeps has nothing but the descriptor (imapd hands it on, and ends). */
START_TEST(one_sleeps)
{
	struct ms_store *other;
	struct pollfd waits = { .events = POLLIN };
	char events[4096];

	ck_assert_int_eq(ms_open(account, &other), 0);
	waits.fd = fcntl(ms_watch_fd(other), F_DUPFD_CLOEXEC, 0);
	ck_assert_int_ge(waits.fd, 0);
	ms_close(other);
	deliver("INBOX", 1, 1);
	while (read(waits.fd, events, sizeof(events)) > 0)
		continue;
	deliver("INBOX", 2, 1);
	ck_assert_uint_gt(waiting(), 0);
	ck_assert_int_eq(poll(&waits, 1, 20000), 1);
	(void)close(waits.fd);
}
END_TEST

/* More than may wait, and more UIDs than were promised ahead. */
START_TEST(many)
{
	for (unsigned i = 1; i <= 600; i += 3)
		deliver("INBOX", i, 3);
	seen_by_another("INBOX", 600);
	deliver("Archive", 1, 1);
	deliver("Archive", 2, 1);
	deliver("INBOX", 601, 1);
	deliver("Archive", 3, 1);
	seen_by_another("INBOX", 601);
	seen_by_another("Archive", 3);
}
END_TEST

START_TEST(its_process_dies)
{
	int result;
	pid_t child;

	ms_close(store);
	child = fork();
	if (child == 0) {
		if (ms_open(account, &store) != 0)
			_exit(1);
		for (unsigned i = 1; i <= 10; i++)
			deliver("INBOX", i, 1);
		_exit(waiting() == 0);
	}
	ck_assert_int_eq(waitpid(child, &result, 0), child);
	ck_assert_int_eq(result, 0);
	seen_by_another("INBOX", 10);
	ck_assert_int_eq(ms_open(account, &store), 0);
}
END_TEST

/* While somebody else has the index open, who died leaves what he had noted; damaged, it is found in the folder. */
static void
damage(const char *command)
{
	deliver("INBOX", 1, 1);
	deliver("INBOX", 2, 1);
	deliver("INBOX", 3, 4);
	ck_assert_uint_gt(waiting(), 0);
	shell_in(account, "index", command);
	seen_by_another("INBOX", 6);
}

START_TEST(damaged)
{
	static const char *const commands[] = { "rm arrivals", ": >arrivals", "printf XXXX | dd of=arrivals bs=1 seek=40 conv=notrunc 2>/dev/null",
		"printf '\\377\\377' | dd of=arrivals bs=1 conv=notrunc 2>/dev/null" };

	damage(commands[_i]);
}
END_TEST

/* The mailbox goes, or gets another name, in another process; the index is removed. */
START_TEST(changed_by_another)
{
	struct ms_store *other;

	deliver("Archive", 1, 1);
	deliver("Archive", 2, 2);
	ck_assert_int_eq(ms_open(account, &other), 0);
	ck_assert_int_eq(ms_mailbox_rename(other, "Archive", "Old"), 0);
	ms_close(other);
	seen_by_another("Old", 3);
	ck_assert_int_eq(try("Archive", 1, 1, (uint32_t[1]){ 0 }), MS_E_NOTFOUND);
	deliver("Old", 4, 1);
	deliver("Old", 5, 1);
	shell_in(account, ".", "rm -r index");
	seen_by_another("Old", 5);
}
END_TEST

START_TEST(quota)
{
	const struct ms_quota of_account = { .messages = 6 }, of_mailbox = { .messages = 4 };
	uint32_t uids[MS_APPENDS_MAX];

	ms_set_quota(store, &of_account);
	ck_assert_int_eq(ms_mailbox_set_quota(store, "INBOX", &of_mailbox), 0);
	deliver("INBOX", 1, 1);
	deliver("INBOX", 2, 1);
	deliver("INBOX", 3, 1);
	ck_assert_uint_gt(waiting(), 0);
	ck_assert_int_eq(try("INBOX", 4, 2, uids), MS_E_QUOTA);
	deliver("INBOX", 4, 1);
	ck_assert_int_eq(try("INBOX", 5, 1, uids), MS_E_QUOTA);
	deliver("Archive", 1, 2);
	ck_assert_int_eq(try("Archive", 3, 1, uids), MS_E_QUOTA);
	seen_by_another("INBOX", 4);
	seen_by_another("Archive", 2);
}
END_TEST

static ino_t
index_inode(void)
{
	struct stat st;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/index", account);
	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_ino;
}

/* What cannot be taken in waits: all else can be read, and nothing of the index is thrown away. */
START_TEST(no_room)
{
	struct ms_store *other;
	struct ms_mailbox *mailbox;
	struct ms_mailbox_info info;
	ino_t before;

	deliver("INBOX", 1, 1);
	deliver("INBOX", 2, 1);
	deliver("INBOX", 3, 4);
	before = index_inode();
	disk_full = true;
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(ms_open(account, &other), 0);
		ck_assert_int_eq(ms_mailbox_open(other, "INBOX", &mailbox), 0);
		ck_assert_uint_eq(ms_mailbox_info(mailbox)->messages, 1);
		ms_mailbox_close(mailbox);
		ck_assert_int_eq(ms_mailbox_status(other, "INBOX", &info), 0);
		ms_mailbox_info_clear(&info);
		ck_assert_int_eq(ms_mailbox_create(other, "Other", MS_USE_NONE), -ENOSPC);
		ms_close(other);
	}
	disk_full = false;
	seen_by_another("INBOX", 6);
	ck_assert_uint_eq(index_inode(), before);
	deliver("INBOX", 7, 1);
}
END_TEST

/* What cannot be noted is not promised, and its UID is given to the next. */
START_TEST(no_room_to_note)
{
	uint32_t uids[MS_APPENDS_MAX];

	deliver("INBOX", 1, 1);
	deliver("INBOX", 2, 1);
	arrivals_full = true;
	ck_assert_int_eq(try("INBOX", 3, 1, uids), -ENOSPC);
	arrivals_full = false;
	deliver("INBOX", 3, 1);
	deliver("INBOX", 4, 1);
	seen_by_another("INBOX", 4);
}
END_TEST

/* The file's place is taken by what cannot be opened: it is done without. */
START_TEST(no_file)
{
	shell_in(account, "index", "ln -s nowhere arrivals");
	deliver("INBOX", 1, 1);
	deliver("INBOX", 2, 1);
	ck_assert_uint_eq(waiting(), 0);
	seen_by_another("INBOX", 2);
}
END_TEST

START_TEST(as_bytes)
{
	struct ms_arrival arrival = {
		.mailbox = 7, .uidvalidity = 8, .new_time = { 9, 10 }, .cur_time = { 11, 12 }, .ids = { 13, 14 }, .id_count = 2, .texts = SPAN("texts"),
		.record = { .bytes = 15, .name = "name", .message = { .uid = 16, .size = 17, .internal_date = -18, .save_date = 19, .email_id = 20,
		    .has_attachment = true } },
	};
	struct buf bytes = BUF_INIT(4096), again = BUF_INIT(4096);
	struct span rest;
	struct ms_arrival got;

	ms_arrival_put(&arrival, &bytes);
	ms_arrival_put(&arrival, &bytes);
	rest = buf_get(&bytes);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(ms_arrival_get(&rest, &got), 0);
		ms_arrival_put(&got, &again);
	}
	ck_assert_uint_eq(rest.len, 0);
	ck_assert(span_eq(buf_get(&bytes), buf_get(&again)));
	for (size_t len = 0; len < bytes.len / 2; len++) {
		rest = span_make(bytes.data, len);
		ck_assert_int_eq(ms_arrival_get(&rest, &got), MS_E_CORRUPT);
	}
	for (size_t at = 0; at < bytes.len / 2; at++) {
		bytes.data[at] ^= 1;
		rest = span_make(bytes.data, bytes.len / 2);
		ck_assert_int_eq(ms_arrival_get(&rest, &got), MS_E_CORRUPT);
		bytes.data[at] ^= 1;
	}
	buf_free(&bytes);
	buf_free(&again);
}
END_TEST

int
main(void)
{
	TCase *tcase = tcase_create("arrivals");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, waits_and_is_taken_in);
	tcase_add_test(tcase, another_is_there);
	tcase_add_test(tcase, one_sleeps);
	tcase_add_test(tcase, many);
	tcase_add_test(tcase, its_process_dies);
	tcase_add_loop_test(tcase, damaged, 0, 4);
	tcase_add_test(tcase, changed_by_another);
	tcase_add_test(tcase, quota);
	tcase_add_test(tcase, no_room);
	tcase_add_test(tcase, no_room_to_note);
	tcase_add_test(tcase, no_file);
	tcase_add_test(tcase, as_bytes);
	return run_case("arrivals", tcase, folder);
}
