/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Inside drop.c and drop_control.c: the steps by which any file comes into spool/drop. */
#ifndef COMMON_DROP_INTERNAL_H
#define COMMON_DROP_INTERNAL_H

#include <sys/stat.h>

#include "common/drop.h"

/* The folder is set-group-id: the file gets the queue's group, which may read it. */
#define DROP_MODE (S_IRUSR | S_IWUSR | S_IRGRP)
#define DROP_TMP "tmp."

/* prefix, the time and random digits: no two writers share a name, on one host or several. 0 or
 * -errno. */
int drop_make_name(const char *prefix, char ret_name[DROP_NAME_MAX]);
/* Makes the file under its temporary name; flags is O_WRONLY or O_RDWR. A descriptor or -errno. */
int drop_create(int folder, const char *name, int flags, mode_t mode);
/* Syncs and renames when r is 0. Closes in any case; on failure nothing stays. 0 or -errno. */
int drop_finish(int folder, const char *name, int fd, int r);
/* Letters, digits and dots, and short enough: what a name in drop/ is made of. */
bool drop_is_name(struct span id);

#endif
