/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Each row of the table in mailspool(5): the files are put as a crash would leave them, the queue
 * role is started on them, and what becomes of them is looked at. The queue and its parent are the
 * real ones; auth, deliver and relay are played (queue_played.h). */
#include <stdarg.h>
#include <sys/syscall.h>

#include "common/date.h"
#include "tests/unit/smtpd/queue_spool.h"

START_TEST(drop_being_written)
{
	struct timespec old[2] = { { time(NULL) - 40 * 3600, 0 }, { time(NULL) - 40 * 3600, 0 } };

	put("drop/tmp.m.1.new", "half");
	put("drop/tmp.m.1.old", "half");
	ck_assert_int_eq(utimensat(spool, "drop/tmp.m.1.old", old, 0), 0);
	start();
	/* Its writer may still live; after a day and a half it does not. */
	WAIT_FOR(!there("drop/tmp.m.1.old"));
	ck_assert(there("drop/tmp.m.1.new"));
}
END_TEST

START_TEST(drop_handed_in)
{
	put("drop/m.1.a", ENVELOPE("to P - - bob@local.test\n") MESSAGE);
	start();
	WAIT_FOR(files_in("mail/local.test/bob") == 1);
	WAIT_FOR(!there("drop/m.1.a") && queued_files() == 0);
	/* And one that comes while it runs, from somebody who crashed after the rename. */
	put("drop/tmp.m.1.b", ENVELOPE("to P - - bob@local.test\n") MESSAGE);
	ck_assert_int_eq(renameat(spool, "drop/tmp.m.1.b", spool, "drop/m.1.b"), 0);
	WAIT_FOR(files_in("mail/local.test/bob") == 2);
}
END_TEST

START_TEST(drop_being_copied)
{
	put("drop/m.1.a", ENVELOPE("to P - - bob@local.test\n") MESSAGE);
	put(TMP_PATH, ENVELOPE("drop m.1.a\nto P - - bob@local.test\n") "Subj");
	start();
	WAIT_FOR(files_in("mail/local.test/bob") == 1);
	WAIT_FOR(!there("drop/m.1.a") && !there(TMP_PATH) && queued_files() == 0);
}
END_TEST

START_TEST(drop_copied)
{
	put("drop/m.1.a", ENVELOPE("to P - - bob@local.test\n") MESSAGE);
	put(PATH, ENVELOPE("drop m.1.a\nto P - - later@local.test\n") MESSAGE);
	start();
	WAIT_FOR(!there("drop/m.1.a"));
	WAIT_FOR(files_in("mail/local.test/later") == 1);
	/* Once: the file in drop/ was not queued again. */
	ck_assert_uint_eq(files_in("mail/local.test/bob"), 0);
	ck_assert_uint_eq(queued_files(), 1);
}
END_TEST

START_TEST(drop_request)
{
	put(PATH,
	    ENVELOPE(
		"progress 00000000099999999999 00000000000000000000 0000000000 "
		"                                                                                "
		"                                                                                \n"
		"to P - - bob@local.test\n") MESSAGE);
	put("drop/ctl.1.a", "hold " ID "\n");
	start();
	WAIT_FOR(there("hold/" ID) && !there(PATH) && !there("drop/ctl.1.a"));
	put("drop/tmp.ctl.1.b", "release " ID "\n");
	ck_assert_int_eq(renameat(spool, "drop/tmp.ctl.1.b", spool, "drop/ctl.1.b"), 0);
	WAIT_FOR(files_in("mail/local.test/bob") == 1);
}
END_TEST

START_TEST(drop_that_is_none)
{
	put("drop/m.1.bare", ENVELOPE("to P - - bob@local.test\n") "Subject: x\n\ny\n");
	put("drop/m.1.noenvelope", "hello\n");
	put("drop/other", "hello\n");
	ck_assert_int_eq(symlinkat("/etc/passwd", spool, "drop/m.1.link"), 0);
	put("drop/tmp.linked", ENVELOPE("to P - - bob@local.test\n") MESSAGE);
	ck_assert_int_eq(linkat(spool, "drop/tmp.linked", spool, "drop/m.1.linked", 0), 0);
	ck_assert_int_eq(mkdirat(spool, "drop/m.1.folder", 0755), 0);
	start();
	WAIT_FOR(
	    there("corrupt/m.1.bare") && there("corrupt/m.1.noenvelope") && there("corrupt/other"));
	WAIT_FOR(!there("drop/m.1.link") && !there("drop/m.1.linked"));
	ck_assert_uint_eq(files_in("mail/local.test/bob"), 0);
	ck_assert_uint_eq(queued_files(), 0);
}
END_TEST

START_TEST(being_written)
{
	put(TMP_PATH, ENVELOPE("to P - - bob@local.test\n") MESSAGE);
	start();
	WAIT_FOR(!there(TMP_PATH));
	ck_assert(!there(PATH));
	ck_assert_uint_eq(files_in("mail/local.test/bob"), 0);
}
END_TEST

START_TEST(queued_and_due)
{
	put(PATH, ENVELOPE("to P - - bob@local.test\nto D - - carol@local.test\n") MESSAGE);
	start();
	WAIT_FOR(files_in("mail/local.test/bob") == 1 && !there(PATH));
	/* Who had it already gets it no second time. */
	ck_assert_uint_eq(files_in("mail/local.test/carol"), 0);
}
END_TEST

START_TEST(expanded)
{
	put(PATH, ENVELOPE("to P - - both@local.test\nto P - - bob@local.test\n") MESSAGE);
	start();
	WAIT_FOR(files_in("mail/local.test/bob") == 1 && files_in("mail/local.test/carol") == 1 && queued_files() == 0);
	/* Who is there without the alias, too, gets it no second time. */
	ck_assert_uint_eq(files_in("mail/local.test/bob"), 1);
}
END_TEST

START_TEST(expanded_and_not_marked)
{
	put(PATH, ENVELOPE("to P - - both@local.test\n") MESSAGE);
	put("queue/AA/0006278AA1C3D4E1", ENVELOPE("expanded yes\nto P - - bob@local.test\nto P - - carol@local.test\n") MESSAGE);
	start();
	/* Twice rather than never. */
	WAIT_FOR(files_in("mail/local.test/bob") == 2 && files_in("mail/local.test/carol") == 2 && queued_files() == 0);
}
END_TEST

START_TEST(expanded_and_marked)
{
	put(PATH, ENVELOPE("to X - - both@local.test\n") MESSAGE);
	put("queue/AA/0006278AA1C3D4E1", ENVELOPE("expanded yes\nto P - - both@local.test\n") MESSAGE);
	start();
	/* What came of aliases is none: the account of that name has it. */
	WAIT_FOR(files_in("mail/local.test/both") == 1 && queued_files() == 0);
	ck_assert_uint_eq(files_in("mail/local.test/bob"), 0);
}
END_TEST

/* And by an alias of one account alone, which needs no message of its own. */
START_TEST(one_expanded_and_marked)
{
	put(PATH, ENVELOPE("to X - - both@local.test\nto P - - one@local.test\n") MESSAGE);
	start();
	WAIT_FOR(!there(PATH) && queued_files() == 0);
	ck_assert_uint_eq(files_in("mail/local.test/bob"), 0);
}
END_TEST

START_TEST(another_expanded_and_marked)
{
	put(PATH, ENVELOPE("to X - - both@local.test\nto P - - all@local.test\n") MESSAGE);
	start();
	WAIT_FOR(files_in("mail/local.test/dave") == 1 && !there(PATH) && queued_files() == 0);
	/* Who has it by one alias gets it by no other, whenever that was. */
	ck_assert_uint_eq(files_in("mail/local.test/bob"), 0);
	ck_assert_uint_eq(files_in("mail/local.test/carol"), 0);
}
END_TEST

/* Accounts here have theirs: others get it now, and nobody once more. */
START_TEST(half_expanded)
{
	put(PATH, ENVELOPE("to H - - mixed@local.test\n") MESSAGE);
	start();
	WAIT_FOR(times_logged("asked host=takes.test recipients=1") == 1 && !there(PATH) && queued_files() == 0);
	ck_assert_uint_eq(files_in("mail/local.test/bob"), 0);
}
END_TEST

/* That its delay had been told before is read first at a new start, and changes nothing. */
START_TEST(half_expanded_and_warned)
{
	put(PATH, ENVELOPE("to H - - mixed@local.test\n") MESSAGE);
	put("queue/AA/0006278AA1C3D4E1", "fourpost 1\ncreated NOWNOWNOWN\nrelease 99999999999\nfrom \nabout " ID " W\nto P N - x@other.test\n\n" MESSAGE);
	start();
	WAIT_FOR(times_logged("asked host=takes.test recipients=1") == 1 && !there(PATH));
	ck_assert_uint_eq(files_in("mail/local.test/bob"), 0);
	ck_assert(!logs("told-before") && there("queue/AA/0006278AA1C3D4E1"));
}
END_TEST

/* Whoever sent it on and kept it gets it by no alias, with others or alone. */
START_TEST(expanded_for_others)
{
	put(PATH, ENVELOPE("account bob@local.test\nkept bob@local.test\nto P - - both@local.test\n") MESSAGE);
	put("queue/AA/0006278AA1C3D4E1", ENVELOPE("account bob@local.test\nkept bob@local.test\nto P - - one@local.test\n") MESSAGE);
	start();
	WAIT_FOR(files_in("mail/local.test/carol") == 1 && !there(PATH) && queued_files() == 0);
	ck_assert_uint_eq(files_in("mail/local.test/bob"), 0);
}
END_TEST

/* What was to be sent later has its whole time from then on, behind an alias too. */
START_TEST(expanded_when_released)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "sed -i 's/queue_lifetime = \"52w\"/queue_lifetime = \"1w\"/' %s", conf_path);
	ck_assert_int_eq(system(command), 0);
	put(PATH, "fourpost 1\ncreated 1770000000\nrelease NOWNOWNOWN\nfrom alice@local.test\nto P - - slow@local.test\n\n" MESSAGE);
	start();
	WAIT_FOR(files_in("mail/local.test/bob") == 1 && files_in("mail/local.test/later") == 1 && queued_files() == 1);
	WAIT_FOR(logs(" deferred "));
	ck_assert(!logs(" failed "));
	ck_assert_uint_eq(files_in("mail/local.test/alice"), 0);
}
END_TEST

/* What fails here, and not for a moment, has an end too; and the log has it. */
START_TEST(a_fault_of_ours_expires)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "sed -i 's/retry_min = 3600; retry_max = 3600; queue_lifetime = \"52w\"/retry_min = 1; retry_max = 1; queue_lifetime = \"1w\"/' %s", conf_path);
	ck_assert_int_eq(system(command), 0);
	put(PATH, "fourpost 1\ncreated 1770000000\nfrom alice@local.test\nto P - - hidden@local.test\n\n" MESSAGE);
	start();
	WAIT_FOR(files_in("mail/local.test/alice") == 1 && queued_files() == 0);
	ck_assert_uint_ge(times_logged("deferred id=" ID), 5);
	ck_assert(logs("failed id=" ID " from=alice@local.test to=hidden@local.test"));
	ck_assert(logs("status=4.4.7"));
}
END_TEST

/* Messages for several destinations: one that is not there is asked until that is known, and not for each of them. */
START_TEST(what_waits_for_a_destination_that_goes_down)
{
	char path[64];

	for (int i = 0; i < 60; i++) {
		(void)snprintf(path, sizeof(path), "queue/AA/0006278AA1C3D4%02X", i);
		put(path, ENVELOPE("to P - - x@down.test\nto P - - y@takes.test\n") MESSAGE);
	}
	start();
	WAIT_FOR(times_logged(" to=x@down.test ") == 60 && times_logged("relayed id=") == 60);
	ck_assert(logs("destination-down destination=down.test"));
	ck_assert_uint_le(times_logged("asked host=down.test"), 30);
	ck_assert_uint_eq(queued_files(), 60);
}
END_TEST

/* A domain in both its forms is one destination, whatever the message is for. */
START_TEST(two_forms_of_a_domain)
{
	put(PATH, ENVELOPE("to P - - x@b\xc3\xbc" "cher.takes.test\nto P - - y@xn--bcher-kva.takes.test\n") MESSAGE);
	start();
	WAIT_FOR(logs("failed id=") && logs("to=y@"));
	ck_assert_uint_eq(times_logged("asked host=xn--bcher-kva.takes.test recipients=2"), 1);
	ck_assert_uint_eq(times_logged("asked host="), 1);
}
END_TEST

/* A request to try it now asks them all the same, once. */
START_TEST(hurried_to_a_destination_that_is_down)
{
	char path[64];
	size_t asked;

	for (int i = 0; i < 20; i++) {
		(void)snprintf(path, sizeof(path), "queue/AA/0006278AA1C3D4%02X", i);
		put(path, ENVELOPE("to P - - x@down.test\nto P - - later@local.test\n") MESSAGE);
	}
	start();
	WAIT_FOR(times_logged(" to=x@down.test ") == 20);
	ck_assert(logs("destination-down destination=down.test"));
	asked = times_logged("asked host=down.test");
	put("drop/tmp.ctl.1.a", "retry 0006278AA1C3D400\n");
	ck_assert_int_eq(renameat(spool, "drop/tmp.ctl.1.a", spool, "drop/ctl.1.a"), 0);
	WAIT_FOR(times_logged(" to=x@down.test ") == 21);
	ck_assert_uint_eq(times_logged("asked host=down.test"), asked + 1);
	ck_assert_uint_eq(times_logged("destination-down destination=down.test"), 2);
}
END_TEST

/* A request to try what is not due as if it had just come. */
START_TEST(requeued)
{
	put(PATH,
	    ENVELOPE("expanded yes\n"
		     "progress 00000000099999999999 00000000000000000000 0000000000 "
		     "                                                                                "
		     "                                                                                \n"
		     "to P - - both@local.test\n") MESSAGE);
	put("drop/ctl.1.a", "requeue " ID "\n");
	start();
	WAIT_FOR(files_in("mail/local.test/bob") == 1 && files_in("mail/local.test/carol") == 1 && queued_files() == 0);
	ck_assert_uint_eq(files_in("mail/local.test/both"), 0);
}
END_TEST

START_TEST(queued_and_not_due)
{
	put(PATH, ENVELOPE("release 99999999999\nto P - - bob@local.test\n") MESSAGE);
	start();
	put("drop/tmp.m.1.b", ENVELOPE("to P - - carol@local.test\n") MESSAGE);
	ck_assert_int_eq(renameat(spool, "drop/tmp.m.1.b", spool, "drop/m.1.b"), 0);
	WAIT_FOR(files_in("mail/local.test/carol") == 1);
	ck_assert(there(PATH));
	ck_assert_uint_eq(files_in("mail/local.test/bob"), 0);
}
END_TEST

/* Put off under a clock that was years ahead. */
START_TEST(queued_and_due_by_another_clock)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "sed -i 's/retry_min = 3600; retry_max = 3600/retry_min = 1; retry_max = 1/' %s", conf_path);
	ck_assert_int_eq(system(command), 0);
	put(PATH, ENVELOPE("progress 00000000099999999999 00000000099999999699 0000000001 "
	    "                                                                                "
	    "                                                                                \n"
	    "to P - - bob@local.test\n") MESSAGE);
	start();
	WAIT_FOR(files_in("mail/local.test/bob") == 1 && queued_files() == 0);
}
END_TEST

START_TEST(tried_and_waiting)
{
	char id[SPOOL_ID_LEN + 1] = ID;
	struct spool_file file;

	put("drop/m.1.a", ENVELOPE("to P - - later@local.test\nto P - - bob@local.test\n") MESSAGE);
	start();
	WAIT_FOR(files_in("mail/local.test/later") == 1 && files_in("mail/local.test/bob") == 1 &&
	    queued_files() == 1);
	/* The queue has heard of both, and noted it. */
	WAIT_FOR(logs(" deferred ") && logs(" delivered "));
	/* A new process goes on where the old one was: one is delivered, the other due in an hour.
	 */
	stop();
	start();
	put("drop/tmp.m.1.b", ENVELOPE("to P - - carol@local.test\n") MESSAGE);
	ck_assert_int_eq(renameat(spool, "drop/tmp.m.1.b", spool, "drop/m.1.b"), 0);
	WAIT_FOR(files_in("mail/local.test/carol") == 1 && queued_files() == 1);
	ck_assert_uint_eq(files_in("mail/local.test/bob"), 1);
	for (unsigned i = 0; i < SPOOL_FOLDERS; i++) {
		char path[128];
		const struct dirent *entry;
		DIR *dir;

		(void)snprintf(path, sizeof(path), "%s/spool/queue/%02X", folder, i & 0xff);
		dir = opendir(path);
		while ((entry = readdir(dir)) != NULL)
			if (spool_id_valid(span_of(entry->d_name)))
				memcpy(id, entry->d_name, sizeof(id));
		(void)closedir(dir);
	}
	{
		char path[SPOOL_PATH_MAX];

		spool_path(SPOOL_QUEUE, id, path);
		ck_assert_int_eq(spool_open(spool, path, O_RDONLY, &file), 0);
	}
	ck_assert_int_eq(file.envelope.recipients[0].status, ENVELOPE_PENDING);
	ck_assert_int_eq(file.envelope.recipients[1].status, ENVELOPE_DELIVERED);
	ck_assert_uint_eq(file.envelope.progress.attempts, 1);
	ck_assert_int_gt(file.envelope.progress.due, time(NULL) + 3000);
	ck_assert_str_eq(file.envelope.progress.reason, "played");
	spool_close(&file);
}
END_TEST

/* The last attempt was before or after the time that the sender had set; of the delay he had been told by then. */
START_TEST(late_for_its_sender)
{
	put(PATH, _i == 0 ?
	    ENVELOPE("by 1000000000 N\nprogress 00000000000000000000 00000000000999999999 0000000001 "
	    "                                                                                "
	    "                                                                                \n"
	    "to W - - later@local.test\n") MESSAGE :
	    ENVELOPE("by 1000000000 N\nprogress 00000000000000000000 00000000001000000001 0000000001 "
	    "                                                                                "
	    "                                                                                \n"
	    "to W - - later@local.test\n") MESSAGE);
	start();
	WAIT_FOR(logs(" deferred "));
	if (_i == 0)
		WAIT_FOR(files_in("mail/local.test/alice") == 1);
	stop();
	ck_assert_uint_eq(files_in("mail/local.test/alice"), _i == 0);
}
END_TEST

/* Who is told of a delay hears until when delivery is tried: until the sender's time, where his mail is to be returned then and that is before
 * the end of its lifetime. */
START_TEST(late_and_to_be_returned)
{
	static const struct {
		int64_t by; /* from now on */
		char mode;
		int64_t until;
	} rows[] = {
		{ 7200, 'R', 7200 },
		{ 7200, 'N', 52 * 7 * 86400 - 3600 },
		{ 60 * 7 * 86400, 'R', 52 * 7 * 86400 - 3600 },
	};
	int64_t now = (int64_t)time(NULL);
	char text[512], command[512], date[DATE_SIZE];

	(void)snprintf(command, sizeof(command), "sed -i 's/delay_warning = 0/delay_warning = 60/' %s", conf_path);
	ck_assert_int_eq(system(command), 0);
	(void)snprintf(text, sizeof(text), "fourpost 1\ncreated %lld\nfrom alice@local.test\nby %lld %c\nto P - - later@local.test\n\n" MESSAGE,
	    (long long)(now - 3600), (long long)(now + rows[_i].by), rows[_i].mode);
	put(PATH, text);
	start();
	WAIT_FOR(files_in("mail/local.test/alice") == 1);
	stop();
	(void)date_format((struct date){ .utc = now + rows[_i].until }, date);
	(void)snprintf(command, sizeof(command), "grep -rq 'Will-Retry-Until: %s' %s/mail/local.test/alice", date, folder);
	ck_assert_msg(system(command) == 0, "%s", command);
}
END_TEST

/* A message to a hundred hosts that say nothing, where a hundred are written to at once: mail goes on to whom is known to take it. */
/* What was promised of one that is held by now waits for its release; and no wish to hold outlives that. */
START_TEST(promised_to_a_held_one)
{
	put("hold/" ID, ENVELOPE("to P - - b@silent.test\n") MESSAGE);
	put("state/requeue." ID, "");
	put("state/hold." ID, "");
	start();
	WAIT_FOR(!there("state/hold." ID) && logs("queue-read"));
	ck_assert(there("state/requeue." ID));
	put("state/hold." ID, "");
	put("drop/tmp.ctl.1.a", "release " ID "\n");
	ck_assert_int_eq(renameat(spool, "drop/tmp.ctl.1.a", spool, "drop/ctl.1.a"), 0);
	WAIT_FOR(logs("asked host=silent.test"));
	ck_assert(!there("state/hold." ID));
	/* Until that attempt has ended. */
	ck_assert(there("state/requeue." ID));
}
END_TEST

/* As long as there is spool/full, its disk has no inode left for what is kept of requests. */
int
openat(int at, const char *path, int flags, ...)
{
	bool makes = (flags & O_CREAT) != 0;
	struct stat st;
	va_list rest;
	mode_t mode;

	va_start(rest, flags);
	mode = makes ? va_arg(rest, mode_t) : 0;
	va_end(rest);
	if (makes && strncmp(path, "state/", 6) == 0 && fstatat(at, "full", &st, 0) == 0) {
		errno = ENOSPC;
		return -1;
	}
	return (int)syscall(SYS_openat, at, path, flags, mode);
}

/* What was promised for the end of an attempt is kept though the queue ends before that, and whether the disk has room for another file or not. */
START_TEST(asked_during_an_attempt)
{
	static const char *const actions[] = { "remove", "hold", "hold", "requeue" };
	int which = _i % 4;
	bool full = _i >= 4;
	char text[64], kept[64];
	struct stat st;

	put(PATH, ENVELOPE("to P - - b@silent.test\n") MESSAGE);
	start();
	WAIT_FOR(logs("asked host=silent.test"));
	if (full)
		put("full", "");
	(void)snprintf(text, sizeof(text), "%s " ID "\n", actions[which]);
	(void)snprintf(kept, sizeof(kept), "state/%s." ID, actions[which]);
	put("drop/tmp.ctl.1.a", text);
	ck_assert_int_eq(renameat(spool, "drop/tmp.ctl.1.a", spool, "drop/ctl.1.a"), 0);
	WAIT_FOR(logs("result=\"after this attempt\"") && !there("drop/ctl.1.a"));
	ck_assert_int_eq(fstatat(spool, kept, &st, 0), 0);
	/* It is another name of the message itself. */
	ck_assert_uint_eq(st.st_nlink, full ? 2 : 1);
	ck_assert(!full || unlinkat(spool, "full", 0) == 0);
	if (which == 2) {
		/* Another request may take it back. */
		put("drop/tmp.ctl.1.b", "release " ID "\n");
		ck_assert_int_eq(renameat(spool, "drop/tmp.ctl.1.b", spool, "drop/ctl.1.b"), 0);
		WAIT_FOR(!there(kept));
	}
	put("state/remove.0006278AA1C3D4E1", "");
	(void)snprintf(text, sizeof(text), "pkill -KILL -P %d -f '^queued: queue'", (int)pid);
	ck_assert_int_eq(system(text), 0);
	WAIT_FOR(times_logged("queue-read") == 2);
	WAIT_FOR(!there("state/remove.0006278AA1C3D4E1"));
	if (which == 0)
		WAIT_FOR(!there(PATH) && !there("hold/" ID));
	else if (which == 1)
		WAIT_FOR(!there(PATH) && there("hold/" ID));
	else
		WAIT_FOR(times_logged("asked host=silent.test") == 2);
	ck_assert_uint_eq(times_logged("asked host=silent.test"), which < 2 ? 1 : 2);
	ck_assert_uint_eq(times_logged("requeue id="), which == 3 ? 2 : 0);
	/* It is requeued until an attempt by that has ended. */
	ck_assert(there(kept) == (which == 3));
}
END_TEST

/* What cannot be done at the end of an attempt is done before the next one: somebody was told that it would not be sent. */
START_TEST(asked_and_impossible)
{
	char command[96];

	put(PATH, ENVELOPE("to P - - b@silent.test\n") MESSAGE);
	start();
	WAIT_FOR(logs("asked host=silent.test"));
	ck_assert_int_eq(fchmodat(spool, "hold", 0500, 0), 0);
	put("drop/tmp.ctl.1.a", "hold " ID "\n");
	ck_assert_int_eq(renameat(spool, "drop/tmp.ctl.1.a", spool, "drop/ctl.1.a"), 0);
	WAIT_FOR(there("state/hold." ID));
	/* The attempt ends with the role that makes it. */
	(void)snprintf(command, sizeof(command), "pkill -KILL -P %d -f '^queued: others'", (int)pid);
	ck_assert_int_eq(system(command), 0);
	WAIT_FOR(logs("result=\"Permission denied\""));
	put("drop/tmp.ctl.1.b", "retry " ID "\n");
	ck_assert_int_eq(renameat(spool, "drop/tmp.ctl.1.b", spool, "drop/ctl.1.b"), 0);
	WAIT_FOR(times_logged("result=\"Permission denied\"") >= 2);
	ck_assert(there(PATH) && there("state/hold." ID));
	ck_assert_int_eq(fchmodat(spool, "hold", 0700, 0), 0);
	put("drop/tmp.ctl.1.c", "retry " ID "\n");
	ck_assert_int_eq(renameat(spool, "drop/tmp.ctl.1.c", spool, "drop/ctl.1.c"), 0);
	WAIT_FOR(there("hold/" ID) && !there("state/hold." ID));
	ck_assert_uint_eq(times_logged("asked host=silent.test"), 1);
}
END_TEST

/* A message to those of many hosts. */
static void
put_to_many(const char *path, const char *local, const char *below, int count)
{
	struct buf text = BUF_INIT(8192);

	(void)buf_str(&text, ENVELOPE(""));
	buf_truncate(&text, text.len - 1); /* the empty line behind it */
	for (int i = 0; i < count; i++)
		(void)buf_fmt(&text, "to P - - %s@h%d.%s\n", local, i, below);
	(void)buf_str(&text, "\n" MESSAGE);
	put(path, buf_cstr(&text));
	buf_free(&text);
}

START_TEST(silent_hosts)
{
	put("drop/m.1.a", ENVELOPE("to P - - a@takes.test\n") MESSAGE);
	start();
	WAIT_FOR(times_logged("asked host=takes.test") == 1 && queued_files() == 0);
	put_to_many("drop/tmp.m.1.b", "b", "silent.test", 100);
	ck_assert_int_eq(renameat(spool, "drop/tmp.m.1.b", spool, "drop/m.1.b"), 0);
	WAIT_FOR(times_logged("asked host=h") == 75);
	put("drop/tmp.m.1.c", ENVELOPE("to P - - c@new.test\nto P - - c@takes.test\n") MESSAGE);
	ck_assert_int_eq(renameat(spool, "drop/tmp.m.1.c", spool, "drop/m.1.c"), 0);
	WAIT_FOR(times_logged("asked host=takes.test") == 2);
	ck_assert_uint_eq(times_logged("asked host=new.test"), 0);
	ck_assert_uint_eq(times_logged("asked host=h"), 75);
}
END_TEST

/* Those that have taken mail, and then say nothing, leave places for others. */
START_TEST(hosts_that_fall_silent)
{
	char tmp[] = "drop/tmp.m.1.c", name[] = "drop/m.1.c";

	put_to_many("drop/m.1.a", "a", "fades.test", 25);
	start();
	WAIT_FOR(times_logged("relayed id=") == 25 && queued_files() == 0);
	for (int i = 0; i < 6; i++) {
		tmp[sizeof(tmp) - 2] = name[sizeof(name) - 2] = (char)('c' + i);
		put_to_many(tmp, "q", "fades.test", 25);
		ck_assert_int_eq(renameat(spool, tmp, spool, name), 0);
	}
	WAIT_FOR(times_logged("asked host=h") >= 25 + 80);
	put("drop/tmp.m.1.b", ENVELOPE("to P - - c@takes.test\n") MESSAGE);
	ck_assert_int_eq(renameat(spool, "drop/tmp.m.1.b", spool, "drop/m.1.b"), 0);
	WAIT_FOR(times_logged("asked host=takes.test") == 1);
	ck_assert_uint_le(times_logged("asked host=h"), 25 + 90);
}
END_TEST

/* One host takes it at once, another has said nothing yet: who has it is marked, and does not get it from the next life. */
START_TEST(taken_by_one_host)
{
	put(PATH, ENVELOPE("to P S - c@takes.test\nto P - - a@takes.test\nto P - - b@silent.test\n") MESSAGE);
	start();
	WAIT_FOR(logs("asked host=silent.test") && status_of(PATH, " - - a@takes.test") == 'R');
	ck_assert_int_eq(status_of(PATH, " - - b@silent.test"), 'P');
	/* Whose sender is to be told is marked once he has been. */
	ck_assert_int_eq(status_of(PATH, " S - c@takes.test"), 'P');
	stop();
	start();
	WAIT_FOR(times_logged("asked host=silent.test") == 2);
	ck_assert_uint_eq(times_logged("asked host=takes.test recipients=2"), 1);
	ck_assert_int_eq(status_of(PATH, " - - a@takes.test"), 'R');
}
END_TEST

START_TEST(finished_and_not_removed)
{
	put(PATH, ENVELOPE("progress 00000000099999999999 00000000000000000000 0000000000 "
	    "                                                                                "
	    "                                                                                \n"
	    "to D - - bob@local.test\nto F - - x@other.test\n") MESSAGE);
	start();
	WAIT_FOR(!there(PATH));
	ck_assert_uint_eq(files_in("mail/local.test/bob"), 0);
}
END_TEST

START_TEST(finished_and_not_to_be_removed)
{
	put(PATH, ENVELOPE("progress 00000000099999999999 00000000000000000000 0000000000 "
	    "                                                                                "
	    "                                                                                \n"
	    "to P - - bob@local.test\n") MESSAGE);
	start();
	WAIT_FOR(logs("queue-read"));
	ck_assert_int_eq(fchmodat(spool, "queue/AA", 0500, 0), 0);
	put("drop/tmp.ctl.1.b", "retry " ID "\n");
	ck_assert_int_eq(renameat(spool, "drop/tmp.ctl.1.b", spool, "drop/ctl.1.b"), 0);
	WAIT_FOR(logs("not-removed"));
	stop();
	ck_assert(there(PATH));
	/* What has been done is not done again. */
	start();
	WAIT_FOR(!there(PATH));
	ck_assert_uint_eq(times_delivered("mail/local.test/bob/" ID), 1);
}
END_TEST

START_TEST(notification_written_and_failure_not_noted)
{
	/* The notification is there; the message still says pending. It is tried again and the
	 * sender told again. */
	put(PATH, ENVELOPE("to P - - x@other.test\n") MESSAGE);
	/* Not the id that the next one gets: that is the message's and one, once this has gone. */
	put("queue/AA/0006278AA1C3D000",
	    "fourpost 1\ncreated NOWNOWNOWN\nfrom \nto P N - alice@local.test\n\n" MESSAGE);
	start();
	WAIT_FOR(files_in("mail/local.test/alice") == 2 && queued_files() == 0);
}
END_TEST

/* However many there are, and whatever hosts say of them. */
START_TEST(notification_of_all)
{
	struct buf text = BUF_INIT(2u << 20);

	(void)buf_str(&text, "fourpost 1\ncreated NOWNOWNOWN\nfrom alice@local.test\n");
	for (unsigned i = 0; i < ENVELOPE_RECIPIENTS_MAX; i++)
		(void)buf_fmt(&text, "to P - - recipient%u@verbose.test\n", i);
	(void)buf_str(&text, "\n" MESSAGE);
	put(PATH, buf_cstr(&text));
	buf_free(&text);
	start();
	WAIT_FOR(files_in("mail/local.test/alice") == 1 && queued_files() == 0);
}
END_TEST

START_TEST(notification_that_fails_goes_to_postmaster)
{
	put(PATH,
	    "fourpost 1\ncreated NOWNOWNOWN\nfrom \nto P N - nobody@local.test\nto P - - x@other.test\n\n" MESSAGE);
	start();
	/* One report about both recipients. */
	WAIT_FOR(files_in("mail/local.test/postmaster") == 1);
	WAIT_FOR(!there(PATH) && queued_files() == 0);
	ck_assert_uint_eq(files_in("mail/local.test/postmaster"), 1);
	ck_assert(logs("notification id=" ID) && logs("to=postmaster@local.test") && !logs("to=\"\""));
}
END_TEST

/* What came of an alias of the addressee's, such as a list's owner; but not of postmaster's own, nor what another host brought. */
START_TEST(notification_to_an_alias_that_fails_goes_to_postmaster)
{
	static const char *const rows[] = {
		"expanded yes\nto P N rfc822;owner-list@local.test x@other.test\n", /* the one that is told */
		"expanded yes\nto P N rfc822;postmaster@local.test x@other.test\n",
		"expanded yes\nto P N - x@other.test\n",
		"client 192.0.2.1\nexpanded yes\nto P N rfc822;owner-list@local.test x@other.test\n",
	};
	char text[1000];

	(void)snprintf(text, sizeof(text), "fourpost 1\ncreated NOWNOWNOWN\nfrom \n%s\n" MESSAGE, rows[_i]);
	put(PATH, text);
	start();
	if (_i == 0)
		WAIT_FOR(files_in("mail/local.test/postmaster") == 1);
	WAIT_FOR(!there(PATH) && queued_files() == 0);
	ck_assert_uint_eq(files_in("mail/local.test/postmaster"), _i == 0);
}
END_TEST

START_TEST(what_postmaster_cannot_have_is_the_end)
{
	FILE *file = fopen(conf_path, "a");

	ck_assert_ptr_nonnull(file);
	(void)fprintf(file, "postmaster = \"nobody@local.test\";\n");
	ck_assert_int_eq(fclose(file), 0);
	put(PATH, "fourpost 1\ncreated NOWNOWNOWN\nfrom \nto P N - x@other.test\n\n" MESSAGE);
	start();
	WAIT_FOR(logs("notification id=" ID));
	WAIT_FOR(!there(PATH) && queued_files() == 0);
	WAIT_FOR(logs("to=nobody@local.test status=5.1.1"));
}
END_TEST

START_TEST(held)
{
	put("hold/" ID, ENVELOPE("to P - - bob@local.test\n") MESSAGE);
	start();
	put("drop/tmp.m.1.b", ENVELOPE("to P - - carol@local.test\n") MESSAGE);
	ck_assert_int_eq(renameat(spool, "drop/tmp.m.1.b", spool, "drop/m.1.b"), 0);
	WAIT_FOR(files_in("mail/local.test/carol") == 1);
	ck_assert(there("hold/" ID));
	put("drop/tmp.ctl.1.b", "remove " ID "\n");
	ck_assert_int_eq(renameat(spool, "drop/tmp.ctl.1.b", spool, "drop/ctl.1.b"), 0);
	WAIT_FOR(!there("hold/" ID));
	ck_assert_uint_eq(files_in("mail/local.test/bob"), 0);
}
END_TEST

START_TEST(unreadable)
{
	put(PATH, "rubbish\n");
	put("corrupt/kept", "rubbish\n");
	start();
	WAIT_FOR(there("corrupt/" ID) && !there(PATH));
	ck_assert(there("corrupt/kept"));
}
END_TEST

static void
add(TCase *tests)
{
	tcase_add_test(tests, drop_being_written);
	tcase_add_test(tests, drop_handed_in);
	tcase_add_test(tests, drop_being_copied);
	tcase_add_test(tests, drop_copied);
	tcase_add_test(tests, drop_request);
	tcase_add_test(tests, drop_that_is_none);
	tcase_add_test(tests, being_written);
	tcase_add_test(tests, queued_and_due);
	tcase_add_test(tests, expanded);
	tcase_add_test(tests, expanded_and_not_marked);
	tcase_add_test(tests, expanded_and_marked);
	tcase_add_test(tests, another_expanded_and_marked);
	tcase_add_test(tests, half_expanded);
	tcase_add_test(tests, half_expanded_and_warned);
	tcase_add_test(tests, expanded_for_others);
	tcase_add_test(tests, one_expanded_and_marked);
	tcase_add_test(tests, expanded_when_released);
	tcase_add_test(tests, a_fault_of_ours_expires);
	tcase_add_test(tests, what_waits_for_a_destination_that_goes_down);
	tcase_add_test(tests, two_forms_of_a_domain);
	tcase_add_test(tests, hurried_to_a_destination_that_is_down);
	tcase_add_test(tests, requeued);
	tcase_add_test(tests, queued_and_not_due);
	tcase_add_test(tests, queued_and_due_by_another_clock);
	tcase_add_test(tests, tried_and_waiting);
	tcase_add_loop_test(tests, late_for_its_sender, 0, 2);
	tcase_add_loop_test(tests, late_and_to_be_returned, 0, 3);
	tcase_add_loop_test(tests, asked_during_an_attempt, 0, 8);
	tcase_add_test(tests, asked_and_impossible);
	tcase_add_test(tests, promised_to_a_held_one);
	tcase_add_test(tests, silent_hosts);
	tcase_add_test(tests, hosts_that_fall_silent);
	tcase_add_test(tests, taken_by_one_host);
	tcase_add_test(tests, finished_and_not_removed);
	tcase_add_test(tests, finished_and_not_to_be_removed);
	tcase_add_test(tests, notification_written_and_failure_not_noted);
	tcase_add_test(tests, notification_of_all);
	tcase_add_test(tests, notification_that_fails_goes_to_postmaster);
	tcase_add_loop_test(tests, notification_to_an_alias_that_fails_goes_to_postmaster, 0, 4);
	tcase_add_test(tests, what_postmaster_cannot_have_is_the_end);
	tcase_add_test(tests, held);
	tcase_add_test(tests, unreadable);
}

int
main(int argc, char **argv)
{
	return run_on_spool("queue_states", add, argc, argv);
}
