/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Memory that either is there or ends the process: callers bound every outside size before they ask. */
#ifndef COMMON_XALLOC_H
#define COMMON_XALLOC_H

#include <stddef.h>

/* Each returns memory for free(3) and never NULL; on exhaustion, or when count * size overflows, the process aborts. */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xreallocarray(void *old, size_t count, size_t size);
char *xstrdup(const char *text);
/* Copies at most `len` bytes of text and ends them with NUL. */
char *xstrndup(const char *text, size_t len);
void *xmemdup(const void *bytes, size_t len);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
