/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What children ask of the parent: a worker for an account, when auth says so, the end of one that hangs or is not wanted any more, sockets of other programs of this host, and channels that they lost. */
#include <errno.h>
#include <event2/event.h>
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
/* Until a worker has its folder, and is in its jail: a hundredth of a second, unless the file system does not answer. Clients wait meanwhile. */
#define READY_SECONDS 20
/* Until one that nobody wants any more has ended: it may have much to write. */
#define END_SECONDS 300
#define ERRNO_MAX 4095

/* The child that the worker was started for, or NULL: it has gone. */
static struct child *
requester_of(const struct parent *parent, const struct child *worker)
{
	struct child *child = parent->children;

	while (child != NULL && (child->number != worker->requester || child->channel == NULL))
		child = child->next;
	return child;
}

static struct child *
worker_of(const struct parent *parent, const struct child *requester, uint32_t request)
{
	struct child *worker = parent->children;

	while (worker != NULL && (worker->requester != requester->number || worker->request != request))
		worker = worker->next;
	return worker;
}

/* A WORKER or WORKER_FAILED. */
static void
answer_requester(struct child *requester, uint32_t id, int fd)
{
	if (msg_send(requester->channel, fd >= 0 ? MSG_WORKER : MSG_WORKER_FAILED, id, NULL, fd) < 0)
		log_warning("worker-not-handed-over", log_str("to", requester->role->name));
}

static void
log_not_started(const struct parent *parent, struct span account, uid_t uid, int error)
{
	log_error("worker-not-started", log_span("account", account), log_errno("error", error), log_u64("uid", uid),
	    log_str("folder", parent->common->accounts_dir));
}

/* The worker is ready, or will not be: what is answered for it needs no more patience. */
static void
end_start(const struct parent *parent, struct child *worker, bool ready)
{
	struct child *requester = requester_of(parent, worker);
	int fd = worker->handed;

	worker->starting = false;
	worker->handed = -1;
	if (worker->patience != NULL)
		(void)event_del(worker->patience);
	if (!ready || requester == NULL) {
		(void)close(fd); /* and so ends a worker that nobody waits for any more */
		fd = -1;
	}
	if (requester != NULL)
		answer_requester(requester, worker->request, fd);
}

static void
fail_start(const struct parent *parent, struct child *worker, int error)
{
	if (!parent->stopping)
		log_not_started(parent, span_of(worker->account), worker->uid, error);
	end_start(parent, worker, false);
}

/* A file system does not answer, most likely. Until it has ended, which is not sure, no other is started that would hang beside it. */
static void
kill_hung(struct child *worker)
{
	worker->hung = true;
	(void)kill(worker->pid, SIGKILL);
}

static void
on_impatience(evutil_socket_t fd, short what, void *context)
{
	struct child *worker = context;

	(void)fd, (void)what;
	if (worker->starting)
		fail_start(worker->parent, worker, -ETIMEDOUT);
	else
		log_error("worker-stays", log_str("account", worker->account), log_i64("pid", worker->pid), log_u64("seconds", END_SECONDS),
		    log_str("hint", "it was to end, and is killed"));
	kill_hung(worker);
}

static int
set_patience(struct parent *parent, struct child *worker, unsigned seconds)
{
	const struct timeval patience = { seconds, 0 };

	worker->parent = parent;
	if (worker->patience == NULL)
		worker->patience = evtimer_new(parent->base, on_impatience, worker);
	return worker->patience != NULL && event_add(worker->patience, &patience) == 0 ? 0 : -ENOMEM;
}

/* Gives a worker what it needs and lets it go: on_ready or its end tell the requester. 0 or -errno. */
static int
release_worker(struct parent *parent, struct child *worker, uint8_t requester)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	r = child_send_peer(worker, requester, pair[0]);
	if (r == 0)
		r = child_send_start(parent, worker);
	if (r == 0)
		r = set_patience(parent, worker, READY_SECONDS);
	if (r < 0) {
		(void)close(pair[1]);
		return r;
	}
	worker->handed = pair[1];
	worker->starting = true;
	return 0;
}

/* Starts a worker (and its companion) for an account. 0 or -errno. */
static int
start_worker(struct parent *parent, const struct role *role, const struct child *requester, uint32_t request, uid_t uid, const struct ms_quota *quota,
    struct span address, struct span path)
{
	struct child *worker = parent_start_child(parent, role), *companion = NULL;
	int r;

	if (worker == NULL)
		return -EAGAIN;
	worker->account = span_dup(address);
	worker->requester = requester->number;
	worker->request = request;
	worker->uid = uid;
	r = child_send_account(worker, uid, quota, address, path);
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

/* One that hung and was killed is still there: as long as the system keeps it. */
static bool
has_hung(const struct parent *parent, struct span account)
{
	const struct child *child = parent->children;

	while (child != NULL && (!child->hung || !span_eq(span_of(child->account), account)))
		child = child->next;
	return child != NULL;
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
	else if (has_hung(parent, address))
		r = -EBUSY;
	else
		r = start_worker(parent, role, requester, msg->id, uid, &quota, address, relative);
	if (r < 0) {
		log_not_started(parent, address, uid, r);
		answer_requester(requester, msg->id, -1);
	}
	return 0;
}

/* Once, of a worker alone. */
static int
on_ready(struct parent *parent, const struct msg_channel *channel, const struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	uint32_t error = msg_get_u32(&body);
	struct child *worker = parent->children;

	while (worker != NULL && worker->channel != channel)
		worker = worker->next;
	if (!msg_done(&body) || worker == NULL || error > ERRNO_MAX)
		return -EBADMSG;
	if (worker->hung)
		return 0; /* it has been given up */
	if (!worker->starting)
		return -EBADMSG;
	if (error != 0)
		fail_start(parent, worker, -(int)error);
	else
		end_start(parent, worker, true);
	return 0;
}

/* Who speaks, and of which of his workers: NULL, it has ended. Nobody but the process that it was, or is to be, handed to can speak of it: ids are each
 * asker's own, and one that was started anew has no workers yet. 0 or -EBADMSG. */
static int
take_request(const struct parent *parent, const struct msg_channel *channel, const struct msg *msg, struct child **ret_requester, struct child **ret_worker)
{
	struct msg_reader body = msg_read(msg);
	uint32_t request = msg_get_u32(&body);
	struct child *requester = parent_find_child(parent, msg_channel_peer(channel));

	if (!msg_done(&body) || requester == NULL || requester->channel != channel)
		return -EBADMSG;
	*ret_requester = requester;
	*ret_worker = worker_of(parent, requester, request);
	return 0;
}

/* A worker does not answer. */
static int
end_worker(struct parent *parent, const struct msg_channel *channel, const struct msg *msg)
{
	struct child *requester, *worker;
	int r = take_request(parent, channel, msg, &requester, &worker);

	if (r < 0)
		return r;
	if (worker == NULL) {
		(void)msg_send(requester->channel, MSG_WORKER_ENDED, msg->id, NULL, -1);
		return 0;
	}
	if (worker->starting)
		end_start(parent, worker, false);
	worker->end_wanted = true;
	worker->end_request = msg->id;
	kill_hung(worker);
	return 0;
}

/* Whom a worker was handed to wants it no more: it sees that by itself, unless it hangs already. */
static int
leave_worker(struct parent *parent, const struct msg_channel *channel, const struct msg *msg)
{
	struct child *requester, *worker;
	int r = take_request(parent, channel, msg, &requester, &worker);

	if (r < 0)
		return r;
	if (worker == NULL || worker->starting || worker->hung)
		return 0; /* it has ended, or is going to */
	if (set_patience(parent, worker, END_SECONDS) < 0)
		log_warning("worker-not-watched", log_str("account", worker->account));
	return 0;
}

void
parent_worker_ended(const struct parent *parent, struct child *worker)
{
	struct child *requester = requester_of(parent, worker);

	if (worker->starting)
		fail_start(parent, worker, -EPIPE);
	if (worker->end_wanted && requester != NULL)
		(void)msg_send(requester->channel, MSG_WORKER_ENDED, worker->end_request, NULL, -1);
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
	case MSG_WORKER_READY: return on_ready(context, channel, msg);
	case MSG_WORKER_LEFT: return leave_worker(context, channel, msg);
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
