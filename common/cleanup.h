/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Cleanup when a variable leaves its scope. A function that uses _cleanup_ has no goto. */
#ifndef COMMON_CLEANUP_H
#define COMMON_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(function) __attribute__((cleanup(function)))

/* For `_cleanup_(freep) char *text = NULL;` */
static inline void
freep(void *variable)
{
	free(*(void **)variable);
}

/* For `_cleanup_(closep) int fd = -1;` */
static inline void
closep(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

/* For `_cleanup_(fclosep) FILE *file = NULL;`, files that were only read. */
static inline void
fclosep(FILE **file)
{
	if (*file != NULL)
		(void)fclose(*file);
}

/* Gives the value away: the variable no longer owns it. */
#define TAKE_FD(fd) \
	__extension__({ int taken_ = (fd); (fd) = -1; taken_; })
#define TAKE_PTR(ptr) \
	__extension__({ __typeof__(ptr) taken_ = (ptr); (ptr) = NULL; taken_; })

#endif
