/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Requests to the queue that wait for an answer: the texts, and a queue that answers, is silent, or says too much. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/drop_control.h"

#define ID "0005E7F2A1B2C300"

START_TEST(answers)
{
	struct buf out = BUF_INIT(64);
	enum drop_answer answer;
	struct span text;

	for (unsigned i = DROP_DONE; i <= DROP_CUT; i++) {
		buf_clear(&out);
		ck_assert_int_eq(drop_answer_encode((enum drop_answer)i, &out), 0);
		ck_assert_int_eq(buf_str(&out, "rest"), 0);
		text = buf_get(&out);
		ck_assert_int_eq(drop_answer_decode(&text, &answer), 0);
		ck_assert_uint_eq(answer, i);
		ck_assert(span_eq(text, SPAN("rest")));
	}
	text = SPAN("doner\n");
	ck_assert_int_eq(drop_answer_decode(&text, &answer), -EBADMSG);
	text = SPAN_NULL;
	ck_assert_int_eq(drop_answer_decode(&text, &answer), -EBADMSG);
	buf_free(&out);
}
END_TEST

START_TEST(records)
{
	const struct drop_record queued = { SPAN(ID), false, 7, SPAN("one\ntwo\n\n") }, held = { SPAN(ID), true, 0, SPAN("x") };
	static const char *const bad[] = {
		"message\n", "note " ID " queue 1 0\n", "message 1234 queue 1 0\n", "message " ID " drop 1 0\n", "message " ID " queue x 0\n",
		"message " ID " queue 1 1\n", "message " ID " queue 1 \n",
	};
	struct buf out = BUF_INIT(80);
	struct drop_record record;
	struct span text;

	ck_assert_int_eq(drop_record_encode(&queued, &out), 0);
	ck_assert_int_eq(drop_record_encode(&held, &out), 0);
	ck_assert_int_eq(drop_record_encode(&queued, &out), -EMSGSIZE);
	text = buf_get(&out);
	ck_assert_int_eq(drop_record_decode(&text, &record), 0);
	ck_assert(span_eq(record.id, SPAN(ID)) && !record.held && record.length == 7 && span_eq(record.envelope, queued.envelope));
	ck_assert_int_eq(drop_record_decode(&text, &record), 0);
	ck_assert(record.held && record.length == 0 && span_eq(record.envelope, SPAN("x")));
	ck_assert_int_eq(drop_record_decode(&text, &record), 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		text = span_of(bad[i]);
		ck_assert_msg(drop_record_decode(&text, &record) == -EBADMSG, "%s", bad[i]);
	}
	buf_free(&out);
}
END_TEST

/* --- a queue --- */

static char folder[32];

static void
make_folder(void)
{
	char path[48];

	(void)snprintf(folder, sizeof(folder), "/tmp/test_drop.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/drop", folder);
	ck_assert_int_eq(mkdir(path, 0700), 0);
}

/* Returns how many files are left. */
static int
remove_folder(void)
{
	char path[64];
	int left = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/drop", folder);
	dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
		if (entry->d_name[0] != '.') {
			left++;
			ck_assert_int_eq(unlinkat(dirfd(dir), entry->d_name, 0), 0);
		}
	(void)closedir(dir);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(rmdir(folder), 0);
	return left;
}

/* Waits for a request, answers behind it and removes it. */
static void
be_the_queue(const char *answer)
{
	char path[48];
	const struct dirent *entry = NULL;
	DIR *dir;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/drop", folder);
	dir = opendir(path);
	while (entry == NULL || drop_kind(entry->d_name) != DROP_IS_CONTROL) {
		entry = readdir(dir);
		if (entry == NULL)
			rewinddir(dir);
	}
	fd = openat(dirfd(dir), entry->d_name, O_WRONLY | O_APPEND);
	if (fd < 0 || write(fd, answer, strlen(answer)) < 0 || unlinkat(dirfd(dir), entry->d_name, 0) < 0)
		_exit(1);
	_exit(0);
}

static int
ask_answered(enum drop_action action, struct span id, const char *answer, struct buf *ret_answer)
{
	int fd, status, r;
	pid_t pid;

	make_folder();
	fd = drop_open_folder(folder);
	pid = fork();
	if (pid == 0)
		be_the_queue(answer);
	r = drop_ask(fd, action, id, 20000, ret_answer);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(remove_folder(), 0);
	(void)close(fd);
	return r;
}

START_TEST(the_queue_answers)
{
	struct buf answer = BUF_INIT(16);

	ck_assert_int_eq(ask_answered(DROP_HOLD, SPAN(ID), "done\n", &answer), 0);
	ck_assert_str_eq(buf_cstr(&answer), "done\n");
	buf_clear(&answer);
	ck_assert_int_eq(ask_answered(DROP_LIST, SPAN_NULL, "", &answer), 0);
	ck_assert_str_eq(buf_cstr(&answer), "");
	ck_assert_int_eq(ask_answered(DROP_LIST, SPAN_NULL, "more than sixteen bytes", &answer), -EMSGSIZE);
	buf_free(&answer);
}
END_TEST

START_TEST(the_queue_is_silent)
{
	struct buf answer = BUF_INIT(16);
	int fd;

	make_folder();
	fd = drop_open_folder(folder);
	ck_assert_int_eq(drop_ask(fd, DROP_REMOVE, SPAN(ID), 50, &answer), -ETIMEDOUT);
	ck_assert_int_eq(remove_folder(), 1); /* it waits for the queue */
	(void)close(fd);
	make_folder();
	fd = drop_open_folder(folder);
	ck_assert_int_eq(drop_ask(fd, DROP_LIST, SPAN_NULL, 50, &answer), -ETIMEDOUT);
	ck_assert_int_eq(drop_ask(fd, DROP_REMOVE, SPAN_NULL, 50, &answer), -EINVAL);
	ck_assert_int_eq(remove_folder(), 0);
	(void)close(fd);
	buf_free(&answer);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("drop_control");
	TCase *tests = tcase_create("drop_control");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, answers);
	tcase_add_test(tests, records);
	tcase_add_test(tests, the_queue_answers);
	tcase_add_test(tests, the_queue_is_silent);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
