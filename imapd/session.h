/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One client that is logged in: its input, the command in work, its output, the mailbox it has selected. */
#ifndef IMAPD_SESSION_H
#define IMAPD_SESSION_H

#include "common/stream.h"
#include "imapd/imap_frame_parse.h"
#include "imapd/imap_state.h"
#include "imapd/imap_view_state.h"
#include "imapd/imapd.h"
#include "libmailstore/mailstore.h"

/* RFC 7162: what ENABLE, or a command that implies it, has turned on. */
#define SESSION_CONDSTORE IMAP_ENABLE_CONDSTORE
#define SESSION_QRESYNC IMAP_ENABLE_QRESYNC

/* Commands that make no sense before the connection is closed. */
#define SESSION_BAD_MAX 20
/* A command without its literals, one literal, and all of it together; APPEND's message is apart. */
#define IMAP_LINE_MAX 65536
#define IMAP_LITERAL_MAX 65536
#define IMAP_COMMAND_MAX (256 * 1024)
/* Where a job rests until the client has taken what was sent. */
#define SESSION_OUTPUT_HIGH (256 * 1024)
/* So much is gathered before it goes to the stream. */
#define SESSION_FLUSH_AT (32 * 1024)

enum session_phase {
	SESSION_COMMANDS, /* reads commands */
	SESSION_IDLE,     /* waits for DONE */
	SESSION_MESSAGE,  /* takes the message of an APPEND */
	SESSION_OVER,     /* sends what is pending, then ends */
};

enum job_result {
	JOB_MORE, /* call again, once there is room for output */
	JOB_DONE, /* the tag is answered */
};

/* A command that takes more than one turn of the loop. */
struct session_job {
	enum job_result (*step)(struct session *session, void *state);
	void (*free)(void *state);
};

struct session_append;

struct session {
	struct proc *proc;
	const struct imapd_conf *conf;
	struct stream *stream;
	char address[64];
	struct event *again; /* a job's next turn */
	struct event *watch; /* IDLE: the store has changed */
	struct event *quiet; /* nobody asks for anything just now */
	struct event *rest;  /* nothing has happened for hibernate_after */
	int64_t heard;       /* when the client last said something (session_now) */
	bool hurried;        /* the stream's timeout is shorter than idle_timeout */

	/* input */
	enum session_phase phase;
	bool no_more_input; /* the client closed its side */
	bool ending;        /* everything is given back; the connection is closing */
	const char *why;    /* it ends, for the log; NULL: the client asked */
	struct imap_frame frame;
	uint64_t skip_bytes; /* of a literal that was refused but comes all the same */
	bool skip_line;      /* and the rest of its command */
	unsigned bad;

	/* the command in work; its memory lives until the next one */
	struct buf text;
	struct imap_arena arena;
	struct imap_command command;
	const struct session_job *job;
	void *job_state;
	struct session_append *append;

	struct buf out; /* gathered, given to the stream at the end of each turn */

	unsigned enabled; /* SESSION_CONDSTORE, SESSION_QRESYNC */

	struct ms_store *store;
	struct session_mailbox *selected; /* NULL in authenticated state */
};

/* --- session.c --- */

/* Takes over fd (the client) and speaks until the client is gone; then the process ends. `input` is what the login role read
 * ahead; handover is the tag that waits for its answer, or the state of a session that slept. */
void session_begin(struct session *session, int fd, struct span input, struct span handover);
/* Until the client says something it has only so many seconds. */
void session_hurry(struct session *session, unsigned seconds);
/* Runs what can run now; also after a job that waited was given something. */
void session_turn(struct session *session);
/* The parent's word to stop: the command in work is given up. */
void session_stop(struct session *session);
/* Says BYE (text may be NULL when nothing can be said) and ends. */
void session_end(struct session *session, const char *bye);

/* Output; errors end the session in its turn. */
void session_put_flushing(struct session *session, struct span text);
static inline void
session_put(struct session *session, struct span text)
{
	if (session->out.len + text.len > SESSION_FLUSH_AT)
		session_put_flushing(session, text);
	else
		(void)buf_span(&session->out, text);
}
void session_fmt(struct session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* True when enough waits for the client: a job returns JOB_MORE. */
bool session_is_full(const struct session *session);

/* The tagged answer ("OK", "NO", "BAD"), after the untagged news that the command allows. The text has its response code. */
void session_answer(struct session *session, const char *status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Leaves the command to a job. */
void session_set_job(struct session *session, const struct session_job *job, void *state);

/* --- session_reply.c --- */

/* A number after some text: FETCH answers are made of these, a printf for each would take longer than all the rest. */
void session_put_number(struct session *session, struct span text, uint64_t number);
/* A string as quoted or literal; NIL for a NULL pointer. */
void session_put_string(struct session *session, struct span text);
/* A mailbox name, given in UTF-8, in modified UTF-7. */
void session_put_mailbox(struct session *session, struct span name);
/* A date-time in quotes, UTC. */
void session_put_date(struct session *session, int64_t time);

/* BAD, counted: after too many the session ends. */
void session_bad(struct session *session, const char *text);
/* The answer when messages were expunged by somebody else, of which the client did not know: NO (RFC 2180 section 4), but to a command with UIDs,
 * where one that does not exist is ignored without an error (RFC 3501 section 6.4.8), OK. Both with EXPUNGEISSUED (RFC 5530). */
void session_answer_gone(struct session *session, const char *text);
/* The answer to a failure of the store: NO with a response code of RFC 5530; what is unexpected is logged. */
void session_store_failed(struct session *session, const char *what, int rc);

#endif
