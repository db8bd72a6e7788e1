/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The session role: one account's mail through libmailstore, as the account's uid. It answers the http role's requests one at a
 * time. Whoever owns it has this account's mail, and can hand mail to the spool in its name; no other account, and no network. */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/drop.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "frame/store_watch.h"
#include "webmaild/jmap.h"
#include "webmaild/jmap_store.h"
#include "webmaild/session.h"

#define INPUT_MAX 131072
#define OUTPUT_MAX 262144
#define REQUESTS_MAX 128
#define DESCRIPTORS_MAX 1024
/* As many answers as may be under way, of the largest messages, and the account itself. */
#define MEMORY_MAX ((size_t)4 << 30)
/* Answers of one kind that wait for their clients, in bytes: beyond this the next is not made before one has gone. */
#define ANSWERS_MAX ((size_t)512 << 20)
#define JSON_TYPE "application/json"

static void
arm_idle(struct session *session, bool soon)
{
	struct timeval wait = { soon ? 0 : (time_t)session->conf->session_idle, 0 };

	if (session->requests == NULL)
		(void)event_add(session->idle, &wait);
	else
		(void)event_del(session->idle);
}

static void
index_later(struct session *session)
{
	static const struct timeval after = { 0, 500 * 1000 };

	(void)event_add(session->quiet, &after);
}

static void
on_quiet(evutil_socket_t fd, short what, void *context)
{
	static const struct timeval soon = { 0, 1000 };
	struct session *session = context;
	bool more = false;
	int r;

	(void)fd;
	(void)what;
	for (const struct session_request *request = session->requests; request != NULL; request = request->next)
		if (request->watcher == NULL)
			return; /* its end begins the wait anew */
	r = ms_idle_work(session->jmap->store, &more);
	if (r != 0)
		log_debug("idle-work-failed", log_str("account", session->proc->account), log_str("error", ms_strerror(r)));
	else if (more)
		(void)event_add(session->quiet, &soon);
}

static void
request_free(struct session_request *request)
{
	struct session *session = request->session;
	struct session_request **at = &session->requests;

	while (*at != NULL && *at != request)
		at = &(*at)->next;
	if (*at == request)
		*at = request->next;
	session_show_cancel(request);
	if (request->watcher != NULL)
		session_watch_free(request->watcher);
	upload_abandon(request->upload);
	if (request->over)
		stream_finish(request->stream);
	else
		(void)stream_free(request->stream);
	free(request->content_type);
	free(request->path);
	free(request->query);
	buf_free(&request->body);
	buf_free(&request->answer);
	free(request);
	arm_idle(session, session->render_lost);
	index_later(session);
	event_active(session->room, EV_TIMEOUT, 0);
}

/* Frees those whose answer has ended. Not from within a walk over the requests. */
static void
sweep(struct session *session)
{
	struct session_request *request = session->requests, *next;

	for (; request != NULL; request = next) {
		next = request->next;
		if (request->over)
			request_free(request);
	}
}

/* Without its render role a session shows plain text only: it ends as soon as nothing but event sources is left. Their clients
 * open them again, with a new session. */
static void
retire(struct session *session)
{
	for (const struct session_request *request = session->requests; request != NULL; request = request->next)
		if (request->watcher == NULL)
			return;
	for (struct session_request *request = session->requests; request != NULL; request = request->next)
		session_answer_end(request);
	sweep(session);
	arm_idle(session, true);
}

/* --- a request whose body is complete --- */

static void
answer_api(struct session_request *request)
{
	struct span type = span_of(request->content_type), media = SPAN_NULL;
	struct buf answer = BUF_INIT(JMAP_RESPONSE_MAX);
	bool is_json = span_split(&type, ';', &media) && span_ieq(span_trim(media), SPAN(JSON_TYPE));
	unsigned status = is_json ? jmap_api(request->session->jmap, buf_get(&request->body), &answer) : jmap_refuse_type(&answer);

	buf_free(&request->body);
	session_answer(request, status, status == 200 ? JSON_TYPE : "application/problem+json", &answer);
	/* Other clients of the account hear of what this one did. */
	session_changed(request->session);
	sweep(request->session);
}

static void
answer_session(struct session_request *request)
{
	struct buf answer = BUF_INIT(65536);

	jmap_session_object(request->session->jmap, &answer);
	session_answer(request, 200, JSON_TYPE, &answer);
}

static void (*const answers[REQUEST_KINDS])(struct session_request *) = {
	[REQUEST_API] = answer_api,
	[REQUEST_SESSION] = answer_session,
	[REQUEST_UPLOAD] = session_upload_done,
	[REQUEST_DOWNLOAD] = session_download,
	[REQUEST_EVENTSOURCE] = session_watch,
	[REQUEST_RENDER] = session_show,
	[REQUEST_RENDER_INFO] = session_show_info,
};

/* What one request keeps in memory until its client has read the answer. */
static size_t
weight_of(const struct session_request *request)
{
	return request->answer.len + (request->show != NULL ? (size_t)request->session->conf->message_size_max : 0);
}

static bool
has_room(const struct session *session, enum request_kind kind)
{
	size_t all = 0;

	for (const struct session_request *request = session->requests; request != NULL; request = request->next)
		all += request->kind == kind ? weight_of(request) : 0;
	return all < ANSWERS_MAX;
}

static void
body_complete(struct session_request *request)
{
	if (request->complete)
		return;
	request->complete = true;
	request->put_off = !request->answered && !has_room(request->session, request->kind);
	if (!request->answered && !request->put_off)
		answers[request->kind](request);
}

/* The one that waits longest, of those that there is room for. */
static struct session_request *
next_put_off(const struct session *session)
{
	struct session_request *found = NULL;

	for (struct session_request *request = session->requests; request != NULL; request = request->next)
		if (request->put_off && has_room(session, request->kind))
			found = request; /* the latest stand first */
	return found;
}

static void
on_room(evutil_socket_t fd, short what, void *context)
{
	const struct session *session = context;
	struct session_request *request;

	(void)fd;
	(void)what;
	while ((request = next_put_off(session)) != NULL) {
		request->put_off = false;
		answers[request->kind](request);
	}
}

/* --- streams --- */

static void
refuse_body(struct session_request *request, int error)
{
	unsigned status = error == -EMSGSIZE ? 413 : error == -ENOSPC || error == -EDQUOT ? 507 : 500;

	log_warning("body-refused", log_errno("error", error));
	session_problem(request, status, "The file could not be taken.");
}

static int
take_body(struct session_request *request, struct span bytes)
{
	int r = 0;

	if (request->answered)
		return 0; /* nobody wants it any more */
	if (request->kind == REQUEST_API)
		return buf_span(&request->body, bytes);
	if (request->kind != REQUEST_UPLOAD)
		return 0;
	if (request->upload == NULL)
		request->upload = upload_begin(request->session->uploads, &r);
	return r == 0 ? upload_write(request->upload, bytes) : r;
}

static void
on_readable(struct stream *stream, void *context)
{
	struct session_request *request = context;
	struct span input = stream_input(stream);
	int r = take_body(request, input);

	stream_consume(stream, input.len);
	if (r < 0)
		refuse_body(request, r);
}

static void
pump(struct session_request *request)
{
	struct span rest = span_skip(buf_get(&request->answer), request->sent);

	while (rest.len > 0 && stream_pending(request->stream) < OUTPUT_MAX / 2) {
		struct span piece = span_take(&rest, OUTPUT_MAX / 4);

		if (stream_write(request->stream, piece) < 0)
			return; /* on_ended follows */
		request->sent += piece.len;
	}
	if (rest.len == 0) {
		buf_free(&request->answer);
		request->sent = 0;
	}
}

static void
on_drained(struct stream *stream, void *context)
{
	struct session_request *request = context;

	(void)stream;
	pump(request);
	if (request->answered && request->answer.len == 0 && request->watcher == NULL && request->rendering == NULL &&
	    stream_pending(request->stream) == 0) {
		struct session *session = request->session;

		request_free(request);
		sweep(session);
		if (session->render_lost)
			retire(session);
	}
}

static void
on_ended(struct stream *stream, void *context, enum stream_end end)
{
	struct session_request *request = context;
	struct span input = stream_input(stream);
	int r;

	if (end != STREAM_EOF || request->complete) {
		request_free(request);
		return;
	}
	r = take_body(request, input);
	stream_consume(stream, input.len);
	if (r < 0)
		refuse_body(request, r);
	else
		body_complete(request);
}

static const struct stream_ops request_ops = { on_readable, on_drained, NULL, on_ended };

/* --- answers --- */

void
session_answer_begin(struct session_request *request, unsigned status, uint64_t length, const char *type, struct span filename,
    bool is_inline)
{
	struct msg_writer *head;
	uint8_t prefix[2];

	if (request->answered)
		return;
	head = xcalloc(1, sizeof(*head));
	msg_writer_init(head);
	msg_put_u16(head, (uint16_t)status);
	msg_put_u64(head, length);
	msg_put_span(head, span_of(type));
	msg_put_span(head, span_make(filename.ptr, filename.len <= 255 ? filename.len : 0));
	msg_put_u8(head, is_inline);
	prefix[0] = (uint8_t)(head->len >> 8);
	prefix[1] = (uint8_t)head->len;
	request->answered = true;
	session_answer_write(request, span_make(prefix, sizeof(prefix)));
	session_answer_write(request, span_make(head->bytes, head->len));
	free(head);
}

void
session_answer_write(struct session_request *request, struct span bytes)
{
	if (request->answer.len > 0 || stream_write(request->stream, bytes) < 0)
		(void)buf_span(&request->answer, bytes);
}

void
session_answer_end(struct session_request *request)
{
	request->over = true;
}

void
session_answer_file(struct session_request *request, const char *type, struct span filename, bool is_inline, struct buf *body)
{
	session_answer_begin(request, 200, body->len, type, filename, is_inline);
	if (request->answer.len == 0) {
		buf_free(&request->answer);
		request->answer = *body;
		*body = BUF_INIT(body->max);
	} else {
		(void)buf_span(&request->answer, buf_get(body));
		buf_free(body);
	}
	pump(request);
}

void
session_answer(struct session_request *request, unsigned status, const char *type, struct buf *body)
{
	session_answer_begin(request, status, body->len, type, SPAN_NULL, false);
	(void)buf_span(&request->answer, buf_get(body));
	buf_free(body);
	pump(request);
}

void
session_problem(struct session_request *request, unsigned status, const char *detail)
{
	struct buf body = BUF_INIT(4096);
	json_t *problem = json_pack("{s:s, s:i, s:s}", "type", "about:blank", "status", (int)status, "detail", detail);
	char *text = json_dumps(problem, JSON_COMPACT);

	(void)buf_str(&body, text);
	free(text);
	json_decref(problem);
	session_answer(request, status, "application/problem+json", &body);
}

/* --- messages --- */

static char *
take_text(struct msg_reader *reader)
{
	return span_dup(msg_get_span(reader));
}

static int
on_request(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct session *session = proc->state;
	struct session_request *request = xcalloc(1, sizeof(*request));
	struct msg_reader body = msg_read(msg);

	(void)channel;
	request->kind = msg_get_u8(&body);
	request->length = msg_get_u64(&body);
	request->content_type = take_text(&body);
	request->path = take_text(&body);
	request->query = take_text(&body);
	request->session = session;
	request->body = BUF_INIT(JMAP_REQUEST_MAX);
	request->answer = BUF_INIT(JMAP_RESPONSE_MAX + OUTPUT_MAX);
	if (!msg_done(&body) || request->kind >= REQUEST_KINDS) {
		free(request->content_type);
		free(request->path);
		free(request->query);
		free(request);
		return -EBADMSG;
	}
	request->stream = stream_new(proc->base, msg_take_fd(msg), &request_ops, request, INPUT_MAX, OUTPUT_MAX);
	request->next = session->requests;
	session->requests = request;
	arm_idle(session, false);
	/* No body, no half-close: what ends the stream is the client's going away. */
	if (request->length == 0)
		body_complete(request);
	return 0;
}

static void
on_idle(evutil_socket_t fd, short what, void *context)
{
	struct session *session = context;

	(void)fd;
	(void)what;
	if (session->requests != NULL)
		return;
	/* The front closes the channel when nothing is on its way: then the loop ends. Otherwise a request comes. */
	(void)proc_send(session->proc, ROLE_FRONT, MSG_SESSION_IDLE, 0, NULL, -1);
	arm_idle(session, false);
}

static void
peer_gone(struct proc *proc, uint8_t role)
{
	struct session *session = proc->state;

	if (role != ROLE_RENDER) {
		proc_exit(proc, EX_OK);
		return;
	}
	log_warning("render-gone", log_str("account", proc->account));
	session->render_lost = true;
	session_render_gone(session);
	retire(session);
}

static void
reload(struct proc *proc)
{
	struct session *session = proc->state;

	session->conf = proc->conf;
}

static void
on_change(evutil_socket_t fd, short what, void *context)
{
	struct session *session = context;

	(void)fd;
	(void)what;
	ms_watch_drain(session->jmap->store);
	session_changed(session);
	sweep(session);
	if (session->render_lost)
		retire(session);
	index_later(session);
}

static const struct proc_handler handlers[] = {
	{ MSG_REQUEST, on_request },
	{ MSG_RENDERED, session_rendered },
};

int
proc_session(struct proc *proc)
{
	const struct webmaild_conf *conf = proc->conf;
	struct session *session = xcalloc(1, sizeof(*session));
	char *drop = xasprintf("%s/drop", conf->common.spool_dir);
	struct jail jail = {
		.paths = {
			{ proc->account_dir, JAIL_PATH_WRITE },
			{ drop, JAIL_PATH_WRITE },
		},
		.allow = JAIL_READ_FILES | JAIL_WRITE_FILES | JAIL_WATCH | JAIL_DATABASE | JAIL_MODULES | JAIL_MEMFD,
		.memory_max = MEMORY_MAX,
		.descriptors_max = DESCRIPTORS_MAX,
	};
	int r;

	session->proc = proc;
	session->conf = conf;
	proc->state = session;
	proc->handlers = handlers;
	proc->handler_count = sizeof(handlers) / sizeof(handlers[0]);
	proc->peer_gone = peer_gone;
	proc->reload = reload;
	session->drop_folder = drop_open_folder(conf->common.spool_dir);
	if (session->drop_folder < 0)
		log_warning("no-drop-folder", log_str("spool", conf->common.spool_dir), log_errno("error", session->drop_folder));

	/* --- jail --- */
	proc_jail(proc, &jail);
	free(drop);

	proc_title("webmaild: session %s", proc->account);
	session->idle = event_new(proc->base, -1, 0, on_idle, session);
	session->room = event_new(proc->base, -1, 0, on_room, session);
	session->quiet = event_new(proc->base, -1, 0, on_quiet, session);
	session->uploads = uploads_open(proc->account_dir, conf->upload_size_max, &r);
	if (session->uploads != NULL)
		r = jmap_open(session, &session->jmap);
	if (r != 0) {
		log_error("no-store", log_str("account", proc->account), log_errno("error", r));
		return EX_UNAVAILABLE;
	}
	(void)store_watch(proc, session->jmap->store, on_change, session);
	index_later(session);
	arm_idle(session, false);
	return proc_loop(proc);
}
