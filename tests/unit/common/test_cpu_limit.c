/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Who computes too long is ended; who had a limit and has none any more is not. */
#include "common/cpu_limit.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/common/syntax.h"

static void
compute(unsigned milliseconds)
{
	struct timespec used;

	do
		(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	while ((uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000 < milliseconds);
}

/* What a process comes to that computes for 2.5 seconds. */
static int
ended(bool lifted)
{
	pid_t child = fork();
	int status;

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		cpu_limit(1);
		if (lifted)
			cpu_limit(0);
		compute(2500);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return status;
}

START_TEST(limited)
{
	struct rlimit before, after;
	int status = ended(false);

	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU);
	status = ended(true);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(getrlimit(RLIMIT_CPU, &before), 0);
	cpu_limit(1000);
	cpu_limit(0);
	ck_assert_int_eq(getrlimit(RLIMIT_CPU, &after), 0);
	ck_assert_uint_eq(after.rlim_cur, after.rlim_max);
	ck_assert_uint_eq(after.rlim_max, before.rlim_max);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { limited };

	return run_suite("cpu_limit", tests, COUNT(tests));
}
