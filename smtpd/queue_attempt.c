/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One try at delivering a message: who each open recipient is, the jobs for accounts here and other
 * hosts, and when the last has ended, what that makes of the message.
 *
 * Order at the end: the notification to the sender is on stable storage before a recipient is
 * marked as failed, and the file is removed last. A crash in between repeats a delivery or a
 * notification; it never loses one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/address.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/text_set.h"
#include "common/xalloc.h"
#include "smtpd/dsn.h"
#include "smtpd/queue.h"

/* After a fault of our own, such as a role that is gone for a moment: 1 s, 2 s, 4 s, ... up to this, or
 * retry_min where that is shorter. */
#define FAULT_SECONDS 1
#define FAULT_SECONDS_MAX 64
/* Where a destination has as many jobs waiting as it can take, a message for several destinations comes back then. */
#define CROWDED_SECONDS 20

struct target {
	struct attempt *attempt;
	size_t recipient;
	bool as_postmaster;
	char *destination; /* of a remote one, until the jobs are made */
	char *members, *owner; /* of an alias, until its messages are made */
	struct outcome *outcome; /* NULL: not tried, or not known yet */
};

struct attempt {
	struct queue *queue;
	struct queue_entry *entry;
	struct spool_file file;
	struct target *targets; /* one for each recipient */
	size_t lookups, pending;
	bool crowded;
	bool unreached; /* what is left waits for destinations, not for its own time */
	int64_t started;
	bool early; /* the operator wanted it before its time: that is no reason to wait longer for the next */
	bool anew;  /* and aliases have a say again */
	int64_t until; /* the first of its destinations that are down is looked at again then; 0: none is */
	struct report *reports;
	size_t report_count;
};

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
	for (size_t i = 0; i < attempt->file.envelope.count; i++) {
		free(attempt->targets[i].destination);
		free(attempt->targets[i].members);
		free(attempt->targets[i].owner);
		free(attempt->targets[i].outcome);
	}
	free(attempt->targets);
	free(attempt->reports);
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

static void
done(struct attempt *attempt)
{
	struct queue *queue = attempt->queue;
	int r = queue_files_remove(queue->files, attempt->entry->id, false);

	if (r < 0 && r != -ENOENT)
		log_error("not-removed", log_str("id", attempt->entry->id), log_errno("error", r));
	log_info("done", log_str("id", attempt->entry->id),
	    log_i64("age", queue_now() - attempt->file.envelope.created));
	queue_leave(queue, attempt->entry);
	queue->active--;
	forget(attempt);
	queue_wake(queue);
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

/* All that is to be told has been told: writes what became of each. */
static void
conclude(struct attempt *attempt, bool reported)
{
	struct envelope *envelope = &attempt->file.envelope;
	bool counted = false, ours = false, open;
	const struct outcome *last = NULL;
	int r;

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
	open = false;
	for (size_t i = 0; i < envelope->count; i++)
		open |= envelope_is_open(&envelope->recipients[i]);
	if (!open) {
		done(attempt);
		return;
	}
	if (counted && (!attempt->early || envelope->progress.attempts == 0))
		envelope->progress.attempts++;
	if (last != NULL)
		envelope_set_reason(&envelope->progress, span_of(last->text));
	envelope->progress.tried = attempt->started;
	envelope->progress.due =
	    not_past_deadline(envelope, next_attempt(attempt, counted, ours || !reported));
	r = queue_files_update(&attempt->file, envelope->count > 1);
	if (r < 0)
		log_error("not-updated", log_str("id", attempt->entry->id), log_errno("error", r));
	/* In the row of its destination it comes as soon as that is back. */
	settle(attempt, waits_for_destination(attempt) ? queue_now() : envelope->progress.due);
}

static void
reported(void *context, const char *id, int result)
{
	struct attempt *attempt = context;

	if (result == 0)
		log_info("notification", log_str("id", attempt->entry->id), log_str("as", id),
		    log_str("to", attempt->file.envelope.sender));
	conclude(attempt, result == 0);
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

/* The time that its sender set has come (RFC 2852). */
static bool
is_overdue(const struct envelope *envelope)
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
		if (is_overdue(&attempt->file.envelope))
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
	    log_str("host", outcome->host), log_i64("delay", queue_now() - envelope->created),
	    log_str("status", outcome->status), log_u64("code", outcome->code),
	    log_str("text", outcome->text));
}

static void
finish(struct attempt *attempt)
{
	const struct smtpd_conf *conf = smtpd_conf(attempt->queue->proc);
	const struct envelope *envelope = &attempt->file.envelope;
	int64_t since = facts_since(envelope), now = queue_now();
	int r;

	attempt->reports = xcalloc(envelope->count, sizeof(*attempt->reports));
	for (size_t i = 0; i < envelope->count; i++) {
		if (attempt->targets[i].outcome == NULL)
			continue;
		log_outcome(attempt, &attempt->targets[i]);
		judge(attempt, i, now >= since + conf->queue_lifetime,
		    (conf->delay_warning != 0 && now >= since + conf->delay_warning) ||
			is_overdue(envelope));
	}
	if (attempt->report_count == 0) {
		conclude(attempt, true);
		return;
	}
	r = bounce_submit(attempt->queue, attempt->entry->id, &attempt->file, attempt->reports,
	    attempt->report_count, reported, attempt);
	if (r < 0) {
		log_error("notification-not-written", log_str("id", attempt->entry->id),
		    log_errno("error", r));
		conclude(attempt, false);
	}
}

void
attempt_outcome(struct attempt *attempt, size_t recipient, const struct outcome *outcome)
{
	struct target *target = &attempt->targets[recipient];

	if (target->outcome == NULL)
		target->outcome = xmemdup(outcome, sizeof(*outcome));
	if (--attempt->pending == 0 && attempt->lookups == 0)
		finish(attempt);
}

/* --- who is it for? --- */

static void
outcome_now(struct attempt *attempt, size_t recipient, const struct outcome *outcome)
{
	attempt->targets[recipient].outcome = xmemdup(outcome, sizeof(*outcome));
	attempt->pending--;
}

/* The recipients of one destination make one job, unless it is known to be down. */
static void
relay_group(struct attempt *attempt, const char *name, const size_t *group, size_t members)
{
	struct queue *queue = attempt->queue;
	struct destination *destination = schedule_destination(queue->schedule, span_of(name));
	struct outcome outcome;

	if (schedule_is_down(destination, queue_now())) {
		outcome_set(&outcome, VERDICT_TEMPFAIL, "4.4.1", span_of(destination->reason));
		outcome.untried = true;
		for (size_t i = 0; i < members; i++)
			outcome_now(attempt, group[i], &outcome);
		if (attempt->until == 0 || destination->until < attempt->until)
			attempt->until = destination->until;
	} else if (attempt->entry->destination == NULL && relay_is_crowded(queue, destination)) {
		attempt->crowded = true;
		attempt->pending -= members;
	} else {
		relay_submit(queue, attempt, destination, group, members);
		return;
	}
	schedule_release(queue->schedule, destination);
}

static void
relay_groups(struct attempt *attempt)
{
	size_t count = attempt->file.envelope.count, *group = xcalloc(count, sizeof(*group));

	for (size_t i = 0; i < count; i++) {
		char *name = TAKE_PTR(attempt->targets[i].destination);
		size_t members = 0;

		if (name == NULL)
			continue;
		group[members++] = i;
		for (size_t j = i + 1; j < count; j++) {
			struct target *target = &attempt->targets[j];

			if (target->destination == NULL || !span_ieq(span_of(target->destination), span_of(name)))
				continue;
			free(TAKE_PTR(target->destination));
			group[members++] = j;
		}
		relay_group(attempt, name, group, members);
		free(name);
	}
	free(group);
}

static void
settle_now(struct attempt *attempt, size_t recipient, enum verdict verdict, const char *status,
    const char *text, bool ours)
{
	struct outcome outcome;

	outcome_set(&outcome, verdict, status, span_of(text));
	outcome.ours = ours;
	outcome_now(attempt, recipient, &outcome);
}

static void
remote(struct attempt *attempt, struct target *target)
{
	const struct smtpd_conf *conf = smtpd_conf(attempt->queue->proc);
	struct span mailbox = span_of(attempt->file.envelope.recipients[target->recipient].address);
	struct address address;

	if (address_parse_mailbox(mailbox, ADDRESS_SMTPUTF8, &address) != ADDRESS_OK)
		settle_now(attempt, target->recipient, VERDICT_PERMFAIL, "5.1.3",
		    "That is no valid address", false);
	else
		target->destination = span_dup(facts_destination(conf, span_of(attempt->file.envelope.sender), mailbox));
}

/* --- aliases --- */

static void looked_up(void *context, enum lookup_result result, struct span account, struct span owner, struct span members);

/* Those that are there without any alias get nothing by one. */
static struct text_set *
direct_recipients(const struct attempt *attempt)
{
	struct text_set *seen = text_set_new(queue_random());

	for (size_t i = 0; i < attempt->file.envelope.count; i++)
		if (attempt->targets[i].members == NULL)
			(void)text_set_add(seen, span_of(attempt->file.envelope.recipients[i].address));
	return seen;
}

static void
expand_all(struct attempt *attempt)
{
	struct text_set *seen = NULL;

	for (size_t i = 0; i < attempt->file.envelope.count; i++) {
		struct target *target = &attempt->targets[i];
		const struct expand expand = { i, span_of(target->owner), span_of(target->members) };
		struct outcome outcome;

		if (target->members == NULL)
			continue;
		if (seen == NULL)
			seen = direct_recipients(attempt);
		if (!expand_submit(attempt->queue, attempt, &expand, seen, &outcome))
			outcome_now(attempt, i, &outcome);
	}
	(void)text_set_free(seen);
}

/* What goes to one account alone needs no message of its own. True when that account is looked up. */
static bool
try_member(struct target *target, struct span owner, struct span members)
{
	struct span member;

	if (target->attempt->pending != 1 || owner.len != 0 || !span_split(&members, '\n', &member) || members.len != 0)
		return false;
	(void)auth_expand(target->attempt->queue->auth, member, true, looked_up, target);
	return true;
}

/* Mail from drop/ and notifications may be for postmaster too. True when another look-up is under
 * way. */
static bool
try_postmaster(struct target *target)
{
	struct attempt *attempt = target->attempt;

	if (target->as_postmaster ||
	    !span_istarts(span_of(attempt->file.envelope.recipients[target->recipient].address),
		SPAN("postmaster@")))
		return false;
	target->as_postmaster = true;
	(void)auth_expand(attempt->queue->auth, span_of(smtpd_postmaster(smtpd_conf(attempt->queue->proc))),
	    false, looked_up, target);
	return true;
}

static void
try_recipient(struct attempt *attempt, struct target *target, enum lookup_result result, struct span account)
{
	if (attempt->file.envelope.by == ENVELOPE_BY_RETURN && is_overdue(&attempt->file.envelope)) {
		settle_now(attempt, target->recipient, VERDICT_PERMFAIL, "5.4.7",
		    "The time within which the message was to be delivered has passed", false);
		return;
	}
	switch (result) {
	case LOOKUP_LOCAL:
		deliver_submit(attempt->queue, attempt, target->recipient, account);
		break;
	case LOOKUP_NOT_OURS:
		remote(attempt, target);
		break;
	case LOOKUP_ALIAS:
		break; /* waits for the others */
	case LOOKUP_UNKNOWN:
		settle_now(attempt, target->recipient, VERDICT_PERMFAIL, "5.1.1",
		    "There is no such account here", false);
		break;
	case LOOKUP_TEMPFAIL:
		settle_now(attempt, target->recipient, VERDICT_TEMPFAIL, "4.3.0",
		    "Accounts cannot be looked up now", true);
		break;
	}
}

static void
looked_up(void *context, enum lookup_result result, struct span account, struct span owner, struct span members)
{
	struct target *target = context;
	struct attempt *attempt = target->attempt;

	if (result == LOOKUP_UNKNOWN && target->members == NULL && try_postmaster(target))
		return;
	if (result == LOOKUP_ALIAS) {
		target->members = span_dup(members);
		target->owner = span_dup(owner);
		if (try_member(target, owner, members))
			return;
	} else if (target->members != NULL && (result == LOOKUP_LOCAL || result == LOOKUP_TEMPFAIL)) {
		free(TAKE_PTR(target->members));
	}
	if (target->members == NULL)
		try_recipient(attempt, target, result, account);
	if (--attempt->lookups == 0) {
		expand_all(attempt);
		relay_groups(attempt);
		if (attempt->pending == 0)
			finish(attempt);
	}
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
	for (size_t i = 0; i < envelope->count; i++)
		if (envelope_is_open(&envelope->recipients[i]))
			(void)auth_expand(attempt->queue->auth,
			    span_of(envelope->recipients[i].address), envelope->expanded && !attempt->anew, looked_up,
			    &attempt->targets[i]);
}

void
attempt_start(struct queue *queue, struct queue_entry *entry)
{
	struct attempt *attempt = xcalloc(1, sizeof(*attempt));
	int r = queue_files_load(queue->files, entry->id, false, &attempt->file);

	attempt->queue = queue;
	attempt->entry = entry;
	attempt->started = queue_now();
	queue->active++;
	if (r == 0) {
		attempt->early = attempt->file.envelope.progress.due > attempt->started;
		attempt->anew = entry->requeued;
		entry->requeued = false;
		begin(attempt);
		return;
	}
	free(attempt);
	queue->active--;
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
