/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The queue role: the only writer of the spool. Takes messages from smtp and from drop/, decides
 * when each is tried, gives them to deliver processes and to the relay role, and tells senders. It
 * sees neither the network nor any account's mail. */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "smtpd/queue.h"
#include "smtpd/smtpd.h"

/* Descriptors: one for each active message and each job, one for each message being handed in, the
 * folders. */
#define DESCRIPTORS_MAX 65536
#define DESCRIPTORS_FIXED 512
#define ACTIVE_MAX 2000

int64_t
queue_now(void)
{
	return (int64_t)time(NULL);
}

int64_t
queue_now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* --- when --- */

static void
arm(struct queue *queue)
{
	const struct queue_entry *first = queue_table_first(queue->table);
	struct timeval wait = { 0, 0 };

	if (first == NULL || queue->active >= queue->active_max || queue->stopping) {
		(void)event_del(queue->due);
		return;
	}
	/* Looks at the clock again after a minute at least, should somebody have set it. */
	if (first->due > queue_now())
		wait.tv_sec = first->due - queue_now() < 60 ? first->due - queue_now() : 60;
	(void)event_add(queue->due, &wait);
}

static void
on_due(evutil_socket_t fd, short what, void *context)
{
	struct queue *queue = context;
	struct queue_entry *first;
	int64_t now = queue_now();

	(void)fd, (void)what;
	while (queue->active < queue->active_max && !queue->stopping &&
	    (first = queue_table_first(queue->table)) != NULL && first->due <= now) {
		queue_table_take(queue->table, first, ENTRY_ACTIVE);
		attempt_start(queue, first);
	}
	relay_run(queue);
	arm(queue);
}

void
queue_wake(struct queue *queue)
{
	event_active(queue->due, EV_TIMEOUT, 0);
}

void
queue_schedule(struct queue *queue, struct queue_entry *entry, int64_t due)
{
	queue_table_schedule(queue->table, entry, due);
	queue_wake(queue);
}

struct hurry {
	struct queue *queue;
	size_t room, left;
	int64_t now;
};

static bool
hurry_crowded(void *context, struct queue_entry *entry)
{
	struct hurry *hurry = context;

	if (entry->state != ENTRY_WAITING || !entry->crowded)
		return true;
	if (hurry->room == 0) {
		hurry->left++;
		return false;
	}
	hurry->room--;
	entry->crowded = false;
	if (entry->due > hurry->now)
		queue_table_schedule(hurry->queue->table, entry, hurry->now);
	return true;
}

void
queue_hurry_crowded(struct queue *queue, size_t room)
{
	struct hurry hurry = { .queue = queue, .room = room, .now = queue_now() };

	if (!queue->crowded)
		return;
	queue_table_each(queue->table, hurry_crowded, &hurry);
	queue->crowded = hurry.left != 0;
	queue_wake(queue);
}

struct queue_entry *
queue_enter(struct queue *queue, const char *id, const struct envelope *envelope, bool held)
{
	struct queue_entry *entry =
	    queue_table_add(queue->table, id, envelope->uid, envelope->drop);

	entry->state = held ? ENTRY_HELD : ENTRY_IDLE;
	return entry;
}

/* --- starting --- */

struct scan {
	struct queue *queue;
	size_t queued, held, corrupt;
};

static bool
has_open_recipient(const struct envelope *envelope)
{
	for (size_t i = 0; i < envelope->count; i++)
		if (envelope_is_open(&envelope->recipients[i]))
			return true;
	return false;
}

static void
found(void *context, const char *id, bool held, const struct spool_file *file, int error)
{
	struct scan *scan = context;
	struct queue_entry *entry;
	int64_t due;

	if (file == NULL) {
		scan->corrupt++;
		log_error("unreadable", log_str("id", id), log_errno("error", error),
		    log_str("held", held ? "yes" : "no"));
		if (error == -EBADMSG)
			(void)queue_files_set_aside(scan->queue->files, id, held);
		return;
	}
	entry = queue_enter(scan->queue, id, &file->envelope, held);
	if (held) {
		scan->held++;
		return;
	}
	scan->queued++;
	due = file->envelope.progress.due;
	if (file->envelope.release > due)
		due = file->envelope.release;
	/* What a crash left between the last status and the removal goes at once. */
	if (!has_open_recipient(&file->envelope))
		due = 0;
	queue_schedule(scan->queue, entry, due);
}

/* --- the role --- */

static int
on_smtp_message(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;

	(void)channel;
	return intake_message(proc->state, msg);
}

static int
on_relayed(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;

	(void)channel;
	return relay_message(proc->state, msg);
}

static int
on_auth_message(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct queue *queue = proc->state;

	(void)channel;
	return auth_client_message(queue->auth, msg);
}

static void
peer_gone(struct proc *proc, uint8_t peer)
{
	struct queue *queue = proc->state;

	auth_client_peer_gone(queue->auth, peer);
	if (peer == ROLE_FRONT)
		intake_smtp_gone(queue);
	else if (peer == ROLE_RELAY)
		relay_gone(queue);
}

static bool
hurry_faulted(void *context, struct queue_entry *entry)
{
	struct queue *queue = context;
	int64_t now = queue_now();

	if (entry->state == ENTRY_WAITING && entry->faults != 0 && entry->due > now)
		queue_table_schedule(queue->table, entry, now);
	return true;
}

/* What waits because a role was gone need not wait for its time when that role is back. */
static void
peer_here(struct proc *proc, uint8_t peer)
{
	struct queue *queue = proc->state;

	if (peer != ROLE_AUTH && peer != ROLE_RELAY)
		return;
	queue_table_each(queue->table, hurry_faulted, queue);
	queue_wake(queue);
}

/* What is under way is lost with the process, and nothing else: each file tells where its message
 * stands. */
static void
stop(struct proc *proc)
{
	struct queue *queue = proc->state;

	queue->stopping = true;
	log_info("queue-stops", log_u64("messages", queue_table_count(queue->table)),
	    log_u64("active", queue->active));
	proc_exit(proc, EX_OK);
}

static unsigned
descriptors(struct queue *queue)
{
	struct rlimit limit = { 0, 0 };
	rlim_t most = DESCRIPTORS_MAX;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < most)
		most = limit.rlim_max;
	/* Each active message may have some jobs, each with a descriptor on its way. */
	queue->active_max =
	    most > 4 * DESCRIPTORS_FIXED ? (size_t)(most - DESCRIPTORS_FIXED) / 4 : 64;
	if (queue->active_max > ACTIVE_MAX)
		queue->active_max = ACTIVE_MAX;
	return (unsigned)most;
}

/* What is opened before the jail. */
static bool
open_spool(struct queue *queue)
{
	int r = queue_files_open(queue->proc->common->spool_dir, &queue->files);

	if (r < 0)
		log_error("spool-unusable", log_str("folder", queue->proc->common->spool_dir),
		    log_errno("error", r));
	else
		queue->pickup = pickup_new(queue);
	return r == 0 && queue->pickup != NULL;
}

static void
postmaster_looked_up(void *context, enum lookup_result result, struct span account)
{
	struct queue *queue = context;

	(void)account;
	if (result == LOOKUP_UNKNOWN || result == LOOKUP_NOT_OURS)
		log_warning("no-postmaster",
		    log_str("address", smtpd_postmaster(smtpd_conf(queue->proc))),
		    log_str("hint",
			"add that account, or set postmaster in smtpd.conf"));
}

/* False after a log line. */
static bool
start(struct queue *queue)
{
	struct scan scan = { .queue = queue };
	int r = queue_files_scan(queue->files, found, &scan);

	if (r < 0) {
		/* A queue that does not know its messages must not pretend that there are none. */
		log_error("spool-unreadable", log_str("folder", queue->proc->common->spool_dir),
		    log_errno("error", r));
		return false;
	}
	log_info("queue-ready", log_u64("queued", scan.queued), log_u64("held", scan.held),
	    log_u64("corrupt", scan.corrupt));
	pickup_start(queue);
	(void)auth_lookup(queue->auth, span_of(smtpd_postmaster(smtpd_conf(queue->proc))),
	    postmaster_looked_up, queue);
	return true;
}

int
proc_queue(struct proc *proc)
{
	static const struct proc_handler handlers[] = {
		{ MSG_MESSAGE_OPEN, on_smtp_message },
		{ MSG_MESSAGE_RCPT, on_smtp_message },
		{ MSG_MESSAGE_READY, on_smtp_message },
		{ MSG_MESSAGE_COMMIT, on_smtp_message },
		{ MSG_MESSAGE_ABORT, on_smtp_message },
		{ MSG_RELAYED, on_relayed },
		{ MSG_LOOKUP_RESULT, on_auth_message },
		{ MSG_WORKER, on_auth_message },
		{ MSG_WORKER_FAILED, on_auth_message },
		{ MSG_WORKER_REFUSED, on_auth_message },
	};
	static struct queue queue;
	struct jail jail = {
		.paths = { { proc->common->spool_dir, JAIL_PATH_WRITE } },
		.allow = JAIL_READ_FILES | JAIL_WRITE_FILES,
	};
	uint64_t seed;

	queue.proc = proc;
	proc->state = &queue;
	proc->handlers = handlers;
	proc->handler_count = sizeof(handlers) / sizeof(*handlers);
	proc->peer_gone = peer_gone;
	proc->peer_here = peer_here;
	proc->stop = stop;
	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return EX_OSERR;
	queue.table = queue_table_new(seed);
	queue.due = event_new(proc->base, -1, 0, on_due, &queue);
	if (queue.due == NULL || !open_spool(&queue))
		return EX_OSERR;
	jail.descriptors_max = descriptors(&queue);
	/* --- jail --- */
	proc_jail(proc, &jail);
	queue.auth = auth_client_new(proc);
	queue.intake = intake_new(&queue);
	queue.deliver = deliver_pool_new(&queue);
	queue.relay = relay_pool_new(&queue);
	return start(&queue) ? proc_loop(proc) : EX_NOINPUT;
}
