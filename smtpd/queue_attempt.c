/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One try at delivering a message: its beginning, and when the last recipient's outcome is known, what that
 * makes of the message. Who the recipients are, and the jobs for them, is queue_recipients.c's.
 *
 * Order at the end: the notification to the sender is on stable storage before a recipient is
 * marked as failed, and the file is removed last. A crash in between repeats a delivery or a
 * notification; it never loses one. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/dsn.h"
#include "smtpd/queue_attempt.h"
#include "smtpd/queue_memory.h"

/* After a fault of our own, such as a role that is gone for a moment: 1 s, 2 s, 4 s, ... up to this, or
 * retry_min where that is shorter. */
#define FAULT_SECONDS 1
#define FAULT_SECONDS_MAX 64
/* Where a destination has as many jobs waiting as it can take, a message for several destinations comes back then. */
#define CROWDED_SECONDS 20

const struct spool_file *
attempt_file(const struct attempt *attempt)
{
	return &attempt->file;
}

const char *
attempt_id(const struct attempt *attempt)
{
	return attempt->entry->id;
}

int
attempt_reopen(const struct attempt *attempt)
{
	struct queue_files *files = attempt->queue->files;
	int fd = -ENOENT;

	if (attempt->in_memory) {
		fd = fcntl(attempt->file.fd, F_DUPFD_CLOEXEC, 0);
		return fd < 0 ? -errno : fd;
	}
	if (attempt->direct != NULL && !direct_is_promised(attempt->direct))
		fd = queue_files_reopen(files, SPOOL_QUEUE_TMP, attempt->entry->id);
	/* It gets its name a moment before we hear of it. */
	return fd != -ENOENT ? fd : queue_files_reopen(files, SPOOL_QUEUE, attempt->entry->id);
}

int
attempt_store(struct attempt *attempt)
{
	struct queue_files *files = attempt->queue->files;
	struct spool_file *file = &attempt->file;
	const char *id = attempt->entry->id;
	_cleanup_(closep) int fd = queue_memory_store(files, file->fd, &file->envelope, file->length, id);
	int marks;

	if (fd < 0)
		return fd;
	marks = queue_files_edit(files, id);
	if (marks < 0) {
		queue_files_discard(files, id);
		return marks;
	}
	(void)close(file->fd);
	file->fd = marks;
	attempt->in_memory = false;
	return TAKE_FD(fd);
}

const struct outcome *
attempt_outcome_of(const struct attempt *attempt, size_t recipient)
{
	return attempt->targets[recipient].outcome;
}

void
outcome_set(struct outcome *outcome, enum verdict verdict, const char *status, struct span text)
{
	size_t len = text.len < sizeof(outcome->text) ? text.len : sizeof(outcome->text) - 1;

	*outcome = (struct outcome){ .verdict = verdict };
	(void)snprintf(outcome->status, sizeof(outcome->status), "%s", status);
	if (len != 0)
		memcpy(outcome->text, text.ptr, len);
}

/* --- the end --- */

static void
forget(struct attempt *attempt)
{
	for (size_t i = 0; attempt->targets != NULL && i < attempt->file.envelope.count; i++) {
		free(attempt->targets[i].destination);
		free(attempt->targets[i].members);
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
static void
settle(struct attempt *attempt, int64_t due)
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
	entry->requeued |= entry->requeue_wanted;
	entry->retry_wanted = entry->requeue_wanted = false;
	queue_control_late(queue, entry);
	forget(attempt);
}

/* Nothing is left of it on disk. */
static void
leave(struct attempt *attempt)
{
	struct queue *queue = attempt->queue;

	queue_leave(queue, attempt->entry);
	queue->active--;
	forget(attempt);
	queue_wake(queue);
}

static void go_on_later(struct attempt *attempt);
static void tell(struct attempt *attempt);

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
		go_on_later(attempt);
		return;
	}
	if (entry->faults < UINT8_MAX)
		entry->faults++;
	settle(attempt, queue_now() + fault_delay(smtpd_conf(attempt->queue->proc), entry->faults - 1u));
}

static void
done(struct attempt *attempt)
{
	int r = queue_files_remove(attempt->queue->files, attempt->entry->id, false);

	if (r < 0 && r != -ENOENT) {
		not_removed(attempt, r);
		return;
	}
	log_info("done", log_str("id", attempt->entry->id),
	    log_i64("age", queue_now() - attempt->file.envelope.created));
	leave(attempt);
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
			go_on_later(attempt);
			return;
		}
	}
	/* In the row of its destination it comes as soon as that is back. */
	settle(attempt, waits_for_destination(attempt) ? queue_now() : envelope->progress.due);
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
		tell(attempt);
	else if (is_open(&attempt->file.envelope))
		write_progress(attempt);
	else
		done(attempt);
}

/* Until it can be told and written what became of it, the message stays active. */
static void
go_on_later(struct attempt *attempt)
{
	const struct timeval later = { FAULT_SECONDS_MAX, 0 };

	if (attempt->again == NULL)
		attempt->again = event_new(attempt->queue->proc->base, -1, 0, on_again, attempt);
	if (attempt->again == NULL)
		abort();
	(void)event_add(attempt->again, &later);
}

/* All that is to be told has been told: writes what became of each. */
static void
conclude(struct attempt *attempt, bool reported)
{
	struct envelope *envelope = &attempt->file.envelope;
	bool counted = false, ours = false;
	const struct outcome *last = NULL;

	attempt->told = true;
	for (size_t i = 0; i < envelope->count; i++) {
		const struct outcome *outcome = attempt->targets[i].outcome;
		struct envelope_recipient *recipient = &envelope->recipients[i];

		if (envelope_is_open(recipient) && outcome != NULL) {
			if (outcome->verdict == VERDICT_OK)
				recipient->status = outcome->expanded != NOT_EXPANDED ? ENVELOPE_EXPANDED :
				    outcome->remote                                   ? ENVELOPE_RELAYED :
											ENVELOPE_DELIVERED;
			else
				last = outcome;
			ours |= outcome->ours;
			counted |= !outcome->ours && !outcome->untried;
			attempt->unreached |= outcome->unreached || outcome->untried;
		}
	}
	for (size_t i = 0; i < attempt->report_count && reported; i++) {
		struct envelope_recipient *recipient =
		    &envelope->recipients[attempt->reports[i].recipient];

		if (attempt->reports[i].action == DSN_FAILED)
			recipient->status = ENVELOPE_FAILED;
		else if (attempt->reports[i].action == DSN_DELAYED)
			recipient->status = ENVELOPE_WARNED;
	}
	if (!is_open(envelope)) {
		done(attempt);
		return;
	}
	if (counted && (!attempt->early || envelope->progress.attempts == 0))
		envelope->progress.attempts++;
	if (last != NULL)
		envelope_set_reason(&envelope->progress, span_of(last->text));
	for (size_t i = 0; i < envelope->count; i++)
		attempt->progressed |= envelope->recipients[i].status != ENVELOPE_PENDING;
	envelope->progress.tried = attempt->started;
	envelope->progress.due =
	    not_past_deadline(envelope, next_attempt(attempt, counted, ours || !reported));
	write_progress(attempt);
}

static bool
tells_success(const struct attempt *attempt)
{
	for (size_t i = 0; i < attempt->report_count; i++)
		if (attempt->reports[i].outcome->verdict == VERDICT_OK)
			return true;
	return false;
}

/* A failure is found again at the next attempt, and told then. What has been delivered is not delivered again to tell of it. */
static void
not_told(struct attempt *attempt)
{
	if (tells_success(attempt))
		go_on_later(attempt);
	else
		conclude(attempt, false);
}

static void
reported(void *context, const char *id, int result)
{
	struct attempt *attempt = context;

	if (result < 0) {
		not_told(attempt);
		return;
	}
	log_info("notification", log_str("id", attempt->entry->id), log_str("as", id),
	    log_str("to", attempt->file.envelope.sender));
	conclude(attempt, true);
}

static void
tell(struct attempt *attempt)
{
	int r = bounce_submit(attempt->queue, attempt->entry->id, &attempt->file, attempt->reports, attempt->report_count, reported, attempt);

	if (r < 0) {
		log_error("notification-not-written", log_str("id", attempt->entry->id), log_errno("error", r));
		not_told(attempt);
	}
}

/* --- what the sender is told --- */

static bool
wants(const struct envelope_recipient *recipient, uint8_t bit)
{
	/* RFC 3461 section 4.1: without NOTIFY failures are told, and delays may be. */
	return recipient->notify == 0 ? bit != ENVELOPE_SUCCESS : (recipient->notify & bit) != 0;
}

static void
report(struct attempt *attempt, size_t recipient, enum dsn_action action,
    const struct outcome *outcome)
{
	attempt->reports[attempt->report_count++] =
	    (struct report){ recipient, (int)action, outcome };
}

bool
attempt_is_overdue(const struct envelope *envelope)
{
	return envelope->by != ENVELOPE_BY_NONE && queue_now() >= envelope->deliver_by;
}

/* RFC 2852 section 4.1.4: the sender asked to hear of relays, or the next host would not tell of a delay. */
static bool
is_relay_told(const struct envelope *envelope, const struct envelope_recipient *recipient,
    const struct outcome *outcome)
{
	return outcome->remote && recipient->notify != ENVELOPE_NEVER &&
	    (envelope->by_trace || (envelope->by == ENVELOPE_BY_NOTIFY && !outcome->by));
}

/* A notification that cannot be delivered is told to postmaster, never to a sender (RFC 5321 section 6.1); and when postmaster
 * cannot have it, to nobody: so it ends there. */
static bool
is_postmaster(const struct attempt *attempt, const struct envelope_recipient *recipient)
{
	return span_ieq(span_of(recipient->address), span_of(smtpd_postmaster(smtpd_conf(attempt->queue->proc))));
}

/* What to tell of one recipient. */
static void
judge(struct attempt *attempt, size_t i, bool expired, bool late)
{
	struct envelope_recipient *recipient = &attempt->file.envelope.recipients[i];
	struct outcome *outcome = attempt->targets[i].outcome;
	bool bounce = attempt->file.envelope.sender[0] == '\0';

	if (outcome->verdict == VERDICT_OK) {
		if (!bounce && ((wants(recipient, ENVELOPE_SUCCESS) && !outcome->dsn) ||
				   is_relay_told(&attempt->file.envelope, recipient, outcome)))
			report(attempt, i,
			    outcome->expanded == EXPANDED_MANY ? DSN_EXPANDED :
				outcome->remote                ? DSN_RELAYED :
								 DSN_DELIVERED,
			    outcome);
		return;
	}
	if (outcome->verdict == VERDICT_TEMPFAIL && expired && !outcome->ours) {
		outcome->verdict = VERDICT_PERMFAIL;
		/* RFC 3463: delivery time expired. */
		(void)snprintf(outcome->status, sizeof(outcome->status), "4.4.7");
	}
	if (outcome->verdict == VERDICT_PERMFAIL) {
		/* What came of an alias may have come of postmaster's. */
		bool tells = bounce ? !is_postmaster(attempt, recipient) && !attempt->file.envelope.expanded : wants(recipient, ENVELOPE_FAILURE);

		if (bounce || !tells)
			log_warning(bounce ? "bounce-undeliverable" : "failed-silently",
			    log_str("id", attempt->entry->id), log_str("to", recipient->address),
			    log_str("status", outcome->status), log_str("reason", outcome->text));
		if (tells)
			report(attempt, i, DSN_FAILED, outcome);
		else
			recipient->status = ENVELOPE_FAILED;
		return;
	}
	if (late && recipient->status == ENVELOPE_PENDING && !bounce &&
	    wants(recipient, ENVELOPE_DELAY)) {
		if (attempt_is_overdue(&attempt->file.envelope))
			(void)snprintf(outcome->status, sizeof(outcome->status), "4.4.7");
		report(attempt, i, DSN_DELAYED, outcome);
	}
}

static void
log_outcome(const struct attempt *attempt, const struct target *target)
{
	static const char *const names[] = {
		[VERDICT_OK] = "delivered", [VERDICT_TEMPFAIL] = "deferred", [VERDICT_PERMFAIL] = "failed",
	};
	const struct envelope *envelope = &attempt->file.envelope;
	const struct outcome *outcome = target->outcome;

	log_info(outcome->expanded != NOT_EXPANDED            ? "expanded" :
		outcome->verdict == VERDICT_OK && outcome->remote ? "relayed" :
								    names[outcome->verdict],
	    log_str("id", attempt->entry->id), log_str("from", envelope->sender),
	    log_str("to", envelope->recipients[target->recipient].address),
	    log_str("host", outcome->host), log_str("tls", outcome->tls), log_i64("delay", queue_now() - envelope->created),
	    log_str("status", outcome->status), log_u64("code", outcome->code),
	    log_str("text", outcome->text));
}

/* All is known: what is to be told to the sender, and then what is written of it. */
static void
report_all(struct attempt *attempt)
{
	const struct smtpd_conf *conf = smtpd_conf(attempt->queue->proc);
	const struct envelope *envelope = &attempt->file.envelope;
	int64_t since = facts_since(envelope), now = queue_now();

	attempt->reports = xcalloc(envelope->count, sizeof(*attempt->reports));
	for (size_t i = 0; i < envelope->count; i++) {
		if (attempt->targets[i].outcome == NULL)
			continue;
		log_outcome(attempt, &attempt->targets[i]);
		judge(attempt, i, now >= since + conf->queue_lifetime,
		    (conf->delay_warning != 0 && now >= since + conf->delay_warning) ||
			attempt_is_overdue(envelope));
	}
	if (attempt->report_count == 0)
		conclude(attempt, true);
	else
		tell(attempt);
}

/* Those that have it are marked before the message is promised: should we die behind that, they do not get it twice. */
static void
mark_delivered(struct attempt *attempt)
{
	struct envelope *envelope = &attempt->file.envelope;
	bool any = false;
	int r;

	for (size_t i = 0; i < envelope->count; i++) {
		const struct outcome *outcome = attempt->targets[i].outcome;

		if (outcome == NULL || outcome->verdict != VERDICT_OK || (envelope->recipients[i].notify & ENVELOPE_SUCCESS) != 0)
			continue;
		envelope->recipients[i].status = ENVELOPE_DELIVERED;
		any = true;
	}
	r = any ? queue_files_update(&attempt->file, false) : 0;
	if (r < 0)
		log_error("not-updated", log_str("id", attempt->entry->id), log_errno("error", r));
}

/* The end of an attempt before the promise. True when it is no more than any other. */
static bool
finish_direct(struct attempt *attempt)
{
	switch (direct_end(attempt->direct)) {
	case DIRECT_WAITS:
		mark_delivered(attempt);
		return false;
	case DIRECT_TOLD:
		for (size_t i = 0; i < attempt->file.envelope.count; i++)
			log_outcome(attempt, &attempt->targets[i]);
		leave(attempt);
		return false;
	case DIRECT_QUEUED:
		attempt->direct = NULL;
	}
	return true;
}

void
attempt_finish(struct attempt *attempt)
{
	if (attempt->direct != NULL && !finish_direct(attempt))
		return;
	if (attempt->given_up)
		leave(attempt);
	else
		report_all(attempt);
}

void
attempt_outcome(struct attempt *attempt, size_t recipient, const struct outcome *outcome)
{
	struct target *target = &attempt->targets[recipient];

	if (target->outcome == NULL)
		target->outcome = xmemdup(outcome, sizeof(*outcome));
	if (--attempt->pending == 0 && attempt->lookups == 0)
		attempt_finish(attempt);
}

/* --- the beginning --- */

static void
begin(struct attempt *attempt)
{
	const struct envelope *envelope = &attempt->file.envelope;

	attempt->targets = xcalloc(envelope->count, sizeof(*attempt->targets));
	for (size_t i = 0; i < envelope->count; i++) {
		attempt->targets[i].attempt = attempt;
		attempt->targets[i].recipient = i;
		if (envelope_is_open(&envelope->recipients[i]))
			attempt->lookups++;
	}
	attempt->pending = attempt->lookups;
	if (attempt->lookups == 0) {
		done(attempt); /* a crash came between the last status and the removal */
		return;
	}
	attempt_look_up(attempt);
}

static int
read_memory(int memory, struct spool_file *ret_file)
{
	_cleanup_(closep) int fd = fcntl(memory, F_DUPFD_CLOEXEC, 0);
	int r = fd < 0 ? -errno : spool_read(fd, ret_file);

	if (r == 0)
		(void)TAKE_FD(fd);
	return r;
}

/* memory: its file, or -1. */
static int
load(struct queue *queue, struct queue_entry *entry, enum spool_place place, int memory, struct attempt **ret)
{
	struct attempt *attempt = xcalloc(1, sizeof(*attempt));
	int r = memory >= 0 ? read_memory(memory, &attempt->file) : queue_files_load(queue->files, place, entry->id, &attempt->file);

	if (r != 0) {
		free(attempt);
		return r;
	}
	attempt->in_memory = memory >= 0;
	attempt->queue = queue;
	attempt->entry = entry;
	attempt->started = queue_now();
	queue->active++;
	*ret = attempt;
	return 0;
}

struct attempt *
attempt_start_direct(struct queue *queue, struct queue_entry *entry, int memory, struct direct *direct)
{
	struct attempt *attempt;

	if (load(queue, entry, SPOOL_QUEUE_TMP, memory, &attempt) != 0)
		return NULL;
	attempt->direct = direct;
	begin(attempt);
	return attempt;
}

void
attempt_start(struct queue *queue, struct queue_entry *entry)
{
	struct attempt *attempt;
	int r = load(queue, entry, SPOOL_QUEUE, -1, &attempt);

	/* Whoever asks for another try, it is not sent before its time (RFC 4865, or the account's limits). */
	if (r == 0 && attempt->file.envelope.release > attempt->started) {
		settle(attempt, attempt->file.envelope.release);
		return;
	}
	if (r == 0) {
		attempt->early = attempt->file.envelope.progress.due > attempt->started;
		attempt->anew = entry->requeued;
		entry->requeued = false;
		begin(attempt);
		return;
	}
	log_error("unreadable", log_str("id", entry->id), log_errno("error", r));
	if (r == -EBADMSG)
		r = queue_files_set_aside(queue->files, entry->id, false);
	if (r == 0 || r == -ENOENT) {
		queue_leave(queue, entry);
		return;
	}
	/* Descriptors or memory have run out. */
	schedule_ended(queue->schedule, entry);
	queue_try_at(queue, entry, queue_now() + FAULT_SECONDS);
}
