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
#include "frame/srs_file.h"
#include "smtpd/queue.h"
#include "smtpd/queue_age.h"
#include "smtpd/smtpd.h"
#include "smtpd/spool_lock.h"

/* Descriptors: one for each active message and each job, one for each message being handed in, the
 * folders. */
#define DESCRIPTORS_MAX 65536
#define DESCRIPTORS_FIXED 512
#define ACTIVE_MAX 2000
/* Messages at once to a destination of which nothing is known yet. */
#define WINDOW_FIRST 5

#define SECOND 1000000
/* The relay role ends before that. */
#define STOP_SECONDS 7
/* For what is only to be written and told. */
#define LAST_US 50000
/* A clock that is put right by less makes no difference. */
#define CLOCK_SECONDS 60

int64_t
queue_now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * SECOND + now.tv_nsec / 1000;
}

/* Not time(2), which may be some milliseconds behind: a timer that ends with a second would find it still running. */
int64_t
queue_now(void)
{
	return queue_now_us() / SECOND;
}

int64_t
queue_uptime(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec;
}

uint32_t
queue_random(void)
{
	uint32_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		abort(); /* cannot fail for so few bytes once the system is up */
	return random;
}

/* --- when --- */

/* Attempts that go to other hosts leave room for deliveries here. */
static bool
relays(const struct queue *queue)
{
	return queue->active < queue->active_max / 4 * 3 + 1;
}

static void
arm(struct queue *queue)
{
	struct timeval wait = { 0, 0 };
	int64_t when = schedule_when(queue->schedule, relays(queue)), now = queue_now_us(), left;

	if (when == INT64_MAX || queue->active >= queue->active_max || queue->proc->stopping) {
		(void)event_del(queue->due);
		return;
	}
	/* As soon as that second begins; or after a minute, should somebody have set the clock. */
	if (when > now / SECOND) {
		left = when - now / SECOND <= 60 ? when * SECOND - now : 60 * SECOND;
		wait = (struct timeval){ left / SECOND, left % SECOND };
	}
	(void)event_add(queue->due, &wait);
}

static bool
cut_tell(void *context, struct queue_entry *entry)
{
	const struct queue *queue = context;
	int64_t now = queue_now();

	/* By the wrong time. It is looked at soon, and then this is known anew. */
	if (entry->tell > now + smtpd_conf(queue->proc)->queue_lifetime)
		entry->tell = now;
	return true;
}

/* What was to be due some minutes after a wrong time would be due some minutes after that once it comes. */
static void
watch_clock(struct queue *queue, int64_t now)
{
	if (queue->latest - now > CLOCK_SECONDS) {
		log_warning("clock-set-back", log_i64("seconds", queue->latest - now));
		schedule_set_back(queue->schedule, now);
		queue_table_each(queue->table, cut_tell, queue);
	}
	if (now > queue->latest || queue->latest - now > CLOCK_SECONDS)
		queue->latest = now;
}

static void
on_due(evutil_socket_t fd, short what, void *context)
{
	struct queue *queue = context;
	struct queue_entry *next;
	int64_t now = queue_now();

	(void)fd, (void)what;
	watch_clock(queue, now);
	while (queue->active < queue->active_max && !queue->proc->stopping &&
	    (next = schedule_next(queue->schedule, now, relays(queue))) != NULL)
		attempt_start(queue, next);
	relay_run(queue);
	arm(queue);
}

void
queue_wake(struct queue *queue)
{
	event_active(queue->due, EV_TIMEOUT, 0);
}

void
queue_try_at(struct queue *queue, struct queue_entry *entry, int64_t due)
{
	schedule_at(queue->schedule, entry, due);
	queue_wake(queue);
}

struct queue_entry *
queue_enter(struct queue *queue, const char *id, const struct facts *facts, bool held)
{
	struct queue_entry *entry = queue_table_add(queue->table, id, facts->uid, facts->drop);

	entry->state = held ? ENTRY_HELD : ENTRY_IDLE;
	entry->born = age_born(facts->created, queue_now(), queue_uptime());
	entry->priority = facts->priority;
	entry->sender = facts->sender;
	facts_apply(queue, entry, facts);
	return entry;
}

void
queue_leave(struct queue *queue, struct queue_entry *entry)
{
	if (entry->drop != NULL)
		pickup_forget(queue, entry->drop);
	queue_control_forget(queue, entry);
	schedule_forget(queue->schedule, entry);
	queue_table_remove(queue->table, entry);
}

/* What a reload may change. */
static void
set_limits(struct queue *queue)
{
	const struct smtpd_conf *conf = smtpd_conf(queue->proc);
	const struct schedule_limits limits = {
		.window_first = WINDOW_FIRST,
		.window_max = (unsigned)conf->relay_concurrency,
		.pause_min = conf->retry_min,
		.pause_max = conf->retry_max,
	};

	schedule_set_limits(queue->schedule, &limits);
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
on_greylist(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;

	(void)channel;
	return greylist_message(proc->state, msg);
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

static int
on_secret_file(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct queue *queue = proc->state;

	(void)channel;
	srs_renew(proc, msg->fd, &queue->srs);
	return 0;
}

static void
on_stopped(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	proc_exit(context, EX_OK);
}

static void
stop_within(struct queue *queue, struct timeval time)
{
	if (event_base_once(queue->proc->base, -1, EV_TIMEOUT, on_stopped, queue->proc, &time) < 0)
		proc_exit(queue->proc, EX_OK);
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
	else if (peer == ROLE_POLICY)
		queue_sts_policy_gone();
	if (peer == ROLE_RELAY && queue->proc->stopping)
		stop_within(queue, (struct timeval){ 0, LAST_US }); /* what comes of it is being written */
}

static bool
hurry_faulted(void *context, struct queue_entry *entry)
{
	struct queue *queue = context;

	if (entry->state == ENTRY_WAITING && entry->faults != 0)
		schedule_at(queue->schedule, entry, queue_now());
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
 * stands. But what other hosts have, and are about to say so, they would get again: the relay role waits for that, and we for it.
 * So would a mailbox, from a client who has no answer: he is promised the message, for under its name no mailbox takes it twice. */
static void
stop(struct proc *proc)
{
	struct queue *queue = proc->state;

	log_info("queue-stops", log_u64("messages", queue_table_count(queue->table)),
	    log_u64("active", queue->active));
	direct_promise_all(queue);
	if (relay_is_under_way(queue))
		stop_within(queue, (struct timeval){ STOP_SECONDS, 0 });
	else if (intake_is_under_way(queue))
		stop_within(queue, (struct timeval){ 0, LAST_US });
	else
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
	const char *folder = queue->proc->common->spool_dir;
	int r;

	/* The jail's trial touches nothing. */
	if (!queue->proc->probe && !spool_lock_queue(folder))
		return false;
	r = queue_files_open(folder, &queue->files);
	if (r < 0) {
		log_error("spool-unusable", log_str("folder", folder), log_errno("error", r));
	} else {
		queue->ledger = queue_ledger_open(queue);
		queue->pickup = pickup_new(queue);
	}
	return r == 0 && queue->pickup != NULL;
}

static void
postmaster_looked_up(void *context, enum lookup_result result, struct span account)
{
	struct queue *queue = context;

	(void)account;
	if (result == LOOKUP_UNKNOWN || result == LOOKUP_LOOP || result == LOOKUP_NOT_OURS)
		log_warning("no-postmaster",
		    log_str("address", smtpd_postmaster(smtpd_conf(queue->proc))),
		    log_str("hint",
			"add that account, or set postmaster in smtpd.conf"));
}

static int
on_sts_message(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;

	(void)channel;
	switch (msg->type) {
	case MSG_STS_LOAD: return queue_sts_load(proc->state, msg);
	case MSG_STS_KEEP_PART: return queue_sts_keep_part(msg);
	default: return queue_sts_keep(proc->state, msg);
	}
}

static void
accounts_changed_now(void *context)
{
	deliver_renew(context);
}

static void
reloaded(struct proc *proc)
{
	struct queue *queue = proc->state;

	set_limits(queue);
	if (proc->common->srs_secret[0] == '\0')
		queue->srs = srs_free(queue->srs);
	deliver_renew(queue);
	reader_again(queue);
}

/* False after a log line. */
static bool
start(struct queue *queue)
{
	if (!reader_start(queue))
		return false;
	(void)auth_lookup(queue->auth, span_of(smtpd_postmaster(smtpd_conf(queue->proc))),
	    SPAN_NULL, postmaster_looked_up, queue);
	return true;
}

int
proc_queue(struct proc *proc)
{
	static const struct proc_handler handlers[] = {
		{ MSG_MESSAGE_OPEN, on_smtp_message },
		{ MSG_MESSAGE_RCPT, on_smtp_message },
		{ MSG_MESSAGE_GROW, on_smtp_message }, { MSG_MESSAGE_READ, on_smtp_message },
		{ MSG_MESSAGE_COMMIT, on_smtp_message },
		{ MSG_MESSAGE_REWRITE, on_smtp_message },
		{ MSG_MESSAGE_ABORT, on_smtp_message },
		{ MSG_GREYLIST, on_greylist },
		{ MSG_RELAYED, on_relayed },
		{ MSG_SECRET_FILE, on_secret_file },
		{ MSG_LOOKUP_MEMBERS, on_auth_message },
		{ MSG_LOOKUP_RESULT, on_auth_message },
		{ MSG_WORKER, on_auth_message },
		{ MSG_WORKER_FAILED, on_auth_message },
		{ MSG_WORKER_REFUSED, on_auth_message },
		{ MSG_WORKER_ENDED, on_auth_message },
		{ MSG_STS_LOAD, on_sts_message },
		{ MSG_STS_KEEP_PART, on_sts_message },
		{ MSG_STS_KEEP, on_sts_message },
	};
	static struct queue queue;
	struct jail jail = {
		.paths = { { proc->common->spool_dir, JAIL_PATH_WRITE } },
		.allow = JAIL_READ_FILES | JAIL_WRITE_FILES | JAIL_MEMFD,
	};
	uint64_t seed;

	queue.proc = proc;
	proc->state = &queue;
	proc->handlers = handlers;
	proc->handler_count = sizeof(handlers) / sizeof(*handlers);
	proc->peer_gone = peer_gone;
	proc->peer_here = peer_here;
	proc->stop = stop;
	proc->reload = reloaded;
	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return EX_OSERR;
	queue.table = queue_table_new(seed);
	queue.schedule = schedule_new(seed);
	set_limits(&queue);
	queue.due = event_new(proc->base, -1, 0, on_due, &queue);
	if (queue.due == NULL || !open_spool(&queue))
		return EX_OSERR;
	queue.srs = srs_load(proc);
	jail.descriptors_max = descriptors(&queue);
	/* --- jail --- */
	proc_jail(proc, &jail);
	queue.auth = auth_client_new(proc);
	queue.intake = intake_new(&queue);
	queue.deliver = deliver_pool_new(&queue);
	queue.relay = relay_pool_new(&queue);
	auth_tell_changes(queue.auth, accounts_changed_now, &queue);
	return start(&queue) ? proc_loop(proc) : EX_NOINPUT;
}
