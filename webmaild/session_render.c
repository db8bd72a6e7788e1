/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The session's side of the render role: one memfd goes over with the input and is written over with the document. */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "webmaild/html_sanitize.h"
#include "webmaild/session.h"

#define RENDER_SECONDS 15

struct rendering {
	struct rendering *next;
	struct session *session;
	uint32_t id;
	int fd;
	struct event *deadline;
	render_done done;
	void *context;
};

static void
rendering_free(struct rendering *rendering)
{
	struct rendering **at = &rendering->session->renderings;

	while (*at != NULL && *at != rendering)
		at = &(*at)->next;
	if (*at == rendering)
		*at = rendering->next;
	event_free(rendering->deadline);
	if (rendering->fd >= 0)
		(void)close(rendering->fd);
	free(rendering);
}

static void
finish(struct rendering *rendering, bool ok, struct buf *document, unsigned remote_images)
{
	render_done done = rendering->done;
	void *context = rendering->context;

	rendering_free(rendering);
	done(context, ok, document, remote_images);
}

static void
fail(struct rendering *rendering)
{
	struct buf empty = BUF_INIT(1);

	finish(rendering, false, &empty, 0);
}

void
session_render_cancel(struct session *session, struct rendering *rendering)
{
	(void)session;
	rendering_free(rendering);
}

static void
on_deadline(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	fail(context);
}

static int
write_input(int fd, struct span input)
{
	off_t at = 0;

	while (input.len > 0) {
		ssize_t put = pwrite(fd, input.ptr, input.len, at);

		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		at += put;
		input = span_skip(input, (size_t)put);
	}
	return 0;
}

static int
make_memfd(struct span input)
{
	int fd, r;

	fd = memfd_create("render", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = write_input(fd, input);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	return fd;
}

static int
send_rendering(struct rendering *rendering, bool remote_images, struct span mark, size_t len)
{
	struct msg_writer body;
	int fd = dup(rendering->fd);

	if (fd < 0)
		return -errno;
	msg_writer_init(&body);
	msg_put_u8(&body, remote_images);
	msg_put_u32(&body, (uint32_t)len);
	msg_put_span(&body, mark);
	return proc_send(rendering->session->proc, ROLE_RENDER, MSG_RENDER, rendering->id, &body, fd);
}

struct rendering *
session_render(struct session *session, bool remote_images, struct span mark, struct span input, render_done done, void *context)
{
	struct rendering *rendering = xcalloc(1, sizeof(*rendering));
	struct timeval wait = { RENDER_SECONDS, 0 };
	int r;

	if (++session->last_rendering == 0)
		session->last_rendering = 1;
	rendering->session = session;
	rendering->id = session->last_rendering;
	rendering->done = done;
	rendering->context = context;
	rendering->deadline = event_new(session->proc->base, -1, 0, on_deadline, rendering);
	rendering->next = session->renderings;
	session->renderings = rendering;
	rendering->fd = input.len <= HTML_INPUT_MAX ? make_memfd(input) : -E2BIG;
	r = rendering->fd < 0 ? rendering->fd : send_rendering(rendering, remote_images, mark, input.len);
	/* A failure is told from the loop, as every other end is: at once. */
	if (r < 0)
		wait.tv_sec = 0;
	(void)event_add(rendering->deadline, &wait);
	return rendering;
}

static bool
read_document(int fd, size_t len, struct buf *document)
{
	char *room = buf_reserve(document, len);

	if (room == NULL)
		return false;
	for (size_t at = 0; at < len;) {
		ssize_t got = pread(fd, room + at, len - at, (off_t)at);

		if (got <= 0)
			return false;
		at += (size_t)got;
	}
	buf_added(document, len);
	return span_is_utf8(buf_get(document));
}

int
session_rendered(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct session *session = ((struct proc *)context)->state;
	struct msg_reader body = msg_read(msg);
	struct rendering *rendering = session->renderings;
	struct buf document = BUF_INIT(HTML_OUTPUT_MAX);
	bool ok = msg_get_u8(&body) != 0;
	uint32_t len = msg_get_u32(&body), remote_images = msg_get_u32(&body);

	(void)channel;
	if (!msg_done(&body))
		return -EBADMSG;
	while (rendering != NULL && rendering->id != msg->id)
		rendering = rendering->next;
	if (rendering == NULL)
		return 0; /* given up before it was done */
	ok = ok && read_document(rendering->fd, len, &document);
	finish(rendering, ok, &document, remote_images);
	buf_free(&document);
	return 0;
}

void
session_render_gone(struct session *session)
{
	while (session->renderings != NULL)
		fail(session->renderings);
}
