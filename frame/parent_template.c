/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
#include "frame/parent_template.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "frame/frame_msg.h"
#include "frame/parent.h"

/* Then another one, with another layout. */
#define FORKS_MAX 512
/* It takes a hundredth of a second to begin, and a thousandth for a fork. */
#define PATIENCE_MS 3000

void
parent_template_drop(struct parent_template *tmpl)
{
	/* It keeps nothing that could be lost. */
	if (tmpl->pid > 0)
		(void)kill(tmpl->pid, SIGKILL);
	tmpl->channel = msg_channel_free(tmpl->channel);
	tmpl->pid = 0;
	tmpl->forks = 0;
}

bool
parent_template_ended(struct parent_template *tmpl, pid_t pid)
{
	if (tmpl->pid != pid)
		return false;
	tmpl->pid = 0; /* soon somebody else's */
	parent_template_drop(tmpl);
	return true;
}

static int
begin(struct parent_template *tmpl, const struct role *role, const struct parent_template_start *start)
{
	int fd = -1, conf_fd, r;
	pid_t pid = parent_exec(role, start->daemon, start->options->background, start->options->debug, &fd);

	if (pid < 0)
		return pid;
	tmpl->pid = pid;
	tmpl->channel = msg_channel_new(fd, start->messages, ROLE_PARENT, role->id);
	conf_fd = fcntl(start->conf_fd, F_DUPFD_CLOEXEC, 0);
	r = conf_fd >= 0 ? msg_send(tmpl->channel, MSG_CONFIG, 0, NULL, conf_fd) : -errno;
	return r == 0 ? msg_send(tmpl->channel, MSG_TEMPLATE, 0, NULL, -1) : r;
}

/* A pid, or -errno. */
static pid_t
await(const struct parent_template *tmpl)
{
	_Alignas(8) uint8_t buffer[MSG_MAX];
	struct pollfd wait = { .fd = msg_channel_fd(tmpl->channel), .events = POLLIN };
	struct msg_reader body;
	struct msg msg;
	uint32_t pid;
	int r;

	do
		r = poll(&wait, 1, PATIENCE_MS);
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		return r < 0 ? -errno : -ETIMEDOUT;
	r = msg_receive(tmpl->channel, buffer, &msg);
	if (r < 0)
		return r;
	body = msg_read(&msg);
	pid = msg_get_u32(&body);
	return msg.type != MSG_FORKED || !msg_done(&body) ? -EBADMSG : pid == 0 || pid > INT32_MAX ? -EAGAIN : (pid_t)pid;
}

pid_t
parent_template_fork(struct parent_template *tmpl, const struct role *role, const struct parent_template_start *start, int *ret_fd)
{
	int pair[2], r;

	if (tmpl->forks >= FORKS_MAX)
		parent_template_drop(tmpl);
	r = tmpl->pid == 0 ? begin(tmpl, role, start) : 0;
	if (r == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		r = -errno;
	if (r < 0) {
		parent_template_drop(tmpl);
		return r;
	}
	r = msg_send(tmpl->channel, MSG_FORK, 0, NULL, pair[1]);
	if (r == 0)
		r = await(tmpl);
	if (r < 0) {
		(void)close(pair[0]);
		parent_template_drop(tmpl);
		return r;
	}
	tmpl->forks++;
	*ret_fd = pair[0];
	return r;
}
