/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Bringing messages into the queue's files, of which readers believe that they are clean: those of others, and our own. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/io.h"
#include "common/xalloc.h"
#include "smtpd/queue.h"

#define CHUNK 65536

/* Lines end with CRLF, and there is no NUL: what every reader of the queue's files relies on.
 * after_cr carries over chunks. */
static bool
is_clean(struct span bytes, bool *after_cr)
{
	for (size_t i = 0; i < bytes.len; i++) {
		char c = bytes.ptr[i];

		if (c == '\0' || *after_cr != (c == '\n'))
			return false;
		*after_cr = c == '\r';
	}
	return true;
}

bool
queue_text_is_clean(struct span text)
{
	bool after_cr = false;

	return is_clean(text, &after_cr) && (text.len == 0 || text.ptr[text.len - 1] == '\n');
}

int
queue_copy_message(int from, uint64_t offset, uint64_t length, int to)
{
	char *chunk = xmalloc(CHUNK);
	uint64_t at = 0;
	bool after_cr = false, line_open = false;
	int r = 0;

	while (r == 0 && at < length) {
		size_t want = length - at < CHUNK ? (size_t)(length - at) : CHUNK;
		ssize_t got = pread(from, chunk, want, (off_t)(offset + at)), put;

		if (got <= 0) {
			r = got < 0 ? -errno : -EBADMSG;
		} else if (!is_clean(span_make(chunk, (size_t)got), &after_cr)) {
			r = -EBADMSG;
		} else {
			put = write(to, chunk, (size_t)got);
			r = put == got ? 0 : put < 0 ? -errno : -ENOSPC;
			at += (uint64_t)got;
			line_open = chunk[got - 1] != '\n';
		}
	}
	free(chunk);
	return r == 0 && line_open ? -EBADMSG : r;
}

int
queue_submit_text(struct queue *queue, const char *id, struct envelope *envelope, struct span text, intake_done done, void *context)
{
	char made[SPOOL_ID_LEN + 1];
	int fd = id != NULL ? queue_files_recreate(queue->files, envelope, id) : queue_files_create(queue->files, envelope, queue_now_us(), made);
	int r = fd < 0 ? fd : io_write_all(fd, text);

	if (id == NULL)
		id = made;
	if (r == 0) {
		intake_commit(queue, id, fd, envelope, done, context);
	} else if (fd >= 0) {
		(void)close(fd);
		queue_files_discard(queue->files, id);
	}
	return r;
}
