/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The end of an attempt: what the outcomes make of the message.
 *
 * Order: the notification to the sender is on stable storage before a recipient is marked as failed, and the file is removed last. A crash
 * in between repeats a delivery; it never loses one. The notification tells itself what is to be marked (queue_bounce.c), so that it is not
 * repeated. */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/dsn.h"
#include "smtpd/queue_attempt.h"

/* After a fault of our own, such as a role that is gone for a moment: 1 s, 2 s, 4 s, ... up to this, or
 * retry_min where that is shorter. */
#define FAULT_SECONDS 1
#define FAULT_SECONDS_MAX 64
/* Where a destination has as many jobs waiting as it can take, a message for several destinations comes back then. */
#define CROWDED_SECONDS 20

static void
forget(struct attempt *attempt)
{
	for (size_t i = 0; attempt->targets != NULL && i < attempt->file.envelope.count; i++) {
		free(attempt->targets[i].destination);
		free(attempt->targets[i].members);
		free(attempt->targets[i].behind);
		free(attempt->targets[i].owner);
		free(attempt->targets[i].outcome);
	}
	free(attempt->targets);
	free(attempt->reports);
	if (attempt->again != NULL)
		event_free(attempt->again);
	spool_close(&attempt->file);
	free(attempt);
}

static int64_t
retry_delay(const struct smtpd_conf *conf, uint32_t attempts)
{
	int64_t delay = conf->retry_min;

	for (uint32_t i = 1; i < attempts && delay < conf->retry_max; i++)
		delay *= 2;
	if (delay > conf->retry_max)
		delay = conf->retry_max;
	/* A tenth up or down, so that what failed together does not come back together. */
	return delay + delay * ((int64_t)(queue_random() % 256) - 128) / 1280;
}

static int64_t
fault_delay(const struct smtpd_conf *conf, unsigned faults)
{
	int64_t delay = FAULT_SECONDS;

	for (unsigned i = 0; i < faults && delay < FAULT_SECONDS_MAX; i++)
		delay *= 2;
	return delay < conf->retry_min ? delay : conf->retry_min;
}

/* Puts the entry where it belongs now. */
void
attempt_settle(struct attempt *attempt, int64_t due)
{
	struct queue *queue = attempt->queue;
	struct queue_entry *entry = attempt->entry;

	struct facts facts;

	queue->active--;
	schedule_ended(queue->schedule, entry);
	facts_of(smtpd_conf(queue->proc), &attempt->file.envelope, &facts);
	facts_apply(queue, entry, &facts);
	facts_free(&facts);
	queue_try_at(queue, entry, entry->retry_wanted || entry->requeue_wanted ? queue_now() : due);
	if (entry->retry_wanted || entry->requeue_wanted)
		schedule_hurry(queue->schedule, entry, queue_now());
	if (attempt->anew && entry->requeue_kept && !entry->requeue_wanted) {
		entry->requeue_kept = false;
		wish_drop(queue, DROP_REQUEUE, entry->id);
	}
	entry->requeued |= entry->requeue_wanted;
	entry->hurried = entry->retry_wanted;
	entry->retry_wanted = entry->requeue_wanted = false;
	queue_control_late(queue, entry);
	forget(attempt);
}

/* Nothing is left of it on disk. */
void
attempt_leave(struct attempt *attempt)
{
	struct queue *queue = attempt->queue;

	queue_leave(queue, attempt->entry);
	queue->active--;
	forget(attempt);
	queue_wake(queue);
}

/* It is finished, and its file stays all the same: the removal is tried again. What has been done is written, or the next start, or attempt, would
 * do it again. */
static void
not_removed(struct attempt *attempt, int error)
{
	struct queue_entry *entry = attempt->entry;
	int r = queue_files_update(&attempt->file, true);

	log_error("not-removed", log_str("id", entry->id), log_errno("error", error));
	if (r < 0) {
		log_error("not-updated", log_str("id", entry->id), log_errno("error", r));
		attempt_go_on_later(attempt);
		return;
	}
	if (entry->faults < UINT8_MAX)
		entry->faults++;
	attempt_settle(attempt, queue_now() + fault_delay(smtpd_conf(attempt->queue->proc), entry->faults - 1u));
}

void
attempt_done(struct attempt *attempt)
{
	int r = queue_files_remove(attempt->queue->files, attempt->entry->id, false);

	if (r < 0 && r != -ENOENT) {
		not_removed(attempt, r);
		return;
	}
	log_info("done", log_str("id", attempt->entry->id),
	    log_i64("age", queue_now() - attempt->file.envelope.created));
	attempt_leave(attempt);
}

/* All that is left goes to one destination, and that is down. */
static bool
waits_for_destination(const struct attempt *attempt)
{
	const struct destination *destination = attempt->entry->destination;

	return destination != NULL && attempt->unreached && attempt->entry->faults == 0 && schedule_is_down(destination, queue_now());
}

/* When the message is due again; ours: something did not work here. */
static int64_t
next_attempt(struct attempt *attempt, bool counted, bool ours)
{
	const struct smtpd_conf *conf = smtpd_conf(attempt->queue->proc);
	struct queue_entry *entry = attempt->entry;
	int64_t now = queue_now();

	if (!ours)
		entry->faults = 0;
	else if (entry->faults < UINT8_MAX)
		entry->faults++;
	if (ours)
		return now + fault_delay(conf, entry->faults - 1u);
	if (waits_for_destination(attempt))
		return entry->destination->until;
	if (attempt->crowded && !counted)
		return now + CROWDED_SECONDS;
	if (attempt->until != 0 && !counted)
		return attempt->until;
	return now + retry_delay(conf, attempt->file.envelope.progress.attempts);
}

/* What is late is told or returned when it is, not at the attempt after. */
static int64_t
not_past_deadline(const struct envelope *envelope, int64_t due)
{
	return envelope->by != ENVELOPE_BY_NONE && due > envelope->deliver_by &&
		envelope->deliver_by > queue_now() ? envelope->deliver_by : due;
}

static void
write_progress(struct attempt *attempt)
{
	const struct envelope *envelope = &attempt->file.envelope;
	int r = queue_files_update(&attempt->file, envelope->count > 1);

	if (r < 0) {
		log_error("not-updated", log_str("id", attempt->entry->id), log_errno("error", r));
		/* Tried again without it, those who have the message would get it each time. */
		if (attempt->progressed) {
			attempt_go_on_later(attempt);
			return;
		}
	}
	/* In the row of its destination it comes as soon as that is back. */
	attempt_settle(attempt, waits_for_destination(attempt) ? queue_now() : envelope->progress.due);
}

static bool
is_open(const struct envelope *envelope)
{
	for (size_t i = 0; i < envelope->count; i++)
		if (envelope_is_open(&envelope->recipients[i]))
			return true;
	return false;
}

static void
on_again(evutil_socket_t fd, short what, void *context)
{
	struct attempt *attempt = context;

	(void)fd, (void)what;
	if (!attempt->told)
		attempt_tell(attempt);
	else if (is_open(&attempt->file.envelope))
		write_progress(attempt);
	else
		attempt_done(attempt);
}

/* Until it can be told and written what became of it, the message stays active. */
void
attempt_go_on_later(struct attempt *attempt)
{
	const struct timeval later = { FAULT_SECONDS_MAX, 0 };

	if (attempt->again == NULL)
		attempt->again = event_new(attempt->queue->proc->base, -1, 0, on_again, attempt);
	if (attempt->again == NULL)
		abort();
	(void)event_add(attempt->again, &later);
}

char
attempt_status_of(const struct outcome *outcome)
{
	return outcome->expanded != NOT_EXPANDED ? ENVELOPE_EXPANDED : outcome->remote ? ENVELOPE_RELAYED : ENVELOPE_DELIVERED;
}

void
attempt_statuses(const struct attempt *attempt, bool reported, char *ret_statuses)
{
	const struct envelope *envelope = &attempt->file.envelope;

	for (size_t i = 0; i < envelope->count; i++) {
		const struct outcome *outcome = attempt->targets[i].outcome;

		ret_statuses[i] = envelope->recipients[i].status;
		if (envelope_is_open(&envelope->recipients[i]) && outcome != NULL && outcome->verdict == VERDICT_OK)
			ret_statuses[i] = attempt_status_of(outcome);
	}
	for (size_t i = 0; i < attempt->report_count && reported; i++)
		if (attempt->reports[i].action == DSN_FAILED)
			ret_statuses[attempt->reports[i].recipient] = ENVELOPE_FAILED;
		else if (attempt->reports[i].action == DSN_DELAYED && ret_statuses[attempt->reports[i].recipient] != ENVELOPE_HALF)
			ret_statuses[attempt->reports[i].recipient] = ENVELOPE_WARNED;
}

/* All that is to be told has been told: writes what became of each. */
void
attempt_conclude(struct attempt *attempt, bool reported)
{
	struct envelope *envelope = &attempt->file.envelope;
	_cleanup_(freep) char *statuses = xmalloc(envelope->count);
	bool counted = false, ours = false;
	const struct outcome *last = NULL;

	attempt->told = true;
	attempt_statuses(attempt, reported, statuses);
	for (size_t i = 0; i < envelope->count; i++) {
		const struct outcome *outcome = attempt->targets[i].outcome;
		struct envelope_recipient *recipient = &envelope->recipients[i];

		if (outcome != NULL) {
			if (outcome->verdict != VERDICT_OK)
				last = outcome;
			ours |= outcome->ours;
			counted |= !outcome->ours && !outcome->untried;
			attempt->unreached |= outcome->reach == RELAY_UNREACHED || outcome->untried;
		}
		recipient->status = statuses[i];
	}
	if (!is_open(envelope)) {
		attempt_done(attempt);
		return;
	}
	if (counted && (!attempt->early || envelope->progress.attempts == 0))
		envelope->progress.attempts++;
	if (last != NULL)
		envelope_set_reason(&envelope->progress, span_of(last->text));
	for (size_t i = 0; i < envelope->count; i++)
		attempt->progressed |= envelope->recipients[i].status != ENVELOPE_PENDING;
	envelope->progress.tried = attempt->told_overdue && reported && envelope->deliver_by > attempt->started ? envelope->deliver_by : attempt->started;
	envelope->progress.due =
	    not_past_deadline(envelope, next_attempt(attempt, counted, ours || !reported));
	write_progress(attempt);
}
