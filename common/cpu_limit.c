/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The soft limit, which may always be raised again. */
#include "common/cpu_limit.h"

#include <sys/resource.h>
#include <time.h>

void
cpu_limit(unsigned seconds)
{
	struct rlimit limit;
	struct timespec used;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) < 0 || getrlimit(RLIMIT_CPU, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (seconds != 0 && (rlim_t)used.tv_sec + seconds < limit.rlim_max)
		limit.rlim_cur = (rlim_t)used.tv_sec + seconds;
	(void)setrlimit(RLIMIT_CPU, &limit);
}
