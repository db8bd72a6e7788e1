/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A spool on disk, and the played daemon (queue_played.h) that is started on it. The test's program is the daemon when it is given arguments,
 * and the test when not. */
#ifndef TESTS_QUEUE_SPOOL_H
#define TESTS_QUEUE_SPOOL_H

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/drop_control.h"
#include "common/spool.h"
#include "tests/unit/smtpd/queue_played.h"

static const char *program;
static char folder[64], conf_path[96];
static pid_t pid;
static int spool;

#define ID "0006278AA1C3D4E0"
#define PATH "queue/AA/" ID
#define TMP_PATH "queue/AA/tmp." ID
#define ENVELOPE(to) "fourpost 1\ncreated NOWNOWNOWN\nfrom alice@local.test\n" to "\n"
#define MESSAGE "Subject: x\r\n\r\ny\r\n"

/* Writes a file of the spool; NOWNOWNOWN stands for the time. */
static inline void
put(const char *path, const char *text)
{
	int fd = openat(spool, path, O_WRONLY | O_CREAT | O_EXCL, 0640);
	char *copy = strdup(text), *now, digits[32];
	struct stat st;

	ck_assert_msg(fd >= 0 && copy != NULL, "%s: %s", path, strerror(errno));
	(void)snprintf(digits, sizeof(digits), "%010lld", (long long)time(NULL));
	now = strstr(copy, "NOWNOWNOWN");
	if (now != NULL)
		memcpy(now, digits, 10);
	ck_assert_int_eq(write(fd, copy, strlen(copy)), (ssize_t)strlen(copy));
	free(copy);
	/* Files of the queue are the queue's; what lies in drop/ is root's. */
	if (strncmp(path, "drop/", 5) != 0) {
		ck_assert_int_eq(fstatat(spool, "queue", &st, 0), 0);
		ck_assert_int_eq(fchown(fd, st.st_uid, st.st_gid), 0);
	}
	(void)close(fd);
}

static inline bool
there(const char *path)
{
	return faccessat(spool, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static inline size_t
files_in(const char *path)
{
	char full[200];
	const struct dirent *entry;
	size_t count = 0;
	DIR *dir;

	(void)snprintf(full, sizeof(full), "%s/%s", folder, path);
	dir = opendir(full);
	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	(void)closedir(dir);
	return count;
}

/* The account's folder holds one file for each message, with all that came of it. */
static inline size_t
times_delivered(const char *path)
{
	char full[200];
	struct stat st;

	(void)snprintf(full, sizeof(full), "%s/%s", folder, path);
	ck_assert_int_eq(stat(full, &st), 0);
	return (size_t)st.st_size / strlen(MESSAGE);
}

static inline size_t
queued_files(void)
{
	size_t count = 0;

	for (unsigned i = 0; i < SPOOL_FOLDERS; i++) {
		char path[32];

		(void)snprintf(path, sizeof(path), "spool/queue/%02X", i & 0xff);
		count += files_in(path);
	}
	return count;
}

static inline size_t
times_logged(const char *text)
{
	char path[128], line[4096];
	size_t times = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/log", folder);
	file = fopen(path, "r");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		times += strstr(line, text) != NULL;
	if (file != NULL)
		(void)fclose(file);
	return times;
}

static inline bool
logs(const char *text)
{
	return times_logged(text) != 0;
}

/* The status byte of a recipient, by the rest of its line. */
static inline char
status_of(const char *path, const char *rest)
{
	int fd = openat(spool, path, O_RDONLY);
	char text[4096] = "", *at;
	ssize_t got = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

	if (fd >= 0)
		(void)close(fd);
	at = got > 0 ? strstr(text, rest) : NULL;
	return at != NULL && at - text >= 1 ? at[-1] : '?';
}

/* Waits up to 20 s. */
#define WAIT_FOR(condition) \
	do { \
		for (int tries_ = 0; tries_ < 1000 && !(condition); tries_++) \
			(void)nanosleep(&(struct timespec){ 0, 20000000 }, NULL); \
		ck_assert_msg(condition, "%s", #condition); \
	} while (0)

static inline void
start(void)
{
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		char path[128];
		int fd;

		(void)snprintf(path, sizeof(path), "%s/log", folder);
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
		(void)dup2(fd, STDERR_FILENO);
		/* A daemon's configuration and a role's state live until the process ends: no leak.
		 */
		(void)setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
		(void)execl(program, program, "-C", conf_path, (char *)NULL);
		_exit(127);
	}
}

static inline void
stop(void)
{
	int status = 0;

	if (pid <= 0)
		return;
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
	pid = 0;
}

static inline void
setup(void)
{
	static const struct conf_table *const tables[] = { &fourpost_conf_table,
		&smtpd_conf_table };
	struct smtpd_conf conf = { .listen_smtp = { NULL, 0 } };
	struct buf errors = BUF_INIT(4096);
	char path[128];
	FILE *file;

	(void)snprintf(folder, sizeof(folder), "/tmp/test_queue.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chmod(folder, 0755), 0);
	(void)snprintf(conf_path, sizeof(conf_path), "%s/conf", folder);
	file = fopen(conf_path, "w");
	ck_assert_ptr_nonnull(file);
	(void)fprintf(file,
	    "hostname = \"mail.local.test\"; domains = [ \"local.test\" ]; role_uid_base = 61000; empty_dir = \"%s/empty\"; accounts_dir = \"%s/mail\";\n"
	    "spool_dir = \"%s/spool\"; retry_min = 3600; retry_max = 3600; queue_lifetime = \"52w\"; delay_warning = 0;\n",
	    folder, folder, folder);
	ck_assert_int_eq(fclose(file), 0);
	(void)snprintf(path, sizeof(path), "%s/empty", folder);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/mail", folder);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	ck_assert_int_eq(conf_load(conf_path, tables, 2, &conf, &errors), 0);
	ck_assert_int_eq(queue_prepare_folders(&conf, &queued), 0);
	conf_free(tables, 2, &conf);
	(void)snprintf(path, sizeof(path), "%s/spool", folder);
	spool = open(path, O_RDONLY | O_DIRECTORY);
	ck_assert_int_ge(spool, 0);
	pid = 0;
}

static inline void
teardown(void)
{
	char command[128];

	stop();
	(void)close(spool);
	(void)snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

/* main() of such a program: runs the tests that `add` adds. */
static inline int
run_on_spool(const char *name, void (*add)(TCase *tests), int argc, char **argv)
{
	Suite *suite = suite_create(name);
	TCase *tests = tcase_create(name);
	SRunner *runner;
	int failed;

	if (argc > 1)
		return daemon_main(&queued, argc, argv);
	program = argv[0];
	runner = srunner_create(suite);
	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	add(tests);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

#endif
