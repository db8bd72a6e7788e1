/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Writing into spool/drop. Used by whoever submits, with that user's rights; nothing here is
 * trusted by the queue. */
#include "common/drop_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/xalloc.h"

#define BUFFERED 65536

struct drop {
	int folder, fd;
	size_t smtputf8_at; /* in the file */
	char name[DROP_NAME_MAX];
	struct buf out; /* what is not written yet */
	bool after_cr;  /* the last byte was a CR whose LF may come with the next call */
	bool line_open; /* the last line has no end yet */
	int error;
};

int
drop_open_folder(const char *spool_dir)
{
	_cleanup_(freep) char *path = xasprintf("%s/drop", spool_dir);
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int
drop_make_name(const char *prefix, char name[DROP_NAME_MAX])
{
	struct timespec now;
	uint32_t random;

	/* In the order of their making: so they are taken. */
	if (clock_gettime(CLOCK_REALTIME, &now) < 0)
		return -errno;
	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	(void)snprintf(name, DROP_NAME_MAX, "%s%llx.%08lx%08x", prefix, (unsigned long long)now.tv_sec, (unsigned long)now.tv_nsec, random);
	return 0;
}

static void
tmp_name(const char *name, char ret_name[DROP_NAME_MAX + sizeof(DROP_TMP)])
{
	(void)snprintf(ret_name, DROP_NAME_MAX + sizeof(DROP_TMP), DROP_TMP "%s", name);
}

int
drop_create(int folder, const char *name, int flags, mode_t mode)
{
	char tmp[DROP_NAME_MAX + sizeof(DROP_TMP)];
	int fd;

	tmp_name(name, tmp);
	fd = openat(folder, tmp, flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, mode) < 0) { /* whatever the umask is */
		int r = -errno;

		(void)close(fd);
		(void)unlinkat(folder, tmp, 0);
		return r;
	}
	return fd;
}

int
drop_finish(int folder, const char *name, int fd, int r)
{
	char tmp[DROP_NAME_MAX + sizeof(DROP_TMP)];

	tmp_name(name, tmp);
	/* A failed sync means the bytes may be gone: never tried again and believed. */
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(folder, tmp, folder, name) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(folder, tmp, 0);
	else
		/* The folder cannot be opened for reading by everybody, so not be synced; but the
		 * rename has changed the file itself too (its ctime), and syncing that brings the
		 * whole change with it. By now it is the queue's, and a failure could not be taken
		 * back. */
		(void)fsync(fd);
	(void)close(fd);
	return r;
}

static int
flush(struct drop *drop)
{
	int r = io_write_all(drop->fd, buf_get(&drop->out));

	buf_clear(&drop->out);
	return r;
}

int
drop_begin(int folder, struct envelope *envelope, struct drop **ret_drop)
{
	struct drop *drop = xcalloc(1, sizeof(*drop));
	struct buf text = BUF_INIT(ENVELOPE_MAX);
	int r = drop_make_name("m.", drop->name);

	drop->folder = folder;
	drop->fd = -1;
	buf_init(&drop->out, BUFFERED);
	if (r == 0)
		r = envelope_encode(envelope, &text);
	drop->smtputf8_at = envelope->smtputf8_at;
	if (r == 0) {
		r = drop_create(folder, drop->name, O_WRONLY, DROP_MODE);
		if (r >= 0) {
			drop->fd = r;
			r = io_write_all(drop->fd, buf_get(&text));
		}
	}
	buf_free(&text);
	if (r < 0) {
		drop_abandon(drop);
		return r;
	}
	*ret_drop = drop;
	return 0;
}

static void
put_byte(struct drop *drop, char byte)
{
	if (drop->out.len + 2 > BUFFERED && drop->error == 0)
		drop->error = flush(drop);
	if (drop->after_cr) {
		drop->after_cr = false;
		if (byte == '\n')
			return; /* of the line end that has been written */
	}
	if (byte == '\r' || byte == '\n') {
		drop->after_cr = byte == '\r';
		drop->line_open = false;
		(void)buf_put(&drop->out, "\r\n", 2);
		return;
	}
	drop->line_open = true;
	(void)buf_char(&drop->out, byte);
}

int
drop_write(struct drop *drop, struct span bytes)
{
	if (drop->error == 0 && span_chr(bytes, '\0') >= 0)
		drop->error = -EINVAL;
	for (size_t i = 0; i < bytes.len && drop->error == 0; i++)
		put_byte(drop, bytes.ptr[i]);
	return drop->error;
}

int
drop_needs_smtputf8(struct drop *drop)
{
	const struct span yes = SPAN(ENVELOPE_YES);

	if (drop->smtputf8_at == 0)
		return -EINVAL;
	return pwrite(drop->fd, yes.ptr, yes.len, (off_t)drop->smtputf8_at) == (ssize_t)yes.len ? 0 : -errno;
}

static void
forget(struct drop *drop)
{
	buf_free(&drop->out);
	free(drop);
}

int
drop_commit(struct drop *drop, char *ret_name)
{
	int r;

	if (drop->line_open)
		put_byte(drop, '\n');
	r = drop->error == 0 ? flush(drop) : drop->error;
	r = drop_finish(drop->folder, drop->name, drop->fd, r);
	if (r == 0 && ret_name != NULL)
		memcpy(ret_name, drop->name, DROP_NAME_MAX);
	forget(drop);
	return r;
}

void
drop_abandon(struct drop *drop)
{
	if (drop == NULL)
		return;
	if (drop->fd >= 0)
		(void)drop_finish(drop->folder, drop->name, drop->fd, -ECANCELED);
	forget(drop);
}

const char *
drop_name(const struct drop *drop)
{
	return drop->name;
}

/* --- names --- */

bool
drop_is_name(struct span id)
{
	for (size_t i = 0; i < id.len; i++)
		if (!ascii_is_alnum(id.ptr[i]) && id.ptr[i] != '.')
			return false;
	return id.len < DROP_NAME_MAX;
}

enum drop_kind
drop_kind(const char *name)
{
	struct span text = span_of(name);

	if (span_starts(text, SPAN(DROP_TMP)))
		return DROP_IS_TEMPORARY;
	if (text.len >= DROP_NAME_MAX || !drop_is_name(text))
		return DROP_IS_OTHER;
	if (span_starts(text, SPAN("m.")))
		return DROP_IS_MESSAGE;
	return span_starts(text, SPAN("ctl.")) ? DROP_IS_CONTROL : DROP_IS_OTHER;
}
