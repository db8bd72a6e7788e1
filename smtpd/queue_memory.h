/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Files of the spool that have not been on the disk yet. Most mail for accounts here is delivered before anything of it is promised: a
 * file for it would be made only to be removed, and that costs more than the delivery. What is small begins as a file in memory of the
 * same format, and goes to the disk when it is to be promised, or when it grows. Only the queue role calls these. */
#ifndef SMTPD_QUEUE_MEMORY_H
#define SMTPD_QUEUE_MEMORY_H

#include "smtpd/queue_files.h"

/* Makes one, with the head of the message in it. Whoever gets its descriptor can write MESSAGE_MEMORY_MAX bytes behind that, the kernel
 * sees to it. Returns the descriptor; -E2BIG: the envelope is too large for memory; or -errno. */
int queue_memory_create(struct envelope *envelope);
/* So many bytes of message have been written, and that is all: fields are put before them (as queue_files_put_fields), and from then on
 * nobody can change the file. 0; -EIO: it is not what it should be; or -errno. */
int queue_memory_finish(int fd, struct envelope *envelope, uint64_t written, struct span fields);
/* A copy of what has been written so far, which nobody can change: the descriptor, or -errno. */
int queue_memory_copy(int fd);
/* Copies it into queue/XX/tmp.ID, with the envelope as it is now; written: bytes of message. Returns a descriptor that only appends, and
 * reads, or -errno; then nothing stays. */
int queue_memory_store(struct queue_files *files, int fd, struct envelope *envelope, uint64_t written, const char *id);

#endif
