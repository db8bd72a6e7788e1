/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What children ask of the parent: a worker for an account, when auth says so, the end of one that hangs, sockets of other programs of this host, and channels that they lost. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "frame/frame_msg.h"
#include "frame/parent_internal.h"

#define WORKERS_MAX 8192

/* The child a WORKER or WORKER_FAILED goes to. */
static void
answer_requester(struct child *requester, uint32_t id, int fd)
{
	if (msg_send(requester->channel, fd >= 0 ? MSG_WORKER : MSG_WORKER_FAILED, id, NULL, fd) < 0)
		log_warning("worker-not-handed-over", log_str("to", requester->role->name));
}

/* Gives a worker what it needs and lets it go. Returns the requester's end of the channel to it, or -errno. */
static int
release_worker(const struct parent *parent, struct child *worker, uint8_t requester)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	r = child_send_peer(worker, requester, pair[0]);
	if (r == 0)
		r = child_send_start(parent, worker);
	if (r < 0)
		(void)close(pair[1]);
	return r == 0 ? pair[1] : r;
}

/* Starts a worker (and its companion) for an account. Returns the requester's end of the channel to it, or -errno. */
static int
start_worker(struct parent *parent, const struct role *role, const struct child *requester, uint32_t request, uid_t uid, const struct ms_quota *quota,
    struct span address, const char *folder)
{
	struct child *worker = parent_start_child(parent, role), *companion = NULL;
	int r;

	if (worker == NULL)
		return -EAGAIN;
	worker->account = span_dup(address);
	worker->requester = requester->number;
	worker->request = request;
	r = child_send_account(worker, uid, quota, address, folder);
	if (r == 0 && role->companion != 0) {
		companion = parent_start_child(parent, parent_find_role(parent, role->companion));
		r = companion == NULL ? -EAGAIN : child_join(worker, companion);
	}
	if (r == 0 && companion != NULL)
		r = child_send_start(parent, companion);
	if (r == 0)
		r = release_worker(parent, worker, requester->role->id);
	if (r < 0) {
		/* They would wait for their start for ever. */
		(void)kill(worker->pid, SIGKILL);
		if (companion != NULL)
			(void)kill(companion->pid, SIGKILL);
	}
	return r;
}

static int
spawn(struct parent *parent, const struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	uint8_t requester_id = msg_get_u8(&body);
	uid_t uid = msg_get_u32(&body);
	struct ms_quota quota = { .bytes = msg_get_u64(&body) };
	struct span address, relative;
	const struct role *role = parent_find_role(parent, ROLE_WORKER);
	_cleanup_(freep) char *folder = NULL;
	struct child *requester;
	int r;

	quota.messages = msg_get_u64(&body);
	address = msg_get_span(&body);
	relative = msg_get_span(&body);
	if (!msg_done(&body) || role == NULL || requester_id >= ROLE_MAX || (role->spawned_by & ROLE_BIT(requester_id)) == 0)
		return -EBADMSG;
	requester = parent_find_child(parent, requester_id);
	if (requester == NULL)
		return 0; /* it has gone meanwhile: nobody waits */
	if (parent->as_root && (uid < parent->common->account_uid_low || uid > parent->common->account_uid_high))
		r = -EPERM;
	else if (parent->workers >= WORKERS_MAX)
		r = -EAGAIN;
	else
		r = parent_account_dir(parent->common->accounts_dir, relative, uid, parent->as_root, &folder);
	if (r == 0)
		r = start_worker(parent, role, requester, msg->id, uid, &quota, address, folder);
	if (r < 0)
		log_error("worker-not-started", log_span("account", address), log_errno("error", r), log_u64("uid", uid),
		    log_str("folder", parent->common->accounts_dir));
	answer_requester(requester, msg->id, r);
	return 0;
}

/* A worker does not answer whom it was handed to. Nobody but that process can speak of it: ids are each asker's own, and one that was started anew
 * has no workers yet. */
static int
end_worker(struct parent *parent, const struct msg_channel *channel, const struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	uint32_t request = msg_get_u32(&body);
	struct child *requester = parent_find_child(parent, msg_channel_peer(channel)), *worker = parent->children;

	if (!msg_done(&body) || requester == NULL || requester->channel != channel)
		return -EBADMSG;
	while (worker != NULL && (worker->requester != requester->number || worker->request != request))
		worker = worker->next;
	if (worker == NULL) {
		(void)msg_send(requester->channel, MSG_WORKER_ENDED, msg->id, NULL, -1);
		return 0;
	}
	worker->end_wanted = true;
	worker->end_request = msg->id;
	(void)kill(worker->pid, SIGKILL);
	return 0;
}

void
parent_tell_end(const struct parent *parent, const struct child *worker)
{
	for (struct child *child = parent->children; child != NULL && worker->end_wanted; child = child->next)
		if (child->number == worker->requester && child->channel != NULL)
			(void)msg_send(child->channel, MSG_WORKER_ENDED, worker->end_request, NULL, -1);
}

/* A role that sees no file wants to talk with another program of this host. */
static int
connect_for(struct parent *parent, struct msg_channel *channel, const struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	uint8_t which = msg_get_u8(&body);
	struct msg_writer answer;
	int r;

	if (!msg_done(&body))
		return -EBADMSG;
	r = parent_connect(parent->daemon, parent->conf, parent_find_role(parent, msg_channel_peer(channel)), parent->as_root, which);
	if (r == -EBADMSG)
		return r;
	msg_writer_init(&answer);
	msg_put_u32(&answer, r < 0 ? (uint32_t)-r : 0);
	(void)msg_send(channel, MSG_CONNECTED, msg->id, &answer, r < 0 ? -1 : r);
	return 0;
}

/* A channel ends without its roles when one of them could not take a message, as for want of descriptors. Where the peer has ended after all
 * it is joined to the others when it is started again. */
static int
join_again(const struct parent *parent, const struct msg_channel *channel, const struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	uint8_t peer = msg_get_u8(&body);
	struct child *child = parent_find_child(parent, msg_channel_peer(channel)), *other;
	int r;

	if (!msg_done(&body) || child == NULL || child->channel != channel || peer >= ROLE_MAX || (child->role->peers & ROLE_BIT(peer)) == 0)
		return -EBADMSG;
	other = parent_find_child(parent, peer);
	r = other != NULL && !parent->stopping ? child_join(child, other) : 0;
	if (r < 0)
		log_warning("not-joined", log_str("role", child->role->name), log_str("peer", other->role->name), log_errno("error", r));
	return 0;
}

int
parent_on_message(struct msg_channel *channel, struct msg *msg, void *context)
{
	switch (msg->type) {
	case MSG_SPAWN: return spawn(context, msg);
	case MSG_WORKER_END: return end_worker(context, channel, msg);
	case MSG_CONNECT: return connect_for(context, channel, msg);
	case MSG_PEER_LOST: return join_again(context, channel, msg);
	default: return -EBADMSG;
	}
}

void
parent_on_closed(struct msg_channel *channel, int error, void *context)
{
	struct parent *parent = context;

	/* The process is ending, or misbehaved and is made to: SIGCHLD does the rest. */
	for (struct child *child = parent->children; child != NULL; child = child->next)
		if (child->channel == channel) {
			if (error == -EBADMSG) {
				log_error("role-misbehaved", log_str("role", child->role->name), log_i64("pid", child->pid));
				(void)kill(child->pid, SIGKILL);
			}
			child->channel = msg_channel_free(channel);
			return;
		}
}
