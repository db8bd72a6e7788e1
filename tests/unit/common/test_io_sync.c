/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Each file of a group gets its own result, whatever the others'. */
#include "common/io_sync.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/common/syntax.h"

#define MANY 100

static int
temporary(void)
{
	char path[] = "/tmp/test_io_sync.XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(write(fd, "x", 1), 1);
	return fd;
}

/* Fewer than go together, as many, and more; every seventh is no file. */
START_TEST(groups)
{
	static const size_t counts[] = { 0, 1, 2, 31, 32, 33, MANY };
	struct io_sync syncs[MANY];
	int pipes[2];

	ck_assert_int_eq(pipe(pipes), 0);
	for (size_t n = 0; n < COUNT(counts); n++) {
		for (size_t i = 0; i < counts[n]; i++)
			syncs[i] = (struct io_sync){ .fd = i % 7 == 6 ? pipes[1] : temporary(), .result = 1 };
		io_sync_all(syncs, counts[n]);
		for (size_t i = 0; i < counts[n]; i++) {
			ck_assert_int_eq(syncs[i].result, i % 7 == 6 ? -EINVAL : 0);
			if (i % 7 != 6)
				(void)close(syncs[i].fd);
		}
	}
	(void)close(pipes[0]);
	(void)close(pipes[1]);
}
END_TEST

START_TEST(closed)
{
	struct io_sync syncs[3] = { { .fd = temporary() }, { .fd = -1 }, { .fd = temporary() } };

	io_sync_all(syncs, 3);
	ck_assert_int_eq(syncs[0].result, 0);
	ck_assert_int_eq(syncs[1].result, -EBADF);
	ck_assert_int_eq(syncs[2].result, 0);
	(void)close(syncs[0].fd);
	(void)close(syncs[2].fd);
}
END_TEST

/* Few, and so many that they are one sync; one that is no file fails whatever the others do. */
START_TEST(same)
{
	static const size_t counts[] = { 0, 1, IO_SYNC_MANY - 1, IO_SYNC_MANY, MANY };
	struct io_sync syncs[MANY];

	for (size_t n = 0; n < COUNT(counts); n++) {
		for (size_t i = 0; i < counts[n]; i++)
			syncs[i] = (struct io_sync){ .fd = temporary(), .result = 1 };
		io_sync_same(syncs, counts[n]);
		for (size_t i = 0; i < counts[n]; i++) {
			ck_assert_int_eq(syncs[i].result, 0);
			(void)close(syncs[i].fd);
		}
	}
	for (size_t i = 0; i < IO_SYNC_MANY; i++)
		syncs[i] = (struct io_sync){ .fd = -1 };
	io_sync_same(syncs, IO_SYNC_MANY);
	for (size_t i = 0; i < IO_SYNC_MANY; i++)
		ck_assert_int_eq(syncs[i].result, -EBADF);
}
END_TEST

START_TEST(filesystem)
{
	int fd = temporary();

	ck_assert(io_sync_filesystem(fd));
	ck_assert(!io_sync_filesystem(-1));
	(void)close(fd);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { groups, closed, same, filesystem };

	return run_suite("io_sync", tests, COUNT(tests));
}
