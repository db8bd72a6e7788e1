/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* clock_gettime(2) in the C library's place, for tests that let time pass: libevent asks it, too. */
#ifndef TESTS_UNIT_CLOCK_AHEAD_H
#define TESTS_UNIT_CLOCK_AHEAD_H

#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int64_t ahead; /* so many seconds have passed that have not */

int
clock_gettime(clockid_t clock, struct timespec *ret)
{
	int r = (int)syscall(SYS_clock_gettime, clock, ret);

	ret->tv_sec += ahead;
	return r;
}

#endif
