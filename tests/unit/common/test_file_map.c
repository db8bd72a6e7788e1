/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Mapped files that are cut short while they are read. */
#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/file_map.h"

#define BYTES (200000u + 123)

static int
make_file(void)
{
	char name[] = "/tmp/test_file_map.XXXXXX";
	int fd = mkstemp(name);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(unlink(name), 0);
	for (unsigned i = 0; i < BYTES; i++) {
		static char piece[4096];

		piece[i % sizeof(piece)] = (char)('a' + i % 26);
		if (i % sizeof(piece) == sizeof(piece) - 1 || i == BYTES - 1)
			ck_assert_int_eq(write(fd, piece, i % sizeof(piece) + 1), (ssize_t)(i % sizeof(piece) + 1));
	}
	return fd;
}

/* How many bytes are as they were written; the others are zeros. */
static size_t
count(const struct file_map *map)
{
	struct span bytes = file_map_bytes(map);
	size_t same = 0, zeros = 0;

	ck_assert_uint_eq(bytes.len, BYTES);
	for (size_t i = 0; i < bytes.len; i++) {
		same += bytes.ptr[i] == (char)('a' + i % 26);
		zeros += bytes.ptr[i] == '\0';
	}
	ck_assert_uint_eq(same + zeros, BYTES);
	return same;
}

START_TEST(whole)
{
	struct file_map *map;
	int fd = make_file();

	ck_assert_int_eq(file_map_open(fd, BYTES, &map), 0);
	(void)close(fd);
	ck_assert_uint_eq(count(map), BYTES);
	ck_assert(!file_map_is_torn(map));
	file_map_close(map);
	file_map_close(NULL);
	ck_assert_int_eq(file_map_open(-1, BYTES, &map), -EBADF);
}
END_TEST

START_TEST(cut_short)
{
	static const off_t sizes[] = { 0, 1, 4096, 100000, BYTES - 4096 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct file_map *maps[3];
		int fds[3];

		for (unsigned k = 0; k < 3; k++) {
			fds[k] = make_file();
			ck_assert_int_eq(file_map_open(fds[k], BYTES, &maps[k]), 0);
		}
		ck_assert_int_eq(ftruncate(fds[1], sizes[i]), 0);
		ck_assert_uint_eq(count(maps[1]), (size_t)sizes[i]);
		ck_assert(file_map_is_torn(maps[1]));
		/* The others have all of theirs. */
		ck_assert_uint_eq(count(maps[0]), BYTES);
		ck_assert_uint_eq(count(maps[2]), BYTES);
		ck_assert(!file_map_is_torn(maps[0]) && !file_map_is_torn(maps[2]));
		for (unsigned k = 0; k < 3; k++) {
			file_map_close(maps[(k + 1) % 3]);
			(void)close(fds[k]);
		}
	}
}
END_TEST

/* What is not a map's ends the process as ever. */
START_TEST(others)
{
	struct file_map *map;
	const volatile char *other;
	int fd = make_file();

	ck_assert(signal(SIGBUS, SIG_DFL) != SIG_ERR); /* a sanitizer may have it */
	ck_assert_int_eq(file_map_open(fd, 4096, &map), 0);
	other = mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE, fd, 0);
	ck_assert(other != MAP_FAILED);
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	ck_assert_int_eq(other[100000], 0);
}
END_TEST

static volatile sig_atomic_t caught;

static void
catch(int number)
{
	caught = number;
	_exit(77);
}

START_TEST(who_had_the_signal_before_gets_it)
{
	struct sigaction action = { .sa_handler = catch };
	struct file_map *map;
	int fd = make_file();

	ck_assert_int_eq(sigaction(SIGBUS, &action, NULL), 0);
	ck_assert_int_eq(file_map_open(fd, BYTES, &map), 0);
	(void)raise(SIGBUS);
}
END_TEST

/* --- two threads --- */

static atomic_bool slow;
static atomic_uint asked;

/* In the place of the C library's: takes its time where a test wants that. */
int
sigaction(int number, const struct sigaction *restrict action, struct sigaction *restrict before)
{
	static int (*next)(int, const struct sigaction *, struct sigaction *);

	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "sigaction");
	if (number == SIGBUS && action != NULL && atomic_load(&slow)) {
		atomic_fetch_add(&asked, 1);
		(void)usleep(200000);
	}
	return next(number, action, before);
}

static void *
map_and_lose(void *context)
{
	struct file_map *map;
	int fd = *(const int *)context;

	ck_assert_int_eq(file_map_open(fd, BYTES, &map), 0);
	ck_assert_int_eq(ftruncate(fd, 4096), 0);
	ck_assert_uint_eq(count(map), 4096);
	ck_assert(file_map_is_torn(map));
	file_map_close(map);
	return NULL;
}

/* The second comes while the first is just taking the signal. */
START_TEST(two_threads_begin_at_once)
{
	int fds[2] = { make_file(), make_file() };
	pthread_t first;

	atomic_store(&slow, true);
	ck_assert_int_eq(pthread_create(&first, NULL, map_and_lose, &fds[0]), 0);
	while (atomic_load(&asked) == 0)
		(void)usleep(1000);
	(void)map_and_lose(&fds[1]);
	ck_assert_int_eq(pthread_join(first, NULL), 0);
	ck_assert_uint_eq(atomic_load(&asked), 1);
	(void)close(fds[0]);
	(void)close(fds[1]);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("file_map");
	TCase *tcase = tcase_create("file_map");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, whole);
	tcase_add_test(tcase, cut_short);
	tcase_add_test(tcase, two_threads_begin_at_once);
	tcase_add_test_raise_signal(tcase, others, SIGBUS);
	tcase_add_exit_test(tcase, who_had_the_signal_before_gets_it, 77);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
