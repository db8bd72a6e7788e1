/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One connection that speaks HTTP/1.1: requests one after the other (pipelined ones wait in the stream's input), each with its
 * deadlines. Only run() frees a connection; everything else marks it dead. */
#include <errno.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "webmaild/http.h"
#include "webmaild/http_fields.h"

/* Seconds. A head must be whole, a body must move at this many bytes a second on average, an answer must begin. */
#define KEEP_ALIVE_SECONDS 75
#define HEAD_SECONDS 30
#define SILENCE_SECONDS 60
#define ANSWER_SECONDS 180
#define BODY_RATE 1024
/* Bytes of response that wait for the client before the handler is asked to wait. */
#define OUTPUT_HIGH 131072

enum conn_state {
	CONN_IDLE,   /* between requests, or within a head */
	CONN_BODY,   /* the request's body is coming */
	CONN_ANSWER, /* the request is complete, its response is not */
	CONN_CLOSING,
};

struct conn {
	struct http *http;
	struct front_client *client;
	struct stream *stream;
	enum conn_state state;
	struct event *deadline;
	struct event *soon; /* run() in this turn of the loop */
	struct http_request request;
	char *head; /* what request's spans point into */
	struct exchange exchange;
	struct http_chunked chunked;
	uint64_t body_left, body_seen;
	bool in_exchange;    /* exchange is not over */
	bool body_paused;    /* the handler took less than there is */
	bool send_chunked, send_close;
	bool keep_alive;
	bool input_ended;
	bool head_begun;
	bool running, dead;
};

static void run(struct conn *conn);

static struct conn *
conn_of(struct exchange *exchange)
{
	return (struct conn *)((char *)exchange - offsetof(struct conn, exchange));
}

/* --- ends --- */

static void
set_deadline(struct conn *conn, unsigned seconds)
{
	struct timeval wait = { (time_t)seconds, 0 };

	if (seconds == 0)
		(void)event_del(conn->deadline);
	else
		(void)event_add(conn->deadline, &wait);
}

/* The exchange is over for its handler as well. */
static void
tell_gone(struct conn *conn)
{
	struct exchange *exchange = &conn->exchange;
	const struct exchange_handler *handler = exchange->handler;

	if (!conn->in_exchange)
		return;
	exchange->over = true;
	exchange->handler = NULL;
	conn->in_exchange = false;
	if (handler != NULL)
		handler->gone(exchange);
	login_release(conn->http->logins, exchange->login);
	exchange->login = NULL;
}

static void
destroy(struct conn *conn)
{
	tell_gone(conn);
	event_free(conn->deadline);
	event_free(conn->soon);
	if (conn->stream != NULL)
		(void)stream_free(conn->stream);
	front_leave(conn->client);
	free(conn->head);
	free(conn);
}

/* Sends what waits, then closes. */
static void
finish(struct conn *conn)
{
	tell_gone(conn);
	conn->state = CONN_CLOSING;
	if (conn->stream != NULL)
		stream_finish(conn->stream);
	conn->stream = NULL;
	conn->dead = true;
}

static void
drop(struct conn *conn)
{
	conn->dead = true;
}

/* After work done outside run(): callers still hold the exchange, so the connection may not go before they return. */
static void
settle(struct conn *conn)
{
	if (!conn->running)
		event_active(conn->soon, EV_TIMEOUT, 0);
}

/* --- responses --- */

static void
exchange_over(struct conn *conn)
{
	struct exchange *exchange = &conn->exchange;

	exchange->over = true;
	exchange->handler = NULL;
	conn->in_exchange = false;
	login_release(conn->http->logins, exchange->login);
	exchange->login = NULL;
	free(conn->head);
	conn->head = NULL;
	if (conn->dead)
		return;
	/* What is left of the body belongs to nobody, and skipping it costs more than a new connection. */
	if (conn->send_close || conn->state != CONN_ANSWER) {
		finish(conn);
		return;
	}
	conn->state = CONN_IDLE;
	conn->head_begun = false;
	stream_set_timeouts(conn->stream, 0, SILENCE_SECONDS);
	set_deadline(conn, KEEP_ALIVE_SECONDS);
}

static void
conn_respond(struct exchange *exchange, const struct http_response *response)
{
	struct conn *conn = conn_of(exchange);
	struct buf head = BUF_INIT(32768);
	bool bodyless = response->status == 204 || response->status == 304;

	exchange->responded = true;
	/* A body that will not be read to its end cannot be followed by another request. */
	conn->send_close = !conn->keep_alive || conn->state == CONN_BODY || conn->http->proc->stopping || conn->input_ended;
	conn->send_chunked = response->length < 0 && !conn->request.version_1_0;
	if (response->length < 0 && conn->request.version_1_0)
		conn->send_close = true;
	(void)buf_fmt(&head, "HTTP/1.1 %u %s\r\n", response->status, http_reason(response->status));
	(void)buf_span(&head, buf_get(&response->fields));
	if (conn->send_chunked)
		(void)buf_str(&head, "transfer-encoding: chunked\r\n");
	else if (response->length >= 0 && !bodyless)
		(void)buf_fmt(&head, "content-length: %lld\r\n", (long long)response->length);
	(void)buf_str(&head, conn->send_close ? "connection: close\r\n\r\n" : "\r\n");
	if (conn->dead || head.overflow || stream_write(conn->stream, buf_get(&head)) < 0) {
		drop(conn);
		tell_gone(conn);
	} else if (response->length == 0 || exchange->head || bodyless) {
		exchange_over(conn);
	} else if (exchange->endless) {
		set_deadline(conn, 0);
	}
	buf_free(&head);
	settle(conn);
}

static size_t
conn_room(struct exchange *exchange)
{
	struct conn *conn = conn_of(exchange);
	size_t pending = conn->dead ? OUTPUT_HIGH : stream_pending(conn->stream);

	return pending < OUTPUT_HIGH ? OUTPUT_HIGH - pending : 0;
}

static void
conn_write(struct exchange *exchange, struct span bytes)
{
	struct conn *conn = conn_of(exchange);
	struct buf size = BUF_INIT(32);
	int r = 0;

	if (conn->dead || bytes.len == 0)
		return;
	if (conn->send_chunked) {
		(void)buf_fmt(&size, "%zx\r\n", bytes.len);
		r = stream_write(conn->stream, buf_get(&size));
	}
	if (r == 0)
		r = stream_write(conn->stream, bytes);
	if (r == 0 && conn->send_chunked)
		r = stream_write(conn->stream, SPAN("\r\n"));
	buf_free(&size);
	/* The stream tells of its end by itself; a full one is a handler that wrote past the room. */
	if (r < 0)
		drop(conn);
	else if (!exchange->endless)
		set_deadline(conn, ANSWER_SECONDS);
}

static void
conn_end(struct exchange *exchange)
{
	struct conn *conn = conn_of(exchange);

	if (conn->send_chunked && !conn->dead && stream_write(conn->stream, SPAN("0\r\n\r\n")) < 0)
		drop(conn);
	exchange_over(conn);
	settle(conn);
}

static void
conn_abort(struct exchange *exchange)
{
	struct conn *conn = conn_of(exchange);

	exchange->handler = NULL;
	/* Closed before the length that was promised, or without a last chunk: the client sees that it is not whole. */
	drop(conn);
	settle(conn);
}

static void
conn_more(struct exchange *exchange)
{
	struct conn *conn = conn_of(exchange);

	conn->body_paused = false;
	settle(conn);
}

static const struct exchange_transport transport = { conn_respond, conn_room, conn_write, conn_end, conn_abort, conn_more };

/* --- requests --- */

/* Refuses what could not even be parsed; nothing behind it can be trusted. */
static void
refuse(struct conn *conn, unsigned status, const char *detail)
{
	struct exchange *exchange = &conn->exchange;

	conn->keep_alive = false;
	if (!conn->in_exchange) {
		memset(exchange, 0, sizeof(*exchange));
		exchange->http = conn->http;
		exchange->transport = &transport;
		exchange->request = &conn->request;
		conn->in_exchange = true;
	}
	if (exchange->handler != NULL) {
		const struct exchange_handler *handler = exchange->handler;

		exchange->handler = NULL;
		handler->gone(exchange);
	}
	if (exchange->responded)
		drop(conn);
	else
		http_problem(exchange, status, detail);
}

static void
body_ended(struct conn *conn)
{
	conn->state = CONN_ANSWER;
	stream_set_timeouts(conn->stream, 0, SILENCE_SECONDS);
	set_deadline(conn, conn->exchange.endless ? 0 : ANSWER_SECONDS);
	if (conn->in_exchange && conn->exchange.handler != NULL)
		conn->exchange.handler->body_end(&conn->exchange);
}

static void
begin_exchange(struct conn *conn)
{
	struct exchange *exchange = &conn->exchange;
	const struct http_request *request = &conn->request;
	bool has_body = request->chunked || (request->has_length && request->length > 0);

	memset(exchange, 0, sizeof(*exchange));
	exchange->http = conn->http;
	exchange->request = request;
	exchange->client_address = conn->client->address;
	exchange->transport = &transport;
	exchange->has_body = has_body;
	exchange->head = span_eq(request->method, SPAN("HEAD"));
	conn->in_exchange = true;
	conn->keep_alive = request->keep_alive;
	conn->send_chunked = conn->send_close = false;
	conn->chunked = (struct http_chunked){ 0 };
	conn->body_left = request->length;
	conn->body_seen = 0;
	conn->body_paused = false;
	conn->state = has_body ? CONN_BODY : CONN_ANSWER;
	set_deadline(conn, ANSWER_SECONDS);
	http_route(exchange);
	if (conn->dead || !conn->in_exchange || exchange->over || conn->state == CONN_IDLE)
		return;
	if (!has_body) {
		body_ended(conn);
		return;
	}
	if (request->has_length && request->length > exchange->body_max) {
		refuse(conn, 413, "The request is larger than this server takes.");
		return;
	}
	stream_set_timeouts(conn->stream, SILENCE_SECONDS, SILENCE_SECONDS);
	set_deadline(conn, SILENCE_SECONDS +
	    (unsigned)((request->has_length ? request->length : exchange->body_max) / BODY_RATE));
	if (request->expect_continue && !exchange->responded)
		(void)stream_write(conn->stream, SPAN("HTTP/1.1 100 Continue\r\n\r\n")); /* its failure ends the stream */
}

/* Gives body bytes to the handler: how many it took. */
static size_t
give_body(struct conn *conn, struct span bytes)
{
	struct exchange *exchange = &conn->exchange;
	size_t took;

	if (conn->body_seen + bytes.len > exchange->body_max) {
		refuse(conn, 413, "The request is larger than this server takes.");
		return 0;
	}
	took = exchange->handler != NULL ? exchange->handler->body(exchange, bytes) : 0;
	conn->body_seen += took;
	if (took < bytes.len)
		conn->body_paused = true;
	return took;
}

/* True when something was done and there may be more to do. */
static bool
run_body_length(struct conn *conn)
{
	struct span input = stream_input(conn->stream);
	size_t took;

	if (input.len > conn->body_left)
		input.len = (size_t)conn->body_left;
	if (input.len == 0 || conn->body_paused)
		return false;
	took = give_body(conn, input);
	if (conn->dead || conn->state != CONN_BODY)
		return true;
	stream_consume(conn->stream, took);
	conn->body_left -= took;
	if (conn->body_left == 0)
		body_ended(conn);
	return took > 0;
}

static bool
run_body_chunked(struct conn *conn)
{
	struct span input = stream_input(conn->stream), data;
	struct http_chunked before = conn->chunked;
	size_t used = 0, took;
	int r;

	if (input.len == 0 || conn->body_paused)
		return false;
	r = http_chunked_read(&conn->chunked, input, &used, &data);
	if (r >= 400) {
		refuse(conn, 400, "The chunks of the request are malformed.");
		return true;
	}
	if (r != HTTP_CHUNK_DATA) {
		stream_consume(conn->stream, used);
		if (r == HTTP_CHUNK_END)
			body_ended(conn);
		return used > 0 || r == HTTP_CHUNK_END;
	}
	took = give_body(conn, data);
	if (conn->dead || conn->state != CONN_BODY)
		return true;
	if (took < data.len) {
		/* Reads the rest of this piece again later. */
		size_t front = used - data.len;

		conn->chunked = before;
		(void)http_chunked_read(&conn->chunked, span_make(input.ptr, front + took), &used, &data);
		stream_consume(conn->stream, front + took);
		return took > 0;
	}
	stream_consume(conn->stream, used);
	return true;
}

static bool
run_head(struct conn *conn)
{
	struct span input = stream_input(conn->stream);
	size_t used = 0;
	char *copy;
	int r;

	if (input.len == 0)
		return false;
	if (!conn->head_begun) {
		conn->head_begun = true;
		set_deadline(conn, HEAD_SECONDS);
	}
	r = http_parse_head(input, &conn->request, &used);
	if (r == HTTP_PARSE_MORE)
		return false;
	if (r != 0) {
		log_info("bad-request", log_str("client", conn->client->address), log_i64("status", r));
		memset(&conn->request, 0, sizeof(conn->request));
		refuse(conn, (unsigned)r, "The request is malformed.");
		return true;
	}
	copy = xmemdup(input.ptr, used);
	stream_consume(conn->stream, used);
	(void)http_parse_head(span_make(copy, used), &conn->request, &used); /* the same bytes, so the same result */
	free(conn->head);
	conn->head = copy;
	begin_exchange(conn);
	return true;
}

/* Everything that can be done now. */
static void
run(struct conn *conn)
{
	bool more = true;

	conn->running = true;
	while (more && !conn->dead) {
		switch (conn->state) {
		case CONN_IDLE:
			more = run_head(conn);
			if (!more && !conn->dead && conn->input_ended)
				finish(conn);
			break;
		case CONN_BODY:
			more = conn->request.chunked ? run_body_chunked(conn) : run_body_length(conn);
			if (!more && conn->input_ended && !conn->body_paused)
				drop(conn);
			break;
		default:
			more = false;
			break;
		}
	}
	conn->running = false;
	if (conn->dead)
		destroy(conn);
}

/* --- callbacks --- */

static void
on_readable(struct stream *stream, void *context)
{
	(void)stream;
	run(context);
}

static void
on_drained(struct stream *stream, void *context)
{
	struct conn *conn = context;

	(void)stream;
	conn->running = true;
	if (conn->in_exchange && conn->exchange.handler != NULL && conn->exchange.handler->writable != NULL &&
	    conn->exchange.responded)
		conn->exchange.handler->writable(&conn->exchange);
	conn->running = false;
	run(conn);
}

static void
on_ended(struct stream *stream, void *context, enum stream_end end)
{
	struct conn *conn = context;

	(void)stream;
	conn->input_ended = true;
	/* A client that only closed its side may still read the answer; an event stream has no other end than this one. */
	if (end != STREAM_EOF || conn->exchange.endless) {
		if (end == STREAM_TIMEOUT && conn->state == CONN_BODY && !conn->exchange.responded && conn->in_exchange) {
			conn->running = true;
			refuse(conn, 408, "The request's body did not come in time.");
			conn->running = false;
		}
		if (!conn->dead)
			drop(conn);
	}
	run(conn);
}

static void
on_deadline(evutil_socket_t fd, short what, void *context)
{
	struct conn *conn = context;

	(void)fd;
	(void)what;
	conn->running = true;
	if (conn->state == CONN_IDLE && !conn->head_begun)
		finish(conn);
	else if (conn->state == CONN_IDLE)
		refuse(conn, 408, "The request did not come in time.");
	else if (conn->state == CONN_BODY)
		refuse(conn, 408, "The request's body did not come in time.");
	else if (conn->in_exchange)
		refuse(conn, 504, "The answer took too long.");
	conn->running = false;
	run(conn);
}

static void
on_soon(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	run(context);
}

static void
on_secured(struct stream *stream, void *context)
{
	struct conn *conn = context;
	const unsigned char *name = NULL;
	unsigned len = 0;

	SSL_get0_alpn_selected(stream_ssl(stream), &name, &len);
	if (!span_eq(span_make(name, len), SPAN("h2")))
		return;
	/* The connection changes hands: nothing of HTTP/1.1 has been said. */
	event_free(conn->deadline);
	event_free(conn->soon);
	http2_begin(conn->http, conn->client);
	free(conn);
}

static const struct stream_ops conn_ops = { on_readable, on_drained, on_secured, on_ended };

int
http_conn_accept(struct front_client *client, void *context)
{
	struct http *http = context;
	struct conn *conn = xcalloc(1, sizeof(*conn));

	conn->http = http;
	conn->client = client;
	conn->stream = client->stream;
	conn->deadline = event_new(http->proc->base, -1, 0, on_deadline, conn);
	conn->soon = event_new(http->proc->base, -1, 0, on_soon, conn);
	client->context = conn;
	stream_set_owner(conn->stream, &conn_ops, conn);
	stream_set_timeouts(conn->stream, 0, SILENCE_SECONDS);
	set_deadline(conn, HEAD_SECONDS);
	return 0;
}
