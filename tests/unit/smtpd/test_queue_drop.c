/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What programs of this host put into drop/ and the queue cannot take: none of it is lost that may be mail. */
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/smtpd/queue_spool.h"

/* Mail waits in drop/, and the queue has another group when it starts again. */
START_TEST(drop_of_another_group)
{
	const gid_t former = 61999, other = 61998;
	struct stat before, after;

	if (geteuid() != 0)
		return;
	put("drop/m.1.a", ENVELOPE("to P - - bob@local.test\n") MESSAGE);
	put("drop/tmp.m.1.b", ENVELOPE("to P - - carol@local.test\n") MESSAGE);
	put("drop/tmp.twice", "x");
	put("drop/tmp.other", "x");
	ck_assert_int_eq(linkat(spool, "drop/tmp.twice", spool, "drop/tmp.again", 0), 0);
	ck_assert_int_eq(fstatat(spool, "drop", &before, 0), 0);
	ck_assert_int_eq(fchownat(spool, "drop/m.1.a", -1, former, 0), 0);
	ck_assert_int_eq(fchownat(spool, "drop/tmp.m.1.b", -1, former, 0), 0);
	ck_assert_int_eq(fchownat(spool, "drop/tmp.twice", -1, former, 0), 0);
	ck_assert_int_eq(fchownat(spool, "drop/tmp.other", -1, other, 0), 0);
	ck_assert_int_eq(fchownat(spool, "drop", -1, former, 0), 0);
	start();
	WAIT_FOR(files_in("mail/local.test/bob") == 1 && !there("drop/m.1.a"));
	/* Its writer goes on with it. */
	ck_assert_int_eq(renameat(spool, "drop/tmp.m.1.b", spool, "drop/m.1.b"), 0);
	WAIT_FOR(files_in("mail/local.test/carol") == 1 && queued_files() == 0);
	ck_assert_int_eq(fstatat(spool, "drop", &after, 0), 0);
	ck_assert_uint_eq(after.st_gid, before.st_gid);
	ck_assert_uint_eq(after.st_mode, before.st_mode);
	/* What was not handed in to the queue is not given to it. */
	ck_assert_int_eq(fstatat(spool, "drop/tmp.twice", &after, 0), 0);
	ck_assert_uint_eq(after.st_gid, former);
	ck_assert_int_eq(fstatat(spool, "drop/tmp.other", &after, 0), 0);
	ck_assert_uint_eq(after.st_gid, other);
}
END_TEST

START_TEST(drop_that_cannot_be_opened)
{
	put("drop/m.1.closed", ENVELOPE("to P - - bob@local.test\n") MESSAGE);
	put("drop/ctl.1.closed", "retry all\n");
	ck_assert_int_eq(fchmodat(spool, "drop/m.1.closed", 0, 0), 0);
	ck_assert_int_eq(fchmodat(spool, "drop/ctl.1.closed", 0, 0), 0);
	start();
	WAIT_FOR(there("corrupt/m.1.closed") && !there("drop/m.1.closed") && !there("drop/ctl.1.closed"));
	ck_assert(logs("drop-corrupt file=m.1.closed"));
	ck_assert(!there("corrupt/ctl.1.closed"));
	ck_assert_uint_eq(queued_files(), 0);
}
END_TEST

/* Who may write where another's file lies can move it into drop/: what it asks is not asked by its owner. */
START_TEST(drop_of_somebody_else)
{
	if (geteuid() != 0)
		return;
	put("drop/m.1.moved", ENVELOPE("to P - - bob@local.test\n") MESSAGE);
	put("drop/ctl.1.moved", "remove " ID "\n");
	put("hold/" ID, ENVELOPE("to P - - carol@local.test\n") MESSAGE);
	ck_assert_int_eq(fchownat(spool, "drop/m.1.moved", 0, 0, 0) | fchmodat(spool, "drop/m.1.moved", 0644, 0), 0);
	ck_assert_int_eq(fchownat(spool, "drop/ctl.1.moved", 0, 0, 0) | fchmodat(spool, "drop/ctl.1.moved", 0644, 0), 0);
	start();
	WAIT_FOR(there("corrupt/m.1.moved") && !there("drop/m.1.moved") && !there("drop/ctl.1.moved"));
	ck_assert(there("hold/" ID));
	ck_assert_uint_eq(files_in("mail/local.test/bob") + queued_files(), 0);
	ck_assert(logs("drop-refused file=ctl.1.moved uid=0"));
}
END_TEST

static void
hand_in(const char *name, const char *text)
{
	char path[64];

	put("drop/tmp.x", text);
	(void)snprintf(path, sizeof(path), "drop/%s", name);
	ck_assert_int_eq(renameat(spool, "drop/tmp.x", spool, path), 0);
}

/* Whoever hands something in chooses its name. */
START_TEST(set_aside_under_a_name_that_is_there)
{
	struct stat st;

	put("corrupt/" ID, "first");
	put("corrupt/other", "first");
	put(PATH, "rubbish\n");
	start();
	hand_in(ID, "second\n");
	WAIT_FOR(!there("drop/" ID) && !there(PATH) && files_in("spool/corrupt") == 4);
	hand_in("other", "second\n");
	WAIT_FOR(!there("drop/other") && files_in("spool/corrupt") == 5);
	hand_in("other", "third\n");
	WAIT_FOR(!there("drop/other") && files_in("spool/corrupt") == 6);
	ck_assert_int_eq(fstatat(spool, "corrupt/other", &st, 0), 0);
	ck_assert_int_eq(st.st_size, 5);
	ck_assert_int_eq(fstatat(spool, "corrupt/" ID, &st, 0), 0);
	ck_assert_int_eq(st.st_size, 5);
}
END_TEST

/* More than one list of what is no file at all, and mail behind it. */
START_TEST(what_is_no_file)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char path[64];

	for (unsigned i = 0; i < 4200; i++) {
		int fd = i % 2 != 0 ? socket(AF_UNIX, SOCK_STREAM, 0) : -1;

		(void)snprintf(path, sizeof(path), "drop/m.0.%u", i);
		(void)snprintf(address.sun_path, sizeof(address.sun_path), "%.50s/spool/%.40s", folder, path);
		if (i % 2 != 0)
			ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
		else
			ck_assert_int_eq(mkfifoat(spool, path, 0600), 0);
		if (fd >= 0)
			(void)close(fd);
		if (i % 420 == 0) {
			(void)snprintf(path, sizeof(path), "drop/m.1.%u", i);
			put(path, ENVELOPE("to P - - bob@local.test\n") MESSAGE);
		}
	}
	start();
	WAIT_FOR(files_in("spool/drop") == 0 && files_in("mail/local.test/bob") == 10);
	ck_assert(logs("drop-refused file=m.0.7 uid="));
	ck_assert(!logs("drop-waits"));
}
END_TEST

/* Folders with something in them, and with names that leave no room for more. */
START_TEST(folders_that_stay)
{
	char name[256], path[300];

	memset(name, 'x', 255);
	name[255] = '\0';
	for (unsigned i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "drop/%s", i == 0 ? "m.dir" : i == 1 ? ".m.dir" : name);
		ck_assert_int_eq(mkdirat(spool, path, 0777), 0);
		ck_assert_int_eq(fchmodat(spool, path, 0777, 0), 0);
		if (i < 2) {
			(void)snprintf(path, sizeof(path), "drop/%s/x", i == 0 ? "m.dir" : ".m.dir");
			ck_assert_int_eq(mkdirat(spool, path, 0777), 0);
		}
	}
	(void)snprintf(path, sizeof(path), "drop/%s/x", name);
	ck_assert_int_eq(mkdirat(spool, path, 0777), 0);
	start();
	WAIT_FOR(files_in("spool/drop") == 0);
	ck_assert(there("drop/.m.dir/x"));
	ck_assert_uint_eq(times_logged("drop-hidden"), 2);
	ck_assert(!logs("drop-waits") && !logs("drop-not-removed"));
}
END_TEST

/* More than one list of files that cannot be dealt with, and mail among them and behind them: it comes, and the log is not filled. */
START_TEST(much_that_waits)
{
	struct stat st;
	char path[64];

	for (unsigned i = 0; i < 4500; i++) {
		(void)snprintf(path, sizeof(path), "drop/m.%u.%s", i, i < 10 ? "mail" : "rubbish");
		put(path, i < 10 ? ENVELOPE("to P - - bob@local.test\n") MESSAGE : "rubbish\n");
	}
	/* It mends the folder when it starts, and then no more; what was moved by then does not count. */
	ck_assert_int_eq(fchmodat(spool, "corrupt", 0755, 0), 0);
	start();
	do
		ck_assert_int_eq(fstatat(spool, "corrupt", &st, 0), 0);
	while ((st.st_mode & 07777) == 0755);
	ck_assert_int_eq(fchmodat(spool, "corrupt", 0, 0), 0);
	WAIT_FOR(files_in("mail/local.test/bob") == 10);
	ck_assert_uint_gt(files_in("spool/drop"), 4200);
	WAIT_FOR(times_logged("drop-waits files=") >= 2);
	ck_assert_uint_le(times_logged("drop-waits"), 20);
	/* What is asked meanwhile is not kept waiting by what is there: in a list of it, nor between two. */
	for (unsigned i = 0; i < 300; i++) {
		(void)snprintf(path, sizeof(path), "ctl.9.%u", i);
		hand_in(path, "retry all\n");
		(void)nanosleep(&(struct timespec){ 0, 40000000 }, NULL);
		(void)snprintf(path, sizeof(path), "drop/ctl.9.%u", i - 75);
		ck_assert_msg(i < 75 || !there(path), "%s waits for three seconds", path);
	}
	ck_assert_int_eq(fchmodat(spool, "corrupt", 0700, 0), 0);
}
END_TEST

/* Mail that cannot be copied is tried now and then, not all the time. */
START_TEST(no_place_in_the_queue)
{
	char name[32];

	start();
	WAIT_FOR(logs("queue-read"));
	ck_assert_int_eq(fchmodat(spool, "queue", 0, 0), 0);
	for (unsigned i = 0; i < 5; i++) {
		(void)snprintf(name, sizeof(name), "m.%u.a", i);
		hand_in(name, ENVELOPE("to P - - bob@local.test\n") MESSAGE);
	}
	WAIT_FOR(logs("drop-waits"));
	/* What is asked has those that wait looked at before. */
	hand_in("ctl.9.a", "retry all\n");
	WAIT_FOR(logs("retry-all"));
	(void)nanosleep(&(struct timespec){ 1, 0 }, NULL);
	ck_assert_uint_le(times_logged("drop-waits"), 6);
	ck_assert_int_eq(fchmodat(spool, "queue", 0700, 0), 0);
	hand_in("ctl.9.b", "retry all\n");
	WAIT_FOR(files_in("mail/local.test/bob") == 5 && files_in("spool/drop") == 0);
}
END_TEST

/* More accounts' mail than is asked for at once, while nobody can tell whose it is. */
START_TEST(owners_that_nobody_can_tell)
{
	char path[64];

	for (unsigned i = 0; i < 200; i++) {
		(void)snprintf(path, sizeof(path), "drop/m.%u.a", i);
		put(path, ENVELOPE("account hidden@local.test\nto P - - bob@local.test\n") MESSAGE);
		if (geteuid() == 0)
			ck_assert_int_eq(fchownat(spool, path, 1000001, -1, 0), 0);
	}
	start();
	WAIT_FOR(times_logged("owner-asked") >= 200);
	hand_in("m.201.a", ENVELOPE("to P - - carol@local.test\n") MESSAGE);
	WAIT_FOR(files_in("mail/local.test/carol") == 1);
	(void)nanosleep(&(struct timespec){ 1, 0 }, NULL);
	ck_assert_uint_eq(times_logged("owner-asked"), 200 + (geteuid() != 0));
	ck_assert_uint_eq(files_in("spool/drop"), 200);
}
END_TEST

/* It is mail perhaps, and is not removed for want of a place. */
START_TEST(not_to_be_set_aside)
{
	start();
	WAIT_FOR(logs("queue-read"));
	ck_assert_int_eq(fchmodat(spool, "corrupt", 0, 0), 0);
	hand_in("m.1.a", "rubbish\n");
	WAIT_FOR(logs("drop-waits files=1 file=m.1.a uid="));
	ck_assert(!logs("uid=-1") && !logs("uid=4294967295"));
	ck_assert(there("drop/m.1.a"));
	stop();
	start();
	WAIT_FOR(there("corrupt/m.1.a") && !there("drop/m.1.a"));
}
END_TEST

/* Whoever handed it in was told that it is taken, and so hears that it is not. */
START_TEST(more_than_is_taken)
{
	static char text[70000];
	FILE *conf = fopen(conf_path, "a");
	size_t head;

	ck_assert_ptr_nonnull(conf);
	(void)fprintf(conf, "message_size_max = 65536;\n");
	(void)fclose(conf);
	head = (size_t)snprintf(text, sizeof(text), "%s", ENVELOPE("to P - - bob@local.test\nto P N - carol@local.test\n") "Subject: so much\r\n\r\n");
	while (head < 67000)
		head += (size_t)snprintf(text + head, sizeof(text) - head, "%060zu\r\n", head);
	put("drop/m.1.big", text);
	head = (size_t)snprintf(text, sizeof(text), "%s", ENVELOPE("to P N - carol@local.test\n") "Subject: so much\r\n\r\n");
	while (head < 67000)
		head += (size_t)snprintf(text + head, sizeof(text) - head, "%060zu\r\n", head);
	put("drop/m.1.quiet", text);
	head = (size_t)snprintf(text, sizeof(text), "%s", ENVELOPE("to P - - bob@local.test\n") "Subject: so much\n\n");
	while (head < 67000)
		head += (size_t)snprintf(text + head, sizeof(text) - head, "%060zu\n", head);
	put("drop/m.1.odd", text);
	start();
	WAIT_FOR(files_in("mail/local.test/alice") == 1 && !there("drop/m.1.big") && !there("drop/m.1.quiet") && !there("drop/m.1.odd") && queued_files() == 0);
	ck_assert(there("corrupt/m.1.odd") && files_in("spool/corrupt") == 1);
	ck_assert(logs("drop-returned file=m.1.big") && logs("recipients=2 reason=\"too big\" status=5.3.4") && logs("drop-removed file=m.1.quiet") && times_logged("drop-returned") == 1);
	(void)snprintf(text, sizeof(text),
	    "cat %s/mail/local.test/alice/* | grep -c -e 'Status: 5.3.4' -e '^Final-Recipient: rfc822; *bob@local.test' -e 'Subject: so much' -e 'octets, and this host takes 65536' "
	    "| grep -q -v -x '[0123]' && ! grep -q carol %s/mail/local.test/alice/*",
	    folder, folder);
	ck_assert_int_eq(system(text), 0);
}
END_TEST

/* Its owner pays nothing for the size of a file: it is not read, but for what is sent back. That alone must be clean. */
START_TEST(larger_than_can_be_read)
{
	static const char *const names[] = { "drop/tmp.far", "drop/tmp.near" };

	put(names[0], ENVELOPE("to P - - bob@local.test\n") "Subject: endless\r\n\r\nx\r\n");
	put(names[1], ENVELOPE("to P - - bob@local.test\n") "Subject: broken\r\nA: b\nc\r\n\r\nx\r\n");
	for (size_t i = 0; i < 2; i++) {
		int fd = openat(spool, names[i], O_WRONLY);

		ck_assert_int_eq(ftruncate(fd, INT64_C(1) << 40), 0);
		(void)close(fd);
	}
	ck_assert_int_eq(renameat(spool, names[0], spool, "drop/m.1.far"), 0);
	ck_assert_int_eq(renameat(spool, names[1], spool, "drop/m.1.near"), 0);
	start();
	WAIT_FOR(files_in("mail/local.test/alice") == 1 && !there("drop/m.1.far") && !there("drop/m.1.near") && queued_files() == 0);
	ck_assert(there("corrupt/m.1.near") && files_in("spool/corrupt") == 1);
	ck_assert(logs("drop-returned file=m.1.far") && !logs("drop-returned file=m.1.near") && logs("drop-corrupt file=m.1.near"));
}
END_TEST

/* Asked while no queue was there to do it, and until then the message has become due. */
START_TEST(request_about_one_that_is_due)
{
	static const char *const requests[] = { "remove " ID "\n", "hold " ID "\n", "remove m.1.x\n", "remove 0006278AA1C3D400 m.1.x\n" };

	put(PATH, ENVELOPE("drop m.1.x\nto P - - bob@local.test\n") MESSAGE);
	put("drop/ctl.1.a", requests[_i]);
	start();
	WAIT_FOR(!there(PATH) && !there("drop/ctl.1.a"));
	ck_assert_int_eq(there("hold/" ID), _i == 1);
	/* What comes after it comes alone. */
	put("drop/tmp.m.1.b", ENVELOPE("to P - - carol@local.test\n") MESSAGE);
	ck_assert_int_eq(renameat(spool, "drop/tmp.m.1.b", spool, "drop/m.1.b"), 0);
	WAIT_FOR(files_in("mail/local.test/carol") == 1);
	ck_assert_uint_eq(files_in("mail/local.test/bob"), 0);
}
END_TEST

static void
add(TCase *tests)
{
	tcase_add_loop_test(tests, request_about_one_that_is_due, 0, 4);
	tcase_add_test(tests, drop_of_another_group);
	tcase_add_test(tests, drop_that_cannot_be_opened);
	tcase_add_test(tests, drop_of_somebody_else);
	tcase_add_test(tests, set_aside_under_a_name_that_is_there);
	tcase_add_test(tests, what_is_no_file);
	tcase_add_test(tests, folders_that_stay);
	tcase_add_test(tests, much_that_waits);
	tcase_add_test(tests, no_place_in_the_queue);
	tcase_add_test(tests, owners_that_nobody_can_tell);
	tcase_add_test(tests, not_to_be_set_aside);
	tcase_add_test(tests, more_than_is_taken);
	tcase_add_test(tests, larger_than_can_be_read);
}

int
main(int argc, char **argv)
{
	return run_on_spool("queue_drop", add, argc, argv);
}
