/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Messages that stand in new/ before the disk has them: under a name that nobody looks at, until it has; what a crash leaves of them. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libmailstore/ms_hidden.h"
#include "libmailstore/ms_internal.h"
#include "tests/unit/libmailstore/store_tests.h"

static char folder[] = "/tmp/test_hidden.XXXXXX";
static char account[64];
static struct ms_store *store;

/* What is to happen at a call, and what was seen of the calls. */
static enum { NOTHING, DIE_AT_WRITE, DIE_AT_SYNC, DIE_AT_NAME, DIE_AFTER_NAME, FAIL_SYNC, FAIL_SYNC_AND_UNLINK } plan;
static unsigned file_syncs, folder_syncs, filesystem_syncs;
static char at_sync[4096];

static void
look(void)
{
	char command[512];
	FILE *pipe;
	size_t got;

	(void)snprintf(command, sizeof(command), "LC_ALL=C ls -A '%s/Maildir/new'", account);
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	got = fread(at_sync, 1, sizeof(at_sync) - 1, pipe);
	at_sync[got] = '\0';
	(void)pclose(pipe);
}

/* In the C library's place. */
ssize_t
write(int fd, const void *bytes, size_t len)
{
	if (plan == DIE_AT_WRITE)
		_exit(0);
	return syscall(SYS_write, fd, bytes, len);
}

int
fsync(int fd)
{
	struct stat st;

	if (plan == DIE_AT_SYNC)
		_exit(0);
	if (fstat(fd, &st) < 0)
		return -1;
	if (S_ISREG(st.st_mode) && file_syncs++ == 0 && (plan == FAIL_SYNC || plan == FAIL_SYNC_AND_UNLINK)) {
		look();
		errno = EIO;
		return -1;
	}
	folder_syncs += S_ISDIR(st.st_mode);
	return (int)syscall(SYS_fsync, fd);
}

int
syncfs(int fd)
{
	struct stat st;

	filesystem_syncs++;
	/* The message's, not that of a folder which was opened later: that would not tell of errors in between. */
	ck_assert(fstat(fd, &st) == 0 && S_ISREG(st.st_mode));
	return (int)syscall(SYS_syncfs, fd);
}

int
renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	int r;

	if (plan == DIE_AT_NAME && strncmp(from, "new/.", 5) == 0)
		_exit(0);
	r = (int)syscall(SYS_renameat, from_fd, from, to_fd, to);
	if (plan == DIE_AFTER_NAME)
		_exit(0);
	return r;
}

int
unlinkat(int fd, const char *path, int flags)
{
	if (plan == FAIL_SYNC_AND_UNLINK && strncmp(path, "new/.", 5) == 0) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_unlinkat, fd, path, flags);
}

static void
setup(void)
{
	make_account(folder, account, sizeof(account));
	ck_assert_int_eq(ms_open(account, &store), 0);
	plan = NOTHING;
	file_syncs = folder_syncs = filesystem_syncs = 0;
}

static void
teardown(void)
{
	plan = NOTHING;
	ms_close(store);
	store = NULL;
}

static int
deliver(size_t len, uint32_t *ret_uid)
{
	static const char text[] = "From: a@example.org\r\nSubject: one\r\n\r\n";
	struct ms_append *append;

	append = ms_append_begin(store);
	ck_assert_int_eq(ms_append_write(append, text, strlen(text)), 0);
	for (size_t i = 0; i < len; i++)
		ck_assert_int_eq(ms_append_write(append, i % 70 == 69 ? "\n" : "x", 1), 0);
	return ms_append_commit_all(&append, 1, "INBOX", ret_uid);
}

/* Another process delivers, and dies there. */
static void
die_at(int where)
{
	pid_t pid = fork();
	uint32_t uid;
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		plan = where;
		(void)deliver(100, &uid);
		_exit(1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

static void
count(uint32_t wanted, uint32_t last_uid)
{
	struct ms_mailbox *mailbox;
	struct ms_message message;
	char *text = NULL;
	size_t len;

	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_uint_eq(ms_mailbox_info(mailbox)->messages, wanted);
	if (wanted != 0) {
		ck_assert_int_eq(ms_message_get(mailbox, last_uid, &message), 0);
		ck_assert_int_eq(ms_message_cached(mailbox, last_uid, MS_ENVELOPE, &text, &len), 0);
		free(text);
	}
	ms_mailbox_close(mailbox);
	shell_in(account, "Maildir", "test $(ls -A new | grep -c '^[.]') = 0");
}

/* --- names --- */

static const struct {
	const char *name;
	bool good;
} names[] = {
	{ ".1.M2P3Q4.host,S=5,W=6,U=7.0001,H=0123abcd", true }, { ".a,H=00000000", true }, { "1.M2,H=0123abcd", false }, { ".,H=0123abcd", false },
	{ ".a,H=0123abc", false }, { ".a,H=0123ABCD", false }, { ".a,S=0123abcd", false }, { ".a", false }, { ".", false }, { "", false },
	{ ".a,H=0123abcd:2,", false },
};

START_TEST(parsed)
{
	struct span name = span_of(names[_i].name), own;
	uint32_t sum;

	ck_assert_int_eq(ms_hidden_parse(name, &own, &sum), names[_i].good);
	if (names[_i].good)
		ck_assert_uint_eq(own.len, name.len - 12);
}
END_TEST

START_TEST(made)
{
	struct buf out = BUF_INIT(MS_NAME_MAX);
	struct span own;
	uint32_t sum;

	ck_assert_int_eq(ms_hidden_name(SPAN("1.M2.h,S=9"), SPAN("123456789"), &out), 0);
	ck_assert_str_eq(buf_cstr(&out), ".1.M2.h,S=9,H=cbf43926"); /* the check value of CRC-32 */
	ck_assert(ms_hidden_parse(buf_get(&out), &own, &sum));
	ck_assert(span_eq(own, SPAN("1.M2.h,S=9")));
	ck_assert_uint_eq(sum, 0xcbf43926);
	buf_free(&out);
}
END_TEST

/* --- on the way --- */

/* While it is synced nobody sees it, and when that fails it is nowhere. */
START_TEST(sync_fails)
{
	uint32_t uid = 0;

	ck_assert_int_eq(deliver(100, &uid), 0);
	file_syncs = 0;
	plan = FAIL_SYNC;
	ck_assert_int_eq(deliver(100, &uid), -EIO);
	plan = NOTHING;
	ck_assert_int_eq(at_sync[0], '.');
	ck_assert_int_eq(strchr(at_sync, '\n')[1], '1'); /* the first message, and nothing else */
	count(1, 1);
	ck_assert_int_eq(deliver(100, &uid), 0);
	count(2, uid);
}
END_TEST

/* What could neither be synced nor withdrawn keeps the UID that its name has: no other message gets that, as the index or as names tell. */
START_TEST(not_withdrawn)
{
	struct ms_mailbox *mailbox;
	struct ms_message message;
	uint32_t uid = 0;

	ck_assert_int_eq(deliver(100, &uid), 0);
	file_syncs = 0;
	plan = FAIL_SYNC_AND_UNLINK;
	ck_assert_int_eq(deliver(200, &uid), -EIO);
	plan = NOTHING;
	ck_assert_int_eq(deliver(300, &uid), 0);
	ck_assert_uint_ge(uid, 3);
	ms_close(store);
	if (_i == 1)
		shell_in(account, ".", "rm -r index");
	ck_assert_int_eq(ms_open(account, &store), 0);
	count(3, uid);
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_message_get(mailbox, uid, &message), 0);
	ck_assert_uint_gt(message.size, 300);
	ck_assert_int_eq(ms_message_get(mailbox, 2, &message), 0);
	ck_assert_uint_lt(message.size, 300);
	ms_mailbox_close(mailbox);
}
END_TEST

/* One wait for both: nothing of it is renamed from tmp/. And where nothing else is under way it is one sync. */
START_TEST(synced)
{
	uint32_t uid = 0;

	ck_assert_int_eq(deliver(100, &uid), 0);
	shell_in(account, "Maildir", "touch -d 2020-01-01 new cur");
	count(1, uid);
	file_syncs = folder_syncs = filesystem_syncs = 0;
	ms_set_alone(store, _i == 1);
	ck_assert_int_eq(deliver(100, &uid), 0);
	ck_assert_uint_eq(file_syncs, _i == 1 ? 0 : 1);
	ck_assert_uint_eq(folder_syncs, _i == 1 ? 0 : 1);
	ck_assert_uint_eq(filesystem_syncs, _i == 1 ? 1 : 0);
	/* The folder is known as it is: who opens it need not read it. */
	ck_assert_int_ne(store->arrivals.record.new_time.seconds, 0);
	/* What is in the index has its name on the disk. */
	folder_syncs = 0;
	count(2, uid);
	ck_assert_uint_eq(folder_syncs, 1);
}
END_TEST

/* What does not fit into memory goes by tmp/, as before. */
START_TEST(large)
{
	uint32_t uid = 0;

	ck_assert_int_eq(deliver(100, &uid), 0);
	file_syncs = 0;
	ck_assert_int_eq(deliver(200000, &uid), 0);
	ck_assert_uint_eq(file_syncs, 1);
	count(2, uid);
}
END_TEST

/* --- what a crash leaves --- */

static const struct {
	int plan;
	const char *then; /* what the disk makes of it */
	bool rebuilt, stays;
} crashes[] = {
	{ DIE_AT_WRITE, ":", false, false },
	{ DIE_AT_SYNC, ":", false, true },
	{ DIE_AT_NAME, ":", false, true },
	{ DIE_AT_NAME, ":", true, true },
	{ DIE_AT_NAME, "truncate -s 50 $f", false, false },
	{ DIE_AT_NAME, "truncate -s 50 $f", true, false },
	{ DIE_AT_NAME, "size=$(stat -c %s $f); truncate -s 50 $f; truncate -s $size $f", false, false },
	{ DIE_AT_NAME, "size=$(stat -c %s $f); : >$f; truncate -s $size $f", true, false },
	{ DIE_AT_NAME, "mv $f $(echo $f | sed 's/,S=[0-9]*,/,S=1,/')", false, false },
	/* Under both names. */
	{ DIE_AT_NAME, "n=${f#new/.}; ln $f new/${n%,H=*}", false, true },
	{ DIE_AT_NAME, "n=${f#new/.}; ln $f cur/${n%,H=*}:2,S", false, true },
	{ DIE_AT_NAME, "n=${f#new/.}; ln $f cur/${n%,H=*}:2,S", true, true },
	/* A name of another program, which is none of ours. */
	{ DIE_AT_WRITE, "rm $f; touch new/.x,H=", false, false },
	/* Neither a file nor to be removed. */
	{ DIE_AT_WRITE, "rm $f; mkdir new/.x,H=00000000", false, false },
};

START_TEST(crashed)
{
	char script[512];
	uint32_t uid = 0;

	ck_assert_int_eq(deliver(100, &uid), 0);
	ck_assert_uint_eq(uid, 1);
	die_at(crashes[_i].plan);
	(void)snprintf(script, sizeof(script), "f=$(echo new/.*,H=*); test -e $f; %s", crashes[_i].then);
	shell_in(account, "Maildir", script);
	ms_close(store);
	if (crashes[_i].rebuilt)
		shell_in(account, ".", "rm -r index");
	ck_assert_int_eq(ms_open(account, &store), 0);
	shell_in(account, "Maildir", "rm -rf new/.x,H=*");
	count(crashes[_i].stays ? 2 : 1, crashes[_i].stays ? 2 : 1);
	/* No UID is given twice. */
	ck_assert_int_eq(deliver(100, &uid), 0);
	ck_assert_uint_ge(uid, 3);
	count(crashes[_i].stays ? 3 : 2, uid);
}
END_TEST

/* Whoever finds it stored takes it for that: the disk must have its name by then. */
START_TEST(named_only)
{
	uint32_t uid = 0;

	ck_assert_int_eq(deliver(100, &uid), 0);
	die_at(DIE_AFTER_NAME);
	folder_syncs = 0;
	count(2, 2);
	ck_assert_uint_ge(folder_syncs, 1);
}
END_TEST

/* The disk of a host that did not come up again, restored to another account: what was promised is there. */
START_TEST(restored)
{
	char other[] = "/tmp/test_hidden.other.XXXXXX", command[128];
	struct ms_backup_result result;
	uint32_t uid = 0;
	int from;

	ck_assert_int_eq(deliver(100, &uid), 0);
	die_at(DIE_AT_NAME);
	shell_in(account, "Maildir", "mkdir new/.x,H=00000000; ln -s x new/.y,H=00000000");
	ck_assert_ptr_nonnull(mkdtemp(other));
	from = open(account, O_RDONLY | O_DIRECTORY);
	ck_assert_int_eq(ms_restore(other, from, false, NULL, NULL, &result), 0);
	ck_assert_int_eq(close(from), 0);
	shell_in(account, "Maildir", "test $(ls -A new | grep -c '^[.]') = 3; rm -r new/.[xy]*");
	ms_close(store);
	ck_assert_int_eq(ms_open(other, &store), 0);
	(void)snprintf(account, sizeof(account), "%s", other);
	count(2, 2);
	(void)snprintf(command, sizeof(command), "rm -r '%s'", other);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

/* It is mail of the account's, whether it has its name or not: nothing takes its place unasked, and what does sets it aside. */
START_TEST(not_restored_over)
{
	char backup[] = "/tmp/test_hidden.backup.XXXXXX", command[128];
	struct ms_backup_result result;
	struct ms_import_result import;
	uint32_t uid = 0;
	int from;

	ck_assert_int_eq(deliver(100, &uid), 0);
	die_at(DIE_AT_NAME);
	ms_close(store);
	store = NULL;
	shell_in(account, ".", "rm -r index Maildir/new/*,U=1[.]*");
	ck_assert_ptr_nonnull(mkdtemp(backup));
	ck_assert_int_eq(ms_open(backup, &store), 0);
	ms_close(store);
	store = NULL;
	if (_i == 2)
		shell_in(backup, ".", "echo '3 V1 N1 G0' >Maildir/dovecot-uidlist");
	(void)snprintf(command, sizeof(command), "%s%s", backup, _i == 2 ? "/Maildir" : "");
	from = open(command, O_RDONLY | O_DIRECTORY);
	if (_i == 2)
		ck_assert_int_eq(ms_import_from(account, from, false, NULL, NULL, NULL, NULL, &import), MS_E_EXISTS);
	else
		ck_assert_int_eq(ms_restore(account, from, _i == 1, NULL, NULL, &result), _i == 1 ? 0 : MS_E_EXISTS);
	ck_assert_int_eq(close(from), 0);
	if (_i == 1)
		shell_in(account, ".", "test $(ls -A Maildir.before/new | wc -l) = 1 && rm -r index Maildir && mv Maildir.before Maildir");
	ck_assert_int_eq(ms_open(account, &store), 0);
	count(1, 2);
	(void)snprintf(command, sizeof(command), "rm -r '%s'", backup);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

int
main(void)
{
	TCase *tcase = tcase_create("hidden");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, parsed, 0, sizeof(names) / sizeof(*names));
	tcase_add_test(tcase, made);
	tcase_add_test(tcase, sync_fails);
	tcase_add_loop_test(tcase, synced, 0, 2);
	tcase_add_loop_test(tcase, not_withdrawn, 0, 2);
	tcase_add_test(tcase, large);
	tcase_add_loop_test(tcase, crashed, 0, sizeof(crashes) / sizeof(*crashes));
	tcase_add_test(tcase, named_only);
	tcase_add_test(tcase, restored);
	tcase_add_loop_test(tcase, not_restored_over, 0, 3);
	return run_case("hidden", tcase, folder);
}
