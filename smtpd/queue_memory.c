/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Files of the spool in memory. */
#include "smtpd/queue_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/xalloc.h"
#include "smtpd/smtpd_msg.h"

#define HEAD_MAX 65536
#define CHUNK 65536

int
queue_memory_create(struct envelope *envelope)
{
	struct buf head = BUF_INIT(HEAD_MAX);
	_cleanup_(closep) int fd = -1;
	int r = queue_files_head(envelope, &head) == 0 ? 0 : -E2BIG;

	if (r == 0) {
		fd = memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		r = fd < 0 ? -errno : io_write_all(fd, buf_get(&head));
	}
	/* Pages that nobody has written take no memory. */
	if (r == 0 && (ftruncate(fd, (off_t)(head.len + MESSAGE_MEMORY_MAX)) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) < 0))
		r = -errno;
	buf_free(&head);
	return r == 0 ? TAKE_FD(fd) : r;
}

/* The envelope in it is still ours, for smtp could have written over it; and behind it and its room are so many bytes. */
static int
check(int fd, struct envelope *envelope, off_t end, uint64_t written)
{
	struct buf head = BUF_INIT(HEAD_MAX);
	_cleanup_(freep) char *there = NULL;
	int r = envelope_encode(envelope, &head);

	if (r == 0) {
		there = xmalloc(head.len);
		if (pread(fd, there, head.len, 0) != (ssize_t)head.len || memcmp(there, buf_cstr(&head), head.len) != 0 ||
		    (uint64_t)end != head.len + envelope->room + written)
			r = -EIO;
	}
	buf_free(&head);
	return r;
}

int
queue_memory_finish(int fd, struct envelope *envelope, uint64_t written, struct span fields)
{
	off_t end = lseek(fd, 0, SEEK_CUR); /* smtp and we share the place */
	int r;

	if (end < 0 || ftruncate(fd, end) < 0)
		return -errno;
	r = fields.len != 0 ? queue_files_put_fields(fd, envelope, fields) : 0;
	if (r == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		r = -errno;
	return r == 0 ? check(fd, envelope, end, written + fields.len) : r;
}

/* 0 or -errno. */
static int
copy_bytes(int from, off_t at, off_t end, int to)
{
	_cleanup_(freep) char *chunk = xmalloc(CHUNK);
	int r = 0;

	while (r == 0 && at < end) {
		ssize_t got = pread(from, chunk, end - at < CHUNK ? (size_t)(end - at) : CHUNK, at);

		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		r = io_write_all(to, span_make(chunk, (size_t)got));
		at += got;
	}
	return r;
}

int
queue_memory_copy(int fd)
{
	_cleanup_(closep) int copy = memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	off_t end = lseek(fd, 0, SEEK_CUR);
	int r = copy < 0 || end < 0 ? -errno : copy_bytes(fd, 0, end, copy);

	if (r == 0 && fcntl(copy, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		r = -errno;
	return r == 0 ? TAKE_FD(copy) : r;
}

int
queue_memory_store(struct queue_files *files, int fd, struct envelope *envelope, uint64_t written, const char *id)
{
	_cleanup_(closep) int file = queue_files_recreate(files, envelope, id);
	off_t end = lseek(fd, 0, SEEK_CUR);
	int r;

	if (file < 0)
		return file;
	r = copy_bytes(fd, end - (off_t)written, end, file);
	if (r < 0)
		queue_files_discard(files, id);
	return r < 0 ? r : TAKE_FD(file);
}
