/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Names in the spool, and reading its files: shared by the queue and the tools. */
#ifndef COMMON_SPOOL_H
#define COMMON_SPOOL_H

#include "common/envelope.h"

/* A queue id: 16 digits of upper-case hexadecimal. The first 14 are microseconds since 1970, the
 * last two tell apart what came in the same one. The file is queue/XX/ID where XX are the eighth
 * and ninth digit: what comes within minutes is spread over the folders, what comes in the same
 * second shares one, and with it one sync. */
#define SPOOL_ID_LEN 16
#define SPOOL_PATH_MAX 64
#define SPOOL_FOLDERS 256

/* True for a well-formed id. */
bool spool_id_valid(struct span id);
/* The id of a moment (microseconds since 1970) and a number below 256. */
void spool_id_make(uint64_t microseconds, uint8_t number, char ret_id[SPOOL_ID_LEN + 1]);
/* When the id was made, in microseconds since 1970; 0 for what is none. */
uint64_t spool_id_time(const char *id);
uint8_t spool_id_number(const char *id);

/* Paths below spool_dir, for openat: "queue/XX/ID", "queue/XX/tmp.ID", "hold/ID", "corrupt/NAME".
 */
enum spool_place { SPOOL_QUEUE, SPOOL_QUEUE_TMP, SPOOL_HOLD, SPOOL_CORRUPT };
void spool_path(enum spool_place place, const char *id, char ret_path[SPOOL_PATH_MAX]);

/* An open file of the spool: where its message begins and how long it is. */
struct spool_file {
	int fd;
	struct envelope envelope;
	uint64_t offset, length;
};
/* Opens a file below the folder spool_fd: never through a symbolic link, only a regular file. flags
 * is O_RDONLY or O_RDWR. 0 and *ret_file (spool_close), -EBADMSG (no envelope), -errno. */
int spool_open(int spool_fd, const char *path, int flags, struct spool_file *ret_file);
/* The same for a descriptor that is already open; on success it belongs to *ret_file. */
int spool_read(int fd, struct spool_file *ret_file);
void spool_close(struct spool_file *file);

#endif
