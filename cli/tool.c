/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What the tools share. */
#include "cli/tool.h"

#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "common/visible.h"

/* Ten seconds. */
#define REMOVE_TRIES_MAX 100

static const char *tool_name = "tool";

void
tool_init(const char *name)
{
	tool_name = name;
}

__attribute__((format(printf, 1, 0))) static void
say(const char *format, va_list args)
{
	(void)fprintf(stderr, "%s: ", tool_name);
	(void)vfprintf(stderr, format, args);
	(void)fputc('\n', stderr);
}

void
tool_fail(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	exit(status);
}

void
tool_warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
}

int
tool_end(int status)
{
	bool failed = ferror(stdout) != 0;

	/* Of a write that failed before this nobody knows any more why. */
	errno = EIO;
	if (fflush(stdout) == 0 && !failed)
		return status;
	tool_warn("standard output: %s", strerror(errno));
	return status != EX_OK ? status : EX_IOERR;
}

void
tool_print(FILE *to, struct span text, const char *allowed)
{
	bool utf8 = span_is_utf8(text);

	while (text.len != 0) {
		char c = text.ptr[0];
		size_t hidden = c != '\0' && strchr(allowed, c) != NULL ? 0 : visible_hidden(text, utf8);

		(void)fputc(hidden != 0 ? '?' : c, to);
		text = span_skip(text, hidden != 0 ? hidden : 1);
	}
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

int
tool_remove_tree(const char *path)
{
	const struct timespec pause = { 0, 100 * 1000 * 1000 };
	int r = -ENOTEMPTY;

	/* A process that has the account open yet may put a file there meanwhile. */
	for (unsigned tries = 0; tries < REMOVE_TRIES_MAX && r == -ENOTEMPTY; tries++) {
		if (tries > 0)
			(void)nanosleep(&pause, NULL);
		r = nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0 ? 0 : -errno;
		if (r == -ENOENT || r == -EEXIST)
			r = access(path, F_OK) < 0 ? 0 : -ENOTEMPTY;
	}
	return r;
}

uint64_t
tool_read_amount(const char *text, bool bytes)
{
	static const char units[] = "KMGT";
	struct span rest = span_of(text);
	uint64_t amount;
	unsigned power = 0;

	if (span_take_u64(&rest, UINT64_C(1) << 50, &amount) != 0)
		tool_fail(EX_USAGE, "%s is no number, or too large", text);
	if (rest.len == 0)
		return amount;
	while (units[power] != '\0' && (rest.len != 1 || units[power] != ascii_upper(rest.ptr[0])))
		power++;
	if (!bytes || units[power] == '\0' || amount > UINT64_C(1) << 20)
		tool_fail(EX_USAGE, "%s is no %s", text, bytes ? "size: a number, with K, M, G or T behind it" : "number");
	return amount << (10 * (power + 1));
}
