/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* openat(2) in the C library's place, for tests in which some of those that the store makes fail. */
#ifndef TESTS_UNIT_LIBMAILSTORE_OPEN_TESTS_H
#define TESTS_UNIT_LIBMAILSTORE_OPEN_TESTS_H

#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The test's own: whether this one fails; then errno is set. */
static bool open_fails(const char *path);

int
openat(int at, const char *path, int flags, ...)
{
	va_list rest;
	mode_t mode;

	va_start(rest, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
	va_end(rest);
	return open_fails(path) ? -1 : (int)syscall(SYS_openat, at, path, flags, mode);
}

#endif
