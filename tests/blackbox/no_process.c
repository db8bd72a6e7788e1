/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* For LD_PRELOAD: while the file that NO_PROCESS names is there, no process can be made, as when a limit is reached. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int
is_refused(void)
{
	const char *flag = getenv("NO_PROCESS");

	return flag != NULL && access(flag, F_OK) == 0;
}

pid_t
fork(void)
{
	pid_t (*next)(void) = (pid_t (*)(void))dlsym(RTLD_NEXT, "fork");

	if (!is_refused())
		return next();
	errno = EAGAIN;
	return -1;
}

long
syscall(long number, ...)
{
	long (*next)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	long given[6];
	va_list rest;

	va_start(rest, number);
	for (int i = 0; i < 6; i++)
		given[i] = va_arg(rest, long);
	va_end(rest);
	if (number != SYS_clone || !is_refused())
		return next(number, given[0], given[1], given[2], given[3], given[4], given[5]);
	errno = EAGAIN;
	return -1;
}
