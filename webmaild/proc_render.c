/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The render role: hostile HTML in, safe HTML out, in a process that can do nothing else. Whoever owns it can spoil the
 * documents of one account, which the browser shows in a sandbox; it sees no file, no network and no other message. */
#include <errno.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/cpu_limit.h"
#include "common/log.h"
#include "webmaild/html_sanitize.h"
#include "webmaild/webmaild.h"

#define CPU_SECONDS 5 /* for one document; without it the session shows plain text */
#define MEMORY_MAX (768u << 20)

static int
read_input(int fd, size_t len, struct buf *input)
{
	char *room = buf_reserve(input, len);

	if (room == NULL)
		return -E2BIG;
	for (size_t at = 0; at < len;) {
		ssize_t got = pread(fd, room + at, len - at, (off_t)at);

		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		at += (size_t)got;
	}
	buf_added(input, len);
	return 0;
}

static int
write_output(int fd, struct span output)
{
	off_t at = 0;

	while (output.len > 0) {
		ssize_t put = pwrite(fd, output.ptr, output.len, at);

		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		at += put;
		output = span_skip(output, (size_t)put);
	}
	return 0;
}

static int
on_render(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct msg_reader body = msg_read(msg);
	uint8_t remote_images = msg_get_u8(&body);
	uint32_t len = msg_get_u32(&body);
	struct html_options options = { remote_images == 1, msg_get_span(&body) };
	struct buf input = BUF_INIT(HTML_INPUT_MAX), output = BUF_INIT(HTML_OUTPUT_MAX);
	struct msg_writer reply;
	struct html_counts counts = { 0 };
	int r;

	(void)context;
	if (!msg_done(&body) || remote_images > 1)
		return -EBADMSG;
	cpu_limit(CPU_SECONDS);
	r = read_input(msg->fd, len, &input);
	if (r == 0)
		r = html_sanitize(buf_get(&input), &options, &output, &counts);
	if (r == 0)
		r = write_output(msg->fd, buf_get(&output));
	msg_writer_init(&reply);
	msg_put_u8(&reply, r == 0);
	msg_put_u32(&reply, r == 0 ? (uint32_t)output.len : 0);
	msg_put_u32(&reply, counts.remote_images);
	(void)msg_send(channel, MSG_RENDERED, msg->id, &reply, -1); /* a session that is gone needs no answer */
	buf_free(&input);
	buf_free(&output);
	return 0;
}

/* The session is over, and with it this role. */
static void
peer_gone(struct proc *proc, uint8_t role)
{
	(void)role;
	proc_exit(proc, EX_OK);
}

static const struct proc_handler handlers[] = { { MSG_RENDER, on_render } };

int
proc_render(struct proc *proc)
{
	struct jail jail = { .root = proc->common->empty_dir, .memory_max = MEMORY_MAX, .descriptors_max = 64 };

	proc->handlers = handlers;
	proc->handler_count = sizeof(handlers) / sizeof(handlers[0]);
	proc->peer_gone = peer_gone;

	/* --- jail --- */
	proc_jail(proc, &jail);

	proc_title("webmaild: render");
	return proc_loop(proc);
}
