/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A request of spool/drop done: what an owner or the operator asks of messages in the queue. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "smtpd/queue_drop_internal.h"

/* The answer goes behind the request, where its owner reads it. He is told only what concerns him,
 * so the file must be one that nobody but him and the queue can read; a plain request has no room
 * for an answer, and nobody who waits for one. */
static void
put_answer(int fd, const struct stat *st, size_t at, struct span answer)
{
	if ((fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR || st->st_gid != getegid() ||
	    (st->st_mode & S_IRWXO) != 0)
		return;
	/* Whoever asked may have a quota that leaves no room: his loss. */
	while (answer.len != 0) {
		ssize_t put = pwrite(fd, answer.ptr, answer.len, (off_t)at);

		if (put <= 0)
			return;
		(void)span_take(&answer, (size_t)put);
		at += (size_t)put;
	}
}

int
pickup_obey(struct queue *queue, int fd, const struct stat *st)
{
	struct buf answer = BUF_INIT(DROP_ANSWER_MAX);
	static char text[DROP_CONTROL_MAX + 1];
	ssize_t got = pread(fd, text, sizeof(text), 0);
	enum drop_action action;
	struct span ids, rest, id = SPAN_NULL;

	if (got < 0 || drop_control_decode(span_make(text, (size_t)got), &action, &ids) < 0)
		return -EBADMSG;
	for (rest = ids; span_split(&rest, ' ', &id);)
		if (pickup_is_taking(queue->pickup, id))
			return -EAGAIN;
	id = SPAN_NULL;
	do {
		(void)span_split(&ids, ' ', &id);
		queue_control(queue, action, id, st->st_uid, &answer);
	} while (ids.len != 0);
	put_answer(fd, st, (size_t)got, buf_get(&answer));
	buf_free(&answer);
	return 0;
}
