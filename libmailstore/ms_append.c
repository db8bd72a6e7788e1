/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A new message as it comes: what is small waits in memory for its name, the rest is written into a file in tmp/. */
#include "libmailstore/ms_append.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"

/* A large message goes to the disk while the rest of it comes. */
#define WRITE_AHEAD (1 << 20)

char *
ms_append_tmp_path(const struct ms_append *append)
{
	return xasprintf("tmp/%s", append->unique);
}

struct ms_append *
ms_append_begin(struct ms_store *store)
{
	struct ms_append *append = xcalloc(1, sizeof(*append));
	struct buf unique = BUF_INIT(MS_NAME_MAX);

	append->store = store;
	append->fd = -1;
	ms_unique(store, &unique);
	append->unique = buf_take(&unique);
	append->out = BUF_INIT(MS_APPEND_CHUNK);
	return append;
}

static int
make_file(struct ms_append *append)
{
	_cleanup_(freep) char *path = ms_append_tmp_path(append);

	append->fd = openat(append->store->maildir_fd, path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return append->fd < 0 ? -errno : 0;
}

int
ms_append_flush(struct ms_append *append)
{
	size_t done = 0;

	if (append->error == 0 && append->fd < 0)
		append->error = make_file(append);
	while (append->error == 0 && done < append->out.len) {
		ssize_t put = write(append->fd, append->out.data + done, append->out.len - done);

		if (put < 0 && errno != EINTR)
			append->error = -errno;
		if (put > 0)
			done += (size_t)put;
	}
	append->bytes += done;
	if (append->bytes - append->ahead >= WRITE_AHEAD) {
		/* No promise: that is the sync's. */
		(void)sync_file_range(append->fd, (off_t)append->ahead, (off_t)(append->bytes - append->ahead), SYNC_FILE_RANGE_WRITE);
		append->ahead = append->bytes;
	}
	buf_clear(&append->out);
	return append->error;
}

static int
put(struct ms_append *append, struct span bytes)
{
	while (append->error == 0 && bytes.len != 0) {
		struct span part = span_take(&bytes, MS_APPEND_CHUNK - append->out.len);

		(void)buf_span(&append->out, part);
		if (append->out.len == MS_APPEND_CHUNK)
			(void)ms_append_flush(append);
	}
	return append->error;
}

/* CRLF becomes LF: a Maildir's files are the host's text files. A lone CR stays. */
int
ms_append_write(struct ms_append *append, const void *bytes, size_t len)
{
	struct span rest = span_make(bytes, len);

	while (append->error == 0 && rest.len != 0) {
		ptrdiff_t at;

		if (append->cr) {
			append->cr = false;
			if (rest.ptr[0] != '\n')
				(void)put(append, SPAN("\r"));
		}
		at = span_chr(rest, '\r');
		if (at < 0) {
			(void)put(append, rest);
			break;
		}
		(void)put(append, span_take(&rest, (size_t)at));
		rest = span_skip(rest, 1);
		append->cr = true;
	}
	return append->error;
}

void
ms_append_end(struct ms_append *append)
{
	if (append->cr)
		(void)put(append, SPAN("\r"));
	append->cr = false;
}

uint64_t
ms_append_email_id(const struct ms_append *append)
{
	return ms_name_email_id(span_of(append->unique));
}

void
ms_append_abort(struct ms_append *append)
{
	if (append == NULL)
		return;
	if (append->fd >= 0) {
		_cleanup_(freep) char *path = ms_append_tmp_path(append);

		(void)unlinkat(append->store->maildir_fd, path, 0);
		(void)close(append->fd);
	}
	buf_free(&append->out);
	free(append->unique);
	free(append);
}
