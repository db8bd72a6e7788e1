/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Children of the parent: started, told what they need, joined by channels. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "frame/frame_msg.h"
#include "frame/parent_internal.h"

#define CONF_TEXT_MAX (1 << 20)

/* --- telling a child what it needs --- */

/* The configuration as sealed memory: roles read it in their jails, none can change it for another. */
int
parent_make_conf(const struct parent *parent, const void *conf)
{
	const struct conf_table *tables[DAEMON_TABLES];
	struct buf text = BUF_INIT(CONF_TEXT_MAX);
	int fd = parent_memory("configuration");

	daemon_tables(parent->daemon, tables);
	conf_print(tables, DAEMON_TABLES, conf, &text);
	if (fd >= 0 && (text.overflow || write(fd, text.data, text.len) != (ssize_t)text.len || parent_seal(fd) < 0)) {
		(void)close(fd);
		fd = -1;
	}
	buf_free(&text);
	return fd;
}

int
child_send_conf(const struct parent *parent, struct child *child)
{
	int fd = fcntl(parent->conf_fd, F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? -errno : msg_send(child->channel, MSG_CONFIG, 0, NULL, fd);
}

int
child_send_peer(struct child *child, uint8_t peer, int fd)
{
	struct msg_writer body;

	msg_writer_init(&body);
	msg_put_u8(&body, peer);
	return msg_send(child->channel, MSG_PEER, 0, &body, fd);
}

/* A channel between two children, one end each. */
int
child_join(struct child *a, struct child *b)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	r = child_send_peer(a, b->role->id, pair[0]);
	if (r < 0)
		(void)close(pair[1]);
	else
		r = child_send_peer(b, a->role->id, pair[1]);
	return r;
}

static int
send_listeners(const struct parent *parent, struct child *child)
{
	for (int i = 0; i < parent->listener_count; i++) {
		const struct proc_listener *listener = &parent->listeners[i];
		struct msg_writer body;
		int fd = fcntl(listener->fd, F_DUPFD_CLOEXEC, 0), r;

		if (fd < 0)
			return -errno;
		msg_writer_init(&body);
		msg_put_u8(&body, listener->kind);
		msg_put_u8(&body, listener->tls);
		msg_put_span(&body, span_of(listener->name));
		r = msg_send(child->channel, MSG_LISTENER, 0, &body, fd);
		if (r < 0)
			return r;
	}
	return 0;
}

int
child_send_start(const struct parent *parent, struct child *child)
{
	struct msg_writer body;

	msg_writer_init(&body);
	msg_put_u8(&body, parent->as_root);
	msg_put_u8(&body, parent->options->probe != NULL);
	return msg_send(child->channel, MSG_START, 0, &body, -1);
}

int
child_send_account(struct child *child, uid_t uid, const struct ms_quota *quota, struct span address, struct span path)
{
	struct msg_writer body;

	msg_writer_init(&body);
	msg_put_u32(&body, uid);
	msg_put_u64(&body, quota->bytes);
	msg_put_u64(&body, quota->messages);
	msg_put_span(&body, address);
	msg_put_span(&body, path);
	return msg_send(child->channel, MSG_ACCOUNT, 0, &body, -1);
}

/* --- children --- */

const struct role *
parent_find_role(const struct parent *parent, uint8_t id)
{
	for (size_t i = 0; i < parent->daemon->role_count; i++)
		if (parent->daemon->roles[i].id == id)
			return &parent->daemon->roles[i];
	return NULL;
}

bool
parent_is_permanent(const struct parent *parent, const struct role *role)
{
	for (size_t i = 0; i < parent->daemon->role_count; i++)
		if (parent->daemon->roles[i].companion == role->id && role->id != ROLE_PARENT)
			return false;
	return role->spawned_by == 0;
}

struct child *
parent_find_child(const struct parent *parent, uint8_t id)
{
	for (struct child *child = parent->children; child != NULL; child = child->next)
		if (child->role->id == id && child->channel != NULL && parent_is_permanent(parent, child->role))
			return child;
	return NULL;
}

time_t
parent_now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

/* Those that are started on demand are forked, with their configuration, where that is possible. A pid, or -errno. */
static pid_t
start_process(struct parent *parent, const struct role *role, int *ret_fd, bool *ret_configured)
{
	struct parent_template_start start = { parent->daemon, parent->options, &parent->messages, parent->conf_fd };
	pid_t pid = -ENOSYS;

	*ret_configured = false;
	if (parent->options->probe == NULL && !parent_is_permanent(parent, role)) {
		pid = parent_template_fork(&parent->templates[role->id], role, &start, ret_fd);
		if (pid < 0)
			log_warning("template-failed", log_str("role", role->name), log_errno("error", pid), log_str("hint", "it is executed instead"));
		*ret_configured = pid > 0;
	}
	return pid > 0 ? pid : parent_exec(role, parent->daemon, parent->options->background, parent->options->debug, ret_fd);
}

void
parent_drop_templates(struct parent *parent)
{
	for (size_t i = 0; i < ROLE_MAX; i++)
		parent_template_drop(&parent->templates[i]);
}

struct child *
parent_start_child(struct parent *parent, const struct role *role)
{
	struct child *child;
	bool configured;
	int fd = -1, r;
	pid_t pid = start_process(parent, role, &fd, &configured);

	if (pid < 0) {
		log_error("fork-failed", log_str("role", role->name), log_errno("error", pid));
		return NULL;
	}
	child = xcalloc(1, sizeof(*child));
	child->role = role;
	child->pid = pid;
	child->started = parent_now();
	child->number = ++parent->last_number;
	child->handed = -1;
	child->channel = msg_channel_new(fd, &parent->messages, ROLE_PARENT, role->id);
	msg_channel_start(child->channel, parent->base, parent_on_message, parent_on_closed, parent);
	child->next = parent->children;
	parent->children = child;
	if (!parent_is_permanent(parent, role))
		parent->workers++;
	r = configured ? 0 : child_send_conf(parent, child);
	if (r == 0)
		r = parent_files_send(&parent->files, role->id, child->channel);
	if (r < 0) {
		/* Better none than one without its aliases or rules. */
		log_warning("configuration-not-sent", log_str("role", role->name), log_errno("error", r));
		(void)kill(child->pid, SIGKILL);
	}
	return child;
}

void
parent_forget_child(struct parent *parent, struct child *child)
{
	struct child **at = &parent->children;

	while (*at != child)
		at = &(*at)->next;
	*at = child->next;
	if (!parent_is_permanent(parent, child->role))
		parent->workers--;
	(void)msg_channel_free(child->channel);
	if (child->patience != NULL)
		event_free(child->patience);
	if (child->handed >= 0)
		(void)close(child->handed);
	free(child->account);
	free(child);
}

/* Joins a permanent role to those of its peers that stand, gives it what it needs and lets it go. */
int
child_wire(struct parent *parent, struct child *child)
{
	for (struct child *other = parent->children; other != NULL; other = other->next) {
		bool edge = (child->role->peers & ROLE_BIT(other->role->id)) != 0 || (other->role->peers & ROLE_BIT(child->role->id)) != 0;
		int r = other != child && other->channel != NULL && edge && parent_is_permanent(parent, other->role) ? child_join(child, other) : 0;

		/* One that has just ended is joined when it is started again. */
		if (r < 0 && r != -EPIPE)
			return r;
	}
	return child->role->id == ROLE_FRONT ? send_listeners(parent, child) : 0;
}
