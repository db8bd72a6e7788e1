/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What the tools share: their name in messages, failing, how they end, removing folders. */
#ifndef CLI_TOOL_H
#define CLI_TOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/span.h"

/* The name that messages begin with. */
void tool_init(const char *name);
/* "name: text" on standard error, then the end with a status of sysexits(3). */
_Noreturn void tool_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same line, and goes on. */
void tool_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The end of a tool that may have written to standard output: `status`, or with EX_OK and a message EX_IOERR where not all of it was written. */
int tool_end(int status);
/* Writes text from outside, "?" for what must not be shown (common/visible.h) but for the characters in `allowed`. */
void tool_print(FILE *to, struct span text, const char *allowed);
/* Removes a folder and all in it, following no link. 0 or -errno; a folder that is not there is removed. */
int tool_remove_tree(const char *path);
/* A number from the command line, with K, M, G or T behind it when it is of bytes; ends when it is none. */
uint64_t tool_read_amount(const char *text, bool bytes);

#endif
