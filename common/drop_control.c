/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Requests to the queue and its answers. */
#include "common/drop_control.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/drop_internal.h"
#include "common/io.h"
#include "common/spool.h"

/* The queue may write its answer into it. */
#define ASK_MODE (DROP_MODE | S_IWGRP)

/* --- the text of a request --- */

static const char *const action_names[] = {
	[DROP_HOLD] = "hold",
	[DROP_RELEASE] = "release",
	[DROP_REMOVE] = "remove",
	[DROP_RETRY] = "retry",
	[DROP_LIST] = "list",
	[DROP_REQUEUE] = "requeue",
};

/* What may be asked about all. */
static bool
takes_all(enum drop_action action)
{
	return action == DROP_RETRY || action == DROP_LIST;
}

/* Names with a space between them. */
static bool
are_names(struct span names)
{
	struct span name;

	if (names.len == 0 || names.ptr[names.len - 1] == ' ')
		return false;
	while (span_split(&names, ' ', &name))
		if (name.len == 0 || !drop_is_name(name))
			return false;
	return true;
}

int
drop_control_encode(enum drop_action action, struct span ids, struct buf *out)
{
	int r;

	if (ids.len == 0 ? !takes_all(action) : !are_names(ids))
		return -EINVAL;
	r = buf_fmt(out, "%s ", action_names[action]);
	if (r == 0)
		r = buf_span(out, ids.len != 0 ? ids : SPAN("all"));
	return r == 0 ? buf_char(out, '\n') : r;
}

int
drop_control_decode(struct span text, enum drop_action *ret_action, struct span *ret_ids)
{
	struct span verb;

	if (text.len == 0 || text.len > DROP_CONTROL_MAX || text.ptr[text.len - 1] != '\n')
		return -EBADMSG;
	text.len--;
	if (!span_split(&text, ' ', &verb) || !are_names(text))
		return -EBADMSG;
	for (unsigned i = 0; i < sizeof(action_names) / sizeof(*action_names); i++)
		if (span_eq(verb, span_of(action_names[i]))) {
			bool all = span_eq(text, SPAN("all"));

			if ((all && !takes_all((enum drop_action)i)) || (i == DROP_LIST && span_chr(text, ' ') >= 0))
				return -EBADMSG;
			*ret_action = (enum drop_action)i;
			*ret_ids = all ? SPAN_NULL : text;
			return 0;
		}
	return -EBADMSG;
}

/* --- the text of an answer --- */

static const char *const answer_words[] = {
	[DROP_DONE] = "done",
	[DROP_LATER] = "later",
	[DROP_UNKNOWN] = "unknown",
	[DROP_DENIED] = "denied",
	[DROP_IS_HELD] = "held",
	[DROP_FAILED] = "failed",
	[DROP_CUT] = "cut",
};

int
drop_answer_encode(enum drop_answer answer, struct buf *out)
{
	return buf_fmt(out, "%s\n", answer_words[answer]);
}

int
drop_answer_decode(struct span *text, enum drop_answer *ret_answer)
{
	struct span word;

	(void)span_split(text, '\n', &word);
	for (unsigned i = 0; i < sizeof(answer_words) / sizeof(*answer_words); i++)
		if (span_eq(word, span_of(answer_words[i]))) {
			*ret_answer = (enum drop_answer)i;
			return 0;
		}
	return -EBADMSG;
}

int
drop_record_encode(const struct drop_record *record, struct buf *out)
{
	size_t before = out->len;
	int r = buf_fmt(out, "message %.*s %s %" PRIu64 " %zu\n", (int)record->id.len,
	    record->id.ptr, record->held ? "hold" : "queue", record->length, record->envelope.len);

	if (r == 0)
		r = buf_span(out, record->envelope);
	if (r < 0) {
		buf_truncate(out, before);
		out->overflow = false;
	}
	return r;
}

int
drop_record_decode(struct span *text, struct drop_record *ret_record)
{
	struct span line, word;
	uint64_t len;

	if (text->len == 0)
		return 1;
	(void)span_split(text, '\n', &line);
	if (!span_split(&line, ' ', &word) || !span_eq(word, SPAN("message")) ||
	    !span_split(&line, ' ', &ret_record->id) || !spool_id_valid(ret_record->id) ||
	    !span_split(&line, ' ', &word))
		return -EBADMSG;
	ret_record->held = span_eq(word, SPAN("hold"));
	if (!ret_record->held && !span_eq(word, SPAN("queue")))
		return -EBADMSG;
	if (!span_split(&line, ' ', &word) ||
	    span_to_u64(word, UINT64_MAX, &ret_record->length) < 0 ||
	    span_to_u64(line, text->len, &len) < 0)
		return -EBADMSG;
	ret_record->envelope = span_take(text, (size_t)len);
	return 0;
}

/* --- asking --- */

/* Writes the request under its temporary name. A descriptor or -errno. */
static int
write_request(int folder, enum drop_action action, struct span id, int flags, mode_t mode,
    char ret_name[DROP_NAME_MAX], size_t *ret_len)
{
	struct buf text = BUF_INIT(DROP_CONTROL_MAX);
	int r = drop_control_encode(action, id, &text), fd;

	if (r == 0)
		r = drop_make_name("ctl.", ret_name);
	*ret_len = text.len;
	fd = r == 0 ? drop_create(folder, ret_name, flags, mode) : r;
	if (fd >= 0) {
		r = io_write_all(fd, buf_get(&text));
		if (r < 0)
			fd = drop_finish(folder, ret_name, fd, r);
	}
	buf_free(&text);
	return fd;
}

int
drop_control(int folder, enum drop_action action, struct span id)
{
	char name[DROP_NAME_MAX];
	size_t len;
	int fd = write_request(folder, action, id, O_WRONLY, DROP_MODE, name, &len);

	return fd < 0 ? fd : drop_finish(folder, name, fd, 0);
}

static int64_t
milliseconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Its removal changes the count of its names, and so its attributes. Watched before the queue can
 * see it. A descriptor or -errno. */
static int
watch_removal(int fd)
{
	char path[32];
	int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), r;

	if (watch < 0)
		return -errno;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (inotify_add_watch(watch, path, IN_ATTRIB) >= 0)
		return watch;
	r = -errno;
	(void)close(watch);
	return r;
}

/* 0, -ETIMEDOUT, -errno. */
static int
await_removal(int watch, int fd, unsigned timeout_ms)
{
	int64_t end = milliseconds() + timeout_ms, left;
	_Alignas(struct inotify_event) char ignored[1024];
	struct stat st;

	for (;;) {
		struct pollfd poll_fd = { .fd = watch, .events = POLLIN };

		while (read(watch, ignored, sizeof(ignored)) > 0)
			continue;
		if (fstat(fd, &st) < 0)
			return -errno;
		if (st.st_nlink == 0)
			return 0;
		left = end - milliseconds();
		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&poll_fd, 1, (int)left) < 0 && errno != EINTR)
			return -errno;
	}
}

static int
read_answer(int fd, size_t at, struct buf *ret_answer)
{
	char bytes[16384];
	ssize_t got;
	int r = 0;

	while (r == 0 && (got = pread(fd, bytes, sizeof(bytes), (off_t)at)) != 0) {
		if (got < 0)
			return -errno;
		r = buf_put(ret_answer, bytes, (size_t)got);
		at += (size_t)got;
	}
	return r;
}

int
drop_ask(int folder, enum drop_action action, struct span id, unsigned timeout_ms,
    struct buf *ret_answer)
{
	_cleanup_(closep) int fd = -1, watch = -1;
	char name[DROP_NAME_MAX];
	size_t len;
	int r = write_request(folder, action, id, O_RDWR, ASK_MODE, name, &len), copy;

	if (r < 0)
		return r;
	fd = r;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return drop_finish(folder, name, TAKE_FD(fd), -errno);
	watch = watch_removal(fd);
	r = drop_finish(folder, name, copy, watch < 0 ? watch : 0);
	if (r == 0)
		r = await_removal(watch, fd, timeout_ms);
	if (r == -ETIMEDOUT && action == DROP_LIST)
		(void)unlinkat(folder, name, 0);
	return r == 0 ? read_answer(fd, len, ret_answer) : r;
}
