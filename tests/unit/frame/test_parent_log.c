/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The log of a daemon in the background: no line is lost when syslogd is restarted, and no role waits for it. */
#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/span.h"
#include "frame/parent_log.h"

static char folder[] = "/tmp/test_parent_log.XXXXXX", path[64];
static struct event_base *base;
static struct parent_log *parent_log;
static int syslogd = -1;

static void
start_syslogd(int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	syslogd = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(syslogd, 0);
	ck_assert_int_eq(bind(syslogd, (const struct sockaddr *)&address, sizeof(address)), 0);
	if (type == SOCK_STREAM)
		ck_assert_int_eq(listen(syslogd, 5), 0);
}

static void
stop_syslogd(void)
{
	ck_assert_int_eq(close(syslogd), 0);
	ck_assert_int_eq(unlink(path), 0);
	syslogd = -1;
}

static void
setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/log", folder);
	base = event_base_new();
	ck_assert_ptr_nonnull(base);
	parent_log = parent_log_new(base, "toyd", path);
	ck_assert_ptr_nonnull(parent_log);
}

static void
teardown(void)
{
	(void)unlink(path);
	(void)rmdir(folder);
}

static void
turn(void)
{
	(void)event_base_loop(base, EVLOOP_NONBLOCK);
	(void)nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
}

/* The next line, within five seconds; empty: none. */
static const char *
next_line(void)
{
	static char line[16384];

	for (int i = 0; i < 5000; i++) {
		ssize_t got = recv(syslogd, line, sizeof(line) - 1, 0);

		if (got >= 0) {
			line[got] = '\0';
			return line;
		}
		turn();
	}
	return "";
}

/* A role that says each word when it is told to, and counts as ended when it has. */
static int
start_role(void (*say)(void))
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	if (fork() == 0) {
		char byte;

		log_init("toyd", "role", LOG_TO_PARENT, LOG_LEVEL_INFO);
		(void)close(pair[0]);
		(void)close(syslogd);
		while (read(pair[1], &byte, 1) == 1) {
			say();
			(void)!write(pair[1], "", 1);
		}
		_exit(0);
	}
	(void)close(pair[1]);
	return pair[0];
}

static void
tell(int role)
{
	struct pollfd wait = { role, POLLIN, 0 };
	char byte;

	ck_assert_int_eq(write(role, "", 1), 1);
	/* It does not wait for anybody: the loop stands still meanwhile. */
	ck_assert_int_eq(poll(&wait, 1, 20000), 1);
	ck_assert_int_eq(read(role, &byte, 1), 1);
}

static void
say_words(void)
{
	static unsigned count;

	log_warning("word", log_u64("number", ++count));
}

static bool
has(const char *line, const char *text)
{
	bool good = strstr(line, text) != NULL;

	if (!good)
		(void)printf("\"%s\" has no \"%s\"\n", line, text);
	return good;
}

START_TEST(lines_outlive_syslogd)
{
	const char *line;
	int role;

	start_syslogd(SOCK_DGRAM);
	role = start_role(say_words);
	tell(role);
	line = next_line();
	ck_assert(has(line, "<20>") && has(line, " toyd/role[") && has(line, "]: word number=1"));
	ck_assert_ptr_null(strchr(line, '\n'));
	stop_syslogd();
	tell(role);
	log_info("own", log_u64("number", 1));
	tell(role);
	for (int i = 0; i < 50; i++)
		turn();
	start_syslogd(SOCK_DGRAM);
	ck_assert(has(next_line(), "word number=2"));
	ck_assert(has(next_line(), "own number=1"));
	ck_assert(has(next_line(), "word number=3"));
	/* Restarted so quickly that nobody saw it away. */
	stop_syslogd();
	start_syslogd(SOCK_DGRAM);
	tell(role);
	ck_assert(has(next_line(), "word number=4"));
	tell(role);
	log_info("last", log_u64("number", 2));
	parent_log_finish(parent_log);
	ck_assert(has(next_line(), "word number=5"));
	ck_assert(has(next_line(), "last number=2"));
}
END_TEST

/* A child that was forked and not executed, as for a look at files, leaves the lines of others alone. */
START_TEST(a_forked_child_writes_as_roles_do)
{
	int role = start_role(say_words), status;
	pid_t pid;

	log_info("own", log_u64("number", 1));
	tell(role);
	pid = fork();
	if (pid == 0) {
		log_warning("forked", log_u64("number", 1));
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	start_syslogd(SOCK_DGRAM);
	ck_assert(has(next_line(), "own number=1"));
	ck_assert(has(next_line(), "word number=1"));
	ck_assert(has(next_line(), "forked number=1"));
}
END_TEST

START_TEST(a_syslogd_that_wants_a_stream_gets_one)
{
	char text[256] = "";
	int peer = -1;

	start_syslogd(SOCK_STREAM);
	log_info("own", log_u64("number", 1));
	for (int i = 0; i < 1000 && (peer = accept(syslogd, NULL, NULL)) < 0; i++)
		turn();
	ck_assert_int_ge(peer, 0);
	ck_assert_int_gt(read(peer, text, sizeof(text)), 0);
	ck_assert(has(text, "own number=1"));
	ck_assert_ptr_null(strchr(text, '\n'));
}
END_TEST

static void
say_much(void)
{
	for (int i = 0; i < 30000; i++)
		log_info("much", log_str("text", "something of the length that lines of a log have"));
}

static void
say_all(void)
{
	static bool done;

	if (!done)
		say_much();
	else
		log_info("end", log_u64("number", 0));
	done = true;
}

/* While syslogd is away: none waits for it, what finds no room is counted, and the count told. */
START_TEST(no_role_waits)
{
	unsigned long lines = 0, lost = 0;
	bool told = false;
	int role = start_role(say_all);

	tell(role);
	for (int i = 0; i < 100; i++)
		turn();
	start_syslogd(SOCK_DGRAM);
	for (const char *line = next_line(); *line != '\0'; line = next_line()) {
		const char *count = strstr(line, "log-lines-lost count=");

		lines += strstr(line, "much text=") != NULL;
		if (count != NULL)
			lost += strtoul(strchr(count, '=') + 1, NULL, 10);
		if (!told && lines > 5000)
			tell(role);
		told = told || lines > 5000;
		if (strstr(line, "end number=0") != NULL)
			break;
	}
	ck_assert_uint_gt(lost, 0);
	ck_assert_uint_eq(lines + lost, 30000);
}
END_TEST

static void
say_otherwise(void)
{
	(void)fcntl(STDERR_FILENO, F_SETFL, 0);
	(void)!write(STDERR_FILENO, "a library's\n<0>a forged one\n<20>begun ", 38);
	(void)!write(STDERR_FILENO, "and ended\n\n", 11);
}

START_TEST(what_is_no_line_of_ours_is_marked)
{
	int role = start_role(say_otherwise);
	char name[32];

	start_syslogd(SOCK_DGRAM);
	tell(role);
	(void)snprintf(name, sizeof(name), " toyd[%ld]: ", (long)getpid());
	for (int i = 0; i < 2; i++) {
		const char *line = next_line();

		ck_assert(has(line, "<19>") && has(line, name) && has(line, i == 0 ? ": a library's" : ": <0>a forged one"));
	}
	ck_assert_str_eq(next_line(), "<20>begun and ended");
	/* Nobody can make another wait. */
	ck_assert_int_ne(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("parent-log");
	TCase *tests = tcase_create("parent-log");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, lines_outlive_syslogd);
	tcase_add_test(tests, a_forked_child_writes_as_roles_do);
	tcase_add_test(tests, a_syslogd_that_wants_a_stream_gets_one);
	tcase_add_test(tests, no_role_waits);
	tcase_add_test(tests, what_is_no_line_of_ours_is_marked);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
