/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One message over a connection that stands: MAIL, RCPT and DATA or BDAT, their replies, and RSET (RFC 5321 section 3.3; RFC 2034, 2920,
 * 3030 and 9422). */
#include <stdio.h>

#include "smtpd/relay_state_internal.h"

/* --- recipients of one transaction --- */

static bool
is_chosen(const struct relay_recipient *recipient)
{
	return recipient->chosen && !recipient->settled;
}

/* The next recipient of this transaction, from there on; count when there is none. */
static size_t
next_recipient(const struct relay_state *state, size_t from)
{
	while (from < state->mail->count && !is_chosen(&state->mail->recipients[from]))
		from++;
	return from;
}

static void
ask_next(struct relay_state *state, struct buf *out)
{
	state->asked = next_recipient(state, state->asked);
	if (state->asked < state->mail->count)
		relay_put_rcpt(state->mail, &state->mail->recipients[state->asked++], &state->offer, out);
}

static struct span
domain_of(const struct relay_recipient *recipient)
{
	return span_skip(recipient->address, (size_t)(span_rchr(recipient->address, '@') + 1));
}

/* Another before it, of this transaction, has the same domain. */
static bool
has_domain_before(const struct relay_mail *mail, size_t recipient)
{
	for (size_t i = 0; i < recipient; i++)
		if (is_chosen(&mail->recipients[i]) && span_ieq(domain_of(&mail->recipients[i]), domain_of(&mail->recipients[recipient])))
			return true;
	return false;
}

/* 0 is no limit. */
static uint64_t
lower_limit(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* As many as the host takes at once, and of as many domains. */
static void
choose_recipients(struct relay_state *state)
{
	struct relay_mail *mail = state->mail;
	uint64_t max = lower_limit(state->offer.rcpt_max, state->rcpt_max), domains_max = state->offer.rcpt_domain_max;
	uint64_t count = 0, domains = 0;

	for (size_t i = 0; i < mail->count; i++) {
		struct relay_recipient *recipient = &mail->recipients[i];
		bool another = domains_max != 0 && !has_domain_before(mail, i);

		recipient->chosen = !recipient->settled && (max == 0 || count < max) && (!another || domains < domains_max);
		count += recipient->chosen;
		domains += recipient->chosen && another;
	}
}

/* Those that have not been asked for are for the next. */
static void
leave_the_others(struct relay_state *state)
{
	for (size_t i = state->asked; i < state->mail->count; i++)
		state->mail->recipients[i].chosen = false;
}

/* --- MAIL, RCPT, DATA --- */

static enum relay_action
refuse_host(struct relay_state *state, struct buf *out)
{
	if (state->starttls_refused / 100 == 4) /* RFC 3207 section 4: for a temporary reason */
		relay_result_set(&state->host, VERDICT_TEMPFAIL, "4.7.10", "The message requires TLS, and the host cannot begin it now");
	else if (state->verified)
		relay_result_set(&state->host, VERDICT_PERMFAIL, "5.7.30", "The message requires TLS on all its way, and the host does not promise that (no REQUIRETLS)");
	else
		relay_result_set(&state->host, VERDICT_PERMFAIL, "5.7.10", "The message requires TLS with a host that is certainly the right one, and that cannot be had");
	(void)relay_state_say(state, RELAY_ENDED, "QUIT", out);
	return RELAY_HOST_FAILED;
}

enum relay_action
relay_state_mail(struct relay_state *state, struct relay_mail *mail, relay_settled settled, void *context, struct buf *out)
{
	state->mail = mail;
	state->settled = settled;
	state->context = context;
	state->asked = state->answered = state->accepted = state->chunks = 0;
	state->took = 0;
	state->refused = state->chunk_taken = false;
	for (size_t i = 0; i < mail->count; i++)
		mail->recipients[i].accepted = mail->recipients[i].chosen = false;
	if (!relay_state_suits(state, mail))
		return refuse_host(state, out);
	if (relay_state_settle_unfit(state))
		return relay_state_idle(state);
	choose_recipients(state);
	relay_put_mail(mail, &state->offer, state->secured, out);
	if ((state->offer.extensions & RELAY_EXT_PIPELINING) != 0)
		while (next_recipient(state, state->asked) < mail->count)
			ask_next(state, out);
	state->phase = RELAY_MAIL;
	return RELAY_WAIT;
}

/* All recipients have their answers. */
static enum relay_action
rcpts_done(struct relay_state *state, struct buf *out)
{
	if (state->refused)
		return relay_state_idle(state);
	if (state->accepted == 0)
		return relay_state_say(state, RELAY_RSET, "RSET", out);
	if ((state->offer.extensions & RELAY_EXT_CHUNKING) == 0 || state->unchunked)
		return relay_state_say(state, RELAY_DATA, "DATA", out);
	state->phase = RELAY_CHUNKS;
	return RELAY_SEND_MESSAGE;
}

/* Replies to RCPT come in the order in which it was sent. */
static enum relay_action
next_answer(struct relay_state *state, struct buf *out)
{
	if (next_recipient(state, state->answered) < state->asked) {
		state->phase = RELAY_RCPT;
		return RELAY_WAIT;
	}
	if (!state->refused && next_recipient(state, state->asked) < state->mail->count) {
		ask_next(state, out);
		state->phase = RELAY_RCPT;
		return RELAY_WAIT;
	}
	return rcpts_done(state, out);
}

enum relay_action
relay_on_mail(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	struct relay_result result;

	if (reply->code / 100 == 3)
		return relay_state_nonsense(state, reply, out);
	if (reply->code / 100 == 2)
		return next_answer(state, out);
	relay_result_of(&result, reply, state->offer.extensions);
	state->refused = true;
	/* The replies to the RCPTs that are under way are still to come: they are counted before anything is settled. */
	for (size_t i = 0; i < state->asked; i++)
		state->accepted += is_chosen(&state->mail->recipients[i]);
	relay_settle_all(state->mail, state->settled, state->context, &result);
	if (state->accepted == 0)
		return relay_state_idle(state);
	state->phase = RELAY_RCPT;
	return RELAY_WAIT;
}

/* "Too many recipients": 452, and 552 from servers that should say 452 (RFC 5321 section 4.5.3.1.10), unless their status tells of something
 * else, such as a full mailbox; X.5.3 (RFC 3463 section 3.6) says it with any code. */
static bool
is_too_many(const struct relay_reply *reply)
{
	struct span status = relay_parse_status(buf_get(&reply->text), reply->code / 100);

	return status.len != 0 ? span_eq(span_skip(status, 1), SPAN(".5.3")) : reply->code == 452 || reply->code == 552;
}

static void
rcpt_refused(struct relay_state *state, const struct relay_reply *reply)
{
	struct relay_result result;

	if (state->accepted != 0 && is_too_many(reply)) {
		/* The first of the next transaction, which follows at once. */
		if (state->took == 0)
			state->took = state->accepted;
		state->mail->recipients[state->answered].chosen = false;
		leave_the_others(state);
		return;
	}
	relay_result_of(&result, reply, state->offer.extensions);
	if (reply->code == 552) {
		/* It is put off, whatever it is that there is too much of: the host's own word on that stays. */
		struct span own = relay_parse_status(buf_get(&reply->text), 5);
		char status[16] = "4.5.3";

		if (own.len > 1 && own.len < sizeof(status))
			(void)snprintf(status, sizeof(status), "4%.*s", (int)own.len - 1, own.ptr + 1);
		relay_result_set(&result, VERDICT_TEMPFAIL, status, buf_cstr(&reply->text));
		result.code = reply->code;
	}
	relay_settle(state->mail, state->answered, state->settled, state->context, &result);
}

enum relay_action
relay_on_rcpt(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	if (state->refused)
		return --state->accepted == 0 ? relay_state_idle(state) : RELAY_WAIT;
	if (reply->code / 100 == 3)
		return relay_state_nonsense(state, reply, out);
	state->answered = next_recipient(state, state->answered);
	if (reply->code / 100 == 2) {
		state->mail->recipients[state->answered].accepted = true;
		state->accepted++;
	} else {
		rcpt_refused(state, reply);
	}
	state->answered++;
	return next_answer(state, out);
}

static void
settle_accepted(struct relay_state *state, const struct relay_result *result)
{
	for (size_t i = 0; i < state->mail->count; i++)
		if (state->mail->recipients[i].accepted)
			relay_settle(state->mail, i, state->settled, state->context, result);
}

enum relay_action
relay_on_data(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	struct relay_result result;

	if (reply->code == 354) {
		state->phase = RELAY_MESSAGE;
		return RELAY_SEND_MESSAGE;
	}
	if (reply->code / 100 < 4)
		return relay_state_nonsense(state, reply, out);
	relay_result_of(&result, reply, state->offer.extensions);
	settle_accepted(state, &result);
	return relay_state_say(state, RELAY_RSET, "RSET", out);
}

/* --- the text of it --- */

bool
relay_state_is_chunked(const struct relay_state *state)
{
	return state->phase == RELAY_CHUNKS;
}

bool
relay_state_may_send(const struct relay_state *state)
{
	return state->phase == RELAY_MESSAGE ||
	    (state->phase == RELAY_CHUNKS && (state->chunks == 0 || (state->offer.extensions & RELAY_EXT_PIPELINING) != 0));
}

void
relay_state_chunk_sent(struct relay_state *state)
{
	state->chunks++;
}

void
relay_state_message_sent(struct relay_state *state)
{
	if (state->phase == RELAY_CHUNKS)
		state->chunks++;
	state->phase = RELAY_DOT;
}

static bool
is_bdat_unknown(const struct relay_state *state, const struct relay_reply *reply)
{
	/* Of syntax (RFC 5321 section 4.2.1), which says nothing about the message. */
	return !state->chunk_taken && reply->code / 10 == 50;
}

/* Between chunks a transaction is given up by RSET (RFC 3030 section 2), behind which the replies to those under way are still to come. */
static enum relay_action
chunk_refused(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	struct relay_result result;

	/* What does not know BDAT takes the chunk for commands: nothing more is said to it, not even QUIT. */
	if (is_bdat_unknown(state, reply)) {
		relay_result_set(&state->host, VERDICT_TEMPFAIL, "4.5.0", "The host offers CHUNKING and does not know BDAT");
		state->refused_chunks = true;
		state->phase = RELAY_ENDED;
		return RELAY_HOST_FAILED;
	}
	relay_result_of(&result, reply, state->offer.extensions);
	settle_accepted(state, &result);
	return relay_state_say(state, RELAY_RSET, "RSET", out);
}

enum relay_action
relay_on_chunk(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	if (state->chunks == 0 || reply->code / 100 == 3)
		return relay_state_nonsense(state, reply, out);
	state->chunks--;
	if (reply->code / 100 != 2)
		return chunk_refused(state, reply, out);
	state->chunk_taken = true;
	return state->phase == RELAY_CHUNKS && state->chunks == 0 ? RELAY_SEND_MESSAGE : RELAY_WAIT;
}

/* A host that has seen enough says so before the end, and should close. */
enum relay_action
relay_on_message(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	struct relay_result result;

	if (reply->code / 100 < 4)
		return relay_state_nonsense(state, reply, out);
	relay_result_of(&result, reply, state->offer.extensions);
	settle_accepted(state, &result);
	state->phase = RELAY_ENDED;
	return RELAY_CLOSE;
}

enum relay_action
relay_on_dot(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	struct relay_result result;

	if (reply->code / 100 == 3) {
		relay_result_set(&result, VERDICT_TEMPFAIL, "4.5.0", "The host gave a reply to the message that makes no sense");
		settle_accepted(state, &result);
		return relay_state_say(state, RELAY_QUIT, "QUIT", out);
	}
	if (state->chunks > 1 || (state->chunks == 1 && is_bdat_unknown(state, reply)))
		return relay_on_chunk(state, reply, out);
	relay_result_of(&result, reply, state->offer.extensions);
	settle_accepted(state, &result);
	return relay_state_idle(state);
}

enum relay_action
relay_on_rset(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	if (state->chunks > 0) { /* that was a chunk's */
		state->chunks--;
		return RELAY_WAIT;
	}
	return reply->code / 100 == 2 ? relay_state_idle(state) : relay_state_say(state, RELAY_QUIT, "QUIT", out);
}
