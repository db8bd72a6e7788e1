/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Names in the spool, and reading its files. */
#include "common/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

/* Most envelopes fit the first read. */
#define FIRST_READ 4096

bool
spool_id_valid(struct span id)
{
	if (id.len != SPOOL_ID_LEN)
		return false;
	for (size_t i = 0; i < id.len; i++)
		if (!ascii_is_digit(id.ptr[i]) && (id.ptr[i] < 'A' || id.ptr[i] > 'F'))
			return false;
	return true;
}

void
spool_id_make(uint64_t microseconds, uint8_t number, char ret_id[SPOOL_ID_LEN + 1])
{
	(void)snprintf(
	    ret_id, SPOOL_ID_LEN + 1, "%016llX", (unsigned long long)(microseconds << 8 | number));
}

/* 0 when it is none. */
static uint64_t
value_of(const char *id)
{
	uint64_t value = 0;

	if (!spool_id_valid(span_of(id)))
		return 0;
	for (size_t i = 0; i < SPOOL_ID_LEN; i++)
		value = value << 4 | (uint64_t)ascii_hex(id[i]);
	return value;
}

uint64_t
spool_id_time(const char *id)
{
	return value_of(id) >> 8;
}

uint8_t
spool_id_number(const char *id)
{
	return (uint8_t)value_of(id);
}

void
spool_path(enum spool_place place, const char *id, char ret_path[SPOOL_PATH_MAX])
{
	switch (place) {
	case SPOOL_QUEUE:
		(void)snprintf(ret_path, SPOOL_PATH_MAX, "queue/%.2s/%.16s", id + 7, id);
		break;
	case SPOOL_QUEUE_TMP:
		(void)snprintf(ret_path, SPOOL_PATH_MAX, "queue/%.2s/tmp.%.16s", id + 7, id);
		break;
	case SPOOL_HOLD:
		(void)snprintf(ret_path, SPOOL_PATH_MAX, "hold/%.16s", id);
		break;
	case SPOOL_CORRUPT:
		(void)snprintf(ret_path, SPOOL_PATH_MAX, "corrupt/%.40s", id);
		break;
	}
}

/* Reads the envelope, with as many bytes as it takes. */
static int
read_envelope(int fd, struct envelope *ret_envelope, size_t *ret_len)
{
	struct buf text = BUF_INIT(ENVELOPE_MAX);
	size_t step = FIRST_READ;
	int r;

	do {
		char *room;
		ssize_t got;

		if (step > ENVELOPE_MAX - text.len)
			step = ENVELOPE_MAX - text.len;
		room = buf_reserve(&text, step);
		got = room != NULL ? pread(fd, room, step, (off_t)text.len) : 0;
		if (got < 0) {
			r = -errno;
			break;
		}
		if (got == 0) {
			r = -EBADMSG; /* the file ends within its envelope */
			break;
		}
		buf_added(&text, (size_t)got);
		r = envelope_decode(buf_get(&text), ret_envelope, ret_len, NULL);
		step = text.len * 3;
	} while (r == 1);
	buf_free(&text);
	return r;
}

int
spool_read(int fd, struct spool_file *ret_file)
{
	struct stat st;
	size_t len;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	r = read_envelope(fd, &ret_file->envelope, &len);
	if (r < 0)
		return r;
	ret_file->fd = fd;
	ret_file->offset = len + ret_file->envelope.room;
	ret_file->length =
	    (uint64_t)st.st_size > ret_file->offset ? (uint64_t)st.st_size - ret_file->offset : 0;
	return 0;
}

int
spool_open(int spool_fd, const char *path, int flags, struct spool_file *ret_file)
{
	_cleanup_(closep) int fd =
	    openat(spool_fd, path, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	int r;

	if (fd < 0)
		return -errno;
	r = spool_read(fd, ret_file);
	if (r == 0)
		(void)TAKE_FD(fd);
	return r;
}

void
spool_close(struct spool_file *file)
{
	if (file->fd >= 0)
		(void)close(file->fd);
	file->fd = -1;
	envelope_free(&file->envelope);
}
