/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Requests for an account's session: each goes over as one message with one end of a socketpair, through which its body goes in
 * and its answer comes out. The session is less trusted than this role: it may say how the answer goes (status, length, type, file
 * name), never a field of its own. */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "webmaild/http.h"
#include "webmaild/http_fields.h"

#define BUFFER_MAX 131072
#define ACTIVE_MAX 64  /* requests of one account at once */
#define UPLOADS_MAX JMAP_CONCURRENT_UPLOADS
/* So long a client waits for the beginning of an answer: less than http_conn.c would. */
#define ANSWER_SECONDS 150
/* So long a session that was asked something may show no sign of life: it answers one request after the other, and the first of a large account may have
 * much to read. */
#define SILENCE_SECONDS 600
/* The same of one in doubt: before the client that tries it is told to come again. */
#define DOUBT_SECONDS (ANSWER_SECONDS - 10)

struct proxied {
	struct proxied *next; /* waiting for a session */
	struct proxied *next_stream;
	struct account *account;
	struct exchange *exchange;
	struct stream *stream; /* to the session */
	int session_fd;        /* its end, until it is sent */
	enum request_kind kind;
	struct msg_writer *message;
	struct event *patience; /* NULL before it has gone to the session; pending until that begins to answer */
	bool answered;         /* the head has come */
	bool session_done;
	bool body_done;
	uint64_t left;         /* of the answer's body, or ANSWER_LENGTH_UNKNOWN */
};

static void
unlink_waiting(struct proxied *proxied)
{
	struct proxied **at = &proxied->account->waiting;

	while (*at != NULL && *at != proxied)
		at = &(*at)->next;
	if (*at != NULL)
		*at = proxied->next;
}

static void
unlink_stream(struct proxied *proxied)
{
	struct proxied **at = &proxied->account->streams;

	while (*at != NULL && *at != proxied)
		at = &(*at)->next_stream;
	if (*at != NULL)
		*at = proxied->next_stream;
}

static void
proxied_free(struct proxied *proxied)
{
	struct account *account = proxied->account;

	unlink_waiting(proxied);
	unlink_stream(proxied);
	(void)stream_free(proxied->stream);
	if (proxied->session_fd >= 0)
		(void)close(proxied->session_fd);
	account->active--;
	if (proxied->kind == REQUEST_UPLOAD)
		account->uploads--;
	if (proxied->patience != NULL && !proxied->answered)
		account->unanswered--;
	if (proxied->patience != NULL)
		event_free(proxied->patience);
	free(proxied->message);
	free(proxied);
	account_check(account);
}

/* --- the answer --- */

static void
fail(struct proxied *proxied, unsigned status, const char *detail)
{
	struct exchange *exchange = proxied->exchange;
	bool answered = proxied->answered;

	exchange->handler = NULL;
	proxied_free(proxied);
	if (answered)
		exchange->transport->abort(exchange);
	else
		http_problem(exchange, status, detail);
}

static enum http_policy
policy_of(const struct proxied *proxied)
{
	struct buf images = BUF_INIT(16);
	enum http_policy policy = HTTP_POLICY_API;

	if (proxied->kind == REQUEST_DOWNLOAD)
		policy = HTTP_POLICY_CONTENT;
	if (proxied->kind == REQUEST_RENDER) {
		policy = HTTP_POLICY_RENDER;
		if (http_parameter(proxied->exchange->request->query, SPAN("images"), &images) == 0 &&
		    span_eq(buf_get(&images), SPAN("1")))
			policy = HTTP_POLICY_RENDER_IMAGES;
	}
	buf_free(&images);
	return policy;
}

/* RFC 6266: an ASCII name for old clients, the true one in RFC 8187's coding. */
static void
disposition_field(struct http_response *response, struct span name, bool is_inline)
{
	struct buf value = BUF_INIT(4096);

	(void)buf_str(&value, is_inline ? "inline" : "attachment");
	if (name.len > 0) {
		(void)buf_str(&value, "; filename=\"");
		for (size_t i = 0; i < name.len; i++) {
			unsigned char c = (unsigned char)name.ptr[i];
			bool plain = c >= 0x20 && c < 0x7f && strchr("\"\\/%", (char)c) == NULL;

			(void)buf_char(&value, plain ? (char)c : '_');
		}
		(void)buf_str(&value, "\"; filename*=UTF-8''");
		(void)http_percent_encode(name, &value);
	}
	if (!value.overflow)
		http_response_field(response, "content-disposition", buf_get(&value));
	buf_free(&value);
}

/* The head, when it is all there: 1 when more must come, -EBADMSG. */
static int
take_answer_head(struct proxied *proxied)
{
	struct span input = stream_input(proxied->stream), type, name;
	struct http_response response;
	struct msg_reader reader;
	uint16_t status;
	uint64_t length;
	size_t len;
	bool is_inline;

	if (input.len < 2)
		return 1;
	len = (size_t)(unsigned char)input.ptr[0] << 8 | (unsigned char)input.ptr[1];
	if (len > ANSWER_HEAD_MAX)
		return -EBADMSG;
	if (input.len < 2 + len)
		return 1;
	reader = msg_read_span(span_make(input.ptr + 2, len));
	status = msg_get_u16(&reader);
	length = msg_get_u64(&reader);
	type = msg_get_span(&reader);
	name = msg_get_span(&reader);
	is_inline = msg_get_u8(&reader) != 0;
	if (!msg_done(&reader) || status < 200 || status > 599 || !http_is_field_value(type) ||
	    (length > INT64_MAX && length != ANSWER_LENGTH_UNKNOWN) || !span_is_utf8(name))
		return -EBADMSG;
	http_response_init(&response, status, policy_of(proxied));
	if (type.len > 0)
		http_response_field(&response, "content-type", type);
	if (proxied->kind == REQUEST_DOWNLOAD && status == 200)
		disposition_field(&response, name, is_inline);
	response.length = length == ANSWER_LENGTH_UNKNOWN ? -1 : (int64_t)length;
	proxied->left = length;
	proxied->answered = true;
	proxied->account->unanswered--;
	(void)event_del(proxied->patience);
	proxied->exchange->endless = proxied->kind == REQUEST_EVENTSOURCE && status == 200;
	stream_consume(proxied->stream, 2 + len);
	proxied->exchange->transport->respond(proxied->exchange, &response);
	http_response_free(&response);
	return 0;
}

/* Moves the answer's body as far as there is room. */
static void
move_body(struct proxied *proxied)
{
	struct exchange *exchange = proxied->exchange;
	struct span input;
	size_t room;

	while ((input = stream_input(proxied->stream)).len > 0 && (room = exchange->transport->room(exchange)) > 0) {
		struct span piece = span_make(input.ptr, input.len < room ? input.len : room);

		if (proxied->left != ANSWER_LENGTH_UNKNOWN) {
			if (piece.len > proxied->left)
				piece.len = (size_t)proxied->left;
			proxied->left -= piece.len;
		}
		exchange->transport->write(exchange, piece);
		stream_consume(proxied->stream, piece.len);
		if (proxied->left == 0)
			break;
	}
}

static void
move(struct proxied *proxied)
{
	struct exchange *exchange = proxied->exchange;

	if (!proxied->answered && proxied->kind == REQUEST_EVENTSOURCE && exchange->login->revoked) {
		fail(proxied, 401, "Sign in first.");
		return;
	}
	if (!proxied->answered) {
		int r = take_answer_head(proxied);

		if (r == 0 && exchange->over) {
			proxied_free(proxied);
			return;
		}
		if (r < 0 || (r == 1 && proxied->session_done)) {
			fail(proxied, 503, "The mail session ended before it answered.");
			return;
		}
		if (r == 1)
			return;
	}
	move_body(proxied);
	if (proxied->left == 0 ||
	    (proxied->session_done && proxied->left == ANSWER_LENGTH_UNKNOWN && stream_input(proxied->stream).len == 0)) {
		exchange->handler = NULL;
		proxied_free(proxied);
		exchange->transport->end(exchange);
	} else if (proxied->session_done && stream_input(proxied->stream).len == 0) {
		fail(proxied, 503, "");
	}
}

static void
await_life(struct account *account)
{
	const struct timeval silence = { account->doubted ? DOUBT_SECONDS : SILENCE_SECONDS, 0 };

	(void)event_add(account->silence, &silence);
}

static void
session_readable(struct stream *stream, void *context)
{
	struct proxied *proxied = context;

	(void)stream;
	proxied->account->doubted = false;
	if (proxied->account->unanswered > (proxied->answered ? 0 : 1))
		await_life(proxied->account);
	else
		(void)event_del(proxied->account->silence);
	move(proxied);
}

static void
session_drained(struct stream *stream, void *context)
{
	struct proxied *proxied = context;

	(void)stream;
	if (!proxied->body_done)
		proxied->exchange->transport->more(proxied->exchange);
}

static void
session_ended(struct stream *stream, void *context, enum stream_end end)
{
	struct proxied *proxied = context;

	(void)stream;
	(void)end;
	proxied->session_done = true;
	move(proxied);
}

static const struct stream_ops session_ops = { session_readable, session_drained, NULL, session_ended };

/* --- a session that says nothing --- */

static void
wait_for_answer(struct proxied *proxied)
{
	static const struct timeval patience = { ANSWER_SECONDS, 0 };

	(void)event_add(proxied->patience, &patience);
}

static void
on_impatience(evutil_socket_t fd, short what, void *context)
{
	struct proxied *proxied = context;

	(void)fd, (void)what;
	/* The client's turn: all that he has sent has been read. */
	if (proxied->exchange->has_body && !proxied->body_done && stream_pending(proxied->stream) == 0)
		wait_for_answer(proxied);
	else
		fail(proxied, 503, "The mail session does not answer now; try again later.");
}

/* It ends then: by itself, or killed. */
static void
leave_session(struct account *account)
{
	(void)event_del(account->silence);
	account->doubted = false;
	auth_leave_worker(front_auth(account->http->front), account->worker_request);
	account->worker = msg_channel_free(account->worker);
}

/* What comes gets another session. */
static void
on_silence(evutil_socket_t fd, short what, void *context)
{
	struct account *account = context;

	(void)fd, (void)what;
	if (account->worker == NULL)
		return;
	/* Whoever would have heard from it has left: the next request tells, and need not wait for so long. */
	if (account->unanswered == 0) {
		account->doubted = true;
		return;
	}
	log_error("session-silent", log_str("account", account->address), log_u64("seconds", account->doubted ? DOUBT_SECONDS : SILENCE_SECONDS), log_str("hint", "it is parted from"));
	leave_session(account);
	account_check(account);
}

/* --- the request --- */

static size_t
proxy_body(struct exchange *exchange, struct span bytes)
{
	struct proxied *proxied = exchange->context;
	size_t pending = stream_pending(proxied->stream);
	size_t room = pending < BUFFER_MAX ? BUFFER_MAX - pending : 0;

	/* A session that has answered reads no more; what comes is dropped until the connection is closed. */
	if (proxied->session_done)
		return bytes.len;
	if (bytes.len > room)
		bytes.len = room;
	if (bytes.len > 0 && stream_write(proxied->stream, bytes) < 0)
		return 0;
	if (bytes.len > 0 && proxied->patience != NULL && !proxied->answered)
		wait_for_answer(proxied);
	/* A session says nothing before the body is complete. */
	if (bytes.len > 0 && event_pending(proxied->account->silence, EV_TIMEOUT, NULL))
		await_life(proxied->account);
	return bytes.len;
}

static void
proxy_body_end(struct exchange *exchange)
{
	struct proxied *proxied = exchange->context;

	proxied->body_done = true;
	/* The session knows that there was no body; closing this half would hide from it that the client goes away. */
	if (exchange->has_body)
		stream_shutdown_write(proxied->stream);
}

static void
proxy_writable(struct exchange *exchange)
{
	move(exchange->context);
}

static void
proxy_gone(struct exchange *exchange)
{
	proxied_free(exchange->context);
}

static const struct exchange_handler proxy_handler = { proxy_body, proxy_body_end, proxy_writable, proxy_gone };

/* --- sessions --- */

static void
send_request(struct proxied *proxied)
{
	struct account *account = proxied->account;
	int fd = proxied->session_fd;

	proxied->patience = evtimer_new(account->http->proc->base, on_impatience, proxied);
	if (proxied->patience == NULL)
		abort();
	wait_for_answer(proxied);
	account->unanswered++;
	if (!event_pending(account->silence, EV_TIMEOUT, NULL))
		await_life(account);
	proxied->session_fd = -1;
	/* When it cannot be sent the descriptor is closed, and so the stream ends: session_ended answers. */
	if (msg_send(proxied->account->worker, MSG_REQUEST, 0, proxied->message, fd) < 0)
		log_warning("session-unreachable", log_str("account", proxied->account->address));
	free(proxied->message);
	proxied->message = NULL;
}

static int
worker_message(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct account *account = context;

	(void)channel;
	if (msg->type != MSG_SESSION_IDLE)
		return -EBADMSG;
	if (account->active == 0) {
		leave_session(account);
		account_check(account);
	}
	return 0;
}

static void
worker_closed(struct msg_channel *channel, int error, void *context)
{
	struct account *account = context;

	if (error != 0)
		log_warning("session-misbehaved", log_str("account", account->address), log_errno("error", error));
	account->worker = NULL;
	(void)event_del(account->silence);
	(void)msg_channel_free(channel);
	account_check(account);
}

static void worker_came(void *context, struct msg_channel *worker);

/* With the grant of the first that waits. */
static void
ask_for_session(struct account *account)
{
	account->asking_grant = account->waiting->exchange->login->grant;
	account->asking = auth_worker_by_grant(front_auth(account->http->front), account->asking_grant, worker_came, account);
}

/* No process could be started, which passes. */
static void
fail_all(struct account *account)
{
	while (account->waiting != NULL)
		fail(account->waiting, 503, "Your mail session cannot be started now; try again later.");
}

/* The grant is over, or not known any more, as after a restart of auth. Others of the account, as those with its new password, may have one that is good. */
static void
refuse_asked(struct account *account)
{
	struct proxied *proxied = account->waiting, *next;

	for (; proxied != NULL; proxied = next) {
		struct login *login = proxied->exchange->login;

		next = proxied->next;
		if (login->grant != account->asking_grant)
			continue;
		if (!login->revoked)
			logins_remove(account->http->logins, login);
		fail(proxied, 503, "Your mail session could not be started; sign in again.");
	}
}

static void
worker_came(void *context, struct msg_channel *worker)
{
	struct account *account = context;

	account->worker_request = account->asking;
	account->asking = 0;
	if (worker == NULL) {
		log_warning("no-session", log_str("account", account->address));
		/* A hold of our own: the account lives until those that wait have been told. */
		account->active++;
		if (auth_refused(front_auth(account->http->front)))
			refuse_asked(account);
		else
			fail_all(account);
		account->active--;
		if (account->waiting != NULL)
			ask_for_session(account);
		account_check(account);
		return;
	}
	account->worker = worker;
	msg_channel_start(worker, account->http->proc->base, worker_message, worker_closed, account);
	while (account->waiting != NULL) {
		struct proxied *proxied = account->waiting;

		account->waiting = proxied->next;
		send_request(proxied);
	}
	account_check(account);
}

static void
request_message(struct proxied *proxied, struct span path)
{
	const struct http_request *request = proxied->exchange->request;
	uint64_t length = request->has_length ? request->length : proxied->exchange->has_body ? ANSWER_LENGTH_UNKNOWN : 0;

	proxied->message = xcalloc(1, sizeof(*proxied->message));
	msg_writer_init(proxied->message);
	msg_put_u8(proxied->message, (uint8_t)proxied->kind);
	msg_put_u64(proxied->message, length);
	msg_put_span(proxied->message, http_field(request, "content-type"));
	msg_put_span(proxied->message, path);
	msg_put_span(proxied->message, request->query);
}

void
http_proxy(struct exchange *exchange, enum request_kind kind, struct span path)
{
	struct account *account = exchange->login->account;
	const struct proc *proc = exchange->http->proc;
	struct proxied *proxied;
	int fds[2];

	if (account->active >= ACTIVE_MAX || (kind == REQUEST_UPLOAD && account->uploads >= UPLOADS_MAX)) {
		http_problem_field(exchange, 429, "Too many requests of this account are under way.", "retry-after", SPAN("1"));
		return;
	}
	if (http_field(exchange->request, "content-type").len > 512) {
		http_problem(exchange, 415, "The content type is too long.");
		return;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0) {
		log_error("no-socketpair", log_errno("error", errno));
		http_problem(exchange, 503, "The server is too busy.");
		return;
	}
	proxied = xcalloc(1, sizeof(*proxied));
	proxied->account = account;
	proxied->exchange = exchange;
	proxied->kind = kind;
	proxied->session_fd = fds[1];
	proxied->stream = stream_new(proc->base, fds[0], &session_ops, proxied, BUFFER_MAX, 2 * BUFFER_MAX);
	account->active++;
	if (kind == REQUEST_UPLOAD)
		account->uploads++;
	if (kind == REQUEST_EVENTSOURCE) {
		proxied->next_stream = account->streams;
		account->streams = proxied;
	}
	exchange->handler = &proxy_handler;
	exchange->context = proxied;
	request_message(proxied, path);
	if (account->worker != NULL) {
		send_request(proxied);
		return;
	}
	/* Behind those that wait already. */
	for (struct proxied **at = &account->waiting;; at = &(*at)->next) {
		if (*at == NULL) {
			*at = proxied;
			break;
		}
	}
	if (account->asking == 0)
		ask_for_session(account);
}

void
http_proxy_end_streams(const struct login *login)
{
	struct proxied *stream = login->account->streams, *next;

	for (; stream != NULL; stream = next) {
		struct exchange *exchange = stream->exchange;

		next = stream->next_stream;
		if (exchange->login != login || !stream->answered)
			continue; /* what has not begun does not begin: see move */
		exchange->handler = NULL;
		proxied_free(stream);
		exchange->transport->end(exchange);
	}
}

/* --- accounts --- */

struct account *
account_get(struct http *http, struct span address)
{
	struct account *account;

	for (account = http->accounts; account != NULL; account = account->next)
		if (span_eq(span_of(account->address), address))
			return account;
	account = xcalloc(1, sizeof(*account));
	account->http = http;
	account->address = span_dup(address);
	account->silence = evtimer_new(http->proc->base, on_silence, account);
	if (account->silence == NULL)
		abort();
	account->next = http->accounts;
	http->accounts = account;
	return account;
}

void
account_check(struct account *account)
{
	struct account **at = &account->http->accounts;

	if (account->login_count > 0 || account->active > 0 || account->asking != 0)
		return;
	/* A session with nobody signed in has nothing left to do. */
	if (account->worker != NULL)
		leave_session(account);
	while (*at != NULL && *at != account)
		at = &(*at)->next;
	if (*at == account)
		*at = account->next;
	event_free(account->silence);
	free(account->address);
	free(account);
}
