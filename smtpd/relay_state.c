/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The client's side of SMTP: RFC 5321, with RFC 1870, 2034, 2920, 3030, 3207, 3461, 6152 and 6531. */
#include "smtpd/relay_state.h"

#include <stdio.h>

#include "smtpd/relay_auth.h"
#include "smtpd/utf8_address.h"

/* --- results --- */

/* Text from outside for logs and notifications: one line of UTF-8 without control characters. */
static void
copy_text(char text[VERDICT_TEXT_MAX], struct span from)
{
	bool utf8;
	size_t len = from.len < VERDICT_TEXT_MAX - 1 ? from.len : VERDICT_TEXT_MAX - 1;

	/* Not in the middle of a character. */
	while (len < from.len && len > 0 && ((unsigned char)from.ptr[len] & 0xc0) == 0x80)
		len--;
	utf8 = span_is_utf8(span_make(from.ptr, len));
	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)from.ptr[i];

		if (byte == '\n' || byte == '\t')
			text[i] = ' ';
		else
			text[i] = byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !utf8) ? '?' : (char)byte;
	}
	text[len] = '\0';
}

void
relay_result_set(struct relay_result *result, enum verdict verdict, const char *status, const char *text)
{
	*result = (struct relay_result){ .verdict = verdict };
	(void)snprintf(result->status, sizeof(result->status), "%s", status);
	copy_text(result->text, span_of(text));
}

/* A reply that says yes (2yz) or no (4yz, 5yz). */
static void
result_of(struct relay_result *result, const struct relay_state *state, const struct relay_reply *reply)
{
	unsigned class = reply->code / 100;
	struct span text = buf_get(&reply->text), status = relay_parse_status(text, class);

	*result = (struct relay_result){ .code = reply->code, .dsn = class == 2 && (state->offer.extensions & RELAY_EXT_DSN) != 0,
		.by = class == 2 && (state->offer.extensions & RELAY_EXT_DELIVERBY) != 0 };
	result->verdict = class == 2 ? VERDICT_OK : class == 5 ? VERDICT_PERMFAIL : VERDICT_TEMPFAIL;
	if (status.len != 0 && status.len < sizeof(result->status))
		(void)snprintf(result->status, sizeof(result->status), "%.*s", (int)status.len, status.ptr);
	else
		(void)snprintf(result->status, sizeof(result->status), "%u.0.0", class);
	copy_text(result->text, text);
}

static void
settle(struct relay_mail *mail, size_t i, relay_settled settled, void *context, const struct relay_result *result)
{
	if (mail->recipients[i].settled)
		return;
	mail->recipients[i].settled = true;
	settled(context, i, result);
}

void
relay_settle_all(struct relay_mail *mail, relay_settled settled, void *context, const struct relay_result *result)
{
	for (size_t i = 0; i < mail->count; i++)
		settle(mail, i, settled, context, result);
}

/* --- the host as a whole --- */

/* Nobody closes before QUIT has been sent (RFC 5321 section 4.1.1.10), but within a message, or when the host is closing itself. */
static enum relay_action
give_up(struct relay_state *state, struct buf *out)
{
	if (state->phase != RELAY_MESSAGE && state->host.code != 421)
		(void)buf_str(out, "QUIT\r\n");
	state->phase = RELAY_ENDED;
	return RELAY_HOST_FAILED;
}

static enum relay_action
nonsense(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	relay_result_set(&state->host, VERDICT_TEMPFAIL, "4.5.0", "The host gave a reply that makes no sense there");
	state->host.code = reply->code;
	return give_up(state, out);
}

static enum relay_action
host_said(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	if (reply->code / 100 < 4)
		return nonsense(state, reply, out);
	result_of(&state->host, state, reply);
	return give_up(state, out);
}

static enum relay_action
idle(struct relay_state *state)
{
	state->mail = NULL;
	state->phase = RELAY_IDLE;
	state->was_ready = true;
	return RELAY_READY;
}

static enum relay_action
say(struct relay_state *state, enum relay_phase phase, const char *command, struct buf *out)
{
	(void)buf_fmt(out, "%s\r\n", command);
	state->phase = phase;
	return RELAY_WAIT;
}

static enum relay_action
say_hello(struct relay_state *state, enum relay_phase phase, const char *verb, struct buf *out)
{
	(void)buf_fmt(out, "%s %s\r\n", verb, state->hostname);
	state->phase = phase;
	return RELAY_WAIT;
}

/* The host will not do, whatever the message. */
static enum relay_action
refuse(struct relay_state *state, const char *status, const char *text, struct buf *out)
{
	relay_result_set(&state->host, VERDICT_TEMPFAIL, status, text);
	(void)say(state, RELAY_ENDED, "QUIT", out);
	return RELAY_HOST_FAILED;
}

static enum relay_action
refuse_tls(struct relay_state *state, const char *why, struct buf *out)
{
	char text[160];

	(void)snprintf(text, sizeof(text), "%s demands TLS, and %s", state->whose, why);
	state->refused_tls = true;
	return refuse(state, "4.7.5", text, out);
}

static enum relay_action
authenticate(struct relay_state *state, struct buf *out)
{
	if (!relay_auth_put(&state->offer, state->auth_step, state->user, state->password, out))
		return refuse(state, "4.7.0", "The host does not let us log in by PLAIN or LOGIN", out);
	state->auth_step++;
	state->phase = RELAY_AUTH;
	return RELAY_WAIT;
}

/* A mistake in credentials is the operator's to mend: mail waits for him. */
static enum relay_action
on_auth(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	if (reply->code / 100 == 2)
		return idle(state);
	if (reply->code / 100 == 3)
		return authenticate(state, out);
	result_of(&state->host, state, reply);
	state->host.verdict = VERDICT_TEMPFAIL;
	state->host.status[0] = '4';
	(void)say(state, RELAY_ENDED, "QUIT", out);
	return RELAY_HOST_FAILED;
}

/* It has said what it offers, and all that may come of that is there. */
static enum relay_action
introduced(struct relay_state *state, struct buf *out)
{
	if (state->tls >= RELAY_TLS_ENCRYPT && !state->secured)
		return refuse_tls(state, "the host does not offer it", out);
	if (state->tls >= RELAY_TLS_VERIFY && !state->verified)
		return refuse_tls(state, "the host has no certificate of its name that can be trusted", out);
	return state->user.len != 0 ? authenticate(state, out) : idle(state);
}

static enum relay_action
on_greeting(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	return reply->code / 100 == 2 ? say_hello(state, RELAY_EHLO, "EHLO", out) : host_said(state, reply, out);
}

static enum relay_action
on_ehlo(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	if (reply->code / 100 == 5 && !state->secured)
		return say_hello(state, RELAY_HELO, "HELO", out); /* RFC 5321 section 3.2: it does not know EHLO */
	if (reply->code / 100 != 2)
		return host_said(state, reply, out);
	state->offer = relay_parse_offer(buf_get(&reply->text));
	if (state->tls != RELAY_TLS_NEVER && !state->secured && (state->offer.extensions & RELAY_EXT_STARTTLS) != 0)
		return say(state, RELAY_STARTTLS, "STARTTLS", out);
	return introduced(state, out);
}

static enum relay_action
on_helo(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	return reply->code / 100 == 2 ? introduced(state, out) : host_said(state, reply, out);
}

static enum relay_action
on_starttls(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	/* Opportunistic: what does not want TLS gets the mail without (RFC 3207 section 4.1). */
	if (reply->code / 100 != 2)
		return introduced(state, out);
	state->phase = RELAY_HANDSHAKE;
	return RELAY_START_TLS;
}

enum relay_action
relay_state_secured(struct relay_state *state, bool verified, struct buf *out)
{
	/* Nothing that was said in the clear is believed any more (RFC 3207 section 4.2). */
	state->offer = (struct relay_offer){ 0 };
	state->secured = true;
	state->verified = verified;
	if (state->phase == RELAY_GREETING)
		return RELAY_WAIT;
	return say_hello(state, RELAY_EHLO, "EHLO", out);
}

/* --- a message --- */

/* Where the command may not have UTF-8, that has its form of ASCII (RFC 6533 section 3); nothing when that is too long. */
static void
put_orcpt(const struct relay_state *state, struct span orcpt, struct buf *out)
{
	struct buf ascii = BUF_INIT(ENVELOPE_XTEXT_MAX);
	struct span type;

	if (!span_is_ascii(orcpt) && !(state->mail->smtputf8 && (state->offer.extensions & RELAY_EXT_SMTPUTF8) != 0)) {
		(void)span_split(&orcpt, ';', &type);
		(void)buf_fmt(&ascii, "%.*s;", (int)type.len, type.ptr);
		utf8_address_put(orcpt, false, &ascii);
		orcpt = ascii.overflow ? SPAN_NULL : buf_get(&ascii);
	}
	if (orcpt.len != 0)
		(void)buf_fmt(out, " ORCPT=%.*s", (int)orcpt.len, orcpt.ptr);
	buf_free(&ascii);
}

static void
put_rcpt(const struct relay_state *state, size_t i, struct buf *out)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} notify[] = { { ENVELOPE_NEVER, "NEVER" }, { ENVELOPE_SUCCESS, "SUCCESS" }, { ENVELOPE_FAILURE, "FAILURE" }, { ENVELOPE_DELAY, "DELAY" } };
	const struct relay_recipient *recipient = &state->mail->recipients[i];

	(void)buf_fmt(out, "RCPT TO:<%.*s>", (int)recipient->address.len, recipient->address.ptr);
	uint8_t wanted = recipient->notify;

	/* Where nobody else would tell of a delay, DSN does (RFC 2852 section 4.1.4.2). */
	if (state->mail->by == ENVELOPE_BY_NOTIFY && (state->offer.extensions & RELAY_EXT_DELIVERBY) == 0 && wanted != ENVELOPE_NEVER)
		wanted = (wanted == 0 ? ENVELOPE_FAILURE : wanted) | ENVELOPE_DELAY;
	if ((state->offer.extensions & RELAY_EXT_DSN) != 0) {
		const char *before = " NOTIFY=";

		for (size_t n = 0; n < sizeof(notify) / sizeof(*notify); n++)
			if ((wanted & notify[n].bit) != 0) {
				(void)buf_fmt(out, "%s%s", before, notify[n].name);
				before = ",";
			}
		put_orcpt(state, recipient->orcpt, out);
	}
	(void)buf_str(out, "\r\n");
}

static void
put_mail(const struct relay_state *state, struct buf *out)
{
	const struct relay_mail *mail = state->mail;
	unsigned offered = state->offer.extensions;

	(void)buf_fmt(out, "MAIL FROM:<%.*s>", (int)mail->sender.len, mail->sender.ptr != NULL ? mail->sender.ptr : "");
	if ((offered & RELAY_EXT_SIZE) != 0)
		(void)buf_fmt(out, " SIZE=%llu", (unsigned long long)mail->size);
	if ((offered & RELAY_EXT_8BITMIME) != 0 && mail->body == ENVELOPE_8BITMIME)
		(void)buf_str(out, " BODY=8BITMIME");
	if ((offered & RELAY_EXT_SMTPUTF8) != 0 && mail->smtputf8)
		(void)buf_str(out, " SMTPUTF8");
	if ((offered & RELAY_EXT_DSN) != 0) {
		if (mail->ret != ENVELOPE_RET_NONE)
			(void)buf_fmt(out, " RET=%s", mail->ret == ENVELOPE_RET_FULL ? "FULL" : "HDRS");
		if (mail->envid.len != 0)
			(void)buf_fmt(out, " ENVID=%.*s", (int)mail->envid.len, mail->envid.ptr);
	}
	if ((offered & RELAY_EXT_REQUIRETLS) != 0 && mail->requiretls && state->secured)
		(void)buf_str(out, " REQUIRETLS");
	if ((offered & RELAY_EXT_DELIVERBY) != 0 && mail->by != ENVELOPE_BY_NONE)
		(void)buf_fmt(out, " BY=%lld;%c%s", (long long)mail->by_left, mail->by == ENVELOPE_BY_RETURN ? 'R' : 'N', mail->by_trace ? "T" : "");
	if ((offered & RELAY_EXT_MT_PRIORITY) != 0 && mail->priority != 0)
		(void)buf_fmt(out, " MT-PRIORITY=%d", mail->priority);
	(void)buf_str(out, "\r\n");
}

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
		put_rcpt(state, state->asked++, out);
}

bool
relay_state_is_seven_bit(const struct relay_state *state)
{
	return (state->offer.extensions & RELAY_EXT_8BITMIME) == 0;
}

bool
relay_state_wants_scan(const struct relay_state *state, const struct relay_mail *mail)
{
	return (state->offer.extensions & RELAY_EXT_8BITMIME) == 0 || (mail->smtputf8 && (state->offer.extensions & RELAY_EXT_SMTPUTF8) == 0);
}

/* What this host cannot take whatever it would say. True when nothing is left to send. */
static bool
settle_unfit(struct relay_state *state)
{
	struct relay_mail *mail = state->mail;
	struct relay_result result;

	result.text[0] = '\0';
	if (state->offer.size_max != 0 && mail->size > state->offer.size_max)
		relay_result_set(&result, VERDICT_PERMFAIL, "5.3.4", "The message is larger than the host takes");
	else if (mail->eight_bit && relay_state_is_seven_bit(state) && !mail->convertible)
		/* RFC 6152 section 3: it is converted, or the sender told. */
		relay_result_set(&result, VERDICT_PERMFAIL, "5.6.3", "The message holds 8-bit text and the host takes only 7-bit text (no 8BITMIME)");
	else if (mail->smtputf8 && (state->offer.extensions & RELAY_EXT_SMTPUTF8) == 0 && mail->utf8_header)
		relay_result_set(&result, VERDICT_PERMFAIL, "5.6.9", "The header of the message is in UTF-8 and the host does not take that (no SMTPUTF8)");
	else if ((state->offer.extensions & RELAY_EXT_SMTPUTF8) == 0 && !span_is_ascii(mail->sender))
		relay_result_set(&result, VERDICT_PERMFAIL, "5.6.7", "The sender's address is in UTF-8 and the host does not take that (no SMTPUTF8)");
	else if (mail->by == ENVELOPE_BY_RETURN && mail->by_left <= 0)
		relay_result_set(&result, VERDICT_PERMFAIL, "5.4.7", "The time within which the message was to be delivered has passed");
	else if (mail->by == ENVELOPE_BY_RETURN &&
	    ((state->offer.extensions & RELAY_EXT_DELIVERBY) == 0 || (uint64_t)mail->by_left < state->offer.by_min))
		relay_result_set(&result, VERDICT_PERMFAIL, "5.3.3", "The message is to be delivered in time or returned, and the host does not promise that (DELIVERBY)");
	if (result.text[0] != '\0') {
		relay_settle_all(mail, state->settled, state->context, &result);
		return true;
	}
	relay_result_set(&result, VERDICT_PERMFAIL, "5.6.7", "The address is in UTF-8 and the host does not take that (no SMTPUTF8)");
	for (size_t i = 0; i < mail->count; i++)
		if ((state->offer.extensions & RELAY_EXT_SMTPUTF8) == 0 && !span_is_ascii(mail->recipients[i].address))
			settle(mail, i, state->settled, state->context, &result);
	for (size_t i = 0; i < mail->count; i++)
		if (!mail->recipients[i].settled)
			return false;
	return true;
}

/* --- recipients of one transaction --- */

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

bool
relay_state_suits(const struct relay_state *state, const struct relay_mail *mail)
{
	/* RFC 8689 section 4.2.1. Notifications go where they can (section 5). */
	return !mail->requiretls || mail->sender.len == 0 || (state->verified && (state->offer.extensions & RELAY_EXT_REQUIRETLS) != 0);
}

static enum relay_action
refuse_host(struct relay_state *state, struct buf *out)
{
	if (state->verified)
		relay_result_set(&state->host, VERDICT_PERMFAIL, "5.7.30", "The message requires TLS on all its way, and the host does not promise that (no REQUIRETLS)");
	else
		relay_result_set(&state->host, VERDICT_PERMFAIL, "5.7.10", "The message requires TLS with a host that is certainly the right one, and that cannot be had");
	(void)say(state, RELAY_ENDED, "QUIT", out);
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
	if (settle_unfit(state))
		return idle(state);
	choose_recipients(state);
	put_mail(state, out);
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
		return idle(state);
	if (state->accepted == 0)
		return say(state, RELAY_RSET, "RSET", out);
	if ((state->offer.extensions & RELAY_EXT_CHUNKING) == 0 || state->unchunked)
		return say(state, RELAY_DATA, "DATA", out);
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

static enum relay_action
on_mail(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	struct relay_result result;

	if (reply->code / 100 == 3)
		return nonsense(state, reply, out);
	if (reply->code / 100 == 2)
		return next_answer(state, out);
	result_of(&result, state, reply);
	state->refused = true;
	/* The replies to the RCPTs that are under way are still to come: they are counted before anything is settled. */
	for (size_t i = 0; i < state->asked; i++)
		state->accepted += is_chosen(&state->mail->recipients[i]);
	relay_settle_all(state->mail, state->settled, state->context, &result);
	if (state->accepted == 0)
		return idle(state);
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
	result_of(&result, state, reply);
	if (reply->code == 552) {
		result.verdict = VERDICT_TEMPFAIL;
		relay_result_set(&result, VERDICT_TEMPFAIL, "4.5.3", buf_cstr(&reply->text));
		result.code = reply->code;
	}
	settle(state->mail, state->answered, state->settled, state->context, &result);
}

static enum relay_action
on_rcpt(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	if (state->refused)
		return --state->accepted == 0 ? idle(state) : RELAY_WAIT;
	if (reply->code / 100 == 3)
		return nonsense(state, reply, out);
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
			settle(state->mail, i, state->settled, state->context, result);
}

static enum relay_action
on_data(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	struct relay_result result;

	if (reply->code == 354) {
		state->phase = RELAY_MESSAGE;
		return RELAY_SEND_MESSAGE;
	}
	if (reply->code / 100 < 4)
		return nonsense(state, reply, out);
	result_of(&result, state, reply);
	settle_accepted(state, &result);
	return say(state, RELAY_RSET, "RSET", out);
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
	result_of(&result, state, reply);
	settle_accepted(state, &result);
	return say(state, RELAY_RSET, "RSET", out);
}

static enum relay_action
on_chunk(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	if (state->chunks == 0 || reply->code / 100 == 3)
		return nonsense(state, reply, out);
	state->chunks--;
	if (reply->code / 100 != 2)
		return chunk_refused(state, reply, out);
	state->chunk_taken = true;
	return state->phase == RELAY_CHUNKS && state->chunks == 0 ? RELAY_SEND_MESSAGE : RELAY_WAIT;
}

/* A host that has seen enough says so before the end, and should close. */
static enum relay_action
on_message(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	struct relay_result result;

	if (reply->code / 100 < 4)
		return nonsense(state, reply, out);
	result_of(&result, state, reply);
	settle_accepted(state, &result);
	state->phase = RELAY_ENDED;
	return RELAY_CLOSE;
}

static enum relay_action
on_dot(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	struct relay_result result;

	if (reply->code / 100 == 3) {
		relay_result_set(&result, VERDICT_TEMPFAIL, "4.5.0", "The host gave a reply to the message that makes no sense");
		settle_accepted(state, &result);
		return say(state, RELAY_QUIT, "QUIT", out);
	}
	if (state->chunks > 1 || (state->chunks == 1 && is_bdat_unknown(state, reply)))
		return on_chunk(state, reply, out);
	result_of(&result, state, reply);
	settle_accepted(state, &result);
	return idle(state);
}

static enum relay_action
on_rset(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	if (state->chunks > 0) { /* that was a chunk's */
		state->chunks--;
		return RELAY_WAIT;
	}
	return reply->code / 100 == 2 ? idle(state) : say(state, RELAY_QUIT, "QUIT", out);
}

static enum relay_action
on_quit(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	(void)reply, (void)out;
	state->phase = RELAY_ENDED;
	return RELAY_CLOSE;
}

void
relay_state_quit(struct relay_state *state, struct buf *out)
{
	(void)say(state, RELAY_QUIT, "QUIT", out);
}

/* --- the table of phases --- */

static const struct {
	enum relay_action (*reply)(struct relay_state *, const struct relay_reply *, struct buf *); /* NULL: none is awaited */
	unsigned seconds;
	const char *awaits;
} rows[] = {
	[RELAY_GREETING] = { on_greeting, 300, "the greeting" },
	[RELAY_EHLO] = { on_ehlo, 300, "the reply to EHLO" },
	[RELAY_HELO] = { on_helo, 300, "the reply to HELO" },
	[RELAY_STARTTLS] = { on_starttls, 120, "the reply to STARTTLS" },
	[RELAY_HANDSHAKE] = { NULL, 120, "the TLS handshake" },
	[RELAY_AUTH] = { on_auth, 120, "the reply to AUTH" },
	[RELAY_IDLE] = { NULL, 0, "nothing" },
	[RELAY_MAIL] = { on_mail, 300, "the reply to MAIL" },
	[RELAY_RCPT] = { on_rcpt, 300, "the reply to RCPT" },
	[RELAY_DATA] = { on_data, 120, "the reply to DATA" },
	[RELAY_MESSAGE] = { on_message, 180, "the message to be taken" },
	[RELAY_CHUNKS] = { on_chunk, 300, "the reply to a chunk of the message" },
	[RELAY_DOT] = { on_dot, 600, "the reply to the message" },
	[RELAY_RSET] = { on_rset, 60, "the reply to RSET" },
	[RELAY_QUIT] = { on_quit, 10, "the reply to QUIT" },
	[RELAY_ENDED] = { NULL, 0, "nothing" },
};

void
relay_state_init(struct relay_state *state, const char *hostname, enum relay_tls tls)
{
	*state = (struct relay_state){ .hostname = hostname, .tls = tls, .whose = "The route", .phase = RELAY_GREETING };
}

enum relay_action
relay_state_reply(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	/* Closing, at any time: RFC 5321 section 3.8. After the final dot it answers for the message. */
	if (reply->code == 421 && state->phase != RELAY_DOT && state->phase != RELAY_QUIT)
		return host_said(state, reply, out);
	if (rows[state->phase].reply == NULL)
		return nonsense(state, reply, out);
	return rows[state->phase].reply(state, reply, out);
}

unsigned
relay_state_timeout(const struct relay_state *state)
{
	return rows[state->phase].seconds;
}

const char *
relay_state_awaits(const struct relay_state *state)
{
	return rows[state->phase].awaits;
}
