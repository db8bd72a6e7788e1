/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A daemon of two roles, run for real: start, messages, jails, restart after kill -9, reload, configuration faults. The program
 * is the daemon when it is given arguments, and the test of it when not. */
#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/sanitizer.h"
#include "common/xalloc.h"
#include "frame/frame_msg.h"
#include "frame/role.h"

/* --- the daemon --- */

enum { ROLE_ECHO = ROLE_OWN, MSG_PING = FRAME_MSG_OWN, MSG_PONG, MSG_WRONG_WAY };

struct toy_conf {
	struct fourpost_conf common;
	char *greeting;
	int64_t tries;
	struct conf_list listen_toy;
};

static const struct conf_option toy_rows[] = {
	CONF_ROW(struct toy_conf, greeting, STRING, 1, 20, "hello", "What is sent")
	CONF_ROW(struct toy_conf, tries, INT, 1, 5, "2", "How often")
	CONF_ROW(struct toy_conf, listen_toy, LIST, 0, 8, "127.0.0.1:0", "Where")
};
static const struct conf_table toy_table = { toy_rows, sizeof(toy_rows) / sizeof(*toy_rows), 0 };

static const struct msg_row toy_messages[] = {
	{ MSG_PING, "PING", ROLE_FRONT, ROLE_ECHO, 2, 64, MSG_FD_MAYBE },
	{ MSG_PONG, "PONG", ROLE_ECHO, ROLE_FRONT, 2, 64, MSG_NOFD },
	{ MSG_WRONG_WAY, "WRONG_WAY", ROLE_ECHO, ROLE_FRONT, 0, 0, MSG_NOFD },
};

static void
ping(struct proc *proc)
{
	const struct toy_conf *conf = proc->conf;
	struct msg_writer body;

	msg_writer_init(&body);
	msg_put_span(&body, span_of(conf->greeting));
	(void)proc_send(proc, ROLE_ECHO, MSG_PING, 7, &body, -1);
}

static int
on_pong(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct msg_reader body = msg_read(msg);
	struct span text = msg_get_span(&body);

	(void)channel, (void)context;
	if (!msg_done(&body) || msg->id != 7)
		return -EBADMSG;
	log_info("pong", log_span("text", text));
	return 0;
}

static void
peer_here(struct proc *proc, uint8_t peer)
{
	log_info("peer-here", log_u64("peer", peer));
	ping(proc);
}

static void
reloaded(struct proc *proc)
{
	proc_title("toyd: front %s", ((const struct toy_conf *)proc->conf)->greeting);
	ping(proc);
}

static int
proc_front(struct proc *proc)
{
	static const struct proc_handler handlers[] = { { MSG_PONG, on_pong } };
	struct jail jail = { .root = proc->common->empty_dir, .allow = JAIL_ACCEPT };

	proc->handlers = handlers;
	proc->handler_count = 1;
	proc->peer_here = peer_here;
	proc->reload = reloaded;
	/* --- jail --- */
	proc_jail(proc, &jail);
	log_info("front-ready", log_u64("listeners", proc->listener_count));
	ping(proc);
	return proc_loop(proc);
}

static int
on_ping(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct msg_reader body = msg_read(msg);
	struct span text = msg_get_span(&body);
	struct msg_writer reply;

	(void)context;
	if (!msg_done(&body))
		return -EBADMSG;
	/* The table of the sender refuses what the receiver would refuse. */
	if (msg_send(channel, MSG_PING, 0, NULL, -1) != -EBADMSG || open("/etc/passwd", O_RDONLY) >= 0)
		abort();
	msg_writer_init(&reply);
	msg_put_span(&reply, text);
	return msg_send(channel, MSG_PONG, msg->id, &reply, -1);
}

static int
proc_echo(struct proc *proc)
{
	static const struct proc_handler handlers[] = { { MSG_PING, on_ping } };
	struct jail jail = { .root = proc->common->empty_dir };
	_cleanup_(freep) char *fault = xasprintf("%s/../fault", proc->common->empty_dir);
	bool faulty = access(fault, F_OK) == 0; /* as a file that cannot be read for a while */

	proc->handlers = handlers;
	proc->handler_count = 1;
	/* --- jail --- */
	proc_jail(proc, &jail);
	if (faulty)
		return EX_IOERR;
	log_info("echo-ready", log_i64("pid", getpid()));
	if (strcmp(((const struct toy_conf *)proc->conf)->greeting, "give up") == 0)
		return EX_SOFTWARE;
	return proc_loop(proc);
}

static const struct role toy_roles[] = {
	{ .id = ROLE_FRONT, .name = "front", .run = proc_front, .peers = ROLE_BIT(ROLE_ECHO) },
	{ .id = ROLE_ECHO, .name = "echo", .run = proc_echo },
};
static const struct role_listener toy_listeners[] = { { offsetof(struct toy_conf, listen_toy), 1, "toy", false, false } };
static const struct daemon toy = {
	.name = "toyd", .number = 9, .roles = toy_roles, .role_count = 2, .listeners = toy_listeners, .listener_count = 1,
	.messages = toy_messages, .message_count = 3, .conf_table = &toy_table, .conf_size = sizeof(struct toy_conf),
};

/* --- the test --- */

static char folder[] = "/tmp/test_roles.XXXXXX";
static char conf_path[64];
static const char *program;

static void
write_conf(const char *text)
{
	FILE *file = fopen(conf_path, "w");

	ck_assert_ptr_nonnull(file);
	(void)fprintf(file, "role_uid_base = 61000;\nempty_dir = \"%s/empty\";\n%s", folder, text);
	ck_assert_int_eq(fclose(file), 0);
}

struct run {
	pid_t pid;
	int out;
	struct buf text;
};

static struct run
run_daemon(const char *option, const char *value)
{
	struct run run = { .text = BUF_INIT(1 << 20) };
	int pair[2];

	ck_assert_int_eq(pipe(pair), 0);
	run.pid = fork();
	ck_assert_int_ge(run.pid, 0);
	if (run.pid == 0) {
		(void)dup2(pair[1], STDOUT_FILENO);
		(void)dup2(pair[1], STDERR_FILENO);
		(void)close(pair[0]);
		(void)close(pair[1]);
		/* A daemon's configuration and a role's state live until the process ends: no leak. */
		(void)setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
		(void)execl(program, program, "-C", conf_path, option, value, (char *)NULL);
		_exit(127);
	}
	(void)close(pair[1]);
	run.out = pair[0];
	return run;
}

/* Reads on until the text has been printed (again after what was seen before); false at the end of output or after 20 s. */
static bool
wait_for(struct run *run, const char *text)
{
	for (;;) {
		struct pollfd wait = { run->out, POLLIN, 0 };
		ptrdiff_t at = span_find(buf_get(&run->text), span_of(text));
		ssize_t got;
		char *room;

		if (at >= 0) {
			buf_drop(&run->text, (size_t)at + strlen(text));
			return true;
		}
		if (poll(&wait, 1, 20000) <= 0)
			return false;
		room = buf_reserve(&run->text, 4096);
		got = read(run->out, room, 4096);
		if (got <= 0)
			return false;
		buf_added(&run->text, (size_t)got);
	}
}

static int
end_of(struct run *run)
{
	int status;

	ck_assert_int_eq(waitpid(run->pid, &status, 0), run->pid);
	(void)close(run->out);
	buf_free(&run->text);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

START_TEST(starts_talks_restarts_reloads_stops)
{
	struct run run;

	write_conf("greeting = \"good day\";\n");
	run = run_daemon("-v", NULL);
	ck_assert(wait_for(&run, "pong text=\"good day\""));
	ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
	ck_assert(wait_for(&run, "pong text=\"good day\""));
	write_conf("greeting = \"bad\";\ngreting = 1;\n");
	ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
	ck_assert(wait_for(&run, "unknown option greting; do you mean greeting?"));
	ck_assert(wait_for(&run, "not-reloaded"));
	write_conf("greeting = \"new day\";\n");
	ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
	ck_assert(wait_for(&run, "pong text=\"new day\""));
	ck_assert_int_eq(kill(run.pid, SIGTERM), 0);
	ck_assert(wait_for(&run, "stopped status=0"));
	ck_assert_int_eq(end_of(&run), 0);
}
END_TEST

static void
kill_echo(const struct run *run)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "pkill -9 -P %ld -f 'toyd: echo'", (long)run->pid);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(a_killed_role_comes_back)
{
	struct run run;

	write_conf("");
	run = run_daemon("-v", NULL);
	ck_assert(wait_for(&run, "pong text=hello"));
	kill_echo(&run);
	ck_assert(wait_for(&run, "role-killed role=echo"));
	ck_assert(wait_for(&run, "peer-here peer=5"));
	ck_assert(wait_for(&run, "pong text=hello"));
	ck_assert_int_eq(kill(run.pid, SIGTERM), 0);
	ck_assert_int_eq(end_of(&run), 0);
}
END_TEST

START_TEST(a_role_that_cannot_work_stops_the_daemon)
{
	struct run run;

	write_conf("greeting = \"give up\";\n");
	run = run_daemon("-v", NULL);
	ck_assert(wait_for(&run, "role-ended role=echo"));
	ck_assert(wait_for(&run, "role-keeps-ending role=echo"));
	ck_assert_int_eq(end_of(&run), EX_SOFTWARE);
}
END_TEST

static void
put_fault(bool there)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/fault", folder);
	if (there)
		ck_assert_int_eq(close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644)), 0);
	else
		ck_assert_int_eq(unlink(path), 0);
}

/* A fault of a moment in a role that has worked: it is tried again later and later, and at once when somebody says that it is mended. */
START_TEST(a_role_that_has_worked_is_waited_for)
{
	struct run run;
	time_t began;

	write_conf("");
	run = run_daemon("-v", NULL);
	ck_assert(wait_for(&run, "pong text=hello"));
	ck_assert_int_eq(sleep(4), 0); /* it has worked */
	put_fault(true);
	kill_echo(&run);
	ck_assert(wait_for(&run, "role-waits role=echo milliseconds=100"));
	ck_assert(wait_for(&run, "role-waits role=echo milliseconds=1000"));
	put_fault(false);
	ck_assert(wait_for(&run, "pong text=hello"));
	put_fault(true);
	kill_echo(&run);
	ck_assert(wait_for(&run, "role-waits role=echo milliseconds=10000"));
	put_fault(false);
	began = time(NULL);
	ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
	ck_assert(wait_for(&run, "pong text=hello"));
	ck_assert_int_lt(time(NULL) - began, 8);
	ck_assert_int_eq(kill(run.pid, SIGTERM), 0);
	ck_assert(wait_for(&run, "stopped status=0"));
	ck_assert_int_eq(end_of(&run), 0);
}
END_TEST

/* Writes what somebody else reads, twice open, as a file that takes its time. */
static void
feed(const char *text, pid_t pid)
{
	static const int signals[] = { SIGHUP, SIGUSR1, SIGUSR2, SIGALRM };
	int fd = open(conf_path, O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	for (size_t i = 0; pid != 0 && i < sizeof(signals) / sizeof(*signals); i++)
		ck_assert_int_eq(kill(pid, signals[i]), 0);
	ck_assert_int_gt(dprintf(fd, "role_uid_base = 61000; empty_dir = \"%s/empty\"; greeting = \"%s\";\n", folder, text), 0);
	(void)nanosleep(&(struct timespec){ 0, 500000000 }, NULL);
	(void)close(fd);
}

START_TEST(a_reload_before_it_is_ready_is_done_then)
{
	struct run run;

	(void)unlink(conf_path);
	ck_assert_int_eq(mkfifo(conf_path, 0600), 0);
	run = run_daemon("-v", NULL);
	feed("at first", run.pid);
	ck_assert(wait_for(&run, "started version="));
	feed("asked for early", 0);
	ck_assert(wait_for(&run, "reloaded file="));
	ck_assert(wait_for(&run, "pong text=\"asked for early\""));
	ck_assert_int_eq(kill(run.pid, SIGUSR1), 0);
	ck_assert_int_eq(kill(run.pid, SIGTERM), 0);
	ck_assert(wait_for(&run, "stopped status=0"));
	ck_assert_int_eq(end_of(&run), 0);
	ck_assert_int_eq(unlink(conf_path), 0);
}
END_TEST

START_TEST(a_reload_changes_what_the_parent_logs)
{
	struct run run;

	write_conf("log_level = \"error\";\n");
	run = run_daemon("-C", conf_path);
	(void)nanosleep(&(struct timespec){ 1, 0 }, NULL); /* it says nothing yet */
	write_conf("log_level = \"info\"; greeting = \"loud\";\n");
	ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
	ck_assert(wait_for(&run, "reloaded file="));
	ck_assert_int_eq(kill(run.pid, SIGTERM), 0);
	ck_assert(wait_for(&run, "stopped status=0"));
	ck_assert_int_eq(end_of(&run), 0);
}
END_TEST

static long
pid_in_file(void)
{
	_cleanup_(freep) char *path = xasprintf("%s/toyd.pid", folder);
	FILE *file = fopen(path, "r");
	long pid = 0;

	if (file != NULL) {
		if (fscanf(file, "%ld", &pid) != 1)
			pid = 0;
		(void)fclose(file);
	}
	return pid;
}

START_TEST(in_the_background_it_finds_its_file_again)
{
	_cleanup_(freep) char *start = NULL, *find = NULL, *own = xasprintf("pid_dir = \"%s\";\n", folder), *changed = xasprintf("%sgreeting = \"anew\";\n", own);
	char self[256] = "";
	long pid = 0;

	ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	write_conf(own);
	start = xasprintf("cd %s && ASAN_OPTIONS=detect_leaks=0 %s -b -C toyd.conf", folder, self);
	ck_assert_int_eq(system(start), 0);
	for (int i = 0; i < 200 && (pid = pid_in_file()) == 0; i++)
		(void)nanosleep(&(struct timespec){ 0, 50000000 }, NULL);
	ck_assert_int_gt(pid, 1);
	write_conf(changed);
	ck_assert_int_eq(kill((pid_t)pid, SIGHUP), 0);
	find = xasprintf("for i in $(seq 200); do pgrep -P %ld -f 'toyd: front anew' >/dev/null && exit 0; sleep 0.1; done; exit 1", pid);
	ck_assert_int_eq(system(find), 0);
	ck_assert_int_eq(kill((pid_t)pid, SIGTERM), 0);
	for (int i = 0; i < 200 && kill((pid_t)pid, 0) == 0; i++)
		(void)nanosleep(&(struct timespec){ 0, 50000000 }, NULL);
}
END_TEST

START_TEST(what_wants_a_restart_is_refused)
{
	static const char *const options[][2] = {
		{ "spool_dir = \"/elsewhere\";\n", "spool_dir needs a restart: it is /var/spool/fourpost and would be /elsewhere" },
		{ "accounts_dir = \"/elsewhere\";\n", "accounts_dir needs a restart" },
		{ "accounts_db = \"/elsewhere/db\";\n", "accounts_db needs a restart" },
		{ "role_user_prefix = \"x-\";\n", "role_user_prefix needs a restart" },
	};
	struct run run;
	FILE *file;

	write_conf("");
	run = run_daemon("-v", NULL);
	ck_assert(wait_for(&run, "pong text=hello"));
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		write_conf(options[i][0]);
		ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
		ck_assert(wait_for(&run, options[i][1]));
		ck_assert(wait_for(&run, "not-reloaded"));
	}
	file = fopen(conf_path, "w");
	ck_assert_ptr_nonnull(file);
	(void)fprintf(file, "role_uid_base = 62000;\nempty_dir = \"%s\";\n", folder);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
	ck_assert(wait_for(&run, "empty_dir needs a restart"));
	ck_assert(wait_for(&run, "role_uid_base needs a restart: it is 61000 and would be 62000"));
	write_conf("greeting = \"as before\";\n");
	ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
	ck_assert(wait_for(&run, "pong text=\"as before\""));
	ck_assert_int_eq(kill(run.pid, SIGTERM), 0);
	ck_assert_int_eq(end_of(&run), 0);
}
END_TEST

/* What was bound at the start is told of as long as another is configured. */
START_TEST(what_waits_for_a_restart_is_told)
{
	struct run run;

	write_conf("");
	run = run_daemon("-v", NULL);
	ck_assert(wait_for(&run, "pong text=hello"));
	for (int i = 0; i < 2; i++) {
		write_conf("listen_toy = [ \"127.0.0.1:0\", \"127.0.0.2:0\" ];\n");
		ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
		ck_assert(wait_for(&run, "restart-needed option=listen_toy configured=\"127.0.0.1:0 127.0.0.2:0\" in_force=127.0.0.1:0"));
		ck_assert(wait_for(&run, "pong text=hello"));
	}
	write_conf("listen_toy = [ ];\npid_dir = \"/elsewhere\";\n");
	ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
	ck_assert(wait_for(&run, "restart-needed option=pid_dir configured=/elsewhere in_force=/run/fourpost"));
	ck_assert(wait_for(&run, "restart-needed option=listen_toy configured=\"\" in_force=127.0.0.1:0"));
	write_conf("greeting = \"as before\";\n");
	ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
	ck_assert(wait_for(&run, "reloaded"));
	ck_assert(wait_for(&run, "pong text=\"as before\""));
	ck_assert_int_eq(kill(run.pid, SIGTERM), 0);
	ck_assert(wait_for(&run, "stopped status=0"));
	ck_assert_int_eq(end_of(&run), 0);
}
END_TEST

START_TEST(configuration_faults_are_all_told)
{
	struct run run;

	write_conf("greeting = \"123456789012345678901\";\ntries = 6;\nlisten_toy = 5;\nhostnam = \"x\";\n");
	run = run_daemon("-n", NULL);
	ck_assert(wait_for(&run, "conf:3: greeting must have a length between 1 and 20"));
	ck_assert(wait_for(&run, "conf:4: tries must be between 1 and 5"));
	ck_assert(wait_for(&run, "conf:5: listen_toy wants a list"));
	ck_assert(wait_for(&run, "conf:6: unknown option hostnam; do you mean hostname?"));
	ck_assert_int_eq(end_of(&run), EX_CONFIG);
	write_conf("greetin = 1;\nhostname = \"a b\";\ndomains = [ \"d.test\", \"\" ];\naccounts_dir = \"mail\";\nlog_level = \"loud\";\n"
		   "account_uid_low = 3000;\naccount_uid_high = 2000;\nlisten_toy = [ \"127.0.0.1:0\", \"host.test:25\" ];\n");
	run = run_daemon("-n", NULL);
	ck_assert(wait_for(&run, "conf:3: unknown option greetin; do you mean greeting?"));
	ck_assert(wait_for(&run, "hostname: \"a b\" is not a host name"));
	ck_assert(wait_for(&run, "domains: \"\" is not a mail domain"));
	ck_assert(wait_for(&run, "accounts_dir: mail is not an absolute path"));
	ck_assert(wait_for(&run, "log_level: \"loud\" is none of"));
	ck_assert(wait_for(&run, "account_uid_low is greater"));
	ck_assert(wait_for(&run, "listen_toy: host.test:25 is not address:port"));
	ck_assert_int_eq(end_of(&run), EX_CONFIG);
	write_conf("tries = 5;\ngreeting = \"a \\\"b\\\\\";\n");
	run = run_daemon("-P", NULL);
	ck_assert(wait_for(&run, "auth_failure_delay = 2;"));
	ck_assert(wait_for(&run, "greeting = \"a \\\"b\\\\\";"));
	ck_assert(wait_for(&run, "tries = 5;"));
	ck_assert(wait_for(&run, "listen_toy = [ \"127.0.0.1:0\" ];"));
	ck_assert_int_eq(end_of(&run), 0);
}
END_TEST

START_TEST(folders_and_users_that_are_not_there_are_told)
{
	struct run run;
	FILE *file = fopen(conf_path, "w");

	ck_assert_ptr_nonnull(file);
	(void)fprintf(file, "empty_dir = \"%s/none\";\nrole_user_prefix = \"none-\";\n", folder);
	ck_assert_int_eq(fclose(file), 0);
	if (geteuid() != 0)
		return; /* they are not needed then */
	run = run_daemon("-v", NULL);
	ck_assert(wait_for(&run, "none: No such file or directory"));
	ck_assert(wait_for(&run, "there is no user none-toyd-front"));
	ck_assert(wait_for(&run, "there is no user none-toyd-echo"));
	ck_assert_int_eq(end_of(&run), EX_CONFIG);
}
END_TEST

START_TEST(jails_hold)
{
	struct run run;

	write_conf("");
	run = run_daemon("-J", "echo");
	ck_assert(wait_for(&run, "refused open-passwd"));
	ck_assert(wait_for(&run, "refused connect-tcp"));
	ck_assert(wait_for(&run, UNDER_SANITIZER ? "granted fork" : "refused fork"));
	ck_assert(wait_for(&run, "refused become-root"));
	ck_assert(wait_for(&run, UNDER_SANITIZER ? "granted writable-code" : "refused writable-code"));
	ck_assert(wait_for(&run, "refused exec"));
	ck_assert_int_eq(end_of(&run), 0);
}
END_TEST

START_TEST(x_is_not_for_people)
{
	struct run run = run_daemon("-x", "echo");

	ck_assert(wait_for(&run, "is of no use by hand"));
	ck_assert_int_eq(end_of(&run), EX_USAGE);
}
END_TEST

int
main(int argc, char **argv)
{
	Suite *suite = suite_create("roles");
	TCase *tests = tcase_create("roles");
	char path[64];
	SRunner *runner;
	int failed;

	if (argc > 1)
		return daemon_main(&toy, argc, argv);
	program = argv[0];
	if (mkdtemp(folder) == NULL)
		return 1;
	(void)chmod(folder, 0755);
	(void)snprintf(path, sizeof(path), "%s/empty", folder);
	(void)mkdir(path, 0755);
	(void)snprintf(conf_path, sizeof(conf_path), "%s/toyd.conf", folder);
	runner = srunner_create(suite);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, starts_talks_restarts_reloads_stops);
	tcase_add_test(tests, a_killed_role_comes_back);
	tcase_add_test(tests, a_role_that_cannot_work_stops_the_daemon);
	tcase_add_test(tests, a_role_that_has_worked_is_waited_for);
	tcase_add_test(tests, a_reload_before_it_is_ready_is_done_then);
	tcase_add_test(tests, a_reload_changes_what_the_parent_logs);
	tcase_add_test(tests, in_the_background_it_finds_its_file_again);
	tcase_add_test(tests, what_wants_a_restart_is_refused);
	tcase_add_test(tests, what_waits_for_a_restart_is_told);
	tcase_add_test(tests, configuration_faults_are_all_told);
	tcase_add_test(tests, folders_and_users_that_are_not_there_are_told);
	tcase_add_test(tests, jails_hold);
	tcase_add_test(tests, x_is_not_for_people);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	(void)unlink(conf_path);
	(void)rmdir(path);
	(void)rmdir(folder);
	return failed != 0;
}
