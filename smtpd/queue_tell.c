/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What an attempt's outcomes are told to: the log, and the sender where he wants to know. */
#include <stdio.h>

#include "common/address.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/dsn.h"
#include "smtpd/queue_attempt.h"
#include "smtpd/xclient_parse.h"

/* Of attempts in a row: they take some minutes. */
#define LASTING_FAULTS 8

/* --- what is to be told --- */

bool
recipient_wants(const struct envelope_recipient *recipient, uint8_t bit)
{
	/* RFC 3461 section 4.1: without NOTIFY failures are told, and delays may be. */
	return recipient->notify == 0 ? bit != ENVELOPE_SUCCESS : (recipient->notify & bit) != 0;
}

static void
report(struct attempt *attempt, size_t recipient, enum dsn_action action,
    const struct outcome *outcome)
{
	attempt->reports[attempt->report_count++] =
	    (struct report){ recipient, (int)action, outcome, NULL };
}

bool
attempt_is_overdue(const struct envelope *envelope)
{
	return envelope->by != ENVELOPE_BY_NONE && queue_now() >= envelope->deliver_by;
}

/* The time that the sender has set has passed since the last attempt: he hears of that (RFC 2852 section 4.1.4), whatever he was told before. */
static bool
passes_deadline(const struct envelope *envelope)
{
	return attempt_is_overdue(envelope) && envelope->deliver_by > envelope->progress.tried;
}

/* RFC 2852 section 4.1.4: the sender asked to hear of relays, or the next host would not tell of a delay. */
static bool
is_relay_told(const struct envelope *envelope, const struct envelope_recipient *recipient,
    const struct outcome *outcome)
{
	return outcome->remote && recipient->notify != ENVELOPE_NEVER &&
	    (envelope->by_trace || (envelope->by == ENVELOPE_BY_NOTIFY && !outcome->by));
}

bool
attempt_tells_success(const struct attempt *attempt, size_t i)
{
	const struct envelope *envelope = &attempt->file.envelope;
	const struct envelope_recipient *recipient = &envelope->recipients[i];
	const struct outcome *outcome = attempt->targets[i].outcome;

	return envelope->sender[0] != '\0' && ((recipient_wants(recipient, ENVELOPE_SUCCESS) && !outcome->dsn) || is_relay_told(envelope, recipient, outcome));
}

/* A notification that cannot be delivered is told to postmaster, never to a sender (RFC 5321 section 6.1); and when postmaster
 * cannot have it, to nobody: so it ends there. */
static bool
is_postmaster(const struct attempt *attempt, const struct envelope_recipient *recipient)
{
	return address_equal(span_of(recipient->address), span_of(smtpd_postmaster(smtpd_conf(attempt->queue->proc))));
}

/* What came of an alias may have come of postmaster's, which its original recipient tells; so may what others brought. */
static bool
is_told_postmaster(const struct attempt *attempt, const struct envelope_recipient *recipient)
{
	const struct envelope *envelope = &attempt->file.envelope;
	struct span alias = span_of(recipient->orcpt), type;
	struct buf address = BUF_INIT(ENVELOPE_XTEXT_MAX);
	bool other;

	if (is_postmaster(attempt, recipient))
		return false;
	if (!envelope->expanded)
		return true;
	other = !facts_is_from_outside(envelope) && span_split(&alias, ';', &type) && xtext_decode(alias, &address) == 0 && address.len != 0 &&
	    !address_equal(buf_get(&address), span_of(smtpd_postmaster(smtpd_conf(attempt->queue->proc))));
	buf_free(&address);
	return other;
}

/* What to tell of one recipient. */
static void
judge(struct attempt *attempt, size_t i, bool expired, bool late)
{
	struct envelope_recipient *recipient = &attempt->file.envelope.recipients[i];
	struct outcome *outcome = attempt->targets[i].outcome;
	bool bounce = attempt->file.envelope.sender[0] == '\0';

	if (outcome->verdict == VERDICT_OK) {
		if (attempt_tells_success(attempt, i))
			report(attempt, i,
			    outcome->expanded == EXPANDED_MANY || outcome->sent_on == SENT_ON_TOO ? DSN_EXPANDED :
				outcome->remote || outcome->sent_on == SENT_ON_OTHERS             ? DSN_RELAYED :
												    DSN_DELIVERED,
			    outcome);
		return;
	}
	/* A fault of our own may be over in a moment, as after a start; but not one that stays. */
	if (outcome->verdict == VERDICT_TEMPFAIL && expired && (!outcome->ours || attempt->entry->faults >= LASTING_FAULTS)) {
		outcome->verdict = VERDICT_PERMFAIL;
		/* RFC 3463: delivery time expired. */
		(void)snprintf(outcome->status, sizeof(outcome->status), "4.4.7");
	}
	if (outcome->verdict == VERDICT_PERMFAIL) {
		bool tells = bounce ? is_told_postmaster(attempt, recipient) : recipient_wants(recipient, ENVELOPE_FAILURE);
		const struct envelope_recipient *alias = bounce || tells ? NULL : attempt_alias_of(attempt, i);

		/* By that he would have had it, if he were no recipient himself. */
		tells |= alias != NULL;

		if (bounce || !tells)
			log_warning(bounce ? "bounce-undeliverable" : "failed-silently",
			    log_str("id", attempt->entry->id), log_str("to", recipient->address),
			    log_str("status", outcome->status), log_str("reason", outcome->text));
		if (tells) {
			report(attempt, i, DSN_FAILED, outcome);
			attempt->reports[attempt->report_count - 1].behind = alias;
		} else {
			recipient->status = ENVELOPE_FAILED;
		}
		return;
	}
	if (late && (recipient->status == ENVELOPE_PENDING || passes_deadline(&attempt->file.envelope)) && !bounce &&
	    recipient_wants(recipient, ENVELOPE_DELAY)) {
		if (attempt_is_overdue(&attempt->file.envelope)) {
			(void)snprintf(outcome->status, sizeof(outcome->status), "4.4.7");
			attempt->told_overdue = true;
		}
		report(attempt, i, DSN_DELAYED, outcome);
	}
}

void
attempt_log_outcome(const struct attempt *attempt, const struct target *target)
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

/* --- telling --- */

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
		attempt_go_on_later(attempt);
	else
		attempt_conclude(attempt, false);
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
	    log_str("to", addressee(attempt->queue, &attempt->file)));
	attempt_conclude(attempt, true);
}

void
attempt_tell(struct attempt *attempt)
{
	_cleanup_(freep) char *statuses = xmalloc(attempt->file.envelope.count);
	int r;

	attempt_statuses(attempt, true, statuses);
	r = bounce_submit(attempt->queue, attempt->entry->id, &attempt->file, attempt->reports, attempt->report_count, statuses, false, reported, attempt);
	if (r < 0) {
		log_error("notification-not-written", log_str("id", attempt->entry->id), log_errno("error", r));
		not_told(attempt);
	}
}

/* All is known: what is to be told to the sender, and then what is written of it. */
void
attempt_report(struct attempt *attempt)
{
	const struct smtpd_conf *conf = smtpd_conf(attempt->queue->proc);
	const struct envelope *envelope = &attempt->file.envelope;
	int64_t since, now = queue_now();

	/* Somebody may have set the clock meanwhile. */
	facts_right(attempt->entry->id, attempt->entry->born, &attempt->file);
	if (attempt->started > now)
		attempt->started = now;
	since = facts_since(envelope);
	attempt->reports = xcalloc(envelope->count, sizeof(*attempt->reports));
	for (size_t i = 0; i < envelope->count; i++) {
		if (attempt->targets[i].outcome == NULL)
			continue;
		judge(attempt, i, now >= since + conf->queue_lifetime,
		    (conf->delay_warning != 0 && now >= since + conf->delay_warning) ||
			attempt_is_overdue(envelope));
		attempt_log_outcome(attempt, &attempt->targets[i]);
	}
	if (attempt->report_count == 0)
		attempt_conclude(attempt, true);
	else
		attempt_tell(attempt);
}
