/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One connection that speaks HTTP/2, by nghttp2: each of its streams is an exchange like those of HTTP/1.1. nghttp2 sees bytes
 * only; run() moves them, and nothing else frees a connection. */
#include <event2/event.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "webmaild/http.h"

#define STREAMS_MAX 100
#define WINDOW 65535
#define CONNECTION_WINDOW 1048576
#define OUTPUT_HIGH 131072       /* bytes of the connection that wait for the client */
#define INPUT_STOPS 524288       /* above it nothing more is read: a client that sends and does not read */
#define STREAM_OUTPUT_MAX 65536
/* All streams of a connection together. A few bytes of a client that reads nothing ask for as many streams with a head and an answer: beyond this much of
 * answers each gets a little room at a time, and beyond this much of heads the next is refused. */
#define CONNECTION_OUTPUT 262144
#define STREAM_OUTPUT_LEAST 4096
#define CONNECTION_HEADS 262144
#define SWEEP_SECONDS 15
#define IDLE_SECONDS 180
#define SILENCE_SECONDS 60
#define ANSWER_SECONDS 180
#define BODY_RATE 1024

struct h2_stream {
	struct h2_stream *next;
	struct h2 *h2;
	int32_t id;
	struct exchange exchange;
	struct http_request request;
	struct buf head;
	struct field_at {
		uint32_t name, name_len, value, value_len;
	} fields[HTTP_FIELDS_MAX];
	size_t field_count;
	struct field_at method, path, authority; /* name_len is 1 when the value came */
	bool too_large;
	bool routed, in_ended, told_end;
	struct buf in, out;
	bool out_ended;
	uint64_t body_seen;
	int64_t started, moved; /* seconds: when the request came, when something last happened */
};

struct h2 {
	struct http *http;
	struct front_client *client;
	struct stream *stream;
	nghttp2_session *session;
	struct event *sweep, *soon;
	struct h2_stream *streams;
	size_t heads, output; /* bytes of them in all streams */
	int64_t idle_since;
	bool running, dead;
};

static void run(struct h2 *h2);

static struct h2_stream *
stream_of(struct exchange *exchange)
{
	return (struct h2_stream *)((char *)exchange - offsetof(struct h2_stream, exchange));
}

static void
settle(struct h2 *h2)
{
	if (!h2->running)
		event_active(h2->soon, EV_TIMEOUT, 0);
}

static void
exchange_over(struct h2_stream *s)
{
	if (s->exchange.over)
		return;
	s->exchange.over = true;
	s->exchange.handler = NULL;
	login_release(s->h2->http->logins, s->exchange.login);
	s->exchange.login = NULL;
}

static void
tell_gone(struct h2_stream *s)
{
	const struct exchange_handler *handler = s->exchange.handler;

	if (s->exchange.over)
		return;
	s->exchange.handler = NULL;
	if (handler != NULL)
		handler->gone(&s->exchange);
	exchange_over(s);
}

static void
stream_destroy(struct h2_stream *s)
{
	struct h2_stream **at = &s->h2->streams;

	tell_gone(s);
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	s->h2->heads -= s->head.len;
	s->h2->output -= s->out.len;
	buf_free(&s->head);
	buf_free(&s->in);
	buf_free(&s->out);
	free(s);
}

static void
destroy(struct h2 *h2)
{
	while (h2->streams != NULL)
		stream_destroy(h2->streams);
	nghttp2_session_del(h2->session);
	event_free(h2->sweep);
	event_free(h2->soon);
	if (h2->stream != NULL)
		(void)stream_free(h2->stream);
	front_leave(h2->client);
	free(h2);
}

/* --- responses --- */

static ssize_t
read_output(nghttp2_session *session, int32_t id, uint8_t *room, size_t len, uint32_t *flags, nghttp2_data_source *source, void *context)
{
	struct h2_stream *s = source->ptr;

	(void)session;
	(void)id;
	(void)context;
	if (s->out.len == 0 && !s->out_ended)
		return NGHTTP2_ERR_DEFERRED;
	if (len > s->out.len)
		len = s->out.len;
	if (len > 0)
		memcpy(room, s->out.data, len);
	buf_drop(&s->out, len);
	s->h2->output -= len;
	s->moved = http_now();
	if (s->out.len == 0 && s->out_ended)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)len;
}

#define RESPONSE_FIELDS_MAX 64

static nghttp2_nv
pair(struct span name, struct span value)
{
	/* nghttp2 copies both; its interface lacks the const. */
	return (nghttp2_nv){ (uint8_t *)(uintptr_t)name.ptr, (uint8_t *)(uintptr_t)value.ptr, name.len, value.len, NGHTTP2_NV_FLAG_NONE };
}

static void
h2_respond(struct exchange *exchange, const struct http_response *response)
{
	struct h2_stream *s = stream_of(exchange);
	bool bodyless = response->length == 0 || exchange->head || response->status == 204 || response->status == 304;
	nghttp2_data_provider provider = { .source.ptr = s, .read_callback = read_output };
	nghttp2_nv fields[RESPONSE_FIELDS_MAX];
	struct span rest = buf_get(&response->fields), line;
	char status[16], length[32];
	size_t count = 0;

	exchange->responded = true;
	(void)snprintf(status, sizeof(status), "%u", response->status);
	fields[count++] = pair(SPAN(":status"), span_of(status));
	while (count < RESPONSE_FIELDS_MAX - 1 && span_split(&rest, '\n', &line)) {
		struct span name;

		(void)span_split(&line, ':', &name);
		fields[count++] = pair(name, span_trim(line));
	}
	if (response->length >= 0 && response->status != 204 && response->status != 304) {
		(void)snprintf(length, sizeof(length), "%lld", (long long)response->length);
		fields[count++] = pair(SPAN("content-length"), span_of(length));
	}
	s->moved = http_now();
	if (nghttp2_submit_response(s->h2->session, s->id, fields, count, bodyless ? NULL : &provider) != 0)
		s->h2->dead = true;
	if (bodyless)
		exchange_over(s);
	settle(s->h2);
}

static size_t
h2_room(struct exchange *exchange)
{
	const struct h2_stream *s = stream_of(exchange);
	size_t max = s->h2->output < CONNECTION_OUTPUT ? STREAM_OUTPUT_MAX : STREAM_OUTPUT_LEAST;

	return s->out.len < max ? max - s->out.len : 0;
}

static void
resume(struct h2_stream *s)
{
	/* "Not deferred" is no error here. */
	(void)nghttp2_session_resume_data(s->h2->session, s->id);
	settle(s->h2);
}

static void
h2_write(struct exchange *exchange, struct span bytes)
{
	struct h2_stream *s = stream_of(exchange);

	if (buf_span(&s->out, bytes) < 0)
		s->h2->dead = true; /* a handler that wrote past the room: nothing whole can follow */
	else
		s->h2->output += bytes.len;
	resume(s);
}

static void
h2_end(struct exchange *exchange)
{
	struct h2_stream *s = stream_of(exchange);

	s->out_ended = true;
	exchange_over(s);
	resume(s);
}

static void
h2_abort(struct exchange *exchange)
{
	struct h2_stream *s = stream_of(exchange);

	exchange->handler = NULL;
	exchange_over(s);
	(void)nghttp2_submit_rst_stream(s->h2->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_INTERNAL_ERROR);
	settle(s->h2);
}

/* Gives the handler what waits of the body, and its end. */
static void
give_body(struct h2_stream *s)
{
	struct exchange *exchange = &s->exchange;

	if (exchange->over || exchange->handler == NULL || !s->routed)
		return;
	if (s->in.len > 0) {
		size_t took = exchange->handler->body(exchange, buf_get(&s->in));

		if (took > 0) {
			s->moved = http_now();
			buf_drop(&s->in, took);
			(void)nghttp2_session_consume(s->h2->session, s->id, took); /* only tells the peer of more room */
		}
	}
	if (s->in.len == 0 && s->in_ended && !s->told_end && !exchange->over && exchange->handler != NULL) {
		s->told_end = true;
		exchange->handler->body_end(exchange);
	}
}

static void
h2_more(struct exchange *exchange)
{
	settle(stream_of(exchange)->h2); /* run() gives what waits */
}

static const struct exchange_transport transport = { h2_respond, h2_room, h2_write, h2_end, h2_abort, h2_more };

/* Refuses a request while its handler may be at work. */
static void
refuse(struct h2_stream *s, unsigned status, const char *detail)
{
	const struct exchange_handler *handler = s->exchange.handler;

	s->exchange.handler = NULL;
	if (handler != NULL)
		handler->gone(&s->exchange);
	if (s->exchange.responded)
		h2_abort(&s->exchange);
	else
		http_problem(&s->exchange, status, detail);
}

/* --- requests --- */

static int
on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
	struct h2 *h2 = context;
	struct h2_stream *s;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	s = xcalloc(1, sizeof(*s));
	s->h2 = h2;
	s->id = frame->hd.stream_id;
	s->head = BUF_INIT(HTTP_HEAD_MAX);
	s->in = BUF_INIT(WINDOW);
	s->out = BUF_INIT(STREAM_OUTPUT_MAX + 4096);
	s->exchange.http = h2->http;
	s->exchange.transport = &transport;
	s->exchange.request = &s->request;
	s->exchange.client_address = h2->client->address;
	s->started = s->moved = http_now();
	s->next = h2->streams;
	h2->streams = s;
	return nghttp2_session_set_stream_user_data(session, s->id, s);
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len, const uint8_t *value,
    size_t value_len, uint8_t flags, void *context)
{
	struct h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	struct span key = span_make(name, name_len);
	struct h2 *h2 = context;
	struct field_at at;

	(void)flags;
	if (s == NULL || s->routed)
		return 0; /* trailers mean nothing here */
	if (s->too_large || h2->heads + name_len + value_len > CONNECTION_HEADS) {
		s->too_large = true;
		return 0;
	}
	at = (struct field_at){ (uint32_t)s->head.len, (uint32_t)name_len, (uint32_t)(s->head.len + name_len), (uint32_t)value_len };
	if (buf_span(&s->head, key) < 0 || buf_put(&s->head, value, value_len) < 0 ||
	    (key.ptr[0] != ':' && s->field_count == HTTP_FIELDS_MAX)) {
		s->too_large = true;
		h2->heads += s->head.len - at.name;
		return 0;
	}
	h2->heads += s->head.len - at.name;
	if (span_eq(key, SPAN(":method")))
		s->method = at;
	else if (span_eq(key, SPAN(":path")))
		s->path = at;
	else if (span_eq(key, SPAN(":authority")))
		s->authority = at;
	else if (key.ptr[0] != ':')
		s->fields[s->field_count++] = at;
	return 0;
}

static struct span
value_at(const struct h2_stream *s, struct field_at at)
{
	return at.name_len > 0 ? span_make(s->head.data + at.value, at.value_len) : SPAN_NULL;
}

/* The same struct that http_parse_head makes. 0 or the status that refuses it. */
static int
make_request(struct h2_stream *s)
{
	struct http_request *request = &s->request;
	struct span length;
	int r;

	if (s->too_large)
		return 431;
	request->method = value_at(s, s->method);
	request->host = value_at(s, s->authority);
	request->keep_alive = true;
	for (size_t i = 0; i < s->field_count; i++) {
		request->fields[i].name = span_make(s->head.data + s->fields[i].name, s->fields[i].name_len);
		request->fields[i].value = value_at(s, s->fields[i]);
	}
	request->field_count = s->field_count;
	if (request->host.ptr == NULL)
		request->host = http_field(request, "host");
	length = http_field(request, "content-length");
	if (length.ptr != NULL) {
		if (span_to_u64(length, INT64_MAX, &request->length) != 0)
			return 400;
		request->has_length = true;
	}
	r = http_parse_target(value_at(s, s->path), request);
	return request->method.len == 0 || request->method.len > 32 ? 400 : r;
}

static void
begin_exchange(struct h2_stream *s)
{
	int r = make_request(s);

	s->routed = true;
	s->exchange.head = span_eq(s->request.method, SPAN("HEAD"));
	s->exchange.has_body = !s->in_ended;
	if (r != 0) {
		log_info("bad-request", log_str("client", s->h2->client->address), log_i64("status", r));
		http_problem(&s->exchange, (unsigned)r, "The request is malformed.");
		return;
	}
	http_route(&s->exchange);
	if (!s->exchange.over && s->request.has_length && s->request.length > s->exchange.body_max)
		refuse(s, 413, "The request is larger than this server takes.");
}

static int
on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
	struct h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void)context;
	if (s == NULL || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
		return 0;
	if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
		s->in_ended = true;
	if (frame->hd.type == NGHTTP2_HEADERS && !s->routed)
		begin_exchange(s);
	give_body(s);
	return 0;
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *context)
{
	struct h2_stream *s = nghttp2_session_get_stream_user_data(session, id);

	(void)flags;
	(void)context;
	if (s == NULL || s->exchange.over) {
		(void)nghttp2_session_consume(session, id, len); /* nobody reads it any more */
		return 0;
	}
	s->body_seen += len;
	if (s->body_seen > s->exchange.body_max) {
		(void)nghttp2_session_consume(session, id, len);
		refuse(s, 413, "The request is larger than this server takes.");
		return 0;
	}
	/* At most the stream's window waits here: room is told to the peer as the handler takes. */
	if (buf_put(&s->in, data, len) < 0)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	give_body(s);
	return 0;
}

static int
on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *context)
{
	struct h2_stream *s = nghttp2_session_get_stream_user_data(session, id);
	struct h2 *h2 = context;

	(void)code;
	if (s != NULL) {
		if (s->in.len > 0)
			(void)nghttp2_session_consume_connection(session, s->in.len); /* the connection's window stays whole */
		stream_destroy(s);
	}
	if (h2->streams == NULL)
		h2->idle_since = http_now();
	return 0;
}

static int
on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
	struct h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void)context;
	/* RFC 9113 8.1: the response is complete, the request is not wanted any more. */
	if (s != NULL && !s->in_ended && (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
	    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
		(void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
	return 0;
}

/* --- the connection --- */

static void
flush(struct h2 *h2)
{
	while (!h2->dead && stream_pending(h2->stream) < OUTPUT_HIGH) {
		const uint8_t *bytes;
		ssize_t len = nghttp2_session_mem_send(h2->session, &bytes);

		if (len == 0)
			return;
		if (len < 0 || stream_write(h2->stream, span_make(bytes, (size_t)len)) < 0)
			h2->dead = true;
	}
}

static void
take_input(struct h2 *h2)
{
	struct span input;

	while (!h2->dead && stream_pending(h2->stream) < INPUT_STOPS && (input = stream_input(h2->stream)).len > 0) {
		ssize_t len = nghttp2_session_mem_recv(h2->session, (const uint8_t *)input.ptr, input.len);

		if (len < 0) {
			h2->dead = true;
			return;
		}
		stream_consume(h2->stream, (size_t)len);
		flush(h2);
	}
}

/* Lets the handlers go on that wait for room or for their turn of the body. A handler may end any stream, but streams are freed
 * only by nghttp2's callbacks, which do not run here. */
static void
serve(struct h2 *h2)
{
	for (struct h2_stream *s = h2->streams; s != NULL && !h2->dead; s = s->next) {
		give_body(s);
		if (!s->exchange.over && s->exchange.responded && s->exchange.handler != NULL && s->exchange.handler->writable != NULL &&
		    s->out.len <= STREAM_OUTPUT_MAX / 2)
			s->exchange.handler->writable(&s->exchange);
	}
}

static void
run(struct h2 *h2)
{
	h2->running = true;
	take_input(h2);
	serve(h2);
	flush(h2);
	if (!h2->dead && !nghttp2_session_want_read(h2->session) && !nghttp2_session_want_write(h2->session)) {
		stream_finish(h2->stream);
		h2->stream = NULL;
		h2->dead = true;
	}
	h2->running = false;
	if (h2->dead)
		destroy(h2);
}

static void
on_readable(struct stream *stream, void *context)
{
	(void)stream;
	run(context);
}

static void
on_ended(struct stream *stream, void *context, enum stream_end end)
{
	struct h2 *h2 = context;

	(void)stream;
	(void)end;
	h2->dead = true;
	run(h2);
}

static void
on_soon(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	run(context);
}

static void
check_stream(struct h2_stream *s, int64_t now)
{
	uint64_t length = s->request.has_length ? s->request.length : s->exchange.body_max;

	if (s->exchange.over) {
		/* The client does not read the rest of the answer. */
		if (now - s->moved > ANSWER_SECONDS)
			(void)nghttp2_submit_rst_stream(s->h2->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_CANCEL);
		return;
	}
	if (!s->in_ended && !s->exchange.responded &&
	    (now - s->moved > SILENCE_SECONDS || now - s->started > SILENCE_SECONDS + (int64_t)(length / BODY_RATE)))
		refuse(s, 408, "The request's body did not come in time.");
	else if (!s->exchange.endless && now - s->moved > ANSWER_SECONDS)
		refuse(s, 504, "The answer took too long.");
}

static void
on_sweep(evutil_socket_t fd, short what, void *context)
{
	struct h2 *h2 = context;
	int64_t now = http_now();

	(void)fd;
	(void)what;
	h2->running = true;
	for (struct h2_stream *s = h2->streams; s != NULL; s = s->next)
		check_stream(s, now);
	h2->running = false;
	if (h2->streams == NULL && now - h2->idle_since > IDLE_SECONDS)
		(void)nghttp2_session_terminate_session(h2->session, NGHTTP2_NO_ERROR);
	run(h2);
}

static const struct stream_ops h2_ops = { on_readable, on_readable, NULL, on_ended };

static int
session_new(struct h2 *h2)
{
	static const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_HEAD_MAX },
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
	};
	nghttp2_session_callbacks *callbacks = NULL;
	nghttp2_option *option = NULL;
	int r = nghttp2_session_callbacks_new(&callbacks);

	if (r == 0)
		r = nghttp2_option_new(&option);
	if (r == 0) {
		nghttp2_option_set_no_auto_window_update(option, 1);
		nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
		nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
		nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
		nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
		nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
		nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
		r = nghttp2_session_server_new2(&h2->session, callbacks, h2, option);
	}
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	if (r == 0)
		r = nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, sizeof(settings) / sizeof(settings[0]));
	if (r == 0)
		r = nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW);
	return r;
}

void
http2_begin(struct http *http, struct front_client *client)
{
	struct h2 *h2 = xcalloc(1, sizeof(*h2));
	struct timeval interval = { SWEEP_SECONDS, 0 };

	h2->http = http;
	h2->client = client;
	h2->stream = client->stream;
	h2->idle_since = http_now();
	h2->sweep = event_new(http->proc->base, -1, EV_PERSIST, on_sweep, h2);
	h2->soon = event_new(http->proc->base, -1, 0, on_soon, h2);
	(void)event_add(h2->sweep, &interval);
	client->context = h2;
	stream_set_owner(h2->stream, &h2_ops, h2);
	stream_set_timeouts(h2->stream, 0, SILENCE_SECONDS);
	if (session_new(h2) != 0)
		h2->dead = true;
	settle(h2);
}
