/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The event source (RFC 8620 section 7.3): a stream that tells a client which types have a new state. */
#include <event2/event.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "webmaild/jmap_store.h"
#include "webmaild/jmap_submission.h"
#include "webmaild/session.h"

#define PING_MIN 10
#define PING_MAX 900
#define TYPE_COUNT 4

static const char *const type_names[TYPE_COUNT] = { "Mailbox", "Email", "Thread", "EmailSubmission" };

struct watcher {
	struct session_request *request;
	bool types[TYPE_COUNT];
	bool close_after_state;
	unsigned ping; /* seconds, 0: none */
	struct event *timer;
	char told[TYPE_COUNT][24]; /* the states the client knows */
};

static void
read_states(struct session *session, char states[TYPE_COUNT][24])
{
	struct jmap *jmap = session->jmap;
	json_t *file = jmap_submissions_load(jmap);

	memcpy(states[0], jmap_state_text(jmap->mailbox_state).text, 24);
	memcpy(states[1], jmap_state_text(jmap->email_state).text, 24);
	memcpy(states[2], jmap_state_text(jmap->thread_state).text, 24);
	memcpy(states[3], jmap_submissions_state(file).text, 24);
	json_decref(file);
}

static void
send_event(struct watcher *watcher, const char *event, const json_t *data)
{
	char *text = json_dumps(data, JSON_COMPACT);
	struct buf out = BUF_INIT(4096);

	(void)buf_fmt(&out, "event: %s\ndata: %s\n\n", event, text);
	session_answer_write(watcher->request, buf_get(&out));
	buf_free(&out);
	free(text);
}

/* Sends a StateChange (RFC 8620 7.1) when a type has a state that was not told yet. */
static bool
tell(struct watcher *watcher, char states[TYPE_COUNT][24])
{
	json_t *changed = json_object(), *event;

	for (size_t i = 0; i < TYPE_COUNT; i++) {
		if (!watcher->types[i] || strcmp(watcher->told[i], states[i]) == 0)
			continue;
		memcpy(watcher->told[i], states[i], sizeof(watcher->told[i]));
		(void)json_object_set_new(changed, type_names[i], json_string(states[i]));
	}
	if (json_object_size(changed) == 0) {
		json_decref(changed);
		return false;
	}
	event = json_pack("{s:s, s:{s:o}}", "@type", "StateChange", "changed", watcher->request->session->jmap->account_id, changed);
	send_event(watcher, "state", event);
	json_decref(event);
	if (watcher->close_after_state)
		session_answer_end(watcher->request);
	return true;
}

static void
arm(struct watcher *watcher)
{
	struct timeval wait = { (time_t)watcher->ping, 0 };

	if (watcher->ping != 0)
		(void)event_add(watcher->timer, &wait);
}

static void
on_ping(evutil_socket_t fd, short what, void *context)
{
	struct watcher *watcher = context;
	json_t *data = json_pack("{s:i}", "interval", (int)watcher->ping);

	(void)fd;
	(void)what;
	/* A client that does not read any more is noticed by what piles up. */
	if (watcher->request->answer.len == 0)
		send_event(watcher, "ping", data);
	json_decref(data);
	arm(watcher);
}

static void
read_types(struct watcher *watcher, struct span list)
{
	struct span type;

	if (list.len == 0)
		list = SPAN("*");
	while (span_split(&list, ',', &type))
		for (size_t i = 0; i < TYPE_COUNT; i++)
			if (span_eq(type, SPAN("*")) || span_eq(type, span_of(type_names[i])))
				watcher->types[i] = true;
}

void
session_watch(struct session_request *request)
{
	struct watcher *watcher = xcalloc(1, sizeof(*watcher));
	struct buf value = BUF_INIT(1024);
	uint64_t ping = 0;

	watcher->request = request;
	(void)session_parameter(request, "types", &value);
	read_types(watcher, buf_get(&value));
	buf_clear(&value);
	if (session_parameter(request, "closeafter", &value))
		watcher->close_after_state = span_eq(buf_get(&value), SPAN("state"));
	buf_clear(&value);
	/* 0 asks for none; otherwise within sensible bounds, as the RFC allows. */
	if (session_parameter(request, "ping", &value) && span_to_u64(buf_get(&value), UINT32_MAX, &ping) == 0 && ping > 0)
		watcher->ping = ping < PING_MIN ? PING_MIN : ping > PING_MAX ? PING_MAX : (unsigned)ping;
	buf_free(&value);
	watcher->timer = event_new(request->session->proc->base, -1, 0, on_ping, watcher);
	request->watcher = watcher;
	(void)jmap_sync(request->session->jmap); /* what cannot be read now is told by a later change */
	read_states(request->session, watcher->told);
	session_answer_begin(request, 200, ANSWER_LENGTH_UNKNOWN, "text/event-stream", SPAN_NULL, false);
	/* Bytes at once: some clients wait for them before they believe the stream is open. */
	session_answer_write(request, SPAN(": open\n\n"));
	arm(watcher);
}

void
session_watch_free(struct watcher *watcher)
{
	event_free(watcher->timer);
	free(watcher);
}

void
session_changed(struct session *session)
{
	char states[TYPE_COUNT][24];
	bool watched = false;
	int r;

	for (const struct session_request *request = session->requests; request != NULL; request = request->next)
		watched = watched || request->watcher != NULL;
	if (!watched)
		return; /* the next request syncs */
	r = jmap_sync(session->jmap);
	if (r != 0)
		log_warning("sync-failed", log_str("account", session->proc->account), log_str("error", ms_strerror(r)));
	read_states(session, states);
	for (struct session_request *request = session->requests; request != NULL; request = request->next)
		if (request->watcher != NULL)
			(void)tell(request->watcher, states);
}
