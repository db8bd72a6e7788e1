/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The TRANSACTION state. Message numbers are 1 to count and never change (RFC 1939 section 5). */
#include "pop3d/pop3_state.h"

#include <inttypes.h>

typedef struct pop3_request handler(struct pop3_state *, const struct pop3_command *, struct buf *);

static const struct pop3_request answered = { .action = POP3_ANSWERED };

void
pop3_capabilities(struct buf *out)
{
	(void)buf_str(out,
	    "TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE "
	    "NEVER\r\nUTF8\r\nIMPLEMENTATION Fourpost\r\n");
}

static void
count_left(struct pop3_state *state)
{
	state->left = 0;
	state->left_size = 0;
	for (size_t i = 0; i < state->count; i++)
		if (!state->messages[i].deleted) {
			state->left++;
			state->left_size += state->messages[i].size;
		}
}

void
pop3_state_begin(struct pop3_state *state, struct buf *out)
{
	count_left(state);
	(void)buf_fmt(out, "+OK %zu messages (%" PRIu64 " octets)\r\n", state->left,
	    state->left_size);
}

static struct pop3_request
refuse(struct pop3_state *state, struct buf *out, const char *reply)
{
	(void)buf_fmt(out, "-ERR %s\r\n", reply);
	if (++state->errors < POP3_ERRORS_MAX)
		return answered;
	return (struct pop3_request){ .action = POP3_CLOSE };
}

/* The message a command names, or NULL when it may not be named. */
static struct pop3_message *
named(struct pop3_state *state, const struct pop3_command *command)
{
	uint64_t number = command->number[0];

	if (number == 0 || number > state->count || state->messages[number - 1].deleted)
		return NULL;
	return &state->messages[number - 1];
}

static struct pop3_request
no_such_message(struct pop3_state *state, struct buf *out)
{
	return refuse(state, out, "No such message");
}

static struct pop3_request
capa(struct pop3_state *state, const struct pop3_command *command, struct buf *out)
{
	(void)state, (void)command;
	(void)buf_str(out, "+OK\r\n");
	pop3_capabilities(out);
	(void)buf_str(out, ".\r\n");
	return answered;
}

static struct pop3_request
quit(struct pop3_state *state, const struct pop3_command *command, struct buf *out)
{
	(void)state, (void)command, (void)out;
	return (struct pop3_request){ .action = POP3_UPDATE };
}

static struct pop3_request
stat(struct pop3_state *state, const struct pop3_command *command, struct buf *out)
{
	(void)command;
	(void)buf_fmt(out, "+OK %zu %" PRIu64 "\r\n", state->left, state->left_size);
	return answered;
}

static void
put_list(const struct pop3_state *state, size_t index, struct buf *out)
{
	(void)buf_fmt(out, "%zu %" PRIu64 "\r\n", index + 1, state->messages[index].size);
}

/* UIDVALIDITY and UID never name another message, whatever becomes of the mailbox. */
static void
put_uidl(const struct pop3_state *state, size_t index, struct buf *out)
{
	(void)buf_fmt(out, "%zu %" PRIu32 ".%" PRIu32 "\r\n", index + 1, state->uidvalidity,
	    state->messages[index].uid);
}

static struct pop3_request
list_or_uidl(struct pop3_state *state, const struct pop3_command *command, struct buf *out,
    enum pop3_job job)
{
	const struct pop3_message *message;

	if (command->number_count == 0) {
		if (job == POP3_JOB_LIST)
			(void)buf_fmt(out, "+OK %zu messages (%" PRIu64 " octets)\r\n", state->left,
			    state->left_size);
		else
			(void)buf_str(out, "+OK\r\n");
		state->job = job;
		state->job_next = 0;
		return (struct pop3_request){ .action = POP3_LISTING };
	}
	message = named(state, command);
	if (message == NULL)
		return no_such_message(state, out);
	(void)buf_str(out, "+OK ");
	(job == POP3_JOB_LIST ? put_list : put_uidl)(state, (size_t)(message - state->messages),
	    out);
	return answered;
}

static struct pop3_request
list(struct pop3_state *state, const struct pop3_command *command, struct buf *out)
{
	return list_or_uidl(state, command, out, POP3_JOB_LIST);
}

static struct pop3_request
uidl(struct pop3_state *state, const struct pop3_command *command, struct buf *out)
{
	return list_or_uidl(state, command, out, POP3_JOB_UIDL);
}

static struct pop3_request
retr(struct pop3_state *state, const struct pop3_command *command, struct buf *out)
{
	const struct pop3_message *message = named(state, command);

	if (message == NULL)
		return no_such_message(state, out);
	return (struct pop3_request){
		.action = POP3_RETRIEVE,
		.index = (size_t)(message - state->messages),
		.top = command->number_count == 2,
		.lines = command->number[1],
	};
}

static struct pop3_request
dele(struct pop3_state *state, const struct pop3_command *command, struct buf *out)
{
	struct pop3_message *message = named(state, command);

	if (message == NULL)
		return no_such_message(state, out);
	/* Clients remove a whole maildrop in this way: to count all again each time takes hours for a large one. */
	message->deleted = true;
	state->left--;
	state->left_size -= message->size;
	(void)buf_str(out, "+OK Marked for removal\r\n");
	return answered;
}

static struct pop3_request
rset(struct pop3_state *state, const struct pop3_command *command, struct buf *out)
{
	(void)command;
	for (size_t i = 0; i < state->count; i++)
		state->messages[i].deleted = false;
	count_left(state);
	(void)buf_fmt(out, "+OK %zu messages (%" PRIu64 " octets)\r\n", state->left,
	    state->left_size);
	return answered;
}

static struct pop3_request
noop(struct pop3_state *state, const struct pop3_command *command, struct buf *out)
{
	(void)state, (void)command;
	(void)buf_str(out, "+OK\r\n");
	return answered;
}

/* NULL: legal only before login. */
static handler *const handlers[POP3_VERBS] = {
	[POP3_CAPA] = capa,
	[POP3_QUIT] = quit,
	[POP3_STAT] = stat,
	[POP3_LIST] = list,
	[POP3_UIDL] = uidl,
	[POP3_RETR] = retr,
	[POP3_TOP] = retr,
	[POP3_DELE] = dele,
	[POP3_RSET] = rset,
	[POP3_NOOP] = noop,
};

struct pop3_request
pop3_state_line(struct pop3_state *state, struct span line, struct buf *out)
{
	struct pop3_command command;

	switch (pop3_parse(line, &command)) {
	case POP3_GOOD:
		if (handlers[command.verb] != NULL)
			return handlers[command.verb](state, &command, out);
		return refuse(state, out, "Not after login");
	case POP3_UNKNOWN:
		return refuse(state, out, "Unknown command");
	case POP3_BAD_BYTES:
		return refuse(state, out, "NUL or CR within a line");
	case POP3_BAD_ARGS:
		break;
	}
	return refuse(state, out, "Wrong arguments");
}

bool
pop3_listing(struct pop3_state *state, size_t most, struct buf *out)
{
	size_t until = out->len + most;

	for (; state->job_next < state->count; state->job_next++) {
		if (out->len >= until)
			return true;
		if (!state->messages[state->job_next].deleted)
			(state->job == POP3_JOB_LIST ? put_list : put_uidl)(state, state->job_next,
			    out);
	}
	(void)buf_str(out, ".\r\n");
	state->job = POP3_JOB_NONE;
	return false;
}

void
pop3_retrieved(struct pop3_state *state, const struct pop3_request *request, struct buf *out)
{
	struct pop3_message *message = &state->messages[request->index];

	if (request->top) {
		(void)buf_str(out, "+OK\r\n");
		return;
	}
	message->retrieved = true;
	(void)buf_fmt(out, "+OK %" PRIu64 " octets\r\n", message->size);
}

void
pop3_not_retrieved(bool gone, struct buf *out)
{
	(void)buf_str(out,
	    gone ? "-ERR Removed by another session\r\n" :
		   "-ERR [SYS/TEMP] The message cannot be read now\r\n");
}

void
pop3_updated(const struct pop3_state *state, size_t removed, struct buf *out)
{
	size_t marked = state->count - state->left;

	/* RFC 1939 section 6. */
	if (removed < marked)
		(void)buf_fmt(out, "-ERR [SYS/TEMP] %zu of %zu messages not removed\r\n",
		    marked - removed, marked);
	else
		(void)buf_str(out, "+OK Bye\r\n");
}
