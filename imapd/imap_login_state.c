/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* IMAP before login. Nothing of a command is kept between calls but where its end was looked for: until it is whole it stays
 * in the stream's input. */
#include "imapd/imap_login_state.h"

#include <stdlib.h>

#include "frame/frame_msg.h"
#include "frame/sasl_parse.h"
#include "imapd/imap_args_parse.h"
#include "imapd/imap_capability.h"
#include "imapd/imap_frame_parse.h"

#define TAG_MAX 64

struct login {
	struct imap_frame frame;
	struct sasl sasl;
	bool in_sasl;
	unsigned bad;
	uint8_t tag_len;
	char tag[TAG_MAX];
};

/* One call of input(). */
struct turn {
	struct login *login;
	const struct login_facts *facts;
	struct buf *out;
	struct login_credentials *credentials;
	struct imap_parser parser;
	struct imap_arena arena;
};

static const struct imap_frame_limits limits = {
	.line = IMAP_LOGIN_LINE_MAX, .literal = IMAP_LOGIN_LITERAL_MAX, .command = IMAP_LOGIN_COMMAND_MAX, .count = 2,
};

static struct span
tag_of(const struct login *login)
{
	return login->tag_len > 0 ? span_make(login->tag, login->tag_len) : SPAN("*");
}

static enum login_action
answer(struct turn *turn, const char *status, const char *text)
{
	(void)buf_span(turn->out, tag_of(turn->login));
	(void)buf_fmt(turn->out, " %s %s\r\n", status, text);
	return LOGIN_AGAIN;
}

static enum login_action
answer_bad(struct turn *turn, const char *text)
{
	(void)answer(turn, "BAD", text);
	if (++turn->login->bad < IMAP_LOGIN_BAD_MAX)
		return LOGIN_AGAIN;
	(void)buf_str(turn->out, "* BYE Too many commands that make no sense\r\n");
	return LOGIN_CLOSE;
}

static enum login_action
run_capability(struct turn *turn)
{
	(void)buf_str(turn->out, "* CAPABILITY ");
	imap_capability_before(turn->facts, turn->out);
	(void)buf_str(turn->out, "\r\n");
	return answer(turn, "OK", "CAPABILITY completed");
}

static enum login_action
run_noop(struct turn *turn)
{
	return answer(turn, "OK", "NOOP completed");
}

static enum login_action
run_logout(struct turn *turn)
{
	(void)buf_str(turn->out, "* BYE Logging out\r\n");
	(void)answer(turn, "OK", "LOGOUT completed");
	return LOGIN_CLOSE;
}

static enum login_action
run_id(struct turn *turn)
{
	struct imap_command command = { 0 };

	if (!imap_args_id(&turn->parser, &command))
		return answer_bad(turn, turn->parser.error);
	imap_id_answer(turn->out);
	return answer(turn, "OK", "ID completed");
}

static enum login_action
run_start_tls(struct turn *turn)
{
	if (turn->facts->secure)
		return answer_bad(turn, "TLS is on already");
	if (!turn->facts->can_start_tls)
		return answer_bad(turn, "TLS is not available");
	(void)answer(turn, "OK", "Begin TLS negotiation now");
	return LOGIN_START_TLS;
}

/* RFC 5530: PRIVACYREQUIRED. */
static enum login_action
refuse_plaintext(struct turn *turn)
{
	return answer(turn, "NO", "[PRIVACYREQUIRED] Passwords are not taken without TLS");
}

static enum login_action
run_login(struct turn *turn)
{
	struct span user, password;

	if (!imap_login_allowed(turn->facts))
		return refuse_plaintext(turn);
	if (!imap_parse_space(&turn->parser) || !imap_parse_astring(&turn->parser, &user) ||
	    !imap_parse_space(&turn->parser) || !imap_parse_astring(&turn->parser, &password) ||
	    !imap_parse_end(&turn->parser))
		return answer_bad(turn, turn->parser.error);
	buf_clear(&turn->credentials->user);
	buf_wipe(&turn->credentials->password);
	if (user.len > SASL_USER_MAX || password.len > SASL_PASSWORD_MAX || !span_is_utf8(user) ||
	    buf_span(&turn->credentials->user, user) != 0 || buf_span(&turn->credentials->password, password) != 0)
		return answer(turn, "NO", "[AUTHENTICATIONFAILED] Wrong user name or password");
	return LOGIN_AUTHENTICATE;
}

static enum login_action
sasl_step(struct turn *turn, enum sasl_result result)
{
	turn->login->in_sasl = false;
	switch (result) {
	case SASL_DONE:
		return LOGIN_AUTHENTICATE;
	case SASL_CONTINUE:
		turn->login->in_sasl = true;
		(void)buf_fmt(turn->out, "+ %s\r\n", sasl_challenge(&turn->login->sasl));
		return LOGIN_AGAIN;
	case SASL_CANCELLED:
		buf_wipe(&turn->credentials->password);
		return answer_bad(turn, "AUTHENTICATE cancelled");
	case SASL_FORBIDDEN:
		buf_wipe(&turn->credentials->password);
		return answer(turn, "NO", "[AUTHORIZATIONFAILED] Nobody logs in here to act for somebody else"); /* RFC 5530 */
	case SASL_MALFORMED:
	case SASL_TOO_LONG:
		break;
	}
	buf_wipe(&turn->credentials->password);
	return answer_bad(turn, "The response does not fit the mechanism");
}

static enum login_action
run_authenticate(struct turn *turn)
{
	enum sasl_mechanism mechanism;
	struct span name, response;

	if (!imap_parse_space(&turn->parser) || !imap_parse_atom(&turn->parser, &name))
		return answer_bad(turn, turn->parser.error);
	if (!imap_login_allowed(turn->facts))
		return refuse_plaintext(turn);
	if (!sasl_mechanism(name, &mechanism))
		return answer(turn, "NO", "[CANNOT] There is no such mechanism");
	sasl_begin(&turn->login->sasl, mechanism);
	buf_clear(&turn->credentials->user);
	buf_wipe(&turn->credentials->password);
	if (imap_at_end(&turn->parser))
		return sasl_step(turn, SASL_CONTINUE);
	/* RFC 4959: the initial response stands on the same line. */
	if (!imap_parse_space(&turn->parser))
		return answer_bad(turn, turn->parser.error);
	response = span_make(turn->parser.at, (size_t)(turn->parser.end - turn->parser.at));
	return sasl_step(turn, sasl_initial(&turn->login->sasl, response, &turn->credentials->user,
	    &turn->credentials->password));
}

/* Everything that is legal before login (RFC 3501 section 6.1, 6.2; RFC 2971). */
static const struct {
	const char *name;
	bool arguments;
	enum login_action (*run)(struct turn *turn);
} commands[] = {
	{ "AUTHENTICATE", true, run_authenticate },
	{ "CAPABILITY", false, run_capability },
	{ "ID", true, run_id },
	{ "LOGIN", true, run_login },
	{ "LOGOUT", false, run_logout },
	{ "NOOP", false, run_noop },
	{ "STARTTLS", false, run_start_tls },
};

static enum login_action
run_command(struct turn *turn)
{
	struct login *login = turn->login;
	struct span tag, name;
	size_t i;

	login->tag_len = 0;
	if (!imap_parse_tag(&turn->parser, &tag) || tag.len > TAG_MAX || !imap_parse_space(&turn->parser))
		return answer_bad(turn, "A command begins with a tag");
	memcpy(login->tag, tag.ptr, tag.len);
	login->tag_len = (uint8_t)tag.len;
	if (!imap_parse_atom(&turn->parser, &name))
		return answer_bad(turn, "Missing command");
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!span_ieq(name, span_of(commands[i].name)))
			continue;
		if (!commands[i].arguments && !imap_parse_end(&turn->parser))
			return answer_bad(turn, turn->parser.error);
		return commands[i].run(turn);
	}
	return answer_bad(turn, "Unknown command, or one that needs a login first");
}

/* The bytes are copied because the parser rewrites quoted strings; the copy may hold a password. */
static enum login_action
take_command(struct turn *turn, struct span text)
{
	struct buf copy = BUF_INIT(IMAP_LOGIN_COMMAND_MAX + IMAP_LOGIN_LINE_MAX);
	enum login_action action;

	if (text.len > 0 && text.ptr[text.len - 1] == '\n')
		text.len--;
	if (text.len > 0 && text.ptr[text.len - 1] == '\r')
		text.len--;
	if (text.len == 0)
		return LOGIN_AGAIN;
	turn->arena = (struct imap_arena){ .max = 4 * IMAP_LOGIN_COMMAND_MAX };
	(void)buf_span(&copy, text);
	turn->parser = (struct imap_parser){ .at = copy.data, .end = copy.data + copy.len, .arena = &turn->arena };
	action = run_command(turn);
	imap_arena_free(&turn->arena);
	buf_wipe(&copy);
	return action;
}

static enum login_action
take_sasl_line(struct turn *turn, struct span input, size_t *ret_used)
{
	ptrdiff_t newline = span_chr(input, '\n');
	struct span line;

	if (newline < 0)
		return LOGIN_MORE;
	*ret_used = (size_t)newline + 1;
	line = span_make(input.ptr, (size_t)newline);
	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	return sasl_step(turn, sasl_line(&turn->login->sasl, line, &turn->credentials->user, &turn->credentials->password));
}

static enum login_action
close_after(struct turn *turn, const char *text)
{
	(void)buf_fmt(turn->out, "* BYE %s\r\n", text);
	return LOGIN_CLOSE;
}

static enum login_action
login_input(void *state, const struct login_facts *facts, struct span input, size_t *ret_used, struct buf *out,
    struct login_credentials *ret_credentials)
{
	struct login *login = state;
	struct turn turn = { .login = login, .facts = facts, .out = out, .credentials = ret_credentials };
	struct imap_frame_result found;
	struct span tag;

	*ret_used = 0;
	if (login->in_sasl)
		return take_sasl_line(&turn, input, ret_used);
	found = imap_frame_next(&login->frame, input, &limits);
	*ret_used = found.length;
	switch (found.event) {
	case IMAP_FRAME_MORE:
		return LOGIN_MORE;
	case IMAP_FRAME_CONTINUE:
		*ret_used = 0;
		(void)buf_str(out, "+ OK\r\n");
		return LOGIN_AGAIN;
	case IMAP_FRAME_COMMAND:
		login->frame = (struct imap_frame){ 0 };
		return take_command(&turn, span_make(input.ptr, found.length));
	case IMAP_FRAME_TOO_BIG:
		if (!found.sync)
			return close_after(&turn, "The literal is too big");
		login->frame = (struct imap_frame){ 0 };
		tag = imap_frame_tag(input);
		login->tag_len = (uint8_t)tag.len;
		memcpy(login->tag, tag.ptr, tag.len);
		return answer_bad(&turn, "[TOOBIG] The literal is too big");
	case IMAP_FRAME_TOO_LONG:
		return close_after(&turn, "The line is too long");
	case IMAP_FRAME_MESSAGE:
	case IMAP_FRAME_BAD_LITERAL:
		break;
	}
	return close_after(&turn, "A literal's size makes no sense");
}

static void
login_greet(void *state, const struct login_facts *facts, struct buf *out)
{
	(void)state;
	(void)buf_str(out, "* OK [CAPABILITY ");
	imap_capability_before(facts, out);
	(void)buf_fmt(out, "] %s IMAP4rev1 ready\r\n", facts->hostname);
}

static void
login_refused(void *state, uint8_t auth_result, struct buf *out)
{
	const struct login *login = state;

	(void)buf_span(out, tag_of(login));
	switch ((enum auth_result)auth_result) {
	case AUTH_LIMITED:
		(void)buf_str(out, " NO [UNAVAILABLE] Too many wrong passwords, try again later\r\n");
		break;
	case AUTH_CROWDED:
		(void)buf_str(out, " NO [LIMIT] Too many connections of this account, close some\r\n");
		break;
	case AUTH_TEMPFAIL:
		(void)buf_str(out, " NO [UNAVAILABLE] Login is not possible now, try again later\r\n");
		break;
	default:
		(void)buf_str(out, " NO [AUTHENTICATIONFAILED] Wrong user name or password\r\n");
	}
}

static struct span
login_handover(const void *state)
{
	return tag_of(state);
}

const struct login_protocol imap_login = {
	.alpn = "imap",
	.state_size = sizeof(struct login),
	.greet = login_greet,
	.input = login_input,
	.refused = login_refused,
	.handover = login_handover,
	.timed_out = "* BYE Silent for too long\r\n",
	.unavailable = "* BYE [UNAVAILABLE] The mailbox cannot be opened now, try again later\r\n",
	.too_many = "* BYE [LIMIT] Too many connections\r\n",
	/* RFC 3501 section 5.4 has 30 minutes for clients that are logged in; before that less is enough. */
	.timeout = 120,
	.stall = 300,
	.line_max = IMAP_LOGIN_COMMAND_MAX,
	.too_long = "* BYE The line is too long\r\n",
	.failures_max = 5,
};
