/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Who the recipients of a message are: accounts here, aliases, other hosts', nobody; and the jobs that come of it. */
#include <stdlib.h>

#include "common/address.h"
#include "common/cleanup.h"
#include "common/text_set.h"
#include "common/xalloc.h"
#include "smtpd/queue_attempt.h"

void
attempt_outcome_now(struct attempt *attempt, size_t recipient, const struct outcome *outcome)
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

	if (attempt->hurried)
		schedule_look_again(queue->schedule, destination);
	if (schedule_is_down(destination, queue_now())) {
		outcome_set(&outcome, VERDICT_TEMPFAIL, "4.4.1", span_of(destination->reason));
		outcome.untried = true;
		for (size_t i = 0; i < members; i++)
			attempt_outcome_now(attempt, group[i], &outcome);
		if (attempt->until == 0 || destination->until < attempt->until)
			attempt->until = destination->until;
	} else if (attempt->entry->destination == NULL && relay_is_crowded(queue, destination)) {
		attempt->crowded = true;
		outcome_set(&outcome, VERDICT_TEMPFAIL, "4.4.5", SPAN("Many messages wait for that destination already"));
		outcome.untried = true;
		for (size_t i = 0; i < members; i++)
			attempt_outcome_now(attempt, group[i], &outcome);
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

static bool
is_open_alias(const struct target *target)
{
	return target->members != NULL && envelope_is_open(&target->attempt->file.envelope.recipients[target->recipient]);
}

static bool
is_half(const struct target *target)
{
	return target->attempt->file.envelope.recipients[target->recipient].status == ENVELOPE_HALF;
}

/* Of a message that could not be promised nothing goes anywhere any more. */
static void
drop_rest(struct attempt *attempt)
{
	for (size_t i = 0; i < attempt->file.envelope.count; i++) {
		struct target *target = &attempt->targets[i];

		if (target->destination != NULL || is_open_alias(target))
			attempt->pending--;
		free(TAKE_PTR(target->destination));
	}
}

static void
settle_now(struct attempt *attempt, size_t recipient, enum verdict verdict, const char *status,
    const char *text, bool ours)
{
	struct outcome outcome;

	outcome_set(&outcome, verdict, status, span_of(text));
	outcome.ours = ours;
	attempt_outcome_now(attempt, recipient, &outcome);
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
		target->destination = facts_destination(conf, span_of(attempt->file.envelope.sender), mailbox);
}

/* --- aliases --- */

static void looked_up(void *context, enum lookup_result result, struct span account, struct span owner, struct span members);

/* Those that are there without any alias get nothing by one, nor do those who have it by an earlier attempt's, nor who sent it on and kept it. */
static struct text_set *
earlier_recipients(const struct attempt *attempt)
{
	const struct smtpd_conf *conf = smtpd_conf(attempt->queue->proc);
	struct text_set *seen = text_set_new(queue_random());

	if (attempt->file.envelope.kept != NULL)
		(void)facts_add_to(seen, conf, span_of(attempt->file.envelope.kept));
	for (size_t i = 0; i < attempt->file.envelope.count; i++) {
		const struct target *target = &attempt->targets[i];
		struct span members = span_of(target->members != NULL ? target->members : target->behind), member;

		if (target->members == NULL && target->behind == NULL)
			(void)facts_add_to(seen, conf, span_of(attempt->file.envelope.recipients[i].address));
		else if (!is_open_alias(target) || is_half(target))
			while (span_split(&members, '\n', &member))
				if (!is_half(target) || facts_is_ours(conf, member))
					(void)facts_add_to(seen, conf, member);
	}
	return seen;
}

/* Its sender hears when one of its addresses does not get it; of a list's it is the owner who does. */
static bool
tells_failures(const struct target *target)
{
	return (target->owner == NULL || target->owner[0] == '\0') &&
	    recipient_wants(&target->attempt->file.envelope.recipients[target->recipient], ENVELOPE_FAILURE);
}

/* Who is behind several has it by one whose sender wants to hear of failures: another's wish that nobody be told is none about that one
 * (RFC 3461 section 4.1). */
static void
expand_all(struct attempt *attempt)
{
	struct expand_group *group = NULL;

	for (unsigned tells = 2; tells-- != 0;)
		for (size_t i = 0; i < attempt->file.envelope.count; i++) {
			struct target *target = &attempt->targets[i];
			const struct expand expand = { i, span_of(target->owner), span_of(target->members) };

			if (!is_open_alias(target) || tells_failures(target) != tells)
				continue;
			if (group == NULL)
				group = expand_begin(attempt->queue, attempt, earlier_recipients(attempt));
			expand_add(group, &expand);
			target->behind = TAKE_PTR(target->members);
		}
	if (group != NULL)
		expand_end(group);
}

const struct envelope_recipient *
attempt_alias_of(const struct attempt *attempt, size_t recipient)
{
	const struct envelope *envelope = &attempt->file.envelope;
	struct span address = span_of(envelope->recipients[recipient].address);

	for (size_t i = 0; i < envelope->count; i++) {
		const struct target *target = &attempt->targets[i];
		struct span members = tells_failures(target) ? span_of(target->behind) : SPAN_NULL, member;

		while (span_split(&members, '\n', &member))
			if (span_ieq(member, address))
				return &envelope->recipients[i];
	}
	return NULL;
}

/* What goes to one account alone needs no message of its own, but where somebody has his already, and that account may be he. True
 * when that account is looked up. */
static bool
try_member(struct target *target, struct span owner, struct span members)
{
	const struct attempt *attempt = target->attempt;
	struct span member;

	if (attempt->pending != 1 || attempt->has_expanded || is_half(target) || attempt->file.envelope.kept != NULL || owner.len != 0 ||
	    !span_split(&members, '\n', &member) || members.len != 0)
		return false;
	(void)auth_expand(attempt->queue->auth, member, true, looked_up, target);
	return true;
}

/* --- all are known --- */

static void
relay_remote(struct attempt *attempt)
{
	attempt->remote_waits = false;
	if (attempt->given_up)
		drop_rest(attempt);
	else
		relay_groups(attempt);
	if (attempt->pending == 0)
		attempt_finish(attempt);
}

/* Who each recipient is. What other hosts get has been promised before. */
static void
all_known(struct attempt *attempt)
{
	if (!attempt->given_up)
		expand_all(attempt);
	for (size_t i = 0; i < attempt->file.envelope.count && attempt->direct != NULL; i++)
		attempt->remote_waits |= attempt->targets[i].destination != NULL && !direct_is_promised(attempt->direct);
	if (attempt->remote_waits)
		direct_promise(attempt->direct);
	else
		relay_remote(attempt);
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
	if (attempt->file.envelope.by == ENVELOPE_BY_RETURN && attempt_is_overdue(&attempt->file.envelope)) {
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
	case LOOKUP_LOOP:
		settle_now(attempt, target->recipient, VERDICT_PERMFAIL, "5.4.6",
		    "The alias goes round in a circle, and names nobody", false);
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

	if ((result == LOOKUP_UNKNOWN || result == LOOKUP_LOOP) && target->members == NULL && try_postmaster(target))
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
	if (--attempt->lookups == 0)
		all_known(attempt);
}

/* Of an alias that an earlier attempt is done with: who has the message by it. When that cannot be known now, they may get it twice. */
static void
looked_back(void *context, enum lookup_result result, struct span account, struct span owner, struct span members)
{
	struct target *target = context;

	(void)account;
	if (result == LOOKUP_ALIAS) {
		target->behind = span_dup(members);
		target->owner = span_dup(owner);
	}
	if (--target->attempt->lookups == 0)
		all_known(target->attempt);
}

void
attempt_go_on(struct attempt *attempt)
{
	if (attempt->remote_waits)
		relay_remote(attempt);
	else if (attempt->lookups == 0 && attempt->pending == 0)
		attempt_finish(attempt);
}

void
attempt_give_up(struct attempt *attempt)
{
	attempt->given_up = true;
	attempt_go_on(attempt);
}

void
attempt_look_up(struct attempt *attempt)
{
	const struct envelope *envelope = &attempt->file.envelope;

	for (size_t i = 0; i < envelope->count; i++) {
		struct span address = span_of(envelope->recipients[i].address);

		if (envelope->recipients[i].status == ENVELOPE_EXPANDED)
			(void)auth_expand(attempt->queue->auth, address, false, looked_back, &attempt->targets[i]);
		if (!envelope_is_open(&envelope->recipients[i]))
			continue;
		if (envelope->expanded && !attempt->anew)
			(void)auth_expand(attempt->queue->auth, address, true, looked_up, &attempt->targets[i]);
		else
			(void)auth_expand_at(attempt->queue->auth, address, attempt->edition, looked_up, &attempt->targets[i]);
	}
}
