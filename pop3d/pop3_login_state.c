/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* POP3 before login: USER and PASS, AUTH PLAIN, STLS. APOP is not offered: it needs passwords that
 * are stored readable. */
#include "pop3d/pop3_login_state.h"

#include "frame/sasl_parse.h"
#include "pop3d/pop3_parse.h"
#include "pop3d/pop3_state.h"

struct pop3_login {
	bool in_sasl; /* the next line is a response, not a command */
	struct sasl sasl;
	unsigned errors;
};

/* What a handler works with. */
struct call {
	struct pop3_login *state;
	const struct login_facts *facts;
	struct pop3_command command;
	struct buf *out;
	struct login_credentials *credentials;
};

typedef enum login_action handler(struct call *);

static void
greet(void *state, const struct login_facts *facts, struct buf *out)
{
	(void)state;
	(void)buf_fmt(out, "+OK %s POP3 ready\r\n", facts->hostname);
}

static enum login_action
refuse(struct call *call, const char *reply)
{
	(void)buf_fmt(call->out, "-ERR %s\r\n", reply);
	return ++call->state->errors < POP3_LOGIN_ERRORS_MAX ? LOGIN_AGAIN : LOGIN_CLOSE;
}

static bool
may_log_in(const struct login_facts *facts)
{
	return facts->secure || facts->plaintext_login;
}

static enum login_action
capa(struct call *call)
{
	(void)buf_str(call->out, "+OK\r\n");
	pop3_capabilities(call->out);
	if (may_log_in(call->facts))
		(void)buf_str(call->out, "USER\r\nSASL PLAIN\r\n");
	if (!call->facts->secure && call->facts->can_start_tls)
		(void)buf_str(call->out, "STLS\r\n");
	(void)buf_str(call->out, ".\r\n");
	return LOGIN_AGAIN;
}

static enum login_action
user(struct call *call)
{
	struct span name = call->command.rest;

	if (name.len > SASL_USER_MAX || !span_is_utf8(name))
		return refuse(call, "[AUTH] No such name");
	buf_clear(&call->credentials->user);
	(void)buf_span(&call->credentials->user, name);
	/* The same answer for every name: nobody learns which accounts there are (RFC 1939 section
	 * 7, USER). */
	(void)buf_str(call->out, "+OK\r\n");
	return LOGIN_AGAIN;
}

static enum login_action
pass(struct call *call)
{
	if (call->credentials->user.len == 0)
		return refuse(call, "USER first");
	buf_clear(&call->credentials->password);
	if (buf_span(&call->credentials->password, call->command.rest) < 0)
		return refuse(call, "[AUTH] Too long");
	return LOGIN_AUTHENTICATE;
}

static enum login_action
sasl_outcome(struct call *call, enum sasl_result result)
{
	call->state->in_sasl = result == SASL_CONTINUE;
	switch (result) {
	case SASL_DONE:
		return LOGIN_AUTHENTICATE;
	case SASL_CONTINUE:
		(void)buf_fmt(call->out, "+ %s\r\n", sasl_challenge(&call->state->sasl));
		return LOGIN_AGAIN;
	case SASL_CANCELLED:
		return refuse(call, "Cancelled");
	case SASL_FORBIDDEN:
		return refuse(call, "[AUTH] Nobody logs in here to act for somebody else");
	case SASL_TOO_LONG:
		return refuse(call, "[AUTH] Too long");
	case SASL_MALFORMED:
		break;
	}
	return refuse(call, "[AUTH] Malformed response");
}

static enum login_action
auth(struct call *call)
{
	struct span response = call->command.rest, name;
	enum sasl_mechanism mechanism;

	(void)span_split(&response, ' ', &name);
	if (!sasl_mechanism(name, &mechanism) || mechanism != SASL_PLAIN)
		return refuse(call, "No such mechanism");
	sasl_begin(&call->state->sasl, mechanism);
	buf_clear(&call->credentials->user);
	if (response.len != 0)
		return sasl_outcome(call,
		    sasl_initial(&call->state->sasl, response, &call->credentials->user,
			&call->credentials->password));
	return sasl_outcome(call, SASL_CONTINUE);
}

static enum login_action
stls(struct call *call)
{
	if (call->facts->secure)
		return refuse(call, "TLS is on already");
	if (!call->facts->can_start_tls)
		return refuse(call, "No TLS here");
	buf_clear(&call->credentials->user);
	(void)buf_str(call->out, "+OK Begin TLS\r\n");
	return LOGIN_START_TLS;
}

/* RFC 6856: messages are always given as they are, so nothing changes. */
static enum login_action
utf8(struct call *call)
{
	(void)buf_str(call->out, "+OK\r\n");
	return LOGIN_AGAIN;
}

static enum login_action
quit(struct call *call)
{
	(void)buf_str(call->out, "+OK Bye\r\n");
	return LOGIN_CLOSE;
}

/* No handler: legal only after login. */
static const struct {
	handler *handle;
	bool logs_in; /* refused while passwords may not be sent */
} commands[POP3_VERBS] = {
	[POP3_CAPA] = { capa, false },
	[POP3_USER] = { user, true },
	[POP3_PASS] = { pass, true },
	[POP3_AUTH] = { auth, true },
	[POP3_STLS] = { stls, false },
	[POP3_UTF8] = { utf8, false },
	[POP3_QUIT] = { quit, false },
};

static enum login_action
command_line(struct call *call, struct span line)
{
	struct pop3_command *command = &call->command;

	switch (pop3_parse(line, command)) {
	case POP3_GOOD:
		if (commands[command->verb].handle == NULL)
			return refuse(call, "Log in first");
		if (commands[command->verb].logs_in && !may_log_in(call->facts))
			return refuse(call,
			    call->facts->can_start_tls ? "STLS first" : "No login without TLS");
		return commands[command->verb].handle(call);
	case POP3_UNKNOWN:
		return refuse(call, "Unknown command");
	case POP3_BAD_BYTES:
		return refuse(call, "NUL or CR within a line");
	case POP3_BAD_ARGS:
		break;
	}
	return refuse(call, "Wrong arguments");
}

static enum login_action
input(void *context, const struct login_facts *facts, struct span bytes, size_t *ret_used,
    struct buf *out, struct login_credentials *credentials)
{
	struct call call = {
		.state = context, .facts = facts, .out = out, .credentials = credentials,
	};
	struct span line;

	if (!pop3_take_line(bytes, ret_used, &line))
		return LOGIN_MORE;
	if (call.state->in_sasl)
		return sasl_outcome(&call,
		    sasl_line(&call.state->sasl, line, &credentials->user, &credentials->password));
	return command_line(&call, line);
}

/* RFC 2449 section 8.1 and RFC 3206. */
static void
refused(void *state, uint8_t result, struct buf *out)
{
	static const char *const replies[] = {
		[AUTH_OK] = "",
		[AUTH_BAD] = "-ERR [AUTH] Wrong name or password\r\n",
		[AUTH_LIMITED] = "-ERR [SYS/TEMP] Too many failures, try later\r\n",
		[AUTH_TEMPFAIL] = "-ERR [SYS/TEMP] Accounts cannot be read now, try later\r\n",
		[AUTH_CROWDED] = "-ERR [IN-USE] Too many connections of this account\r\n",
	};

	(void)state;
	(void)buf_str(out, replies[result]);
}

const struct login_protocol pop3_login = {
	.alpn = "pop3",
	.state_size = sizeof(struct pop3_login),
	.greet = greet,
	.input = input,
	.refused = refused,
	.timed_out = NULL, /* RFC 1939 section 3: closed without a word */
	.unavailable = "-ERR [SYS/TEMP] The maildrop cannot be opened now\r\n",
	.too_many = "-ERR [SYS/TEMP] Too many connections or failures\r\n",
	.timeout = 180,
	.stall = 300,
	.line_max = POP3_LINE_MAX,
	.too_long = "-ERR Line too long\r\n",
	.failures_max = 3,
};
