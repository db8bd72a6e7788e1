/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The flow of a session: input to commands, one at a time and in order, and their output to the client.
 *
 * Invariant: while a job is set, or after the session is over, no input is looked at; it waits in the stream, whose bound is
 * the client's. */
#include "imapd/session.h"

#include <event2/event.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "imapd/imap_capability.h"
#include "imapd/imap_sleep_state.h"
#include "imapd/session_append.h"
#include "imapd/session_idle.h"
#include "imapd/session_mailbox.h"
#include "imapd/session_sleep.h"

/* Room for the longest command with its literals, and a part of the next. */
#define INPUT_MAX (IMAP_COMMAND_MAX + 65536)
/* Nothing that is answered at once comes near; what is more is a job's. */
#define OUTPUT_MAX (256 * 1024 * 1024)
#define ARENA_MAX (4 * 1024 * 1024)
/* Steps of a job in one turn of the loop: the loop stays awake to timeouts and to the parent. */
#define STEPS_A_TURN 64
/* A client that does not take anything for this long is gone. */
#define WRITE_TIMEOUT 300
/* How long a client that has our last words has to hang up; when we are told to stop, also to take them. */
#define END_TIMEOUT 5

/* --- output --- */

static void
flush(struct session *session)
{
	if (session->out.overflow || (session->out.len > 0 && stream_write(session->stream, buf_get(&session->out)) != 0))
		session->phase = SESSION_OVER;
	buf_clear(&session->out);
}

void
session_put_flushing(struct session *session, struct span text)
{
	flush(session);
	(void)buf_span(&session->out, text);
}

void
session_fmt(struct session *session, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)buf_vfmt(&session->out, format, args);
	va_end(args);
	if (session->out.len > SESSION_FLUSH_AT)
		flush(session);
}

bool
session_is_full(const struct session *session)
{
	return session->out.len + stream_pending(session->stream) > SESSION_OUTPUT_HIGH;
}

/* --- answers --- */

static void __attribute__((format(printf, 3, 0)))
tagged(struct session *session, const char *status, const char *format, va_list args)
{
	session_put(session, session->command.tag);
	(void)buf_fmt(&session->out, " %s ", status);
	(void)buf_vfmt(&session->out, format, args);
	session_put(session, SPAN("\r\n"));
}

void
session_answer(struct session *session, const char *status, const char *format, ...)
{
	va_list args;

	session_news(session);
	va_start(args, format);
	tagged(session, status, format, args);
	va_end(args);
}

void
session_set_job(struct session *session, const struct session_job *job, void *state)
{
	session->job = job;
	session->job_state = state;
	/* Who reads a big mailbox over a slow line has nothing to say meanwhile. */
	stream_set_timeouts(session->stream, 0, WRITE_TIMEOUT);
}

static void
drop_job(struct session *session)
{
	if (session->job == NULL)
		return;
	session->job->free(session->job_state);
	stream_set_timeouts(session->stream, (unsigned)session->conf->idle_timeout, WRITE_TIMEOUT);
	session->job = NULL;
	session->job_state = NULL;
}

void
session_end(struct session *session, const char *bye)
{
	if (session->phase == SESSION_OVER)
		return;
	if (bye != NULL)
		session_fmt(session, "* BYE %s\r\n", bye);
	flush(session);
	session->phase = SESSION_OVER;
}

/* --- input --- */

static void
run_command(struct session *session, struct span text)
{
	struct imap_parser parser;
	struct imap_place place = { session->selected != NULL, session_mailbox_read_only(session) };

	imap_arena_free(&session->arena);
	buf_clear(&session->text);
	(void)buf_span(&session->text, text);
	parser = (struct imap_parser){ .at = session->text.data, .end = session->text.data + session->text.len,
		.arena = &session->arena };
	switch (imap_understand(&parser, &place, &session->command)) {
	case IMAP_EMPTY:
		return;
	case IMAP_MALFORMED:
		session_bad(session, parser.error);
		return;
	case IMAP_NOT_NOW:
		session_bad(session, "Not in this state: select a mailbox first");
		return;
	case IMAP_READ_ONLY:
		session_answer(session, "NO", "[READ-ONLY] The mailbox was opened with EXAMINE");
		return;
	case IMAP_UNDERSTOOD:
		session->bad = 0; /* a client may stay for weeks: only those in a row tell that it is none */
		break;
	}
	session->command.cmd->run(session, &session->command);
}

/* The answer to a command that was not taken in. */
static void
refuse(struct session *session, struct span input, const char *text)
{
	struct span tag = imap_frame_tag(input);

	buf_clear(&session->text);
	(void)buf_span(&session->text, tag);
	session->command = (struct imap_command){ .tag = buf_get(&session->text) };
	session_bad(session, text);
}

static const struct imap_frame_limits limits = {
	.line = IMAP_LINE_MAX, .literal = IMAP_LITERAL_MAX, .command = IMAP_COMMAND_MAX, .count = 64, .messages = true,
};

/* A literal this far beyond every bound is not waited for. */
static bool
is_hopeless(const struct session *session, uint64_t literal)
{
	return literal > 4 * (uint64_t)session->conf->message_size_max;
}

/* True when something was taken from the input. */
static bool
take_commands(struct session *session, struct span input)
{
	struct imap_frame_result found = imap_frame_next(&session->frame, input, &limits);
	struct span text = span_make(input.ptr, found.length);

	if (found.event == IMAP_FRAME_MORE)
		return false;
	if (found.event == IMAP_FRAME_CONTINUE) {
		session_put(session, SPAN("+ OK\r\n"));
		return true;
	}
	session->frame = (struct imap_frame){ 0 };
	switch (found.event) {
	case IMAP_FRAME_COMMAND:
		run_command(session, text);
		break;
	case IMAP_FRAME_MESSAGE:
		session->append = session_append_new(found.literal, found.sync);
		run_command(session, text);
		session_append_started(session);
		break;
	case IMAP_FRAME_TOO_LONG:
		refuse(session, input, "[TOOBIG] The line is too long");
		session->skip_line = true;
		break;
	case IMAP_FRAME_TOO_BIG:
		refuse(session, input, "[TOOBIG] The literal is too big");
		session->skip_bytes = found.sync ? 0 : found.literal;
		session->skip_line = !found.sync;
		if (session->skip_line && is_hopeless(session, found.literal))
			session_end(session, "The literal is too big");
		break;
	default:
		refuse(session, input, "A literal's size makes no sense");
		session_end(session, "A literal's size makes no sense");
	}
	stream_consume(session->stream, found.length);
	return true;
}

/* What is left of a command that was refused before it was whole: its literal, its lines up to one without a literal. */
static bool
skip_refused(struct session *session, struct span input)
{
	ptrdiff_t newline;
	struct span line;
	uint64_t size;
	size_t taken;
	bool sync;

	if (session->skip_bytes > 0) {
		taken = input.len < session->skip_bytes ? input.len : (size_t)session->skip_bytes;
		session->skip_bytes -= taken;
		stream_consume(session->stream, taken);
		return taken > 0;
	}
	newline = span_chr(input, '\n');
	if (newline < 0) {
		/* The end of a line tells whether a literal follows: so much is kept. */
		taken = input.len > 64 ? input.len - 64 : 0;
		stream_consume(session->stream, taken);
		return false;
	}
	line = span_make(input.ptr, (size_t)newline);
	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	session->skip_line = imap_frame_literal(line, &size, &sync) == 1 && !sync;
	if (session->skip_line)
		session->skip_bytes = size;
	stream_consume(session->stream, (size_t)newline + 1);
	return true;
}

static bool
take_input(struct session *session)
{
	struct span input = stream_input(session->stream);

	if (session->skip_bytes > 0 || session->skip_line)
		return skip_refused(session, input);
	switch (session->phase) {
	case SESSION_COMMANDS:
		return take_commands(session, input);
	case SESSION_IDLE:
		return session_idle_input(session, input);
	case SESSION_MESSAGE:
		return session_append_input(session, input);
	case SESSION_OVER:
		break;
	}
	return false;
}

/* Gives everything back but the connection, which still has to be told. */
static void
release(struct session *session)
{
	drop_job(session);
	session_idle_stop(session);
	session_append_drop(session);
	session_mailbox_close(session);
	ms_close(session->store);
	session->store = NULL;
}

static void
end_soon(struct session *session)
{
	static const struct timeval limit = { END_TIMEOUT, 0 };

	(void)event_add(session->again, &limit);
}

/* The connection closes once the client has everything: what it asked for before its LOGOUT may be on the way for long, and takes as long as any
 * other answer may. One that does not hang up then is not waited for. */
static void
begin_end(struct session *session)
{
	if (session->ending)
		return;
	session->ending = true;
	log_info("session-ended", log_str("account", session->proc->account), log_str("client", session->address),
	    log_str("why", session->why != NULL ? session->why : "logout"));
	release(session);
	stream_set_timeouts(session->stream, 0, WRITE_TIMEOUT);
	stream_shutdown_write(session->stream);
	(void)event_del(session->again);
	if (stream_pending(session->stream) == 0 || session->proc->stopping)
		end_soon(session);
	if (session->no_more_input && stream_pending(session->stream) == 0)
		proc_exit(session->proc, 0);
}

static void
take_turn_again(struct session *session)
{
	static const struct timeval now = { 0, 0 };

	(void)event_add(session->again, &now);
}

void
session_turn(struct session *session)
{
	unsigned steps = 0;

	while (session->phase != SESSION_OVER) {
		if (session_is_full(session))
			break; /* until it has drained */
		if (session->job == NULL) {
			if (!take_input(session))
				break;
			continue;
		}
		if (steps++ == STEPS_A_TURN) {
			take_turn_again(session);
			break;
		}
		if (session->job->step(session, session->job_state) == JOB_DONE)
			drop_job(session);
	}
	flush(session);
	if (session->no_more_input && session->job == NULL && !session_is_full(session))
		session->phase = SESSION_OVER;
	if (session->phase == SESSION_OVER)
		begin_end(session);
	else if (session->job == NULL)
		session_sleep_later(session);
}

static void
on_again(evutil_socket_t fd, short what, void *context)
{
	struct session *session = context;

	(void)fd;
	(void)what;
	if (session->ending)
		proc_exit(session->proc, 0);
	else
		session_turn(session);
}

static void
on_readable(struct stream *stream, void *context)
{
	struct session *session = context;

	if (session->ending) {
		stream_consume(stream, stream_input(stream).len);
		return;
	}
	session->heard = session_now();
	if (session->hurried)
		stream_set_timeouts(stream, (unsigned)session->conf->idle_timeout, WRITE_TIMEOUT);
	session->hurried = false;
	session_turn(session);
}

static void
on_drained(struct stream *stream, void *context)
{
	struct session *session = context;

	(void)stream;
	if (!session->ending)
		session_turn(session);
	else if (session->no_more_input)
		proc_exit(session->proc, 0);
	else
		end_soon(session);
}

static void
on_ended(struct stream *stream, void *context, enum stream_end end)
{
	static const char *const reasons[] = {
		[STREAM_EOF] = "closed", [STREAM_ERROR] = "broken", [STREAM_TIMEOUT] = "silent", [STREAM_TLS_FAILED] = "tls",
	};
	struct session *session = context;

	session->no_more_input = true;
	if (session->ending) {
		/* One that has closed its side may still take what is pending. */
		if (end != STREAM_EOF || stream_pending(stream) == 0)
			proc_exit(session->proc, 0);
		return;
	}
	session->why = reasons[end];
	if (end == STREAM_TIMEOUT && stream_pending(stream) == 0)
		session_end(session, "Silent for too long");
	else if (end != STREAM_EOF)
		session->phase = SESSION_OVER;
	/* What came before an end in order still counts, and a client may read on after closing its side. */
	session_turn(session);
}

static const struct stream_ops stream_ops = {
	.readable = on_readable, .drained = on_drained, .ended = on_ended,
};

void
session_hurry(struct session *session, unsigned seconds)
{
	session->hurried = true;
	stream_set_timeouts(session->stream, seconds, WRITE_TIMEOUT);
}

static void
answer_login(struct session *session, struct span tag)
{
	session_put(session, tag);
	if (session->store == NULL) {
		session_put(session, SPAN(" NO [UNAVAILABLE] The mailbox cannot be opened now\r\n"));
		session->why = "store";
		session_end(session, "Try again later");
		return;
	}
	session_put(session, SPAN(" OK [CAPABILITY "));
	imap_capability_after((uint64_t)session->conf->message_size_max, &session->out);
	session_put(session, SPAN("] Logged in\r\n"));
}

void
session_begin(struct session *session, int fd, struct span input, struct span handover)
{
	session->arena.max = ARENA_MAX;
	buf_init(&session->text, INPUT_MAX);
	buf_init(&session->out, OUTPUT_MAX);
	session->again = evtimer_new(session->proc->base, on_again, session);
	session->stream = stream_new(session->proc->base, fd, &stream_ops, session, INPUT_MAX, OUTPUT_MAX);
	if (session->again == NULL || session->stream == NULL)
		abort();
	stream_set_timeouts(session->stream, (unsigned)session->conf->idle_timeout, WRITE_TIMEOUT);
	stream_preload(session->stream, input);
	session->heard = session_now();
	if (!imap_sleep_is(handover)) {
		answer_login(session, handover);
	} else if (session->store == NULL || !session_wake(session, handover)) {
		session->why = "not-woken";
		session_end(session, "[UNAVAILABLE] Please log in again");
	}
	session_turn(session);
}

void
session_stop(struct session *session)
{
	if (session->ending) {
		end_soon(session);
		return;
	}
	session->why = "stopping";
	session_end(session, "The server is stopping");
	session_turn(session);
}
