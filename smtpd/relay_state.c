/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The client's side of SMTP from the greeting to QUIT: RFC 5321, with RFC 3207 and 4954. What comes between is relay_transaction.c. */
#include "smtpd/relay_state_internal.h"

#include <stdio.h>

#include "smtpd/relay_auth.h"

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

enum relay_action
relay_state_nonsense(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	relay_result_set(&state->host, VERDICT_TEMPFAIL, "4.5.0", "The host gave a reply that makes no sense there");
	state->host.code = reply->code;
	return give_up(state, out);
}

static enum relay_action
host_said(struct relay_state *state, const struct relay_reply *reply, struct buf *out)
{
	if (reply->code / 100 < 4)
		return relay_state_nonsense(state, reply, out);
	relay_result_of(&state->host, reply, state->offer.extensions);
	return give_up(state, out);
}

enum relay_action
relay_state_idle(struct relay_state *state)
{
	state->mail = NULL;
	state->phase = RELAY_IDLE;
	state->was_ready = true;
	return RELAY_READY;
}

enum relay_action
relay_state_say(struct relay_state *state, enum relay_phase phase, const char *command, struct buf *out)
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
	(void)relay_state_say(state, RELAY_ENDED, "QUIT", out);
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
		return relay_state_idle(state);
	if (reply->code / 100 == 3)
		return authenticate(state, out);
	relay_result_of(&state->host, reply, state->offer.extensions);
	state->host.verdict = VERDICT_TEMPFAIL;
	state->host.status[0] = '4';
	(void)relay_state_say(state, RELAY_ENDED, "QUIT", out);
	return RELAY_HOST_FAILED;
}

/* It has said what it offers, and all that may come of that is there. */
static enum relay_action
introduced(struct relay_state *state, struct buf *out)
{
	if (state->tls >= RELAY_TLS_ENCRYPT && !state->secured)
		return refuse_tls(state, state->starttls_refused != 0 ? "the host offers and refuses it" : "the host does not offer it", out);
	if (state->tls >= RELAY_TLS_VERIFY && !state->verified)
		return refuse_tls(state, "the host has no certificate of its name that can be trusted", out);
	return state->user.len != 0 ? authenticate(state, out) : relay_state_idle(state);
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
		return relay_state_say(state, RELAY_STARTTLS, "STARTTLS", out);
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
	if (reply->code / 100 != 2) {
		state->starttls_refused = reply->code;
		return introduced(state, out);
	}
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

/* With TLS 1.3 the handshake is over here before the host has looked at our side of it: that it agrees only its reply to EHLO tells. */
bool
relay_state_is_starting_tls(const struct relay_state *state)
{
	return state->phase == RELAY_STARTTLS || state->phase == RELAY_HANDSHAKE || (state->phase == RELAY_EHLO && state->secured);
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
	(void)relay_state_say(state, RELAY_QUIT, "QUIT", out);
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
	[RELAY_HANDSHAKE] = { NULL, 60, "the TLS handshake" },
	[RELAY_AUTH] = { on_auth, 120, "the reply to AUTH" },
	[RELAY_IDLE] = { NULL, 0, "nothing" },
	[RELAY_MAIL] = { relay_on_mail, 300, "the reply to MAIL" },
	[RELAY_RCPT] = { relay_on_rcpt, 300, "the reply to RCPT" },
	[RELAY_DATA] = { relay_on_data, 120, "the reply to DATA" },
	[RELAY_MESSAGE] = { relay_on_message, 180, "the message to be taken" },
	[RELAY_CHUNKS] = { relay_on_chunk, 300, "the reply to a chunk of the message" },
	[RELAY_DOT] = { relay_on_dot, 600, "the reply to the message" },
	[RELAY_RSET] = { relay_on_rset, 60, "the reply to RSET" },
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
		return relay_state_nonsense(state, reply, out);
	return rows[state->phase].reply(state, reply, out);
}

/* All replies and all of the message, where each recipient costs a minute, or a line carries 4 KB a second. */
#define TRANSACTION_SECONDS 3600
#define RECIPIENT_SECONDS 60
#define BYTES_PER_SECOND 4096

/* Behind the last chunk the replies to those before it are still to come; it is that to the last that is waited for in peace. */
static bool
is_in_transaction(const struct relay_state *state)
{
	return (state->phase >= RELAY_MAIL && state->phase <= RELAY_CHUNKS) || state->phase == RELAY_RSET || (state->phase == RELAY_DOT && state->chunks > 1);
}

/* When it must be over, at the latest. */
static int64_t
end_of_phase(const struct relay_state *state)
{
	if (state->phase < RELAY_IDLE)
		return state->ready_by;
	return is_in_transaction(state) ? state->until : 0;
}

int64_t
relay_state_longest(const struct relay_mail *mail)
{
	return TRANSACTION_SECONDS + (int64_t)(RECIPIENT_SECONDS * mail->count + mail->size / BYTES_PER_SECOND);
}

/* Of a host that is not expected to speak under TLS. */
#define HURRIED_SECONDS 10

unsigned
relay_state_timeout(const struct relay_state *state, int64_t now)
{
	/* While the message is sent no reply is awaited. */
	int64_t seconds = relay_state_may_send(state) ? INT32_MAX : rows[state->phase].seconds;
	int64_t end = end_of_phase(state), left = end != 0 ? end - now : INT32_MAX;

	if (state->hurries_tls && relay_state_is_starting_tls(state))
		seconds = HURRIED_SECONDS;
	if (left < seconds)
		seconds = left > 1 ? left : 1;
	return seconds < INT32_MAX ? (unsigned)seconds : 0;
}

const char *
relay_state_awaits(const struct relay_state *state)
{
	return rows[state->phase].awaits;
}
