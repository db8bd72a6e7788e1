/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Files of the spool in memory: what is written there is on the disk byte for byte, within bounds that the kernel keeps, and nobody
 * changes it once it is whole. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/spool.h"
#include "smtpd/queue_memory.h"
#include "smtpd/smtpd_msg.h"

#define ID "0006123456789A00"

static struct envelope envelope;
static struct queue_files *files;
static char dir[] = "/tmp/test_queue_memory.XXXXXX";

static void
setup(void)
{
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(mkdir("hold", 0700) | mkdir("queue", 0700) | mkdir("queue/45", 0700), 0);
	ck_assert_int_eq(queue_files_open(dir, &files), 0);
	envelope_init(&envelope, SPAN("from@example.test"), 1000);
	ck_assert_int_eq(envelope_add(&envelope, SPAN("to@example.test"), SPAN_NULL, 0), 0);
	envelope.room = 64;
}

static void
teardown(void)
{
	envelope_free(&envelope);
	files = queue_files_close(files);
	(void)unlink("queue/45/tmp." ID);
	ck_assert_int_eq(rmdir("queue/45") | rmdir("queue") | rmdir("hold"), 0);
	ck_assert_int_eq(chdir("/") | rmdir(dir), 0);
}

static void
put(int fd, const char *text)
{
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void
look(const struct spool_file *file, const char *text)
{
	char bytes[256] = "";

	ck_assert_uint_eq(file->length, strlen(text));
	ck_assert_int_eq(pread(file->fd, bytes, sizeof(bytes) - 1, (off_t)file->offset), (ssize_t)strlen(text));
	ck_assert_str_eq(bytes, text);
	ck_assert_str_eq(file->envelope.recipients[0].address, "to@example.test");
}

/* Whoever is to read it alone has a copy, which nobody can change, and in which all stands at the same place. */
START_TEST(it_is_copied)
{
	int fd = queue_memory_create(&envelope), copy, again;
	off_t end;
	char there[4096], copied[4096], path[64];

	ck_assert_int_ge(fd, 0);
	put(fd, "Subject: x\r\n\r\ntext\r\n");
	copy = queue_memory_copy(fd);
	ck_assert_int_ge(copy, 0);
	end = lseek(fd, 0, SEEK_CUR);
	ck_assert_int_eq(lseek(copy, 0, SEEK_END), end);
	ck_assert_int_eq(pread(fd, there, (size_t)end, 0), end);
	ck_assert_int_eq(pread(copy, copied, (size_t)end, 0), end);
	ck_assert_mem_eq(there, copied, (size_t)end);
	ck_assert(pwrite(copy, "x", 1, 0) < 0 && errno == EPERM);
	ck_assert(ftruncate(copy, 0) < 0 && errno == EPERM);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", copy);
	again = open(path, O_RDWR);
	ck_assert(again < 0 || pwrite(again, "x", 1, 0) < 0);
	/* What is written goes on. */
	put(fd, "more\r\n");
	ck_assert_int_eq(lseek(copy, 0, SEEK_END), end);
	(void)close(again);
	(void)close(copy);
	(void)close(fd);
}
END_TEST

START_TEST(it_is_read_and_stored)
{
	int fd = queue_memory_create(&envelope), disk, copy;
	struct spool_file file;

	ck_assert_int_ge(fd, 0);
	put(fd, "Subject: x\r\n\r\n");
	put(fd, "text\r\n");
	ck_assert_int_eq(queue_memory_finish(fd, &envelope, 20, SPAN("Field: y\r\n")), 0);
	ck_assert_uint_eq(envelope.room, 54);
	copy = dup(fd);
	ck_assert_int_eq(spool_read(copy, &file), 0);
	look(&file, "Field: y\r\nSubject: x\r\n\r\ntext\r\n");
	file.envelope.recipients[0].status = ENVELOPE_DELIVERED;
	disk = queue_memory_store(files, fd, &file.envelope, file.length, ID);
	ck_assert_int_ge(disk, 0);
	spool_close(&file);
	ck_assert_int_eq(queue_files_load(files, SPOOL_QUEUE_TMP, ID, &file), 0);
	look(&file, "Field: y\r\nSubject: x\r\n\r\ntext\r\n");
	ck_assert_int_eq(file.envelope.recipients[0].status, ENVELOPE_DELIVERED);
	spool_close(&file);
	(void)close(disk);
	(void)close(fd);
}
END_TEST

/* Fields that fill the room to its last byte leave a line that says so. */
START_TEST(fields_may_fill_the_room)
{
	static const char fields[] = "Field: 012345678901234567890123456789012345678901234567890123\r\n";
	int fd = queue_memory_create(&envelope), disk;
	struct spool_file file;

	envelope.room = sizeof(fields) - 1;
	(void)close(fd);
	fd = queue_memory_create(&envelope);
	put(fd, "\r\n");
	ck_assert_int_eq(queue_memory_finish(fd, &envelope, 2, span_of(fields)), 0);
	ck_assert_uint_eq(envelope.room, 0);
	disk = queue_memory_store(files, fd, &envelope, sizeof(fields) - 1 + 2, ID);
	ck_assert_int_ge(disk, 0);
	ck_assert_int_eq(queue_files_load(files, SPOOL_QUEUE_TMP, ID, &file), 0);
	ck_assert_uint_eq(file.length, sizeof(fields) + 1);
	spool_close(&file);
	(void)close(disk);
	(void)close(fd);
}
END_TEST

START_TEST(the_kernel_keeps_the_bound)
{
	static char bytes[MESSAGE_MEMORY_MAX];
	int fd = queue_memory_create(&envelope);

	memset(bytes, 'x', sizeof(bytes));
	ck_assert_int_eq(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	ck_assert_int_eq(write(fd, "y", 1), -1);
	ck_assert_int_eq(ftruncate(fd, 1 << 20), -1);
	ck_assert_int_eq(queue_memory_finish(fd, &envelope, sizeof(bytes), SPAN_NULL), 0);
	(void)close(fd);
}
END_TEST

START_TEST(what_is_whole_stays)
{
	int fd = queue_memory_create(&envelope);

	put(fd, "text\r\n");
	ck_assert_int_eq(queue_memory_finish(fd, &envelope, 6, SPAN_NULL), 0);
	ck_assert_int_eq(write(fd, "y", 1), -1);
	ck_assert_int_eq(pwrite(fd, "y", 1, 0), -1);
	ck_assert_int_eq(ftruncate(fd, 0), -1);
	(void)close(fd);
}
END_TEST

START_TEST(an_envelope_that_was_written_over)
{
	int fd = queue_memory_create(&envelope);

	put(fd, "text\r\n");
	ck_assert_int_eq(pwrite(fd, "X", 1, (off_t)envelope.recipients[0].status_at), 1);
	ck_assert_int_eq(queue_memory_finish(fd, &envelope, 6, SPAN_NULL), -EIO);
	(void)close(fd);
}
END_TEST

START_TEST(less_than_was_told)
{
	int fd = queue_memory_create(&envelope);

	put(fd, "text\r\n");
	ck_assert_int_eq(queue_memory_finish(fd, &envelope, 7, SPAN_NULL), -EIO);
	(void)close(fd);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("queue_memory");
	TCase *tcase = tcase_create("queue_memory");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, it_is_copied);
	tcase_add_test(tcase, it_is_read_and_stored);
	tcase_add_test(tcase, fields_may_fill_the_room);
	tcase_add_test(tcase, the_kernel_keeps_the_bound);
	tcase_add_test(tcase, what_is_whole_stays);
	tcase_add_test(tcase, an_envelope_that_was_written_over);
	tcase_add_test(tcase, less_than_was_told);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
