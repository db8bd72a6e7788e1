/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A file mapped for reading that another program may cut short at any time, or that the disk may have lost: then the process would end by
 * SIGBUS. Here zeros stand in the place of what is not there, and whoever maps it is told. */
#ifndef COMMON_FILE_MAP_H
#define COMMON_FILE_MAP_H

#include "common/span.h"

struct file_map;

/* Maps the first len bytes (more than 0) of the open file, for this thread to read. 0, or -errno. The first call, of whichever
 * thread, takes SIGBUS for the process; what is not for a map goes on to whoever had it before. */
int file_map_open(int fd, size_t len, struct file_map **ret);
struct span file_map_bytes(const struct file_map *map);
/* Bytes were read that are not there. So far: ask after what was made of them. */
bool file_map_is_torn(const struct file_map *map);
/* NULL: nothing. */
void file_map_close(struct file_map *map);

#endif
