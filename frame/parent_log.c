/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
#include "frame/parent_log.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/log.h"
#include "common/xalloc.h"

#define WAITING_MAX (1 << 20)
/* Then the pipe is not read: roles see when it is full, and count. */
#define WAITING_ENOUGH (WAITING_MAX / 2)
#define PIPE_SIZE (1 << 20)
/* In one turn of the loop. */
#define READ_MAX 65536
/* A line of ours has half of that. */
#define LINE_MOST 8192
/* While syslogd takes nothing: from the one to the other. */
#define PAUSE_LEAST_US 1000
#define PAUSE_MOST_US 200000
#define FINISH_MS 1000

struct parent_log {
	struct sockaddr_un address;
	pid_t owner;
	char name[64]; /* of who writes lines without one */
	int pipe, socket; /* -1: not connected */
	bool stream;      /* which ends each line with NUL */
	struct buf read, waiting; /* what may be the beginning of a line; lines for syslogd */
	unsigned long lost;
	struct event *readable, *again;
	unsigned pause_us;
};

/* --- to syslogd --- */

static int
connect_as(struct parent_log *log, int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&log->address, sizeof(log->address)) < 0) {
		int r = -errno;

		(void)close(fd);
		return r;
	}
	log->socket = fd;
	log->stream = type == SOCK_STREAM;
	return 0;
}

static void
disconnect(struct parent_log *log)
{
	if (log->socket >= 0)
		(void)close(log->socket);
	log->socket = -1;
}

static ssize_t
send_once(const struct parent_log *log, struct span line)
{
	struct iovec parts[] = { { (void *)(uintptr_t)line.ptr, line.len }, { (char[]){ '\0' }, 1 } };
	const struct msghdr whole = { .msg_iov = parts, .msg_iovlen = log->stream ? 2 : 1 };

	return sendmsg(log->socket, &whole, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* 0, or -errno: it waits. */
static int
send_line(struct parent_log *log, struct span line)
{
	for (int tries = 0;; tries++) {
		int r = log->socket >= 0 ? 0 : connect_as(log, SOCK_DGRAM);

		if (r == -EPROTOTYPE)
			r = connect_as(log, SOCK_STREAM);
		if (r < 0)
			return r;
		if (send_once(log, line) >= 0 || errno == EMSGSIZE)
			return 0;
		r = -errno;
		if (r == -EAGAIN || r == -ENOBUFS || r == -EINTR)
			return r;
		/* It is another syslogd's by now. */
		disconnect(log);
		if (tries != 0)
			return r;
	}
}

static void
tell_lost(struct parent_log *log)
{
	unsigned long lost = log->lost;

	if (lost == 0 || log->waiting.len > WAITING_ENOUGH)
		return;
	log->lost = 0;
	log_warning("log-lines-lost", log_u64("count", lost));
}

/* Sends what waits, and sees to it that the rest is tried again. */
static void
flush(struct parent_log *log)
{
	struct span rest = buf_get(&log->waiting);
	int r = 0;

	while (r == 0 && rest.len != 0) {
		size_t len = (size_t)span_chr(rest, '\n'); /* only whole lines wait */

		r = send_line(log, span_make(rest.ptr, len));
		if (r == 0)
			rest = span_skip(rest, len + 1);
	}
	if (r == 0 || rest.len != log->waiting.len)
		log->pause_us = PAUSE_LEAST_US;
	buf_drop(&log->waiting, log->waiting.len - rest.len);
	if (r == 0)
		return;
	if (!event_pending(log->again, EV_TIMEOUT, NULL)) {
		const struct timeval pause = { 0, log->pause_us };

		(void)event_add(log->again, &pause);
		log->pause_us = log->pause_us * 2 < PAUSE_MOST_US ? log->pause_us * 2 : PAUSE_MOST_US;
	}
	if (log->waiting.len > WAITING_ENOUGH)
		(void)event_del(log->readable);
}

static void
on_again(evutil_socket_t fd, short what, void *context)
{
	struct parent_log *log = context;

	(void)fd, (void)what;
	flush(log);
	if (log->waiting.len <= WAITING_ENOUGH) {
		(void)event_add(log->readable, NULL);
		tell_lost(log);
	}
}

/* --- from the roles --- */

/* A line of a role begins with its priority, all of which are of LOG_MAIL. What has none is what a library has said to standard error. */
static bool
is_record(struct span line)
{
	uint64_t priority;

	return line.len >= 4 && line.ptr[0] == '<' && (line = span_skip(line, 1), span_take_u64(&line, LOG_MAIL | LOG_DEBUG, &priority) == 0) &&
	    priority >= LOG_MAIL && line.len != 0 && line.ptr[0] == '>';
}

static void
add(struct parent_log *log, struct span line)
{
	char begin[160], when[32] = "";
	time_t now = time(NULL);
	struct tm local;
	int len = 0;

	if (!is_record(line)) {
		if (localtime_r(&now, &local) == NULL || strftime(when, sizeof(when), "%b %e %H:%M:%S", &local) == 0)
			when[0] = '\0';
		len = snprintf(begin, sizeof(begin), "<%d>%s %s: ", LOG_MAIL | LOG_ERR, when, log->name);
	}
	if (len < 0 || log->waiting.len + (size_t)len + line.len + 1 > WAITING_MAX) {
		log->lost++;
		return;
	}
	(void)buf_put(&log->waiting, begin, (size_t)len);
	(void)buf_span(&log->waiting, line);
	(void)buf_char(&log->waiting, '\n');
}

static void
take_lines(struct parent_log *log)
{
	struct span rest = buf_get(&log->read);
	ptrdiff_t end;

	while ((end = span_chr(rest, '\n')) >= 0 || rest.len >= LINE_MOST) {
		size_t len = end >= 0 && end <= LINE_MOST ? (size_t)end : LINE_MOST;

		if (len != 0)
			add(log, span_make(rest.ptr, len));
		rest = span_skip(rest, len == (size_t)end ? len + 1 : len);
	}
	buf_drop(&log->read, log->read.len - rest.len);
}

/* The bytes that were there. */
static size_t
read_pipe(struct parent_log *log)
{
	char *room = buf_reserve(&log->read, READ_MAX);
	ssize_t got = room != NULL ? read(log->pipe, room, READ_MAX) : -1;

	if (got <= 0)
		return 0;
	buf_added(&log->read, (size_t)got);
	take_lines(log);
	return (size_t)got;
}

static void
on_readable(evutil_socket_t fd, short what, void *context)
{
	struct parent_log *log = context;

	(void)fd, (void)what;
	(void)read_pipe(log);
	flush(log);
}

/* --- the parent's own --- */

static void
write_own(void *context, struct span line)
{
	struct parent_log *log = context;

	/* A child that was only forked, to look at files, has a copy of all this: it is as a role. */
	if (getpid() != log->owner) {
		(void)!write(STDERR_FILENO, line.ptr, line.len);
		return;
	}
	/* After what roles have written before. */
	if (log->waiting.len <= WAITING_ENOUGH)
		(void)read_pipe(log);
	if (line.len != 0)
		add(log, span_make(line.ptr, line.len - 1));
	flush(log);
}

/* --- the life --- */

static bool
make_pipe(struct parent_log *log)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return false;
	(void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE); /* as large as it may be */
	log->pipe = ends[0];
	if (dup2(ends[1], STDERR_FILENO) < 0)
		return false;
	(void)close(ends[1]);
	return true;
}

struct parent_log *
parent_log_new(struct event_base *base, const char *daemon, const char *path)
{
	struct parent_log *log = xcalloc(1, sizeof(*log));

	log->owner = getpid();
	log->socket = -1;
	log->pause_us = PAUSE_LEAST_US;
	log->address.sun_family = AF_UNIX;
	(void)snprintf(log->address.sun_path, sizeof(log->address.sun_path), "%s", path);
	(void)snprintf(log->name, sizeof(log->name), "%s[%ld]", daemon, (long)getpid());
	buf_init(&log->read, 2 * READ_MAX);
	buf_init(&log->waiting, WAITING_MAX);
	if (!make_pipe(log))
		return NULL;
	log->readable = event_new(base, log->pipe, EV_READ | EV_PERSIST, on_readable, log);
	log->again = evtimer_new(base, on_again, log);
	if (log->readable == NULL || log->again == NULL || event_add(log->readable, NULL) < 0) {
		errno = ENOMEM;
		return NULL;
	}
	log_set_writer(write_own, log);
	return log;
}

void
parent_log_finish(struct parent_log *log)
{
	for (int waited = 0; waited < FINISH_MS; waited += 10) {
		while (log->waiting.len <= WAITING_ENOUGH && read_pipe(log) != 0)
			flush(log);
		flush(log);
		if (log->waiting.len == 0)
			return;
		(void)nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
	}
}
