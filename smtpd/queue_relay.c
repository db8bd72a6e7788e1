/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Jobs for the relay role, by destination: so many at once to one as its window says, so many in all. What becomes of them opens
 * and closes the window. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/envelope_msg.h"
#include "smtpd/queue.h"

/* Recipients of one transaction with another host: RFC 5321 4.5.3.1.8 has every server take 100. */
#define RECIPIENTS_MAX 100
/* Jobs that may wait for one destination, for each that may run. */
#define WAITING_FACTOR 20

struct relay_job {
	struct relay_job *next;
	struct lane *lane;
	struct attempt *attempt;
	uint32_t id;
	int64_t since; /* it runs */
	size_t count, open;
	struct {
		size_t recipient;
		bool answered;
	} recipients[];
};

/* A destination that has jobs. */
struct lane {
	struct lane *next;
	struct destination *destination;
	struct relay_job *first, **last; /* waiting */
	size_t waiting, running;
	bool slow; /* one that runs takes long */
};

struct relay_pool {
	struct queue *queue;
	struct lane *lanes; /* whose turn is next comes first */
	struct relay_job *running;
	size_t running_count;
	uint32_t last_id;
};

static void
drop_if_idle(struct relay_pool *pool, struct lane *lane)
{
	struct lane **at = &pool->lanes;

	if (lane->first != NULL || lane->running != 0)
		return;
	while (*at != lane)
		at = &(*at)->next;
	*at = lane->next;
	lane->destination->jobs = NULL;
	schedule_release(pool->queue->schedule, lane->destination);
	free(lane);
}

static struct lane *
lane_of(struct relay_pool *pool, struct destination *destination)
{
	struct lane *lane = destination->jobs, **at = &pool->lanes;

	if (lane != NULL) {
		schedule_release(pool->queue->schedule, destination);
		return lane;
	}
	while (*at != NULL)
		at = &(*at)->next;
	lane = *at = destination->jobs = xcalloc(1, sizeof(*lane));
	lane->destination = destination;
	lane->last = &lane->first;
	return lane;
}

/* --- sending --- */

static void
put_recipient(struct msg_writer *body, const struct envelope_recipient *recipient)
{
	msg_put_u8(body, recipient->notify);
	msg_put_span(body, span_of(recipient->orcpt));
	msg_put_span(body, span_of(recipient->address));
}

static int
send_job(struct relay_pool *pool, const struct relay_job *job)
{
	const struct spool_file *file = attempt_file(job->attempt);
	const struct envelope *envelope = &file->envelope;
	struct span sign_domain;
	enum sign_as sign_as = facts_sign_as(envelope, &sign_domain);
	struct msg_writer body;
	int fd = attempt_reopen(job->attempt);

	if (fd < 0)
		return fd;
	msg_writer_init(&body);
	msg_put_u64(&body, file->offset);
	msg_put_u64(&body, file->length);
	envelope_put_options(&body, envelope);
	msg_put_u8(&body, (uint8_t)sign_as);
	msg_put_span(&body, sign_domain);
	msg_put_span(&body, span_of(attempt_id(job->attempt)));
	msg_put_span(&body, span_of(job->lane->destination->name));
	msg_put_span(&body, span_of(envelope->sender));
	msg_put_span(&body, span_of(envelope->envid));
	msg_put_u16(&body, (uint16_t)job->count);
	for (size_t i = 0; i < job->count; i++)
		put_recipient(&body, &envelope->recipients[job->recipients[i].recipient]);
	return proc_send(pool->queue->proc, ROLE_RELAY, MSG_RELAY, job->id, &body, fd);
}

/* Takes a running job out and answers for what it has not answered. */
static void
end_job(struct relay_pool *pool, struct relay_job *job, const struct outcome *outcome)
{
	struct relay_job **at = &pool->running;

	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	pool->running_count--;
	job->lane->running--;
	job->lane->slow = false; /* unless another of them is found to be */
	drop_if_idle(pool, job->lane);
	for (size_t i = 0; i < job->count; i++)
		if (!job->recipients[i].answered)
			attempt_outcome(job->attempt, job->recipients[i].recipient, outcome);
	free(job);
}

static void
fail_ours(struct relay_pool *pool, struct relay_job *job, const char *text)
{
	struct outcome outcome;

	outcome_set(&outcome, VERDICT_TEMPFAIL, "4.3.0", span_of(text));
	outcome.ours = true;
	end_job(pool, job, &outcome);
}

/* --- whose turn it is --- */

/* A host that takes connections and says little holds a place for as long as it is waited for, and a single message may go to a hundred of
 * them: so not all places are for destinations that nobody knows to work, and fewer are for those that did not. */
enum rank { RANK_WORKS, RANK_UNKNOWN, RANK_FAILS, RANKS };
/* What runs longer counts as one rank worse. */
#define SLOW_SECONDS 60

static enum rank
rank_of(const struct lane *lane, bool slow)
{
	static const enum rank ranks[] = { [DESTINATION_WORKED] = RANK_WORKS, [DESTINATION_UNTRIED] = RANK_UNKNOWN, [DESTINATION_FAILED] = RANK_FAILS };
	enum rank rank = ranks[lane->destination->did];

	return slow && rank < RANK_FAILS ? rank + 1 : rank;
}

/* Places for jobs of that rank and all that are worse. */
static size_t
places_of(enum rank rank, size_t all)
{
	return rank == RANK_WORKS ? all : rank == RANK_UNKNOWN ? all - all / 4 : (all + 1) / 2;
}

/* How many jobs of each rank, or a worse one, are running; and which lanes are slow. */
static void
count_running(struct relay_pool *pool, size_t running[RANKS])
{
	int64_t now = queue_uptime();

	for (struct relay_job *job = pool->running; job != NULL; job = job->next) {
		bool slow = now - job->since >= SLOW_SECONDS;

		job->lane->slow |= slow;
		for (enum rank rank = RANK_WORKS; rank <= rank_of(job->lane, slow); rank++)
			running[rank]++;
	}
}

/* Destinations that have taken mail may all fall silent at once, each with a window of jobs. The last quarter of the places is not for those who have
 * many, unless there is nobody else: whoever has none gets one, and healthy destinations go on. */
static size_t
share_of(const struct relay_pool *pool, const struct lane *lane, size_t all)
{
	size_t window = schedule_window(lane->destination), free = all - pool->running_count, share = free / 4;

	if (free > all / 4 || pool->lanes->next == NULL)
		return window;
	if (share == 0)
		share = 1;
	return share < window ? share : window;
}

static bool
may_run(const struct relay_pool *pool, const struct lane *lane, const size_t running[RANKS], size_t all)
{
	enum rank rank = rank_of(lane, lane->slow);

	return lane->first != NULL && lane->running < share_of(pool, lane, all) && running[rank] < places_of(rank, all);
}

/* The next job whose destination may take one more; that destination goes to the end of the row. */
static struct relay_job *
next_job(struct relay_pool *pool)
{
	const struct smtpd_conf *conf = smtpd_conf(pool->queue->proc);
	struct lane **at = &pool->lanes, *lane;
	size_t running[RANKS] = { 0 };
	struct relay_job *job;

	if (pool->running_count >= (size_t)conf->relay_jobs_max)
		return NULL;
	count_running(pool, running);
	while (*at != NULL && !may_run(pool, *at, running, (size_t)conf->relay_jobs_max))
		at = &(*at)->next;
	lane = *at;
	if (lane == NULL)
		return NULL;
	*at = lane->next;
	while (*at != NULL)
		at = &(*at)->next;
	*at = lane;
	lane->next = NULL;
	job = lane->first;
	lane->first = job->next;
	if (lane->first == NULL)
		lane->last = &lane->first;
	lane->waiting--;
	lane->running++;
	job->since = queue_uptime();
	job->next = pool->running;
	pool->running = job;
	pool->running_count++;
	return job;
}

static void
run(struct relay_pool *pool)
{
	struct relay_job *job;

	while (pool->queue->proc->peers[ROLE_RELAY] != NULL && !pool->queue->proc->stopping && (job = next_job(pool)) != NULL) {
		int r;

		do
			job->id = ++pool->last_id;
		while (job->id == 0);
		r = send_job(pool, job);
		if (r < 0) {
			log_error("not-relayed", log_str("id", attempt_id(job->attempt)),
			    log_errno("error", r));
			fail_ours(pool, job, "The relay process is not there");
		}
	}
}

/* --- jobs --- */

static void
add_job(struct lane *lane, struct attempt *attempt, const size_t *recipients, size_t count)
{
	struct relay_job *job = xcalloc(1, sizeof(*job) + count * sizeof(job->recipients[0]));

	job->lane = lane;
	job->attempt = attempt;
	job->count = job->open = count;
	for (size_t i = 0; i < count; i++)
		job->recipients[i].recipient = recipients[i];
	*lane->last = job;
	lane->last = &job->next;
	lane->waiting++;
}

/* How many of the recipients fit into one message between roles. */
static size_t
fitting(const struct envelope *envelope, const size_t *recipients, size_t count)
{
	/* What stands before the recipients, each part at its longest. */
	size_t room = MSG_BODY_MAX -
	    (8 + 8 + ENVELOPE_OPTIONS_LEN + 1 + 2 + ENVELOPE_ADDRESS_MAX + 2 + SPOOL_ID_LEN + 2 + 255 + 2 + ENVELOPE_ADDRESS_MAX + 2 +
		ENVELOPE_XTEXT_MAX + 2),
	       fit = 0;

	while (fit < count && fit < RECIPIENTS_MAX) {
		const struct envelope_recipient *recipient = &envelope->recipients[recipients[fit]];
		size_t need = 5 + strlen(recipient->address) + span_of(recipient->orcpt).len;

		if (need > room)
			break;
		room -= need;
		fit++;
	}
	return fit;
}

void
relay_submit(struct queue *queue, struct attempt *attempt, struct destination *destination,
    const size_t *recipients, size_t count)
{
	struct lane *lane = lane_of(queue->relay, destination);

	while (count != 0) {
		size_t fit = fitting(&attempt_file(attempt)->envelope, recipients, count);

		add_job(lane, attempt, recipients, fit);
		recipients += fit;
		count -= fit;
	}
	queue_wake(queue);
}

bool
relay_is_crowded(struct queue *queue, const struct destination *destination)
{
	const struct lane *lane = destination->jobs;

	return lane != NULL && lane->waiting >= WAITING_FACTOR * (size_t)smtpd_conf(queue->proc)->relay_concurrency;
}

/* --- answers --- */

static bool
copy_text(char *to, size_t room, struct span text)
{
	if (text.len >= room)
		return false;
	if (text.len != 0)
		memcpy(to, text.ptr, text.len);
	to[text.len] = '\0';
	return true;
}

/* It is down: what waits for it need not find that out one by one, with its messages active all the time. */
static void
send_back(struct lane *lane, struct span reason)
{
	struct relay_job *job = lane->first, *next;
	struct outcome outcome;

	lane->first = NULL;
	lane->last = &lane->first;
	lane->waiting = 0;
	outcome_set(&outcome, VERDICT_TEMPFAIL, "4.4.1", reason);
	outcome.untried = true;
	for (; job != NULL; job = next) {
		next = job->next;
		for (size_t i = 0; i < job->count; i++)
			attempt_outcome(job->attempt, job->recipients[i].recipient, &outcome);
		free(job);
	}
}

/* The last answer of a job, which is still running, says whether its destination was reached. */
static void
learn(struct relay_pool *pool, struct lane *lane, const struct outcome *outcome)
{
	struct schedule *schedule = pool->queue->schedule;
	struct destination *destination = lane->destination;
	int64_t now = queue_now();

	if (outcome->reach != RELAY_UNREACHED) {
		if (outcome->reach == RELAY_ANSWERED ? schedule_worked(schedule, destination) : schedule_broke_off(schedule, destination))
			log_info("destination-up", log_str("destination", destination->name));
		return;
	}
	if (!schedule_failed(schedule, destination, now, queue_random(), span_of(outcome->text)))
		return;
	log_warning("destination-down", log_str("destination", destination->name), log_str("reason", outcome->text),
	    log_i64("again-in", destination->until - now), log_u64("messages", destination->row.count));
	send_back(lane, span_of(outcome->text));
}

int
relay_message(struct queue *queue, struct msg *msg)
{
	struct relay_pool *pool = queue->relay;
	struct msg_reader body = msg_read(msg);
	uint16_t place = msg_get_u16(&body);
	uint8_t verdict = msg_get_u8(&body);
	uint16_t code = msg_get_u16(&body);
	uint8_t takes = msg_get_u8(&body), reach = msg_get_u8(&body);
	struct span status = msg_get_span(&body), text = msg_get_span(&body),
		    host = msg_get_span(&body), tls = msg_get_span(&body);
	struct relay_job *job = pool->running;
	struct outcome outcome;

	while (job != NULL && job->id != msg->id)
		job = job->next;
	if (!msg_done(&body) || job == NULL || place >= job->count ||
	    job->recipients[place].answered || verdict > VERDICT_PERMFAIL || reach > RELAY_BROKE_OFF)
		return -EBADMSG;
	outcome_set(&outcome, (enum verdict)verdict, "", text);
	if (!copy_text(outcome.status, sizeof(outcome.status), status) ||
	    !copy_text(outcome.host, sizeof(outcome.host), host) || !copy_text(outcome.tls, sizeof(outcome.tls), tls))
		return -EBADMSG;
	outcome.remote = true;
	outcome.code = code;
	outcome.dsn = (takes & TAKES_DSN) != 0;
	outcome.by = (takes & TAKES_BY) != 0;
	outcome.reach = verdict == VERDICT_TEMPFAIL ? (enum relay_reach)reach : RELAY_ANSWERED;
	job->recipients[place].answered = true;
	if (--job->open == 0)
		learn(pool, job->lane, &outcome);
	attempt_outcome(job->attempt, job->recipients[place].recipient, &outcome);
	if (job->open == 0) {
		end_job(pool, job, NULL);
		run(pool);
	}
	return 0;
}

void
relay_gone(struct queue *queue)
{
	struct relay_pool *pool = queue->relay;

	while (pool->running != NULL)
		fail_ours(pool, pool->running, "The relay process has ended");
}

bool
relay_is_under_way(const struct queue *queue)
{
	return queue->relay->running != NULL;
}

void
relay_run(struct queue *queue)
{
	run(queue->relay);
}

struct relay_pool *
relay_pool_new(struct queue *queue)
{
	struct relay_pool *pool = xcalloc(1, sizeof(*pool));

	pool->queue = queue;
	return pool;
}
