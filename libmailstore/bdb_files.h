/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What Berkeley DB does with files: bdb.c has it call these instead of the system. */
#ifndef LIBMAILSTORE_BDB_FILES_H
#define LIBMAILSTORE_BDB_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The sizes that a page may have. */
#define PAGE_MIN 512
#define PAGE_MAX 65536

/* How often a sync has failed: what was written then is lost, though the next sync may say otherwise. The library would try again and
 * believe it. */
extern unsigned bdb_sync_failures;
/* How many pages were not what had been written. */
extern unsigned bdb_bad_pages;
/* Set while an environment is being closed that others have written behind: nothing that it still has may reach the files. */
extern bool bdb_leaving;
/* Set while recovery runs: it meets pages that were given out, and never written. */
extern bool bdb_recovering;

/* From here on the last sync that the library wants is left to whoever calls bdb_sync_take, with the descriptor of it; -1: it wanted none. */
void bdb_sync_leave(void);
int bdb_sync_take(void);

/* As the calls of the system are: -1 and errno, or what they return. */
int bdb_sync_file(int fd);
int bdb_close_file(int fd);
ssize_t bdb_write_file(int fd, const void *bytes, size_t len);
ssize_t bdb_write_page(int fd, const void *bytes, size_t len, off_t at);
int bdb_remove_file(const char *path);
ssize_t bdb_read_page(int fd, void *bytes, size_t len, off_t at);
int bdb_open_file(const char *path, int flags, ...);
int bdb_rename_file(const char *from, const char *to);

#endif
