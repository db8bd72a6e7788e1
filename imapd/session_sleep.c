/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Sleep. The state says what the client knows; whoever wakes up puts its view of then together from the mailbox of now and what
 * was expunged since, and the difference is news like any other. */
#include "imapd/session_sleep.h"

#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "imapd/imap_sleep_state.h"
#include "imapd/session_idle.h"
#include "imapd/session_mailbox.h"

int64_t
session_now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_BOOTTIME, &time); /* cannot fail for this clock */
	return time.tv_sec;
}

/* Nothing under way, nothing the client has yet to be told that would be lost. */
static bool
may_sleep(struct session *session)
{
	const struct session_mailbox *selected = session->selected;

	return (session->phase == SESSION_COMMANDS || session->phase == SESSION_IDLE) && session->job == NULL &&
	    session->append == NULL && session->skip_bytes == 0 && !session->skip_line && !session->no_more_input &&
	    session->frame.scanned == 0 && stream_input(session->stream).len == 0 && stream_pending(session->stream) == 0 &&
	    (selected == NULL || (selected->view.gone == 0 && selected->view.changed == 0 && !selected->saved));
}

static int
put_state(struct session *session, struct buf *out)
{
	const struct session_mailbox *selected = session->selected;
	struct imap_sleep sleep = {
		.idle = session->phase == SESSION_IDLE,
		.tag = session->phase == SESSION_IDLE ? session->command.tag : SPAN_NULL,
		.enabled = (uint8_t)session->enabled,
		.bad = (uint8_t)session->bad,
		.silent_until = session->heard + session->conf->idle_timeout,
	};

	if (selected != NULL) {
		sleep.mailbox = span_of(ms_mailbox_info(selected->mailbox)->name);
		sleep.validity = ms_mailbox_info(selected->mailbox)->uidvalidity;
		sleep.read_only = selected->read_only;
		sleep.last = imap_view_last(&selected->view);
		sleep.modseq = selected->modseq;
		sleep.count = (uint32_t)selected->view.count;
		sleep.digest = imap_sleep_digest(&selected->view);
		sleep.keywords = (uint16_t)selected->keywords_told;
	}
	return imap_sleep_put(&sleep, out);
}

/* The watch goes first: who has the client has everything. */
static int
hand_back(struct session *session, struct span state)
{
	int64_t seconds = session->heard + session->conf->idle_timeout - session_now();
	struct msg_writer body;
	char *input;
	size_t len;
	int fd, rc = 0;

	if (session->phase == SESSION_IDLE && session->selected != NULL) {
		fd = fcntl(ms_watch_fd(session->store), F_DUPFD_CLOEXEC, 0);
		msg_writer_init(&body);
		rc = fd < 0 ? -1 : proc_send(session->proc, ROLE_FRONT, MSG_SESSION_WATCH, 0, &body, fd);
	}
	if (rc != 0)
		return rc;
	fd = stream_release(session->stream, &input, &len);
	if (fd < 0)
		return fd;
	session->stream = NULL;
	msg_writer_init(&body);
	msg_put_u32(&body, seconds > 0 ? (uint32_t)seconds : 1);
	msg_put_span(&body, state);
	msg_put_span(&body, span_make(input, len));
	free(input);
	return proc_send(session->proc, ROLE_FRONT, MSG_SESSION_SLEEP, 0, &body, fd);
}

static void
on_rest(evutil_socket_t fd, short what, void *context)
{
	struct session *session = context;
	struct buf state = BUF_INIT(IMAP_SLEEP_MAX);

	(void)fd;
	(void)what;
	if (session->ending || !may_sleep(session) || put_state(session, &state) != 0) {
		buf_free(&state);
		return;
	}
	if (hand_back(session, buf_get(&state)) == 0)
		log_debug("session-sleeps", log_str("account", session->proc->account), log_str("client", session->address));
	buf_free(&state);
	if (session->stream == NULL) {
		ms_close(session->store);
		proc_exit(session->proc, EX_OK);
	}
}

/* While nothing is asked what can wait is done: names follow flags, the text index follows the mail. */
static void
on_quiet(evutil_socket_t fd, short what, void *context)
{
	static const struct timeval soon = { 0, 1000 };
	struct session *session = context;
	bool more = false;
	int rc = 0;

	(void)fd;
	(void)what;
	if (session->ending || session->job != NULL || session->append != NULL || session->store == NULL)
		return;
	rc = ms_idle_work(session->store, &more);
	if (rc != 0)
		log_debug("idle-work-failed", log_str("account", session->proc->account), log_str("error", ms_strerror(rc)));
	else if (more)
		(void)event_add(session->quiet, &soon);
}

static void
index_later(struct session *session)
{
	static const struct timeval after = { 0, 500 * 1000 };

	if (session->quiet == NULL)
		session->quiet = evtimer_new(session->proc->base, on_quiet, session);
	if (session->quiet == NULL)
		abort();
	(void)event_add(session->quiet, &after);
}

void
session_sleep_later(struct session *session)
{
	struct timeval after = { (time_t)session->conf->hibernate_after, 0 };

	index_later(session);
	if (after.tv_sec == 0)
		return;
	if (session->rest == NULL)
		session->rest = evtimer_new(session->proc->base, on_rest, session);
	if (session->rest == NULL)
		abort();
	(void)event_add(session->rest, &after);
}

/* --- waking --- */

struct gone {
	uint32_t *uids;
	size_t count, room;
};

static int
take_expunged(void *context, uint32_t uid, uint64_t modseq)
{
	struct gone *gone = context;

	(void)modseq;
	if (gone->count == gone->room) {
		gone->room = gone->room == 0 ? 64 : gone->room * 2;
		gone->uids = xreallocarray(gone->uids, gone->room, sizeof(gone->uids[0]));
	}
	gone->uids[gone->count++] = uid;
	return 0;
}

static int
pass_over(void *context, const struct ms_message *message)
{
	(void)context;
	(void)message;
	return 0;
}

static bool
select_again(struct session *session, const struct imap_sleep *sleep)
{
	struct session_mailbox *selected;
	struct gone gone = { 0 };

	if (session_mailbox_open(session, sleep->mailbox, sleep->read_only) != 0)
		return false;
	selected = session->selected;
	if (ms_mailbox_info(selected->mailbox)->uidvalidity != sleep->validity ||
	    ms_changes(selected->mailbox, sleep->modseq, pass_over, take_expunged, &gone) != 0) {
		free(gone.uids);
		return false;
	}
	imap_view_rewind(&selected->view, sleep->last, gone.uids, gone.count);
	free(gone.uids);
	selected->modseq = sleep->modseq;
	selected->keywords_told = sleep->keywords;
	return selected->view.count == sleep->count && imap_sleep_digest(&selected->view) == sleep->digest;
}

bool
session_wake(struct session *session, struct span state)
{
	struct imap_sleep sleep;
	int64_t left;

	if (imap_sleep_get(state, &sleep) != 0 || (sleep.mailbox.len > 0 && !select_again(session, &sleep)))
		return false;
	session->enabled = sleep.enabled & (SESSION_CONDSTORE | SESSION_QRESYNC);
	session->bad = sleep.bad;
	left = sleep.silent_until - session_now();
	session->heard = sleep.silent_until - session->conf->idle_timeout;
	session_hurry(session, left > 0 && left < session->conf->idle_timeout ? (unsigned)left : 1);
	if (!sleep.idle)
		return true;
	(void)buf_span(&session->text, sleep.tag);
	session->command = (struct imap_command){ .tag = buf_get(&session->text), .cmd = imap_cmd_find(SPAN("IDLE"), false) };
	session_idle_begin(session);
	return true;
}
